// Package counterparts holds tests in which the providers' official Go SDKs
// talk to what this project serves, plain and streamed, and must understand
// it. It is a module of its own so that nobody who builds Bellwether downloads
// the SDKs; it exports nothing and runs nothing.
//
//	cd internal/counterparts && go test ./...
package counterparts
