//go:build noui

// Package ui stands in for the dashboard in builds without one.
package ui

import "net/http"

// Handler answers every page of the dashboard with a sentence that says it was
// left out of this build, and everything else with 404.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsPage(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		http.Error(w, "This build has no dashboard (build tag noui). The API is at /v1/.", http.StatusNotImplemented)
	})
}
