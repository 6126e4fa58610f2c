package router

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/h1"
	"github.com/bellwether-llm/bellwether/internal/via"
	"github.com/bellwether-llm/bellwether/llm"
)

// Follower is where weights come from and observations go to: an api/client.
type Follower interface {
	// Watch calls f with every newer document until ctx ends, through outages.
	Watch(ctx context.Context, f func(bellwether.Weights)) error
	// News returns when the server last confirmed the weights at hand; zero: never.
	News() time.Time
	// Applied tells the server which revision is in force. It does not block.
	Applied(revision uint64)
	// Observe hands observations over; without an error they are on disk.
	Observe(ctx context.Context, obs []bellwether.Observation) (accepted, duplicates int, err error)
}

// Options are what a Router may be given beside its config. The zero value
// follows nobody and logs nowhere.
type Options struct {
	Follower  Follower          // nil: base weights alone
	Transport http.RoundTripper // nil: one of its own, kept for all targets
	Logger    *slog.Logger      // nil: none
}

// Router routes chat completions. See the package's comment.
type Router struct {
	cfg       Config
	follower  Follower
	transport http.RoundTripper
	others    *via.Pool[*http.Transport] // for targets with a way of their own
	log       *slog.Logger
	fronts    *fronts
	shelf     *shelf // of answers that may be gone on from

	building sync.Mutex // one rebuild at a time, so that the last one sees the latest
	setup    atomic.Pointer[readySetup]
	callers  atomic.Pointer[callers]
	books    *books
	answers  *answers
	moves    *moves

	journaling   sync.Mutex // guards the journal
	journal      journal
	accountsFail bool

	weights  atomic.Pointer[bellwether.Weights]
	table    atomic.Pointer[table]
	started  time.Time
	inFlight atomic.Int64
	budget   *budget
	purses   sync.Map // of routes that hedge, by name: *purse
	recorder *recorder
	metrics  *metrics
}

// now is the router's own time: nanoseconds above 0, which only grow.
func (rt *Router) now() int64 { return int64(time.Since(rt.started)) + 1 }

// New returns a router for the setup. It starts and dials nothing.
func New(cfg Config, s Setup, o Options) (*Router, error) {
	cfg = cfg.withDefaults()
	fronts, err := newFronts()
	if err != nil {
		return nil, err
	}
	if cfg.Name == "" {
		cfg.Name, _ = os.Hostname() // an empty name is told apart by the server
	}
	rt := &Router{cfg: cfg, follower: o.Follower, transport: o.Transport, log: o.Logger, fronts: fronts, shelf: newShelf(cfg.StoredResponses), started: time.Now(),
		budget: newBudget(*cfg.RetryBudget), books: newBooks(), recorder: newRecorder(cfg.Name), metrics: newMetrics()}
	if rt.log == nil {
		rt.log = slog.New(slog.DiscardHandler)
	}
	if rt.transport == nil {
		rt.transport = h1.New(newTransport())
	}
	rt.others = via.NewPool(func(v *via.Via) *http.Transport {
		t := newTransport()
		t.Proxy, t.TLSClientConfig = v.Proxy(), v.TLS()
		return t
	}, (*http.Transport).CloseIdleConnections)
	rt.journal.path, rt.answers, rt.moves = cfg.accountsFile(), newAnswers(), newMoves()
	rt.metrics.follow(rt)
	if err := rt.Admit(cfg.Admission()); err != nil {
		return nil, err
	}
	return rt, rt.Replace(s)
}

// transportTo returns what reaches e.
func (rt *Router) transportTo(e llm.Endpoint) http.RoundTripper {
	if e.Via != nil {
		return rt.others.For(e.Via)
	}
	return rt.transport
}

// newTransport returns a transport that keeps enough connections warm.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		// Compression is left to the caller and the provider: a compressed
		// stream would be held back by the decoder.
		DisableCompression: true, ForceAttemptHTTP2: true,
		MaxIdleConns: 1024, MaxIdleConnsPerHost: 256, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
}

// Replace serves another setup from now on. Requests under way go on under
// the old one. It is safe to call at any time.
func (rt *Router) Replace(s Setup) error {
	rt.building.Lock()
	next, err := ready(s, rt.setup.Load())
	if err == nil {
		rt.setup.Store(next)
	}
	rt.building.Unlock()
	if err != nil {
		return err
	}
	rt.rebuild()
	return nil
}

// rebuild makes a new table from the setup, the weights and their age.
func (rt *Router) rebuild() {
	rt.building.Lock()
	defer rt.building.Unlock()
	s, w := rt.setup.Load(), rt.weights.Load()
	rt.table.Store(newTable(s.Setup, s.ups, w, rt.drift(w)))
}

// drift returns how far shares have moved from w's to the base ones.
func (rt *Router) drift(w *bellwether.Weights) float64 {
	if w == nil || rt.follower == nil {
		return 0
	}
	return driftAt(rt.silence(), seconds(w.TTL), seconds(w.Hold))
}

// silence returns how old the last news of the server is. Weights that come
// from the state file count from the start.
func (rt *Router) silence() time.Duration {
	news := rt.follower.News()
	if news.IsZero() {
		news = rt.started
	}
	return time.Since(news)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
