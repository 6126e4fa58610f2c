package sim_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
)

func TestAHealthyProviderAnswersACanaryInEveryProtocol(t *testing.T) {
	s, c := serve(t, sim.Options{})
	each(t, func(t *testing.T, p llm.Protocol, stream bool) {
		a := c.ask(t.Context(), p, true, question(fast, capital, stream))
		if a.err != nil || a.status != 200 || !strings.Contains(a.text, "Paris") || a.finish != llm.FinishStop {
			t.Fatalf("answer = %+v, want Paris and stop", a)
		}
		if a.usage == nil || a.usage.Input < 5 || a.usage.Output < 1 || a.usage.Output > 4 {
			t.Errorf("usage = %+v, want a question's input and a word's output", a.usage)
		}
		if a.model != "m" {
			t.Errorf("model = %q, want the name without options", a.model)
		}
		if stream && p != llm.Gemini && !a.done {
			t.Error("the protocol's end of stream is missing")
		}
	})
	if got := s.Requests()["m"]; got.Received != 2*len(llm.Protocols()) || got.Completed != got.Received {
		t.Errorf("Requests()[m] = %+v, want all received and completed", got)
	}
}

func TestMaxTokensCutsAnAnswerAndSaysSo(t *testing.T) {
	_, c := serve(t, sim.Options{})
	each(t, func(t *testing.T, p llm.Protocol, stream bool) {
		q := question(fast+"&tokens=30", "Tell me about gardens.", stream)
		q.MaxTokens = 10
		a := c.ask(t.Context(), p, false, q)
		if a.finish != llm.FinishLength || a.usage == nil || a.usage.Output != 10 || stream && a.tokens != 10 {
			t.Errorf("finish %q, usage %+v, %d tokens; want length, 10, 10", a.finish, a.usage, a.tokens)
		}
	})
}

func TestTokensComeExactlyWhenTheModelsNameSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, stop := bubble(t, sim.Options{})
		defer stop()
		for _, p := range llm.Protocols() {
			a := c.ask(t.Context(), p, false, question("m?first_token=300ms&inter_token=20ms&tokens=20", "Tell me.", true))
			if len(a.at) != 20 || a.at[0] != 300*time.Millisecond || a.at[19] != 680*time.Millisecond || a.total != 680*time.Millisecond {
				t.Errorf("%s: %d tokens, at %v, total %v; want 20 from 300ms every 20ms", p, len(a.at), a.at, a.total)
			}
			a = c.ask(t.Context(), p, false, question("m?first_token=300ms&inter_token=20ms&tokens=20", "Tell me.", false))
			if a.total != 680*time.Millisecond {
				t.Errorf("%s plain: total %v, want 680ms", p, a.total)
			}
		}
	})
}

func TestTokensThatAreDueTogetherGoOutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, stop := bubble(t, sim.Options{})
		defer stop()
		a := c.ask(t.Context(), llm.OpenAI, false, question("m?first_token=10ms&inter_token=100us&tokens=9", "Tell me.", true))
		if a.tokens != 9 || a.total != 10*time.Millisecond+800*time.Microsecond {
			t.Errorf("%d tokens in %v, want 9 in 10.8ms", a.tokens, a.total)
		}
	})
}

func TestTheSameSeedAnswersAlike(t *testing.T) {
	run := func(seed uint64) (out []answer) {
		synctest.Test(t, func(t *testing.T) {
			_, c, stop := bubble(t, sim.Options{Seed: seed})
			defer stop()
			for i := range 6 {
				model := []string{"gpt-4o", "claude-haiku-4-5"}[i%2]
				a := c.ask(t.Context(), llm.OpenAI, i > 3, question(model, "Tell me about rivers.", i%3 == 0))
				a.header, a.body = nil, nil
				out = append(out, a)
			}
		})
		return out
	}
	one, again, other := run(7), run(7), run(8)
	same := 0
	for i := range one {
		if one[i].text != again[i].text || one[i].total != again[i].total {
			t.Errorf("request %d: %q in %v, again %q in %v", i, one[i].text, one[i].total, again[i].text, again[i].total)
		}
		if one[i].total == other[i].total {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of %d requests took as long under another seed", same, len(one))
	}
}

func TestARegionsFactorMultipliesTheFirstToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, stop := bubble(t, sim.Options{Regions: map[string]float64{"eu": 10, "": 1}})
		defer stop()
		near := c.ask(t.Context(), llm.OpenAI, false, question("gpt-4o?tokens=1", capital, true))
		far := c.ask(t.Context(), llm.OpenAI, true, question("gpt-4o?tokens=1", capital, true))
		if ratio := far.total.Seconds() / near.total.Seconds(); ratio < 9.99 || ratio > 10.01 {
			t.Errorf("eu takes %v, elsewhere %v: ratio %.3f, want 10", far.total, near.total, ratio)
		}
	})
}

func TestAWrongKeyGetsTheProvidersOwn401(t *testing.T) {
	s, c := serve(t, sim.Options{Keys: []conf.Secret{"right", "also-right"}})
	each(t, func(t *testing.T, p llm.Protocol, stream bool) {
		for key, want := range map[conf.Secret]int{"": 401, "wrong": 401, "right": 200, "also-right": 200} {
			c.key = key
			a := c.ask(t.Context(), p, false, question(fast, capital, stream))
			if a.status != want {
				t.Errorf("key %q: status %d, want %d", key.Reveal(), a.status, want)
			}
			if want == 401 && (a.refused == nil || a.refused.Outcome != bellwether.AuthError || a.refused.Message == "") {
				t.Errorf("key %q: error %+v, want an auth_error with a message", key.Reveal(), a.refused)
			}
		}
	})
	if got := s.Requests()["m"].Received; got != 4*len(llm.Protocols()) {
		t.Errorf("received %d, want only the admitted ones, %d", got, 4*len(llm.Protocols()))
	}
}

func TestModelsAreListedInEveryProtocolsShape(t *testing.T) {
	_, c := serve(t, sim.Options{})
	for p, want := range map[llm.Protocol]string{llm.OpenAI: "gpt-4o", llm.Azure: "gpt-4o", llm.Anthropic: "claude", llm.Gemini: "models/gemini"} {
		codec, err := llm.For(p)
		if err != nil {
			t.Fatal(err)
		}
		call := codec.Models(llm.Endpoint{BaseURL: c.url + bases[p][1]})
		req, _ := http.NewRequestWithContext(t.Context(), call.Method, call.URL, nil)
		req.Header = call.Header
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: models = %d %s, want %s among them", p, resp.StatusCode, body, want)
		}
	}
}

func TestWhatCannotBeReadIsRefusedInTheProtocolsWords(t *testing.T) {
	_, c := serve(t, sim.Options{})
	for _, tc := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"no JSON", "POST", "/v1/chat/completions", "{", 400},
		{"no messages", "POST", "/v1/chat/completions", `{"model":"m"}`, 400},
		{"a bad option in the name", "POST", "/v1/chat/completions", `{"model":"m?speed=3","messages":[{"role":"user","content":"x"}]}`, 400},
		{"an unknown path", "POST", "/v1/moderations", "{}", 404},
		{"an unknown path in a region", "POST", "/r/eu/v2/messages/x", "{}", 404},
		{"a chat by GET", "GET", "/v1/chat/completions", "", 404},
		{"a body without an end", "POST", "/v1/messages", strings.Repeat(" ", 9<<20), 413},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), tc.method, c.url+tc.path, strings.NewReader(tc.body))
			resp, err := c.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != tc.want || !strings.Contains(string(body), `"error"`) {
				t.Errorf("%s %s = %d %s, want %d with an error", tc.method, tc.path, resp.StatusCode, body, tc.want)
			}
		})
	}
}

func TestAClientThatLeavesIsNoticedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, stop := bubble(t, sim.Options{})
		defer stop()
		for _, stream := range []bool{false, true} {
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			a := c.ask(ctx, llm.OpenAI, false, question("m?first_token=100ms&inter_token=1s&tokens=50", "Tell me.", stream))
			cancel()
			if a.err == nil || a.total != 150*time.Millisecond {
				t.Errorf("stream %v: %v after %v, want an error after 150ms", stream, a.err, a.total)
			}
		}
		synctest.Wait()
		if got := s.Requests()["m"]; got.Received != 2 || got.Cancelled != 2 {
			t.Errorf("Requests()[m] = %+v, want 2 received and cancelled", got)
		}
	})
}

func TestBadOptionsAreRefused(t *testing.T) {
	for _, o := range []sim.Options{{Keys: []conf.Secret{""}}, {Regions: map[string]float64{"eu": 0}}, {Regions: map[string]float64{"eu": -1}}} {
		if _, err := sim.New(o); err == nil {
			t.Errorf("New(%+v) = nil, want an error", o)
		}
	}
}
