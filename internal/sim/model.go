package sim

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// profileNames says which profile answers for a model: the first entry all of
// whose words occur in the name. The recordings are of 2024's models; a name
// of today gets the profile of its family's place in the line.
var profileNames = [...]struct {
	words   []string
	profile string
}{
	{[]string{"gpt-4-1106"}, "azure/gpt-4-1106-preview"},
	{[]string{"gpt", "mini"}, "openai/gpt-3.5-turbo-0125"},
	{[]string{"gpt", "nano"}, "openai/gpt-3.5-turbo-0125"},
	{[]string{"gpt-3.5"}, "openai/gpt-3.5-turbo-0125"},
	{[]string{"gpt"}, "openai/gpt-4-turbo"},
	{[]string{"opus"}, "anthropic/claude-3-opus"},
	{[]string{"sonnet"}, "anthropic/claude-3-sonnet"},
	{[]string{"haiku"}, "anthropic/claude-3-haiku"},
	{[]string{"claude"}, "anthropic/claude-3-sonnet"},
	{[]string{"gemini", "flash"}, "google/gemini-pro"},
	{[]string{"gemini"}, "google/gemini-1.5-pro"},
	{[]string{"mixtral"}, "octoai/mixtral-8x7b"},
	{[]string{"mistral"}, "octoai/mixtral-8x7b"},
	{[]string{"llama", "instant"}, "groq/llama2-70b"},
	{[]string{"llama", "8b"}, "groq/llama2-70b"},
	{[]string{"llama"}, "anyscale/llama2-70b"},
}

// defaultProfile answers for names that say nothing.
const defaultProfile = "openai/gpt-3.5-turbo-0125"

// Profiles returns a copy of the fitted profiles.
func Profiles() []Profile { return slices.Clone(profiles[:]) }

// ProfileFor returns the profile that answers for a model's name. Options in
// the name are ignored.
func ProfileFor(model string) Profile {
	model, _, _ = strings.Cut(strings.ToLower(model), "?")
	want := defaultProfile
	for _, n := range profileNames {
		if !slices.ContainsFunc(n.words, func(w string) bool { return !strings.Contains(model, w) }) {
			want = n.profile
			break
		}
	}
	i := slices.IndexFunc(profiles[:], func(p Profile) bool { return p.Name == want })
	return profiles[i]
}

// modelName is a model's name as it was asked for, taken apart. What its
// options do not say is -1.
type modelName struct {
	Base  string // before the '?'
	Exact bool   // options were given: no noise, no unscripted errors
	First time.Duration
	Inter time.Duration
	// Tokens is the answer's length before max_tokens cuts it.
	Tokens int
}

// Limits of what a name may ask for, so that one request cannot hold a
// connection or the memory for ever.
const (
	maxNameDuration = time.Hour
	maxNameTokens   = 100_000
)

// parseModel reads "m?first_token=300ms&inter_token=20ms&tokens=20".
func parseModel(name string) (modelName, error) {
	m := modelName{First: -1, Inter: -1, Tokens: -1}
	base, options, ok := strings.Cut(name, "?")
	m.Base = base
	if !ok {
		return m, nil
	}
	values, err := url.ParseQuery(options)
	if err != nil {
		return m, fmt.Errorf("model options %q: %w", options, err)
	}
	m.Exact = true
	for key, v := range values {
		value := v[len(v)-1]
		switch key {
		case "first_token":
			m.First, err = nameDuration(value)
		case "inter_token":
			m.Inter, err = nameDuration(value)
		case "tokens":
			m.Tokens, err = nameTokens(value)
		default:
			err = fmt.Errorf("unknown: write first_token, inter_token or tokens")
		}
		if err != nil {
			return m, fmt.Errorf("model option %q: %w", key, err)
		}
	}
	return m, nil
}

func nameDuration(s string) (time.Duration, error) {
	d, err := parseSeconds(s)
	if err != nil || d < 0 || d > maxNameDuration {
		return 0, fmt.Errorf("%q: write a duration from 0s to 1h, such as 300ms", s)
	}
	return d, nil
}

func nameTokens(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxNameTokens {
		return 0, fmt.Errorf("%q: write a whole number from 0 to %d", s, maxNameTokens)
	}
	return n, nil
}

// parseSeconds reads "300ms", "10s" or a number of seconds.
func parseSeconds(s string) (time.Duration, error) {
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		return secondsDuration(v)
	}
	return time.ParseDuration(s)
}

// secondsDuration turns seconds into a duration; what no duration can hold is
// an error.
func secondsDuration(v float64) (time.Duration, error) {
	if !(v > -9e9 && v < 9e9) {
		return 0, fmt.Errorf("%v is out of range", v)
	}
	return time.Duration(v * float64(time.Second)), nil
}
