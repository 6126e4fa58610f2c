package router

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/bellwether-llm/bellwether/llm"
)

// upstream is a target ready to be called.
type upstream struct {
	Target
	codec llm.Codec
	can   ability
	slots []*slot // one for each of its keys; one without a key where it has none
	// address is the last that was called, parsed.
	address atomic.Pointer[address]
	*state
}

// state is what was learned of a target. It outlives a change of the config
// that leaves the target where it is.
type state struct {
	noUsage atomic.Bool // it refused a stream for asking for its usage
	breaker breaker
	gauge   gauge
	pace    pace
}

// readySetup is a setup with its targets ready to be called.
type readySetup struct {
	Setup
	ups   map[string]*upstream
	creds map[string]*credential // by place and key
}

// ready prepares a setup, with what was learned under the old one, which may
// be nil.
func ready(s Setup, old *readySetup) (*readySetup, error) {
	r := &readySetup{Setup: s, ups: map[string]*upstream{}, creds: map[string]*credential{}}
	for _, t := range s.Targets {
		codec, err := llm.For(t.Protocol)
		if err != nil {
			return nil, fmt.Errorf("router: target %s: %w", t.ID, err)
		}
		if codec, err = llm.Bind(codec, t.Endpoint); err != nil {
			return nil, fmt.Errorf("router: target %s: %w", t.ID, err)
		}
		up := &upstream{Target: t, codec: codec, can: abilityOf(t.Capabilities), state: &state{}}
		var before *upstream
		if old != nil {
			before = old.ups[t.ID]
		}
		if before != nil && before.place() == up.place() {
			up.state = before.state
		} else {
			before = nil
		}
		up.gauge.set(t.Limits)
		up.slots = r.slots(up, before, old)
		r.ups[t.ID] = up
	}
	return r, r.check()
}

// place is where a target is: elsewhere it is another one.
func (up *upstream) place() string {
	return string(up.Protocol) + " " + up.Endpoint.BaseURL + " " + up.model()
}

// slots returns a slot for each key of up, the same as before where they are.
func (r *readySetup) slots(up, before *upstream, old *readySetup) []*slot {
	keys := up.Keys
	if len(keys) == 0 {
		keys = []Key{{Key: up.Endpoint.Key}}
	}
	var slots []*slot
	for i, k := range keys {
		if k.Name == "" {
			k.Name = strconv.Itoa(i + 1)
		}
		id := up.Provider + " " + up.Endpoint.BaseURL + " " + k.Key.Reveal()
		c := r.creds[id]
		if c == nil && old != nil {
			c = old.creds[id]
		}
		if c == nil {
			c = &credential{key: k.Key, name: k.Name}
		}
		c.gauge.set(k.Limits)
		r.creds[id] = c
		s := &slot{cred: c}
		if before != nil {
			for _, b := range before.slots {
				if b.cred == c {
					s = b
				}
			}
		}
		slots = append(slots, s)
	}
	return slots
}

// check returns what is wrong with the routes.
func (r *readySetup) check() error {
	for _, route := range r.Routes {
		n := 0
		for _, tier := range route.Tiers {
			for _, m := range tier {
				if r.ups[m.Target] == nil {
					return fmt.Errorf("router: route %s: there is no target %q", route.Name, m.Target)
				}
				n++
			}
		}
		if n == 0 || n > maxEntries {
			return fmt.Errorf("router: route %s: %d targets; a route has 1 to %d", route.Name, n, maxEntries)
		}
	}
	return nil
}

// freeSlot returns a key that may be used at now, beginning at random; nil and
// when one may be where none is.
func (up *upstream) freeSlot(now, tokens int64, from int) (s *slot, at int64) {
	for i := range up.slots {
		s := up.slots[(from+i)%len(up.slots)]
		when := s.free(now, tokens)
		if when == 0 {
			return s, 0
		}
		if at == 0 || when < at {
			at = when
		}
	}
	return nil, at
}
