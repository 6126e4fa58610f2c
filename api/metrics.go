package api

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bellwether-llm/bellwether"
)

// metrics counts what passes through the server, on a registry of its own.
// Series of a target that left the config stay until the next start.
type metrics struct {
	registry *prometheus.Registry
	probes   *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	cost     *prometheus.CounterVec
	duration *prometheus.HistogramVec
	first    *prometheus.HistogramVec
	gap      *prometheus.HistogramVec
	observed *prometheus.CounterVec
	requests *prometheus.CounterVec
	reloads  *prometheus.CounterVec

	mu    sync.Mutex
	names map[string]bool // vantages and canaries that have a label of their own
}

// mostLabels bounds how many vantages and canaries are told apart; they come
// from outside. More are counted as "other".
const mostLabels = 500

var targetLabels = []string{"target", "provider", "model", "region"}

func newMetrics(s *Server) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), names: map[string]bool{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, targetLabels)
		m.registry.MustRegister(v)
		return v
	}
	with := func(more ...string) []string { return append(append([]string{}, targetLabels...), more...) }
	m.probes = counter("bellwether_probes_total", "Probes, by outcome.", with("vantage", "canary", "outcome")...)
	m.tokens = counter("bellwether_probe_tokens_total", "Tokens that probes used.", with("type")...)
	m.cost = counter("bellwether_probe_cost_usd_total", "What probes cost, by the configured prices.", targetLabels...)
	m.duration = histogram("bellwether_probe_duration_seconds", "Time to the last byte of a probe's answer.", prometheus.ExponentialBuckets(0.05, 2, 12))
	m.first = histogram("bellwether_time_to_first_token_seconds", "Time to the first token of a probe; a timeout counts as its limit.", prometheus.ExponentialBuckets(0.05, 2, 11))
	m.gap = histogram("bellwether_inter_token_seconds", "Median gap between a probe's tokens after the first.", prometheus.ExponentialBuckets(0.002, 2, 11))
	m.observed = counter("bellwether_observations_total", "Observations taken in, by source.", "source")
	m.requests = counter("bellwether_http_requests_total", "Requests answered, by endpoint and status.", "endpoint", "code")
	m.reloads = counter("bellwether_config_reloads_total", "Attempts to load another config since the start, by result.", "result")
	m.reloads.WithLabelValues("success")
	m.reloads.WithLabelValues("failure")
	m.registry.MustRegister(newStateCollector(s), newProbingCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe counts o. Summaries and router traffic count as observations only:
// what routers see, routers export.
func (m *metrics) observe(o *bellwether.Observation, f Facts) {
	m.observed.WithLabelValues(m.label(o.Source)).Inc()
	if o.Source != bellwether.SourceProbe || o.Window > 0 {
		return
	}
	t, ok := f.target(o.Target)
	if !ok {
		return
	}
	m.probes.WithLabelValues(t.ID, t.Provider, t.Model, t.Region, m.label(o.Vantage), m.label(o.Canary), m.label(string(o.Outcome))).Inc()
	of := []string{t.ID, t.Provider, t.Model, t.Region}
	if o.Tokens != nil {
		m.tokens.WithLabelValues(append(of, "input")...).Add(float64(max(o.Tokens.Input, 0)))
		m.tokens.WithLabelValues(append(of, "output")...).Add(float64(max(o.Tokens.Output, 0)))
	}
	m.cost.WithLabelValues(of...).Add(max(finite(o.CostUSD), 0))
	if o.Timing.Total > 0 {
		m.duration.WithLabelValues(of...).Observe(o.Timing.Total)
	}
	if v := firstToken(o); v > 0 {
		m.first.WithLabelValues(of...).Observe(v)
	}
	if v := o.Timing.InterToken; v > 0 {
		m.gap.WithLabelValues(of...).Observe(v)
	}
}

// label bounds the values of a label.
func (m *metrics) label(v string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.names[v]:
	case len(m.names) >= mostLabels:
		return "other"
	default:
		m.names[v] = true
	}
	return v
}

func (m *metrics) answered(endpoint string, status int) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(status)).Inc()
}

func (m *metrics) reloaded(ok bool) {
	result := "failure"
	if ok {
		result = "success"
	}
	m.reloads.WithLabelValues(result).Inc()
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4, Timeout: 30 * time.Second})
}

// stateCollector reads the state of targets and weights when asked.
type stateCollector struct {
	server                                     *Server
	build, revision, changed, weight, health   *prometheus.Desc
	state, suspected, share, mode, connections *prometheus.Desc
	loaded, lost                               *prometheus.Desc
}

func newStateCollector(s *Server) *stateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("bellwether_"+name, help, labels, nil)
	}
	with := func(more ...string) []string { return append(append([]string{}, targetLabels...), more...) }
	return &stateCollector{
		server:      s,
		build:       desc("build_info", "Always 1; the labels tell which build runs.", "version", "goversion"),
		revision:    desc("weights_revision", "Revision of the published weights.", "epoch"),
		changed:     desc("weights_last_change_timestamp_seconds", "When the published weights last changed."),
		weight:      desc("target_weight_ratio", "Fraction of its normal traffic that a target is fit to take.", targetLabels...),
		health:      desc("target_health_ratio", "Score of a target, 0 to 1.", targetLabels...),
		state:       desc("target_state", "1 for the state that a target is in.", with("state")...),
		suspected:   desc("target_suspected", "1 while evidence against a target builds.", targetLabels...),
		share:       desc("route_share_ratio", "Share of a route's traffic that goes to a target.", "route", "target"),
		mode:        desc("route_mode", "1 for the mode that a route is in.", "route", "mode"),
		connections: desc("connections", "Requests that stay, by kind.", "kind"),
		loaded:      desc("config_last_reload_success_timestamp_seconds", "When the config in force was loaded."),
		lost:        desc("store_lost_records_total", "Records that the store could not keep, since the start."),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.build, c.revision, c.changed, c.weight, c.health, c.state, c.suspected, c.share, c.mode, c.connections, c.loaded, c.lost} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	f := c.server.deps.Facts()
	gauge(c.build, 1, f.Version, runtime.Version())
	for kind, name := range map[kind]string{pollers: "poll", watchers: "watch", listeners: "events", exports: "export"} {
		gauge(c.connections, float64(c.server.streams.count(kind)), name)
	}
	gauge(c.loaded, float64(c.server.reloads.view().LoadedAt.UnixMilli())/1000)
	if n, known := c.server.lost(); known {
		ch <- prometheus.MustNewConstMetric(c.lost, prometheus.CounterValue, float64(n))
	}
	as := c.server.assessed()
	for _, t := range f.Targets {
		a, of := as[t.ID], []string{t.ID, t.Provider, t.Model, t.Region}
		gauge(c.weight, finite(a.Weight), of...)
		gauge(c.health, finite(a.Score)/100, of...)
		gauge(c.suspected, oneIf(a.Suspected), of...)
		for _, st := range []bellwether.State{bellwether.Unknown, bellwether.Healthy, bellwether.Degraded, bellwether.Failing, bellwether.Down, bellwether.Recovering} {
			gauge(c.state, oneIf(st == a.State || (a.State == "" && st == bellwether.Unknown)), append(of, string(st))...)
		}
	}
	w := c.server.deps.Board.Current()
	if w.IssuedAt.IsZero() {
		return
	}
	gauge(c.revision, float64(w.Revision), w.Epoch)
	gauge(c.changed, float64(w.IssuedAt.UnixMilli())/1000)
	for name, r := range w.Routes {
		for _, m := range []bellwether.Mode{bellwether.ModeNormal, bellwether.ModePanic, bellwether.ModeOverride, bellwether.ModeFrozen} {
			gauge(c.mode, oneIf(m == r.Mode), name, string(m))
		}
		for _, t := range r.Targets {
			gauge(c.share, t.Share, name, t.Target)
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
