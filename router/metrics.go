package router

import (
	"net/http"
	"strconv"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
)

// metrics are the router's own, in a set that no other router shares.
type metrics struct {
	set        *vm.Set
	malformed  *vm.Counter // events that could not be read
	unreported *vm.Counter // summaries dropped while the server was away
	rejected   *vm.Counter // summaries that the server would not have
	overBudget *vm.Counter // attempts that the retry budget did not allow
	cached     meters
}

func newMetrics() *metrics {
	set := vm.NewSet()
	return &metrics{set: set, cached: newMeters(),
		malformed:  set.NewCounter("bellwether_router_malformed_events_total"),
		overBudget: set.NewCounter("bellwether_router_over_budget_total"),
		rejected:   set.NewCounter("bellwether_router_rejected_summaries_total"),
		unreported: set.NewCounter("bellwether_router_unreported_summaries_total"),
	}
}

// follow adds the gauges that look at the router itself.
func (m *metrics) follow(rt *Router) {
	m.set.NewGauge("bellwether_router_in_flight", func() float64 { return float64(rt.inFlight.Load()) })
	m.set.NewGauge("bellwether_router_weights_revision", func() float64 {
		if t := rt.table.Load(); t != nil {
			return float64(t.revision)
		}
		return 0
	})
	m.set.NewGauge("bellwether_router_news_age_seconds", func() float64 {
		if rt.follower == nil || rt.follower.News().IsZero() {
			return -1 // never heard of a server
		}
		return time.Since(rt.follower.News()).Seconds()
	})
	m.set.NewGauge("bellwether_router_weights_stale", func() float64 {
		if w := rt.weights.Load(); w != nil && rt.follower != nil && rt.silence() > seconds(w.TTL) {
			return 1
		}
		return 0
	})
	m.set.NewGauge("bellwether_router_drift_ratio", func() float64 { return rt.drift(rt.weights.Load()) })
}

// refused counts requests that no target was asked for.
func (m *metrics) refused(code string) {
	m.set.GetOrCreateCounter("bellwether_router_refused_total{" + label("code", code) + "}").Inc()
}

// breaker counts the turns of a target's breaker: open, close.
func (m *metrics) breaker(target, turn string) {
	m.set.GetOrCreateCounter("bellwether_router_breaker_total{" + label("target", target) + "," + label("turn", turn) + "}").Inc()
}

// keyOut counts keys that a provider refused.
func (m *metrics) keyOut(provider, key string) {
	m.set.GetOrCreateCounter("bellwether_router_keys_refused_total{" + label("provider", provider) + "," + label("key", key) + "}").Inc()
}

// hedged counts second targets asked beside a silent one.
func (m *metrics) hedged(route string) {
	m.set.GetOrCreateCounter("bellwether_router_hedges_total{" + label("route", route) + "}").Inc()
}

// rescued counts tries to go on with a broken stream.
func (m *metrics) rescued(route, way string, ok bool) {
	m.set.GetOrCreateCounter("bellwether_router_rescues_total{" + label("route", route) + "," + label("way", way) + `,ok="` + strconv.FormatBool(ok) + `"}`).Inc()
}

func label(name, value string) string { return name + "=" + strconv.Quote(value) }

// serve writes the metrics in Prometheus' text format.
func (m *metrics) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	m.set.WritePrometheus(w)
	vm.WriteProcessMetrics(w)
}
