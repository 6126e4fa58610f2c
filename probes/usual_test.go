package probes

import "testing"

func TestUsualTokensAreNearWhatTokenizersCount(t *testing.T) {
	for s, want := range map[string]int{
		"": 0, " ": 1, "Paris": 1, " Paris.": 2, "What is the capital of France?": 7, "internationalisation": 3, "12345": 2, "日本語": 3, "a  b": 3, "\xff\xfe": 2,
	} {
		if got := usualTokens(s); got != want {
			t.Errorf("usualTokens(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestUsualInputNeverExceedsWhatBudgetsHold(t *testing.T) {
	for _, e := range library() {
		if usual, held := usualInput(e.canary), inputTokens(e.canary); usual <= 0 || float64(usual) > 1.25*float64(held) {
			t.Errorf("%s: usually %d tokens, held %d", e.name, usual, held)
		}
	}
}

func FuzzUsualTokens(f *testing.F) {
	for _, s := range []string{"What is 2 + 2?", "日本", "\xff", "   ", "ab1234"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n := usualTokens(s); n < 0 || n > len(s) || s != "" && n == 0 {
			t.Errorf("usualTokens(%q) = %d", s, n)
		}
	})
}
