package scoring

import "testing"

func TestHowOftenAndHowLongIsLearnedWithinBounds(t *testing.T) {
	t.Parallel()
	set := &settings{mtbf: 277200, mttr: 4500}
	var l life
	if l.between(set) != set.mtbf || l.toRepair(set) != set.mttr {
		t.Errorf("before anything is known: %v and %v", l.between(set), l.toRepair(set))
	}
	for range 10 { // a day well, ten minutes ill
		for range 144 {
			l.pass(600, false)
		}
		l.pass(600, true)
		l.pass(600, false)
	}
	if b := l.between(set); b < 86400 || b > 130000 {
		t.Errorf("faults a day apart: %v", b)
	}
	if r := l.toRepair(set); r < 1125 || r > 1500 {
		t.Errorf("ten minutes each: %v, want near the least of 1125", r)
	}
	for range 100000 {
		l.pass(600, false)
	}
	if b := l.between(set); b > set.mtbf*lifeMost {
		t.Errorf("two years of health: %v, over the most", b)
	}
}
