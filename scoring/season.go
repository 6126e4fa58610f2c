package scoring

import (
	"math"
	"slices"
)

const (
	weekHours  = 168
	seasonKeep = .75  // of an hour's weight after a week: four weeks are remembered
	hourNoise  = 3.0  // by how much more an hour's mean varies than that of independent samples would
	seasonHalf = 15.0 // samples at which half of what one day's hour shows is believed
	weekHalf   = 2.0  // weeks, or what they are worth by now, likewise for one day's hour
	seasonIll  = 8.0  // by how much less an hour is worth in which the signal was in doubt
	seasonMost = .7   // most that one value may be off, a logarithm, or three standard deviations
)

// season is how a level moves over the hours of the week, in UTC. An hour of the
// day is usually like the middle one of the same hour of seven days, which a
// fault on one of them does not move; therefore the season is learned in doubt
// and in alarm as well, or a daily rhythm that is taken for a fault would never
// be known for what it is. What it says is drawn towards nothing as far as it may
// be noise: by S/(S + 3 sigma²/n), S being the mean square of what a day's hours
// show (after James and Stein). It says nothing before each hour of a day was
// seen, and nothing of weekdays before a week was.
type season struct {
	mean  [weekHours]float32
	n     [weekHours]float32 // samples that the mean is worth
	weeks [weekHours]float32 // and weeks
	hour  int                // which is being collected; -1 for none
	sum   float64
	count float64
	ill   float64            // of count
	sigma float64            // standard deviation of a value
	phase int                // 0 knows nothing, 1 days, 2 weeks
	level float64            // derived: the mean of a day
	swing float64            // derived: how far hours are off it, as a root of mean squares
	shape [weekHours]float32 // what is taken off in the middle of each hour
}

// hourOf returns the hour of the week, which begins on a Thursday as time does.
func hourOf(at int64) int { return int(at / 3600e9 % weekHours) }

// at returns what the season adds to the level, interpolated between the middles
// of hours: steps would be changes of their own. 0 for a nil season.
func (s *season) at(at int64) float64 {
	if s == nil {
		return 0
	}
	x := float64(at%(weekHours*3600e9))/3600e9 - .5
	i := int(math.Floor(x))
	f := x - float64(i)
	i = (i + weekHours) % weekHours
	return float64(s.shape[i])*(1-f) + float64(s.shape[(i+1)%weekHours])*f
}

// note takes in a value, and reports whether a whole day is known from now on.
func (s *season) note(at int64, z, sigma float64, ill bool) (news bool) {
	s.sigma = sigma
	if h := hourOf(at); h != s.hour {
		phase := s.phase
		s.fold()
		news = phase == 0 && s.phase > 0
		s.hour, s.sum, s.count, s.ill = h, 0, 0, 0
	}
	s.sum += z
	s.count++
	if ill {
		s.ill++
	}
	return news
}

// fold adds the hour that is over.
func (s *season) fold() {
	if s.hour < 0 || s.count == 0 {
		return
	}
	i, worth := s.hour, 1.0
	if 2*s.ill > s.count {
		worth /= seasonIll
	}
	old, n := seasonKeep*float64(s.n[i]), worth*s.count
	s.mean[i] = float32((old*float64(s.mean[i]) + worth*s.sum) / (old + n))
	s.n[i] = float32(old + n)
	s.weeks[i] = float32(seasonKeep*float64(s.weeks[i]) + worth)
	if s.phase == 0 && s.known() || s.phase > 0 && i%24 == 23 {
		s.refresh()
	}
}

// refresh derives the shape: as soon as every hour of a day was seen from those
// hours, later at the end of each day. Days are compared by their hours' distance
// from the day's own mean, so that a level that moved is no rhythm.
func (s *season) refresh() {
	var off [weekHours]float64
	var whole [weekHours / 24]bool
	days := 0
	s.level = 0
	for d := range whole {
		mean, n := 0.0, 0
		for i := 24 * d; i < 24*d+24; i++ {
			if s.n[i] > 0 {
				mean += float64(s.mean[i])
				n++
			}
		}
		if whole[d] = n == 24; !whole[d] {
			continue
		}
		days++
		for i := 24 * d; i < 24*d+24; i++ {
			off[i] = float64(s.mean[i]) - mean/24
		}
		s.level += (mean/24 - s.level) / float64(days)
	}
	if days == 0 {
		s.patch(&off, &whole)
		days = 1
	}
	s.derive(&off, &whole, days)
}

// patch makes one day of what there is of several.
func (s *season) patch(off *[weekHours]float64, whole *[weekHours / 24]bool) {
	whole[0] = true
	for h := range 24 {
		for i := h; i < weekHours; i += 24 {
			if s.n[i] > 0 {
				off[h] = float64(s.mean[i])
			}
		}
		s.level += off[h] / 24
	}
	for h := range 24 {
		off[h] -= s.level
	}
}

// derive sets the shape by how far hours are off the mean of their days.
func (s *season) derive(off *[weekHours]float64, whole *[weekHours / 24]bool, days int) {
	s.phase, s.swing = 1, 0
	if days == len(whole) {
		s.phase = 2
	}
	var usual, n [24]float64
	square := 0.0
	for h := range usual {
		var room [weekHours / 24]float64
		seen := room[:0]
		for d := range whole {
			n[h] += float64(s.n[24*d+h])
			if whole[d] {
				seen = append(seen, off[24*d+h])
			}
		}
		usual[h] = medianOf(seen)
		square += usual[h] * usual[h] / 24
	}
	for h, usual := range usual {
		noise := hourNoise * s.sigma * s.sigma / n[h]
		for i := h; i < weekHours; i += 24 {
			v := square / (square + noise) * usual
			if w, n := float64(s.weeks[i]), float64(s.n[i]); s.phase == 2 {
				v += w / (w + weekHalf) * n / (n + seasonHalf) * (off[i] - usual)
			}
			s.shape[i] = float32(v)
			s.swing += v * v / weekHours
		}
	}
	s.swing = math.Sqrt(s.swing)
}

// known reports whether every hour of the day was seen.
func (s *season) known() bool {
	for h := range 24 {
		n := float32(0)
		for i := h; i < weekHours; i += 24 {
			n += s.n[i]
		}
		if n == 0 {
			return false
		}
	}
	return true
}

// move shifts all that is remembered by dy, which leaves the shape.
func (s *season) move(dy float64) {
	if s == nil {
		return
	}
	for i := range s.mean {
		s.mean[i] += float32(dy)
	}
	s.sum += dy * s.count
}

const (
	anchorDays  = 28
	anchorLeast = 3    // days before there is an anchor
	driftMost   = .223 // ln 1.25: a level further from its anchor has drifted
	driftPace   = .01  // most that a drifted level moves in an hour
)

// anchor is the level of each of the last 28 days; its median tells a level that
// has drifted, step by step, too slowly for anything else to notice.
type anchor struct {
	days   []float32 // oldest first
	at     int64     // when the last was taken
	median float64   // derived
}

// note takes the level once a day.
func (a *anchor) note(at int64, level float64) {
	switch {
	case a.at == 0:
		a.at = at
	case at-a.at >= 86400e9:
		a.at = at
		if len(a.days) >= anchorDays {
			a.days = a.days[:copy(a.days, a.days[1:])]
		}
		a.days = append(a.days, float32(level))
		a.refresh()
	}
}

func (a *anchor) refresh() {
	sorted := slices.Clone(a.days)
	slices.Sort(sorted)
	if n := len(sorted); n > 0 {
		a.median = (float64(sorted[(n-1)/2]) + float64(sorted[n/2])) / 2
	}
}

// off returns how far a level is from the anchor; 0 while there is none.
func (a *anchor) off(level float64) float64 {
	if len(a.days) < anchorLeast {
		return 0
	}
	return level - a.median
}

// drift returns how far the level has drifted, a logarithm; 0 when it has not.
func (m *measure) drift() float64 {
	if off := m.anchor.off(m.level); math.Abs(off) > driftMost {
		return off
	}
	return 0
}
