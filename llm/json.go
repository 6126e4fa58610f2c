package llm

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The append functions below write JSON without reflection and, where dst has
// room, without allocation: the stream encoders run once per token.

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
// U+0085, U+2028 and U+2029 are escaped, because some readers of event
// streams take them for line ends.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			if b >= ' ' && b != '"' && b != '\\' {
				i++
				continue
			}
			dst = appendEscape(append(dst, s[start:i]...), b)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			i += size
			start = i
			continue
		}
		i += size
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}

// appendKey appends a member's name to the object that dst ends with, after a
// comma unless it is the first.
func appendKey(dst []byte, key string) []byte {
	dst = appendComma(dst)
	return append(appendString(dst, key), ':')
}

// appendComma appends a comma unless dst ends where a list or object begins.
func appendComma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		dst = append(dst, ',')
	}
	return dst
}

func strField(dst []byte, key, v string) []byte { return appendString(appendKey(dst, key), v) }

func rawField(dst []byte, key string, v []byte) []byte { return append(appendKey(dst, key), v...) }

func intField(dst []byte, key string, v int64) []byte { return appendInt(appendKey(dst, key), v) }

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

func appendFloat32(dst []byte, v float32) []byte {
	return strconv.AppendFloat(dst, float64(v), 'g', -1, 32)
}

func floatField(dst []byte, key string, v float64) []byte {
	return strconv.AppendFloat(appendKey(dst, key), v, 'g', -1, 64)
}

func stringsField(dst []byte, key string, vs []string) []byte {
	dst = append(appendKey(dst, key), '[')
	for _, v := range vs {
		dst = appendString(appendComma(dst), v)
	}
	return append(dst, ']')
}

// fields is a JSON object by its members' names, as read.
type fields map[string]json.RawMessage

// take removes the first of keys that is there and decodes it into v. It
// reports whether one was there and not null. Another type than v's is an
// error naming the key.
func (f fields) take(v any, keys ...string) (bool, error) {
	for _, k := range keys {
		raw, ok := f[k]
		if !ok {
			continue
		}
		delete(f, k)
		if isNull(raw) {
			continue
		}
		if takeScalar(v, raw) {
			return true, nil
		}
		if err := json.Unmarshal(raw, v); err != nil {
			return false, &fieldError{k, err}
		}
		return true, nil
	}
	return false, nil
}

// takeScalar decodes the commonest kinds without reflection. False means: not
// one of them, or of another type than v's.
func takeScalar(v any, raw []byte) (ok bool) {
	switch v := v.(type) {
	case *string:
		s, ok := unquote(raw)
		if ok {
			*v = s
		}
		return ok
	case *bool:
		if ok = string(raw) == "true" || string(raw) == "false"; ok {
			*v = raw[0] == 't'
		}
	case **float64:
		n, err := strconv.ParseFloat(string(raw), 64)
		if ok = err == nil && raw[0] != '"'; ok {
			*v = &n
		}
	case *[]json.RawMessage:
		var list []json.RawMessage
		if ok = walkArray(raw, func(e []byte) bool { list = append(list, e); return true }); ok {
			*v = list
		}
	case *fields:
		f, err := knownFields(raw)
		if ok = err == nil; ok {
			*v = f
		}
	}
	return ok
}

// rest returns what was not taken, nil when nothing is left.
func (f fields) rest() map[string]json.RawMessage {
	if len(f) == 0 {
		return nil
	}
	return f
}

// said returns the names of what was not taken and says something, in order.
func (f fields) said() []string {
	var names []string
	for k, v := range f {
		if !saysNothing(k, v) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// fieldError says which member could not be read.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return e.field + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

func isNull(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

// isEmpty reports whether raw is a value that says nothing: null, "", [], {}.
func isEmpty(raw []byte) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", `""`, "[]", "{}":
		return true
	}
	return false
}

// unquote returns the string that raw is; ok is false when raw is no string.
func unquote(raw []byte) (s string, ok bool) {
	n := len(raw)
	if n < 2 || raw[0] != '"' {
		return "", false
	}
	if inner := raw[1 : n-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// joinText joins the text parts of one message: by a newline, because parts
// are separate pieces (an instruction, a document) and must not run together.
func joinText(parts []string) string { return strings.Join(parts, "\n") }

// cut returns the first n bytes of s at most, whole runes only, valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
