package llm

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNoKeyIsLeftInWhatAProviderSaid(t *testing.T) {
	keys := []string{"sk-proj-aBcDeF0123456789_-xyz", "sk-ant-api03-AAAA_BBBB-CCCC", "sk-abc***********xyz1", "AIzaSyA1234567890abcdefghijk",
		"gsk_0123456789abcdefghij", "xai-0123456789abcdef", "0123456789abcdef0123456789abcdef", "hf_abcdefghijklmnop",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP"}
	for _, k := range keys {
		for _, in := range []string{k, "Incorrect API key provided: " + k + ".", "key=" + k + "&x", `{"token":"` + k + `"}`, "(" + k + ")", "Bearer " + k} {
			for _, p := range chats() {
				c, err := For(p)
				if err != nil {
					t.Fatal(err)
				}
				for _, body := range []string{in, string(c.EncodeError(&Error{Status: 401, Type: "x", Message: in, Code: k}))} {
					e := c.Error(401, nil, []byte(body))
					if said := e.Error() + e.Message + e.Type + e.Code; strings.Contains(said, k) {
						t.Errorf("%s error of %q says %q, which holds the key", p, body, said)
					}
				}
			}
		}
	}
	if got := Redact("the key hunter2hunter2 is wrong", "hunter2hunter2"); strings.Contains(got, "hunter2") {
		t.Errorf("Redact left the known key: %q", got)
	}
}

func TestOrdinaryWordsAreNotTakenForKeys(t *testing.T) {
	for _, s := range []string{
		"The model `gpt-4o-mini-2024-07-18` is risk-free, task-bound", "api key not valid. Please pass a valid API key.",
		"request req_011CSHoEeqs5C35K2UUqR7Fy", "org 01234567-89ab-cdef-0123-456789abcdef", "max_tokens: 5 is too small",
	} {
		if got := redact(s); got != s {
			t.Errorf("redact(%q) = %q, want it unchanged", s, got)
		}
	}
}

func TestMessagesAreCutToWholeCharacters(t *testing.T) {
	for _, in := range []string{strings.Repeat("é", 400), strings.Repeat("a ", 249) + "a🐑", "\xff\xfe" + strings.Repeat("🐑 ", 300)} {
		got := openAI{OpenAI}.Error(500, nil, []byte(in)).Message
		if len(got) > maxMessage || len(got) < maxMessage-4 || !utf8.ValidString(got) {
			t.Errorf("message of %d bytes, valid %v, want at most %d and close to it", len(got), utf8.ValidString(got), maxMessage)
		}
	}
}
