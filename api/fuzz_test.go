package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

func FuzzReadObservations(f *testing.F) {
	good := `{"id":"a","at":"2026-11-20T16:20:00Z","source":"probe","vantage":"here","target":"gpt-us","outcome":"ok","checks":[{"name":"c","ok":true}]}`
	for _, seed := range []string{
		"", "[]", "[" + good + "]", good + "\n" + good, "[1,2]", `[{"at":1}]`, `{"timing":{"total_seconds":"x"}}`, "[" + good, "]", "{}{}", "\xff",
		`{"counts":{"ok":-1},"sketches":{"first_token":"AA=="}}`, `[{"id":"\u0000"}]`,
	} {
		f.Add([]byte(seed))
	}
	known := map[string]bool{"gpt-us": true}
	now := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		obs, faults, err := readBatch[bellwether.Observation](bytes.NewReader(body), false)
		if err != nil {
			if p := problemOf(bodyProblem(err)); p.Status/100 != 4 {
				t.Errorf("a body that cannot be read is a %d", p.Status)
			}
			return
		}
		for i := range obs {
			clean := true
			foreign{&obs[i].v}.check(known, now, func(field, detail string) {
				clean = false
				if field == "" || field[0] != '/' || detail == "" {
					t.Errorf("fault %q %q names no place, or says nothing", field, detail)
				}
			})
			if !clean {
				continue
			}
			o := obs[i].v
			if o.ID == "" || !known[o.Target] || len(o.Excerpt) > excerptLimit {
				t.Errorf("accepted %+v", o)
			}
			if _, err := json.Marshal(o); err != nil {
				t.Errorf("accepted what cannot be shown: %v", err)
			}
			newCell().addObservation(&o, bellwether.FirstToken)
		}
		if len(obs)+len(faults) > batchMost {
			t.Errorf("read %d observations", len(obs)+len(faults))
		}
	})
}

func FuzzReadWords(f *testing.F) {
	for _, seed := range []string{
		`{"target":"gpt-us","signal":"gpu_memory","value":0.5}`, `[{"target":"gpt-us","signal":"x","value":-1e15,"at":"2026-11-20T16:20:00Z"}]`,
		`{"target":"gpt-us","thumbs":"up"}`, `{"answer":"a","target":"gpt-us","score":0.5,"comment":"\ud800"}`, "{\n}", "{}{}", `{"value":1e999}`, `{"score":"1"}`, `[{"nope":1}]`,
	} {
		f.Add([]byte(seed))
	}
	known := map[string]bool{"gpt-us": true}
	now := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzWords(t, body, known, now, (*userSignal).check, (*userSignal).observation)
		fuzzWords(t, body, known, now, (*feedback).check, (*feedback).observation)
	})
}

// fuzzWords holds that what passes the check of words passes that of
// observations too.
func fuzzWords[T any](t *testing.T, body []byte, known map[string]bool, now time.Time,
	check func(*T, map[string]bool, time.Time, func(field, detail string)), observation func(*T, time.Time) bellwether.Observation) {
	r := httptest.NewRequest(http.MethodPost, "/v1/signals", bytes.NewReader(body))
	all, _, err := readWords[T](httptest.NewRecorder(), r)
	if err != nil {
		if p := problemOf(err); p.Status/100 != 4 {
			t.Errorf("a body that cannot be read is a %d", p.Status)
		}
		return
	}
	for i := range all {
		clean := true
		check(&all[i].v, known, now, func(string, string) { clean = false })
		if !clean {
			continue
		}
		o := observation(&all[i].v, now)
		foreign{&o}.check(known, now, func(field, detail string) { t.Errorf("%+v is refused as an observation: %s %s", o, field, detail) })
	}
}

func FuzzQueries(f *testing.F) {
	for _, seed := range []string{
		"", "after=1&wait=30s&epoch=e&route=chat", "range=1h&step=10s&points=5", "from=2026-01-01&to=2026-02-01T00:00:00Z&limit=3&cursor=x",
		"step=400d&range=1s", "from=1970-01-01&to=1971-01-01", "wait=9223372036854775807ns", "down=a,b&down=c", "name=r&after=1&split=a:b:1,a:c:2&split=x", "%zz", "after=99999999999999999999", "points=2000&range=400d&step=1s",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{URL: &url.URL{Path: "/v1/x", RawQuery: query}}
		if fol, err := parsePoll(r); err == nil {
			if fol.wait < 0 || fol.wait > longestWait {
				t.Errorf("%q waits %v", query, fol.wait)
			}
		} else if problemOf(err).Status != 400 {
			t.Errorf("%q is a %d", query, problemOf(err).Status)
		}
		if q, err := parseSeries(r, now); err == nil {
			if n := (q.To.Sub(q.From) + q.step - 1) / q.step; n > 2001 || q.step < time.Second || !q.From.Before(q.To) {
				t.Errorf("%q has %d steps of %v from %v to %v", query, n, q.step, q.From, q.To)
			}
		}
		p := readParams(r)
		if q := p.page(); p.err() == nil && (q.Limit < 1 || q.Limit > 1000) {
			t.Errorf("%q lists %d", query, q.Limit)
		}
	})
}

func FuzzApplied(f *testing.F) {
	f.Add([]byte(`{"type":"applied","revision":4,"name":"router-3","epoch":"e"}`))
	f.Add([]byte(`{"type":"applied","revision":-4,"name":"\u0000"}`))
	f.Add([]byte(`{"type":"applied","revision":4,"name":"r","split":{"chat":{"gpt-us":3,"":1,"x":-1},"B":{"y":9}}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if a, ok := parseApplied(msg); ok && (!validName(a.Name) || len(a.Epoch) > 100) {
			t.Errorf("accepted %+v", a)
		} else if ok {
			newRouters().applied(a, "", map[string]bellwether.RouteWeights{"chat": {Targets: []bellwether.TargetWeight{{Target: "gpt-us", Share: 1}}}})
			for route, by := range a.Split {
				for target, n := range by {
					if !bellwether.ValidID(route) || !bellwether.ValidID(target) || n < 1 {
						t.Errorf("accepted %d of %q %q", n, route, target)
					}
				}
			}
		}
	})
}

func FuzzCookies(f *testing.F) {
	g := newGuard(Config{Tokens: []Token{{Name: "reader.1", Token: conf.Secret("reader-token")}}})
	now := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	good := g.sealCookie(g.keys[0], now.Add(time.Hour))
	if _, ok := g.openCookie(good, now); !ok {
		f.Fatal("a good cookie does not open")
	}
	f.Add(good)
	f.Add("")
	f.Add("..")
	f.Add("cmVhZGVy.9999999999.AAAA")
	f.Fuzz(func(t *testing.T, value string) {
		if _, ok := g.openCookie(value, now); ok && value != good {
			t.Errorf("%q opens", value)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", cookieName+"="+value)
		_, _ = g.identify(r, now)
		r.Header.Set("Origin", value)
		r.Host = value
		_, _ = g.checkHost(r), g.checkOrigin(r)
	})
}
