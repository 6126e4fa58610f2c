package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

func TestObservationsAreTakenAsArrayAndAsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		now := time.Now()
		a, b, c := seen("a", "gpt-us", now, 0.4), seen("b", "gpt-us", now, 0.4), seen("c", "gpt-eu", now, 0.4)
		w.do("POST", "/v1/observations", []bellwether.Observation{a, b}, "Content-Type", "application/json; charset=utf-8").want(200).says(`"accepted":2`)
		lines := ""
		for _, o := range []bellwether.Observation{b, c} {
			text, _ := json.Marshal(o)
			lines += string(text) + "\r\n\n"
		}
		w.do("POST", "/v1/observations", lines, "Content-Type", "application/x-ndjson").want(200).says(`"accepted":1`, `"duplicates":1`)
		w.do("POST", "/v1/observations", " [ ] ").want(200).says(`"accepted":0`)
		if len(w.store.observed) != 3 {
			t.Errorf("%d observations are kept, want 3", len(w.store.observed))
		}
		var got struct{ Observations []bellwether.Observation }
		w.get("/v1/observations?order=oldest").want(200).into(&got)
		if len(got.Observations) != 3 {
			t.Errorf("GET /v1/observations = %v, want what was sent", got.Observations)
		}
	})
}

func TestSummariesOfRoutersAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		s := sketch.New()
		s.Add(0.4)
		o := bellwether.Observation{ID: "w1", At: time.Now(), Source: bellwether.SourceRouter, Vantage: "router-1", Target: "gpt-us", Route: "chat",
			Window: 10, Counts: map[bellwether.Outcome]int{"ok": 90, "overloaded": 3}, Sketches: map[bellwether.Signal][]byte{bellwether.FirstToken: s.Bytes()}}
		w.do("POST", "/v1/observations", []bellwether.Observation{o}).want(200)
		w.get("/v1/observations?source=router").want(200).says(`"counts":{"ok":90,"overloaded":3}`)
		o.Sketches[bellwether.FirstToken] = []byte("garbage")
		w.do("POST", "/v1/observations", []bellwether.Observation{o}).want(422).says("/0/sketches")
	})
}

func TestOneBadObservationRefusesAllAndIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		good := map[string]any{"id": "a", "at": "1999-12-31T23:59:00Z", "source": "probe", "vantage": "here", "target": "gpt-us", "outcome": "ok"}
		good["at"] = "2000-01-01T00:00:00Z"
		for name, tt := range map[string]struct {
			change map[string]any
			fault  string
		}{
			"no id":                  {map[string]any{"id": ""}, "/1/id"},
			"no time":                {map[string]any{"at": "0001-01-01T00:00:00Z"}, "/1/at"},
			"a time that is none":    {map[string]any{"at": "yesterday"}, "/1/at"},
			"a time far ahead":       {map[string]any{"at": "2000-01-01T01:00:00Z"}, "/1/at"},
			"an invented source":     {map[string]any{"source": "simulated"}, "/1/source"},
			"an unknown target":      {map[string]any{"target": "nobody"}, "/1/target"},
			"no vantage":             {map[string]any{"vantage": ""}, "/1/vantage"},
			"an odd trigger":         {map[string]any{"trigger": "boredom"}, "/1/trigger"},
			"an odd canary":          {map[string]any{"canary": "<script>"}, "/1/canary"},
			"no outcome":             {map[string]any{"outcome": ""}, "/1/outcome"},
			"a negative time":        {map[string]any{"timing": map[string]any{"first_token_seconds": -1}}, "/1/timing/first_token_seconds"},
			"an endless time":        {map[string]any{"timing": map[string]any{"total_seconds": 1e9}}, "/1/timing/total_seconds"},
			"negative tokens":        {map[string]any{"tokens": map[string]any{"output": -1}}, "/1/tokens/output"},
			"a sample rate above 1":  {map[string]any{"sample_rate": 2}, "/1/sample_rate"},
			"a negative count":       {map[string]any{"counts": map[string]any{"ok": -1}}, "/1/counts"},
			"a check without name":   {map[string]any{"checks": []any{map[string]any{"ok": true}}}, "/1/checks/0/name"},
			"a signal with no name":  {map[string]any{"signals": map[string]any{"": 1}}, "/1/signals"},
			"a text as number":       {map[string]any{"status": "200"}, "/1/status"},
			"a number as text":       {map[string]any{"target": 7}, "/1/target"},
			"a number as nested one": {map[string]any{"timing": map[string]any{"total_seconds": "x"}}, "/1/timing/total_seconds"},
		} {
			bad := maps.Clone(good)
			bad["id"] = "b"
			maps.Copy(bad, tt.change)
			a := w.do("POST", "/v1/observations", []any{good, bad})
			if a.status != 422 || !strings.Contains(string(a.body), `"`+tt.fault+`"`) {
				t.Errorf("a batch with %s: %d %s, want a 422 that names %s", name, a.status, a.body, tt.fault)
			}
			one, _ := json.Marshal(good)
			two, _ := json.Marshal(bad)
			a = w.do("POST", "/v1/observations", string(one)+"\n\n"+string(two)+"\n")
			if a.status != 422 || !strings.Contains(string(a.body), `"`+tt.fault+`","line":3`) {
				t.Errorf("lines with %s: %d %s, want a 422 that names %s in line 3", name, a.status, a.body, tt.fault)
			}
		}
		if len(w.store.observed) != 0 {
			t.Errorf("%d observations of refused batches are kept, want 0", len(w.store.observed))
		}
	})
}

func TestWhatNewerAgentsSayMoreIsTolerated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.do("POST", "/v1/observations", `{"id":"a","at":"2000-01-01T00:00:00Z","source":"probe","vantage":"here","target":"gpt-us","outcome":"melted","novelty":{"x":1}}`).want(200)
		w.get("/v1/observations?outcome=melted").want(200).says(`"id":"a"`)
	})
}

func TestLongTextsOfModelsAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		o := seen("a", "gpt-us", time.Now(), 0.4)
		o.Excerpt, o.Error = "<script>"+strings.Repeat("ä", 5000), strings.Repeat("x", 5000)
		w.do("POST", "/v1/observations", []bellwether.Observation{o}).want(200)
		if got := w.store.observed[0]; len(got.Excerpt) != 4000 || !strings.HasSuffix(got.Excerpt, "ä") || len(got.Error) != 1000 {
			t.Errorf("kept are %d bytes of excerpt and %d of error, want 4000 and 1000", len(got.Excerpt), len(got.Error))
		}
	})
}

func TestGarbageBodiesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for body, want := range map[string]int{
			"": 400, " \n ": 400, "[": 400, "[{}": 400, "[{}]x": 400, "[1]": 422, "null": 422, "{": 422, "\x00\x01": 422, `[{"id":"a"}] []`: 400, "[}": 400,
			"[" + strings.Repeat("1,", 5000) + "1]": 400,
			strings.Repeat("{}\n", 5001):            400,
		} {
			if a := w.do("POST", "/v1/observations", body); a.status != want {
				t.Errorf("POST %.40q: %d %.200s, want %d", body, a.status, a.body, want)
			}
		}
		w.do("POST", "/v1/observations", "[]", "Content-Type", "text/html").want(415)
		w.do("POST", "/v1/observations", strings.Repeat(" ", 8<<20+1)).want(413)
		w.do("POST", "/v1/observations", io.MultiReader(strings.NewReader(strings.Repeat(" ", 8<<20)+"[]"))).want(413).says("8388608")
		w.do("POST", "/v1/overrides", `{"reason":"`+strings.Repeat("x", 1<<20)+`"}`).want(413)
		time.Sleep(time.Second) // the server lingers on connections that it cut
	})
}

func TestFaultsAreNamedUpToALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		var p struct {
			Detail string
			Errors []any
		}
		w.do("POST", "/v1/observations", strings.Repeat("1\n", 500)).want(422).into(&p)
		if len(p.Errors) != 100 || !strings.Contains(p.Detail, "500 faults") {
			t.Errorf("500 bad lines: %d named, %q", len(p.Errors), p.Detail)
		}
	})
}

func TestAStoreThatIsBehindAsksToTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.store.ingestFails = fmt.Errorf("append: %w", later{})
		a := w.do("POST", "/v1/observations", []bellwether.Observation{seen("a", "gpt-us", time.Now(), 0.4)}).want(503)
		if a.header.Get("Retry-After") == "" {
			t.Error("the 503 has no Retry-After")
		}
	})
}
