package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// probingCollector reads what schedulers and agents do when asked.
type probingCollector struct {
	server                              *Server
	sent, missed, skipped               *prometheus.Desc
	spent, budget, unprobed             *prometheus.Desc
	targetUnprobed                      *prometheus.Desc
	seen, spooled, lost, refused, clock *prometheus.Desc
}

func newProbingCollector(s *Server) *probingCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("bellwether_"+name, help, labels, nil)
	}
	return &probingCollector{
		server:         s,
		sent:           desc("scheduler_probes_sent_total", "Probes that a vantage's scheduler sent, by trigger.", "vantage", "agent", "trigger"),
		missed:         desc("scheduler_probes_missed_total", "Scheduled probes that could not be sent in time.", "vantage", "agent"),
		skipped:        desc("scheduler_probes_skipped_total", "Probes of suspicion left out because earlier ones were in flight.", "vantage", "agent"),
		spent:          desc("suspicion_spent_today", "What suspicion used today (UTC), by unit: probes, tokens, usd.", "vantage", "agent", "unit"),
		budget:         desc("suspicion_budget_today", "What suspicion may use in a day; absent where there is no limit.", "vantage", "agent", "unit"),
		unprobed:       desc("suspicion_unprobed_today", "Probes left out today because a budget was spent.", "vantage", "agent"),
		targetUnprobed: desc("suspicion_target_unprobed_today", "The same for each target that has any.", "vantage", "agent", "target"),
		seen:           desc("agent_last_seen_timestamp_seconds", "When an agent was last heard of.", "agent", "vantage"),
		spooled:        desc("agent_spooled_observations", "Observations that wait on an agent's disk.", "agent", "vantage"),
		lost:           desc("agent_lost_observations_total", "Observations that an agent's spool dropped, could not read or could not write.", "agent", "vantage"),
		refused:        desc("agent_refused_observations_total", "Observations of an agent that the server would not take.", "agent", "vantage"),
		clock:          desc("agent_clock_offset_seconds", "An agent's clock minus the server's.", "agent", "vantage"),
	}
}

// Describe implements prometheus.Collector.
func (c *probingCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.sent, c.missed, c.skipped, c.spent, c.budget, c.unprobed, c.targetUnprobed, c.seen, c.spooled, c.lost, c.refused, c.clock} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *probingCollector) Collect(ch chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, p := range c.server.everywhere() {
		for trigger, n := range p.Sent {
			tell(c.sent, prometheus.CounterValue, float64(n), p.Vantage, p.Agent, trigger)
		}
		tell(c.missed, prometheus.CounterValue, float64(p.Missed), p.Vantage, p.Agent)
		tell(c.skipped, prometheus.CounterValue, float64(p.Skipped), p.Vantage, p.Agent)
		tell(c.unprobed, prometheus.GaugeValue, float64(p.Today.Unprobed), p.Vantage, p.Agent)
		for unit, v := range map[string]float64{"probes": float64(p.Today.Probes), "tokens": float64(p.Today.Tokens), "usd": finite(p.Today.USD)} {
			tell(c.spent, prometheus.GaugeValue, v, p.Vantage, p.Agent, unit)
		}
		for unit, v := range p.TotalBudget.limits() {
			tell(c.budget, prometheus.GaugeValue, v, p.Vantage, p.Agent, unit)
		}
		for _, t := range c.server.configured(p.Targets) {
			if t.Today.Unprobed > 0 {
				tell(c.targetUnprobed, prometheus.GaugeValue, float64(t.Today.Unprobed), p.Vantage, p.Agent, t.Target)
			}
		}
	}
	for _, a := range c.server.agents.list(time.Now(), nil, Plan{}) {
		tell(c.seen, prometheus.GaugeValue, float64(a.LastSeen.UnixMilli())/1000, a.Name, a.Vantage)
		tell(c.spooled, prometheus.GaugeValue, float64(a.Spooled), a.Name, a.Vantage)
		tell(c.lost, prometheus.CounterValue, float64(a.Dropped+a.Damaged+a.Lost), a.Name, a.Vantage)
		tell(c.refused, prometheus.CounterValue, float64(a.Refused), a.Name, a.Vantage)
		if a.ClockOffset != nil {
			tell(c.clock, prometheus.GaugeValue, *a.ClockOffset, a.Name, a.Vantage)
		}
	}
}

// configured keeps the parts of targets that the config has, each once: an
// agent may say anything.
func (s *Server) configured(ts []TargetProbing) []TargetProbing {
	left := map[string]bool{}
	for _, t := range s.deps.Facts().Targets {
		left[t.ID] = true
	}
	var out []TargetProbing
	for _, t := range ts {
		if left[t.Target] {
			delete(left, t.Target)
			out = append(out, t)
		}
	}
	return out
}

// limits returns what binds, by unit.
func (b Budget) limits() map[string]float64 {
	out := map[string]float64{}
	if b.Probes != nil {
		out["probes"] = float64(*b.Probes)
	}
	if b.Tokens != nil {
		out["tokens"] = float64(*b.Tokens)
	}
	if b.USD != nil {
		out["usd"] = finite(*b.USD)
	}
	return out
}
