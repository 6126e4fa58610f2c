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

	mu     sync.Mutex
	recent [recentEditions]*edition // by revision, for what routers applied
}

const (
	recentEditions = 16
	mostSheets     = 64 // of one edition
)

// edition is one set of weights with its printed forms.
type edition struct {
	weights bellwether.Weights
	blank   bool          // nothing has been published yet
	next    chan struct{} // closed when a newer edition hangs

	whole    *sheet
	bookmark *websocket.PreparedMessage

	mu    sync.Mutex
	parts map[part]*sheet // printed when first asked for
}

// part names a part of an edition: a route ("" for all), and the tag of what
// the caller's region changes ("" for nothing).
type part struct{ route, near string }

// sheet is a document ready to be sent: as a body and as a message.
type sheet struct {
	routes  map[string]bellwether.RouteWeights
	body    []byte
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
	e := &edition{weights: w, next: make(chan struct{}), parts: map[part]*sheet{}}
	e.whole = printWeights(w)
	e.bookmark = bookmark(w.Epoch, w.Revision)
	b.mu.Lock()
	b.recent[w.Revision%recentEditions] = e
	b.mu.Unlock()
	b.current.Store(e)
	close(old.next)
}

// of returns the edition of a revision while it is remembered, else the
// current one.
func (b *Board) of(epoch string, revision uint64) *edition {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.recent[revision%recentEditions]; e != nil && e.weights.Epoch == epoch && e.weights.Revision == revision {
		return e
	}
	return b.current.Load()
}

// Current returns the weights that hang there now; revision 0 of no epoch
// before the first were published. The maps and slices are shared: read only.
func (b *Board) Current() bellwether.Weights { return b.current.Load().weights }

// Next returns a channel that is closed once anything other than what
// [Board.Current] now returns is published.
func (b *Board) Next() <-chan struct{} { return b.current.Load().next }

// part returns the document narrowed to route, "" for all of it, as it is for
// a caller to whom near is near; nil for one whose place does not matter. A
// route that is not in it gives a document without routes.
func (e *edition) part(route string, near *nearby, facts func() Facts) *sheet {
	if route == "" && near == nil {
		return e.whole
	}
	k := part{route: route}
	if near != nil {
		k.near = near.tag
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.parts[k]; p != nil {
		return p
	}
	w := e.weights
	if route != "" {
		w.Routes = map[string]bellwether.RouteWeights{}
		if rw, ok := e.weights.Routes[route]; ok {
			w.Routes[route] = rw
		}
	}
	if near != nil {
		f := facts()
		w.Routes = near.apply(w.Routes, &f)
	}
	p := printWeights(w)
	if len(w.Routes) > 0 && len(e.parts) < mostSheets+len(e.weights.Routes) { // only what the config names is kept: bounded
		e.parts[k] = p
	}
	return p
}

func (e *edition) has(route string) bool {
	_, ok := e.weights.Routes[route]
	return ok || route == ""
}

// etag names a document: the set of weights, and what narrows or changes it.
func etag(w bellwether.Weights, route, region string, near *nearby) string {
	if route != "" {
		route = ";route=" + route
	}
	if region != "" {
		region = ";region=" + region
	}
	if near != nil {
		region += ";near=" + near.tag
	}
	return fmt.Sprintf("%q", fmt.Sprintf("%s-%d%s%s", w.Epoch, w.Revision, route, region))
}

// printWeights encodes presentable weights, which cannot fail.
func printWeights(w bellwether.Weights) *sheet {
	body, err := json.Marshal(w)
	if err != nil {
		panic("api: encode weights: " + err.Error()) // no number is NaN: cannot happen
	}
	return &sheet{
		routes: w.Routes, body: append(body, '\n'),
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
			t.Preference, t.WouldShare = finite(t.Preference), finiteAt(t.WouldShare)
			t.Reasons = reasons(t.Reasons)
		}
		r.Targets, r.Rollout = ts, finiteAt(r.Rollout)
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

// finiteAt copies the number at v, where there is one.
func finiteAt(v *float64) *float64 {
	if v == nil {
		return nil
	}
	f := finite(*v)
	return &f
}

// list returns s, or an empty list where it is nil, so that JSON has [] and
// never null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
