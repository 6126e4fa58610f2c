package api_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

func TestWhatATokenOpenedStaysOutOfSharedCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: tokens("reader", "reader-token", api.Read)})
		w.board.Publish(edition(1))
		w.token = "reader-token"
		for _, path := range []string{"/v1/weights", "/v1/weights?after=1", "/badge/gpt-us.svg"} {
			if got := w.get(path).header.Get("Cache-Control"); !strings.HasPrefix(got, "private, ") {
				t.Errorf("GET %s has Cache-Control %q, want it private", path, got)
			}
		}
		for _, path := range []string{"/v1/targets", "/v1/signals", "/v1/feedback", "/v1/failovers", "/v1/routers", "/v1/session", "/v1/info", "/v1/nowhere"} {
			if got := w.get(path).header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("GET %s has Cache-Control %q, want no-store", path, got)
			}
		}
		open := newWorld(t, setup{})
		open.board.Publish(edition(1))
		if got := open.get("/v1/weights").header.Get("Cache-Control"); got != "max-age=60, stale-if-error=900" {
			t.Errorf("GET /v1/weights of an open server has Cache-Control %q", got)
		}
	})
}

// stuck asks for path and never reads the answer.
func (w *world) stuck(path string) net.Conn {
	w.t.Helper()
	c, err := w.dial(w.t.Context(), "tcp", "localhost")
	if err == nil {
		_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSlowReadersOfSeriesHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for i := range 500 { // an answer that no buffer swallows
			w.store.changes = append(w.store.changes, bellwether.Change{At: time.Now().Add(-time.Duration(i) * time.Second), Target: "gpt-us", From: bellwether.Healthy, To: bellwether.Degraded})
		}
		for range 20 {
			defer w.stuck("/v1/targets/gpt-us/series").Close()
		}
		synctest.Wait()
		start := time.Now()
		w.get("/v1/targets/gpt-us/series").want(200)
		if waited := time.Since(start); waited > 0 {
			t.Errorf("behind 20 readers that do not read, a series took %v", waited)
		}
	})
}

func TestAPageOfLongRevisionsIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		long := edition(30)
		targets := []bellwether.TargetWeight{}
		for i := range 8000 {
			targets = append(targets, bellwether.TargetWeight{Target: fmt.Sprint("t", i), Weight: 1, BaseWeight: 1, State: bellwether.Healthy})
		}
		long.Routes["batch"] = bellwether.RouteWeights{Mode: bellwether.ModeNormal, Targets: targets}
		w.board.Publish(long)
		for i := range 30 {
			e := edition(uint64(i))
			e.IssuedAt = time.Now().Add(time.Duration(i-60) * time.Second)
			w.store.weights = append(w.store.weights, e)
		}
		var got struct {
			Revisions []bellwether.Weights
			Next      string `json:"next_cursor"`
		}
		seen := 0
		for pages := 1; ; pages++ {
			got.Next = strings.Clone(got.Next)
			path := "/v1/revisions?limit=1000"
			if got.Next != "" {
				path += "&cursor=" + got.Next
			}
			got.Revisions, got.Next = nil, ""
			w.get(path).want(200).into(&got)
			seen += len(got.Revisions)
			if len(got.Revisions) > 20 {
				t.Fatalf("a page has %d revisions of more than a megabyte each", len(got.Revisions))
			}
			if got.Next == "" {
				break
			}
		}
		if seen != 30 {
			t.Errorf("%d revisions are listed, want all 30", seen)
		}
		var series struct{ Steps []struct{ Weight float64 } }
		w.get("/v1/targets/gpt-us/series").want(200).into(&series)
		if len(series.Steps) != 1 || series.Steps[0].Weight != 0.4 {
			t.Errorf("steps = %+v, want those of all pages, joined", series.Steps)
		}
	})
}

func TestAFloodOfSlipsIsAnsweredBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		var params, excluded strings.Builder
		for i := range 3000 {
			fmt.Fprintf(&params, "p%d&", i)
			if i < 900 {
				fmt.Fprintf(&excluded, "gpt-uz%d,", i)
			}
		}
		for _, path := range []string{"/v1/targets?" + params.String(), "/v1/decision?route=chat&exclude=" + excluded.String()} {
			var p struct{ Errors []any }
			if a := w.get(path).want(400).into(&p); len(p.Errors) > 100 || len(a.body) > 64<<10 {
				t.Errorf("GET %.30s: %d faults in %d bytes, want at most 100", path, len(p.Errors), len(a.body))
			}
		}
	})
}

func TestAnAgentsInventedTargetsAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		var targets strings.Builder
		for i := range 5000 {
			fmt.Fprintf(&targets, `{"target":"invented-%d","in_flight":0,"suspicion_today":{"probes":0,"tokens":0,"usd":0,"unprobed":0}},`, i)
		}
		w.do("POST", "/v1/agents/there/hello", `{"vantage":"there","version":"1","started_at":"2000-01-01T00:00:00Z","spooled":0,"spooled_bytes":0,"dropped":0,"damaged":0,"lost":0,"refused":0,
			"plan":{"source":"none"},"troubles":[],"probing":{"vantage":"there","at":"2000-01-01T00:00:00Z","jobs":1,"in_flight":0,"waiting":0,"sent":{},"missed":0,"skipped":0,"total_budget":{},"target_budget":{},
			"suspicion_today":{"probes":0,"tokens":0,"usd":0,"unprobed":0},"targets":[`+targets.String()+`{"target":"gpt-us","in_flight":1,"suspicion_today":{"probes":0,"tokens":0,"usd":0,"unprobed":0}}]}}`).want(200)
		if b := string(w.get("/v1/probing").want(200).body); strings.Contains(b, "invented") || !strings.Contains(b, `"target":"gpt-us"`) {
			t.Errorf("GET /v1/probing = %.300s, want the target that there is, and no other", b)
		}
	})
}

func TestOddPathsLeadNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for _, path := range []string{"/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/targets/..%2f..%2fetc%2fpasswd", "/badge/..%2f..%2fetc%2fpasswd.svg",
			"//v1/targets", "/v1/targets/%00", "/v1/observations/%2e%2e%2fx", "/v1/incidents/..%5c..%5cx", "/v1/routes/%2fetc/preview?down=a"} {
			c, err := w.dial(t.Context(), "tcp", "localhost")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path) // raw: clients would clean it
			b, _ := io.ReadAll(c)
			_ = c.Close()
			if line, _, _ := strings.Cut(string(b), "\r\n"); !strings.Contains(line, " 404 ") && !strings.Contains(line, " 400 ") && !strings.Contains(line, " 307 ") && !strings.Contains(line, " 301 ") {
				t.Errorf("GET %s: %s", path, line)
			}
			if strings.Contains(string(b), "root:") {
				t.Errorf("GET %s leads to a file", path)
			}
		}
	})
}
