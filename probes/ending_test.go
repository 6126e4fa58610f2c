package probes

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bellwether-llm/bellwether/llm"
)

func TestAnAnnouncedEndIsReadFromHeaders(t *testing.T) {
	for _, c := range []struct {
		sunset, deprecation string
		want                float64
	}{
		{"", "", 0},
		{"Tue, 01 Dec 2026 00:00:00 GMT", "", 1796083200},
		{"Tue, 01 Dec 2026 00:00:00 GMT", "@1790000000", 1796083200},
		{"soon", "@1790000000", 1},
		{"soon", "", 0},
		{"", "true", 1},
		{"", "false", 0},
	} {
		h := http.Header{}
		h.Set("Sunset", c.sunset)
		h.Set("Deprecation", c.deprecation)
		if got := ending(h); got != c.want {
			t.Errorf("Sunset %q, Deprecation %q: %v, want %v", c.sunset, c.deprecation, got, c.want)
		}
	}
}

func TestAnAnnouncedEndIsSaidOnceUntilItMoves(t *testing.T) {
	sunset := "Tue, 01 Dec 2026 00:00:00 GMT"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Sunset", sunset)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"model":"m","choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`)
	}))
	defer server.Close()
	prober, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer prober.Close()
	i, err := NewIdentity(prober)
	if err != nil {
		t.Fatal(err)
	}
	plain, j := false, identityJob()
	j.Canary.Stream, j.Target.Endpoint = &plain, llm.Endpoint{BaseURL: server.URL}
	for n, want := range []float64{1796083200, 0, 0, 1796169600, 0} {
		if n == 3 {
			sunset = "Wed, 02 Dec 2026 00:00:00 GMT"
		}
		o := i.Probe(t.Context(), j)
		if o.Signals[IdentityEnding] != want || (o.Signals[IdentityChanged] == 1) != (want != 0) {
			t.Errorf("answer %d: %v, %s; want %v", n, o.Signals, o.Outcome, want)
		}
	}
}
