package router_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// A router in front of two providers, the first of which is down.
func Example() {
	provider, _ := sim.New(sim.Options{})
	_ = provider.SetFaults([]sim.Fault{{Region: "us", Kind: sim.KindStatus, Value: 503}})
	upstream := httptest.NewServer(provider)
	defer upstream.Close()

	const model = "m?first_token=1ms&inter_token=0s"
	route := router.Route{Route: bellwether.Route{Name: "chat", Tiers: [][]bellwether.TierTarget{{{Target: "gpt-us"}}, {{Target: "claude-eu"}}}}}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	rt, err := router.New(router.Config{}, router.Setup{
		Targets: []router.Target{
			{Target: bellwether.Target{ID: "gpt-us", Model: model}, Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: upstream.URL + "/r/us/v1"}},
			{Target: bellwether.Target{ID: "claude-eu", Model: model}, Protocol: llm.Anthropic, Endpoint: llm.Endpoint{BaseURL: upstream.URL + "/r/eu"}},
		},
		Routes: []router.Route{route},
	}, router.Options{Transport: transport})
	if err != nil {
		fmt.Println(err)
		return
	}

	w := httptest.NewRecorder()
	rt.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions",
		strings.NewReader(`{"model": "chat", "messages": [{"role": "user", "content": "Reply with the word 'hello'."}]}`)))
	body, _ := io.ReadAll(w.Body)
	fmt.Println(w.Code, w.Header().Get("X-Bellwether-Target"), w.Header().Get("X-Bellwether-Attempts"), strings.Contains(string(body), "hello"))
	// Output: 200 claude-eu 2 true
}

func ExampleConfig_Validate() {
	for _, p := range (router.Config{Listen: "0.0.0.0:8781"}).Validate() {
		fmt.Println(p.Path+":", p.Text)
	}
	// Output: listen: others can reach this address and there are no keys
}
