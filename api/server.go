package api

import (
	"bufio"
	"context"
	_ "embed" // openapi.yaml
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/bellwether-llm/bellwether"
)

// Server serves the API. Make one with [New]; all methods are safe for
// concurrent use.
type Server struct {
	config    Config
	deps      Deps
	log       *slog.Logger
	guard     *guard
	streams   *streams
	routers   *routers
	agents    *agents
	results   *results
	notes     notes
	misses    misses
	told      *told
	failovers *failovers
	upgrader  websocket.Upgrader
	hub       *hub
	hour      *hour
	stale     *stale
	metrics   *metrics
	reloads   *reloads
	started   time.Time
	unkept    *complaints // about observations that the store did not take
	logins    *rate.Limiter
	probing   chan struct{} // one token: probes on request
	reading   chan struct{} // a few: requests that read much
	handler   http.Handler
}

// New returns a server. It validates cfg and deps, and starts nothing.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.err(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if deps.Board == nil || deps.Store == nil || deps.Facts == nil {
		return nil, errors.New("api: Deps.Board, Deps.Store and Deps.Facts are required")
	}
	if deps.Assessments == nil {
		deps.Assessments = func() []bellwether.Assessment { return nil }
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		config: cfg, deps: deps, log: deps.Log, guard: newGuard(cfg), streams: newStreams(), routers: newRouters(), agents: newAgents(), results: newResults(), told: newTold(), failovers: newFailovers(),
		hub: newHub(), hour: newHour(time.Now()), stale: &stale{targets: map[string]bool{}},
		logins: rate.NewLimiter(2, 10), probing: make(chan struct{}, 1), reading: make(chan struct{}, 4),
	}
	s.started = time.Now()
	s.reloads = &reloads{loaded: s.started}
	s.unkept = &complaints{log: s.log, message: "observations could not be kept"}
	s.metrics = newMetrics(s)
	s.upgrader = websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   512,
		WriteBufferSize:  512, // prepared messages do not pass through it
		Subprotocols:     []string{Subprotocol},
		CheckOrigin:      s.guard.checkOrigin,
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			problem(status, "%v", reason).write(w)
		},
	}
	handler, err := s.build()
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	s.handler = handler
	return s, nil
}

// Handler returns what serves the whole of the API and the dashboard.
func (s *Server) Handler() http.Handler { return s.handler }

// HTTP returns an http.Server with the handler, the configured address, and
// limits that suit the API: it has no write timeout, because polls and events
// stay; each answer sets its own.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Addr:              s.config.Address(),
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
	}
}

// Run tells listeners how targets are doing until ctx ends, then ends all
// polls, sockets (with close code 1001) and event streams, and returns when
// they have ended. Call it beside the http.Server; without it that one's
// Shutdown waits for polls and forgets sockets.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(summaryEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.summarise(now)
			s.unkept.flush(now)
		case <-ctx.Done():
			s.streams.shut()
			return nil
		}
	}
}

// endpoint is one row of the API's table.
type endpoint struct {
	pattern string // method and path, as http.ServeMux has them
	scope   Scope  // who may; "" is everybody
	body    int64  // bytes of the body that are read at most
	serve   func(http.ResponseWriter, *http.Request) error
}

const smallBody = 64 << 10

//go:embed openapi.yaml
var openapi []byte

func (s *Server) endpoints() []endpoint {
	badge := Read
	if s.config.PublicStatus {
		badge = ""
	}
	return []endpoint{
		{"GET /v1/weights", Read, 0, s.weights},
		{"GET /v1/weights/watch", Read, 0, s.watch},
		{"GET /v1/routers", Read, 0, bare(s.listRouters)},
		{"GET /v1/failovers", Read, 0, s.listFailovers},
		{"POST /v1/failovers", Observe, wordsBody, bare(s.takeFailovers)},
		{"GET /v1/decision", Read, 0, s.decide},
		{"GET /v1/routes", Read, 0, bare(s.routes)},
		{"GET /v1/routes/{name}/preview", Read, 0, s.preview},
		{"GET /v1/revisions", Read, 0, s.revisions},

		{"GET /v1/targets", Read, 0, bare(s.targets)},
		{"GET /v1/targets/{id}", Read, 0, bare(s.target)},
		{"GET /v1/targets/{id}/series", Read, 0, s.series},
		{"GET /v1/changes", Read, 0, s.changes},

		{"GET /v1/observations", Read, 0, s.observations},
		{"GET /v1/observations/{id}", Read, 0, bare(s.observation)},
		{"POST /v1/observations", Observe, batchBody, bare(s.ingest)},
		{"GET /v1/signals", Read, 0, s.listSignals},
		{"POST /v1/signals", Observe, wordsBody, bare(s.takeSignals)},
		{"GET /v1/feedback", Read, 0, s.listFeedback},
		{"POST /v1/feedback", Observe, wordsBody, bare(s.takeFeedback)},
		{"GET /v1/canaries", Read, 0, bare(s.canaries)},
		{"GET /v1/probes", Read, 0, bare(s.lastResults)},
		{"POST /v1/probes", Operate, smallBody, bare(s.probe)},
		{"GET /v1/probing", Read, 0, bare(s.probingNow)},
		{"GET /v1/agents", Read, 0, bare(s.listAgents)},
		{"GET /v1/agents/{name}/plan", Read, 0, s.plan},
		{"POST /v1/agents/{name}/hello", Observe, helloBody, bare(s.hello)},

		{"GET /v1/incidents", Read, 0, s.incidents},
		{"GET /v1/incidents/{id}", Read, 0, bare(s.incident)},
		{"POST /v1/incidents/{id}/ack", Operate, smallBody, bare(s.acknowledge)},
		{"POST /v1/incidents/{id}/notes", Operate, smallBody, bare(s.annotate)},
		{"GET /v1/overrides", Read, 0, bare(s.overrides)},
		{"POST /v1/overrides", Operate, smallBody, bare(s.override)},
		{"DELETE /v1/overrides/{id}", Operate, 0, bare(s.removeOverride)},

		{"GET /v1/slos", Read, 0, s.slos},
		{"GET /v1/reports/slo.csv", Read, 0, s.sloReport},
		{"GET /v1/events", Read, 0, bare(s.events)},

		{"GET /v1/info", Read, 0, bare(s.info)},
		{"GET /v1/session", "", 0, bare(s.session)},
		{"POST /v1/session", "", smallBody, bare(s.login)},
		{"DELETE /v1/session", "", 0, bare(s.logout)},
		{"GET /v1/openapi.yaml", "", 0, bare(fixed("application/yaml", openapi))},
		{"GET /metrics", Read, 0, plain(s.metrics.handler())},
		{"GET /livez", "", 0, s.livez},
		{"GET /readyz", "", 0, s.readyz},
		{"GET /healthz", "", 0, s.readyz},
		{"GET /badge/{file}", badge, 0, s.badge},
	}
}

func fixed(media string, body []byte) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", media)
		_, _ = w.Write(body) // the caller has gone; nothing to do
		return nil
	}
}

func plain(h http.Handler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// build makes the handler from the table: an unknown path under /v1 is a 404,
// as is a later version of the API, a known one with another method a 405.
func (s *Server) build() (http.Handler, error) {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, e := range s.endpoints() {
		method, path, _ := strings.Cut(e.pattern, " ")
		methods[path] = append(methods[path], method)
		mux.Handle(e.pattern, s.admitted(e))
	}
	for path, allowed := range methods {
		if slices.Contains(allowed, "GET") {
			allowed = append(allowed, "HEAD")
		}
		mux.Handle(path, s.answering(func(w http.ResponseWriter, r *http.Request) error {
			p := problem(http.StatusMethodNotAllowed, "%s is not offered here; offered are %s", r.Method, strings.Join(allowed, ", "))
			p.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
			return p
		}))
	}
	for _, path := range []string{"/v1", "/v1/", "/v2", "/v2/"} {
		mux.Handle(path, s.answering(nowhere))
	}
	mux.Handle("/", s.ui())
	cross := http.NewCrossOriginProtection()
	if s.guard.public != nil {
		if err := cross.AddTrustedOrigin(s.guard.public.Scheme + "://" + s.guard.public.Host); err != nil {
			return nil, fmt.Errorf("public_url: %w", err)
		}
	}
	cross.SetDenyHandler(s.answering(func(http.ResponseWriter, *http.Request) error {
		return problem(http.StatusForbidden, "a page of another site may not write here")
	}))
	return s.outermost(cross.Handler(mux)), nil
}

func nowhere(_ http.ResponseWriter, r *http.Request) error {
	return problem(http.StatusNotFound, "there is no %.200q; /v1/openapi.yaml lists the API, / is the dashboard", r.URL.Path)
}

func (s *Server) ui() http.Handler {
	if s.deps.UI != nil {
		return s.deps.UI
	}
	return s.answering(func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Path != "/" {
			return nowhere(w, r)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := w.Write([]byte("Bellwether. This build has no dashboard; the API is described at /v1/openapi.yaml\n"))
		return err
	})
}

// admitted serves e to those who may.
func (s *Server) admitted(e endpoint) http.Handler {
	answer := s.answering(func(w http.ResponseWriter, r *http.Request) error {
		r, err := s.guard.admit(r, e.scope)
		if err != nil {
			return err
		}
		if e.body > 0 && r.ContentLength > e.body {
			return tooLong(e.body)
		}
		r.Body = http.MaxBytesReader(w, r.Body, e.body)
		return e.serve(w, r)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if rec, ok := w.(*recorder); ok {
				s.metrics.answered(e.pattern, rec.status)
			}
		}()
		answer.ServeHTTP(w, r)
	})
}

// answering turns an error into a problem document. What is our fault is
// logged, and the caller learns no more than that.
func (s *Server) answering(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		p := problemOf(err)
		if p.Status == http.StatusInternalServerError {
			s.log.Error("request", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		if rec, ok := w.(*recorder); ok && rec.status != 0 {
			panic(http.ErrAbortHandler) // the answer has begun: a part must not look like the whole
		}
		p.write(w)
	})
}

// outermost is what every request passes: recovery, log, headers, limits.
func (s *Server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, start := &recorder{ResponseWriter: w}, time.Now()
		defer func() {
			v, begun := recover(), rec.status != 0
			if v != nil && v != http.ErrAbortHandler {
				s.log.Error("panic", "method", r.Method, "path", r.URL.Path, "value", fmt.Sprint(v), "stack", string(debug.Stack()))
				if !begun {
					problemOf(errPanicked).write(rec)
				}
			}
			s.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", rec.status, "seconds", time.Since(start).Seconds())
			if v == http.ErrAbortHandler || (v != nil && begun) {
				panic(http.ErrAbortHandler) // net/http cuts the connection, and says nothing
			}
		}()
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		_ = http.NewResponseController(w).SetWriteDeadline(start.Add(longestWait + 35*time.Second)) // best effort
		if err := s.guard.checkHost(r); err != nil {
			s.answering(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(rec, r)
			return
		}
		next.ServeHTTP(rec, r)
	})
}

// recorder remembers the status for the log and lets sockets and streams
// through.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what it needs.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Hijack hands the connection to the WebSocket.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.status = http.StatusSwitchingProtocols
	return http.NewResponseController(r.ResponseWriter).Hijack()
}
