package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// thinking is whether and how an answer is preceded by reasoning.
type thinking struct {
	thinks bool
	shown  bool // else only its tokens are counted, and its time is taken
	signed bool
}

// reasons reports whether a model's name says that it reasons.
func reasons(model string) bool {
	lower := strings.ToLower(model)
	for _, start := range []string{"o1", "o3", "o4", "gpt-5"} {
		if strings.HasPrefix(lower, start) {
			return true
		}
	}
	return slices.ContainsFunc([]string{"think", "reason", "-r1", "qwq", "magistral", "gemini-3"}, func(w string) bool { return strings.Contains(lower, w) })
}

// thinkingOf decides how a request is thought about. OpenAI's own models keep
// their reasoning to themselves in chats; Responses and Gemini show it where
// that is asked for, Anthropic always, and so do compatible servers.
func thinkingOf(p llm.Protocol, req llm.Request, model string) thinking {
	t := thinking{thinks: reasons(model), shown: true}
	switch p {
	case llm.Anthropic:
		var asked struct{ Type string }
		if json.Unmarshal(req.Extra["thinking"], &asked) == nil && asked.Type != "" {
			t.thinks = asked.Type != "disabled"
		}
		t.signed = true
	case llm.Responses:
		var asked struct{ Summary, Effort string }
		_ = json.Unmarshal(req.Extra["reasoning"], &asked) // of another shape: nothing asked
		t.signed = bytes.Contains(req.Extra["include"], []byte(`"reasoning.encrypted_content"`))
		t.shown = t.signed || asked.Summary != ""
	case llm.Gemini:
		var asked struct {
			Shown  bool `json:"includeThoughts"`
			Budget *int `json:"thinkingBudget"`
		}
		_ = json.Unmarshal(req.Extra["generationConfig.thinkingConfig"], &asked)
		t.shown = asked.Shown
		t.thinks = (t.thinks || asked.Shown || asked.Budget != nil && *asked.Budget != 0) && (asked.Budget == nil || *asked.Budget != 0)
	case llm.OpenAI, llm.Azure:
		lower := strings.ToLower(model)
		t.shown = !strings.HasPrefix(lower, "o") && !strings.HasPrefix(lower, "gpt-")
	default:
		t.thinks = false
	}
	return t
}

// thought is a train of thought, in tokens.
func thought(rng *rand.Rand) []string {
	return prose("Let me think about what is asked.", 16+rng.IntN(48), rng)
}

// sign is the proof of reasoning, or of a call that followed from it.
func sign(text string) string {
	sum := sha256.Sum256([]byte("bellwether simulator\x00" + text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// standIns are what Gemini takes in place of a signature, as documented.
var standIns = []string{"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}

// checkSignatures refuses what a conversation brings back of our reasoning if
// it is not as it was: Anthropic checks every block of thinking, Gemini 3 the
// first call of each turn since the user last said something.
func checkSignatures(p llm.Protocol, req llm.Request) error {
	switch {
	case p == llm.Anthropic:
		for _, m := range req.Messages {
			if err := checkThinking(m.Raw); err != nil {
				return err
			}
		}
	case p == llm.Gemini && strings.Contains(req.Model, "gemini-3"):
		for _, m := range slices.Backward(req.Messages) {
			if m.Role == llm.RoleUser && m.Text != "" {
				break
			}
			i := slices.IndexFunc(m.Parts, func(p llm.Part) bool { return p.Kind == llm.PartToolCall })
			if i < 0 {
				continue
			}
			switch c := m.Parts[i].Call; {
			case c.Signature == "":
				return wording("Function call `" + c.Name + "` is missing a thought_signature in functionCall parts.")
			case c.Signature != sign(c.Name) && !slices.Contains(standIns, c.Signature):
				return wording("Thought signature is not valid.")
			}
		}
	}
	return nil
}

// wording is an error in a provider's own words.
type wording string

func (w wording) Error() string { return string(w) }

// checkThinking looks at the blocks of one message.
func checkThinking(raw json.RawMessage) error {
	if len(raw) == 0 || !bytes.Contains(raw, []byte(`"thinking"`)) {
		return nil
	}
	var m struct {
		Content []struct{ Type, Thinking, Signature string } `json:"content"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return nil // not a list of blocks
	}
	for _, b := range m.Content {
		if b.Type == "thinking" && b.Signature != sign(b.Thinking) {
			return errors.New("messages: Invalid `signature` in `thinking` block")
		}
	}
	return nil
}
