package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

// queries returns the names of the query parameters of an operation.
func (c *contract) queries(op map[string]any) []string {
	var names []string
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		p := p.(map[string]any)
		if ref, ok := p["$ref"].(string); ok {
			p = c.doc["components"].(map[string]any)["parameters"].(map[string]any)[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
		}
		if p["in"] == "query" {
			names = append(names, p["name"].(string))
		}
	}
	return names
}

func TestEveryOperationRefusesParametersThatItDoesNotHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{deps: func(d *api.Deps) { d.Plans = api.NewPlanner("e1") }})
		w.board.Publish(edition(1))
		c := theContract()
		for path, item := range c.doc["paths"].(map[string]any) {
			if !strings.HasPrefix(path, "/v1/") {
				continue
			}
			for method, op := range item.(map[string]any) {
				there := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "gpt-us")
				var p struct {
					Errors []struct{ Pointer, Detail string }
				}
				a := w.do(strings.ToUpper(method), there+"?bogus=1", nil)
				if a.status != http.StatusBadRequest {
					t.Errorf("%s %s?bogus=1 answered %d, want 400: %.200s", method, there, a.status, a.body)
					continue
				}
				a.into(&p)
				said := ""
				for _, e := range p.Errors {
					if e.Pointer == "?bogus" {
						said = e.Detail
					}
				}
				for _, name := range c.queries(op.(map[string]any)) {
					if !regexp.MustCompile(`\b` + name + `\b`).MatchString(said) {
						t.Errorf("%s %s?bogus=1 says %q, want it to name %s", method, there, said, name)
					}
				}
			}
		}
	})
}

func TestASlipInANameIsToldWithWhatWasMeant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		w.get("/v1/observations?tagret=x").want(400).says(`"?tagret"`, "did you mean target?", "known are canary, cursor, format, from")
		w.get("/v1/targets?bogus=1").want(400).says("bogus", "none is known here")
		w.get("/v1/weights?rout=chat").want(400).says("did you mean route?")
		w.get("/v1/decision?route=chat&exclude=gpt-us,gtp-eu,bogus").want(400).says(`"?exclude"`, "gtp-eu", "did you mean gpt-eu?", "bogus")
		w.get("/v1/decision?route=chat&exclude=gpt-us").want(200)
		w.do("POST", "/v1/probes", `{"target":["gpt-us"]}`).want(400).says(`"/target"`, "did you mean targets?", "known are canaries, targets")
		w.do("POST", "/v1/overrides", `{"until":"2h"}`).want(400).says(`"/until"`, "known are by, expires_at, for, reason, target, weight")
		w.do("POST", "/v1/probes", `{"a":1,"a\u0022b":2}`).want(400).says(`"/a"`)
	})
}

func TestBodiesThatSayTheyAreSomethingElseAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.store.incidents = someIncidents(time.Now())
		for path, body := range map[string]string{
			"/v1/probes": `{"targets":["gpt-us"]}`, "/v1/incidents/i1/ack": `{}`, "/v1/incidents/i1/notes": `{"text":"x"}`,
			"/v1/overrides": `{"target":"gpt-us","weight":0,"reason":"r","for":"1h"}`, "/v1/session": `{"token":"t"}`,
		} {
			for _, media := range []string{"application/x-www-form-urlencoded", "text/plain", "application/x-ndjson", "nonsense/"} {
				w.do("POST", path, body, "Content-Type", media).want(415).says("send application/json")
			}
			if got := w.do("POST", path, body, "Content-Type", "application/json; charset=utf-8").status; got != 200 && got != 201 {
				t.Errorf("POST %s as JSON: %d", path, got)
			}
		}
		w.do("POST", "/v1/probes", "", "Content-Type", "application/x-www-form-urlencoded").want(200) // curl -d ''
	})
}

func TestOneFaultIsNotSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.do("POST", "/v1/observations", `[1]`).want(422).says("nothing was taken: 1 fault;")
		w.do("POST", "/v1/observations", `[1,2]`).want(422).says("nothing was taken: 2 faults;")
	})
}

func TestLimitsAreToldInTheWordsOfTheDocs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.get("/v1/targets/gpt-us/series?range=401d").want(400).says("from 1s to 400d")
		w.get("/v1/targets/gpt-us/series?from=1990-01-01&to=1999-01-01").want(400).says("longer than 400d")
		for _, p := range (api.Config{TTL: -1, Hold: 1 << 62}).Validate() {
			if strings.Contains(p.Text, "m0s") {
				t.Errorf("%s: %s", p.Path, p.Text)
			}
		}
	})
}

func TestACursorThatIsNoneIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for _, name := range []string{"observations", "changes", "revisions", "incidents"} {
			w.get("/v1/"+name+"?cursor=nonsense").want(400).says(`"?cursor"`, "not one of this listing")
		}
	})
}

func TestPathsOfOtherVersionsLeadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{deps: func(d *api.Deps) {
			d.UI = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
		}})
		for _, path := range []string{"/v1", "/v1/", "/v1/nope", "/v1/targets/a/b", "/v2", "/v2/", "/v2/x"} {
			a := w.get(path).want(404).says("/v1/openapi.yaml", "/ is the dashboard")
			if got := a.header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("GET %s is %s, want a problem", path, got)
			}
		}
		newWorld(t, setup{}).get("/nope").want(404).says("/ is the dashboard")
	})
}

func TestATokenThatMayNotReadOpensNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: threeTokens()})
		for _, token := range []string{"router-token", "operator-token"} {
			a := w.do("POST", "/v1/session", map[string]string{"token": token}).want(403).says("scope read")
			if a.cookie() != "" {
				t.Errorf("%s got the cookie %s", token, a.cookie())
			}
		}
	})
}

// lines is a log that can be read back.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// of returns the lines of a level or above, without times.
func (l *lines) of(level slog.Level) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var got slog.Level
		word := strings.TrimPrefix(strings.Fields(line)[0], "level=")
		if got.UnmarshalText([]byte(word)) == nil && got >= level {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestAStoreInTroubleIsToldOnceAMinuteAndAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		w := newWorld(t, setup{deps: func(d *api.Deps) { d.Log = log.logger() }})
		w.store.ingestFails = errors.New("store /secret/bellwether.db: append: the disk is full")
		o := []bellwether.Observation{seen("a", "gpt-us", time.Now(), 0.4)}
		send := func() {
			t.Helper()
			a := w.do("POST", "/v1/observations", o).want(503).says("nothing was taken", "send them again")
			if a.header.Get("Retry-After") != "5" || strings.Contains(string(a.body), "secret") {
				t.Errorf("the 503 has Retry-After %q and says %s", a.header.Get("Retry-After"), a.body)
			}
		}
		wantLines := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			got := log.of(slog.LevelWarn)
			if len(got) != len(want) {
				t.Fatalf("%s the log says %q, want %d lines", when, got, len(want))
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) || !strings.Contains(got[i], "disk is full") {
					t.Errorf("%s line %d is %s, want %s", when, i, got[i], want[i])
				}
			}
		}
		send()
		wantLines("after one failure", "times=1")
		for range 29 {
			time.Sleep(time.Second)
			send()
		}
		wantLines("after half a minute", "times=1")
		time.Sleep(32 * time.Second) // nobody sends any more
		wantLines("after a minute", "times=1", "times=29")
		w.store.ingestFails = nil
		w.do("POST", "/v1/observations", o).want(200)
		time.Sleep(time.Hour)
		wantLines("when all is well", "times=1", "times=29")
		w.store.ingestFails = fmt.Errorf("ingest: %w", context.DeadlineExceeded)
		w.do("POST", "/v1/observations", o).want(503)
	})
}
