package sim

import (
	"strings"
	"testing"
	"time"
)

func TestModelNamesCarryTheirLatency(t *testing.T) {
	for in, want := range map[string]modelName{
		"m": {Base: "m", First: -1, Inter: -1, Tokens: -1},
		"m?first_token=300ms&inter_token=20ms&tokens=20": {"m", true, 300 * time.Millisecond, 20 * time.Millisecond, 20},
		"m?tokens=0":                 {"m", true, -1, -1, 0},
		"org/m-7b?first_token=0.5":   {"org/m-7b", true, 500 * time.Millisecond, -1, -1},
		"m?inter_token=0&tokens=100": {"m", true, -1, 0, 100},
		"m?":                         {"m", true, -1, -1, -1},
		"?tokens=1":                  {"", true, -1, -1, 1},
	} {
		if got, err := parseModel(in); err != nil || got != want {
			t.Errorf("parseModel(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
}

func TestBadModelOptionsSayWhatToWrite(t *testing.T) {
	for _, in := range []string{"m?speed=1", "m?tokens=x", "m?tokens=-1", "m?tokens=1000001", "m?first_token=fast", "m?first_token=-1s",
		"m?first_token=2h", "m?inter_token=1e300", "m?first_token=NaN", "m?%zz"} {
		if _, err := parseModel(in); err == nil {
			t.Errorf("parseModel(%q) = nil, want an error", in)
		} else if !strings.Contains(err.Error(), "write") && !strings.Contains(in, "%") {
			t.Errorf("parseModel(%q) = %v, want what to write", in, err)
		}
	}
}

func TestNamesGetTheirFamilysProfile(t *testing.T) {
	for name, want := range map[string]string{
		"gpt-4o": "openai/gpt-4-turbo", "gpt-4o-mini": "openai/gpt-3.5-turbo-0125", "gpt-4.1-nano": "openai/gpt-3.5-turbo-0125",
		"gpt-4-1106-preview": "azure/gpt-4-1106-preview", "claude-opus-4-1": "anthropic/claude-3-opus",
		"claude-sonnet-4-5": "anthropic/claude-3-sonnet", "claude-haiku-4-5": "anthropic/claude-3-haiku",
		"gemini-2.5-pro": "google/gemini-1.5-pro", "gemini-2.5-flash": "google/gemini-pro", "Mistral-Large": "octoai/mixtral-8x7b",
		"llama-3.3-70b": "anyscale/llama2-70b", "llama-3.1-8b-instant": "groq/llama2-70b", "no-such-thing": defaultProfile, "": defaultProfile,
		"x?first_token=1s&gpt=1": defaultProfile,
	} {
		if got := ProfileFor(name).Name; got != want {
			t.Errorf("ProfileFor(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestEveryNamedProfileExists(t *testing.T) {
	known := map[string]bool{}
	for _, p := range Profiles() {
		known[p.Name] = true
	}
	for _, n := range profileNames {
		if !known[n.profile] {
			t.Errorf("%v names profile %q, which is not in the table", n.words, n.profile)
		}
	}
	if !known[defaultProfile] {
		t.Errorf("the default profile %q is not in the table", defaultProfile)
	}
}

func FuzzModelName(f *testing.F) {
	f.Add("m?first_token=300ms&inter_token=20ms&tokens=20")
	f.Add("org/m?first_token=0.5")
	f.Add("m?%zz&tokens=")
	f.Fuzz(func(t *testing.T, in string) {
		m, err := parseModel(in)
		if err != nil {
			return
		}
		if strings.Contains(m.Base, "?") || !strings.HasPrefix(in, m.Base) {
			t.Fatalf("parseModel(%q): base %q", in, m.Base)
		}
		if m.First < -1 || m.First > maxNameDuration || m.Inter < -1 || m.Inter > maxNameDuration || m.Tokens < -1 || m.Tokens > maxNameTokens {
			t.Fatalf("parseModel(%q) = %+v, out of range", in, m)
		}
	})
}
