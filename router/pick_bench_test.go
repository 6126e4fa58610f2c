package router

import "testing"

// BenchmarkPick draws a target of a route of eight by its share.
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

// BenchmarkChoose is all of a choice: the draw, equals, breaker, limits and
// key, a place taken and given back. O of the route's eight targets.
func BenchmarkChoose(b *testing.B) {
	c := usual()
	for name, s := range map[string]session{"by share": 0, "by session": session(fnvStart).add("someone")} {
		b.Run(name, func(b *testing.B) {
			setup, ups := tiers(.05, 4, 4)
			r := newTable(setup, ups, nil, 0).routes["r"]
			b.ReportAllocs()
			ch, now := everything(), second
			for b.Loop() {
				cl, _, ok := r.choose(c, ch, s, 100, now)
				if !ok {
					b.Fatal("nobody")
				}
				cl.release(100, 100)
				now++
			}
		})
	}
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
