package scoring

// known is how well something is known, to choose what to forget.
type known struct {
	lastAt int64  // when it was last heard of
	n      uint64 // how often
}

const (
	goneAfter = 86400e9 // silent for longer, it will hardly come back
	knownWell = 50      // times after which something is not a passing name
)

// leastMissed returns which of several to forget so that a new one has room:
// the one silent for longest of those silent for a day; else of those hardly
// known, so that names that are used once push out each other only; else of
// all.
func leastMissed(ks []known, now int64) int {
	best, bestClass := 0, -1
	for i, k := range ks {
		class := 0
		switch {
		case now-k.lastAt > goneAfter:
			class = 2
		case k.n < knownWell:
			class = 1
		}
		if class > bestClass || (class == bestClass && k.lastAt < ks[best].lastAt) {
			best, bestClass = i, class
		}
	}
	return best
}
