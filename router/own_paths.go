package router

import "net/http"

// ownEndpoints serves what is the router's own rather than a provider's. Who
// is refused there is told so in the words of front.
func (rt *Router) ownEndpoints(mux *http.ServeMux, front *dialect) {
	serve := func(path string, need scope, h func(http.ResponseWriter, *http.Request, *caller, *dialect)) {
		mux.HandleFunc(path, rt.guard(front, need, func(w http.ResponseWriter, r *http.Request, c *caller) { h(w, r, c, front) }))
	}
	serve("GET /v1/usage", scopeUsage|scopeAccounts, rt.usageJSON)
	serve("GET /v1/usage.csv", scopeUsage|scopeAccounts, rt.usageCSV)
	serve("POST /v1/feedback", scopeFeedback, rt.feedback)
	serve("GET /debug/route", scopeDebug, rt.explain)
}
