package scoring

import "math"

const (
	histBins = 256
	histStep = 0.04 // of the logarithm: values are kept to 2 %
)

// histogram remembers what values of a signal usually are, for people: bins of
// equal relative width, as a DDSketch has them, around the first value, fading
// by half every 20 000 values. Values are logarithms.
type histogram struct {
	bins  []float32 // empty before the first value
	low   float64   // lower end of the first bin
	total float64
}

const histMost = 20000

// add takes in a value; a nil histogram keeps nothing.
func (h *histogram) add(z float64) {
	if h == nil {
		return
	}
	if len(h.bins) == 0 {
		h.bins = make([]float32, histBins)
		h.low = z - histBins/2*histStep
	}
	i := min(max(int(math.Floor((z-h.low)/histStep)), 0), histBins-1)
	h.bins[i]++
	if h.total++; h.total >= histMost {
		h.total = 0
		for i := range h.bins {
			h.bins[i] /= 2
			h.total += float64(h.bins[i])
		}
	}
}

// quantile returns the value (not its logarithm) below which the fraction q
// lies; 0 when empty.
func (h *histogram) quantile(q float64) float64 {
	if h.total == 0 {
		return 0
	}
	sum, want := 0.0, q*h.total
	for i, b := range h.bins {
		if b > 0 && sum+float64(b) >= want {
			return math.Exp(h.low + (float64(i)+(want-sum)/float64(b))*histStep)
		}
		sum += float64(b)
	}
	return math.Exp(h.low + histBins*histStep)
}
