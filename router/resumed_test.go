package router

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether/llm"
)

// However an answer is cut into pieces: what the caller had and what is passed
// on are together the new answer, or nothing at all is passed on.
func TestWhatARestartPassesOnIsTheRestOfItsAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab \u00e9\U0001F469")), 0, 30, -1).Draw(t, "answer")
		had := rapid.StringOfN(rapid.RuneFrom([]rune("ab \u00e9\U0001F469")), 1, 12, -1).Draw(t, "had")
		if rapid.Bool().Draw(t, "agrees") && len(text) > 0 {
			had = text[:rapid.IntRange(1, len(text)).Draw(t, "cut")]
		}
		r := &resumed{expect: had, strict: true}
		passed, agrees := "", true
		for rest := text; agrees && rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			d := llm.Delta{Text: rest[:n], Reasoning: "hm"}
			agrees = r.strip(&d)
			if agrees {
				passed += d.Text
			}
			if d.Reasoning != "" {
				t.Fatal("another model's thoughts were passed on")
			}
			rest = rest[n:]
		}
		if agrees {
			agrees = r.strip(&llm.Delta{Finish: llm.FinishStop})
		}
		switch want := strings.HasPrefix(text, had); {
		case agrees != want:
			t.Fatalf("agrees = %v, want %v", agrees, want)
		case agrees && had+passed != text:
			t.Fatalf("the caller has %q", had+passed)
		case !agrees && passed != "":
			t.Fatalf("%q was passed on of an answer that differs", passed)
		}
	})
}

func TestAContinuationsSpaceIsNotSaidTwice(t *testing.T) {
	for _, tc := range []struct{ had, next, want string }{
		{"  ", "  fox", "fox"}, {" ", "fox", "fox"}, {" \n", " fox", "fox"}, {"", " fox", " fox"}, {"\n\n", "\n\n\nfox", "\nfox"},
	} {
		r := &resumed{expect: tc.had}
		got := ""
		for _, b := range []byte(tc.next) {
			d := llm.Delta{Text: string(b)}
			if !r.strip(&d) {
				t.Fatalf("%q then %q was refused", tc.had, tc.next)
			}
			got += d.Text
		}
		if got != tc.want {
			t.Errorf("after %q %q is passed on as %q, want %q", tc.had, tc.next, got, tc.want)
		}
	}
}
