package llm

import (
	"bytes"
	"encoding/json"
)

// passed returns r's whole body as it came, with only what routing changes
// changed: the model's name, and whatever else set names. A member that was not
// there is added; nil takes one away. ok is false where r has no body in the
// words of p. O(body), without decoding values.
func (r Request) passed(p Protocol, set map[string][]byte) (body []byte, ok bool) {
	if r.Body == nil || r.foreign(p) {
		return nil, false
	}
	return patched(r.Body, set)
}

// patched returns the object raw with the members in set replaced, or added
// behind the others. A nil value takes a member away. ok is false where raw is
// no object.
func patched(raw []byte, set map[string][]byte) (out []byte, ok bool) {
	extra := 0
	for k, v := range set {
		extra += len(k) + len(v) + 4
	}
	out = append(make([]byte, 0, len(raw)+extra), '{')
	done := make(map[string]bool, len(set))
	ok = walkObject(raw, func(key, value []byte) bool {
		name := nameOf(key)
		if v, is := set[name]; is {
			if done[name] || v == nil {
				return true
			}
			done[name], value = true, v
		}
		out = append(append(append(appendComma(out), key...), ':'), value...)
		return true
	})
	if len(done) == len(set) {
		return append(out, '}'), ok
	}
	for _, k := range sortedKeys(asRaw(set)) {
		if !done[k] && set[k] != nil {
			out = rawField(out, k, set[k])
		}
	}
	return append(out, '}'), ok
}

func asRaw(m map[string][]byte) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// member returns a member of the object raw, nil where there is none. Of one
// that is there twice it is the last, as with encoding/json.
func member(raw []byte, name string) (value []byte) {
	walkObject(raw, func(key, v []byte) bool {
		if keyIs(key, name) {
			value = v
		}
		return true
	})
	return value
}

// pass returns the body to send where r came in the same dialect and its
// endpoint takes it as it is.
func (c openAI) pass(e Endpoint, r Request) ([]byte, bool) {
	if r.Body == nil || r.foreign(c.p) {
		return nil, false
	}
	field := maxTokensField(e, r.Model)
	for _, other := range []string{"max_tokens", "max_completion_tokens"} {
		if r.MaxTokens > 0 && other != field && !isNull(member(r.Body, other)) {
			return nil, false // to be said by the other name
		}
	}
	if (c.p == Azure || isOpenAIs(e.BaseURL)) && bytes.Contains(r.Body, []byte("thought_signature")) {
		return nil, false
	}
	set := map[string][]byte{"model": appendString(nil, r.Model)}
	if r.Stream {
		opts := member(r.Body, "stream_options")
		if asked := string(member(opts, "include_usage")) == "true"; asked != r.StreamUsage {
			set["stream_options"] = streamOptions(opts, r.StreamUsage)
		}
	}
	return r.passed(c.p, set)
}

// streamOptions returns a caller's options with the usage asked for or not.
func streamOptions(opts []byte, usage bool) []byte {
	if isNull(opts) {
		opts = []byte("{}")
	}
	var v []byte
	if usage {
		v = []byte("true")
	}
	out, ok := patched(opts, map[string][]byte{"include_usage": v})
	if !ok || string(out) == "{}" {
		return nil
	}
	return out
}

// modelPass is pass where only the model is changed.
func modelPass(p Protocol, r Request) ([]byte, bool) {
	return r.passed(p, map[string][]byte{"model": appendString(nil, r.Model)})
}
