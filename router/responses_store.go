package router

import (
	"bytes"
	"container/list"
	"encoding/json"
	"sync"
)

// shelf keeps answers of /v1/responses for requests that go on from them, up
// to a bound in bytes; what was used longest ago goes first. Safe for
// concurrent use.
type shelf struct {
	most int64

	mu    sync.Mutex
	bytes int64
	byID  map[string]*list.Element
	used  list.List // of *shelved, the latest first
}

// shelved is an answer with all that led to it.
type shelved struct {
	id, owner string
	body      []byte // the response
	asked     int    // how many of items the request and those before it had
	items     []item // the whole conversation, the answer's last
	size      int64
}

// item is an item of a conversation.
type item struct {
	raw json.RawMessage
	by  string // the provider whose it is; "" is the caller's, or written by us
}

// itemCost is what an item takes beside its bytes, about.
const itemCost = 64

func newShelf(most int64) *shelf {
	return &shelf{most: most, byID: map[string]*list.Element{}}
}

// put keeps s, unless it alone is beyond the bound.
func (f *shelf) put(s *shelved) {
	s.size = int64(len(s.id) + len(s.owner) + len(s.body) + 256)
	for _, i := range s.items {
		s.size += int64(len(i.raw)) + itemCost
	}
	if s.size > f.most {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(f.byID[s.id])
	f.byID[s.id] = f.used.PushFront(s)
	f.bytes += s.size
	for f.bytes > f.most {
		f.drop(f.used.Back())
	}
}

// get returns an answer of owner's; nil where there is none.
func (f *shelf) get(id, owner string) *shelved {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.byID[id]
	if e == nil || e.Value.(*shelved).owner != owner {
		return nil
	}
	f.used.MoveToFront(e)
	return e.Value.(*shelved)
}

// remove forgets an answer of owner's. It reports whether there was one.
func (f *shelf) remove(id, owner string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.byID[id]
	if e == nil || e.Value.(*shelved).owner != owner {
		return false
	}
	f.drop(e)
	return true
}

// drop takes e away, if it is one. It is called with mu held.
func (f *shelf) drop(e *list.Element) {
	if e == nil {
		return
	}
	s := f.used.Remove(e).(*shelved)
	delete(f.byID, s.id)
	f.bytes -= s.size
}

// elements returns the elements of the list raw; of anything else none.
func elements(raw []byte) []json.RawMessage {
	var list []json.RawMessage
	_ = json.Unmarshal(raw, &list)
	return list
}

// inputItems returns a request's input as items.
func inputItems(raw json.RawMessage) []item {
	var text string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		b, _ := json.Marshal(map[string]string{"role": "user", "content": text}) // of strings
		return []item{{raw: b}}
	}
	var items []item
	for _, e := range elements(raw) {
		items = append(items, item{raw: bytes.Clone(e)})
	}
	return items
}
