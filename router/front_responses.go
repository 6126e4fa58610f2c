package router

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// prior is the input of a request for a response, as items, that of earlier
// answers that it goes on from first.
type prior struct {
	front *dialect
	body  map[string]json.RawMessage
	items []item
	mixed bool // some are of a provider, so that not every target takes them
	keep  bool // the answer is to be kept
}

// goOn reads what a request for a response goes on from, and puts it before
// its input, so that any target can answer it: what one provider stores,
// another does not know. An answer that is not kept here is left to the
// provider to know.
func (x *exchange) goOn(body []byte) *llm.Error {
	p := &prior{front: x.front}
	if json.Unmarshal(body, &p.body) != nil {
		return nil // it was read before, so that this cannot be
	}
	if string(p.body["background"]) == "true" {
		return badRequest(http.StatusBadRequest, "unsupported_field", "background is not served here: leave it out")
	}
	p.keep = string(p.body["store"]) != "false" && x.rt.cfg.StoredResponses > 0
	var id string
	_ = json.Unmarshal(p.body["previous_response_id"], &id) // null, or the provider's to refuse
	before := x.rt.shelf.get(id, x.caller.name)
	if before != nil {
		p.items = append(p.items, before.items...)
	} else if id != "" {
		p.keep = false // what it goes on from is not known
	}
	p.items = append(p.items, inputItems(p.body["input"])...)
	for _, i := range p.items {
		p.mixed = p.mixed || i.by != ""
	}
	x.prior = p
	if before == nil {
		return nil
	}
	delete(p.body, "previous_response_id")
	req, err := p.request(func(item) bool { return false }, x.req.Model)
	if err != nil {
		return badRequest(http.StatusBadRequest, "invalid_request", clip(err.Error(), 500))
	}
	x.req = req
	return nil
}

// request returns the request with its whole input; items that are foreign are
// put so that another provider takes them.
func (p *prior) request(foreign func(item) bool, model string) (llm.Request, error) {
	input := []json.RawMessage{}
	for _, i := range p.items {
		raw := i.raw
		if foreign(i) {
			if raw = withoutOrigin(raw); raw == nil {
				continue
			}
		}
		input = append(input, raw)
	}
	p.body["input"], _ = json.Marshal(input)
	body, err := json.Marshal(p.body)
	if err != nil {
		return llm.Request{}, err
	}
	r, _, err := p.front.read("", body)
	r.Model = model
	return r, err
}

// expand returns r as up may be asked it: reasoning is only ever told to the
// provider whose it is, and so are the ids of items.
func (p *prior) expand(r llm.Request, up *upstream) llm.Request {
	if !p.mixed || r.Dialect != llm.Responses || up.Protocol != llm.Responses || r.Body == nil {
		return r
	}
	own, err := p.request(func(i item) bool { return i.by != "" && i.by != up.Provider }, r.Model)
	if err != nil { // it was read before in another form
		return r
	}
	own.StreamUsage = r.StreamUsage
	return own
}

// withoutOrigin returns an item without what only its provider knows; nil
// where nothing else is in it.
func withoutOrigin(raw json.RawMessage) json.RawMessage {
	var f map[string]json.RawMessage
	if json.Unmarshal(raw, &f) != nil {
		return raw
	}
	switch string(f["type"]) {
	case `"reasoning"`, `"item_reference"`:
		return nil
	}
	delete(f, "id")
	out, err := json.Marshal(f)
	if err != nil {
		return raw
	}
	return out
}

// keepAnswer keeps a plain answer that may be gone on from.
func (x *exchange) keepAnswer(a *attempt, body []byte) {
	if x.prior == nil || !x.prior.keep {
		return
	}
	var r struct {
		ID     string          `json:"id"`
		Status string          `json:"status"`
		Output json.RawMessage `json:"output"`
	}
	if json.Unmarshal(body, &r) != nil || r.ID == "" || r.Status != "completed" && r.Status != "incomplete" {
		return
	}
	by := ourselves
	if x.front.speaks(a.up.Protocol) && x.enc == nil {
		by = a.up.Provider
	}
	s := &shelved{id: r.ID, owner: x.caller.name, body: bytes.Clone(body), asked: len(x.prior.items), items: x.prior.items[:len(x.prior.items):len(x.prior.items)]}
	for _, raw := range elements(r.Output) {
		s.items = append(s.items, item{raw: raw, by: by})
	}
	x.rt.shelf.put(s)
}

// ourselves stands for a provider whose answer was written anew.
const ourselves = "\x00"

// keepStreamed keeps the answer that a stream's last event repeats.
func (x *exchange) keepStreamed(a *attempt, buf []byte) {
	if x.prior == nil || !x.prior.keep {
		return
	}
	i := bytes.LastIndex(buf, []byte("data: "))
	if i < 0 {
		return
	}
	var last struct {
		Response json.RawMessage `json:"response"`
	}
	if json.Unmarshal(bytes.TrimSpace(buf[i+len("data: "):]), &last) == nil && last.Response != nil {
		x.keepAnswer(a, last.Response)
	}
}

// kept returns the answer that a path names; where there is none it has said so.
func (rt *Router) kept(w http.ResponseWriter, r *http.Request, c *caller) *shelved {
	id := r.PathValue("id")
	s := rt.shelf.get(id, c.name)
	if s == nil {
		rt.refuse(w, rt.fronts.responses, c, "", notKept(id))
	}
	return s
}

func notKept(id string) *refusal {
	return &refusal{Error: &llm.Error{Status: http.StatusNotFound, Type: "invalid_request_error", Code: "response_not_found", Dialect: llm.OpenAI, Outcome: bellwether.Gone,
		Message: "there is no response " + strconv.Quote(clip(id, 100)) + " here: it was not stored, was deleted, or made room for others"}}
}

// response answers with an answer of before.
func (rt *Router) response(w http.ResponseWriter, r *http.Request, c *caller) {
	if s := rt.kept(w, r, c); s != nil {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.body)
	}
}

// inputItems lists what an answer of before was asked with, in one page, the
// latest first as OpenAI does unless the order is asc.
func (rt *Router) inputItems(w http.ResponseWriter, r *http.Request, c *caller) {
	s := rt.kept(w, r, c)
	if s == nil {
		return
	}
	data := make([]json.RawMessage, 0, s.asked)
	for i := range s.asked {
		at := s.asked - 1 - i
		if r.URL.Query().Get("order") == "asc" {
			at = i
		}
		data = append(data, s.items[at].raw)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": data, "has_more": false, "first_id": nil, "last_id": nil})
}

// forget deletes an answer of before.
func (rt *Router) forget(w http.ResponseWriter, r *http.Request, c *caller) {
	id := r.PathValue("id")
	if !rt.shelf.remove(id, c.name) {
		rt.refuse(w, rt.fronts.responses, c, "", notKept(id))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "object": "response", "deleted": true})
}
