package counterparts

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// routed starts a simulator with a router in front of it: one target for each
// protocol, named like it, in a region of that name. The route "chat" goes
// through the protocols given, one a tier. The client may retry as it likes
// to, for the router has to tell it not to.
func routed(t *testing.T, chat ...llm.Protocol) (*sim.Server, openai.Client) {
	t.Helper()
	s, base := serve(t)
	base = strings.TrimSuffix(base, "/r/eu")
	paths := map[llm.Protocol]string{llm.OpenAI: "/v1", llm.Gemini: "/v1beta", llm.Responses: "/v1"}
	var setup router.Setup
	for _, p := range llm.Protocols() {
		setup.Targets = append(setup.Targets, router.Target{
			Target:   bellwether.Target{ID: string(p), Provider: string(p), Model: "model-of-" + string(p)},
			Protocol: p, ModelName: long, Endpoint: llm.Endpoint{BaseURL: base + "/r/" + string(p) + paths[p], Key: key},
		})
	}
	route := router.Route{Route: bellwether.Route{Name: "chat"}}
	for _, p := range chat {
		route.Tiers = append(route.Tiers, []bellwether.TierTarget{{Target: string(p)}})
	}
	if len(chat) > 0 {
		setup.Routes = []router.Route{route}
	}
	transport := &http.Transport{}
	rt, err := router.New(router.Config{}, setup, router.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(rt.Handler())
	t.Cleanup(func() { front.Close(); transport.CloseIdleConnections() })
	return s, openai.NewClient(option.WithBaseURL(front.URL+"/v1"), option.WithAPIKey("callers-own"),
		option.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
}

func TestOpenAISDKTalksThroughTheRouterToEveryProtocol(t *testing.T) {
	_, c := routed(t)
	for _, p := range llm.Protocols() {
		t.Run(string(p), func(t *testing.T) {
			r, err := c.Chat.Completions.New(t.Context(), openAIQuestion(string(p), prose))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Choices) != 1 || r.Choices[0].Message.Content == "" || r.Choices[0].FinishReason != "stop" || r.ID == "" || r.Model == "" {
				t.Errorf("answer = %s", r.RawJSON())
			}
			if r.Usage.CompletionTokens != 40 || r.Usage.PromptTokens < 5 || r.Usage.TotalTokens != r.Usage.PromptTokens+r.Usage.CompletionTokens {
				t.Errorf("usage = %+v", r.Usage)
			}
			if p != llm.OpenAI && p != llm.Azure && r.Created == 0 {
				t.Errorf("an answer of ours without its time: %s", r.RawJSON())
			}
		})
	}
}

func TestOpenAISDKStreamsThroughTheRouterFromEveryProtocol(t *testing.T) {
	_, c := routed(t)
	for _, p := range llm.Protocols() {
		for _, usage := range []bool{false, true} {
			q := openAIQuestion(string(p), prose)
			if usage {
				q.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
			}
			all, usages, err := accumulate(t, &c, q)
			if err != nil {
				t.Fatalf("%s: %v", p, err)
			}
			if len(all.Choices) != 1 || all.Choices[0].FinishReason != "stop" || len(strings.Fields(all.Choices[0].Message.Content)) < 10 {
				t.Errorf("%s: answer = %+v", p, all.Choices)
			}
			if want := map[bool]int{true: 1}[usage]; usages != want || usage && all.Usage.CompletionTokens != 40 {
				t.Errorf("%s: %d usage chunks, want %d; %+v", p, usages, want, all.Usage)
			}
		}
	}
}

func TestOpenAISDKSeesAnErrorOnceAndDoesNotRetry(t *testing.T) {
	s, c := routed(t, llm.OpenAI, llm.Anthropic, llm.Gemini)
	fail(t, s, sim.Fault{Kind: sim.KindStatus, Value: 503})
	_, err := c.Chat.Completions.New(t.Context(), openAIQuestion("chat", capital))
	bad, ok := errors.AsType[*openai.Error](err)
	if !ok || bad.StatusCode != 503 || bad.Code != "overloaded" || !strings.Contains(bad.Message, "overloaded") || bad.Response.Header.Get("Retry-After") == "" {
		t.Errorf("error = %v", err)
	}
	if n := s.Requests()["gpt-4o"].Received; n != 3 {
		t.Errorf("the providers saw %d requests, want one each: tries must not multiply", n)
	}
	if _, _, err := accumulate(t, &c, openAIQuestion("chat", capital)); err == nil {
		t.Error("streamed: no error")
	}
	if _, err := c.Chat.Completions.New(t.Context(), openAIQuestion("nobody", capital)); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("an unknown model: %v", err)
	}
}

func TestOpenAISDKDoesNotNoticeADeadPrimary(t *testing.T) {
	s, c := routed(t, llm.OpenAI, llm.Anthropic)
	for _, f := range []sim.Fault{{Kind: sim.KindStatus, Value: 500}, {Kind: sim.KindReset}, {Kind: sim.KindTruncate}, {Kind: sim.KindMalformed}} {
		f.Region = "openai"
		fail(t, s, f)
		if r, err := c.Chat.Completions.New(t.Context(), openAIQuestion("chat", prose)); err != nil || r.Usage.CompletionTokens != 40 {
			t.Errorf("%s: %v", f.Kind, err)
		}
		if all, _, err := accumulate(t, &c, openAIQuestion("chat", prose)); err != nil || all.Choices[0].FinishReason != "stop" {
			t.Errorf("%s, streamed: %v", f.Kind, err)
		}
	}
}

func TestOpenAISDKSeesThatAStreamBroke(t *testing.T) {
	s, c := routed(t)
	for _, p := range llm.Protocols() {
		for _, kind := range []sim.Kind{sim.KindTruncate, sim.KindReset} {
			fail(t, s, sim.Fault{Kind: kind, Value: 5})
			all, _, err := accumulate(t, &c, openAIQuestion(string(p), prose))
			if err == nil || !strings.Contains(err.Error(), "broke off") {
				t.Errorf("%s, %s: error %v, want that the answer broke off", p, kind, err)
			}
			if len(all.Choices) != 1 || all.Choices[0].Message.Content == "" || all.Choices[0].FinishReason != "" {
				t.Errorf("%s, %s: %+v, want the beginning and no finish", p, kind, all.Choices)
			}
		}
	}
}

func TestOpenAISDKListsRoutesAndTargets(t *testing.T) {
	_, c := routed(t, llm.Gemini)
	page, err := c.Models.List(t.Context())
	if err != nil || len(page.Data) != 1+2*len(llm.Protocols()) || page.Data[0].ID != "chat" || page.Data[0].OwnedBy != "bellwether" || page.Data[1].OwnedBy != "anthropic" {
		t.Errorf("models = %+v, %v", page, err)
	}
}
