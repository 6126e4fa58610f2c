package scoring_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// TestTheWorkedExampleIsTrue plays the worked example of docs/scoring.md and
// holds the page to what the engine says.
func TestTheWorkedExampleIsTrue(t *testing.T) {
	t.Parallel()
	w := warm(t, 30*time.Second, nil)
	w.fault = only("nobody", nil)
	w.run(3 * time.Minute)
	w.changes = nil
	begin := w.now
	var page strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&page, format+"\n", args...) }
	line("   time  first token  x1.3 nats   x2 nats  inter x1.5  weight  state")
	watch := func(o *bellwether.Observation) {
		first := o.Timing.FirstToken
		a := w.assess(us)
		by := map[string]float64{}
		for _, e := range a.Evidence {
			by[e.Hypothesis] = e.Nats
		}
		line("%5.0f s  %9.2f s  %9.1f %9.1f   %9.1f  %6.2f  %s", w.now.Sub(begin).Seconds(), first, by["first token x1.3"], by["first token x2"], by["inter-token x1.5"], a.Weight, a.State)
	}
	var last *bellwether.Observation
	slow := true
	w.fault = func(w *world, tgt bellwether.Target, o *bellwether.Observation) {
		if tgt.ID == us {
			if slow {
				slower(o, 2, 2)
			}
			last = o
		}
	}
	said := ""
	step := func(done func() bool) {
		for !done() {
			last = nil
			w.until(w.now.Add(time.Minute), func() bool { return last != nil })
			watch(last)
			for _, r := range w.assess(us).Reasons {
				if said == "" && strings.HasSuffix(r.Code, "_slow") {
					said = r.Text
					line("         -> %s (%.1f nats)", r.Text, r.Evidence)
				}
			}
		}
	}
	step(func() bool { return w.now.Sub(begin) > 20*time.Second })
	line("         the provider recovers")
	slow = false
	step(func() bool { return w.state(us) == bellwether.Healthy })
	doc, err := os.ReadFile("../docs/scoring.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), page.String()) {
		t.Errorf("docs/scoring.md does not show the worked example as it is:\n%s", page.String())
	}
}
