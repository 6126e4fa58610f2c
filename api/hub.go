package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// mostPending bounds what waits for one reader of events.
const mostPending = 512

// hub hands events to all who listen. Whoever says something never waits:
// what a slow reader has not fetched is replaced by newer news of the same
// thing, and when even that is too much, dropped with a mark that says so.
// Safe for concurrent use.
type hub struct {
	last atomic.Uint64 // id of the last event

	mu      sync.Mutex
	readers map[*listener]struct{}
}

// listener is one reader; its fields belong to the hub's mutex.
type listener struct {
	wake    chan struct{} // holds one token while something is pending
	pending []event
	index   map[string]int // key to place in pending
	lost    bool
}

// event is one event as it goes over the wire. Events of the same key replace
// each other; an empty key is never replaced.
type event struct {
	key  string
	wire []byte
}

func newHub() *hub { return &hub{readers: map[*listener]struct{}{}} }

func (h *hub) join() *listener {
	l := &listener{wake: make(chan struct{}, 1), index: map[string]int{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers[l] = struct{}{}
	return l
}

func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, l)
}

func (h *hub) empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.readers) == 0
}

// say sends v to all who listen; it is encoded once.
func (h *hub) say(kind, key string, v any) error {
	if h.empty() {
		return nil
	}
	e, err := h.event(kind, key, v)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.readers {
		l.add(e)
	}
	return nil
}

func (h *hub) event(kind, key string, v any) (event, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return event{}, fmt.Errorf("encode event %s: %w", kind, err)
	}
	return event{key: key, wire: h.wire(kind, data)}, nil
}

// wire writes an event with the next id. JSON has no line ends, so one data
// line holds it.
func (h *hub) wire(kind string, data []byte) []byte {
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", h.last.Add(1), kind, bytes.TrimSpace(data))
}

// add is called with the hub's mutex held.
func (l *listener) add(e event) {
	if i, ok := l.index[e.key]; ok && e.key != "" {
		l.pending[i] = e
		return
	}
	if len(l.pending) >= mostPending {
		l.pending, l.lost = l.pending[:0], true
		clear(l.index)
	}
	if e.key != "" {
		l.index[e.key] = len(l.pending)
	}
	l.pending = append(l.pending, e)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns what is pending, and whether something before it was dropped.
func (h *hub) take(l *listener) (pending []event, lost bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	pending, lost = slices.Clone(l.pending), l.lost
	clear(l.pending)
	l.pending, l.lost = l.pending[:0], false
	clear(l.index)
	return pending, lost
}
