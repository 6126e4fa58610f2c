package policies

import (
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

var noon = time.Date(2027, 3, 4, 12, 0, 0, 0, time.UTC)

// feed tells a rule of probes, one letter each, every so often: . well, x
// failed, s slow, w wrong; and returns what it thought after each: . well, ! ill,
// - in between.
func feed(r Rule, every time.Duration, probes string) string {
	var out []byte
	at := noon
	for _, p := range probes {
		at = at.Add(every)
		o := &bellwether.Observation{At: at, Source: bellwether.SourceProbe, Outcome: bellwether.OK, Timing: bellwether.Timing{FirstToken: .3, Total: 1}}
		switch p {
		case 'x':
			o.Outcome, o.Timing = bellwether.ServerError, bellwether.Timing{Total: .2}
		case 's':
			o.Timing.FirstToken = 4
		case 'w':
			o.Outcome = bellwether.BadOutput
		}
		r.Observe(0, o, at)
		out = append(out, mark(r))
	}
	return string(out)
}

func mark(r Rule) byte {
	switch v := r.View(0); {
	case v.Severity == 0:
		return '.'
	case v.Weight > 0:
		return '-'
	}
	return '!'
}

func TestRulesForProbesDoAsTheyAreShipped(t *testing.T) {
	for _, c := range []struct {
		rule        string
		every       time.Duration
		probes, say string
	}{
		{"Gatus", 30 * time.Second, "xx.xxx.x..w", ".....!!!!.."},
		{"Uptime Kuma", 60 * time.Second, ".x.", ".!."},
		{"Uptime Kuma", 30 * time.Second, "..x.x", "..!!!"},
		{"static limits", 30 * time.Second, ".s.xw", ".!.!."},
		{"window of 20", 30 * time.Second, "...................xxxxx", "...................----!"},
		{"never act", 30 * time.Second, "xxxx", "...."},
	} {
		r, err := Shipped(c.rule).New()
		if err != nil {
			t.Fatal(err)
		}
		if got := feed(r, c.every, c.probes); got != c.say {
			t.Errorf("%s, every %v, probes %s: said %s, want %s", c.rule, c.every, c.probes, got, c.say)
		}
	}
}

// second tells a rule of one second of calls and returns what it thinks then.
func second(r Rule, at time.Time, n, bad int) byte {
	o := &bellwether.Observation{At: at.Add(-time.Second), Source: bellwether.SourceRouter, Window: 1,
		Counts: map[bellwether.Outcome]int{bellwether.OK: n - bad, bellwether.ServerError: bad}}
	r.Observe(0, o, at)
	return mark(r)
}

func TestEnvoyEjectsAfterFiveInARowForLongerEachTime(t *testing.T) {
	r, err := Shipped("Envoy").New()
	if err != nil {
		t.Fatal(err)
	}
	at := noon
	out := func() (ill int) { // seconds of a steady outage until the host is out, and how long it is
		for mark(r) == '.' {
			at = at.Add(time.Second)
			second(r, at, 1, 1)
		}
		for mark(r) == '!' {
			at = at.Add(time.Second)
			r.Tick(at)
			ill++
		}
		return ill
	}
	if a, b := out(), out(); a != 30 || b != 60 {
		t.Errorf("out for %d s, then %d s; want 30 and 60", a, b)
	}
}

func TestLiteLLMCoolsDownForFiveSecondsWhereMoreThanHalfFail(t *testing.T) {
	r, err := Shipped("LiteLLM").New()
	if err != nil {
		t.Fatal(err)
	}
	say := ""
	for i := range 12 {
		bad := 0
		if i >= 3 {
			bad = 1
		}
		say += string(second(r, noon.Add(time.Duration(i)*time.Second), 1, bad))
	}
	if say != "......!!!!!!" {
		t.Errorf("three good calls, then bad ones: said %s", say)
	}
	allowed, err := Shipped("LiteLLM allowed_fails").New()
	if err != nil {
		t.Fatal(err)
	}
	say = ""
	for i := range 5 {
		say += string(second(allowed, noon.Add(time.Duration(i)*time.Second), 1, 1))
	}
	if say != "...!!" {
		t.Errorf("three fails are allowed, five came: said %s", say)
	}
}

func TestChartsFindASlowdownAndForgetIt(t *testing.T) {
	for _, name := range []string{"EWMA", "Gaussian CUSUM"} {
		r, err := Shipped(name).New()
		if err != nil {
			t.Fatal(err)
		}
		at, usual := noon, []float64{.22, .3, .41, .3, .35, .25}
		probe := func(i int, factor float64) {
			at = at.Add(30 * time.Second)
			r.Observe(0, &bellwether.Observation{At: at, Source: bellwether.SourceProbe, Outcome: bellwether.OK, Timing: bellwether.Timing{FirstToken: factor * usual[i%6], Total: 1}}, at)
		}
		for i := range 600 {
			if probe(i, 1); mark(r) != '.' {
				t.Fatalf("%s: ill in health", name)
			}
		}
		found := -1
		for i := range 60 {
			if probe(i, 2); mark(r) == '!' && found < 0 {
				found = i
			}
		}
		if found < 0 || found > 20 {
			t.Errorf("%s: twice as slow was found by probe %d", name, found)
		}
		for i := range 60 {
			probe(i, 1)
		}
		if mark(r) != '.' {
			t.Errorf("%s: still ill 60 good probes later", name)
		}
	}
}

func TestACloneGoesItsOwnWay(t *testing.T) {
	for _, name := range append(append(Probing(), OnTraffic()...), "never act") {
		r, err := Shipped(name).New()
		if err != nil {
			t.Fatal(err)
		}
		feed(r, time.Minute, "......")
		second(r, noon, 1, 0)
		c := r.Clone()
		feed(c, time.Minute, "xxxxxxxxxxxxxxxxxxxxxxxxx")
		for i := range 10 {
			second(c, noon.Add(time.Duration(i)*time.Second), 1, 1)
		}
		if mark(r) != '.' {
			t.Errorf("%s: what its clone saw made it ill", name)
		}
		if name != "never act" && mark(c) == '.' {
			t.Errorf("%s: its clone is well after 25 failures", name)
		}
	}
	if _, err := (Spec{Rule: "none"}).New(); err == nil {
		t.Error("a rule of no name was made")
	}
}
