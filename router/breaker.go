package router

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// BreakerConfig says when a target that fails is left alone, and how it comes
// back. It works without any server.
type BreakerConfig struct {
	// Failures in a row that open a target's breaker; half of all calls of the last ten seconds does too. Default 5.
	Failures int `yaml:"failures"`
	// Cooldown is how long a target is left alone before one request tries it again; it doubles with every trial that fails, and up to half of it is added at random. Default 1s.
	Cooldown conf.Duration `yaml:"cooldown"`
	// MaxCooldown bounds the doubling. Default 10s.
	MaxCooldown conf.Duration `yaml:"max_cooldown"`
	// Ramp is how long a recovered target's traffic takes to grow from a tenth of its share to all of it. Default 20s.
	Ramp conf.Duration `yaml:"ramp"`
}

// The defaults of BreakerConfig, and what is not configured.
const (
	defaultFailures    = 5
	defaultCooldown    = time.Second
	defaultMaxCooldown = 10 * time.Second
	defaultRamp        = 20 * time.Second

	breakerMemory = 10 * time.Second // time constant of the counts
	breakerRatio  = 0.5              // of failures among them that opens
	rampStart     = 0.1
	rampFailures  = 2 // in a row that open a breaker again while it ramps
)

func (c BreakerConfig) withDefaults() BreakerConfig {
	if c.Failures == 0 {
		c.Failures = defaultFailures
	}
	orElse(&c.Cooldown, defaultCooldown)
	orElse(&c.MaxCooldown, max(defaultMaxCooldown, c.Cooldown.Std()))
	orElse(&c.Ramp, defaultRamp)
	return c
}

// Validate returns what is wrong with c; at names its place.
func (c BreakerConfig) Validate(at string) []conf.Problem {
	var ps []conf.Problem
	bad := func(is bool, path, remedy string) {
		if is {
			ps = append(ps, conf.Problem{Path: at + path, Text: "is out of range", Remedy: remedy})
		}
	}
	bad(c.Failures < 0 || c.Failures > 1000, "failures", "write 1 to 1000")
	bad(c.Cooldown < 0 || c.Cooldown.Std() > time.Hour, "cooldown", "write up to 1h, such as 1s")
	bad(c.MaxCooldown < 0 || c.MaxCooldown != 0 && c.MaxCooldown < c.Cooldown, "max_cooldown", "write at least the cooldown, such as 30s")
	bad(c.Ramp < 0 || c.Ramp.Std() > time.Hour, "ramp", "write up to 1h, such as 20s")
	return ps
}

// breaker watches what becomes of a target's calls, and keeps traffic from a
// target that fails: open for a while that grows, then half open, for one
// trial at a time in the whole router, then ramping. Time is the router's own,
// in nanoseconds above 0. Its counts fade continuously, so that no outage is
// forgotten at the turn of a minute.
//
// Asking whether traffic may pass reads two atomics; only outcomes lock.
type breaker struct {
	gate  atomic.Int64  // 0: closed; above: open until then; below: ramping since minus that
	trial atomic.Bool   // a half-open breaker's trial is under way
	turn  atomic.Uint32 // counts openings and closings; outcomes of calls of another turn say nothing
	row   atomic.Int64  // failures in a row
	hurt  atomic.Int64  // the last failure

	mu        sync.Mutex
	good, bad float64 // faded counts
	at        int64   // when they were last faded
	trips     int     // openings since it was last well
}

// passage is what a breaker says to a request.
type passage int

const (
	barred passage = iota
	passing
	trialDue // passing only for whoever takes the trial
)

// asks says whether a request may pass at now; u is uniform in [0, 1) and
// decides while the breaker ramps.
func (b *breaker) asks(c *BreakerConfig, now int64, u float64) passage {
	g := b.gate.Load()
	switch {
	case g == 0:
		return passing
	case g < 0:
		if u < rampAt(now+g, int64(c.Ramp)) {
			return passing
		}
		return barred
	case now < g || b.trial.Load():
		return barred
	}
	return trialDue
}

// rampAt returns the part of its traffic that a target gets so long after its
// recovery.
func rampAt(age, ramp int64) float64 {
	if age >= ramp {
		return 1
	}
	return rampStart + (1-rampStart)*float64(max(age, 0))/float64(ramp)
}

// until returns when an open breaker is due for a trial; 0 when it is not open.
func (b *breaker) until() int64 { return max(b.gate.Load(), 0) }

// lost reports whether the target certainly answers nobody: not even when
// nothing else is left is it asked.
func (b *breaker) lost(c *BreakerConfig) bool { return b.row.Load() >= 2*int64(c.Failures) }

// fresh reports whether the target failed in the last seconds. What fails
// fast has little in flight, which must not attract more.
func (b *breaker) fresh(now int64) bool {
	h := b.hurt.Load()
	return h != 0 && now-h < int64(breakerMemory)
}

// lesson is what an outcome teaches a breaker.
type lesson int

const (
	nothing lesson = iota
	well
	ill
)

// lessonOf says what an outcome of a call says about its target's health.
// Limits and keys are watched elsewhere; what the request or we are to blame
// for says nothing, but that somebody answered is a good sign after silence.
func lessonOf(o bellwether.Outcome) lesson {
	switch o {
	case bellwether.OK, bellwether.ClientError, bellwether.Refusal, bellwether.BadOutput:
		return well
	case bellwether.Canceled, bellwether.Missed, bellwether.RateLimited, bellwether.AuthError, bellwether.NoCredit, bellwether.Blocked:
		return nothing
	}
	return ill
}

// learn takes the outcome of a call that began in the turn given; trial says
// that it was the trial. It reports whether the breaker opened or closed.
func (b *breaker) learn(c *BreakerConfig, now int64, turn uint32, trial bool, l lesson) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch l {
	case ill:
		b.row.Add(1)
		b.hurt.Store(now)
	case well:
		b.row.Store(0)
	}
	if trial {
		defer b.trial.Store(false)
		return b.tried(c, now, l)
	}
	if turn != b.turn.Load() || l == nothing || b.gate.Load() > 0 {
		return false // of a time before the last change: it has had its say
	}
	b.fade(now)
	ramping := b.gate.Load() < 0
	if ramping && now+b.gate.Load() >= int64(c.Ramp) {
		ramping = false
		b.gate.Store(0)
	}
	if l == well {
		b.good++
		if !ramping {
			b.trips = 0
		}
		return false
	}
	b.bad++
	limit := int64(c.Failures)
	if ramping {
		limit = min(limit, rampFailures)
	}
	if b.row.Load() >= limit || b.bad >= float64(c.Failures) && b.bad >= breakerRatio*(b.good+b.bad) {
		b.open(c, now)
		return true
	}
	return false
}

// tried takes the trial's outcome. One that says nothing is no trial: the next
// request is.
func (b *breaker) tried(c *BreakerConfig, now int64, l lesson) (changed bool) {
	switch l {
	case ill:
		b.open(c, now)
	case well:
		b.gate.Store(-now)
		b.turn.Add(1)
		b.good, b.bad, b.at = 0, 0, now
		return true
	}
	return false
}

// open bars the target for a while. Chance is in it, so that targets that
// failed together do not all come back in the same moment.
func (b *breaker) open(c *BreakerConfig, now int64) {
	d := float64(c.Cooldown) * math.Pow(2, float64(min(b.trips, 30)))
	d = min(d, float64(c.MaxCooldown)) * (1 + rand.Float64()/2)
	b.trips++
	b.turn.Add(1)
	b.good, b.bad, b.at = 0, 0, now
	b.gate.Store(now + max(int64(d), 1))
}

func (b *breaker) fade(now int64) {
	k := fadeOver(now-b.at, breakerMemory)
	b.good, b.bad, b.at = b.good*k, b.bad*k, max(b.at, now)
}

// fadeOver returns what is left of a count after d, with time constant tau.
func fadeOver(d int64, tau time.Duration) float64 {
	return math.Exp(-float64(max(d, 0)) / float64(tau))
}
