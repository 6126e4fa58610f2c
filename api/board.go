package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gorilla/websocket"

	"github.com/bellwether-llm/bellwether"
)

// Board is where the current weights hang for all to read. Whoever publishes
// never waits for a reader, and readers who are slow find the newest. A
// document is encoded once, however many read it. Safe for concurrent use.
type Board struct {
	publish sync.Mutex // serialises Publish
	current atomic.Pointer[edition]
}

// edition is one set of weights with its printed forms.
type edition struct {
	weights bellwether.Weights
	blank   bool          // nothing has been published yet
	next    chan struct{} // closed when a newer edition hangs

	whole    *sheet
	bookmark *websocket.PreparedMessage

	mu    sync.Mutex
	parts map[string]*sheet // by route, printed when first asked for
}

// sheet is a document ready to be sent: as a body and as a message.
type sheet struct {
	body    []byte
	etag    string
	message *websocket.PreparedMessage
}

// NewBoard returns a board with nothing on it.
func NewBoard() *Board {
	b := &Board{}
	e := &edition{blank: true, next: make(chan struct{})}
	e.bookmark = bookmark("", 0)
	b.current.Store(e)
	return b
}

// Publish hangs out w, wakes everybody who waits, and returns without waiting
// for them. It keeps w: the caller must not change it any more. Within an epoch
// the revision must grow; a document that does not follow what hangs there is
// ignored. Numbers that are not finite are published as 0.
func (b *Board) Publish(w bellwether.Weights) {
	b.publish.Lock()
	defer b.publish.Unlock()
	old := b.current.Load()
	if !old.blank && old.weights.Epoch == w.Epoch && w.Revision <= old.weights.Revision {
		return
	}
	w.Routes = presentable(w.Routes)
	w.TTL, w.Hold = finite(w.TTL), finite(w.Hold)
	e := &edition{weights: w, next: make(chan struct{}), parts: map[string]*sheet{}}
	e.whole = printWeights(w, etag(w, ""))
	e.bookmark = bookmark(w.Epoch, w.Revision)
	b.current.Store(e)
	close(old.next)
}

// Current returns the weights that hang there now; revision 0 of no epoch
// before the first were published. The maps and slices are shared: read only.
func (b *Board) Current() bellwether.Weights { return b.current.Load().weights }

// Next returns a channel that is closed once anything other than what
// [Board.Current] now returns is published.
func (b *Board) Next() <-chan struct{} { return b.current.Load().next }

// part returns the document narrowed to route, "" for all of it. A route that
// is not in it gives a document without routes.
func (e *edition) part(route string) *sheet {
	if route == "" {
		return e.whole
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.parts[route]; p != nil {
		return p
	}
	w := e.weights
	w.Routes = map[string]bellwether.RouteWeights{}
	rw, ok := e.weights.Routes[route]
	if ok {
		w.Routes[route] = rw
	}
	p := printWeights(w, etag(w, route))
	if ok { // only what the config names is kept: bounded
		e.parts[route] = p
	}
	return p
}

func (e *edition) has(route string) bool {
	_, ok := e.weights.Routes[route]
	return ok || route == ""
}

func etag(w bellwether.Weights, route string) string {
	if route != "" {
		route = ";route=" + route
	}
	return fmt.Sprintf("%q", fmt.Sprintf("%s-%d%s", w.Epoch, w.Revision, route))
}

// printWeights encodes presentable weights, which cannot fail.
func printWeights(w bellwether.Weights, tag string) *sheet {
	body, err := json.Marshal(w)
	if err != nil {
		panic("api: encode weights: " + err.Error()) // no number is NaN: cannot happen
	}
	return &sheet{
		body: append(body, '\n'), etag: tag,
		message: prepared(slices.Concat([]byte(`{"type":"weights","weights":`), body, []byte{'}'})),
	}
}

func bookmark(epoch string, revision uint64) *websocket.PreparedMessage {
	msg, _ := json.Marshal(struct { // strings and numbers: cannot fail
		Type     string `json:"type"`
		Epoch    string `json:"epoch"`
		Revision uint64 `json:"revision"`
	}{"bookmark", epoch, revision})
	return prepared(msg)
}

// prepared wraps a message that many sockets will send.
func prepared(msg []byte) *websocket.PreparedMessage {
	p, err := websocket.NewPreparedMessage(websocket.TextMessage, msg)
	if err != nil {
		panic("api: prepare message: " + err.Error()) // it writes to memory only: cannot happen
	}
	return p
}

// presentable copies routes so that every list is there and every number can
// be encoded.
func presentable(routes map[string]bellwether.RouteWeights) map[string]bellwether.RouteWeights {
	out := make(map[string]bellwether.RouteWeights, len(routes))
	for name, r := range routes {
		ts := make([]bellwether.TargetWeight, len(r.Targets))
		copy(ts, r.Targets)
		for i := range ts {
			t := &ts[i]
			t.Weight, t.Share, t.BaseWeight, t.Score = finite(t.Weight), finite(t.Share), finite(t.BaseWeight), finite(t.Score)
			t.Reasons = reasons(t.Reasons)
		}
		r.Targets = ts
		out[name] = r
	}
	return out
}

// reasons copies rs so that it is a list and can be encoded.
func reasons(rs []bellwether.Reason) []bellwether.Reason {
	out := make([]bellwether.Reason, len(rs))
	copy(out, rs)
	for i := range out {
		out[i].Evidence = finite(out[i].Evidence)
	}
	return out
}

// finite returns v, or 0 where JSON has no word for it.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// list returns s, or an empty list where it is nil, so that JSON has [] and
// never null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
