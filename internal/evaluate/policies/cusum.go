package policies

import (
	"math"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// Gaussian is the textbook CUSUM on the logarithm of the first token for "twice
// as slow", with a normal null that is always learned; and three failures in a
// row, because a failure has no first token.
type Gaussian struct {
	Threshold float64 // nats
	state     []gauss
}

type gauss struct {
	run
	usual learned
	nats  float64
	slow  bool
}

func (g *Gaussian) Observe(i int, o *bellwether.Observation, _ time.Time) {
	if o.Source != bellwether.SourceProbe {
		return
	}
	g.state = perTarget(g.state, i)
	s := &g.state[i]
	s.see(failed(o), 3, 2)
	x := o.Timing.FirstToken
	if x <= 0 || failed(o) {
		return
	}
	y := math.Log(x)
	if s.usual.n >= 30 {
		d := math.Ln2 / s.usual.sigma()
		l := d*(y-s.usual.mean)/s.usual.sigma() - d*d/2
		need := g.Threshold
		if s.slow { // well again by evidence of 100 to 1
			l, need = -l, math.Min(need, 4.6)
		}
		if s.nats = math.Max(0, s.nats+l); s.nats >= need {
			s.slow, s.nats = !s.slow, 0
		}
	}
	s.usual.add(y, o.At)
}

func (g *Gaussian) Tick(time.Time) {}

func (g *Gaussian) View(i int) world.View {
	return onOff(i < len(g.state) && (g.state[i].ill || g.state[i].slow))
}

func (g *Gaussian) Clone() Rule {
	d := *g
	d.state = append([]gauss(nil), g.state...)
	return &d
}
