package llm

import (
	"encoding/json"
	"strconv"
)

// kin is a field that several dialects have, each by a name of its own, and
// that has no place in [Request].
type kin struct {
	names map[Protocol]string
	// to reads the value in one dialect and write says it in another; nil: it
	// is the same in all. ok is false for what the other dialect cannot say.
	to func(from, to Protocol, value []byte) (out []byte, ok bool)
}

// kins are the rows of the table of such fields.
func kins() []kin {
	return []kin{
		{names: map[Protocol]string{OpenAI: "n", Gemini: "generationConfig.candidateCount"}},
		{names: map[Protocol]string{OpenAI: "presence_penalty", Gemini: "generationConfig.presencePenalty"}},
		{names: map[Protocol]string{OpenAI: "frequency_penalty", Gemini: "generationConfig.frequencyPenalty"}},
		{names: map[Protocol]string{Anthropic: "top_k", Gemini: "generationConfig.topK"}},
		{names: map[Protocol]string{OpenAI: "metadata", Responses: "metadata"}},
		{names: map[Protocol]string{OpenAI: "prompt_cache_key", Responses: "prompt_cache_key"}},
		{names: map[Protocol]string{OpenAI: "safety_identifier", Responses: "safety_identifier"}},
		{names: map[Protocol]string{OpenAI: "service_tier", Responses: "service_tier"}},
		{names: map[Protocol]string{OpenAI: "verbosity", Responses: "text.verbosity"}},
		{names: map[Protocol]string{OpenAI: "reasoning_effort", Responses: "reasoning"}, to: kindredEffort},
		{names: map[Protocol]string{Anthropic: "thinking", Gemini: "generationConfig.thinkingConfig"}, to: kindredThinking},
		{names: map[Protocol]string{OpenAI: schemaField, Responses: "text.format", Gemini: "generationConfig.responseMimeType"}, to: kindredFormat},
	}
}

// kindred returns those of r's extra fields that p has too, in its words, and
// the names in r's words that they had.
func (r Request) kindred(p Protocol) (said map[string]json.RawMessage, names []string) {
	if len(r.Extra) == 0 {
		return nil, nil
	}
	from, to := r.Dialect.dialect(), p.dialect()
	for _, k := range kins() {
		name, theirs := k.names[from], k.names[to]
		raw, is := r.Extra[name]
		if !is || name == "" || theirs == "" || saysNothing(name, raw) || name == schemaField && r.JSONSchema != nil {
			continue
		}
		if k.names[OpenAI] == "n" && r.Stream {
			continue // several answers in one stream are read in their own dialect only
		}
		value, ok := []byte(raw), true
		if k.to != nil {
			value, ok = k.to(from, to, raw)
		}
		if !ok {
			continue
		}
		if said == nil {
			said = map[string]json.RawMessage{}
		}
		said[theirs], names = value, append(names, name)
	}
	return said, names
}

// kindredEffort turns reasoning_effort into reasoning.effort, and back.
func kindredEffort(_, to Protocol, value []byte) ([]byte, bool) {
	if to == Responses {
		return append(rawField([]byte{'{'}, "effort", value), '}'), true
	}
	f := object(value)
	return f["effort"], !isNull(f["effort"]) && onlyKeys(f, "effort", "summary")
}

// kindredThinking turns a budget of thoughts into the other's.
func kindredThinking(_, to Protocol, value []byte) ([]byte, bool) {
	f := object(value)
	if to == Gemini {
		switch kind, _ := unquote(f["type"]); {
		case kind == "disabled" && onlyKeys(f, "type"):
			return []byte(`{"thinkingBudget":0}`), true
		case kind == "enabled" && !isNull(f["budget_tokens"]) && onlyKeys(f, "type", "budget_tokens"):
			return append(rawField([]byte{'{'}, "thinkingBudget", f["budget_tokens"]), `,"includeThoughts":true}`...), true
		}
		return nil, false
	}
	n, err := strconv.Atoi(string(f["thinkingBudget"]))
	switch {
	case err != nil || !onlyKeys(f, "thinkingBudget", "includeThoughts"):
		return nil, false
	case n == 0:
		return []byte(`{"type":"disabled"}`), true
	}
	return append(intField([]byte(`{"type":"enabled"`), "budget_tokens", int64(n)), '}'), n >= 1024 // the least that Anthropic takes
}

// kindredFormat turns a wish for any JSON into the other's.
func kindredFormat(from, to Protocol, value []byte) ([]byte, bool) {
	if from == Gemini {
		if s, _ := unquote(value); s != "application/json" {
			return nil, false
		}
	} else if f := object(value); string(f["type"]) != `"json_object"` || !onlyKeys(f, "type") {
		return nil, false
	}
	if to == Gemini {
		return []byte(`"application/json"`), true
	}
	return []byte(`{"type":"json_object"}`), true
}

// Choices returns how many answers r asks for, 1 where it does not say or says
// nonsense, which is the provider's to refuse.
func (r Request) Choices() int {
	n := 1
	for _, name := range []string{"n", "generationConfig.candidateCount"} {
		if raw := r.Extra[name]; !isNull(raw) && (json.Unmarshal(raw, &n) != nil || n < 1) {
			return 1
		}
	}
	return n
}
