package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// maxCalls bounds the tool calls of one answer.
const maxCalls = 8

// answered returns the results of tools since the user last said something,
// nil when the conversation does not end with one.
func answered(messages []llm.Message) []string {
	var out []string
	for i, m := range slices.Backward(messages) {
		var results []string
		for _, p := range m.Parts {
			if p.Kind == llm.PartToolResult {
				results = append(results, strings.TrimSpace(p.Text))
			}
		}
		if results == nil && (i == len(messages)-1 || m.Role == llm.RoleUser) {
			break
		}
		out = append(results, out...)
	}
	return out
}

// googleTools are the functions that a Gemini request declares in Google's own
// form of schema, which the codec leaves as they are.
func googleTools(raw json.RawMessage) []llm.Tool {
	var lists []struct {
		Functions []struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Parameters  json.RawMessage `json:"parameters"`
			JSONSchema  json.RawMessage `json:"parametersJsonSchema"`
		} `json:"functionDeclarations"`
	}
	if json.Unmarshal(raw, &lists) != nil {
		return nil
	}
	var out []llm.Tool
	for _, l := range lists {
		for _, f := range l.Functions {
			parameters := f.Parameters
			if len(f.JSONSchema) > 0 {
				parameters = f.JSONSchema
			}
			out = append(out, llm.Tool{Name: f.Name, Description: f.Description, Parameters: parameters})
		}
	}
	return out
}

var toolWord = regexp.MustCompile(`(?i)\b(?:tools?|functions?)\b`)

// makeCalls decides which tools the answer calls: those that it must, and
// those whose names or descriptions the question speaks of. After results
// there are none, unless there must be.
func (q question) makeCalls(t task, rng *rand.Rand) []llm.ToolCall {
	choice := t.req.ToolChoice
	must := choice.Mode == llm.ToolRequired || choice.Mode == llm.ToolNamed
	if len(t.req.Tools) == 0 || choice.Mode == llm.ToolNone || len(q.results) > 0 && !must {
		return nil
	}
	var wanted []llm.Tool
	for _, tool := range t.req.Tools {
		switch {
		case choice.Mode == llm.ToolNamed && tool.Name == choice.Name, choice.Mode != llm.ToolNamed && speaksOf(q.text, tool):
			wanted = append(wanted, tool)
		}
	}
	if len(wanted) == 0 && (must || toolWord.MatchString(q.text)) && choice.Mode != llm.ToolNamed {
		wanted = t.req.Tools[:1]
	}
	var calls []llm.ToolCall
	for _, tool := range wanted {
		for _, arguments := range q.arguments(tool) {
			calls = append(calls, llm.ToolCall{ID: callID(t.speak.Protocol(), rng), Name: tool.Name, Arguments: arguments})
		}
	}
	calls = calls[:min(len(calls), maxCalls)]
	if t.req.OneToolCall {
		calls = calls[:min(len(calls), 1)]
	}
	if len(calls) > 0 && t.speak.Protocol() == llm.Gemini && reasons(t.req.Model) {
		calls[0].Signature = sign(calls[0].Name) // parallel calls have one, the first
	}
	return calls
}

// callID names a call as its protocol does. Gemini has no names for them.
func callID(p llm.Protocol, rng *rand.Rand) string {
	prefix := "call_"
	switch p {
	case llm.Anthropic:
		prefix = "toolu_"
	case llm.Gemini:
		return ""
	}
	return fmt.Sprintf("%s%016x%08x", prefix, rng.Uint64(), rng.Uint32())
}

// commonWords say nothing of what a tool is for.
var commonWords = map[string]bool{"present": true, "returns": true, "return": true, "tool": true, "with": true, "that": true, "this": true,
	"from": true, "into": true, "given": true, "find": true, "fetch": true, "lookup": true, "search": true, "list": true, "make": true, "value": true,
	"current": true, "name": true, "for": true, "get": true, "the": true, "set": true, "and": true, "data": true, "info": true, "text": true}

var wordIn = regexp.MustCompile(`\pL{3,}`)

// speaksOf reports whether a question has a word of the tool's name.
func speaksOf(question string, t llm.Tool) bool {
	lower := strings.ToLower(question)
	name := strings.ToLower(splitCamel.ReplaceAllString(t.Name, "$1 $2"))
	for _, w := range wordIn.FindAllString(strings.ReplaceAll(name, "_", " "), 16) {
		if !commonWords[w] && strings.Contains(lower, w) {
			return true
		}
	}
	return false
}

var splitCamel = regexp.MustCompile(`(\p{Ll})(\p{Lu})`)
