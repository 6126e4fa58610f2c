package llm

import (
	"net/http"
	"time"
)

// LimitsSpent returns how long the limits that an answer's headers call spent
// stay so: the longest, at most a day; 0 when none is. Providers say it with
// every answer, not only with a refusal.
func LimitsSpent(h http.Header) time.Duration {
	longest := time.Duration(0)
	for _, l := range limitHeaders() {
		if spent(h.Get(l.remaining)) {
			longest = max(longest, resetIn(h, h.Get(l.reset)))
		}
	}
	return longest
}
