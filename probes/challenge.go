package probes

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// challenge is a question made anew for every probe, with what a good answer
// to it is. Its shape does not change: the same words around as many digits or
// names, so that baselines of time and length keep their meaning. Its answers
// are balanced: no constant answer is right more often than chance.
type challenge struct {
	kind     string
	make     func(r *rand.Rand) question
	output   int  // tokens of a usual answer, at four characters each
	pictured bool // the question has a picture
}

// question is one that was made.
type question struct {
	prompt  string
	checks  []CheckSpec
	picture []byte // PNG that goes with the prompt; nil for none
}

// inWords makes questions without pictures.
func inWords(pose func(r *rand.Rand) (string, []CheckSpec)) func(r *rand.Rand) question {
	return func(r *rand.Rand) (q question) {
		q.prompt, q.checks = pose(r)
		return q
	}
}

// challenges is the table of all kinds. A new one is a function and a row.
func challenges() []challenge {
	return []challenge{
		{"arithmetic", inWords(poseArithmetic), 2, false},
		{"extraction", inWords(poseExtraction), 2, false},
		{"classification", inWords(poseClassification), 3, false},
		{"ordering", inWords(poseOrdering), 10, false},
		{"json", inWords(poseJSON), 16, false},
		{"vision", poseVision, 1, true},
	}
}

func challengeOf(kind string) (challenge, bool) {
	if kind == "" {
		return challenge{}, false
	}
	for _, c := range challenges() {
		if c.kind == kind {
			return c, true
		}
	}
	return challenge{}, false
}

func challengeKinds() string {
	var names []string
	for _, c := range challenges() {
		names = append(names, c.kind)
	}
	return strings.Join(names, ", ")
}

// challengeSource seeds the generator from what names one sending: the same
// canary, target and due time give the same question, at every vantage.
func challengeSource(canary, target string, due time.Time) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%d", canary, target, due.UnixNano())
	seed := h.Sum64()
	return rand.New(rand.NewPCG(seed, mix(seed)))
}

// posed returns j with the question of the sending that is due at due in place
// of its challenge, the checks of the question before the canary's own.
func (j Job) posed(due time.Time) Job {
	c, ok := challengeOf(j.Canary.Challenge)
	if !ok {
		return j
	}
	q := c.make(challengeSource(j.Canary.Name, j.Target.ID, due))
	j.Canary.Prompt, j.picture = q.prompt, q.picture
	checks, _ := Compile(q.checks) // of our own making; a test compiles every kind
	j.checks = append(checks, j.compiled()...)
	return j
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// pickN returns n different ones in random order.
func pickN[T any](r *rand.Rand, n int, list []T) []T {
	out := make([]T, n)
	for i, k := range r.Perm(len(list))[:n] {
		out[i] = list[k]
	}
	return out
}

// The words that questions are made of: of like length, so that the number of
// tokens hardly changes, and each known to every model.
var (
	challengeNames  = []string{"Maria", "Peter", "Laura", "Simon", "Elena", "David", "Nadia", "Oscar", "Irene", "Bruno"}
	challengeCities = []string{"Paris", "Tokyo", "Cairo", "Milan", "Delhi", "Lagos", "Osaka", "Miami", "Dubai", "Sofia"}
	challengeGoods  = []string{"lamps", "chairs", "books", "clocks", "plates", "knives", "pillows", "mirrors", "carpets", "candles"}
	challengeWords  = []string{"apple", "bridge", "candle", "dragon", "engine", "forest", "garden", "hammer", "island", "jacket", "kettle", "ladder", "market", "needle", "orange", "pencil", "rabbit", "silver", "tunnel", "window"}
)

// poseArithmetic adds or subtracts numbers of three digits; the answer has
// three as well.
func poseArithmetic(r *rand.Rand) (string, []CheckSpec) {
	// The answer is drawn first, so that it is uniform over all of its range.
	answer, b := 300+r.IntN(500), 100+r.IntN(100)
	a, op := answer-b, "plus"
	if r.IntN(2) == 0 {
		a, op = answer+b, "minus"
	}
	return fmt.Sprintf("What is %d %s %d? Answer with the number only.", a, op, b), []CheckSpec{{"number": answer}}
}

// poseExtraction asks for one field of an order note that has two of each
// kind, so that an answer that repeats the note is wrong.
func poseExtraction(r *rand.Rand) (string, []CheckSpec) {
	names, cities, goods := pickN(r, 2, challengeNames), pickN(r, 2, challengeCities), pickN(r, 2, challengeGoods)
	who := r.IntN(2)
	field, values := "city", cities
	if r.IntN(2) == 0 {
		field, values = "item", goods
	}
	prompt := fmt.Sprintf("Note: %s from %s ordered %s. %s from %s ordered %s. Which %s belongs to %s? Answer with one word.",
		names[0], cities[0], goods[0], names[1], cities[1], goods[1], field, names[who])
	return prompt, []CheckSpec{{"one_of": []string{values[who]}}}
}

// reviews are plain cases of two classes, of like length.
var reviews = [2][]string{
	{"I loved every minute of it", "It works perfectly and looks great", "The best purchase of the year", "Wonderful service and friendly staff", "A delight from start to finish", "It made my whole family happy"},
	{"I hated every minute of it", "It broke at once and looks cheap", "The worst purchase of the year", "Terrible service and rude staff", "A bore from start to finish", "It made my whole family angry"},
}

// poseClassification asks for one of two classes, each as often as the other,
// named in either order.
func poseClassification(r *rand.Rand) (string, []CheckSpec) {
	classes := [2]string{"positive", "negative"}
	class, first := r.IntN(2), r.IntN(2)
	prompt := fmt.Sprintf("Review by %s of the %s: %q. Is this review %s or %s? Answer with one word.",
		pick(r, challengeNames), pick(r, challengeGoods), pick(r, reviews[class]), classes[first], classes[1-first])
	return prompt, []CheckSpec{{"one_of": []string{classes[class]}}}
}

// poseOrdering asks for five words in the order of the alphabet, which they are
// not in; the answer is to hold nothing else.
func poseOrdering(r *rand.Rand) (string, []CheckSpec) {
	given := pickN(r, 5, challengeWords)
	for slices.IsSorted(given) {
		given = pickN(r, 5, challengeWords)
	}
	sorted := slices.Sorted(slices.Values(given)) // letters only: nothing to quote
	prompt := "Put these words in alphabetical order: " + strings.Join(given, ", ") + ". Answer with the words only, separated by commas."
	return prompt, []CheckSpec{{"regex": `(?i)^\W*` + strings.Join(sorted, `\W+`) + `\W*$`}}
}

// poseJSON asks for a sentence's facts as a JSON object.
func poseJSON(r *rand.Rand) (string, []CheckSpec) {
	name, city, age := pick(r, challengeNames), pick(r, challengeCities), 20+r.IntN(70)
	prompt := fmt.Sprintf(`%s is %d years old and lives in %s. Answer with a JSON object with the keys "name" (string), "age" (number) and "city" (string), and nothing else.`, name, age, city)
	return prompt, []CheckSpec{
		{"json_path": map[string]any{"path": "$.name", "equals": name}},
		{"json_path": map[string]any{"path": "$.age", "equals": age}},
		{"json_path": map[string]any{"path": "$.city", "equals": city}},
	}
}

// sample is what is asked: of a challenge that was not posed, the same example
// each time, for people and estimates.
func (c Canary) sample() string {
	made, ok := challengeOf(c.Challenge)
	if !ok || c.Prompt != "" { // no challenge, or one that was posed
		return c.Prompt
	}
	return made.make(rand.New(rand.NewPCG(1, 1))).prompt
}

// Asks is the prompt for people: of a challenge an example, said to be one.
func (c Canary) Asks() string {
	if _, ok := challengeOf(c.Challenge); ok {
		return "new each time (" + strconv.Quote(c.Challenge) + "), such as: " + c.sample()
	}
	return c.Prompt
}
