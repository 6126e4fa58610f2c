package counterparts

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// callersKey is the one that the router in front of the simulator accepts.
const callersKey = "callers-own-key"

// through returns a place where a router stands in front of the simulator and
// asks every model in protocol p. A model that is named there becomes a target.
func through(p llm.Protocol) func(t testing.TB) place { return throughBehind(p, nil) }

// throughBehind is through with something between the simulator and the
// network.
func throughBehind(p llm.Protocol, odd func(http.Handler) http.Handler) func(t testing.TB) place {
	return func(t testing.TB) place {
		s, base := serveBehind(t, odd)
		base += map[llm.Protocol]string{llm.OpenAI: "/v1", llm.Gemini: "/v1beta", llm.Responses: "/v1"}[p]
		var setup router.Setup
		transport := &http.Transport{}
		rt, err := router.New(router.Config{Attempts: 2, Keys: map[string]conf.Secret{"app": callersKey}}, setup, router.Options{Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		front := httptest.NewServer(rt.Handler())
		t.Cleanup(func() { front.Close(); transport.CloseIdleConnections() })
		var mu sync.Mutex
		known := map[string]bool{}
		name := func(model string) string {
			mu.Lock()
			defer mu.Unlock()
			id := strings.ReplaceAll(strings.ReplaceAll(model, "?", "."), "&", ".")
			if !known[id] {
				known[id] = true
				setup.Targets = append(setup.Targets, router.Target{
					Target:   bellwether.Target{ID: id, Provider: string(p), Model: model},
					Protocol: p, ModelName: model, Endpoint: llm.Endpoint{BaseURL: base, Key: key},
				})
				if err := rt.Replace(setup); err != nil {
					t.Error(err)
				}
			}
			return id
		}
		return place{openai: front.URL + "/v1", azure: front.URL, anthropic: front.URL, gemini: front.URL, key: callersKey, sim: s, name: name}
	}
}

func TestRouterSatisfiesOpenAISDK(t *testing.T)    { holdsThrough(t, "openai", openAIConduct) }
func TestRouterSatisfiesAnthropicSDK(t *testing.T) { holdsThrough(t, "anthropic", anthropicConduct) }
func TestRouterSatisfiesGenaiSDK(t *testing.T)     { holdsThrough(t, "genai", genaiConduct) }
