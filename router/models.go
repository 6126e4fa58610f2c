package router

import (
	"encoding/json"
	"net/http"
)

// models lists what the caller may name as model: routes first, then targets.
func (rt *Router) models(w http.ResponseWriter, _ *http.Request, c *caller) {
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}
	t := rt.table.Load()
	list := make([]model, 0, len(t.names))
	for _, name := range t.names {
		if !c.may(name) {
			continue
		}
		owner := "bellwether"
		if r := t.routes[name]; r.Name == "" { // a target
			owner = r.entries[0].up.Provider
		}
		list = append(list, model{ID: name, Object: "model", OwnedBy: owner})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": list})
}
