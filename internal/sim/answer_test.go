package sim

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether/llm"
)

// said answers a question under several seeds.
func said(q string, schema string) []string {
	var out []string
	for seed := range uint64(8) {
		a := understand(llm.Request{Messages: []llm.Message{{Role: "system", Text: "You are terse."}, {Role: "user", Text: q}}, JSONSchema: json.RawMessage(schema)}).answer(rand.New(rand.NewPCG(seed, 1)))
		out = append(out, a.text)
	}
	return out
}

func TestSensibleCanariesAreAnsweredCorrectly(t *testing.T) {
	for q, want := range map[string]string{
		"What is the capital of France? Answer with one word.": `^Paris\.?$`,
		"[x7f3] What is the capital of France?":                `Paris`,
		"Name the capital city of New Zealand, nothing else.":  `^Wellington\.?$`,
		"What's the capital of the United States?":             `Washington`,
		"What is the capital of japan in one word":             `^Tokyo\.?$`,
		"What is 17 + 25?": `\b42\b`,
		"What is 17+25? Answer with only the number.":               `^42\.?$`,
		"Compute 12 times 12. Just the number.":                     `^144\.?$`,
		"What is 7 divided by 2?":                                   `3\.5`,
		"What is 100 - 58?":                                         `\b42\b`,
		"Is Paris the capital of France? Answer yes or no.":         `^Yes\.?$`,
		"Is Lyon the capital of France? Answer yes or no.":          `^No\.?$`,
		"Is 17 greater than 25? Answer yes or no.":                  `^No\.?$`,
		"Is 7 smaller than 9? yes/no":                               `^Yes\.?$`,
		"Is 91 prime? Answer yes or no.":                            `^No\.?$`,
		"Is 97 a prime number?":                                     `^Yes\.?$`,
		"Is 12 even? Answer yes or no.":                             `^Yes\.?$`,
		"Is the sky blue on a clear day? Answer yes or no.":         `^Yes\.?$`,
		"Is fire cold? Answer with yes or no only.":                 `^No\.?$`,
		"The earth is flat. True or false?":                         `^False\.?$`,
		"Answer yes or no.":                                         `^(Yes|No)\.?$`,
		"List three primary colors.":                                `(?i)red.*yellow.*blue`,
		"Reply with the single word PONG.":                          `^PONG$`,
		`Say "hello there" and nothing else.`:                       `^hello there$`,
		"Respond with exactly: OK":                                  `^OK$`,
		"Count from 1 to 5.":                                        `^1, 2, 3, 4, 5$`,
		"Count to 3":                                                `^1, 2, 3$`,
		"Count from 3 to 1":                                         `^3, 2, 1$`,
		"How many days are in a week? Number only.":                 `^7\.?$`,
		"Translate hello to French, one word.":                      `^Bonjour\.?$`,
		`Spell "sheep" backwards.`:                                  `^peehs$`,
		`Reply with JSON only: {"city": "<the capital of France>"}`: `^\{"city":"Paris"\}$`,
		`What is the capital of Japan? Reply with JSON like {"city": "...", "ok": true}`:                       `^\{"city":"Tokyo","ok":true\}$`,
		`Capital of Spain? Answer as JSON {"country": "...", "city": "..."}`:                                   `^\{"city":"Madrid","country":"Spain"\}$`,
		`What is 2 + 3? Return JSON: {"sum": 0, "steps": ["..."]}`:                                             `^\{"steps":\["5"\],"sum":5\}$`,
		"Write one sentence about rivers.":                                                                     `^[A-Z][^.]*\.$`,
		"Tell a story of about 80 words about a lighthouse keeper and a lost goat.":                            `^This is about a lighthouse keeper and a lost goat\. \w`,
		"Describe the sea in about sixty words of plain prose.":                                                `^This is about the sea\. \w`,
		"Sort these numbers in descending order: 3, 17, 5.":                                                    `^17, 5, 3$`,
		"Tom is older than Ann. Kim is younger than Ann. Who is the oldest?":                                   `Tom`,
		"Tom is older than Ann. Kim is younger than Ann. Who is the second youngest?":                          `Ann`,
		"Write a Python function add(x, y). Code only.":                                                        `^def add\(x, y\):\n    return x \+ y$`,
		"The shelf with the lamps has the code 44. What is the code of the lamps?":                             `44`,
		`Review: "It broke at once." Is it positive or negative? One word.`:                                    `^negative\.?$`,
		"Pourquoi le ciel est bleu ? Réponds en une phrase en français.":                                       `^Le ciel est bleu`,
		"Warum ist der Himmel blau? Antworte in zwei Sätzen auf Deutsch.":                                      `^Der Himmel`,
		`Ann Lee is 31 years old. Answer with a JSON object with the keys "name" (string) and "age" (number).`: `^\{"age":31,"name":"Ann Lee"\}$`,
		"What is 1 divided by 0?": `.`,
		`Classify the sentiment of "I love it". Answer with one word: positive or negative`: `.`,
	} {
		for _, got := range said(q, "") {
			if !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%q answered %q, want %s", q, got, want)
			}
		}
	}
}

func TestAnswersMatchTheSchemaThatWasAskedFor(t *testing.T) {
	const wrapped = `{"name":"a","schema":{"type":"object","properties":{"city":{"type":"string"},"population":{"type":"integer","minimum":5},
		"kind":{"enum":["town","city"]},"tags":{"type":"array","items":{"type":"string"},"minItems":2},"ok":{"type":"boolean"},
		"none":{"type":"null"},"either":{"anyOf":[{"type":"string","maxLength":3}]},"always":{"const":7}}}}`
	for _, got := range said("What is the capital of France?", wrapped) {
		var v struct {
			City       string
			Population int
			Kind       string
			Tags       []string
			OK         bool
			Either     string
			Always     int
		}
		if err := json.Unmarshal([]byte(got), &v); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if v.City != "Paris" || v.Population < 5 || v.Kind != "town" || len(v.Tags) != 2 || !v.OK || len(v.Either) != 3 || v.Always != 7 {
			t.Errorf("answered %s, which does not match", got)
		}
	}
	for _, bad := range []string{`3`, `{"type":`, `[]`} {
		for _, got := range said("x", bad) {
			if !json.Valid([]byte(got)) {
				t.Errorf("schema %s: answered %q, want some JSON", bad, got)
			}
		}
	}
}

func TestNoSchemaMakesAnAnswerWithoutEnd(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","minItems":100,"items":`, 8) + `{"type":"string"}` + strings.Repeat("}", 8)
	itself := `{"allOf":[` + strings.Repeat(`{"$ref":"#"},`, 99) + `{"$ref":"#"}],"properties":{"a":{"$ref":"#"},"b":{"items":{"$ref":"#"}}}}`
	for _, schema := range []string{deep, itself, `{"allOf":[{"$ref":"#"}]}`, `{"$ref":"#"}`} {
		for _, got := range said("x", schema)[:1] {
			if len(got) > 1<<20 || !json.Valid([]byte(got)) {
				t.Errorf("%.40s: answered %d bytes, valid %v", schema, len(got), json.Valid([]byte(got)))
			}
		}
	}
}

func TestAQuestionOfPartsIsReadFromItsText(t *testing.T) {
	m := llm.Message{Role: "user", Raw: json.RawMessage(`{"role":"user","content":[{"type":"text","text":"What is the \"capital\" of"},{"type":"image_url"},{"type":"text","text":"capital of Italy"}]}`)}
	a := understand(llm.Request{Messages: []llm.Message{m}}).answer(rand.New(rand.NewPCG(1, 1)))
	if !strings.Contains(a.text, "Rome") {
		t.Errorf("answered %q, want Rome", a.text)
	}
}

func TestFreeProseNeverHoldsACanarysAnswer(t *testing.T) {
	text := strings.ToLower(strings.Join(prose("", 3000, rand.New(rand.NewPCG(1, 2))), "") + strings.Join(offTopics, " "))
	for _, f := range facts {
		if regexp.MustCompile(`\b` + regexp.QuoteMeta(strings.ToLower(f.short)) + `\b`).MatchString(text) {
			t.Errorf("prose holds %q", f.short)
		}
	}
	for _, city := range capitals {
		if strings.Contains(text, strings.ToLower(city)) {
			t.Errorf("prose holds %q", city)
		}
	}
}

func TestProseHasExactlyTheTokensThatWereAskedFor(t *testing.T) {
	for _, n := range []int{0, 1, 7, 250} {
		got := prose("Paris.", n, rand.New(rand.NewPCG(1, 2)))
		if len(got) != n {
			t.Errorf("prose of %d tokens has %d", n, len(got))
		}
	}
}

func FuzzPieces(f *testing.F) {
	f.Add("The capital of France is Paris, isn't it? 1234567 \xff Ünïcödé")
	f.Add(" \n  double  spaces ")
	f.Fuzz(func(t *testing.T, s string) {
		p := pieces(s)
		if strings.Join(p, "") != s {
			t.Fatalf("pieces(%q) joined are %q", s, strings.Join(p, ""))
		}
		if n := countPieces(s); n != len(p) {
			t.Fatalf("countPieces(%q) = %d, pieces are %d", s, n, len(p))
		}
		for _, piece := range p {
			if piece == "" || utf8.ValidString(s) && !utf8.ValidString(piece) {
				t.Fatalf("pieces(%q) holds %q", s, piece)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add("What is 17 + 25?", "")
	f.Add(`Reply with JSON {"city": "..."}`, `{"type":"object","properties":{"a":{"type":"array"}}}`)
	f.Add("Count from 999 to 0", `{"anyOf":[null]}`)
	f.Add("Hello", `{"allOf":[{"$ref":"#"},{"$ref":"#"},{"$ref":"#"}]}`)
	f.Fuzz(func(t *testing.T, q, schema string) {
		a := understand(llm.Request{Messages: []llm.Message{{Role: "user", Text: q}}, JSONSchema: json.RawMessage(schema)}).answer(rand.New(rand.NewPCG(1, 2)))
		if schema != "" && !json.Valid([]byte(a.text)) {
			t.Fatalf("schema %q: answered %q, want JSON", schema, a.text)
		}
	})
}

// BenchmarkUnderstand is the work before an answer's first token, which its
// time must leave room for.
func BenchmarkUnderstand(b *testing.B) {
	notes := strings.Repeat("Shelf 12 holds the lamps with the code 4711, counted twice.\n", 128)
	for name, q := range map[string]string{
		"short": "What is the capital of France? Answer with one word.", "prose": "Tell me about gardens.", "long": notes + "What is the code of the violins? Answer with the number only.",
		"megabyte": strings.Repeat(notes, 140) + "What is the code of the violins?",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				understand(llm.Request{Messages: []llm.Message{{Role: "user", Text: q}}})
			}
		})
	}
}
