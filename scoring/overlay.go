package scoring

import (
	"math"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether"
)

// oddMost is how many times in a row an outcome that says nothing of health
// must come before it is believed.
const oddMost = 2

// account reports whether our key or credit is refused.
func (t *target) account() bool {
	return t.oddRun >= oddMost && (t.odd == bellwether.AuthError || t.odd == bellwether.NoCredit)
}

// toldOdd reports whether what was last said of t, that is unknown, blamed our
// key, our request or a wall.
func (t *target) toldOdd() bool {
	return t.toldOut || t.toldWhy == bellwether.CauseAccount || t.toldWhy == bellwether.CauseVantage
}

// misasked reports whether our request is refused as malformed.
func (t *target) misasked() bool { return t.oddRun >= oddMost && t.odd == bellwether.ClientError }

// blocked reports whether a wall stands before the target.
func (t *target) blocked() bool { return t.oddRun >= oddMost && t.odd == bellwether.Blocked }

// noteOdd follows runs of outcomes that say nothing of health.
func (t *target) noteOdd(o *bellwether.Observation) {
	switch o.Outcome {
	case bellwether.AuthError, bellwether.NoCredit, bellwether.ClientError, bellwether.Blocked:
		if t.odd != o.Outcome {
			t.odd, t.oddRun = o.Outcome, 0
		}
		t.oddRun, t.oddWhere = min(t.oddRun+1, oddMost), o.Vantage
	default:
		t.odd, t.oddRun, t.oddWhere = "", 0, ""
	}
}

// noteWall follows which vantages are blocked, and reports whether two agree
// lately: then it is no wall of one of them, and the target is not available.
func (e *Engine) noteWall(t *target, o *bellwether.Observation) (agreed bool) {
	t.walls = slices.DeleteFunc(t.walls, func(name string) bool {
		if name == o.Vantage {
			return true
		}
		i := slices.IndexFunc(e.vantages, func(v *vantage) bool { return v.name == name })
		return i < 0 || e.vantages[i].lastAt[t.index] < e.now-e.recent
	})
	if o.Outcome != bellwether.Blocked {
		return false
	}
	if len(t.walls) < mostVantages {
		t.walls = append(t.walls, o.Vantage)
	}
	return len(t.walls) > 1
}

// state is what is to be said of t: the verdict, unless there is a reason not to
// know.
func (e *Engine) state(t *target) bellwether.State {
	switch {
	case e.frozen && t.shown.Severity() > 0:
		return t.shown // it was ill before: nothing says that it is not any more
	case e.frozen:
		return bellwether.Unknown
	case t.account(), t.blocked(), t.misasked(), t.stale(e.now):
		return bellwether.Unknown
	}
	return t.verdict
}

// why is whose fault it is, "" when nothing is wrong.
func (e *Engine) why(t *target) bellwether.Cause {
	switch {
	case e.frozen:
		return bellwether.CauseVantage
	case t.account(), t.misasked():
		return bellwether.CauseAccount
	case t.blocked():
		return bellwether.CauseVantage
	case t.verdict.Severity() > 0 || t.verdict == bellwether.Recovering:
		return t.cause
	case t.quotas.weight() < .9:
		return bellwether.CauseAccount
	}
	return ""
}

// mostOverrides is how many overrides of one target are kept; the newest is in
// force.
const mostOverrides = 64

// cut bounds a text from outside.
func cut(s string) string {
	const most = 2000
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// override takes in an operator's word.
func (e *Engine) override(o *bellwether.Override) {
	t := e.byID[o.Target]
	if t == nil {
		return
	}
	t.overrides = slices.DeleteFunc(t.overrides, func(x bellwether.Override) bool { return x.ID == o.ID })
	if !o.Removed && nanos(o.ExpiresAt) > e.now && !math.IsNaN(o.Weight) {
		if len(t.overrides) >= mostOverrides {
			t.overrides = slices.Delete(t.overrides, 0, 1)
		}
		x := *o
		x.Reason, x.By = cut(x.Reason), cut(x.By)
		t.overrides = append(t.overrides, x)
	}
	e.dirty = true
	e.touch(t)
	e.planExpiry()
}

// expire ends the overrides whose time is over.
func (e *Engine) expire() {
	if e.nextExpiry == 0 || e.now < e.nextExpiry {
		return
	}
	for _, t := range e.targets {
		n := len(t.overrides)
		t.overrides = slices.DeleteFunc(t.overrides, func(x bellwether.Override) bool { return nanos(x.ExpiresAt) <= e.now })
		if len(t.overrides) != n {
			e.dirty = true
			e.touch(t)
		}
	}
	e.planExpiry()
}

func (e *Engine) planExpiry() {
	e.nextExpiry = 0
	for _, t := range e.targets {
		for i := range t.overrides {
			if at := nanos(t.overrides[i].ExpiresAt); e.nextExpiry == 0 || at < e.nextExpiry {
				e.nextExpiry = at
			}
		}
	}
}

// pinned returns the override in force, the newest word; nil for none.
func (t *target) pinned() *bellwether.Override {
	if len(t.overrides) == 0 {
		return nil
	}
	return &t.overrides[len(t.overrides)-1]
}

// effective is the weight of t with overrides applied, in [0, 1].
func (t *target) effective() float64 {
	if o := t.pinned(); o != nil {
		return max(0, min(1, o.Weight))
	}
	return t.weight
}
