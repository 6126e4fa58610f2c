package probes

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

// What a reasoning model is given on top.
const (
	reasoningRoom       = 2048 // tokens
	usualReasoning      = 256  // tokens; a guess for estimates of cost
	reasoningTimeout    = 3 * time.Minute
	reasoningFirstToken = 2 * time.Minute
)

// room is the limit of tokens that is sent: the answer's, and that of the
// reasoning before it. c has its defaults filled in.
func (c Canary) room() int {
	if c.Reasoning {
		return c.MaxTokens + reasoningRoom
	}
	return c.MaxTokens
}

// inputTokens estimates the tokens of a canary's prompt, with what a protocol
// wraps around it, its nonce and its tools.
func inputTokens(c Canary) int {
	const wrapping, nonced = 8, 8
	if c.Kind == embeddingKind {
		n := 0
		for _, text := range c.texts() {
			n += wrapping + int(float64(weight(text))/usualRatio+1)
		}
		return n
	}
	chars := weight(c.sample()) + weight(c.System)
	for _, t := range c.tools() {
		chars += 40 + len(t.Name) + len(t.Description) + len(t.Parameters)
	}
	n := wrapping + int(float64(chars)/usualRatio+1)
	if c.Nonce {
		n += nonced
	}
	if made, ok := challengeOf(c.Challenge); ok && made.pictured {
		n += dearestPicture
	}
	return n
}

// weight counts the characters of s, those of scripts without spaces (Chinese,
// Japanese, Thai) as [usualRatio]: most of them are a token each.
func weight(s string) int {
	n := 0
	for _, r := range s {
		if n++; isUnspaced(r) {
			n += usualRatio - 1
		}
	}
	return n
}

// usualOutput guesses the length of a good answer: what the canary, the library
// or the challenge says, what a max_tokens check allows, else a short one.
func usualOutput(c Canary) int {
	n := min(typicalAnswer, c.MaxTokens)
	if c.UsualTokens > 0 {
		n = min(c.UsualTokens, c.MaxTokens)
	} else {
		for _, spec := range c.Checks {
			if most, err := count(spec["max_tokens"]); err == nil {
				n = min(most, c.MaxTokens)
			} else if least, err := count(spec["min_tokens"]); err == nil {
				n = min(max(n, least), c.MaxTokens)
			}
		}
	}
	if c.Reasoning {
		n += usualReasoning
	}
	return n
}

// tools are the canary's tools in no provider's words.
func (c Canary) tools() []llm.Tool {
	var out []llm.Tool
	for _, t := range c.Tools {
		tool := llm.Tool{Name: t.Name, Description: t.Description}
		if t.Parameters != nil {
			tool.Parameters, _ = json.Marshal(t.Parameters) // problems tried it
		}
		out = append(out, tool)
	}
	return out
}

var toolName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$`)

func (c Canary) problems(at string) []conf.Problem {
	p := &problems{at: at}
	p.add(!bellwether.ValidID(c.Name), "name", "use lower-case letters, digits, '.', '_' and '-', such as capital", "%q is not a name", c.Name)
	d := c.WithDefaults()
	p.asked(c, d)
	p.kinds(c, d)
	if _, err := parseSchedule(d.Schedule); err != nil {
		p.add(true, "schedule", `write "@every 30s" or five cron fields such as "*/5 * * * *"`, "%v", err)
	}
	p.add(c.MaxTokens < 0 || c.MaxTokens > 1_000_000, "max_tokens", "write 1 to 1000000", "%d is out of range", c.MaxTokens)
	p.add(c.UsualTokens < 0 || d.worded() && c.UsualTokens > max(0, d.MaxTokens) || c.UsualTokens > 1_000_000, "usual_tokens", "write at most max_tokens", "%d is out of range", c.UsualTokens)
	p.add(c.Temperature != nil && !(*c.Temperature >= 0 && *c.Temperature <= 2), "temperature", "write 0 to 2, or leave it out", "is out of range")
	p.add(c.ColdEvery < -1, "cold_every", "write -1 for never, 0 for the default of 20, or a number", "%d is out of range", c.ColdEvery)
	p.limits(d)
	_, wrong := Compile(c.Checks)
	for _, w := range wrong {
		w.Path = at + ".checks" + w.Path
		p.list = append(p.list, w)
	}
	p.offers(d)
	return p.list
}

// asked checks what the model is asked; d is c with its defaults.
func (p *problems) asked(c, d Canary) {
	_, inLibrary := libraryOf(c.Use)
	p.add(c.Use != "" && !inLibrary, "use", "use one of "+strings.Join(Library(), ", "), "the library has no canary %q", c.Use)
	_, made := challengeOf(c.Challenge)
	p.add(c.Challenge != "" && !made, "challenge", "use one of "+challengeKinds(), "there is no challenge %q", c.Challenge)
	p.add(d.Prompt == "" && d.Challenge == "" && c.Use == "", "prompt", "write what the model is asked, or a challenge, or use a canary of the library", "is missing")
	p.add(c.Prompt != "" && c.Challenge != "", "challenge", "remove one of the two", "stands beside a prompt: the question is made anew each time")
	p.add(len(c.Prompt)+len(c.System) > maxPromptBytes, "prompt", "shorten it", "is longer than 1 MiB")
	p.add(c.Task != "" && !bellwether.ValidID(c.Task), "task", "use lower-case letters, digits, '.', '_' and '-', such as reasoning", "%q is not a name", c.Task)
}

// offers checks the tools, and that checks of calls name one of them.
func (p *problems) offers(d Canary) {
	var names []string
	for i, t := range d.Tools {
		at := fmt.Sprintf("tools[%d]", i)
		p.add(!toolName.MatchString(t.Name), at+".name", "use letters, digits, '_' and '-', such as get_weather", "%q is not a name", t.Name)
		p.add(slices.Contains(names, t.Name), at+".name", "give it another name", "%q stands there twice", t.Name)
		names = append(names, t.Name)
		if t.Parameters == nil {
			continue
		}
		_, err := compileSchema(t.Parameters)
		p.add(err != nil, at+".parameters", "write a JSON schema such as {type: object, properties: {city: {type: string}}}", "%v", err)
		p.add(t.Parameters["type"] != "object", at+".parameters", "write type: object", "are no object")
	}
	for i, spec := range d.Checks {
		want := plain(spec["tool_call"])
		if m, ok := want.(map[string]any); ok {
			want = m["name"]
		}
		name, ok := want.(string)
		p.add(ok && name != "" && !slices.Contains(names, name), fmt.Sprintf("checks[%d].tool_call", i), "offer it under tools", "the canary offers no tool %q", name)
	}
}
