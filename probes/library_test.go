package probes

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

func TestEveryCanaryOfTheLibraryIsValidAndItsGoodAnswerPasses(t *testing.T) {
	bad := "I'm sorry, but I can't help with that."
	for _, e := range library() {
		c := Canary{Name: "x", Use: e.name}
		if ps := (Config{Canaries: []Canary{c}}).Validate(); len(ps) > 0 {
			t.Errorf("%s: %v", e.name, ps)
			continue
		}
		d := c.WithDefaults()
		if d.Use != "" || d.Task == "" || d.Prompt == "" && d.Challenge == "" {
			t.Errorf("%s in full = %+v", e.name, d)
		}
		a := Answer{Text: e.good, Tokens: estimated(e.good), Finish: "stop"}
		if len(d.Tools) > 0 {
			a.ToolCalls = []llm.ToolCall{{Name: "get_weather", Arguments: `{"city": "Paris, France"}`}}
		}
		checks, _ := Compile(d.Checks)
		for _, k := range checks {
			if r := k.Run(a); !r.OK && (e.good != "" || a.ToolCalls != nil) {
				t.Errorf("%s: the good answer fails %s: %s", e.name, r.Name, r.Detail)
			}
		}
		if d.Challenge == "" && passes(checks, bad) {
			t.Errorf("%s: %q passes", e.name, bad)
		}
		if d.MaxTokens < 3*e.output/2 || d.MaxTokens < e.output+8 {
			t.Errorf("%s: max_tokens %d leaves little room for %d", e.name, d.MaxTokens, e.output)
		}
	}
}

// estimated is the estimate that the library's figures are made by.
func estimated(s string) int { return int(math.Ceil(float64(weight(s)) / usualRatio)) }

func TestLibraryCostsWhatItSays(t *testing.T) {
	for _, e := range library() {
		c := Canary{Name: "x", Use: e.name}.WithDefaults()
		if got := inputTokens(c); got != e.input {
			t.Errorf("%s: input = %d tokens, the table says %d", e.name, got, e.input)
		}
		if e.good != "" && estimated(e.good) != e.output {
			t.Errorf("%s: output = %d tokens, the table says %d", e.name, estimated(e.good), e.output)
		}
		if got := usualOutput(c); got != e.output {
			t.Errorf("%s: a plan counts %d tokens of output, the table says %d", e.name, got, e.output)
		}
	}
}

func TestLibrarysPageIsInStep(t *testing.T) {
	page, err := os.ReadFile("../docs/canaries.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range library() {
		kind := "fixed"
		if e.canary.Challenge != "" {
			kind = "challenge: " + e.canary.Challenge
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %d | %d | %d |", e.name, e.canary.Task, kind, e.input, e.output, e.canary.MaxTokens)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/canaries.md lacks the row\n%s", row)
		}
	}
	for _, k := range kinds() {
		if !strings.Contains(string(page), "| `"+k.name+"` |") {
			t.Errorf("docs/canaries.md does not describe the check %s", k.name)
		}
	}
	for _, s := range []bellwether.Signal{textRepetition, textDistinct, textSimilarity, textLength, judgeGrade, judgeTokens, judgeCost} {
		if !strings.Contains(string(page), "| `"+string(s)+"` |") {
			t.Errorf("docs/canaries.md does not describe the signal %s", s)
		}
	}
	for _, code := range languageCodes() {
		if !strings.Contains(string(page), "`"+code+"`") {
			t.Errorf("docs/canaries.md does not name the language %s", code)
		}
	}
}

func TestWhatACanaryWritesTakesThePlaceOfTheLibrarys(t *testing.T) {
	hot := 1.0
	c := Canary{Name: "x", Use: "json", MaxTokens: 200, Temperature: &hot, Task: "mine", Checks: []CheckSpec{{"min_tokens": 1}}}.WithDefaults()
	if c.MaxTokens != 200 || *c.Temperature != 1 || c.Task != "mine" || len(c.Checks) != 1 || c.Challenge != "json" {
		t.Errorf("canary = %+v", c)
	}
	if c := (Canary{Name: "x", Use: "json", Prompt: "mine"}).WithDefaults(); c.Challenge != "" || c.Prompt != "mine" || c.UsualTokens != 0 {
		t.Errorf("canary with a prompt of its own = %+v", c)
	}
	if c := (Canary{Name: "x", Use: "json", Reasoning: true}).WithDefaults(); c.Temperature != nil {
		t.Error("a reasoning model is sent the library's temperature")
	}
}

func TestValidateNamesWhatIsWrongWithWhatIsAsked(t *testing.T) {
	params := map[string]any{"type": "object"}
	cfg := Config{Canaries: []Canary{
		{Name: "a", Use: "nothing"}, {Name: "b", Challenge: "chess"}, {Name: "c", Prompt: "p", Challenge: "json"}, {Name: "d"}, {Name: "e", Prompt: "p", Task: "No Task"},
		{Name: "f", Prompt: "p", Tools: []Tool{{Name: "a b"}, {Name: "f", Parameters: map[string]any{"type": "array"}}, {Name: "f", Parameters: params}}},
		{Name: "g", Prompt: "p", Tools: []Tool{{Name: "f", Parameters: params}}, Checks: []CheckSpec{{"tool_call": "f"}, {"tool_call": map[string]any{"name": "g"}}}},
		{Name: "h", Prompt: "p", Checks: []CheckSpec{{"judge": map[string]any{"target": "x", "criterion": "good"}}, {"judge": map[string]any{"target": "x"}}, {"judge": map[string]any{"target": "x", "criterion": "good", "at_least": 11}}}},
	}}
	var got []string
	for _, p := range cfg.Validate() {
		got = append(got, p.Path)
	}
	want := "canaries[0].use canaries[1].challenge canaries[2].challenge canaries[3].prompt canaries[4].task canaries[5].tools[0].name canaries[5].tools[1].parameters canaries[5].tools[2].name canaries[6].checks[1].tool_call canaries[7].checks[1].judge canaries[7].checks[2].judge"
	if strings.Join(got, " ") != want {
		t.Errorf("problems at\n%s, want\n%s", strings.Join(got, " "), want)
	}
	if ps := cfg.ValidateTargets([]bellwether.Target{{ID: "y"}}); len(ps) != 1 || ps[0].Path != "canaries[7].checks" {
		t.Errorf("ValidateTargets = %v, want the judge that is no target", ps)
	}
}
