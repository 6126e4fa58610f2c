package router

import "testing"

// BenchmarkPick draws a target of a route of eight.
func BenchmarkPick(b *testing.B) {
	s, ups := tiers(.05, 4, 4)
	t := newTable(s, ups, nil, 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if r := t.routes["r"]; r.entries[r.pick(uniform())].up == nil {
				b.Fail()
			}
		}
	})
}

func TestPickingDoesNotAllocate(t *testing.T) {
	s, ups := tiers(.05, 4, 4)
	table := newTable(s, ups, nil, 0)
	if n := testing.AllocsPerRun(1000, func() {
		r := table.routes["r"]
		i := r.pick(uniform())
		_, _ = r.next(1<<i, uniform())
	}); n != 0 {
		t.Errorf("%v allocations a pick, want 0", n)
	}
}
