//go:build race

package arrival

// racing is whether the race detector watches. It knows that what was written
// to a socket happened before what is read from it, but only of plain reads.
const racing = true
