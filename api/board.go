package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
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
	e.bookmark, _ = bookmark("", 0) // two constants: cannot fail
	b.current.Store(e)
	return b
}

// Publish hangs out w, wakes everybody who waits, and returns without waiting
// for them. It keeps w: the caller must not change it any more. Within an epoch the
// revision must grow; a document that does not, or that cannot be encoded (a
// NaN), is an error and leaves what hangs there.
func (b *Board) Publish(w bellwether.Weights) error {
	b.publish.Lock()
	defer b.publish.Unlock()
	old := b.current.Load()
	if !old.blank && old.weights.Epoch == w.Epoch && w.Revision <= old.weights.Revision {
		return fmt.Errorf("publish weights: revision %d does not follow %d", w.Revision, old.weights.Revision)
	}
	e := &edition{weights: w, next: make(chan struct{}), parts: map[string]*sheet{}}
	var err error
	if e.whole, err = printWeights(w, etag(w, "")); err != nil {
		return fmt.Errorf("publish weights: %w", err)
	}
	if e.bookmark, err = bookmark(w.Epoch, w.Revision); err != nil {
		return fmt.Errorf("publish weights: %w", err)
	}
	b.current.Store(e)
	close(old.next)
	return nil
}

// Current returns the weights that hang there now; revision 0 of no epoch
// before the first were published. The maps and slices are shared: read only.
func (b *Board) Current() bellwether.Weights { return b.current.Load().weights }

// Next returns a channel that is closed once anything other than what
// [Board.Current] now returns is published.
func (b *Board) Next() <-chan struct{} { return b.current.Load().next }

// part returns the document narrowed to route, "" for all of it. A route that
// is not in it gives a document without routes.
func (e *edition) part(route string) (*sheet, error) {
	if route == "" {
		return e.whole, nil
	}
	rw, ok := e.weights.Routes[route]
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.parts[route]; p != nil {
		return p, nil
	}
	w := e.weights
	w.Routes = map[string]bellwether.RouteWeights{}
	if ok {
		w.Routes[route] = rw
	}
	p, err := printWeights(w, etag(w, route))
	if err == nil && ok { // only what the config names is kept: bounded
		e.parts[route] = p
	}
	return p, err
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

func printWeights(w bellwether.Weights, tag string) (*sheet, error) {
	w.Routes = withReasons(w.Routes)
	body, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	var msg bytes.Buffer
	msg.WriteString(`{"type":"weights","weights":`)
	msg.Write(body)
	msg.WriteByte('}')
	pm, err := websocket.NewPreparedMessage(websocket.TextMessage, msg.Bytes())
	return &sheet{body: append(body, '\n'), etag: tag, message: pm}, err
}

// withReasons copies routes where a list is nil, so that readers find lists.
func withReasons(routes map[string]bellwether.RouteWeights) map[string]bellwether.RouteWeights {
	out := make(map[string]bellwether.RouteWeights, len(routes))
	maps.Copy(out, routes)
	for name, r := range out {
		ts := make([]bellwether.TargetWeight, len(r.Targets))
		copy(ts, r.Targets)
		for i := range ts {
			ts[i].Reasons = list(ts[i].Reasons)
		}
		r.Targets = ts
		out[name] = r
	}
	return out
}

func bookmark(epoch string, revision uint64) (*websocket.PreparedMessage, error) {
	msg, err := json.Marshal(struct {
		Type     string `json:"type"`
		Epoch    string `json:"epoch"`
		Revision uint64 `json:"revision"`
	}{"bookmark", epoch, revision})
	if err != nil {
		return nil, err
	}
	return websocket.NewPreparedMessage(websocket.TextMessage, msg)
}

// list returns s, or an empty list where it is nil, so that JSON has [] and
// never null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
