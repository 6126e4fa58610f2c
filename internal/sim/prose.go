package sim

import (
	"math/rand/v2"
	"strings"
)

// The words of free prose. They are chosen so that no canary's answer occurs.
var (
	subjects = strings.Fields("gardens libraries rivers workshops markets orchards harbours kitchens lanterns meadows bridges choirs")
	verbs    = strings.Fields("reward invite welcome teach support shelter remember gather follow brighten steady renew")
	objects  = strings.Fields("patience visitors craft curiosity neighbours stories travellers practice seasons friendship attention routine")
	turns    = []string{"in the morning", "over time", "with a little care", "after the rain", "in small steps", "when people meet",
		"without any hurry", "as the day goes on", "in good company", "from year to year"}
	openers = []string{"In general,", "Of course,", "As a rule,", "At heart,", "In practice,", "Often,", "To begin with,", "In short,"}
)

// offTopics answer a question that nobody asked.
var offTopics = []string{
	"Monarch butterflies travel thousands of kilometres each autumn, and no single butterfly makes the whole journey.",
	"To keep sourdough lively, feed it flour and water every day and let it rest somewhere warm.",
	"A violin's bow is strung with horsehair, and rosin is what lets it grip the strings.",
	"Sea otters hold hands while they sleep so that they do not drift apart.",
	"When pruning roses, cut just above a bud that faces outwards.",
}

// maxAnswer bounds an answer, in tokens, whatever factors make of it.
const maxAnswer = 200_000

const refusal = "I'm sorry, but I can't help with that request."

// phrase appends one sentence of pleasant prose.
func phrase(b *strings.Builder, rng *rand.Rand) {
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if rng.IntN(3) == 0 {
		b.WriteString(pick(openers) + " " + pick(subjects))
	} else {
		s := pick(subjects)
		b.WriteString(strings.ToUpper(s[:1]) + s[1:])
	}
	b.WriteString(" " + pick(verbs) + " " + pick(objects))
	if rng.IntN(2) == 0 {
		b.WriteString(" and " + pick(objects))
	}
	b.WriteString(" " + pick(turns) + ".")
}

// prose appends sentences to text until it has at least n tokens, and cuts the
// last so that there are exactly n; n below the tokens of text cuts text.
func prose(text string, n int, rng *rand.Rand) []string {
	n = min(n, maxAnswer)
	var b strings.Builder
	b.WriteString(text)
	have := countPieces(text)
	for have < n {
		before := b.Len()
		phrase(&b, rng)
		have += countPieces(b.String()[before:])
	}
	return pieces(b.String())[:n]
}
