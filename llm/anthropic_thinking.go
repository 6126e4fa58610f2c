package llm

import "regexp"

// unsigned fits a body with a block of thinking that nobody has signed.
var unsigned = regexp.MustCompile(`"signature"\s*:\s*""`)

// withoutUnsigned returns ms without thinking that is not signed: it is what
// another provider's model thought, told to the caller in these words, and
// Anthropic refuses it. What is signed stays as it came.
func withoutUnsigned(ms []Message) []Message {
	var out []Message
	for i, m := range ms {
		raw := m.Raw
		if m.Role == RoleAssistant && raw != nil && unsigned.Match(raw) {
			if out == nil {
				out = append(make([]Message, 0, len(ms)), ms[:i]...)
			}
			content, n := signedBlocks(object(raw)["content"])
			if n == 0 {
				continue
			}
			m.Raw, _ = patched(raw, map[string][]byte{"content": content})
		}
		if out != nil {
			out = append(out, m)
		}
	}
	if out == nil {
		return ms
	}
	return out
}

// signedBlocks returns content without its unsigned thinking, and how many
// blocks that leaves.
func signedBlocks(content []byte) (blocks []byte, n int) {
	blocks = []byte{'['}
	walkArray(content, func(b []byte) bool {
		f := object(b)
		if kind, _ := unquote(f["type"]); kind == "thinking" {
			if s, _ := unquote(f["signature"]); s == "" {
				return true
			}
		}
		n++
		blocks = append(appendComma(blocks), b...)
		return true
	})
	return append(blocks, ']'), n
}
