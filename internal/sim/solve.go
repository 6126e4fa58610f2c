package sim

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// solver answers one kind of question from the question alone, as a word and
// as a sentence that holds it (or "").
type solver func(text string) (short, long string, ok bool)

// solvers are tried in order.
var solvers = []solver{sortList, classify, rankPeople, whatBelongs, writeCode}

// solve answers what is asked in the focus of a text, with notes from all of it.
func solve(all, focus string) (short, long string, ok bool) {
	for _, s := range solvers {
		if short, long, ok = s(focus); ok {
			return short, long, true
		}
	}
	return lookUp(all, focus)
}

// What is looked at of a text: a question stands at either end of it.
const (
	focusHead = 1 << 10
	focusTail = 3 << 10
	maxNotes  = 256 << 10 // in which values are looked up
)

// focusOf is the part of a long text that is read closely: both ends.
func focusOf(text string) string {
	if len(text) <= focusHead+focusTail {
		return text
	}
	return strings.ToValidUTF8(text[:focusHead]+"\n"+text[len(text)-focusTail:], "")
}

var (
	sortAsked = regexp.MustCompile(`(?is)\b(?:sort|order|arrange|put|rank|list)\b[^:]*\b(alphabetical|alphabetically|ascending|descending|increasing|decreasing|numerical|smallest|largest|reverse)\b[^:]*:\s*([^\n.?!]+)`)
	backWords = regexp.MustCompile(`(?i)descending|decreasing|reverse|largest to|z to a`)
	listSplit = regexp.MustCompile(`\s*[,;]\s*(?:and\s+)?`)
)

// sortList puts a list in order: "Put these in alphabetical order: b, a."
func sortList(text string) (short, long string, ok bool) {
	m := sortAsked.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	items := listSplit.Split(strings.TrimSpace(m[2]), 200)
	if len(items) < 2 {
		return "", "", false
	}
	slices.SortStableFunc(items, func(a, b string) int {
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		if errX == nil && errY == nil {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	if backWords.MatchString(m[0]) {
		slices.Reverse(items)
	}
	return strings.Join(items, ", "), "", true
}

var (
	goodWords = strings.Fields("love loved loves like liked great good best perfect perfectly wonderful delight delighted delightful happy friendly excellent amazing superb fantastic pleasant enjoyed recommend beautiful brilliant fast helpful thanks thank")
	badWords  = strings.Fields("hate hated hates dislike bad worse worst terrible awful broke broken cheap rude bore boring bored angry horrible poor disappointing disappointed waste slow useless sad refund never ugly dirty failed")
	wordsIn   = regexp.MustCompile(`[\pL']+`)
	classAsk  = regexp.MustCompile(`(?i)\bpositive\b.*\bnegative\b|\bnegative\b.*\bpositive\b`)
)

// sentiment tells a text's mood from its words.
func sentiment(text string) (class string, ok bool) {
	score := 0
	for _, w := range wordsIn.FindAllString(strings.ToLower(text), 2000) {
		if slices.Contains(goodWords, w) {
			score++
		}
		if slices.Contains(badWords, w) {
			score--
		}
	}
	switch {
	case score > 0:
		return "positive", true
	case score < 0:
		return "negative", true
	}
	return "neutral", false
}

// classify tells whether what is quoted, or the whole, is positive or
// negative.
func classify(text string) (short, long string, ok bool) {
	if !classAsk.MatchString(text) {
		return "", "", false
	}
	about := text
	if m := quotedIn.FindStringSubmatch(text); m != nil {
		about = m[1] + m[2] + m[3]
	}
	class, ok := sentiment(about)
	if !ok && !strings.Contains(strings.ToLower(text), class) {
		return "", "", false
	}
	return class, "The sentiment is " + class + ".", true
}

var (
	comparison = regexp.MustCompile(`(\p{Lu}\pL*) (?:is|was|runs|are) (\pL+er) than (\p{Lu}\pL*)`)
	rankAsked  = regexp.MustCompile(`(?i)\b(?:who|which)\b[^.?]*?\b(second |third |2nd |3rd )?(\pL+?)est\b`)
	opposites  = [][2]string{{"tall", "short"}, {"long", "short"}, {"old", "young"}, {"bigg", "small"}, {"large", "small"}, {"fast", "slow"}, {"heavi", "light"},
		{"rich", "poor"}, {"high", "low"}, {"strong", "weak"}, {"larg", "small"}}
)

// rankPeople puts people in the order that comparisons between them say: "A is
// taller than B. ... Who is the second shortest?"
func rankPeople(text string) (short, long string, ok bool) {
	asked := rankAsked.FindStringSubmatch(text)
	said := comparison.FindAllStringSubmatch(text, 64)
	if asked == nil || len(said) == 0 {
		return "", "", false
	}
	stem := func(w, ending string) string { return strings.ToLower(strings.TrimSuffix(w, ending)) }
	top := stem(said[0][2], "er")
	less := map[string][]string{} // who is directly below whom, seen from the first word
	var people []string
	for _, c := range said {
		hi, lo := c[1], c[3]
		if s := stem(c[2], "er"); s != top {
			if !opposed(s, top) {
				return "", "", false
			}
			hi, lo = lo, hi
		}
		less[hi] = append(less[hi], lo)
		for _, p := range []string{hi, lo} {
			if !slices.Contains(people, p) {
				people = append(people, p)
			}
		}
	}
	below := func(p string) int { return len(reachable(less, p, map[string]bool{})) }
	slices.SortStableFunc(people, func(a, b string) int { return cmp.Compare(below(b), below(a)) })
	want := strings.ToLower(asked[2])
	if want != top {
		if !opposed(want, top) {
			return "", "", false
		}
		slices.Reverse(people)
	}
	at := map[string]int{"": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2}[strings.ToLower(strings.TrimSpace(asked[1]))]
	if at >= len(people) {
		return "", "", false
	}
	return people[at], "It is " + people[at] + ".", true
}

func opposed(a, b string) bool {
	return slices.Contains(opposites, [2]string{a, b}) || slices.Contains(opposites, [2]string{b, a})
}

// reachable collects all that lies below p.
func reachable(less map[string][]string, p string, seen map[string]bool) map[string]bool {
	for _, q := range less[p] {
		if !seen[q] {
			seen[q] = true
			reachable(less, q, seen)
		}
	}
	return seen
}

var (
	belongs  = regexp.MustCompile(`(?i)\bwhich (\pL+) (?:belongs to|is of|does|did) (\pL+)`)
	sentence = regexp.MustCompile(`[^.?!\n]+`)
	// What stands before a value of a kind.
	before = map[string]*regexp.Regexp{
		"city":  regexp.MustCompile(`\b(?:from|in|at|near) (\p{Lu}\pL+)`),
		"item":  regexp.MustCompile(`\b(?:ordered|bought|owns|has|sold|took|wants|sells|buys) (?:an? |the |some |\d+ )?(\pL+)`),
		"color": regexp.MustCompile(`\b(?:is|wears|likes|painted) (?:an? |the )?(\pL+)`),
	}
	kinds = map[string]string{"city": "city", "place": "city", "town": "city", "country": "city", "item": "item", "product": "item", "thing": "item", "article": "item",
		"color": "color", "colour": "color"}
)

// whatBelongs finds what notes say of somebody: "Which city belongs to Ann?"
func whatBelongs(text string) (short, long string, ok bool) {
	m := belongs.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	kind := before[kinds[strings.ToLower(m[1])]]
	if kind == nil {
		return "", "", false
	}
	for _, s := range sentence.FindAllString(text, 2000) {
		_, after, about := strings.Cut(s, m[2]+" ")
		if v := kind.FindStringSubmatch(after); about && v != nil && !belongs.MatchString(s) {
			return v[1], "It is " + v[1] + ".", true
		}
	}
	return "", "", false
}

var whatIs = regexp.MustCompile(`(?i)\bwhat(?: is|'s| was) the (\pL+) (?:of|for) the (\pL+)`)

// lookUp finds a value in notes: "What is the code of the violins?" where a
// note says "the violins with the code 7391".
func lookUp(all, focus string) (short, long string, ok bool) {
	m := whatIs.FindStringSubmatch(focus)
	if m == nil || len(m[0]) > 100 {
		return "", "", false
	}
	what, of := strings.ToLower(m[1]), strings.ToLower(m[2])
	value := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(what) + `(?: of [\pL ]+?)?(?: is| was|:| =)? ([\pL\d][\pL\d-]*)`)
	notes := strings.ReplaceAll(all[:min(len(all), maxNotes)], m[0], "")
	for s := range strings.FieldsFuncSeq(notes, func(r rune) bool { return strings.ContainsRune(".?!\n", r) }) {
		if !strings.Contains(strings.ToLower(s), of) {
			continue
		}
		if v := value.FindStringSubmatch(s); v != nil {
			return v[1], "The " + what + " of the " + of + " is " + v[1] + ".", true
		}
	}
	return "", "", false
}

var (
	codeAsked = regexp.MustCompile(`(?i)\bwrite an? (?:\pL+ )?function (?:called |named )?` + "`?" + `(\w+)\(([\w, ]*)\)`)
	// The bodies of functions that are known by their names; A and B stand for
	// the first two arguments.
	bodies = []struct{ name, body string }{
		{"even", "A % 2 == 0"}, {"odd", "A % 2 == 1"}, {"add", "A + B"}, {"sum", "A + B"}, {"subtract", "A - B"}, {"multiply", "A * B"}, {"divide", "A / B"},
		{"square", "A * A"}, {"cube", "A ** 3"}, {"double", "A * 2"}, {"reverse", "A[::-1]"}, {"palindrome", "A == A[::-1]"}, {"max", "max(A, B)"}, {"min", "min(A, B)"},
		{"length", "len(A)"}, {"abs", "abs(A)"}, {"factorial", "1 if A < 2 else A * factorial(A - 1)"}, {"prime", "A > 1 and all(A % d for d in range(2, int(A ** 0.5) + 1))"},
	}
)

// writeCode writes a Python function that its name explains.
func writeCode(text string) (short, long string, ok bool) {
	m := codeAsked.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	arguments := append(listSplit.Split(strings.TrimSpace(m[2]), 8), "", "")
	for _, b := range bodies {
		if strings.Contains(strings.ToLower(m[1]), b.name) {
			body := strings.NewReplacer("A", arguments[0], "B", arguments[1], "factorial", m[1]).Replace(b.body)
			return "def " + m[1] + "(" + strings.TrimSpace(m[2]) + "):\n    return " + body, "", true
		}
	}
	return "", "", false
}
