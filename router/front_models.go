package router

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// listed lists what may stand as a request's model, or tells of one, in the
// words of the client that asks: the path is the same for several.
func (rt *Router) listed(w http.ResponseWriter, r *http.Request) {
	front := rt.frontOf(r)
	if r.URL.Query().Has("key") {
		front = rt.fronts.gemini
	}
	rt.guard(front, scopeChat|scopeEmbeddings|scopeImages, func(w http.ResponseWriter, r *http.Request, c *caller) {
		rt.models(w, r, front, c)
	})(w, r)
}

// models answers with what the caller may name: routes first, then targets.
func (rt *Router) models(w http.ResponseWriter, r *http.Request, front *dialect, c *caller) {
	t := rt.table.Load()
	_, one, _ := strings.Cut(r.URL.EscapedPath(), "/models")
	one, err := url.PathUnescape(strings.TrimPrefix(one, "/"))
	var list [][]byte
	var all []llm.Model
	for _, name := range t.names {
		if !c.may(name) || one != "" && name != one {
			continue
		}
		m := llm.Model{ID: name, Name: name}
		if entries := t.routes[name].entries; len(entries) == 1 {
			m.InputLimit = entries[0].up.ContextWindow
		}
		all = append(all, m)
		list = append(list, openAIModel(name, t.routes[name]))
	}
	if err != nil || one != "" && len(all) == 0 {
		rt.refuse(w, front, c, "", &refusal{Error: &llm.Error{Status: http.StatusNotFound, Type: "invalid_request_error", Code: "model_not_found", Dialect: llm.OpenAI, Outcome: bellwether.Gone,
			Message: "there is no route or target of that name that this key may ask for"}})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encodeModels(front, all, list, one != ""))
}

// openAIModel is an entry of OpenAI's list, which says whose it is.
func openAIModel(name string, r *routeTable) []byte {
	owner := "bellwether"
	if r.Name == "" { // a target
		owner = r.entries[0].up.Provider
	}
	b, _ := json.Marshal(struct { // of strings
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}{name, "model", 0, owner})
	return b
}

// encodeModels writes a list, or its only entry, in the words of front.
func encodeModels(front *dialect, all []llm.Model, list [][]byte, one bool) []byte {
	if front.codec.Protocol() == llm.OpenAI {
		if one {
			return list[0]
		}
		b := []byte(`{"object":"list","data":[`)
		for i, m := range list {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, m...)
		}
		return append(b, "]}"...)
	}
	b := front.codec.(llm.Lister).EncodeModels(all) // as every codec of a front is
	if !one {
		return b
	}
	var page struct {
		Data   []json.RawMessage `json:"data"`
		Models []json.RawMessage `json:"models"`
	}
	_ = json.Unmarshal(b, &page) // it was written just now
	return append(page.Data, page.Models...)[0]
}
