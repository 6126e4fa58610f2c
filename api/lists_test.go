package api_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

func someIncidents(now time.Time) []bellwether.Incident {
	now = now.UTC()
	return []bellwether.Incident{
		{ID: "i0", State: bellwether.IncidentResolved, Severity: bellwether.Down, Targets: []string{"claude-us"}, Title: "claude-us was down",
			FirstAt: now.Add(-3 * time.Hour), OpenedAt: now.Add(-3 * time.Hour), ResolvedAt: now.Add(-2 * time.Hour)},
		{ID: "i1", State: bellwether.IncidentOpen, Severity: bellwether.Degraded, Cause: bellwether.CauseRegion, Targets: []string{"gpt-us"}, Title: "gpt-us is degraded",
			FirstAt: now.Add(-12 * time.Minute), OpenedAt: now.Add(-10 * time.Minute),
			Timeline: []bellwether.IncidentEvent{{At: now.Add(-10 * time.Minute), Kind: "opened", Target: "gpt-us", State: bellwether.Degraded, Text: "first token p95 4.1 s"}}},
	}
}

func TestListsPageWithACursorAndALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		now := time.Now()
		for i := range 5 {
			w.store.observed = append(w.store.observed, seen(fmt.Sprint("o", i), "gpt-us", now.Add(time.Duration(i)*time.Second), 0.4))
			w.store.changes = append(w.store.changes, bellwether.Change{At: now.Add(time.Duration(i) * time.Second), Target: "gpt-us", From: bellwether.Healthy, To: bellwether.Degraded})
			e := edition(uint64(i + 1))
			e.IssuedAt = now.Add(time.Duration(i) * time.Second).UTC()
			w.store.weights = append(w.store.weights, e)
		}
		for _, name := range []string{"observations", "changes", "revisions"} {
			total, path := 0, "/v1/"+name+"?limit=2&order=oldest"
			for pages := 1; path != ""; pages++ {
				var got map[string]any
				a := w.get(path).want(200).into(&got)
				total += len(got[name].([]any))
				_, cursor := got["next_cursor"]
				link := a.header.Get("Link")
				if cursor != (link != "") || cursor != (pages < 3) {
					t.Errorf("page %d of %s: next_cursor %v, Link %q", pages, name, cursor, link)
				}
				path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
			}
			if total != 5 {
				t.Errorf("the pages of %s hold %d, want 5", name, total)
			}
		}
		w.get("/v1/observations?cursor=nonsense").want(400).says("cursor")
	})
}

func TestListsAreFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		now := time.Now()
		w.store.observed = []bellwether.Observation{seen("a", "gpt-us", now, 0.4), failed("b", "gpt-us", now, bellwether.ServerError), seen("c", "gpt-eu", now, 0.4)}
		w.get("/v1/observations?target=gpt-us&outcome=server_error&vantage=here&canary=capital&source=probe&from=2000-01-01&to=2000-01-02T00:00:00Z").
			want(200).says(`"id":"b"`)
		var got struct{ Observations []bellwether.Observation }
		if w.get("/v1/observations?target=nobody").want(200).into(&got); got.Observations == nil || len(got.Observations) != 0 {
			t.Errorf("observations of nobody are %v, want an empty list", got.Observations)
		}
		w.get("/v1/observations/b").want(200).says(`"id":"b"`)
		w.get("/v1/observations/z").want(404).says("z")
	})
}

func TestBadParametersAreAllNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.get("/v1/observations?limit=0&source=dreams&from=soon&tagret=x&order=up&target=UP").want(400).
			says(`"?limit"`, `"?source"`, `"?from"`, `"?tagret"`, `"?order"`, `"?target"`)
		w.get("/v1/changes?from=2026-02-01&to=2026-01-01").want(400).says(`"?to"`)
		w.get("/v1/changes?from=2026-02-01&from=2026-02-02").want(400).says("2 times")
		w.get("/v1/changes?target=%zz").want(400)
		w.get("/v1/incidents?state=odd").want(400).says("open, resolved")
	})
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.get("/v1/nothing").want(404).says("/v1/openapi.yaml")
		w.get("/v1/").want(404)
		a := w.do("PUT", "/v1/overrides", nil).want(405).says("GET, POST, HEAD")
		if got := a.header.Get("Allow"); got != "GET, POST, HEAD" {
			t.Errorf("Allow is %q", got)
		}
		w.do("DELETE", "/v1/weights", nil).want(405)
		w.get("/").want(200).says("no dashboard")
		w.get("/elsewhere").want(404)
	})
}

func TestTheDashboardGetsEverythingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{deps: func(d *api.Deps) {
			d.UI = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "page ", r.URL.Path) })
		}})
		w.get("/targets/gpt-us").want(200).says("page /targets/gpt-us")
		w.get("/v1/nothing").want(404)
	})
}

func TestOurOwnFaultsAreNotExplainedToStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := func(d *api.Deps) { d.Ingest = nil }
		w := newWorld(t, setup{deps: h})
		w.do("POST", "/v1/observations", "[]").want(501)
		w = newWorld(t, setup{})
		w.store.ingestFails = errors.New("open /secret/path: no such file")
		a := w.do("POST", "/v1/observations", []bellwether.Observation{seen("a", "gpt-us", time.Now(), 1)}).want(503)
		if strings.Contains(string(a.body), "secret") {
			t.Errorf("the 503 says %s", a.body)
		}
	})
}

func TestAPanicIsA500AndTheServerLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{deps: func(d *api.Deps) {
			d.Ingest = nil
			d.UI = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") })
		}})
		w.get("/page").want(500).says("log says why")
		w.get("/livez").want(200)
	})
}

func TestAnAnswerThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{deps: func(d *api.Deps) {
			d.UI = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, "half a p")
				panic("oh")
			})
			d.WriteSLOs = func(o io.Writer, _ []bellwether.Attainment) error {
				_, _ = fmt.Fprint(o, "half a l")
				return errors.New("oh")
			}
		}})
		for _, path := range []string{"/page", "/v1/reports/slo.csv"} {
			if a, err := w.try(t.Context(), "GET", path, nil); err == nil {
				t.Errorf("GET %s = %d %q, want a connection that is cut", path, a.status, a.body)
			}
		}
		w.get("/metrics").want(200).says(`endpoint="GET /v1/reports/slo.csv"`)
	})
}

func TestIncidentsAreShownAcknowledgedAndAnnotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: tokens("olivia", "operator-token", api.Read, api.Operate)})
		w.token = "operator-token"
		now := time.Now()
		w.store.incidents = someIncidents(now)
		w.store.deliveries = []bellwether.Delivery{
			{ID: "d1", Channel: "slack", Incident: "i1", Kind: "opened", Payload: []byte(`{"secret":1}`), CreatedAt: now.Add(-time.Minute), SentAt: now, Receipt: "ts"},
			{ID: "d2", Channel: "slack", Incident: "i1", Kind: "changed", CreatedAt: now, NextAt: now, Attempts: 3, Error: "timeout"},
			{ID: "d3", Channel: "hook", Incident: "i1", Kind: "opened", CreatedAt: now, GivenUp: true, SentAt: now},
		}
		var got struct{ Incidents []bellwether.Incident }
		if w.get("/v1/incidents").want(200).into(&got); len(got.Incidents) != 2 || got.Incidents[0].ID != "i1" {
			t.Errorf("GET /v1/incidents = %v, want both, newest first", got)
		}
		if w.get("/v1/incidents?state=open&target=gpt-us").want(200).into(&got); len(got.Incidents) != 1 {
			t.Errorf("open incidents = %v, want one", got)
		}
		a := w.get("/v1/incidents/i1").want(200).says(`"status":"sent"`, `"status":"owed"`, `"status":"given_up"`)
		if strings.Contains(string(a.body), "secret") {
			t.Error("a delivery's payload is shown")
		}
		w.get("/v1/incidents/i9").want(404).says("i9")
		w.do("POST", "/v1/incidents/i1/ack", nil).want(200).says(`"acknowledged_by":"olivia"`)
		w.do("POST", "/v1/incidents/i1/ack", map[string]string{"by": "Liv"}).want(200).says(`"Liv (olivia)"`)
		w.do("POST", "/v1/incidents/i9/ack", nil).want(404)
		w.do("POST", "/v1/incidents/i1/notes", map[string]string{"text": "called the provider"}).want(200).says("called the provider", `"by":"olivia"`)
		w.do("POST", "/v1/incidents/i1/notes", map[string]string{"text": "  "}).want(422).says(`"/text"`)
		w.do("POST", "/v1/incidents/i1/notes", map[string]string{"text": strings.Repeat("x", 4001)}).want(422)
		w.do("POST", "/v1/incidents/i1/notes", map[string]any{"text": 1}).want(400).says(`"/text"`)
		w.do("POST", "/v1/incidents/i1/notes", `{"text":"a","oops":1}`).want(400).says("oops")
		w.do("POST", "/v1/incidents/i1/notes", `{"text":"a"} {}`).want(400)
		w.do("POST", "/v1/incidents/i1/notes", nil).want(400)
	})
}

func TestOverridesEndAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		now := time.Now()
		a := w.do("POST", "/v1/overrides", map[string]any{"target": "gpt-us", "weight": 0, "reason": "maintenance", "for": "2h", "by": "Liv"}).want(201)
		var o bellwether.Override
		a.into(&o)
		if o.By != "Liv" || !o.ExpiresAt.Equal(now.Add(2*time.Hour)) || a.header.Get("Location") != "/v1/overrides/"+o.ID {
			t.Errorf("POST /v1/overrides = %+v at %s", o, a.header.Get("Location"))
		}
		w.do("POST", "/v1/overrides", map[string]any{"target": "gpt-eu", "weight": 0.5, "reason": "trial", "expires_at": now.Add(24 * time.Hour)}).want(201)
		w.get("/v1/targets/gpt-us").want(200).says(`"reason":"maintenance"`)
		w.get("/v1/overrides").want(200).says(`"maintenance"`, `"trial"`)
		for name, tt := range map[string]struct {
			body  map[string]any
			fault string
		}{
			"no target":          {map[string]any{"weight": 0, "reason": "r", "for": "1h"}, "/target"},
			"an unknown one":     {map[string]any{"target": "nobody", "weight": 0, "reason": "r", "for": "1h"}, "/target"},
			"no weight":          {map[string]any{"target": "gpt-us", "reason": "r", "for": "1h"}, "/weight"},
			"weight above 1":     {map[string]any{"target": "gpt-us", "weight": 1.5, "reason": "r", "for": "1h"}, "/weight"},
			"no reason":          {map[string]any{"target": "gpt-us", "weight": 0, "for": "1h"}, "/reason"},
			"no end":             {map[string]any{"target": "gpt-us", "weight": 0, "reason": "r"}, "/expires_at"},
			"an end long ahead":  {map[string]any{"target": "gpt-us", "weight": 0, "reason": "r", "for": "31d"}, "/expires_at"},
			"an end in the past": {map[string]any{"target": "gpt-us", "weight": 0, "reason": "r", "expires_at": "1999-12-31T00:00:00Z"}, "/expires_at"},
			"both ends":          {map[string]any{"target": "gpt-us", "weight": 0, "reason": "r", "for": "1h", "expires_at": now.Add(time.Hour)}, "/for"},
			"an odd duration":    {map[string]any{"target": "gpt-us", "weight": 0, "reason": "r", "for": "a while"}, "/for"},
		} {
			a := w.do("POST", "/v1/overrides", tt.body)
			if a.status != 422 || !strings.Contains(string(a.body), `"pointer":"`+tt.fault+`"`) {
				t.Errorf("an override with %s: %d %s, want 422 that names %s", name, a.status, a.body, tt.fault)
			}
		}
		w.do("DELETE", "/v1/overrides/"+o.ID, nil).want(204)
		w.do("DELETE", "/v1/overrides/"+o.ID, nil).want(404)
		time.Sleep(25 * time.Hour)
		if a := w.get("/v1/overrides").want(200); string(a.body) != `{"overrides":[]}`+"\n" {
			t.Errorf("after a day the overrides are %s, want none", a.body)
		}
	})
}

func TestRoutesShowNowAndAnHourAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.get("/v1/routes").want(200).says(`"chat"`)
		old := edition(1)
		old.IssuedAt = time.Now().Add(-2 * time.Hour)
		w.store.weights = []bellwether.Weights{old, edition(2)}
		w.board.Publish(edition(2))
		var got struct {
			Revision uint64
			Routes   []struct{ Name string }
		}
		a := w.get("/v1/routes").want(200).into(&got).says(`"hour_ago":{`, `"now":{`, `"overprovision":1`)
		if got.Revision != 2 || len(got.Routes) != 2 || got.Routes[0].Name != "chat" {
			t.Errorf("GET /v1/routes = %s", a.body)
		}
	})
}

func TestAPreviewSaysWhatWouldBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		type preview struct {
			Panic   bool
			Targets []struct {
				Target string
				Weight float64
				Now    float64 `json:"share_now"`
				Then   float64 `json:"share_then"`
			}
		}
		var p preview
		w.get("/v1/routes/chat/preview?down=gpt-us").want(200).into(&p) // before the first weights
		if p.Panic || p.Targets[0].Then != 0 || p.Targets[1].Then != 0.475 || p.Targets[2].Then != 0.525 {
			t.Errorf("preview = %+v, want 0, 0.475, 0.525: the rest of the tier carries half of 95 %%", p)
		}
		w.board.Publish(edition(1))
		w.get("/v1/routes/chat/preview?down=gpt-us,gpt-eu&down=claude-us").want(200).into(&p)
		if sum := p.Targets[0].Then + p.Targets[1].Then + p.Targets[2].Then; !p.Panic || sum < 0.9999 || sum > 1.0001 {
			t.Errorf("preview of everything down = %+v, want panic and shares that sum to 1", p)
		}
		w.get("/v1/routes/chat/preview").want(400).says(`"?down"`)
		w.get("/v1/routes/batch/preview?down=gpt-us").want(400).says("not in route batch")
		w.get("/v1/routes/nope/preview?down=gpt-us").want(404)
	})
}

func TestProbesAreMadeOnRequestOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.do("POST", "/v1/probes", nil).want(200).says(`"observations":[]`)
		w.do("POST", "/v1/probes", map[string]any{"targets": []string{"gpt-us"}, "canaries": []string{"capital"}}).want(200).says(`"gpt-us"`)
		w.do("POST", "/v1/probes", map[string]any{"targets": []string{"x"}, "canaries": []string{"y"}}).want(422).says("/targets/0", "/canaries/0")
		w.store.probeStarted, w.store.probeGo = make(chan struct{}), make(chan struct{})
		done := make(chan int)
		go func() {
			a, _ := w.try(t.Context(), "POST", "/v1/probes", nil)
			done <- a.status
		}()
		<-w.store.probeStarted
		w.do("POST", "/v1/probes", nil).want(429)
		close(w.store.probeGo)
		if got := <-done; got != 200 {
			t.Errorf("the first request was answered %d, want 200", got)
		}
	})
}

func TestObjectivesAreShownAndExported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.store.attained = []bellwether.Attainment{{GeneratedAt: time.Now(), From: time.Now(), To: time.Now(), SLO: "chat-first-token", Status: "met",
			Objective: 0.99, SLI: nan, Remaining: -0.5, Burn1h: nan, P50: 0.4}}
		w.get("/v1/slos").want(200).says(`"sli_ratio":null`, `"budget_remaining_ratio":-0.5`, `"status":"met"`)
		a := w.get("/v1/reports/slo.csv?from=2026-10-01&to=2026-11-01").want(200).says("chat-first-token")
		if got := a.header.Get("Content-Disposition"); !strings.Contains(got, "slo.csv") {
			t.Errorf("Content-Disposition is %q", got)
		}
		w.get("/v1/slos?from=x").want(400)
		none := newWorld(t, setup{deps: func(d *api.Deps) { d.Attainments = nil }})
		none.get("/v1/slos").want(501)
	})
}

func TestHealthIsAMatterOfTheServerOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := false
		ready := func(d *api.Deps) {
			d.Ready = readiness(&down)
		}
		w := newWorld(t, setup{config: threeTokens(), deps: ready})
		w.get("/livez").want(200).says("ok")
		w.get("/readyz").want(503).says("not ready")
		w.board.Publish(edition(1))
		w.store.assessments = []bellwether.Assessment{{Target: "gpt-us", State: bellwether.Down}}
		w.get("/readyz").want(200)
		w.get("/healthz").want(200)
		down = true
		a := w.get("/readyz?verbose").want(503).says("[-] store failed", "[+] weights ok")
		if strings.Contains(string(a.body), "disk") {
			t.Errorf("a stranger reads why: %s", a.body)
		}
		w.token = "reader-token"
		w.get("/healthz?verbose").want(503).says("the disk is full")
	})
}

func TestSmallThings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: api.Config{PublicStatus: true, Tokens: threeTokens().Tokens}})
		w.store.assessments = []bellwether.Assessment{{Target: "gpt-us", State: bellwether.Degraded}}
		w.get("/badge/gpt-us.svg").want(200).says("<svg", "gpt-us", "degraded")
		w.get("/badge/gpt-eu.svg").want(200).says("unknown")
		w.get("/badge/nobody.svg").want(404)
		w.get("/badge/gpt-us").want(404)
		w.get("/v1/openapi.yaml").want(200).says("openapi: 3.1.0")
		w.token = "reader-token"
		w.get("/v1/canaries").want(200).says(`"probes_per_day":8640`, `"checks":[]`)
	})
}

func TestADecisionSticksToItsSessionAndFollowsTheShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.get("/v1/decision?route=chat").want(503)
		w.board.Publish(edition(1))
		type decision struct {
			Target    string
			Model     string
			Fallbacks []string
		}
		pick := func(query string) (d decision) {
			w.get("/v1/decision?route=chat" + query).want(200).into(&d)
			return d
		}
		count, first := map[string]int{}, map[string]string{}
		for i := range 1000 {
			session := fmt.Sprint("session-", i)
			d := pick("&region=eu&session=" + session)
			count[d.Target]++
			first[session] = d.Target
			if len(d.Fallbacks) != 2 || d.Model == "" {
				t.Fatalf("decision = %+v, want a model and two fallbacks", d)
			}
		}
		for target, want := range map[string]int{"gpt-us": 200, "gpt-eu": 500, "claude-us": 300} {
			if got := count[target]; got < want-60 || got > want+60 {
				t.Errorf("%s was picked %d times of 1000, want about %d", target, got, want)
			}
		}
		shifted := edition(2)
		shifted.Routes["chat"].Targets[0].Share, shifted.Routes["chat"].Targets[1].Share = 0, 0.7
		w.board.Publish(shifted)
		for session, target := range first {
			if got := pick("&session=" + session).Target; got != target && got != "gpt-eu" && target != "gpt-us" || got == "gpt-us" {
				t.Errorf("when gpt-us lost its share to gpt-eu, %s moved from %s to %s", session, target, got)
			}
		}
		if d := pick("&exclude=gpt-us,gpt-eu"); d.Target != "claude-us" || len(d.Fallbacks) != 0 {
			t.Errorf("with the others excluded the pick is %+v, want claude-us alone", d)
		}
		w.get("/v1/decision?route=chat&exclude=gpt-us&exclude=gpt-eu&exclude=claude-us").want(503).says("excluded")
		w.get("/v1/decision").want(400).says(`"?route"`)
		w.get("/v1/decision?route=nope").want(404)
	})
}
