package world

import (
	_ "embed" // the recorded answers
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed testdata/answers.csv
var answers string

//go:embed testdata/checks_levonk.csv
var checks string

// reel is the residuals of one recorded series, in order. What was not
// recorded is not a number, and is drawn from the normal distribution.
type reel struct {
	Source string
	rows   []residual
}

// block is how many neighbours stay together, so that moods do.
const block = 20

// leastReel is how many samples a series needs to be used.
const leastReel = 30

var reels = sync.OnceValue(readReels)

// Recorded returns how many series of each source are replayed, and how many
// samples they have.
func Recorded() (series, samples map[string]int) {
	series, samples = map[string]int{}, map[string]int{}
	for _, r := range reels() {
		series[r.Source]++
		samples[r.Source] += len(r.rows)
	}
	return series, samples
}

// readReels reads what is compiled in; it has a test that it can be read.
func readReels() []reel {
	type raw struct {
		source                string
		first, inter, lengths []float64
	}
	var order []string
	series := map[string]*raw{}
	add := func(key, source string, first, inter, length float64) {
		r := series[key]
		if r == nil {
			r = &raw{source: source}
			series[key], order = r, append(order, key)
		}
		r.first, r.inter, r.lengths = append(r.first, first), append(r.inter, inter), append(r.lengths, length)
	}
	for line := range strings.Lines(answers) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) < 7 || f[2] != "ok" {
			continue
		}
		add(f[0]+" "+f[1], f[0], logOf(f[3]), logOf(f[4]), number(f[6]))
	}
	for line := range strings.Lines(checks) {
		site, list, _ := strings.Cut(strings.TrimSpace(line), ",")
		for ms := range strings.FieldsSeq(list) {
			if x := logOf(ms); !math.IsNaN(x) {
				add("levonk "+site, "levonk", x, math.NaN(), math.NaN())
			}
		}
	}
	var out []reel
	models := map[string]int{} // where in out a model of several regions is
	for _, key := range order {
		r := series[key]
		rows := make([]residual, len(r.first))
		for i, x := range centred(r.first, r.lengths) {
			rows[i].first = x
		}
		for i, x := range centred(r.inter, r.lengths) {
			rows[i].inter = x
		}
		// Days apart, the regions of one model are too few each: one follows
		// the other.
		model, _, regional := strings.Cut(key, "@")
		if i, ok := models[model]; regional && ok {
			out[i].rows = append(out[i].rows, rows...)
			continue
		}
		models[model] = len(out)
		out = append(out, reel{Source: r.source, rows: rows})
	}
	return slices.DeleteFunc(out, func(r reel) bool { return len(r.rows) < leastReel })
}

func number(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return x
}

func logOf(s string) float64 {
	if x := number(s); x > 0 {
		return math.Log(x)
	}
	return math.NaN()
}

// centred takes the median off, and where the prompt's length is known what
// grows with it (least squares).
func centred(xs, lengths []float64) []float64 {
	out := slices.Clone(xs)
	n, sl, sx, sll, slx := 0.0, 0.0, 0.0, 0.0, 0.0
	for i, x := range xs {
		if l := lengths[i]; !math.IsNaN(x) && !math.IsNaN(l) {
			n, sl, sx, sll, slx = n+1, sl+l, sx+x, sll+l*l, slx+l*x
		}
	}
	if det := n*sll - sl*sl; det > 0 {
		slope := (n*slx - sl*sx) / det
		for i := range out {
			out[i] -= slope * (lengths[i] - sl/n)
		}
	}
	known := slices.DeleteFunc(slices.Clone(out), math.IsNaN)
	if len(known) == 0 {
		return out
	}
	slices.Sort(known)
	for i := range out {
		out[i] -= known[len(known)/2]
	}
	return out
}

// tape replays one reel in blocks that are drawn at random.
type tape struct {
	reel     reel
	at, left int
}

// reelOf returns the n-th series. Sources take turns, so that each weighs the
// same however many series it has.
func reelOf(n int) reel {
	bySource, sources := map[string][]reel{}, []string(nil)
	for _, r := range reels() {
		if bySource[r.Source] == nil {
			sources = append(sources, r.Source)
		}
		bySource[r.Source] = append(bySource[r.Source], r)
	}
	some := bySource[sources[n%len(sources)]]
	return some[n/len(sources)%len(some)]
}

// SourceOf names where the n-th recorded series comes from.
func SourceOf(n int) string { return reelOf(n).Source }

func newTape(n int) tape { return tape{reel: reelOf(n)} }

func (t *tape) next(rng *rand.Rand) residual {
	if t.left == 0 {
		t.at, t.left = rng.IntN(len(t.reel.rows)), block
	}
	r := t.reel.rows[t.at]
	t.at = (t.at + 1) % len(t.reel.rows)
	t.left--
	return r
}
