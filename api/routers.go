package api

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	mostRouters   = 1000
	routerForgets = time.Hour
)

// routers remembers who follows, and which revision each has in force. Names
// are the routers' own word; two of one name are shown as one.
type routers struct {
	mu   sync.Mutex
	last map[string]bellwether.Applied
	open map[string]int // sockets by name
}

func newRouters() *routers {
	return &routers{last: map[string]bellwether.Applied{}, open: map[string]int{}}
}

func (rs *routers) joined(name string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.open[name]++
}

func (rs *routers) left(name string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.open[name]--; rs.open[name] <= 0 {
		delete(rs.open, name)
	}
}

// applied notes a. When too many are known, the one not heard of for longest
// is forgotten.
func (rs *routers) applied(a bellwether.Applied) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if _, known := rs.last[a.Name]; !known && len(rs.last) >= mostRouters {
		oldest := a
		for _, o := range rs.last {
			if o.At.Before(oldest.At) {
				oldest = o
			}
		}
		delete(rs.last, oldest.Name)
	}
	rs.last[a.Name] = a
}

// routerView is a router as the API shows it.
type routerView struct {
	bellwether.Applied
	Connected bool   `json:"connected"`
	Behind    uint64 `json:"behind"`
}

func (rs *routers) views(now time.Time, w bellwether.Weights) []routerView {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	out := []routerView{}
	for _, name := range slices.Sorted(maps.Keys(rs.last)) {
		a := rs.last[name]
		connected := rs.open[name] > 0
		if !connected && now.Sub(a.At) > routerForgets {
			delete(rs.last, name)
			continue
		}
		v := routerView{Applied: a, Connected: connected}
		if a.Epoch == w.Epoch && a.Revision < w.Revision {
			v.Behind = w.Revision - a.Revision
		}
		v.At = v.At.UTC()
		out = append(out, v)
	}
	return out
}

func (s *Server) listRouters(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]any{"routers": s.routers.views(time.Now(), s.deps.Board.Current())})
}
