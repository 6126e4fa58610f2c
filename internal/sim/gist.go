package sim

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// gist is what a text offers to fill named fields with: the answer to its
// question if there is one, and the names, places and numbers in it.
type gist struct {
	text     string
	core     string // the answer in its shortest form, else some word
	answered bool   // core is the answer
	numbers  []string
	nth      int // numbers given out so far
	named    []string
	placed   []string
	looked   bool // named and placed are known
	lookups  int
}

// maxLookups bounds how often a text is searched for a field's own number.
const maxLookups = 64

var (
	numberIn   = regexp.MustCompile(`-?\b\d{1,15}(?:\.\d{1,9})?\b`)
	quotedIn   = regexp.MustCompile(`"([^"]{1,200})"|“([^”]{1,200})”|'([^']{1,200})'`)
	capitalsIn = regexp.MustCompile(`\p{Lu}[\p{Ll}\p{Lu}'-]+(?: \p{Lu}[\p{Ll}'-]+)*`)
	dateIn     = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}\b`)
	emailIn    = regexp.MustCompile(`[\w.+-]+@[\w-]+\.[\w.-]+\b`)
	urlIn      = regexp.MustCompile(`https?://[^\s"'<>]+`)
	placeAfter = regexp.MustCompile(`\b(?:in|at|from|to|for|near|of|and|or|between|visit|lives in),? (\p{Lu}\p{L}+(?: \p{Lu}\p{L}+)*)`)
	sumIn      = regexp.MustCompile(`\d+(?:\.\d+)?(?:\s*[-+*/]\s*\d+(?:\.\d+)?)+`)
)

// weather words and the like begin sentences with a capital and name nobody.
var noNames = strings.Fields("The A An In On At Is Are Was What Which Who Whom Whose Where When Why How Do Does Did Can Could Please Use Call Give Get Tell Find Show Compare Write " +
	"Answer Reply Respond Return Extract Note Review And Or But If Then Also JSON Celsius Fahrenheit Monday Tuesday Wednesday Thursday Friday Saturday Sunday " +
	"January February March April May June July August September October November December Look Book Send Add Compute Calculate Check Search Put List Name From For With Of To I You It He She We They")

func newGist(text, core string, answered bool) *gist {
	return &gist{text: text, core: core, answered: answered, numbers: numberIn.FindAllString(text, 64)}
}

// names are the words that are written as names are, in order, each once.
func (g *gist) names() []string {
	if !g.looked {
		g.looked = true
		g.named = g.findNames()
		g.placed = g.findPlaces()
	}
	return g.named
}

func (g *gist) findNames() []string {
	var out []string
	for _, n := range capitalsIn.FindAllString(g.text, 64) {
		words := strings.Fields(n)
		for len(words) > 0 && slices.Contains(noNames, words[0]) {
			words = words[1:]
		}
		if n = strings.Join(words, " "); n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// places are names that a text speaks of as places, or that are known to be.
func (g *gist) places() []string {
	g.names()
	return g.placed
}

func (g *gist) findPlaces() []string {
	var out []string
	after := placeAfter.FindAllStringSubmatch(g.text, 64)
	for _, n := range g.named {
		spoken := slices.ContainsFunc(after, func(m []string) bool { return m[1] == n })
		if spoken || isCity(n) || capitals[strings.ToLower(n)] != "" {
			out = append(out, n)
		}
	}
	return out
}

func isCity(name string) bool {
	for _, c := range capitals {
		if c == name {
			return true
		}
	}
	return false
}

// persons are the names that are no places.
func (g *gist) persons() []string {
	places := g.places()
	return slices.DeleteFunc(slices.Clone(g.names()), func(n string) bool { return slices.Contains(places, n) })
}

// fitting are the values for a field of a name, the likeliest first; none
// where nothing in the text is of its kind.
func (g *gist) fitting(field string) []string {
	lower := strings.ToLower(field)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
	}
	switch {
	case has("country", "nation"):
		return slices.DeleteFunc(slices.Clone(g.names()), func(n string) bool { return capitals[strings.ToLower(n)] == "" })
	case has("city", "location", "place", "town", "destination", "region", "where"):
		return g.places()
	case has("expression", "formula", "equation", "calc"):
		return sumIn.FindAllString(g.text, 8)
	case has("email"):
		return emailIn.FindAllString(g.text, 8)
	case has("url", "link", "uri"):
		return urlIn.FindAllString(g.text, 8)
	case has("date", "day"):
		return dateIn.FindAllString(g.text, 8)
	case has("sentiment", "polarity"):
		if class, ok := sentiment(g.text); ok {
			return []string{class}
		}
	case lower == "name", has("person", "customer", "author", "user", "who", "first_name", "full_name", "recipient"):
		return g.persons()
	}
	var out []string
	for _, m := range quotedIn.FindAllStringSubmatch(g.text, 8) {
		if q := m[1] + m[2] + m[3]; !strings.EqualFold(q, field) {
			out = append(out, q)
		}
	}
	return out
}

// word is a text for a field of a name.
func (g *gist) word(field string) string {
	if g.answered {
		return guess(field, g.core)
	}
	if fit := g.fitting(field); len(fit) > 0 {
		return fit[0]
	}
	return guess(field, g.core)
}

// number is a number for a field of a name: the answer, the one beside the
// field's word, else the next of the text.
func (g *gist) number(field string) (float64, bool) {
	if v, err := strconv.ParseFloat(g.core, 64); err == nil && g.answered {
		return v, true
	}
	if g.lookups++; g.lookups > maxLookups || len(field) > 100 {
		return 1, false
	}
	near := regexp.MustCompile(`(?i)` + regexp.QuoteMeta(field) + `\W{1,3}(?:is |of |to )?(-?\d+(?:\.\d+)?)|(-?\d+(?:\.\d+)?) ?` + regexp.QuoteMeta(field))
	if strings.EqualFold(field, "age") {
		near = regexp.MustCompile(`(?i)(\d+)[ -]years?|aged? (\d+)`)
	}
	if m := near.FindStringSubmatch(g.text); m != nil {
		v, err := strconv.ParseFloat(m[1]+m[2], 64)
		return v, err == nil
	}
	if g.nth < len(g.numbers) {
		g.nth++
		v, err := strconv.ParseFloat(g.numbers[g.nth-1], 64)
		return v, err == nil
	}
	return 1, false
}

// list are the values for a field that takes several.
func (g *gist) list(field string) []string {
	if parts := strings.Split(g.core, ", "); g.answered && len(parts) > 1 {
		return parts
	}
	if fit := g.fitting(strings.TrimSuffix(field, "s")); len(fit) > 0 && !g.answered {
		return fit
	}
	return []string{g.word(field)}
}

// guess is what a field of a name most likely wants to hold of an answer.
func guess(name, core string) string {
	if strings.EqualFold(name, "country") {
		for _, country := range slices.Sorted(maps.Keys(capitals)) {
			if capitals[country] == core && !strings.HasPrefix(country, "the ") {
				return titled(country)
			}
		}
	}
	return core
}
