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
	last map[string]*router
	open map[string]int // sockets by name
}

// router is what is known of one.
type router struct {
	bellwether.Applied        // without Split, which is counted
	region             string // where it said that it is
	split              split
}

func newRouters() *routers {
	return &routers{last: map[string]*router{}, open: map[string]int{}}
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

// applied notes a, and counts what it sent against the routes that it has in
// force. When too many are known, the one not heard of for longest is forgotten.
func (rs *routers) applied(a bellwether.Applied, region string, inForce map[string]bellwether.RouteWeights) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.last[a.Name]
	if r == nil {
		if len(rs.last) >= mostRouters {
			rs.forgetOldest()
		}
		r = &router{split: split{at: a.At, pairs: map[[2]string]*tally{}}}
		rs.last[a.Name] = r
	}
	sent := a.Split
	a.Split = nil
	r.Applied, r.region = a, region
	if len(sent) > 0 {
		r.split.add(sent, inForce, a.At)
	}
}

// forgetOldest is called with mu held, and with at least one known.
func (rs *routers) forgetOldest() {
	oldest := ""
	for name, r := range rs.last {
		if oldest == "" || r.At.Before(rs.last[oldest].At) {
			oldest = name
		}
	}
	delete(rs.last, oldest)
}

// heard notes a router's word, which came from a caller of that region.
func (s *Server) heard(a bellwether.Applied, region string) {
	var inForce map[string]bellwether.RouteWeights
	if len(a.Split) > 0 {
		f := s.deps.Facts()
		known := f.known()
		for _, by := range a.Split {
			maps.DeleteFunc(by, func(target string, _ int) bool { return !known[target] })
		}
		inForce = s.sheet(s.deps.Board.of(a.Epoch, a.Revision), following{region: region}).routes
	}
	s.routers.applied(a, region, inForce)
}

// routerView is a router as the API shows it.
type routerView struct {
	bellwether.Applied
	Region    string       `json:"region,omitempty"`
	Connected bool         `json:"connected"`
	Behind    uint64       `json:"behind"`
	Split     []routeSplit `json:"split"`
}

func (rs *routers) views(now time.Time, w bellwether.Weights) []routerView {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	out := []routerView{}
	for _, name := range slices.Sorted(maps.Keys(rs.last)) {
		r := rs.last[name]
		a := r.Applied
		connected := rs.open[name] > 0
		if !connected && now.Sub(a.At) > routerForgets {
			delete(rs.last, name)
			continue
		}
		v := routerView{Applied: a, Region: r.region, Connected: connected, Split: r.split.view(now)}
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
