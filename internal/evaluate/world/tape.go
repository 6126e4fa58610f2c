package world

import "math/rand/v2"

// tape replays recorded residuals in blocks.
type tape struct {
	reel []residual
	at   int
	left int
}

func newTape(rng *rand.Rand) tape { return tape{} }

func (t *tape) next(rng *rand.Rand) residual { return residual{} }
