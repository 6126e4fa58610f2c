package main

import "testing"

func TestGarbageIsBoundedWhateverLives(t *testing.T) {
	for _, c := range []struct{ live, most uint64 }{{0, 0}, {1 << 20, 48 << 20}, {10 << 20, 48 << 20}, {100 << 20, 48 << 20}, {1 << 30, 400 << 20}} {
		if garbage := c.live * uint64(garbagePercent(c.live)) / 100; garbage > c.most {
			t.Errorf("with %d bytes living, %d may gather, want at most %d", c.live, garbage, c.most)
		}
	}
	if n := garbagePercent(0); n != mostGarbage {
		t.Errorf("with nothing living: %d %%", n)
	}
}
