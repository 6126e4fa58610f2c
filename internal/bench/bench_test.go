package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestQuantilesAreByNearestRank(t *testing.T) {
	var f Figures
	if f.Quantile(.5) != 0 {
		t.Error("of nothing it is not 0")
	}
	for _, v := range []time.Duration{40, 10, 30, 20} {
		f.Add(v)
	}
	for q, want := range map[float64]time.Duration{0: 10, .5: 20, .51: 30, 1: 40} {
		if got := f.Quantile(q); got != want {
			t.Errorf("Quantile(%v) = %v, want %v", q, got, want)
		}
	}
}

func TestRulerTakesLinesWithTextForTokens(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, d := range []string{`{"choices":[{"delta":{"role":"assistant","content":""}}]}`, `{"choices":[{"delta":{"content":"a"}}]}`, `{"choices":[{"delta":{"content":"b"}}]}`, "[DONE]"} {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", d)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer srv.Close()
	s, err := Ask(srv.Client(), srv.URL, ChatBody("m"))
	if err != nil || s.FirstToken <= 0 || s.Total < s.FirstToken || s.LongestGap > s.Total {
		t.Errorf("Ask = %+v, %v", s, err)
	}
	silent := httptest.NewServer(http.NotFoundHandler())
	defer silent.Close()
	if _, err := Ask(silent.Client(), silent.URL, ChatBody("m")); err == nil {
		t.Error("Ask of a 404 = nil")
	}
}

func TestGapsAreBetweenTokensOnly(t *testing.T) {
	median, longest := Gaps([]time.Duration{100, 110, 140, 160})
	if median != 20 || longest != 30 {
		t.Errorf("Gaps = %v %v, want 20 30", median, longest)
	}
	if m, l := Gaps([]time.Duration{100}); m != 0 || l != 0 {
		t.Errorf("Gaps of one = %v %v", m, l)
	}
}
