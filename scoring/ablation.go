package scoring

// Ablation names parts of the algorithm to leave out, so that an evaluation can
// show what each is worth. No configuration reaches it: [Policy] is what users
// set.
type Ablation uint8

// The parts that can be left out.
const (
	NoWhitening  Ablation = 1 << iota // correlated noise counts in full
	NoQuarantine                      // everything is learned at once, faults too
	NoWitness                         // one signal is enough
	NoJoint                           // evidence of different signals is not added up
)

// without reports whether a part is left out.
func (s *settings) without(part Ablation) bool { return s.ablation&part != 0 }
