package api

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

// Bounds of one observation from outside. Texts that are for people are cut;
// whatever else exceeds its bound is a fault.
const (
	mostNames    = 64 // checks, counts, sketches, signals
	excerptLimit = 4000
	textLimit    = 1000
	wordLimit    = 200
	aheadLimit   = 10 * time.Minute
	longestTime  = 24 * 3600.0 // seconds
)

var triggers = []string{
	bellwether.TriggerSchedule, bellwether.TriggerSuspicion, bellwether.TriggerManual,
	bellwether.TriggerDrill, bellwether.TriggerWarmup,
}

// foreign is an observation from outside.
type foreign struct{ *bellwether.Observation }

// check calls fault with the pointer and the detail of everything that is
// wrong with o, and cuts its texts.
func (o foreign) check(known map[string]bool, now time.Time, fault func(field, detail string)) {
	if !validName(o.ID) {
		fault("/id", "must be 1 to 100 printable bytes; it makes sending again safe")
	}
	if o.At.Year() < 2000 {
		fault("/at", "is required: when the call started")
	} else if o.At.After(now.Add(aheadLimit)) {
		fault("/at", fmt.Sprintf("lies more than %v ahead of this server's clock", aheadLimit))
	}
	o.checkSource(fault)
	if o.Trigger != "" && !slices.Contains(triggers, o.Trigger) {
		fault("/trigger", "must be one of "+strings.Join(triggers, ", "))
	}
	if !known[o.Target] {
		fault("/target", fmt.Sprintf("there is no target %.120q", o.Target))
	}
	if !bellwether.ValidID(o.Vantage) {
		fault("/vantage", "is required: where the call was made from, as an id")
	}
	for _, opt := range []struct{ field, id string }{{"/canary", o.Canary}, {"/route", o.Route}, {"/outcome", string(o.Outcome)}} {
		if opt.id != "" && !bellwether.ValidID(opt.id) {
			fault(opt.field, fmt.Sprintf("%.120q is not an id", opt.id))
		}
	}
	if o.Outcome == "" && len(o.Counts) == 0 && len(o.Signals) == 0 {
		fault("/outcome", "is required, unless there are counts or signals")
	}
	o.checkNumbers(fault)
	o.checkMaps(fault)
	o.cutTexts()
}

// checkSource refuses invented history, and whatever a person's or a machine's
// own numbers cannot carry: they are no calls.
func (o foreign) checkSource(fault func(field, detail string)) {
	switch o.Source {
	case bellwether.SourceProbe, bellwether.SourceRouter:
		return
	case bellwether.SourceFeedback:
		if v, said := o.Signals[bellwether.Feedback]; !said || len(o.Signals) > 1 || v < 0 || v > 1 {
			fault("/signals", "feedback has the one signal feedback, from 0 (good) to 1 (bad)")
		}
	case bellwether.SourceUser:
		for name := range o.Signals {
			if reserved(name) {
				fault("/signals", fmt.Sprintf("%.120q is measured by Bellwether itself; give yours another name", name))
			}
		}
	default:
		fault("/source", "must be probe, router, feedback or user")
		return
	}
	if o.Outcome != "" || len(o.Counts) > 0 || len(o.Sketches) > 0 || o.Timing != (bellwether.Timing{}) || len(o.Checks) > 0 || o.Tokens != nil || o.Confidence != nil {
		fault("/source", "what comes from "+o.Source+" has signals, and nothing that a call has")
	}
}

func (o foreign) checkNumbers(fault func(field, detail string)) {
	t := o.Timing
	for _, n := range []struct {
		field     string
		v         float64
		low, high float64
	}{
		{"/late_seconds", o.Late, -longestTime, longestTime},
		{"/self_lag_seconds", o.SelfLag, 0, longestTime},
		{"/timing/dns_seconds", t.DNS, 0, longestTime},
		{"/timing/connect_seconds", t.Connect, 0, longestTime},
		{"/timing/tls_seconds", t.TLS, 0, longestTime},
		{"/timing/first_byte_seconds", t.FirstByte, 0, longestTime},
		{"/timing/first_token_seconds", t.FirstToken, 0, longestTime},
		{"/timing/inter_token_seconds", t.InterToken, 0, longestTime},
		{"/timing/inter_token_p95_seconds", t.InterTokenP95, 0, longestTime},
		{"/timing/inter_token_max_seconds", t.InterTokenMax, 0, longestTime},
		{"/timing/total_seconds", t.Total, 0, longestTime},
		{"/cost_usd", o.CostUSD, 0, 1e6},
		{"/retry_after_seconds", o.RetryAfter, 0, 1e9},
		{"/sample_rate", o.SampleRate, 0, 1},
		{"/window_seconds", o.Window, 0, 3600},
		{"/status", float64(o.Status), 0, 999},
	} {
		if !(n.v >= n.low && n.v <= n.high) {
			fault(n.field, fmt.Sprintf("must be from %v to %v", n.low, n.high))
		}
	}
	if o.Tokens == nil {
		return
	}
	for _, n := range []struct {
		field string
		v     int
	}{{"input", o.Tokens.Input}, {"output", o.Tokens.Output}, {"cached", o.Tokens.Cached}, {"reasoning", o.Tokens.Reasoning}} {
		if n.v < 0 || n.v > 1e8 {
			fault("/tokens/"+n.field, "must be from 0 to 1e8")
		}
	}
}

func (o foreign) checkMaps(fault func(field, detail string)) {
	for _, m := range []struct {
		field string
		n     int
	}{{"/checks", len(o.Checks)}, {"/counts", len(o.Counts)}, {"/sketches", len(o.Sketches)}, {"/signals", len(o.Signals)}} {
		if m.n > mostNames {
			fault(m.field, fmt.Sprintf("more than %d entries", mostNames))
		}
	}
	for i := range o.Checks {
		if !validName(o.Checks[i].Name) {
			fault(fmt.Sprintf("/checks/%d/name", i), "must be 1 to 100 printable bytes")
		}
	}
	for outcome, n := range o.Counts {
		if !bellwether.ValidID(string(outcome)) || n < 0 || n > 1e9 {
			fault("/counts", fmt.Sprintf("%.120q must be an id, its count from 0 to 1e9", outcome))
		}
	}
	for signal, b := range o.Sketches {
		if _, err := sketch.Parse(b); err != nil || !bellwether.ValidID(string(signal)) {
			fault("/sketches", fmt.Sprintf("%.120q is not the id and base64 of a DDSketch", signal))
		}
	}
	for signal := range o.Signals {
		if !bellwether.ValidID(string(signal)) {
			fault("/signals", fmt.Sprintf("%.120q is not an id", signal))
		}
	}
}

func (o foreign) cutTexts() {
	for _, t := range []struct {
		s     *string
		limit int
	}{{&o.Excerpt, excerptLimit}, {&o.Error, textLimit}, {&o.Model, wordLimit}, {&o.Fingerprint, wordLimit},
		{&o.Finish, wordLimit}, {&o.HTTP, wordLimit}, {&o.Doubtful, wordLimit}} {
		*t.s = cut(*t.s, t.limit)
	}
	for i := range o.Checks {
		o.Checks[i].Detail = cut(o.Checks[i].Detail, textLimit)
	}
}

// cut shortens s to at most limit bytes, between characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
