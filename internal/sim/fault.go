package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// Kind is what a fault does to an answer.
type Kind string

// The kinds. The comment says what Value means; kinds that have none ignore it.
const (
	KindLatency    Kind = "latency"     // factor on the first token's time and on the gaps
	KindFirstToken Kind = "first_token" // seconds to the first token, whatever was drawn
	KindDecode     Kind = "decode"      // factor on the gaps between tokens
	KindStatus     Kind = "status"      // HTTP status, 400 to 599
	KindReset      Kind = "reset"       // the connection is reset after so many tokens; 0: before any byte
	KindHang       Kind = "hang"        // nothing at all, until the client goes away
	KindStall      Kind = "stall"       // nothing more after so many tokens
	KindTruncate   Kind = "truncate"    // the stream ends after so many tokens, without a finish
	KindMalformed  Kind = "malformed"   // 0: the whole answer is garbage; n: one broken event after n tokens
	KindNoDone     Kind = "no_done"     // the finish is there, the protocol's end of stream is not
	KindVerbose    Kind = "verbose"     // factor on the answer's length
	KindTerse      Kind = "terse"       // the answer's first words only
	KindRepeat     Kind = "repeat"      // the answer's first words over and over
	KindOffTopic   Kind = "off_topic"   // an answer to another question
	KindEmpty      Kind = "empty"       // a proper answer without a token
	KindRefuse     Kind = "refuse"      // the model declines
	KindSwap       Kind = "swap"        // another model answers: With, by default a smaller one
	KindRateLimit  Kind = "rate_limit"  // 429 with Retry-After, in seconds; 0 means 1
	KindVanish     Kind = "vanish"      // the model is no longer listed, and asked for it is a 404
)

// Fault is one scripted misbehaviour. Several may strike one request: of those
// that end it early the first in the list does, the others add up.
type Fault struct {
	Model       string        // the model's name without options; "" matches all
	Region      string        // "" matches all
	Kind        Kind          // required
	Value       float64       // see the kinds
	With        string        // the model that answers in a swap; in JSON a "value" that is a string
	Probability float64       // that it strikes a request, above 0 to 1; 0 means 1
	From        time.Duration // since it was put in place
	For         time.Duration // 0: until it is cleared
}

// FaultsError says what is wrong with a list of faults, all at once.
type FaultsError struct{ Problems []conf.Problem }

func (e *FaultsError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return "faults: " + strings.Join(lines, "; ")
}

// valueRange is what a kind's value may be.
type valueRange struct {
	low, high float64
	whole     bool
	remedy    string
}

const maxFaultSeconds = 24 * 3600

// valueOf is the table of kinds; a nil entry takes no value.
var valueOf = map[Kind]*valueRange{
	KindLatency:    {1e-3, 1e4, false, "write the factor on the latency, such as 3"},
	KindFirstToken: {0, maxFaultSeconds, false, "write the seconds to the first token, such as 4.5"},
	KindDecode:     {1e-3, 1e4, false, "write the factor on the gaps between tokens, such as 3"},
	KindStatus:     {400, 599, true, "write an HTTP status from 400 to 599"},
	KindReset:      {0, 1e6, true, "write the number of tokens before the reset, 0 for none"},
	KindStall:      {0, 1e6, true, "write the number of tokens before the silence, 0 for none"},
	KindTruncate:   {0, 1e6, true, "write the number of tokens before the end, 0 for none"},
	KindMalformed:  {0, 1e6, true, "write 0 for garbage throughout, or after how many tokens one event is broken"},
	KindVerbose:    {1, 1000, false, "write the factor on the answer's length, such as 5"},
	KindRateLimit:  {0, maxFaultSeconds, false, "write the seconds of Retry-After, such as 2"},
	KindHang:       nil, KindNoDone: nil, KindTerse: nil, KindRepeat: nil, KindOffTopic: nil,
	KindEmpty: nil, KindRefuse: nil, KindSwap: nil, KindVanish: nil,
}

// kindNames lists the kinds as a remedy does.
const kindNames = "latency, first_token, decode, status, reset, hang, stall, truncate, malformed, no_done, " +
	"verbose, terse, repeat, off_topic, empty, refuse, swap, rate_limit or vanish"

// problems says what is wrong with f, whose place is path.
func (f Fault) problems(path string) []conf.Problem {
	var ps []conf.Problem
	add := func(field, text, remedy string) {
		ps = append(ps, conf.Problem{Path: path + "." + field, Text: text, Remedy: remedy})
	}
	r, known := valueOf[f.Kind]
	if !known {
		add("kind", fmt.Sprintf("%q is no kind of fault", f.Kind), "write "+kindNames)
	}
	if r != nil && (!(f.Value >= r.low && f.Value <= r.high) || r.whole && f.Value != math.Trunc(f.Value)) {
		add("value", fmt.Sprintf("%v is no value for %s", f.Value, f.Kind), r.remedy)
	}
	if f.With != "" && f.Kind != KindSwap {
		add("value", fmt.Sprintf("%q is not a number", f.With), "only swap takes a name")
	}
	if !(f.Probability >= 0 && f.Probability <= 1) {
		add("probability", fmt.Sprintf("%v is no probability", f.Probability), "write a number above 0 up to 1, or leave it out for always")
	}
	if f.From < 0 {
		add("from", fmt.Sprintf("%v is in the past", f.From), "write seconds from now on, or a duration such as 10s")
	}
	if f.For < 0 {
		add("for", fmt.Sprintf("%v is no length of time", f.For), "write seconds or a duration such as 40s, or leave it out for ever")
	}
	return ps
}

// active reports whether f strikes at the age of the list it is in.
func (f Fault) active(age time.Duration) bool {
	return age >= f.From && (f.For == 0 || age-f.From < f.For)
}

// matches reports whether f is meant for a model (without options) in a region.
func (f Fault) matches(model, region string) bool {
	name, _, _ := strings.Cut(f.Model, "?")
	return (name == "" || name == model) && (f.Region == "" || f.Region == region)
}

// faultList is a list of faults and when it was put in place. Immutable.
type faultList struct {
	faults []Fault
	since  time.Time
}

// striking returns the faults that strike one request at now. It draws once
// for every fault that may, in order.
func (l *faultList) striking(now time.Time, model, region string, rng *rand.Rand) []Fault {
	if l == nil {
		return nil
	}
	var out []Fault
	for _, f := range l.faults {
		if !f.matches(model, region) || !f.active(now.Sub(l.since)) {
			continue
		}
		if f.Probability == 0 || rng.Float64() < f.Probability {
			out = append(out, f)
		}
	}
	return out
}
