package world

import (
	"math"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Effect is one thing that goes wrong, for whom, and when. Its zero fields
// change nothing. Times count from the onset of the trial.
type Effect struct {
	From, To time.Duration // To 0: until the trial ends
	Who      Who
	Canary   string // "" all

	First, Inter, Tokens float64 // factors; 0 means 1
	Ramp                 time.Duration
	Errors               float64            // share of calls that fail
	Outcome              bellwether.Outcome // of those; ServerError when empty
	Insane               float64            // share of answers that are wrong
	Period, Burst        time.Duration      // only the first Burst of every Period
	Every                int                // only every Nth probe
	Model                string             // another model answers
	Doubt                string             // what the prober itself says of its failures
	ClockStep            time.Duration      // the prober's clock is wrong by this
	Pause                bool               // the prober sends nothing
	Healthy              bool               // not a fault of the target: the ideal weight stays 1
	Utility              float64            // the weight that a target so ill deserves, 0 to 1
	NewLevel             float64            // after To, first tokens stay at this factor; 0 means 1
}

// Who says which targets an effect is about. Empty fields match all.
type Who struct{ Target, Provider, Model, Region string }

// Is reports whether it is about t.
func (w Who) Is(t *bellwether.Target) bool {
	return (w.Target == "" || w.Target == t.ID) && (w.Provider == "" || w.Provider == t.Provider) &&
		(w.Model == "" || w.Model == t.Model) && (w.Region == "" || w.Region == t.Region)
}

// on reports whether the effect is in force at d after the onset.
func (e *Effect) on(d time.Duration) bool {
	if d < e.From || (e.To > 0 && d >= e.To) {
		return false
	}
	return e.Period == 0 || (d-e.From)%e.Period < e.Burst
}

// grown returns how far a ramp has come, 0 to 1.
func (e *Effect) grown(d time.Duration) float64 {
	if e.Ramp <= 0 {
		return 1
	}
	return math.Min(1, float64(d-e.From)/float64(e.Ramp))
}

func factor(f, grown float64) float64 {
	if f == 0 || f == 1 {
		return 1
	}
	return 1 + (f-1)*grown
}

// ideal returns the weight that t deserves at d after the onset.
func ideal1(effects []Effect, t *bellwether.Target, d time.Duration) (u float64, ill bool) {
	u = 1
	for i := range effects {
		e := &effects[i]
		if e.Healthy || e.Pause || d < e.From || (e.To > 0 && d >= e.To) || !e.Who.Is(t) {
			continue
		}
		ill = true
		u = math.Min(u, 1-(1-e.Utility)*e.grown(d))
	}
	return u, ill
}

// apply changes what a probe of t sent at d after the onset sees.
func (w *World) apply(o *bellwether.Observation, t *bellwether.Target, d time.Duration, n int) {
	for i := range w.effects {
		e := &w.effects[i]
		if !e.Who.Is(t) || (e.Canary != "" && e.Canary != o.Canary) {
			continue
		}
		if !e.on(d) {
			if e.NewLevel != 0 && e.To > 0 && d >= e.To {
				slow(o, e.NewLevel, 1)
			}
			continue
		}
		if e.Every > 1 && n%e.Every != 0 {
			continue
		}
		w.inflict(e, o, d)
	}
}

func (w *World) inflict(e *Effect, o *bellwether.Observation, d time.Duration) {
	g := e.grown(d)
	if o.Timing.FirstToken > 0 {
		if f := factor(e.Tokens, g); f != 1 && o.Tokens != nil {
			n := max(0, int(math.Round(float64(o.Tokens.Output)*f)))
			o.Timing.Total = o.Timing.FirstToken + o.Timing.InterToken*float64(max(0, n-1))
			o.Tokens.Output = n
		}
		slow(o, factor(e.First, g), factor(e.Inter, g))
	}
	if e.Model != "" {
		o.Model, o.Fingerprint = e.Model, "fp-"+e.Model
	}
	o.At = o.At.Add(e.ClockStep)
	if e.Errors > 0 && w.rng.Float64() < e.Errors {
		fail(o, e.Outcome)
		o.Doubtful = e.Doubt
	} else if e.Insane > 0 && o.Outcome == bellwether.OK && w.rng.Float64() < e.Insane {
		insane(o)
	}
}

// slow multiplies timings as a slow target would.
func slow(o *bellwether.Observation, first, inter float64) {
	if o.Timing.FirstToken <= 0 {
		return
	}
	rest := (o.Timing.Total - o.Timing.FirstToken) * inter
	o.Timing.FirstToken *= first
	o.Timing.InterToken *= inter
	o.Timing.Total = o.Timing.FirstToken + rest
}

func insane(o *bellwether.Observation) {
	o.Outcome = bellwether.BadOutput
	o.Checks = wrong[:]
}

var wrong = [...]bellwether.CheckResult{{Name: "contains"}}

// TimeLimit is when probes give up, seconds.
const TimeLimit = 10.0

// fail makes a probe fail. Refusals come at once, silence takes its time.
func fail(o *bellwether.Observation, as bellwether.Outcome) {
	if as == "" {
		as = bellwether.ServerError
	}
	o.Outcome, o.Timing, o.Tokens, o.Status = as, bellwether.Timing{}, nil, status(as)
	switch as {
	case bellwether.Timeout, bellwether.FirstTokenTimeout:
		o.Timing.Total = TimeLimit
	case bellwether.DNSError, bellwether.ConnectError, bellwether.TLSError:
		o.Timing.Total = .05
	default:
		o.Timing.Total = .2
	}
}

func status(o bellwether.Outcome) int {
	switch o {
	case bellwether.ServerError:
		return 500
	case bellwether.Overloaded:
		return 503
	case bellwether.RateLimited:
		return 429
	case bellwether.AuthError:
		return 401
	case bellwether.Blocked:
		return 403
	}
	return 0
}
