package llm_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
)

func TestLimitsThatAreSpentSayForHowLong(t *testing.T) {
	for name, tc := range map[string]struct {
		header map[string]string
		want   time.Duration
	}{
		"nothing said":           {nil, 0},
		"something left":         {map[string]string{"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, 0},
		"requests spent":         {map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"}, 1500 * time.Millisecond},
		"the longer of two":      {map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20s"}, 20 * time.Second},
		"a time, by its Date":    {map[string]string{"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:07Z", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 7 * time.Second},
		"no sense in the reset":  {map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0},
		"a reset before the end": {map[string]string{"x-ratelimit-remaining": "0", "x-ratelimit-reset": "-5"}, 0},
	} {
		h := http.Header{}
		for k, v := range tc.header {
			h.Set(k, v)
		}
		if got := llm.LimitsSpent(h); got != tc.want {
			t.Errorf("%s: LimitsSpent = %v, want %v", name, got, tc.want)
		}
	}
}
