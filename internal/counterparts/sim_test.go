package counterparts

import (
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
	fast    = "gpt-4o?first_token=1ms&inter_token=0ms"
	long    = fast + "&tokens=40"
	capital = "What is the capital of France? Answer with one word."
	prose   = "Tell me about gardens."
)

// serve starts a simulator and returns it with the base URL of region eu.
func serve(t *testing.T) (s *sim.Server, base string) {
	t.Helper()
	s, err := sim.New(sim.Options{Keys: []conf.Secret{key}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL + "/r/eu"
}

// fail makes every request to s fail by f.
func fail(t *testing.T, s *sim.Server, f sim.Fault) {
	t.Helper()
	if err := s.SetFaults([]sim.Fault{f}); err != nil {
		t.Fatal(err)
	}
}
