package sim

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// answer is what the model has to say.
type answer struct {
	text  string
	known bool // of its own length; otherwise text is to be filled with prose
	words int  // the length that the question asks for, in words; 0: none
}

// question is what was understood of one; it does not change from asking to
// asking, only the words of the answer do.
type question struct {
	fixed       string // said so, always
	short, long string // the answer as a word and as a sentence; long may be ""
	brief       bool   // a word was asked for
	coin        bool   // yes or no, and we do not know: short is tossed for
	no          string // what the coin's other side says
	sentence    bool   // prose: one sentence
	words       int    // prose: so many words; 0 as drawn
}

// understand reads a conversation: the last user turn is the question. A
// schema, or a template in the question, makes the answer JSON.
func understand(messages []llm.Message, schema json.RawMessage) question {
	text := ""
	for _, m := range messages {
		if m.Role == "user" {
			text = messageText(m)
		}
	}
	q := read(text)
	if len(schema) > 0 {
		return question{fixed: bySchema(schema, q.core(text))}
	}
	if json, ok := byTemplate(text, q.core(text)); ok {
		return question{fixed: json}
	}
	return q
}

// core is the shortest form of the answer, as a JSON field would hold it.
func (q question) core(text string) string {
	if short, _, ok := look(text, strings.ToLower(text)); ok {
		return short
	}
	switch {
	case q.fixed != "":
		return q.fixed
	case q.short != "":
		return q.short
	}
	return subjects[0]
}

// messageText is a turn's text; of a turn that holds more (images, parts), the
// parts' text.
func messageText(m llm.Message) string {
	if m.Text != "" || len(m.Raw) == 0 {
		return m.Text
	}
	var b strings.Builder
	for _, t := range textField.FindAllSubmatch(m.Raw, 64) {
		var s string
		if json.Unmarshal(t[1], &s) == nil {
			b.WriteString(s + "\n")
		}
	}
	return b.String()
}

var (
	textField  = regexp.MustCompile(`"(?:text|content)"\s*:\s*("(?:[^"\\]|\\.)*")`)
	capitalOf  = regexp.MustCompile(`(?i)capital(?: city)? of ([\p{L} ]+)`)
	capitalIs  = regexp.MustCompile(`(?i)^\W*is ([\p{L} ]+?) the capital(?: city)? of ([\p{L} ]+)`)
	arithmetic = regexp.MustCompile(`(?i)(-?\d{1,9})\s*(\+|-|\*|/|×|÷|x|plus|minus|times|multiplied by|divided by)\s*(-?\d{1,9})`)
	compare    = regexp.MustCompile(`(?i)is (-?\d{1,9}) (greater|larger|bigger|more|higher|less|smaller|lower|fewer) than (-?\d{1,9})`)
	numberIs   = regexp.MustCompile(`(?i)is (?:the number )?(\d{1,6}) (?:an? )?(even|odd|prime)`)
	countTo    = regexp.MustCompile(`(?i)count (?:from )?(\d{1,3}) (?:up )?to (\d{1,3})`)
	countUpTo  = regexp.MustCompile(`(?i)count (?:up )?to (\d{1,3})`)
	echo       = regexp.MustCompile(`(?i)\b(?:say|reply|respond|repeat|output|write|answer)(?: (?:with|only|exactly|just|the|single|one|word|text|phrase|following|back|after me))*\s*:?\s*["“'‘` + "`" + `]([^"”'’` + "`" + `]{1,200})["”'’` + "`" + `]`)
	echoWord   = regexp.MustCompile(`(?i)\b(?:say|reply|respond|repeat|output)(?: (?:with|only|exactly|just|the|single|word|text))*:? ([A-Z0-9]{2,20})\b`)
	backwards  = regexp.MustCompile(`(?i)(?:spell|reverse|write)(?: the word)? ["“']?(\p{L}{1,40})["”']?(?: backwards?|\b.*reverse)`)
	wantWords  = regexp.MustCompile(`(?i)\b(\d{1,4})[ -]words?\b`)
	brief      = regexp.MustCompile(`(?i)one word|single word|only the|just the|word only|number only|only a number|one number|nothing else|one-word|briefly`)
	yesNo      = regexp.MustCompile(`(?i)\byes\b.{0,12}\bno\b|\bno\b.{0,12}\byes\b|\btrue or false\b`)
	upperEcho  = regexp.MustCompile(`^[A-Z0-9]+$`)
)

// read understands one question. One that the tables do not know gets prose.
func read(text string) question {
	lower := strings.ToLower(text)
	q := question{brief: brief.MatchString(text)}
	if yesNo.MatchString(text) || numberIs.MatchString(text) || compare.MatchString(text) {
		return q.decided(text, lower)
	}
	if m := echo.FindStringSubmatch(text); m != nil {
		return question{fixed: m[1]}
	}
	if m := echoWord.FindStringSubmatch(text); m != nil && upperEcho.MatchString(m[1]) && m[1] != "JSON" {
		return question{fixed: m[1]}
	}
	var ok bool
	if q.short, q.long, ok = look(text, lower); ok {
		return q
	}
	if m := wantWords.FindStringSubmatch(lower); m != nil {
		q.words = atoi(m[1])
	}
	q.sentence = q.words == 0 && (strings.Contains(lower, "one sentence") || strings.Contains(lower, "a sentence"))
	return q
}

// look finds a question's short and long answer in the tables, or computes them.
func look(q, lower string) (short, long string, ok bool) {
	if m := capitalOf.FindStringSubmatch(q); m != nil {
		if country, city := countryIn(m[1]); city != "" {
			return city, "The capital of " + country + " is " + city + ".", true
		}
	}
	if m := countTo.FindStringSubmatch(q); m != nil {
		return counting(atoi(m[1]), atoi(m[2])), "", true
	}
	if m := countUpTo.FindStringSubmatch(q); m != nil {
		return counting(1, atoi(m[1])), "", true
	}
	if m := arithmetic.FindStringSubmatch(q); m != nil {
		if v, ok := compute(atoi(m[1]), m[2], atoi(m[3])); ok {
			return v, m[1] + " " + m[2] + " " + m[3] + " is " + v + ".", true
		}
	}
	if m := backwards.FindStringSubmatch(q); m != nil {
		return reversed(m[1]), "", true
	}
	for _, f := range facts {
		if containsAll(lower, f.words) {
			return f.short, f.long, true
		}
	}
	return "", "", false
}

// answer says the answer as a model would: briefly where that was asked, else
// mostly in a sentence.
func (q question) answer(rng *rand.Rand) answer {
	roll := rng.IntN(4)
	switch {
	case q.fixed != "":
		return answer{text: q.fixed, known: true}
	case q.short == "":
		var b strings.Builder
		sentence(&b, rng)
		return answer{text: b.String(), known: q.sentence, words: q.words}
	case q.coin && rng.IntN(2) == 0:
		return answer{text: q.no, known: true}
	case q.long != "" && !q.brief && roll > 0:
		return answer{text: q.long, known: true}
	case q.long != "" && q.brief && roll == 0 && !strings.HasSuffix(q.short, "."):
		return answer{text: q.short + ".", known: true}
	}
	return answer{text: q.short, known: true}
}

// decided answers yes or no: computed or looked up, else by the toss of a coin.
func (q question) decided(text, lower string) question {
	yes, known := verdict(text, lower)
	words := [2]string{"No", "Yes"}
	if strings.Contains(lower, "true or false") {
		words = [2]string{"False", "True"}
	}
	q.short, q.no, q.coin = words[1], words[0], !known
	if known && !yes {
		q.short = words[0]
	}
	q.long = ""
	if known {
		q.long = q.short + "."
	}
	return q
}

// verdict is the answer to a yes-or-no question, if it is known.
func verdict(text, lower string) (yes, known bool) {
	if m := capitalIs.FindStringSubmatch(text); m != nil {
		_, city := countryIn(m[2])
		return city != "" && strings.EqualFold(city, strings.TrimSpace(m[1])), true
	}
	if m := compare.FindStringSubmatch(text); m != nil {
		a, b := atoi(m[1]), atoi(m[3])
		if strings.Contains("less smaller lower fewer", strings.ToLower(m[2])) {
			return a < b, true
		}
		return a > b, true
	}
	if m := numberIs.FindStringSubmatch(text); m != nil {
		return numberTest(atoi(m[1]), strings.ToLower(m[2])), true
	}
	for _, s := range statements {
		if containsAll(lower, s.words) {
			return s.yes, true
		}
	}
	return false, false
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // the patterns let through digits only
	return n
}
