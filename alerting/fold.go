package alerting

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// The kinds of events that are kept in the timeline and told to nobody by
// themselves.
const (
	kindJoined = "joined"
	kindNote   = "note"
)

// A timeline keeps its first events and its latest ones, so that an incident
// that flaps for days stays small.
const (
	timelineMax  = 200
	timelineHead = 50
)

// draft is one call's work on a tracker: which incidents it touched, and what
// they were before.
type draft struct {
	*Tracker
	order  []*incident
	before map[*incident]bellwether.Incident
}

func (t *Tracker) begin() *draft {
	return &draft{Tracker: t, before: map[*incident]bellwether.Incident{}}
}

// touch notes that in is about to change.
func (d *draft) touch(in *incident) {
	if _, ok := d.before[in]; !ok {
		d.before[in] = clone(in.Incident)
		d.order = append(d.order, in)
	}
}

func (d *draft) end() []Update {
	var out []Update
	for _, in := range d.order {
		after := clone(in.Incident)
		out = append(out, Update{Incident: after, Owed: d.owed(d.before[in], after)})
	}
	return out
}

// fold takes one change, after time has passed up to it.
func (d *draft) fold(c bellwether.Change) {
	st := d.status[c.Target]
	if st == nil || c.At.Before(st.last.At) || (c.At.Equal(st.last.At) && c.To == st.last.To && c.Cause == st.last.Cause) {
		return
	}
	was := st.last
	st.note(c)
	in := d.member[c.Target]
	switch {
	case in != nil && (was.To != c.To || was.Cause != c.Cause):
		d.update(in, c, st.severity)
	case in == nil && st.severity != "" && c.At.Sub(st.illSince) >= d.cfg.OpenAfter.Std():
		d.fall(c, st.severity, c.At)
	}
}

// update takes a change of a target that belongs to in.
func (d *draft) update(in *incident, c bellwether.Change, severity bellwether.State) {
	d.touch(in)
	in.event(bellwether.IncidentEvent{At: c.At, Kind: KindChanged, Target: c.Target, State: c.To, Text: sentence(c)})
	if severity == "" {
		return
	}
	in.Severity = worse(in.Severity, severity)
	if c.Cause != "" {
		d.blame(in, scopeOf(c.Cause, d.targets[c.Target]))
	}
	in.name()
	d.absorb(in, c.At)
}

// fall puts a target that is newly ill into the incident it belongs to, or
// into one of its own.
func (d *draft) fall(c bellwether.Change, severity bellwether.State, at time.Time) {
	target := d.targets[c.Target]
	own := scopeOf(c.Cause, target)
	in := d.home(own, target, at)
	e := bellwether.IncidentEvent{At: at, Kind: kindJoined, Target: c.Target, State: c.To, Text: sentence(c)}
	if in == nil {
		in = &incident{scope: own, Incident: bellwether.Incident{State: bellwether.IncidentOpen,
			ID: deriveID(at, 0, "incident", c.Target), OpenedAt: at, FirstAt: at}}
		e.Kind = KindOpened
		d.order, d.before[in] = append(d.order, in), bellwether.Incident{}
		d.open[in.ID] = in
	} else {
		d.touch(in)
	}
	if !c.Since.IsZero() && c.Since.Before(in.FirstAt) {
		in.FirstAt = c.Since
	}
	if !slices.Contains(in.Targets, c.Target) {
		in.Targets = append(in.Targets, c.Target)
	}
	in.Severity, in.grown = worse(in.Severity, severity), at
	d.member[c.Target] = in
	d.blame(in, own)
	in.event(e)
	in.name()
	d.absorb(in, at)
}

// home returns the open incident that a target which falls at that time
// belongs to, or nil: one with the very same cause; or, within the group
// window, one whose blame covers it, or whose targets its own blame covers.
// Localisation takes a few probes, so the first to fall are blamed alone.
func (d *draft) home(own scope, target bellwether.Target, at time.Time) *incident {
	var near *incident
	for _, in := range d.sorted() {
		if in.scope == own {
			return in
		}
		if near == nil && at.Sub(in.grown) <= d.cfg.groupWindow() && (in.scope.covers(target) || d.coversAll(own, in)) {
			near = in
		}
	}
	return near
}

// blame moves the cause of in to s if that explains all of its targets.
func (d *draft) blame(in *incident, s scope) {
	if d.coversAll(s, in) {
		in.scope = s
	}
	in.Cause = in.scope.cause
}

func (d *draft) coversAll(s scope, in *incident) bool {
	for _, id := range in.Targets {
		if target, ok := d.targets[id]; ok && !s.covers(target) {
			return false
		}
	}
	return true
}

// absorb merges into the older one what has turned out to be one incident:
// the same cause, or a cause that covers another that began within the window.
func (d *draft) absorb(in *incident, at time.Time) {
	for _, other := range d.sorted() {
		if other == in || d.open[other.ID] == nil {
			continue
		}
		near := in.OpenedAt.Sub(other.OpenedAt).Abs() <= d.cfg.groupWindow()
		if other.scope != in.scope && (!near || !d.coversAll(in.scope, other)) {
			continue
		}
		keep, drop := in, other
		if other.OpenedAt.Before(in.OpenedAt) {
			keep, drop = other, in
		}
		d.merge(keep, drop, in.scope, at)
		in = keep
	}
}

// merge moves the targets of drop into keep and closes drop.
func (d *draft) merge(keep, drop *incident, s scope, at time.Time) {
	d.touch(keep)
	d.touch(drop)
	for _, id := range drop.Targets {
		if d.member[id] == drop {
			d.member[id] = keep
		}
		if slices.Contains(keep.Targets, id) {
			continue
		}
		keep.Targets = append(keep.Targets, id)
		e := bellwether.IncidentEvent{At: at, Kind: kindJoined, Target: id, Text: id + " turned out to be part of this incident"}
		if st := d.status[id]; st != nil {
			e.State = st.last.To
		}
		keep.event(e)
	}
	keep.Severity, keep.scope, keep.Cause = worse(keep.Severity, drop.Severity), s, s.cause
	if drop.FirstAt.Before(keep.FirstAt) {
		keep.FirstAt = drop.FirstAt
	}
	keep.grown = at
	keep.name()
	d.close(drop, at, fmt.Sprintf("part of another incident, which goes on: %s (%s)", keep.Title, keep.ID))
}

// pass lets time go on to now.
func (d *draft) pass(now time.Time) {
	waiting := slices.DeleteFunc(slices.Collect(maps.Keys(d.status)), func(id string) bool {
		st := d.status[id]
		return d.member[id] != nil || st.severity == "" || st.illSince.IsZero() ||
			now.Sub(st.illSince) < d.cfg.OpenAfter.Std()
	})
	slices.SortFunc(waiting, func(a, b string) int {
		return cmp.Or(d.status[a].illSince.Compare(d.status[b].illSince), cmp.Compare(a, b))
	})
	for _, id := range waiting {
		st := d.status[id]
		d.fall(st.last, st.severity, st.illSince.Add(d.cfg.OpenAfter.Std()))
	}
	for _, in := range d.sorted() {
		d.settle(in, now)
	}
}

// settle resolves in when all of its targets have been healthy for long
// enough. Targets that are no longer configured do not hold it up.
func (d *draft) settle(in *incident, now time.Time) {
	var well time.Time
	left := 0
	for _, id := range in.Targets {
		st := d.status[id]
		if st == nil {
			continue
		}
		if st.wellFrom.IsZero() {
			return
		}
		if left++; st.wellFrom.After(well) {
			well = st.wellFrom
		}
	}
	if left == 0 {
		d.touch(in)
		d.close(in, now, "its targets are no longer configured")
		return
	}
	if now.Sub(well) >= d.cfg.resolveAfter() {
		d.touch(in)
		d.close(in, now, "healthy since "+well.UTC().Format("15:04:05 UTC"))
	}
}

func (d *draft) close(in *incident, at time.Time, why string) {
	in.State, in.ResolvedAt = bellwether.IncidentResolved, at
	in.event(bellwether.IncidentEvent{At: at, Kind: KindResolved, Text: why})
	delete(d.open, in.ID)
	for _, id := range in.Targets {
		if d.member[id] == in {
			delete(d.member, id)
		}
	}
}

func (in *incident) name() { in.Title = in.scope.title(in.Severity, in.Targets) }

func (in *incident) event(e bellwether.IncidentEvent) {
	in.Timeline = append(in.Timeline, e)
	if len(in.Timeline) <= timelineMax {
		return
	}
	gap := bellwether.IncidentEvent{At: in.Timeline[timelineHead].At, Kind: kindNote, Text: "some entries were left out here"}
	in.Timeline = slices.Delete(in.Timeline, timelineHead+1, timelineHead+2)
	in.Timeline[timelineHead] = gap
}

// sentence says what a change was, with its strongest reasons.
func sentence(c bellwether.Change) string {
	s := c.Target + " is " + string(c.To)
	reasons := slices.Clone(c.Reasons)
	slices.SortStableFunc(reasons, func(a, b bellwether.Reason) int { return cmp.Compare(b.Evidence, a.Evidence) })
	var texts []string
	for _, r := range reasons[:min(3, len(reasons))] {
		if r.Text != "" {
			texts = append(texts, cut(r.Text, 300))
		}
	}
	if len(texts) > 0 {
		s += ": " + strings.Join(texts, "; ")
	}
	return s
}

// cut shortens s to at most n bytes of valid UTF-8, and says so.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}
