//go:build !noui

// Package ui is the dashboard: built assets, embedded, and the handler that
// serves them. It speaks to the rest of the program through the HTTP API only,
// imports none of its packages, starts no goroutine and keeps no state.
//
// The source is in src/, the build in dist/ is committed so that `go install`
// gives a working dashboard; `npm run build` in this folder makes it again,
// byte for byte. The build tag noui leaves the dashboard out.
//
// Security headers are the API's job; the assets need no inline script and no
// inline style, so that they run under `default-src 'self'; style-src 'self'`.
package ui

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the dashboard: its pages at the paths of [IsPage], and its
// assets. Anything else is 404. It reads and compresses the embedded assets
// once, when it is built, and is safe for concurrent use.
func Handler() http.Handler {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("ui: embedded assets: " + err.Error()) // the path is constant and valid
	}
	return newSite(sub)
}
