package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// source says which rows a profile is fitted from.
type source struct {
	name      string // of the profile
	file      string
	providers []string // "" is how the earliest recordings name the vendor's own service
	model     string
}

// sources are the profiles, in the order of the printed table.
var sources = [...]source{
	{"openai/gpt-4-turbo", fastestFile, []string{"openai", ""}, "gpt-4-turbo"},
	{"openai/gpt-3.5-turbo-0125", fastestFile, []string{"openai", ""}, "gpt-3.5-turbo-0125"},
	{"azure/gpt-4-1106-preview", fastestFile, []string{"azure.eastus2", "fixie-eastus2.azure"}, "gpt-4-1106-preview"},
	{"anthropic/claude-3-opus", fastestFile, []string{"anthropic", ""}, "claude-3-opus-20240229"},
	{"anthropic/claude-3-sonnet", fastestFile, []string{"anthropic", ""}, "claude-3-sonnet-20240229"},
	{"anthropic/claude-3-haiku", fastestFile, []string{"anthropic", ""}, "claude-3-haiku-20240307"},
	{"google/gemini-1.5-pro", fastestFile, []string{"google"}, "gemini-1.5-pro-preview-0409"},
	{"google/gemini-pro", fastestFile, []string{"google"}, "gemini-pro"},
	{"octoai/mixtral-8x7b", fastestFile, []string{"octoai.run", "text.octoai.run", "octo.ai"}, "mixtral-8x7b-instruct"},
	{"anyscale/llama2-70b", llmperfFile, []string{"anyscale"}, "llama2-70b"},
	{"groq/llama2-70b", llmperfFile, []string{"groq"}, "llama2-70b"},
}

// pick returns the answered rows of s and how many were left out because the
// prober got the whole answer in one piece: a mean gap below a quarter of the
// usual one means that some proxy held the tokens back, so neither the first
// token's time nor the gap is the model's.
func pick(d data, s source) (rows []row, dropped int, err error) {
	all := d.fastest
	if s.file == llmperfFile {
		all = d.llmperf
	}
	var gaps []float64
	for _, r := range all {
		if r.model == s.model && slices.Contains(s.providers, r.provider) && usable(r) {
			rows, gaps = append(rows, r), append(gaps, r.inter)
		}
	}
	limit := median(gaps) / 4
	n := len(rows)
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.inter < limit })
	if len(rows) < 20 {
		return nil, 0, fmt.Errorf("%s: %s: only %d usable rows", s.file, s.name, len(rows))
	}
	return rows, n - len(rows), nil
}

func usable(r row) bool { return r.outcome == "ok" && r.first > 0 && r.inter > 0 }

// recordedRegions are where thefastest's probers stood.
var recordedRegions = [...]string{"iad", "sea", "cdg"}

// regional returns the factor of each recorded region on the first token: the
// median over models of the region's median to the geometric mean of the three.
// Models that are themselves served from one named place (azure.*) are left out.
func regional(d data) (factor map[string]float64, models int) {
	by := map[string]map[string][]float64{}
	for _, r := range d.fastest {
		if !usable(r) || strings.Contains(r.provider, "azure") || r.inter < 5e-4 {
			continue
		}
		k := r.provider + "/" + r.model
		if by[k] == nil {
			by[k] = map[string][]float64{}
		}
		by[k][r.region] = append(by[k][r.region], math.Log(r.first))
	}
	logs := map[string][]float64{}
	for _, regions := range by {
		center, whole := 0.0, true
		for _, g := range recordedRegions {
			whole = whole && len(regions[g]) >= 8
			center += median(regions[g]) / float64(len(recordedRegions))
		}
		if !whole {
			continue
		}
		models++
		for _, g := range recordedRegions {
			logs[g] = append(logs[g], median(regions[g])-center)
		}
	}
	factor = map[string]float64{}
	for g, l := range logs {
		factor[g] = math.Exp(median(l))
	}
	return factor, models
}

// autocorrelation pools the lag-1 autocorrelation of ln first token and ln gap
// over latencylab's series, weighted by length, the growth of its prompts
// removed. A negative pool counts as none.
func autocorrelation(d data) (first, inter float64, series, n int) {
	type run struct{ first, inter, prompt []float64 }
	runs := map[string]*run{}
	for _, r := range d.latencylab {
		if !usable(r) {
			continue
		}
		k := r.provider + "/" + r.model
		if runs[k] == nil {
			runs[k] = &run{}
		}
		s := runs[k]
		s.first, s.inter = append(s.first, math.Log(r.first)), append(s.inter, math.Log(r.inter))
		s.prompt = append(s.prompt, r.promptChars)
	}
	for _, name := range slices.Sorted(keys(runs)) {
		s := runs[name]
		first += lag1(s.first, s.prompt) * float64(len(s.first))
		inter += lag1(s.inter, s.prompt) * float64(len(s.inter))
		n += len(s.first)
	}
	return max(0, first/float64(n)), max(0, inter/float64(n)), len(runs), n
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
