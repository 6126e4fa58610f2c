package sim

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"

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
	topic       string // prose: what it is to be about, if that was said

	text    string   // what was asked
	results []string // what tools have answered since
}

// understand reads a conversation: the last user turn is the question, unless
// tools have answered since. A schema, or a template in the question, makes the
// answer JSON.
func understand(req llm.Request) question {
	text, system := "", ""
	var pictures []llm.Part
	for _, m := range req.Messages {
		said := messageText(m)
		switch {
		case m.Role == llm.RoleSystem:
			system += said + "\n"
		case m.Role == llm.RoleUser && (said != "" || len(m.Parts) > 0):
			if said != "" {
				text = said
			}
			pictures = m.Parts
		}
	}
	q := question{}
	results := answered(req.Messages)
	if graded, ok := grade(system, text); ok {
		q = question{fixed: graded}
	} else if seen, ok := look(text, pictures); ok {
		q = seen
	} else if len(results) > 0 {
		q = question{fixed: toldBy(results)}
	} else {
		q = read(text)
	}
	text = focusOf(text)
	q.text, q.results = text, results
	if len(req.JSONSchema) > 0 {
		q.fixed = bySchema(req.JSONSchema, q.gist(focusOf(strings.Join(append(results, text), "\n"))), false)
	} else if len(results) == 0 && jsonWord.MatchString(text) {
		if json, ok := byTemplate(text, q.gist(text)); ok {
			q.fixed = json
		}
	}
	return q
}

// maxRemembered bounds the questions of a [memory], and maxRememberedText the
// length of each, in bytes.
const (
	maxRemembered     = 1024
	maxRememberedText = 16 << 10
)

// memory remembers what was understood of questions, which canaries ask again
// and again. Safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	known map[[2]string]question
}

// understand is [understand] for the price of a look where the same was asked
// before, in one turn of words alone.
func (m *memory) understand(req llm.Request) question {
	var key [2]string
	for i, msg := range req.Messages {
		plain := msg.Parts == nil && msg.Raw == nil && len(msg.Text) <= maxRememberedText
		switch {
		case plain && msg.Role == llm.RoleSystem && i == 0:
			key[0] = msg.Text
		case plain && msg.Role == llm.RoleUser && i == len(req.Messages)-1:
			key[1] = msg.Text
		default:
			return understand(req)
		}
	}
	if key[1] == "" || len(req.JSONSchema) > 0 {
		return understand(req)
	}
	m.mu.Lock()
	q, ok := m.known[key]
	m.mu.Unlock()
	if ok {
		return q
	}
	q = understand(req)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxRemembered {
		m.known = map[[2]string]question{}
	}
	m.known[key] = q
	return q
}

// toldBy passes on what tools said.
func toldBy(results []string) string {
	said := strings.Join(results, " and ")
	if r := []rune(said); len(r) > 400 {
		said = string(r[:400])
	}
	return "Here is what I found: " + said
}

// gist is what the question offers to fill JSON with.
func (q question) gist(text string) *gist {
	switch {
	case len(q.results) > 0:
		return newGist(text, q.results[0], false)
	case q.fixed != "":
		return newGist(text, q.fixed, true)
	case q.short != "":
		return newGist(text, q.short, !q.coin)
	}
	if short, _, ok := known(text, strings.ToLower(text)); ok {
		return newGist(text, short, true)
	}
	return newGist(text, subjects[0], false)
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
	wantWords  = regexp.MustCompile(`(?i)\b(\d{1,4}|\pL+)[ -]words?\b`)
	topicOf    = regexp.MustCompile(`(?i)\b(?:(?:story|poem|tale|essay|letter|paragraph|text|song)\b[^.?!]*?\babout|describe) ((?:an?|the|my|your|two|some) [^.?!,;:]{2,80}?)(?: in (?:about|one|two|\d)|[.?!,;:]|$)`)
	brief      = regexp.MustCompile(`(?i)one word|single word|only the|just the|word only|number only|only a number|one number|nothing else|one-word|briefly`)
	yesNo      = regexp.MustCompile(`(?i)\byes\b.{0,12}\bno\b|\bno\b.{0,12}\byes\b|\btrue or false\b`)
	upperEcho  = regexp.MustCompile(`^[A-Z0-9]+$`)
)

// numerals are numbers as words.
var numerals = map[string]int{"five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
	"forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}

// read understands one question. One that the tables do not know gets prose.
func read(all string) question {
	text := focusOf(all)
	lower := strings.ToLower(text)
	q := question{brief: brief.MatchString(text)}
	if short, long, ok := solve(all, text); ok {
		q.short, q.long = short, long
		return q
	}
	if code := tongueOf(text); code != "" {
		return question{fixed: abroad(text, code)}
	}
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
	if q.short, q.long, ok = known(text, lower); ok {
		return q
	}
	if m := wantWords.FindStringSubmatch(lower); m != nil {
		if q.words = atoi(m[1]); q.words == 0 {
			q.words = numerals[m[1]]
		}
	}
	if m := topicOf.FindStringSubmatch(text); m != nil {
		q.topic = strings.TrimSpace(m[1])
	}
	q.sentence = q.words == 0 && (strings.Contains(lower, "one sentence") || strings.Contains(lower, "a sentence"))
	return q
}

// known finds a question's short and long answer in the tables, or computes them.
func known(q, lower string) (short, long string, ok bool) {
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
	if m := arithmetic.FindStringSubmatch(dateIn.ReplaceAllString(q, "")); m != nil {
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
		if q.topic != "" {
			b.WriteString("This is about " + q.topic + ".")
		}
		phrase(&b, rng)
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
