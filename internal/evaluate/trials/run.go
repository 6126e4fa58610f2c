package trials

import (
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// month is a fault-free month: every verdict is false.
func (b *Bench) month(c *Cell, s *Scenario, n int, r *Result) error {
	all, begin, err := b.warmed(c, s, n)
	if err != nil {
		return err
	}
	setup := c.setup(s, n%max(1, c.Warm))
	setup.Traffic = c.Traffic
	w := world.New(setup, begin, seedOf(b.shared.Seed, "month", c.Noise, n), all...)
	w.Until(begin+30*day, nil)
	for k := range all {
		col := &r.Columns[k]
		for i, h := range w.Log(k).Targets {
			col.Months++
			col.False += h.Ill(begin)
			if c.Noise == world.Real {
				col.source(world.SourceOf(setup.Reel+i), h.Ill(begin))
			}
			col.Probes += float64(h.Probes)
			col.Tokens += float64(h.Tokens)
			col.Kept += h.Kept
		}
	}
	return nil
}

// source counts a month of recorded noise by where it is from.
func (c *Column) source(name string, verdicts int) {
	if c.Sources == nil {
		c.Sources = map[string]Calm{}
	}
	one := c.Sources[name]
	one.Months++
	one.False += verdicts
	c.Sources[name] = one
}

// patience is for how long after a fault its end may go unnoticed.
const patience = 3 * hour

// fault is one trial of a scenario. Its onset falls anywhere between probes.
func (b *Bench) fault(c *Cell, s *Scenario, n int, r *Result) error {
	all, begin, err := b.warmed(c, s, n)
	if err != nil {
		return err
	}
	setup := c.setup(s, n%max(1, c.Warm))
	setup.Traffic = c.Traffic
	seed := seedOf(b.shared.Seed, "fault", s.Name, c.Noise, n)
	w := world.New(setup, begin, seed, all...)
	onset := begin + 5*minute + time.Duration(seed>>7%uint64(30*time.Second))
	if s.Cold > 0 {
		onset = begin + time.Duration(seed>>7%uint64(30*time.Second))
	}
	effects := slices.Clone(s.Effects)
	for i := range effects {
		if effects[i].To == 0 {
			effects[i].To = s.Lasts
		}
	}
	w.Strike(onset, effects)
	end := onset + s.Lasts
	told := func() bool {
		for k := range all {
			if !w.Log(k).Told(onset) {
				return false
			}
		}
		return true
	}
	if c.Short {
		w.Until(end, told)
	} else {
		w.Until(end, nil)
		well := func() bool {
			for k := range all {
				if !w.Log(k).Well() {
					return false
				}
			}
			return true
		}
		w.Until(end+patience, well)
	}
	for k := range all {
		r.Columns[k].Trials = append(r.Columns[k].Trials, trial(w.Log(k), s, effects, onset, end))
	}
	return nil
}

// trial reads from a log what a policy made of a fault.
func trial(l *world.Log, s *Scenario, effects []world.Effect, onset, end time.Duration) Trial {
	var t Trial
	t.Half, t.Exit, t.Back = -1, -1, -1
	targets := s.Fleet.Targets()
	for i := range l.Targets {
		h := &l.Targets[i]
		t.ToBad += h.ToBad
		t.Kept += h.Kept
		ill := slices.ContainsFunc(effects, func(e world.Effect) bool { return !e.Healthy && e.Who.Is(&targets[i]) })
		if !ill || s.Calm {
			for _, turn := range h.Turns {
				if turn.At >= onset && turn.To > 0 && turn.From == 0 {
					t.Wrong++
					if turn.Cause != bellwether.CauseVantage && turn.Cause != bellwether.CauseAccount {
						t.Blamed++
					}
				}
			}
		}
	}
	t.Misled = l.Misled
	h := &l.Targets[0]
	sent, _ := h.Before()
	t.void(h, onset)
	t.find(h, s, onset)
	for _, step := range h.Steps {
		if step.At >= onset && step.Weight < .5 {
			t.Half, t.HalfAt = (step.At - onset).Seconds(), step.Probes-sent
			break
		}
	}
	t.end(h, onset, end)
	return t
}

func (t *Trial) void(h *world.History, onset time.Duration) {
	t.Void = h.First.Severity > 0
	for _, turn := range h.Turns {
		if turn.At < onset {
			t.Void = turn.To > 0
		}
	}
}

func (t *Trial) find(h *world.History, s *Scenario, onset time.Duration) {
	right := func(c bellwether.Cause) bool { return len(s.Causes) == 0 || slices.Contains(s.Causes, c) }
	for i, turn := range h.Turns {
		if turn.At < onset || turn.To == 0 {
			continue
		}
		t.Found, t.Seconds = true, (turn.At - onset).Seconds()
		probes, tokens := h.Before()
		t.Probes, t.Tokens = turn.Probes-probes, turn.Tokens-tokens
		t.Right = right(turn.Cause)
		t.Settled = t.Right
		for _, later := range h.Turns[i+1:] {
			if later.At <= turn.At+30*time.Second && later.To > 0 {
				t.Settled = right(later.Cause)
			}
		}
		return
	}
}

// end reads how the fault was seen to be over, and how often minds changed.
func (t *Trial) end(h *world.History, onset, end time.Duration) {
	crossings := 0
	for _, turn := range h.Turns {
		if turn.At >= onset && (turn.From > 0) != (turn.To > 0) {
			crossings++
		}
		if turn.At >= end && turn.To == 0 {
			t.Exit = (turn.At - end).Seconds()
		}
	}
	t.Flaps = max(0, crossings-2)
	for _, step := range h.Steps {
		if step.At >= end && step.Weight >= .95 {
			t.Back = (step.At - end).Seconds()
			break
		}
	}
}
