package scoring

import (
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// skill is how a target's answers to the canaries of one task fared in health.
type skill struct {
	task      string
	good, bad float64
}

func newSkills(tasks []string) []skill {
	ss := make([]skill, len(tasks))
	for i, task := range tasks {
		ss[i].task = task
	}
	return ss
}

func (s *skill) n() float64 { return s.good + s.bad }

// add counts an answer; beyond fitMemory older ones fade.
func (s *skill) add(good bool) {
	if s.n() >= fitMemory {
		s.good -= s.good / fitMemory
		s.bad -= s.bad / fitMemory
	}
	if good {
		s.good++
	} else {
		s.bad++
	}
}

// tasksOf lists the tasks of the canaries, in order.
func tasksOf(canaries map[string]string) []string {
	var names []string
	for _, task := range canaries {
		if task != "" && !slices.Contains(names, task) {
			names = append(names, task)
		}
	}
	slices.Sort(names)
	return names
}

// noteTask counts an answer for the task of its canary. What is seen in a fault
// says nothing of what a target is good at, so it is counted in health only.
func (e *Engine) noteTask(t *target, o *bellwether.Observation) {
	if len(e.tasks) == 0 || !t.learning() || e.broken(o.Canary) || o.Outcome.Meaning().Availability != bellwether.Good {
		return
	}
	if i, ok := e.taskOf[o.Canary]; ok {
		t.skills[i].add(o.Outcome == bellwether.OK)
	}
}

// failing is the rate at which t gets a task wrong, drawn towards the mean of
// all targets while its answers are few, and its standard error.
func (e *Engine) failing(t *target, task int) (rate, sd float64) {
	var all skill
	for _, o := range e.targets {
		all.good += o.skills[task].good
		all.bad += o.skills[task].bad
	}
	mean := (all.bad + 1) / (all.n() + fitPrior)
	s := &t.skills[task]
	n := s.n() + fitPrior
	rate = (s.bad + mean*fitPrior) / n
	return rate, math.Sqrt(rate * (1 - rate) / n)
}

// compareFits estimates how the members of a tier fare at a task: the logarithm
// of their rates of wrong answers, plus a little, so that among the nearly
// perfect nobody is preferred.
func (e *Engine) compareFits(ms []member, task int) {
	for i := range ms {
		m := &ms[i]
		rate, sd := e.failing(m.t, task)
		x := rate + fitFailures
		m.fit.follow(math.Log(x), math.Max(tasteMove, tasteSigmas*sd/x))
	}
}

// profile lists what is known of t at each task.
func (e *Engine) profile(t *target) []bellwether.Skill {
	var out []bellwether.Skill
	for i, task := range e.tasks {
		if n := t.skills[i].n(); n > 0 {
			rate, _ := e.failing(t, i)
			out = append(out, bellwether.Skill{Task: task, Success: round4(1 - rate), Samples: math.Round(n)})
		}
	}
	return out
}
