package llm

import (
	"bytes"
	"encoding/json"
	"errors"
)

// The functions below walk JSON that json.Valid has passed, without copying or
// reflection. On other input they stop early; they never read out of bounds.

// parseFields reads the object raw; the values are parts of raw. The error of
// what is no JSON is encoding/json's.
func parseFields(raw []byte) (fields, error) {
	if !json.Valid(raw) {
		return nil, json.Unmarshal(raw, &json.RawMessage{})
	}
	return knownFields(raw)
}

// knownFields is parseFields for a part of JSON that was found valid.
func knownFields(raw []byte) (fields, error) {
	f := fields{}
	ok := walkObject(raw, func(key, value []byte) bool {
		f[nameOf(key)] = value
		return true
	})
	if !ok {
		return nil, errors.New(cut(string(raw), 20) + " in place of an object")
	}
	return f, nil
}

// nameOf returns the name that key is, without allocating those that requests
// have as a rule.
func nameOf(key []byte) string {
	switch string(key) {
	case `"model"`:
		return "model"
	case `"messages"`:
		return "messages"
	case `"stream"`:
		return "stream"
	case `"stream_options"`:
		return "stream_options"
	case `"max_tokens"`:
		return "max_tokens"
	case `"max_completion_tokens"`:
		return "max_completion_tokens"
	case `"temperature"`:
		return "temperature"
	case `"tools"`:
		return "tools"
	case `"role"`:
		return "role"
	case `"content"`:
		return "content"
	}
	name, _ := unquote(key)
	return name
}

// keyIs reports whether key is name.
func keyIs(key []byte, name string) bool {
	if bytes.IndexByte(key, '\\') >= 0 {
		k, _ := unquote(key)
		return k == name
	}
	return len(key) >= 2 && string(key[1:len(key)-1]) == name
}

// walkObject calls f with each member of the object raw, the key still quoted,
// until f returns false. It reports whether raw is an object and f never
// returned false.
func walkObject(raw []byte, f func(key, value []byte) bool) bool {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return false
	}
	for i = skipSpace(raw, i+1); i < len(raw) && raw[i] != '}'; {
		end := skipValue(raw, i)
		key := raw[i:end]
		i = skipSpace(raw, skipSpace(raw, end)+1) // the colon
		end = skipValue(raw, min(i, len(raw)))
		if i >= end || !f(key, raw[i:end]) {
			return false
		}
		if i = skipSpace(raw, end); i < len(raw) && raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return true
}

// walkArray calls f with each element of the array raw, as walkObject does.
func walkArray(raw []byte, f func(value []byte) bool) bool {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '[' {
		return false
	}
	for i = skipSpace(raw, i+1); i < len(raw) && raw[i] != ']'; {
		end := skipValue(raw, i)
		if i >= end || !f(raw[i:end]) {
			return false
		}
		if i = skipSpace(raw, end); i < len(raw) && raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return true
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r', ':':
			return i
		}
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}
