package probes

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// silence is a sender of nothing.
type silence struct{}

func (silence) Probe(context.Context, Job) bellwether.Observation { return bellwether.Observation{} }

func TestTheClockIsSteppedOnlyWhenItPartsFromTheMonotonic(t *testing.T) {
	a := time.Now()
	if d := stepped(a, a.Add(time.Hour)); d != 0 {
		t.Errorf("an hour that both clocks saw is a step of %v", d)
	}
	g, err := NewGuard(silence{}, GuardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := bellwether.Observation{Outcome: bellwether.OK}
	for step, want := range map[time.Duration]string{0: "", time.Second: "", -2 * time.Second: "clock", time.Hour: "clock"} {
		if got := g.doubt(&o, step); got != want {
			t.Errorf("a step of %v: %q, want %q", step, got, want)
		}
	}
}

func TestALookNotesAPauseAndForgetsItAfterAMinute(t *testing.T) {
	g, err := NewGuard(silence{}, GuardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	g.look(at)
	g.look(at.Add(4 * time.Second))
	if h := g.Health(); !slices.Equal(h.Unwell, []string{"pause"}) || h.Lag != 3 {
		t.Errorf("after standing still for 3 s: %+v", h)
	}
	for i := range 61 {
		g.look(at.Add(time.Duration(5+i) * time.Second))
	}
	if h := g.Health(); len(h.Unwell) > 0 || h.Lag != 0 {
		t.Errorf("a minute later: %+v", h)
	}
}

func TestFileDescriptorsNearTheirLimitMakeUsUnwell(t *testing.T) {
	if open, most := openFiles(); most > 0 && (open < 1 || open > most) {
		t.Errorf("%d of %d files open", open, most)
	}
	g, err := NewGuard(silence{}, GuardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g.health.Files, g.health.MaxFiles = 95, 100
	g.judge()
	o := bellwether.Observation{Outcome: bellwether.ConnectError}
	if why := g.doubt(&o, 0); why != DoubtFiles {
		t.Errorf("with 95 of 100 files open: %q", why)
	}
}
