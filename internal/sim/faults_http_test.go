package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
)

const tell = "Tell me about lanterns."

// faultCase is one fault, what is asked under it, and whether the client saw it.
type faultCase struct {
	fault sim.Fault
	model string
	ask   string
	check func(a answer, p llm.Protocol, stream bool) bool
}

const twenty = fast + "&tokens=20"

// transportFaults are those on status, connection and framing.
func transportFaults() []faultCase {
	return []faultCase{
		{sim.Fault{Kind: sim.KindStatus, Value: 503}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.status == 503 && a.refused.Outcome == bellwether.Overloaded
		}},
		{sim.Fault{Kind: sim.KindStatus, Value: 500}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.status == 500 && a.refused.Outcome == bellwether.ServerError
		}},
		{sim.Fault{Kind: sim.KindStatus, Value: 404}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.status == 404 && a.refused.Outcome == bellwether.Gone
		}},
		{sim.Fault{Kind: sim.KindRateLimit, Value: 7}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.status == 429 && a.refused.Outcome == bellwether.RateLimited && a.header.Get("Retry-After") == "7" &&
				a.refused.RetryAfter == 7*time.Second
		}},
		{sim.Fault{Kind: sim.KindReset}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.status == 0 && errors.Is(a.err, syscall.ECONNRESET)
		}},
		{sim.Fault{Kind: sim.KindReset, Value: 5}, twenty, tell, func(a answer, _ llm.Protocol, stream bool) bool {
			return a.err != nil && a.finish == llm.FinishNone
		}},
		{sim.Fault{Kind: sim.KindTruncate, Value: 5}, twenty, tell, func(a answer, _ llm.Protocol, stream bool) bool {
			if stream {
				return a.err == nil && a.tokens == 5 && a.finish == llm.FinishNone && !a.done
			}
			return errors.Is(a.err, io.ErrUnexpectedEOF) && a.status == 200
		}},
		{sim.Fault{Kind: sim.KindMalformed}, twenty, tell, func(a answer, _ llm.Protocol, stream bool) bool {
			return a.status == 200 && a.text == "" && a.finish == llm.FinishNone && (stream && a.broken > 0 || !stream && a.err != nil)
		}},
		{sim.Fault{Kind: sim.KindMalformed, Value: 5}, twenty, tell, func(a answer, _ llm.Protocol, stream bool) bool {
			if stream {
				return a.broken == 1 && a.tokens == 19 && a.finish == llm.FinishStop
			}
			return a.err != nil
		}},
		{sim.Fault{Kind: sim.KindNoDone}, twenty, tell, func(a answer, p llm.Protocol, stream bool) bool {
			return a.err == nil && a.finish == llm.FinishStop && (!a.done || p == llm.Gemini || p == llm.Responses) // whose finish is the end
		}},
	}
}

// contentFaults are those on what is said.
func contentFaults() []faultCase {
	return []faultCase{
		{sim.Fault{Kind: sim.KindVerbose, Value: 5}, twenty, tell, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.usage.Output == 100 && a.finish == llm.FinishStop
		}},
		{sim.Fault{Kind: sim.KindVerbose, Value: 8}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return strings.HasPrefix(a.text, "Paris") && a.usage.Output >= 8
		}},
		{sim.Fault{Kind: sim.KindTerse}, twenty, tell, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.usage.Output == 5 && a.finish == llm.FinishStop
		}},
		{sim.Fault{Kind: sim.KindRepeat}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return strings.Count(a.text, "Paris") > 5
		}},
		{sim.Fault{Kind: sim.KindOffTopic}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.text != "" && !strings.Contains(a.text, "Paris") && a.finish == llm.FinishStop
		}},
		{sim.Fault{Kind: sim.KindEmpty}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.err == nil && a.text == "" && a.finish == llm.FinishStop && a.usage.Output == 0
		}},
		{sim.Fault{Kind: sim.KindRefuse}, fast, capital, func(a answer, p llm.Protocol, _ bool) bool {
			said := a.text + a.refusal
			return strings.Contains(said, "can't help") && (a.finish == llm.FinishRefusal || a.finish == llm.FinishFilter)
		}},
		{sim.Fault{Kind: sim.KindSwap, With: "small-1"}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.model == "small-1" && strings.Contains(a.text, "Paris")
		}},
		{sim.Fault{Kind: sim.KindSwap}, fast, capital, func(a answer, _ llm.Protocol, _ bool) bool {
			return a.model != "m" && a.model != ""
		}},
	}
}

// TestEachFaultIsWhatItsKindSays looks at every kind over loopback, in every
// protocol, from the client's side.
func TestEachFaultIsWhatItsKindSays(t *testing.T) {
	for _, tc := range append(transportFaults(), contentFaults()...) {
		t.Run(string(tc.fault.Kind), func(t *testing.T) {
			s, c := serve(t, sim.Options{})
			if err := s.SetFaults([]sim.Fault{tc.fault}); err != nil {
				t.Fatal(err)
			}
			each(t, func(t *testing.T, p llm.Protocol, stream bool) {
				a := c.ask(t.Context(), p, false, question(tc.model, tc.ask, stream))
				if !tc.check(a, p, stream) {
					t.Errorf("fault %+v: client saw %+v (error %v, provider's %+v)", tc.fault, a, a.err, a.refused)
				}
			})
		})
	}
}

func TestFaultsOnTimeStretchExactlyWhatTheyName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, stop := bubble(t, sim.Options{})
		defer stop()
		for _, tc := range []struct {
			faults             []sim.Fault
			first, last, total time.Duration
		}{
			{nil, 100, 190, 190},
			{[]sim.Fault{{Kind: sim.KindLatency, Value: 3}}, 300, 570, 570},
			{[]sim.Fault{{Kind: sim.KindDecode, Value: 3}}, 100, 370, 370},
			{[]sim.Fault{{Kind: sim.KindFirstToken, Value: 2.5}}, 2500, 2590, 2590},
			{[]sim.Fault{{Kind: sim.KindLatency, Value: 2}, {Kind: sim.KindDecode, Value: 2}}, 200, 560, 560},
		} {
			if err := s.SetFaults(tc.faults); err != nil {
				t.Fatal(err)
			}
			a := c.ask(t.Context(), llm.Anthropic, false, question("m?first_token=100ms&inter_token=10ms&tokens=10", tell, true))
			got := []time.Duration{a.at[0], a.at[len(a.at)-1], a.total}
			want := []time.Duration{tc.first * time.Millisecond, tc.last * time.Millisecond, tc.total * time.Millisecond}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v: first, last, total = %v, want %v", tc.faults, got, want)
			}
		}
	})
}

func TestSilentFaultsLastUntilTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, stop := bubble(t, sim.Options{})
		defer stop()
		for _, tc := range []struct {
			fault  sim.Fault
			tokens int
			status int
		}{
			{sim.Fault{Kind: sim.KindHang}, 0, 0},
			{sim.Fault{Kind: sim.KindStall}, 0, 200},
			{sim.Fault{Kind: sim.KindStall, Value: 4}, 4, 200},
		} {
			if err := s.SetFaults([]sim.Fault{tc.fault}); err != nil {
				t.Fatal(err)
			}
			for _, stream := range []bool{true, false} {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				a := c.ask(ctx, llm.OpenAI, false, question(fast+"&tokens=9", tell, stream))
				cancel()
				if a.total != 10*time.Minute || a.err == nil || stream && (a.tokens != tc.tokens || a.status != tc.status) {
					t.Errorf("%+v, stream %v: status %d, %d tokens, %v after %v; want %d, %d, an error after 10m",
						tc.fault, stream, a.status, a.tokens, a.err, a.total, tc.status, tc.tokens)
				}
			}
		}
		synctest.Wait()
		if got := s.Requests()["m"]; got.Cancelled != 6 {
			t.Errorf("Requests()[m] = %+v, want all 6 cancelled", got)
		}
	})
}

func TestFaultsKeepTheirTimesModelsAndRegions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, stop := bubble(t, sim.Options{})
		defer stop()
		if err := s.SetFaults([]sim.Fault{{Model: "m", Region: "eu", Kind: sim.KindStatus, Value: 500, From: 10 * time.Second, For: 20 * time.Second}}); err != nil {
			t.Fatal(err)
		}
		status := func(model string, in bool) int {
			return c.ask(t.Context(), llm.OpenAI, in, question(model+"?first_token=0&tokens=1", capital, false)).status
		}
		start := time.Now()
		for _, step := range []struct {
			at    time.Duration
			model string
			in    bool
			want  int
		}{
			{0, "m", true, 200}, {9900 * time.Millisecond, "m", true, 200}, {10 * time.Second, "m", true, 500},
			{11 * time.Second, "other", true, 200}, {11 * time.Second, "m", false, 200},
			{29900 * time.Millisecond, "m", true, 500}, {30 * time.Second, "m", true, 200},
		} {
			time.Sleep(step.at - time.Since(start)) // the bubble's clock
			if got := status(step.model, step.in); got != step.want {
				t.Errorf("at %v, model %s, in the region %v: status %d, want %d", step.at, step.model, step.in, got, step.want)
			}
		}
	})
}

func TestAFaultStrikesAsOftenAsItsProbability(t *testing.T) {
	s, c := serve(t, sim.Options{Seed: 3})
	if err := s.SetFaults([]sim.Fault{{Kind: sim.KindStatus, Value: 500, Probability: 0.25}}); err != nil {
		t.Fatal(err)
	}
	struck := 0
	for range 400 {
		if c.ask(t.Context(), llm.OpenAI, false, question("m?first_token=0&tokens=1", capital, false)).status == 500 {
			struck++
		}
	}
	if struck < 70 || struck > 130 {
		t.Errorf("struck %d of 400, want about 100", struck)
	}
}

// admin sends one request to the fault list and returns status and body.
func admin(t *testing.T, c client, method, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+"/_faults", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func TestFaultsArePutListedAndCleared(t *testing.T) {
	_, c := serve(t, sim.Options{})
	put := `[{"model":"gpt-4o","region":"eu","kind":"latency","value":3,"probability":0.5,"from":10,"for":"40s"},{"kind":"swap","value":"small"},{"kind":"hang","from":"1h"}]`
	if status, body := admin(t, c, "PUT", put); status != 200 {
		t.Fatalf("PUT = %d %s", status, body)
	}
	status, listed := admin(t, c, "GET", "")
	if status != 200 || !strings.Contains(listed, `"from": "10s"`) || !strings.Contains(listed, `"small"`) {
		t.Errorf("GET = %d %s", status, listed)
	}
	if status, again := admin(t, c, "PUT", listed); status != 200 || again != listed {
		t.Errorf("PUT of what GET said = %d %s, want %s", status, again, listed)
	}
	status, body := admin(t, c, "PUT", `[{"kind":"slow"},{"kind":"latency","value":-3},{"kind":"hang","until":5}]`)
	if status != 400 {
		t.Errorf("a bad PUT = %d, want 400", status)
	}
	for _, want := range []string{"[0].kind", "[1].value", "[2].until", "write ", "nothing was changed"} {
		if !strings.Contains(body, want) {
			t.Errorf("the problem lacks %q: %s", want, body)
		}
	}
	if _, now := admin(t, c, "GET", ""); now != listed {
		t.Errorf("after a bad PUT the list is %s, want it unchanged: %s", now, listed)
	}
	if status, body := admin(t, c, "DELETE", ""); status != 200 || strings.TrimSpace(body) != "[]" {
		t.Errorf("DELETE = %d %s, want an empty list", status, body)
	}
	if status, _ := admin(t, c, "POST", "[]"); status != 405 {
		t.Errorf("POST = %d, want 405", status)
	}
	if status, _ := admin(t, c, "PUT", "["+strings.Repeat(" ", 2<<20)+"]"); status != 413 {
		t.Errorf("a huge PUT = %d, want 413", status)
	}
}

func TestRequestsAreCountedByModel(t *testing.T) {
	s, c := serve(t, sim.Options{})
	c.ask(t.Context(), llm.OpenAI, false, question(fast, capital, false))
	if err := s.SetFaults([]sim.Fault{{Kind: sim.KindTruncate}}); err != nil {
		t.Fatal(err)
	}
	c.ask(t.Context(), llm.OpenAI, false, question(fast, capital, true))
	resp, err := c.http.Get(c.url + "/_requests")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var got map[string]sim.Counts
	body, _ := io.ReadAll(resp.Body)
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if want := (sim.Counts{Received: 2, Completed: 1, Broken: 1}); got["m"] != want {
		t.Errorf("/_requests = %s, want %+v", body, want)
	}
}
