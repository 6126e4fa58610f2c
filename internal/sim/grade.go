package sim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// gradeWord fits a system prompt that asks for a grade on a line of its own
// behind a word.
var gradeWord = regexp.MustCompile(`(?i)grade[^.]*\.[\s\S]*\bthe word ([A-Z]+-[0-9a-f]+)\b`)

// grade grades an answer that another model gave, as a judge: what is empty,
// refused, off the point or says itself again and again is bad, all else good.
func grade(system, text string) (string, bool) {
	m := gradeWord.FindStringSubmatch(system)
	if m == nil {
		return "", false
	}
	var in struct{ Answer string }
	_ = json.Unmarshal([]byte(text), &in) // of another shape: nothing to grade
	points := 9
	switch answer := strings.TrimSpace(in.Answer); {
	case answer == "":
		points = 0
	case strings.HasPrefix(answer, refusal[:20]), repeats(answer):
		points = 1
	default:
		for _, off := range offTopics {
			if strings.HasPrefix(answer, off[:min(len(off), len(answer), 30)]) && len(answer) > 20 {
				points = 1
			}
		}
	}
	return fmt.Sprintf("%s %d", m[1], points), true
}

// repeats reports whether a text says few words very often.
func repeats(text string) bool {
	words := strings.Fields(text)
	seen := map[string]bool{}
	for _, w := range words {
		seen[w] = true
	}
	return len(words) > 20 && len(seen)*4 < len(words)
}
