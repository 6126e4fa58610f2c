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

// reply answers a conversation: the last user turn is the question.
func reply(messages []llm.Message, schema json.RawMessage, rng *rand.Rand) answer {
	question := ""
	for _, m := range messages {
		if m.Role == "user" {
			question = messageText(m)
		}
	}
	a := ask(question, rng)
	if len(schema) > 0 {
		return answer{text: bySchema(schema, a.core(question)), known: true}
	}
	if text, ok := byTemplate(question, a.core(question)); ok {
		return answer{text: text, known: true}
	}
	return a
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

// ask answers one question. A question that the tables do not know gets prose.
func ask(q string, rng *rand.Rand) answer {
	lower := strings.ToLower(q)
	if yesNo.MatchString(q) || numberIs.MatchString(q) || compare.MatchString(q) {
		return decide(q, lower, rng)
	}
	if m := echo.FindStringSubmatch(q); m != nil {
		return answer{text: m[1], known: true}
	}
	if m := echoWord.FindStringSubmatch(q); m != nil && upperEcho.MatchString(m[1]) && m[1] != "JSON" {
		return answer{text: m[1], known: true}
	}
	if short, long, ok := look(q, lower); ok {
		return phrase(q, short, long, rng)
	}
	return free(lower, rng)
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

// phrase says an answer as a model would: briefly where that was asked, else
// mostly in a sentence.
func phrase(q, short, long string, rng *rand.Rand) answer {
	roll := rng.IntN(4)
	text := long
	switch {
	case long == "":
		text = short
	case brief.MatchString(q):
		text = short
		if roll == 0 && !strings.HasSuffix(short, ".") {
			text += "."
		}
	case roll == 0:
		text = short
	}
	return answer{text: text, known: true}
}

// decide answers yes or no: computed or looked up, else by the toss of a coin.
func decide(q, lower string, rng *rand.Rand) answer {
	yes := rng.IntN(2) == 0
	if m := capitalIs.FindStringSubmatch(q); m != nil {
		_, city := countryIn(m[2])
		yes = city != "" && strings.EqualFold(city, strings.TrimSpace(m[1]))
	} else if m := compare.FindStringSubmatch(q); m != nil {
		less := strings.Contains("less smaller lower fewer", strings.ToLower(m[2]))
		a, b := atoi(m[1]), atoi(m[3])
		yes = a > b && !less || a < b && less
	} else if m := numberIs.FindStringSubmatch(q); m != nil {
		yes = numberTest(atoi(m[1]), strings.ToLower(m[2]))
	} else {
		for _, s := range statements {
			if containsAll(lower, s.words) {
				yes = s.yes
				break
			}
		}
	}
	words := [2]string{"No", "Yes"}
	if strings.Contains(lower, "true or false") {
		words = [2]string{"False", "True"}
	}
	text := words[0]
	if yes {
		text = words[1]
	}
	if !brief.MatchString(q) && rng.IntN(3) == 0 {
		text += "."
	}
	return answer{text: text, known: true}
}

// free is the answer to a question that the tables do not know.
func free(lower string, rng *rand.Rand) answer {
	var b strings.Builder
	sentence(&b, rng)
	a := answer{text: b.String()}
	if m := wantWords.FindStringSubmatch(lower); m != nil {
		a.words = atoi(m[1])
	} else if strings.Contains(lower, "one sentence") || strings.Contains(lower, "a sentence") {
		a.known = true
	}
	return a
}

// core is the shortest form of an answer, as a JSON field would hold it.
func (a answer) core(q string) string {
	if short, _, ok := look(q, strings.ToLower(q)); ok {
		return short
	}
	return strings.TrimSuffix(a.text, ".")
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // the patterns let through digits only
	return n
}
