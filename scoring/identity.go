package scoring

import "github.com/bellwether-llm/bellwether"

// The signals that probes set once when they are certain that somebody else
// answers.
const (
	identityChanged bellwether.Signal = "identity.changed"
	identityModel   bellwether.Signal = "identity.model"
)

// identityTime is for how long before an onset, and after, a change of identity
// confirms that something changed; nanoseconds.
const identityTime = 1800e9

// noteIdentity takes a change of who answers. It is no evidence by itself: it
// confirms evidence of something else.
func (e *Engine) noteIdentity(t *target, o *bellwether.Observation, at int64) {
	if len(o.Signals) == 0 || e.set.identity == ignored || o.Signals[identityChanged] == 0 {
		return
	}
	t.identityAt = max(t.identityAt, at)
	if o.Signals[identityModel] != 0 && t.learning() {
		t.renew(o)
	}
}

// renew begins a new generation of what is usual for the canary of o: another
// model answers.
func (t *target) renew(o *bellwether.Observation) {
	t.renewedAt = t.identityAt
	for _, s := range t.series {
		if s.origin != fromProbe || s.vantage != o.Vantage || s.canary != o.Canary {
			continue
		}
		for _, m := range s.measures {
			if m != nil {
				m.renew()
			}
		}
		s.text = nil
	}
	for f := famErrors; f < families; f++ {
		if c := f.class(); c == counts {
			continue
		}
		t.bank.clear(f)
		first, last := f.span()
		for _, s := range t.series {
			clear(s.nats[first : last+1])
		}
	}
}

// identityWitness reports whether a change of identity confirms hypothesis i.
func (e *Engine) identityWitness(t *target, i int) bool {
	if t.identityAt == 0 || e.set.identity != acts || table[i].family == famErrors {
		return false
	}
	off := t.identityAt - t.bank.since[i]
	return off > -identityTime && off < identityTime
}
