// Package api serves what Bellwether knows over HTTP: the weights that routers
// follow (by request, blocking poll and WebSocket), targets and their series,
// observations in and out, incidents, overrides, reports, metrics and health.
// openapi.yaml beside this file describes all of it and the tests hold every
// response to it.
//
// It is not for deciding anything: it keeps no verdict and computes no weight.
// What it needs from others it takes through [Deps]. It does not listen; the
// caller gives [Server.Handler] to an http.Server.
//
// Goroutines: those of the http.Server that calls the handlers, one reader per
// watching socket, which its handler joins, and [Server.Run], which ends all
// streams and waits for them when its context ends.
package api
