package probes

import (
	"math"
	"sync"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
)

// The estimate of tokens starts from usualRatio characters per token and
// follows a series by an exponential mean with ratioWeight for the newest.
const (
	usualRatio  = 4.0
	ratioWeight = 0.1
)

// mostTokens is more than any answer counts. Who says more, or less than none,
// has said nothing: sums of such figures would pass every budget.
const mostTokens = 100_000_000

// sober takes for unsaid what no answer can have: counts of tokens beyond all
// reason, and a confidence that is no finite number.
func (r *reply) sober() {
	if u := r.usage; u != nil {
		for _, n := range []int{u.Input, u.Output, u.Cached, u.Reasoning} {
			if n < 0 || n > mostTokens {
				r.usage = nil
			}
		}
	}
	if c := r.confidence; c != nil && (math.IsNaN(*c) || math.IsInf(*c, 0)) {
		r.confidence = nil
	}
}

// ratios knows how many characters each series writes per token, from the
// answers that said. Safe for concurrent use.
type ratios struct {
	mu sync.Mutex
	of map[jobKey]float64
}

// tokens counts what r used: the provider's own figures, else an estimate from
// the length of prompt and answer, flagged as such.
func (s *ratios) tokens(j Job, r *reply) bellwether.Tokens {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := j.key()
	chars := utf8.RuneCountInString(r.text.String())
	ratio, known := s.of[key]
	if !known {
		ratio = usualRatio
	}
	if u := r.usage; u != nil {
		if visible := u.Output - u.Reasoning; visible > 0 && chars > 0 && r.fail.outcome == "" {
			seen := float64(chars) / float64(visible)
			if known {
				seen = ratio + ratioWeight*(seen-ratio)
			}
			if s.of == nil {
				s.of = map[jobKey]float64{}
			}
			s.of[key] = seen
		}
		return bellwether.Tokens{Input: u.Input, Output: u.Output, Cached: u.Cached, Reasoning: u.Reasoning}
	}
	if !j.Canary.worded() {
		usual, _ := j.Canary.ranges()
		return bellwether.Tokens{Input: usualInput(j.Canary), Output: usual, Estimated: true}
	}
	estimate := func(n int) int { return int(math.Ceil(float64(n) / ratio)) }
	return bellwether.Tokens{
		Input:     max(usualInput(j.Canary), estimate(utf8.RuneCountInString(j.Canary.Prompt)+utf8.RuneCountInString(j.Canary.System))),
		Output:    estimate(chars + r.reasoning),
		Reasoning: estimate(r.reasoning),
		Estimated: true,
	}
}
