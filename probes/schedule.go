package probes

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule says when a job is due. It is pure and safe for concurrent use.
type schedule struct {
	every time.Duration      // of "@every"; 0 for cron expressions
	phase time.Duration      // of "@every": offset from multiples of every since 1970, in [0, every)
	spec  *cron.SpecSchedule // of cron expressions
}

var errNever = errors.New("never comes due")

// parseSchedule reads "@every 30s", "@hourly" and the like, or five cron
// fields, each after an optional "CRON_TZ=Area/City ". Expressions without a
// zone are in local time. A local time that a daylight-saving change leaves
// out is not made up for, one that comes twice is due twice.
func parseSchedule(s string) (schedule, error) {
	spec := strings.TrimSpace(s)
	if zone, rest, ok := strings.Cut(spec, " "); strings.Contains(zone, "TZ=") && (!ok || strings.TrimSpace(rest) == "") {
		return schedule{}, fmt.Errorf("%q has a time zone and no times", s) // the cron library would panic
	}
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return schedule{}, fmt.Errorf("%q is not a schedule: %w", s, err)
	}
	every, ok := parsed.(cron.ConstantDelaySchedule)
	if !ok {
		fields, ok := parsed.(*cron.SpecSchedule)
		if !ok || nextCron(fields, time.Now()).IsZero() {
			return schedule{}, fmt.Errorf("%q %w", s, errNever)
		}
		return schedule{spec: fields}, nil
	}
	_, wrote, _ := strings.Cut(spec, "@every ")
	if d, err := time.ParseDuration(strings.TrimSpace(wrote)); err != nil || d != every.Delay {
		return schedule{}, fmt.Errorf("%q is not a whole number of seconds, at least 1s", s) // the cron library would round it
	}
	return schedule{every: every.Delay}, nil
}

// next returns the first due time after t, zero for never.
func (s schedule) next(t time.Time) time.Time {
	if s.every <= 0 {
		return nextCron(s.spec, t)
	}
	since := time.Duration(t.UnixNano()) - s.phase
	k := since / s.every
	if since < 0 && since%s.every != 0 {
		k--
	}
	return time.Unix(0, int64(s.phase+(k+1)*s.every)).In(t.Location())
}

// count is how many due times there are from the due time first up to end; of
// cron expressions over more than a week, about how many: a clock that starts
// in 1970 jumps over millions.
func (s schedule) count(first, end time.Time) int {
	if s.every > 0 {
		return int(end.Sub(first)/s.every) + 1
	}
	if days := end.Sub(first).Hours() / 24; days > 7 {
		return max(1, int(s.perDay(first)*days))
	}
	n := 0
	for t := first; !t.IsZero() && !t.After(end); t = s.next(t) {
		n++
	}
	return n
}

// interval is the time between the due time at and the one after it.
func (s schedule) interval(at time.Time) time.Duration {
	if s.every > 0 {
		return s.every
	}
	n := nextCron(s.spec, at)
	if n.IsZero() {
		return 24 * time.Hour
	}
	return n.Sub(at)
}

// within reports whether the schedule comes due again within d of now. A cron
// expression does so once a minute at most, which saves walking to the next
// year for one that is rare.
func (s schedule) within(d time.Duration, now time.Time) bool {
	return (s.every > 0 || d >= time.Minute) && d >= s.interval(now)
}

// perDay is how often the schedule comes due on the day after from.
func (s schedule) perDay(from time.Time) float64 {
	if s.every > 0 {
		return float64(24*time.Hour) / float64(s.every)
	}
	// A week, so that weekdays count as what they are. At most one a minute.
	n, end := 0, from.Add(7*24*time.Hour)
	for t := nextCron(s.spec, from); !t.IsZero() && t.Before(end); t = nextCron(s.spec, t) {
		n++
	}
	return float64(n) / 7
}

// spread sets the phase of an "@every" schedule from what it is for: the same
// names give the same phase after every restart and config edit. Vantages that
// know of each other are interleaved evenly over the interval; one that knows
// only itself takes a place of its own by hash.
func (s schedule) spread(target, canary string, p Place) schedule {
	if s.every <= 0 {
		return s
	}
	phase := fraction(target, canary)
	if i, n := p.index(); n > 0 {
		phase += float64(i) / float64(n)
	} else {
		phase += fraction(p.Vantage)
	}
	phase -= float64(int(phase))
	s.phase = time.Duration(phase * float64(s.every)).Truncate(time.Millisecond)
	return s
}

// fraction hashes names to [0, 1).
func fraction(names ...string) float64 {
	h := fnv.New64a()
	for _, n := range names {
		_, _ = h.Write([]byte(n))
		_, _ = h.Write([]byte{0})
	}
	x := h.Sum64() // FNV's high bits are poor on short names: mix (splitmix64)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
