package counterparts

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sim"
)

func TestMain(m *testing.M) {
	// The genai SDK links OpenCensus, which starts a worker when it is loaded.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// key is the one that the simulator accepts.
const key = "test-key"

// fast answers at once, exactly; long has a length of its own too.
const (
	fast    = "gpt-4o" + atOnce
	long    = fast + "&tokens=40"
	capital = "What is the capital of France? Answer with one word."
	prose   = "Tell me about gardens."
	weather = "What is the weather in Paris and Tokyo right now? Use the tool."
)

const atOnce = "?first_token=1ms&inter_token=0ms"

// quick is a model's name with which it answers at once.
func quick(name string) string { return name + atOnce }

// place is where the official clients are pointed: the simulator itself, or
// whatever stands in front of it and claims to be as good.
type place struct {
	openai, azure, anthropic, gemini string      // base URLs as each SDK wants them; "" where the dialect is not spoken
	key                              string      // that is accepted there
	sim                              *sim.Server // what is behind it, for faults
	// name is how a model is called there. nil: as it is.
	name func(model string) string
}

func (p place) model(name string) string {
	if p.name == nil {
		return name
	}
	return p.name(name)
}

// conduct is one thing that a place must do for an SDK to be satisfied.
type conduct struct {
	name string
	test func(t testing.TB, at place)
}

// holds checks that every conduct holds at a place, each at one of its own.
func holds(t *testing.T, where func(t testing.TB) place, conducts []conduct) {
	for _, c := range conducts {
		t.Run(c.name, func(t *testing.T) { c.test(t, where(t)) })
	}
}

func TestSimulatorSatisfiesOpenAISDK(t *testing.T)    { holds(t, simulated, openAIConduct) }
func TestSimulatorSatisfiesAnthropicSDK(t *testing.T) { holds(t, simulated, anthropicConduct) }
func TestSimulatorSatisfiesGenaiSDK(t *testing.T)     { holds(t, simulated, genaiConduct) }

// simulated is the simulator itself, in region eu.
func simulated(t testing.TB) place {
	s, base := serve(t)
	return place{openai: base + "/v1", azure: base, anthropic: base, gemini: base, key: key, sim: s}
}

// serve starts a simulator and returns it with the base URL of region eu.
func serve(t testing.TB) (s *sim.Server, base string) { return serveBehind(t, nil) }

// serveBehind is serve with something between the simulator and the network.
func serveBehind(t testing.TB, odd func(http.Handler) http.Handler) (s *sim.Server, base string) {
	t.Helper()
	s, err := sim.New(sim.Options{Keys: []conf.Secret{key}})
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = s
	if odd != nil {
		h = odd(s)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return s, srv.URL + "/r/eu"
}

// fail makes every request to s fail by f.
func fail(t testing.TB, s *sim.Server, f sim.Fault) {
	t.Helper()
	if err := s.SetFaults([]sim.Fault{f}); err != nil {
		t.Fatal(err)
	}
}

// web is a client that leaves no connection behind.
func web() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// refusals are the statuses that every SDK must see as they are, with the
// errors' names in the dialects of OpenAI, Anthropic and Google.
var refusals = []struct {
	status                    int
	openai, anthropic, google string
}{
	{400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
	{401, "invalid_request_error", "authentication_error", "UNAUTHENTICATED"},
	{404, "invalid_request_error", "not_found_error", "NOT_FOUND"},
	{429, "", "rate_limit_error", "RESOURCE_EXHAUSTED"},
	{500, "server_error", "api_error", "INTERNAL"},
	{529, "", "overloaded_error", "UNAVAILABLE"},
}

// weatherParameters are those of the tool that the tests offer.
var weatherParameters = map[string]any{
	"type": "object", "required": []string{"city", "unit"}, "additionalProperties": false,
	"properties": map[string]any{"city": map[string]any{"type": "string"}, "unit": map[string]any{"type": "string", "enum": []string{"celsius", "fahrenheit"}}},
}

// citySchema is what an answer in JSON must match.
var citySchema = map[string]any{
	"type": "object", "required": []string{"city", "country"}, "additionalProperties": false,
	"properties": map[string]any{"city": map[string]any{"type": "string"}, "country": map[string]any{"type": "string"}},
}

// wantCity checks an answer in JSON.
func wantCity(t testing.TB, text string) {
	t.Helper()
	var got struct{ City, Country string }
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.City != "Tokyo" || got.Country != "Japan" {
		t.Errorf("answer = %q (%v), want Tokyo, Japan as JSON", text, err)
	}
}

const asked = "What is the capital of Japan?"

// wantWeather checks the arguments of a call.
func wantWeather(t testing.TB, arguments, city string) {
	t.Helper()
	var got struct{ City, Unit string }
	if err := json.Unmarshal([]byte(arguments), &got); err != nil || got.City != city || got.Unit != "celsius" {
		t.Errorf("arguments = %s (%v), want %s in celsius", arguments, err, city)
	}
}
