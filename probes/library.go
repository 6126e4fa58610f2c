package probes

import (
	"fmt"
	"strings"
)

// libraryEntry is a canary of the starter library with what one probe of it
// uses: an estimate in tokens, at four characters each (one each in Chinese),
// with what a protocol wraps around a prompt. No provider's tokenizer was
// asked. A test holds the figures to that estimate of prompt and good answer.
type libraryEntry struct {
	name          string
	canary        Canary
	input, output int
	good          string // an answer that passes; "" for challenges and tools
}

// Library returns the names of the starter library's canaries, for use in a
// canary's use.
func Library() []string {
	var names []string
	for _, e := range library() {
		names = append(names, e.name)
	}
	return names
}

func libraryOf(name string) (libraryEntry, bool) {
	if name == "" {
		return libraryEntry{}, false
	}
	for _, e := range library() {
		if e.name == name {
			return e, true
		}
	}
	return libraryEntry{}, false
}

// fromLibrary fills what c leaves out from the library's canary that it uses.
func (c Canary) fromLibrary() Canary {
	e, ok := libraryOf(c.Use)
	if !ok {
		return c
	}
	l := e.canary
	if c.Prompt == "" && c.Challenge == "" {
		c.Prompt, c.Challenge, c.UsualTokens = l.Prompt, l.Challenge, or(c.UsualTokens, e.output)
	}
	c.Use, c.Task, c.System, c.MaxTokens = "", or(c.Task, l.Task), or(c.System, l.System), or(c.MaxTokens, l.MaxTokens)
	if c.Temperature == nil && !c.Reasoning {
		c.Temperature = l.Temperature
	}
	if c.Tools == nil {
		c.Tools = l.Tools
	}
	if c.Checks == nil {
		c.Checks = l.Checks
	}
	return c
}

// library is the table of the starter library. Prompts are fixed, so that a
// model's drift shows, or challenges, so that nothing can be memorised.
func library() []libraryEntry {
	zero := new(float64)
	return []libraryEntry{
		{"factual", Canary{Task: "factual", Prompt: "What is the capital of France? Answer with one word.", MaxTokens: 16, Temperature: zero,
			Checks: []CheckSpec{{"contains": "Paris"}, {"max_tokens": 8}}}, 22, 2, "Paris."},
		{"extraction", Canary{Task: "extraction", Challenge: "extraction", MaxTokens: 24, Temperature: zero}, 39, 2, ""},
		{"sentiment", Canary{Task: "sentiment", Challenge: "classification", MaxTokens: 16, Temperature: zero}, 41, 3, ""},
		{"arithmetic", Canary{Task: "arithmetic", Challenge: "arithmetic", MaxTokens: 16, Temperature: zero}, 21, 2, ""},
		{"ordering", Canary{Task: "ordering", Challenge: "ordering", MaxTokens: 48, Temperature: zero}, 40, 10, ""},
		{"json", Canary{Task: "json", Challenge: "json", MaxTokens: 96, Temperature: zero}, 47, 16, ""},
		{"vision", Canary{Task: "vision", Challenge: "vision", MaxTokens: 16, Temperature: zero}, 8632, 1, ""},
		{"reasoning", Canary{Task: "reasoning", Prompt: "Anna is taller than Ben. Ben is taller than Carl. Dora is shorter than Carl. Who is the second shortest? Answer with the name only.", MaxTokens: 32, Temperature: zero,
			Checks: []CheckSpec{{"contains": "Carl"}, {"not_contains": "Dora"}, {"not_contains": "Anna"}, {"not_contains": "Ben"}}}, 41, 2, "Carl."},
		{"code", Canary{Task: "code", Prompt: "Write a Python function is_even(n) that returns True for even whole numbers and False for odd ones. Answer with the code only.", MaxTokens: 128, Temperature: zero,
			Checks: []CheckSpec{{"regex": `def\s+is_even\s*\(\s*\w+`}, {"regex": `return[^\n]*(%\s*2|&\s*1)`}}}, 40, 10, "def is_even(n):\n    return n % 2 == 0"},
		{"tool-use", Canary{Task: "tool-use", Prompt: "What is the weather in Paris right now? Use the tool.", MaxTokens: 96, Temperature: zero,
			Tools: []Tool{{Name: "get_weather", Description: "Returns the present weather of a city.", Parameters: map[string]any{
				"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string", "description": "The city's name"}}, "required": []any{"city"}}}},
			Checks: []CheckSpec{{"tool_call": map[string]any{"name": "get_weather", "arguments": map[string]any{
				"type": "object", "required": []any{"city"}, "properties": map[string]any{"city": map[string]any{"type": "string", "pattern": "(?i)paris"}}}}}}}, 71, 16, ""},
		{"long-context", Canary{Task: "long-context", Prompt: longContext(), MaxTokens: 24, Temperature: zero,
			Checks: []CheckSpec{{"number": map[string]any{"value": 7391, "pick": "any"}}, {"max_tokens": 16}}}, 1999, 1, "7391"},
		{"multilingual-fr", Canary{Task: "multilingual", Prompt: "Explique en une ou deux phrases, en français, pourquoi le ciel est bleu.", MaxTokens: 160, Temperature: zero,
			Checks: []CheckSpec{{"language": "fr"}, {"not_refusal": true}}}, 27, 30, "Le ciel est bleu parce que les molécules de l'air diffusent davantage la lumière bleue que la lumière rouge du soleil."},
		{"multilingual-zh", Canary{Task: "multilingual", Prompt: "请用一两句中文解释天空为什么是蓝色的。", MaxTokens: 160, Temperature: zero,
			Checks: []CheckSpec{{"language": "zh"}, {"not_refusal": true}}}, 27, 22, "天空是蓝色的，因为空气分子散射蓝光比红光更强。"},
		{"drift", Canary{Task: "drift", Prompt: "Describe the sea in about sixty words of plain prose.", MaxTokens: 192, Temperature: zero,
			Checks: []CheckSpec{{"min_tokens": 30}, {"not_refusal": true}, {"language": "en"}}}, 22, 80, "The sea is a wide and restless body of salt water that covers most of the planet. Its surface changes with the wind, from still glass to steep grey waves, and its colour with the sky. Below, the light fades quickly, and life of every size drifts, hunts and hides in the dark. It feeds and warms us, and it takes ships."},
	}
}

// longContext is about two thousand tokens of shelf notes, all alike but for
// their numbers, of which one is asked for.
func longContext() string {
	var b strings.Builder
	b.WriteString("Here are the notes of a warehouse, one on a line.\n")
	things := []string{"lamps", "chairs", "books", "clocks", "plates", "knives", "pillows", "mirrors", "carpets", "candles"}
	for i := range 128 {
		code := 1000 + (i*3677+911)%9000
		name := things[i%len(things)]
		if i == 77 {
			code, name = 7391, "violins"
		}
		fmt.Fprintf(&b, "Shelf %d holds the %s with the code %d, counted twice.\n", i+1, name, code)
	}
	b.WriteString("What is the code of the violins? Answer with the number only.")
	return b.String()
}
