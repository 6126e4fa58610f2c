package probes

import (
	"net/url"
	"slices"
	"strings"
)

// shared are the ways in which targets share what bounds their probes.
type shared int

const (
	byProvider shared = iota
	byKey
	byHost
	waysToShare
)

// slots bounds the probes in flight: per provider, API key and host, and in
// all. Every target that has none in flight has one slot reserved in each, as
// long as the reserved are at most half of all, so that a slow target cannot
// take the place of another.
type slots struct {
	limits [waysToShare]int
	total  int
	all    lane
	lanes  map[laneKey]*lane
	berths map[string]*berth // by target
}

type laneKey struct {
	by   shared
	name string
}

// lane is what is known of one bound.
type lane struct {
	flying  int // probes
	targets int // that have jobs
	busy    int // targets with a probe in flight
}

// berth is where the probes of one target fly: a lane of its own, and those
// that it shares, nil where it shares none.
type berth struct {
	own    lane // only flying is used
	shared [waysToShare]*lane
}

func newSlots(p Probing) slots {
	return slots{
		limits: [waysToShare]int{byProvider: p.Concurrency, byKey: p.KeyConcurrency, byHost: p.HostConcurrency},
		total:  p.MaxInFlight, lanes: map[laneKey]*lane{}, berths: map[string]*berth{},
	}
}

// know gives every entry its berth, and counts the targets that there are now.
// A target keeps its berth as long as it shares the same lanes.
func (s *slots) know(entries []*entry) {
	s.all.targets = 0
	for _, l := range s.lanes {
		l.targets = 0
	}
	old := s.berths
	s.berths = make(map[string]*berth, len(old))
	for _, e := range entries {
		t := e.job.Target
		b := s.berths[t.ID]
		if b == nil {
			b = s.berth(old[t.ID], t)
			s.berths[t.ID] = b
			s.all.targets++
		}
		e.berth = b
	}
	for key, l := range s.lanes {
		if l.targets == 0 && l.flying == 0 {
			delete(s.lanes, key)
		}
	}
}

// berth returns the berth of t, was if that is still right, counted in its
// lanes.
func (s *slots) berth(was *berth, t Target) *berth {
	b := &berth{}
	for by, name := range [waysToShare]string{byProvider: t.Provider, byKey: t.Endpoint.Key.Reveal(), byHost: host(t.Endpoint.BaseURL)} {
		if name == "" && shared(by) != byProvider {
			continue
		}
		key := laneKey{shared(by), name}
		l := s.lanes[key]
		if l == nil {
			l = &lane{}
			s.lanes[key] = l
		}
		l.targets++
		b.shared[by] = l
	}
	if was != nil && was.shared == b.shared {
		return was
	}
	return b
}

// host is the host and port of a base URL, "" when it has none.
func host(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// providers are the lanes of providers, by name.
func (s *slots) providers() []ProviderStatus {
	var out []ProviderStatus
	for key, l := range s.lanes {
		if key.by == byProvider {
			out = append(out, ProviderStatus{key.name, l.flying, s.limits[byProvider]})
		}
	}
	slices.SortFunc(out, func(a, b ProviderStatus) int { return strings.Compare(a.Provider, b.Provider) })
	return out
}

func (s *slots) full() bool { return s.all.flying >= s.total }

// free reports whether a probe at b may start. O(1).
func (s *slots) free(b *berth) bool {
	first := b.own.flying == 0
	for by, l := range b.shared {
		if l != nil && !l.room(s.limits[by], first) {
			return false
		}
	}
	return s.all.room(s.total, first)
}

// room reports whether one more fits under limit; first is whether its target
// has none in flight.
func (l *lane) room(limit int, first bool) bool {
	reserved := 0
	if !first {
		reserved = min(max(0, l.targets-l.busy), limit/2)
	}
	return l.flying+reserved < limit
}

func (s *slots) take(b *berth) { s.change(b, 1) }

func (s *slots) release(b *berth) { s.change(b, -1) }

func (s *slots) change(b *berth, by int) {
	was := b.own.flying > 0
	b.own.flying += by
	turn := 0
	if is := b.own.flying > 0; is != was {
		turn = by
	}
	s.all.change(by, turn)
	for _, l := range b.shared {
		if l != nil {
			l.change(by, turn)
		}
	}
}

func (l *lane) change(flying, busy int) {
	l.flying += flying
	l.busy += busy
}
