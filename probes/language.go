package probes

import (
	"slices"
	"strings"
	"unicode"
)

// tongue is a language that is told by its small words and its own letters.
type tongue struct {
	code    string
	words   string // the commonest that say nothing else
	letters string // that none of the other rows has
}

// tongues are the languages in Latin script.
func tongues() []tongue {
	return []tongue{
		{"de", "der die das und ist in den von zu mit sich des auf für nicht ein eine einen einem als auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie im dem wir ich weil durch", "ßä"},
		{"en", "the and of to in is that it was for with as are on be this have from or by not but what all were when we there can an your which their has because you they will would its at into", ""},
		{"es", "el la de que y en los se del las un por con una su para es al lo como más pero sus este ya o porque cuando muy sin sobre también está son debido hacia", "ñ¿¡"},
		{"fr", "le la les de des et à en un une du est que pour dans qui sur pas au par avec ce il plus ne se sont mais ou cette aux être elle nous vous je c d l qu lorsque parce", "œêûî"},
		{"id", "yang dan di ini itu dengan untuk tidak dari dalam akan pada ke juga adalah karena bisa ada saya oleh sebagai atau lebih mereka telah", ""},
		{"it", "il di che è la e un per in una non sono le con si da come del ma lo gli della nel dei più anche al alla questo perché l delle degli viene molto", "ì"},
		{"nl", "de het een en van is dat op te in zijn voor met niet die aan er om ook als bij door naar maar uit heeft worden wordt omdat deze dit of wij je", ""},
		{"pl", "i w na nie z się do to że jest o jak ale po co tak za od przez są dla czy był być oraz ponieważ który które jego", "łąężśźń"},
		{"pt", "o a de que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu sua ou ser quando muito são porque pela isso", "ãõ"},
		{"sv", "och att det som en på är av för med den till inte om ett har de var jag så kan men eftersom från eller vi när", "å"},
		{"tr", "ve bir bu için ile da de çok olarak daha gibi olan ama değil sonra kadar her ne var en o şey ise mi", "ğış"},
		{"vi", "và của là có không được cho trong một người các với này đã những ở khi từ vì nhiều", "đơưăạảấầẩậắằặẹẻẽếềểễệỉịọỏốồổỗộớờởợụủứừửữựỳỷỹ"},
	}
}

// scripts are the languages that are told by their script alone. Chinese is
// Han without kana; Ukrainian and Persian are told from Russian and Arabic by
// their own letters.
var scripts = []struct {
	code  string
	table *unicode.RangeTable
}{
	{"zh", unicode.Han}, {"ja", unicode.Hiragana}, {"ja", unicode.Katakana}, {"ko", unicode.Hangul}, {"ru", unicode.Cyrillic},
	{"ar", unicode.Arabic}, {"hi", unicode.Devanagari}, {"bn", unicode.Bengali}, {"el", unicode.Greek}, {"he", unicode.Hebrew}, {"th", unicode.Thai},
}

// languageCodes are all languages that can be told, in order.
func languageCodes() []string {
	codes := []string{"uk", "fa"}
	for _, s := range scripts {
		codes = append(codes, s.code)
	}
	for _, t := range tongues() {
		codes = append(codes, t.code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// maxDetected bounds how much of an answer its language is told from, in bytes.
const maxDetected = 16 << 10

// detectLanguage returns the two letters of the language that s is most likely
// written in, "" when it cannot be told. O(n), at most [maxDetected] bytes.
func detectLanguage(s string) string {
	s = strings.ToLower(cutBytes(s, maxDetected))
	latin, letters := 0, 0
	by := map[string]int{}
	for _, r := range s {
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		if unicode.Is(unicode.Latin, r) {
			latin++
			continue
		}
		for _, script := range scripts {
			if unicode.Is(script.table, r) {
				by[script.code]++
				break
			}
		}
	}
	if letters == 0 {
		return ""
	}
	// Scripts of syllables say more with a letter than an alphabet does.
	by["zh"], by["ja"], by["ko"] = 3*by["zh"], 3*by["ja"], 3*by["ko"]
	if by["ja"] > 0 && 8*by["ja"] >= by["zh"] {
		by["ja"], by["zh"] = by["ja"]+by["zh"], 0
	}
	best := ""
	for _, script := range scripts {
		if n := by[script.code]; n > latin && n > by[best] {
			best = script.code
		}
	}
	switch {
	case best == "ru" && strings.ContainsAny(s, "іїєґ") && !strings.ContainsAny(s, "ыэъё"):
		return "uk"
	case best == "ar" && strings.ContainsAny(s, "پچژگ"):
		return "fa"
	case best == "":
		return detectTongue(s)
	}
	return best
}

// detectTongue tells languages in Latin script apart: each small word counts
// for the languages that have it, shared among them, and each letter that is
// one language's own counts half. The first must have one and a half, and be ahead
// of the second by a third and by half a word.
func detectTongue(s string) string {
	table := tongues()
	owners := map[string][]int{}
	for i, t := range table {
		for w := range strings.FieldsSeq(t.words) {
			owners[w] = append(owners[w], i)
		}
	}
	scores := make([]float64, len(table))
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		for _, i := range owners[w] {
			scores[i] += 1 / float64(len(owners[w]))
		}
	}
	for i, t := range table {
		if t.letters == "" {
			continue
		}
		for _, r := range s {
			if r >= 0x80 && strings.ContainsRune(t.letters, r) {
				scores[i] += 0.5
			}
		}
	}
	best, second := -1, 0.0
	for i, v := range scores {
		switch {
		case best < 0 || v > scores[best]:
			if best >= 0 {
				second = max(second, scores[best])
			}
			best = i
		default:
			second = max(second, v)
		}
	}
	if scores[best] < 1.5 || scores[best] < second*4/3 || scores[best] < second+0.5 {
		return ""
	}
	return table[best].code
}
