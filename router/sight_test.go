package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// listener is a server that only listens.
type listener struct {
	mu       sync.Mutex
	observed []bellwether.Observation
	sent     map[string]int // by route and target
	moved    []bellwether.Failover
	deaf     int // calls of Failovers that it does not hear
}

func (l *listener) Watch(ctx context.Context, _ func(bellwether.Weights)) error {
	<-ctx.Done()
	return nil
}
func (l *listener) News() time.Time { return time.Time{} }
func (l *listener) Applied(uint64)  {}

func (l *listener) Observe(_ context.Context, obs []bellwether.Observation) (int, int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.observed = append(l.observed, obs...)
	return len(obs), 0, nil
}

func (l *listener) Sent(sent map[string]map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for route, by := range sent {
		for target, n := range by {
			if l.sent == nil {
				l.sent = map[string]int{}
			}
			l.sent[route+" "+target] += n
		}
	}
}

func (l *listener) Failovers(_ context.Context, moved []bellwether.Failover) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deaf--; l.deaf >= 0 {
		return context.DeadlineExceeded
	}
	l.moved = append(l.moved, moved...)
	return nil
}

// roads answers by the host that is asked.
type roads map[string]http.RoundTripper

func (r roads) RoundTrip(req *http.Request) (*http.Response, error) {
	return r[req.URL.Host].RoundTrip(req)
}

// refusing answers with a status.
type refusing int

func (s refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return (&http.Response{StatusCode: int(s), Header: http.Header{}, Body: http.NoBody}), nil
}

// told is a router that tells l, over targets one a tier, each at a host of
// its own name.
func told(t *testing.T, cfg router.Config, conduct router.Conduct, l *listener, log *slog.Logger, by roads, targets ...string) *router.Router {
	t.Helper()
	route := router.Route{Route: bellwether.Route{Name: "chat"}, Conduct: conduct}
	var ts []router.Target
	for _, id := range targets {
		ts = append(ts, router.Target{Target: bellwether.Target{ID: id, Model: "model-" + id, Price: bellwether.Price{Input: 1, Output: 2}}, Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: "http://" + id}})
		route.Tiers = append(route.Tiers, []bellwether.TierTarget{{Target: id}})
	}
	o := router.Options{Transport: by, Logger: log}
	if l != nil {
		o.Follower = l
	}
	rt, err := router.New(cfg, router.Setup{Targets: ts, Routes: []router.Route{route}}, o)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

const hi = `{"model":"chat","messages":[{"role":"user","content":"my secret prompt"}]}`

func TestTheServerIsToldOfTheSplitAndOfMovedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{deaf: 2}
		good, by := canned{"application/json", []byte(plain)}, roads{}
		by["one"], by["two"], by["three"] = refusing(503), refusing(503), good
		rt := told(t, router.Config{}, router.Conduct{}, l, nil, by, "one", "two", "three")
		stop := run(t, rt)
		for range 3 {
			if w := ask(rt, "", hi); w.Code != 200 {
				t.Fatal(w.Body)
			}
		}
		by["three"] = refusing(503)
		ask(rt, "", hi)
		if w := ask(rt, "", strings.Replace(hi, "chat", "one", 1)); w.Code != 503 { // no route: nowhere to move
			t.Fatal(w.Body)
		}
		time.Sleep(5 * time.Second)
		stop()
		got := map[string][2]int{}
		for _, f := range l.moved {
			k := f.Route + " " + f.From + ">" + f.To + " " + string(f.Why)
			n := got[k]
			got[k] = [2]int{n[0] + f.Count, n[1] + f.Served}
		}
		for k, want := range map[string][2]int{
			"chat one>two overloaded": {4, 0}, "chat two>three overloaded": {4, 3}, "chat three> overloaded": {1, 0},
		} {
			if got[k] != want {
				t.Errorf("%s: moved and served %v, want %v", k, got[k], want)
			}
		}
		if len(got) != 3 || len(l.sent) != 1 || l.sent["chat one"] != 4 {
			t.Errorf("moved %v, sent %v", got, l.sent)
		}
	})
}

func TestFeedbackCountsOnceAndOnlyFromWhoHadTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		keys := map[string]conf.Secret{"app": "app-token-1", "other": "other-token-1"}
		rt := told(t, router.Config{Keys: keys}, router.Conduct{}, l, nil, roads{"one": canned{"application/json", []byte(plain)}}, "one")
		stop := run(t, rt)
		defer stop()
		w := ask(rt, "app-token-1", hi)
		id := w.Header().Get("X-Request-Id")
		say := func(token, body string) (int, string) {
			r := newPost("/v1/feedback", body)
			r.Header = as(token)
			w := recorded(rt, r)
			return w.Code, w.Body.String()
		}
		for _, c := range []struct {
			token, body string
			status      int
			says        string
		}{
			{"other-token-1", `{"answer":"` + id + `","thumbs":"up"}`, 404, "answer_not_found"},
			{"app-token-1", `{"answer":"nothing","thumbs":"up"}`, 404, "answer_not_found"},
			{"wrong-token-1", `{"answer":"` + id + `","thumbs":"up"}`, 401, "invalid_api_key"},
			{"app-token-1", `{"answer":"` + id + `"}`, 400, "thumbs"},
			{"app-token-1", `{"answer":"` + id + `","score":2}`, 400, "score"},
			{"app-token-1", `{"answer":"` + id + `","thumbs":"up","score":1}`, 400, "either"},
			{"app-token-1", `{"answer":"` + id + `","score":0.75,"comment":"quite good"}`, 200, `"counted":true`},
			{"app-token-1", `{"answer":"chatcmpl-` + id + `","thumbs":"down"}`, 200, `"counted":false`},
			{"app-token-1", `{"answer":"c","thumbs":"down"}`, 200, `"counted":true`}, // the provider's own id of it
		} {
			if status, body := say(c.token, c.body); status != c.status || !strings.Contains(body, c.says) {
				t.Errorf("%s says %s: %d %s, want %d %s", c.token, c.body, status, body, c.status, c.says)
			}
		}
		time.Sleep(2 * time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		var got []float64
		for _, o := range l.observed {
			if o.Source == bellwether.SourceFeedback {
				got = append(got, o.Signals[bellwether.Feedback])
				if o.Target != "one" || o.Route != "chat" || o.Outcome != "" || o.Counts != nil {
					t.Errorf("%+v", o)
				}
			}
		}
		if len(got) != 2 || got[0] != 0.25 || got[1] != 1 {
			t.Errorf("the server was told %v, want bad 0.25 and 1", got)
		}
	})
}

func TestTheAccessLogHasALineForEachRequestAndNoSecrets(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	by := roads{"one": refusing(500), "two": canned{"application/json", []byte(strings.Replace(plain, `"choices"`, `"usage":{"prompt_tokens":9,"completion_tokens":3},"choices"`, 1))}}
	rt := told(t, router.Config{Keys: map[string]conf.Secret{"app": "app-token-1"}, AccessLog: router.AccessLogConfig{Sample: 1}}, router.Conduct{}, nil, log, by, "one", "two")
	w := ask(rt, "app-token-1", hi)
	var line struct {
		Msg, ID, Caller, Route, Target, Outcome, Cost string
		Attempts, Input                               int
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil || len(lines) != 1 {
		t.Fatalf("%v: %s", err, out.String())
	}
	if line.Msg != "request" || line.ID != w.Header().Get("X-Request-Id") || line.Caller != "app" || line.Route != "chat" || line.Target != "two" || line.Outcome != "ok" || line.Attempts != 3 {
		t.Errorf("%s", out.String())
	}
	if !strings.Contains(out.String(), `"cost_usd":"0.000015"`) {
		t.Errorf("no cost: %s", out.String())
	}
	ask(rt, "wrong-token-1", hi)
	for _, secret := range []string{"secret prompt", "app-token-1", "wrong-token-1", "hello"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is in the log: %s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), `"code":"invalid_api_key"`) {
		t.Errorf("the refused request has no line: %s", out.String())
	}
}

func TestPromptsAndAnswersAreLoggedOnlyOnRequestAndCut(t *testing.T) {
	for _, n := range []int{0, 6} {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		stream := "data: " + hello + "\n\ndata: " + hello + "\n\ndata: " + stop + "\n\ndata: [DONE]\n\n"
		for body, answer := range map[string]string{plain: `"answer":"hello"`, stream: `"answer":"helloh"`} {
			out.Reset()
			asked, media := hi, "application/json"
			if body == stream {
				asked, media = strings.Replace(hi, `{`, `{"stream":true,`, 1), "text/event-stream"
			}
			rt := told(t, router.Config{AccessLog: router.AccessLogConfig{Sample: 1}}, router.Conduct{LogContent: n}, nil, log, roads{"one": canned{media, []byte(body)}}, "one")
			ask(rt, "", asked)
			got := out.String()
			if n == 0 && (strings.Contains(got, "prompt") || strings.Contains(got, "hello")) {
				t.Errorf("logged without being asked for: %s", got)
			}
			if n > 0 && (!strings.Contains(got, `"prompt":"...prompt"`) || strings.Contains(got, "secret") || !strings.Contains(got, answer)) {
				t.Errorf("log_content %d: %s, want %s", n, got, answer)
			}
		}
	}
}

func TestTheChoiceIsExplained(t *testing.T) {
	by := roads{"one": refusing(503), "two": canned{"application/json", []byte(plain)}}
	rt := told(t, router.Config{Keys: map[string]conf.Secret{"app": "app-token-1"}, Callers: map[string]router.CallerConfig{"ops": {Tokens: tokensOf("ops-token-1"), Scopes: []string{"debug"}}},
		Breaker: router.BreakerConfig{Failures: 2}}, router.Conduct{}, nil, nil, by, "one", "two")
	type view struct {
		Route, Follows string
		Order          []string
		Targets        []struct {
			Target  string
			Share   float64
			Chance  float64
			Out     string
			Breaker struct{ State string }
			Keys    []struct{ Name string }
		}
	}
	explain := func(token, query string) (v view, status int) {
		t.Helper()
		r := newGet("/debug/route" + query)
		r.Header = as(token)
		w := recorded(rt, r)
		if w.Code == 200 {
			if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
		}
		return v, w.Code
	}
	if _, status := explain("app-token-1", "?model=chat"); status != 403 {
		t.Errorf("an application sees it: %d", status)
	}
	if _, status := explain("ops-token-1", "?model=unknown"); status != 404 {
		t.Errorf("an unknown model: %d", status)
	}
	v, _ := explain("ops-token-1", "?model=chat&session=s1")
	if v.Route != "chat" || v.Follows != "nobody" || len(v.Targets) != 2 || v.Targets[0].Chance != 1 || v.Targets[0].Breaker.State != "closed" || strings.Join(v.Order, " ") != "one two" {
		t.Errorf("at first: %+v", v)
	}
	for range 2 {
		ask(rt, "app-token-1", hi)
	}
	v, _ = explain("ops-token-1", "?model=chat&session=s1")
	if one := v.Targets[0]; one.Out == "" || one.Chance != 0 || one.Breaker.State != "open" || strings.Join(v.Order, " ") != "two" {
		t.Errorf("after its failures: %+v", v)
	}
	if v, _ = explain("ops-token-1", "?model=chat"); v.Targets[0].Chance+v.Targets[1].Chance != 1 {
		t.Errorf("chances without a session: %+v", v.Targets)
	}
}
