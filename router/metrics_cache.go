package router

import (
	"sync"
	"time"

	vm "github.com/VictoriaMetrics/metrics"

	"github.com/bellwether-llm/bellwether"
)

// meters are the metrics of each request and attempt by what they are of, so
// that no request writes a metric's name. Their names are the config's
// (targets, routes, callers, keys), so that there are only so many. Safe for
// concurrent use.
type meters struct {
	mu       sync.RWMutex
	attempts map[attemptKey]attemptMeter
	answers  map[answerKey]answerMeter
}

type attemptKey struct {
	target, key, route string
	outcome            bellwether.Outcome
}

type attemptMeter struct {
	total, byKey               *vm.Counter
	first, duration, keysFirst *vm.Histogram
}

type answerKey struct {
	route, caller string
	outcome       bellwether.Outcome
}

type answerMeter struct {
	total, byCaller *vm.Counter
	took            *vm.Histogram
}

func newMeters() meters {
	return meters{attempts: map[attemptKey]attemptMeter{}, answers: map[answerKey]answerMeter{}}
}

// find returns what make made for k, or makes it.
func find[K comparable, V any](mu *sync.RWMutex, of map[K]V, k K, make func(K) V) V {
	mu.RLock()
	v, ok := of[k]
	mu.RUnlock()
	if ok {
		return v
	}
	mu.Lock()
	defer mu.Unlock()
	if v, ok = of[k]; !ok {
		v = make(k)
		of[k] = v
	}
	return v
}

func (m *metrics) counter(name string, labels ...string) *vm.Counter {
	return m.set.GetOrCreateCounter("bellwether_router_" + name + labelled(labels))
}

func (m *metrics) histogram(name string, labels ...string) *vm.Histogram {
	return m.set.GetOrCreateHistogram("bellwether_router_" + name + labelled(labels))
}

// labelled writes names and values as labels.
func labelled(pairs []string) string {
	s := "{"
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			s += ","
		}
		s += label(pairs[i], pairs[i+1])
	}
	return s + "}"
}

// attempt counts one call of one target with one of its keys. A target asked
// for directly has route "".
func (m *metrics) attempt(target, key, route string, outcome bellwether.Outcome, s *seen) {
	a := find(&m.cached.mu, m.cached.attempts, attemptKey{target, key, route, outcome}, m.newAttempt)
	a.total.Inc()
	a.byKey.Inc()
	if s.events > 0 {
		a.first.Update(s.firstToken.Seconds())
		a.keysFirst.Update(s.firstToken.Seconds())
	}
	if outcome == bellwether.OK {
		a.duration.Update(s.total.Seconds())
	}
}

func (m *metrics) newAttempt(k attemptKey) attemptMeter {
	return attemptMeter{
		total:     m.counter("attempts_total", "target", k.target, "route", k.route, "outcome", string(k.outcome)),
		byKey:     m.counter("key_attempts_total", "target", k.target, "key", k.key, "outcome", string(k.outcome)),
		first:     m.histogram("time_to_first_token_seconds", "target", k.target),
		keysFirst: m.histogram("key_time_to_first_token_seconds", "target", k.target, "key", k.key),
		duration:  m.histogram("attempt_duration_seconds", "target", k.target),
	}
}

// answered counts one request that targets were asked for, by what the caller
// got: an answer (ok), the word that went wrong, or nothing (canceled).
func (m *metrics) answered(route, caller string, outcome bellwether.Outcome, took time.Duration) {
	a := find(&m.cached.mu, m.cached.answers, answerKey{route, caller, outcome}, m.newAnswer)
	a.total.Inc()
	a.byCaller.Inc()
	a.took.Update(took.Seconds())
}

func (m *metrics) newAnswer(k answerKey) answerMeter {
	return answerMeter{
		total:    m.counter("requests_total", "route", k.route, "outcome", string(k.outcome)),
		byCaller: m.counter("caller_requests_total", "caller", k.caller, "outcome", string(k.outcome)),
		took:     m.histogram("request_duration_seconds", "caller", k.caller),
	}
}

// meter shows what a row of the accounts sums up.
type meter struct {
	input, output, estimated *vm.Counter
	caller, target           *vm.FloatCounter // USD
}

func (m *metrics) meterOf(caller string, k rowKey) *meter {
	if k.part == partUnanswered || k.part == partRefused {
		return &meter{}
	}
	usd := func(label, value string) *vm.FloatCounter {
		return m.set.GetOrCreateFloatCounter("bellwether_router_cost_usd_total" + labelled([]string{label, value, "part", partNames[k.part]}))
	}
	return &meter{
		input:     m.counter("tokens_total", "caller", caller, "kind", "input"),
		output:    m.counter("tokens_total", "caller", caller, "kind", "output"),
		estimated: m.counter("estimated_total", "target", k.target),
		caller:    usd("caller", caller), target: usd("target", k.target),
	}
}

func (m *meter) add(c counts) {
	if m.input == nil || c.attempts == 0 {
		return
	}
	m.input.AddInt64(c.input)
	m.output.AddInt64(c.output)
	m.estimated.AddInt64(c.estimated)
	if c.cost > 0 {
		m.caller.Add(float64(c.cost) / pico)
		m.target.Add(float64(c.cost) / pico)
	}
}
