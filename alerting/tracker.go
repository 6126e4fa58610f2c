package alerting

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// ErrNoIncident is returned for an incident that is not open. It wraps
// [fs.ErrNotExist].
var ErrNoIncident = fmt.Errorf("no such open incident: %w", fs.ErrNotExist)

// Update is an incident that changed and the messages that this owes, to be
// saved in one transaction.
type Update struct {
	Incident bellwether.Incident
	Owed     []bellwether.Delivery
}

// Tracker folds changes of verdicts into incidents. It is deterministic: the
// same calls give the same incidents, ids included, so that what a crash made
// us fold twice is the same incident with the same deliveries. It is not safe
// for concurrent use; what it returns is the caller's own.
type Tracker struct {
	cfg     Config
	targets map[string]bellwether.Target
	status  map[string]*status
	open    map[string]*incident
	member  map[string]*incident // by target: the open incident it belongs to
}

// status is what the tracker knows of one target.
type status struct {
	last     bellwether.Change // the latest change
	severity bellwether.State  // what it weighs; "" for nothing
	illSince time.Time         // when the present illness began; zero when not ill
	wellFrom time.Time         // when the present health began; zero when not healthy
}

// incident is an open incident with what it blames.
type incident struct {
	bellwether.Incident
	scope scope
	grown time.Time // when the last target fell into it
}

// NewTracker returns a tracker over targets that goes on with the incidents
// given, as they were saved. Resolved ones may be among them: they only tell
// what was folded already.
func NewTracker(cfg Config, targets []bellwether.Target, saved []bellwether.Incident) *Tracker {
	t := &Tracker{cfg: cfg, targets: map[string]bellwether.Target{}, status: map[string]*status{},
		open: map[string]*incident{}, member: map[string]*incident{}}
	for _, target := range targets {
		t.targets[target.ID] = target
		t.status[target.ID] = &status{}
	}
	saved = slices.Clone(saved)
	slices.SortStableFunc(saved, func(a, b bellwether.Incident) int { return a.OpenedAt.Compare(b.OpenedAt) })
	for _, in := range saved {
		t.restore(in)
	}
	return t
}

// restore takes up a saved incident. What state its targets were last in
// stands in its timeline.
func (t *Tracker) restore(saved bellwether.Incident) {
	in := &incident{Incident: clone(saved), grown: saved.OpenedAt}
	for _, e := range in.Timeline {
		if e.Kind == KindOpened || e.Kind == kindJoined {
			in.grown = e.At
		}
		st := t.status[e.Target]
		if st == nil || e.State == "" || e.At.Before(st.last.At) {
			continue
		}
		st.note(bellwether.Change{At: e.At, Target: e.Target, To: e.State, Cause: in.Cause})
	}
	if in.State != bellwether.IncidentOpen {
		for _, id := range in.Targets {
			if st := t.status[id]; st != nil && st.last.At.Before(in.ResolvedAt) {
				st.note(bellwether.Change{At: in.ResolvedAt, Target: id, To: bellwether.Healthy})
			}
		}
		return
	}
	for _, id := range in.Targets {
		if target, ok := t.targets[id]; ok {
			in.scope = scopeOf(in.Cause, target)
			t.member[id] = in
		}
	}
	t.open[in.ID] = in
}

// note takes c as the target's latest change.
func (st *status) note(c bellwether.Change) {
	st.last, st.severity = c, severityOf(c)
	switch {
	case st.severity != "":
		if st.illSince.IsZero() {
			st.illSince = c.At
		}
		st.wellFrom = time.Time{}
	case c.To == bellwether.Healthy:
		if st.wellFrom.IsZero() {
			st.wellFrom = c.At
		}
		st.illSince = time.Time{}
	case c.To == bellwether.Recovering:
		st.illSince, st.wellFrom = time.Time{}, time.Time{}
	default: // unknown: neither ill nor well; an illness that waits goes on waiting
		st.wellFrom = time.Time{}
	}
}

// Fold takes one change of a verdict and returns the incidents that changed by
// it, and by the time that passed until it. Changes of targets that are not
// configured, and changes older than the target's latest, are ignored.
func (t *Tracker) Fold(c bellwether.Change) []Update {
	d := t.begin()
	d.pass(c.At)
	d.fold(c)
	return d.end()
}

// Tick returns the incidents that changed by the passing of time alone: those
// whose verdicts have stood for long enough, and those whose targets have been
// healthy for long enough.
func (t *Tracker) Tick(now time.Time) []Update {
	d := t.begin()
	d.pass(now)
	return d.end()
}

// Reconcile brings the incidents in line with what the engine thinks now. It
// is for the start, when changes may have been lost between two saves.
func (t *Tracker) Reconcile(as []bellwether.Assessment, now time.Time) []Update {
	d := t.begin()
	for _, a := range as {
		st := t.status[a.Target]
		// Of an unknown target the cause alone makes the incident.
		if st == nil || st.last.To == a.State && (a.State != bellwether.Unknown || st.last.Cause == a.Cause) {
			continue
		}
		d.fold(bellwether.Change{At: now, Target: a.Target, From: st.last.To, To: a.State, Cause: a.Cause,
			Score: a.Score, Weight: a.Weight, Since: a.Since, Reasons: a.Reasons})
	}
	d.pass(now)
	return d.end()
}

// Open returns the open incidents, oldest first.
func (t *Tracker) Open() []bellwether.Incident {
	out := []bellwether.Incident{}
	for _, in := range t.sorted() {
		out = append(out, clone(in.Incident))
	}
	return out
}

// Ack notes that somebody takes care of an open incident. Doing so again, by
// the same person, changes nothing and returns the incident with nothing owed.
// The error is [ErrNoIncident].
func (t *Tracker) Ack(id, by string, at time.Time) (Update, error) {
	in := t.open[id]
	if in == nil {
		return Update{}, fmt.Errorf("incident %s: acknowledge: %w", id, ErrNoIncident)
	}
	if by == "" {
		return Update{}, errors.New("incident: acknowledge: no name given")
	}
	if in.AckedBy == by {
		return Update{Incident: clone(in.Incident)}, nil
	}
	d := t.begin()
	d.touch(in)
	in.AckedBy, in.AckedAt = by, at
	in.event(bellwether.IncidentEvent{At: at, Kind: KindAcknowledged, By: by, Text: "acknowledged by " + by})
	return d.end()[0], nil
}

// Annotate adds somebody's note to an open incident's timeline. Nothing is
// owed for a note. The error is [ErrNoIncident].
func (t *Tracker) Annotate(id, by, text string, at time.Time) (Update, error) {
	in := t.open[id]
	if in == nil {
		return Update{}, fmt.Errorf("incident %s: annotate: %w", id, ErrNoIncident)
	}
	in.Incident = WithNote(in.Incident, by, text, at)
	return Update{Incident: clone(in.Incident)}, nil
}

// WithNote returns in with a note added, for incidents that are resolved and
// that no tracker holds any more. The text is cut to 4,000 bytes.
func WithNote(in bellwether.Incident, by, text string, at time.Time) bellwether.Incident {
	out := incident{Incident: clone(in)}
	out.event(bellwether.IncidentEvent{At: at, Kind: kindNote, By: by, Text: cut(text, 4000)})
	return out.Incident
}

func (t *Tracker) sorted() []*incident {
	return slices.SortedFunc(maps.Values(t.open), func(a, b *incident) int {
		return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
}

func clone(in bellwether.Incident) bellwether.Incident {
	in.Targets = append([]string{}, in.Targets...)
	in.Timeline = append([]bellwether.IncidentEvent{}, in.Timeline...)
	return in
}
