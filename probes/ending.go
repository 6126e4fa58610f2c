package probes

import (
	"net/http"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// IdentityEnding is set when an answer's headers announce the end of what
// answers: the Unix time of its Sunset (RFC 8594), or 1 where there is only a
// Deprecation (RFC 9745).
const IdentityEnding bellwether.Signal = "identity.ending"

// ending reads what h announces; 0 is nothing.
func ending(h http.Header) float64 {
	if at, err := http.ParseTime(h.Get("Sunset")); err == nil && at.After(time.Unix(1, 0)) {
		return float64(at.Unix())
	}
	switch d := strings.TrimSpace(h.Get("Deprecation")); strings.ToLower(d) {
	case "", "false", "?0":
		return 0
	}
	return 1
}
