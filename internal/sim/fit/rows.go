package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The recordings, by the names that they are kept under.
const (
	fastestFile    = "thefastest_2024-04-15_04-26.csv"
	llmperfFile    = "llmperf_2023-12.csv"
	latencylabFile = "latencylab_2024-04-12.csv"
	azureFile      = "azure_llm_2023_conv.csv"
)

// row is one recorded call. Times are seconds, 0 where not recorded.
type row struct {
	provider, model, region, outcome string
	first, inter                     float64
	response                         float64 // time to response headers
	promptChars                      float64
}

// data is all that is fitted from.
type data struct {
	fastest, llmperf, latencylab []row
	tokens                       []float64 // generated, one per request
}

func load(dir string) (data, error) {
	var d data
	for name, into := range map[string]*[]row{
		fastestFile: &d.fastest, llmperfFile: &d.llmperf, latencylabFile: &d.latencylab,
	} {
		err := table(filepath.Join(dir, name), func(get func(string) string) {
			*into = append(*into, parseRow(get))
		})
		if err != nil {
			return d, err
		}
	}
	err := table(filepath.Join(dir, azureFile), func(get func(string) string) {
		if n := number(get("GeneratedTokens")); n > 0 {
			d.tokens = append(d.tokens, n)
		}
	})
	return d, err
}

func parseRow(get func(string) string) row {
	note := map[string]float64{}
	for kv := range strings.SplitSeq(get("note"), ";") {
		k, v, _ := strings.Cut(kv, "=")
		note[k] = number(v)
	}
	return row{
		provider: get("provider"), model: get("model"), region: get("region"), outcome: get("outcome"),
		first: number(get("ttft_s")), inter: number(get("itl_s")),
		response: note["ttr"], promptChars: note["in_chars"],
	}
}

// table calls fn for every line of a CSV file; get reads a field by column name.
func table(path string, fn func(get func(string) string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil || len(lines) < 2 {
		return fmt.Errorf("%s: read: %d lines: %w", path, len(lines), err)
	}
	column := map[string]int{}
	for i, name := range lines[0] {
		column[name] = i
	}
	for _, line := range lines[1:] {
		fn(func(name string) string {
			if i, ok := column[name]; ok {
				return line[i]
			}
			return ""
		})
	}
	return nil
}

// number reads a figure; what is none is 0, "not recorded".
func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
