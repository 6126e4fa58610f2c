package sim

import (
	"slices"
	"strings"
	"unicode"
)

// tongue is a language beside English that questions may be asked in: how it
// is known, and what is said in it when no answer is known.
type tongue struct {
	words string // small ones
	about string // how long prose in it goes on
}

var tongues = map[string]tongue{
	"fr": {"le la les des une un est pourquoi quelle quel en et du dans que sont phrases", "Les jardins et les rivières sont beaux dans la lumière du matin, et les gens qui passent par là prennent le temps de regarder."},
	"de": {"der die das ist und ein eine warum welche was in auf mit den nicht sätzen", "Die Gärten und die Flüsse sind schön im Licht des Morgens, und wer dort vorbeikommt, nimmt sich die Zeit zu schauen."},
	"es": {"el la los las una un es por qué en y del que son frases cuál", "Los jardines y los ríos son hermosos en la luz de la mañana, y la gente que pasa por allí se toma el tiempo de mirar."},
	"it": {"il lo la gli una un è perché in e del che sono frasi quale", "I giardini e i fiumi sono belli nella luce del mattino, e la gente che passa di là si prende il tempo di guardare."},
	"pt": {"o a os as uma um é por que em e do da são frases qual porque", "Os jardins e os rios são belos na luz da manhã, e as pessoas que passam por ali não têm pressa de ir embora."},
	"zh": {"", "清晨的花园和河流在阳光下很美，路过的人都会停下来看一看。"},
}

var englishWords = strings.Fields("the a an is are was in of to and what which who why how with for one your answer only")

// tongueOf tells the language of a question; "" is English, or not to be told.
func tongueOf(text string) string {
	han, letters := 0, 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			letters++
		}
		if unicode.Is(unicode.Han, r) {
			han++
		}
	}
	if han*2 > letters {
		return "zh"
	}
	count := func(known []string) int {
		n := 0
		for _, w := range wordsIn.FindAllString(strings.ToLower(text), 200) {
			if slices.Contains(known, w) {
				n++
			}
		}
		return n
	}
	best, most := "", max(2, count(englishWords))
	for _, code := range []string{"fr", "de", "es", "it", "pt"} {
		if n := count(strings.Fields(tongues[code].words)); n > most {
			best, most = code, n
		}
	}
	return best
}

// abroad answers a question in a language of its own, from the tables or with
// the language's prose.
func abroad(text, code string) string {
	lower := strings.ToLower(text)
	for _, f := range foreign {
		if f.code == code && containsAll(lower, f.words) {
			return f.said
		}
	}
	return tongues[code].about
}

// foreign are answers to questions in other languages, known by their words.
var foreign = []struct {
	code  string
	words []string
	said  string
}{
	{"fr", []string{"ciel", "bleu"}, "Le ciel est bleu parce que les molécules de l'air diffusent davantage la lumière bleue que la lumière rouge du soleil."},
	{"de", []string{"himmel", "blau"}, "Der Himmel ist blau, weil die Moleküle der Luft das blaue Licht der Sonne stärker streuen als das rote."},
	{"es", []string{"cielo", "azul"}, "El cielo es azul porque las moléculas del aire dispersan más la luz azul que la luz roja del sol."},
	{"it", []string{"cielo", "blu"}, "Il cielo è blu perché le molecole dell'aria diffondono la luce blu del sole più di quella rossa."},
	{"pt", []string{"céu", "azul"}, "O céu é azul porque as moléculas do ar espalham mais a luz azul do que a luz vermelha do sol."},
	{"zh", []string{"天空", "蓝"}, "天空是蓝色的，因为空气分子散射蓝光比红光更强。"},
	{"fr", []string{"capitale", "france"}, "La capitale de la France est Paris."},
	{"de", []string{"hauptstadt", "deutschland"}, "Die Hauptstadt von Deutschland ist Berlin."},
	{"es", []string{"capital", "españa"}, "La capital de España es Madrid."},
	{"zh", []string{"法国", "首都"}, "法国的首都是巴黎。"},
}
