package probes

import (
	"time"

	"github.com/robfig/cron/v3"
)

// starred marks a field of a parsed expression that was written as a star.
const starred = 1 << 63

// nextCron returns the first whole minute after t that the clock on the wall
// shows as spec wants it; the zero time when there is none within nine years
// (there are eight between some leap days). A time that a change of clocks
// leaves out does not come, one that it repeats comes twice. It walks through
// time as it passes, because steps on the wall's clock go astray where a day
// has no midnight, an hour is half as long, or a day is left out. O(days).
func nextCron(spec *cron.SpecSchedule, t time.Time) time.Time {
	place := spec.Location
	if place == time.Local {
		place = t.Location()
	}
	at := t.Round(0).Truncate(time.Minute).Add(time.Minute)
	for end := at.AddDate(9, 0, 0); at.Before(end); {
		now := at.In(place)
		hour, minute := now.Hour(), now.Minute()
		quarter := time.Duration(15-minute%15) * time.Minute // clocks change at these
		switch {
		case spec.Month>>now.Month()&1 == 0 && now.Day() < 27:
			at = at.Add(time.Duration(27-now.Day()) * 24 * time.Hour)
		case spec.Month>>now.Month()&1 == 0, !onDay(spec, now):
			// Not quite to midnight: it may come earlier than the hours tell.
			at = at.Add(max(quarter, time.Duration(21-hour)*time.Hour-time.Duration(minute)*time.Minute))
		case spec.Hour>>hour&1 == 0:
			at = at.Add(quarter)
		case spec.Minute>>minute&1 == 0:
			at = at.Add(time.Minute)
		default:
			return at.In(t.Location())
		}
	}
	return time.Time{}
}

// onDay reports whether the date fits: both its fields, or where neither is a
// star, one of them.
func onDay(spec *cron.SpecSchedule, now time.Time) bool {
	dom, dow := spec.Dom>>now.Day()&1 == 1, spec.Dow>>now.Weekday()&1 == 1
	if spec.Dom&starred != 0 || spec.Dow&starred != 0 {
		return dom && dow
	}
	return dom || dow
}
