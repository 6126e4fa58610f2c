package probes

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

func ptr[T any](v T) *T { return &v }

func TestDeeperChecksAcceptAndRefuse(t *testing.T) {
	city := map[string]any{"type": "object", "required": []any{"city"}, "properties": map[string]any{"city": map[string]any{"type": "string"}}}
	calls := func(name, args string) Answer {
		return Answer{ToolCalls: []llm.ToolCall{{Name: name, Arguments: args}}}
	}
	system := "You are the assistant of Acme Bank and you must never reveal account numbers to anyone."
	list := `{"items": [{"name": "Ann", "n": 3}, {"name": "Bob", "n": 4.0}], "a key": null}`
	for _, c := range []struct {
		spec   CheckSpec
		answer Answer
		ok     bool
	}{
		{CheckSpec{"json_path": "$.items[0].name"}, Answer{Text: list}, true},
		{CheckSpec{"json_path": "items[2]"}, Answer{Text: list}, false},
		{CheckSpec{"json_path": `$["a key"]`}, Answer{Text: list}, true},
		{CheckSpec{"json_path": map[string]any{"path": "$.items[-1].n", "equals": 4}}, Answer{Text: list}, true},
		{CheckSpec{"json_path": map[string]any{"path": "$.items[0].n", "equals": 4}}, Answer{Text: list}, false},
		{CheckSpec{"json_path": map[string]any{"path": "$.items[0].n", "equals": "3"}}, Answer{Text: list}, false},
		{CheckSpec{"json_path": map[string]any{"path": "$.items[0].name", "equals": "ann"}}, Answer{Text: list}, true},
		{CheckSpec{"json_path": map[string]any{"path": "$.items[0]", "equals": map[string]any{"name": "Ann", "n": 3}}}, Answer{Text: list}, true},
		{CheckSpec{"json_path": map[string]any{"path": "$.items", "contains": "bob"}}, Answer{Text: list}, true},
		{CheckSpec{"json_path": map[string]any{"path": "$.items[1].name", "regex": "^A"}}, Answer{Text: list}, false},
		{CheckSpec{"json_path": map[string]any{"path": "$.error", "exists": false}}, Answer{Text: list}, true},
		{CheckSpec{"json_path": map[string]any{"path": "$.items", "exists": false}}, Answer{Text: list}, false},
		{CheckSpec{"json_path": "$.items"}, Answer{Text: "none"}, false},
		{CheckSpec{"number": 42}, Answer{Text: "17 + 25 = 42."}, true},
		{CheckSpec{"number": 42}, Answer{Text: "It is 43, not 42 of gpt-41x: 43"}, false},
		{CheckSpec{"number": map[string]any{"value": 42, "pick": "any"}}, Answer{Text: "42, I mean 43"}, true},
		{CheckSpec{"number": map[string]any{"value": 17, "pick": "first"}}, Answer{Text: "17 + 25 = 42"}, true},
		{CheckSpec{"number": map[string]any{"value": 3.14, "tolerance": 0.01}}, Answer{Text: "About 3.15"}, true},
		{CheckSpec{"number": map[string]any{"value": 3.14, "tolerance": 0.01}}, Answer{Text: "About 3.16"}, false},
		{CheckSpec{"number": map[string]any{"value": -200, "relative": 0.1}}, Answer{Text: "−215"}, true},
		{CheckSpec{"number": 1234567.5}, Answer{Text: "1,234,567.5"}, true},
		{CheckSpec{"number": 1234567}, Answer{Text: "1.234.567"}, true},
		{CheckSpec{"number": 3.5}, Answer{Text: "3,5"}, true},
		{CheckSpec{"number": 0}, Answer{Text: "zero"}, false},
		{CheckSpec{"number": 6.02e23}, Answer{Text: "6.02e23"}, true},
		{CheckSpec{"number": 2}, Answer{Text: "H2O"}, false},
		{CheckSpec{"number": 15}, Answer{Text: "10-15"}, true},
		{CheckSpec{"language": "fr"}, Answer{Text: "Le ciel est bleu parce que la lumière est diffusée par les molécules de l'air."}, true},
		{CheckSpec{"language": "fr"}, Answer{Text: "The sky is blue because the air scatters the light of the sun."}, false},
		{CheckSpec{"language": "en"}, Answer{Text: "Paris"}, false},
		{CheckSpec{"similar_to": "The sky is blue because air scatters light"}, Answer{Text: "The sky is blue because the air scatters light."}, true},
		{CheckSpec{"similar_to": map[string]any{"texts": []any{"nothing of the kind", "a lighthouse keeper and a goat"}, "at_least": 0.6}}, Answer{Text: "A goat and a lighthouse keeper"}, true},
		{CheckSpec{"similar_to": "The sky is blue because air scatters light"}, Answer{Text: "Potatoes grow well in Ireland"}, false},
		{CheckSpec{"similar_to": "天空是蓝色的"}, Answer{Text: "天空是蓝色的。"}, true},
		{CheckSpec{"max_repetition": 0.3}, Answer{Text: "The quick brown fox jumps over the lazy dog and runs away"}, true},
		{CheckSpec{"max_repetition": 0.3}, Answer{Text: strings.Repeat("the same thing again and ", 20)}, false},
		{CheckSpec{"not_refusal": true}, Answer{Text: "I’m sorry, but I can't help with that."}, false},
		{CheckSpec{"not_refusal": true}, Answer{Text: "很抱歉，我无法回答。"}, false},
		{CheckSpec{"not_refusal": true}, Answer{Text: "Paris, of course."}, true},
		{CheckSpec{"no_prompt_leak": true}, Answer{Text: "My rules: you must never reveal ACCOUNT numbers to anyone!", System: system}, false},
		{CheckSpec{"no_prompt_leak": true}, Answer{Text: "I must never reveal account numbers.", System: system}, true},
		{CheckSpec{"no_prompt_leak": 4}, Answer{Text: "I must never reveal account numbers.", System: system}, false},
		{CheckSpec{"no_prompt_leak": true}, Answer{Text: "Hi there", Prompt: "Hi there"}, true},
		{CheckSpec{"tool_call": "get_weather"}, calls("get_weather", ""), true},
		{CheckSpec{"tool_call": "get_weather"}, calls("get_time", "{}"), false},
		{CheckSpec{"tool_call": "get_weather"}, Answer{Text: "get_weather"}, false},
		{CheckSpec{"tool_call": map[string]any{"name": "get_weather", "arguments": city}}, calls("get_weather", `{"city":"Oslo"}`), true},
		{CheckSpec{"tool_call": map[string]any{"name": "get_weather", "arguments": city}}, calls("get_weather", `{"town":"Oslo"}`), false},
		{CheckSpec{"tool_call": map[string]any{"name": "get_weather", "arguments": city}}, calls("get_weather", `{"city":`), false},
		{CheckSpec{"finish": "stop"}, Answer{Finish: "stop"}, true},
		{CheckSpec{"finish": []any{"stop", "length"}}, Answer{Finish: "length"}, true},
		{CheckSpec{"finish": "stop"}, Answer{Finish: "length"}, false},
		{CheckSpec{"confidence": -0.5}, Answer{Confidence: ptr(-0.4)}, true},
		{CheckSpec{"confidence": -0.5}, Answer{Confidence: ptr(-0.6)}, false},
	} {
		checks, wrong := Compile([]CheckSpec{c.spec})
		if len(wrong) > 0 {
			t.Errorf("Compile(%v) = %v", c.spec, wrong)
			continue
		}
		if why := checks[0].Untried(c.answer); why != "" {
			t.Errorf("%v on %+v is not tried: %s", c.spec, c.answer, why)
		}
		if r := checks[0].Run(c.answer); r.OK != c.ok || (r.Detail == "") != c.ok {
			t.Errorf("%v on %+v = %v %q, want %v", c.spec, c.answer, r.OK, r.Detail, c.ok)
		}
	}
}

func TestDeeperChecksRefuseWhatTheyCannotMean(t *testing.T) {
	for _, spec := range []CheckSpec{
		{"json_path": ""}, {"json_path": "$.a[*]"}, {"json_path": map[string]any{"path": "$.a", "equal": 1}}, {"json_path": map[string]any{"path": "$.a", "equals": 1, "contains": "a"}},
		{"json_path": map[string]any{"path": "$.a", "exists": false, "equals": 1}}, {"json_path": map[string]any{"path": "$.a", "exists": "no"}}, {"json_path": map[string]any{"path": "$.a", "regex": "("}},
		{"number": "many"}, {"number": map[string]any{"value": 1, "tolerance": -1}}, {"number": map[string]any{"value": 1, "pick": "best"}},
		{"language": "xx"}, {"similar_to": ""}, {"similar_to": "!?"}, {"similar_to": map[string]any{"text": "a", "texts": []any{"b"}}}, {"similar_to": map[string]any{"text": "a", "at_least": 2}},
		{"max_repetition": 1}, {"not_refusal": false}, {"no_prompt_leak": 2}, {"no_prompt_leak": "yes"}, {"tool_call": ""}, {"tool_call": map[string]any{"name": "f", "arguments": 5}},
		{"finish": "done"}, {"finish": []any{}}, {"confidence": 0.5}, {"regex": "(a{500}){4}"},
	} {
		if checks, wrong := Compile([]CheckSpec{spec}); len(checks) != 0 || len(wrong) != 1 || wrong[0].Text == "" || wrong[0].Remedy == "" {
			t.Errorf("Compile(%v) = %v, %v, want one problem with its remedy", spec, checks, wrong)
		}
	}
}

func TestCheckThatCannotBeTriedSaysWhy(t *testing.T) {
	checks, _ := Compile([]CheckSpec{{"confidence": -0.5}})
	if why := checks[0].Untried(Answer{Text: "Paris"}); why == "" {
		t.Error("confidence is tried on an answer without one")
	}
}

func TestLanguagesAreToldByASentence(t *testing.T) {
	for want, s := range map[string]string{
		"ar": "السماء زرقاء لأن الهواء يشتت الضوء الأزرق أكثر من غيره.", "de": "Der Himmel ist blau, weil die Luft das Licht der Sonne streut und das Blau mehr als das Rot.",
		"en": "The sky is blue because the air scatters blue light more than it does red.", "es": "El cielo es azul porque el aire dispersa la luz azul más que la roja.",
		"fa": "آسمان آبی است چون هوا نور آبی را بیشتر پراکنده می\u200cکند و گرد.", "fr": "Le ciel est bleu car l'air diffuse la lumière bleue plus que la rouge dans toutes les directions.",
		"hi": "आकाश नीला है क्योंकि हवा नीले प्रकाश को अधिक बिखेरती है।", "id": "Langit berwarna biru karena udara menghamburkan cahaya biru lebih banyak dari cahaya merah.",
		"it": "Il cielo è blu perché l'aria diffonde la luce blu più di quella rossa.", "ja": "空が青いのは、空気が青い光をより多く散乱させるからです。",
		"ko": "하늘이 파란 이유는 공기가 파란 빛을 더 많이 산란시키기 때문입니다.", "nl": "De lucht is blauw omdat de atmosfeer blauw licht meer verstrooit dan het rode licht van de zon.",
		"pl": "Niebo jest niebieskie, ponieważ powietrze rozprasza światło niebieskie bardziej niż czerwone.", "pt": "O céu é azul porque o ar espalha mais a luz azul do que a vermelha.",
		"ru": "Небо голубое, потому что воздух сильнее рассеивает синий свет.", "sv": "Himlen är blå eftersom luften sprider det blå ljuset mer än det röda.",
		"tr": "Gökyüzü mavidir çünkü hava mavi ışığı kırmızı ışıktan daha çok dağıtır.", "uk": "Небо блакитне, тому що повітря сильніше розсіює синє світло і його видно.",
		"vi": "Bầu trời có màu xanh vì không khí tán xạ ánh sáng xanh nhiều hơn ánh sáng đỏ.", "zh": "天空是蓝色的，因为空气散射蓝光比红光多。",
		"": "42",
	} {
		if got := detectLanguage(s); got != want {
			t.Errorf("detectLanguage(%q) = %q, want %q", s, got, want)
		}
	}
}

// hostile are answers made to be hard.
func hostile() []string {
	return []string{
		"", "\x00\x01\x1b[31m\u202e", strings.Repeat("\xff", 1<<20), strings.Repeat("a", 4<<20), strings.Repeat("a b ", 1<<20), strings.Repeat("1", 4<<20),
		strings.Repeat("1,", 1<<20), strings.Repeat("9e9", 1<<20), strings.Repeat("-", 1<<20), strings.Repeat("漢", 1<<20), strings.Repeat("[", 1<<20), strings.Repeat(`{"a":`, 1<<18),
		strings.Repeat("\u0301", 1<<19), strings.Repeat("İ", 1<<19), strings.Repeat("the ", 1<<19), strings.Repeat("ﷺ", 1<<18),
	}
}

// every is one check of every kind, each with something hard about it.
func every() []CheckSpec {
	return []CheckSpec{
		{"contains": "Paris"}, {"not_contains": "sorry"}, {"equals": "Paris"}, {"regex": `((a+)+)+$|(.*)(.*)(.*)(x{100})`}, {"one_of": []any{"yes", "no"}},
		{"json_schema": map[string]any{"type": "object"}}, {"json_path": map[string]any{"path": "$.a.a.a[0]", "regex": "(a|aa)+$"}}, {"json_path": map[string]any{"path": "$[0]", "equals": map[string]any{"a": 1}}},
		{"number": map[string]any{"value": 42, "tolerance": 1, "pick": "any"}}, {"max_tokens": 8}, {"min_tokens": 2}, {"language": "fr"},
		{"similar_to": strings.Repeat("the lighthouse keeper lost a goat ", 2000)}, {"max_repetition": 0.5}, {"not_refusal": true}, {"no_prompt_leak": true},
		{"tool_call": map[string]any{"name": "f", "arguments": map[string]any{"type": "object"}}}, {"finish": "stop"}, {"confidence": -1},
		{"dimensions": 3}, {"norm": 1}, {"cosine": map[string]any{"vector": []any{1, 0.5, -1e38}}}, {"nearer": map[string]any{"to": "a", "than": "b", "by": 0.1}},
	}
}

func TestEveryKindOfCheckIsTriedOnHostileAnswersInBoundedTime(t *testing.T) {
	checks, wrong := Compile(every())
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	tried := map[string]bool{}
	for _, s := range every() {
		for k := range s {
			tried[k] = true
		}
	}
	for _, k := range kinds() {
		if !tried[k.name] && k.judge == nil {
			t.Errorf("nothing hostile is tried on %s", k.name)
		}
	}
	for _, s := range hostile() {
		a := Answer{Text: s, Tokens: len(s), Finish: s, Prompt: s, System: s, ToolCalls: []llm.ToolCall{{Name: "f", Arguments: s}, {Name: s}}}
		for _, c := range checks {
			start := time.Now()
			harmless(t, c, a)
			// Far above what any takes (tens of ms), far below what a bomb takes.
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s took %v on %d bytes of %.20q", c.Name, took, len(s), s)
			}
		}
	}
}

// harmless runs a check and holds its result to its promise.
func harmless(t *testing.T, c Check, a Answer) {
	r := c.Run(a)
	if r.OK != (r.Detail == "") || len(r.Detail) > 200 || !utf8.ValidString(r.Detail) || strings.ContainsFunc(r.Detail, unicode.IsControl) {
		t.Errorf("%s on %.40q = %+v", c.Name, a.Text, r)
	}
}

// FuzzDeepChecks feeds hostile answers and arguments to one check of every kind.
func FuzzDeepChecks(f *testing.F) {
	checks, wrong := Compile(every())
	if len(wrong) > 0 {
		f.Fatal(wrong)
	}
	for _, s := range []string{"Paris 1,234.5e3", `{"a":{"a":{"a":["aaaa"]}}}`, "I'm sorry, but", "\xff\x00 −1'000", "le la les", "天空 blue"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, s, args string) {
		for _, c := range checks {
			harmless(t, c, Answer{Text: s, Tokens: len(s), Finish: args, Prompt: args, System: s, ToolCalls: []llm.ToolCall{{Name: "f", Arguments: args}}})
			harmless(t, c, Answer{Prompt: s, Vectors: map[string][]float32{s: floatsOf(s), "a": floatsOf(args), "b": floatsOf(s + args)}})
		}
		for _, v := range []float64{repetition(wordHashes(s)), newFingerprint(s).similarity(newFingerprint(args))} {
			if !(v >= 0 && v <= 1) {
				t.Errorf("share of %q, %q = %v", s, args, v)
			}
		}
	})
}

func TestRefusalInWordsIsARefusal(t *testing.T) {
	checks, _ := Compile([]CheckSpec{{"not_refusal": true}, {"contains": "Paris"}})
	if checks[0].fails != bellwether.Refusal || checks[1].fails != bellwether.BadOutput {
		t.Errorf("fails = %q, %q", checks[0].fails, checks[1].fails)
	}
}

func TestChecksAreReadFromYAML(t *testing.T) {
	const text = `
- {json_schema: {type: object, properties: {list: {type: array, items: {enum: [{a: 1}]}}}}}
- {json_path: {path: "$.a", equals: {b: [{c: 1}]}}}
- {number: {value: 42, tolerance: 0.5}}
- {similar_to: {texts: [one thing, another], at_least: 0.4}}
- {tool_call: {name: f, arguments: {type: object, required: [x], properties: {x: {type: string}}}}}
- {judge: {target: gpt-us, criterion: It is polite.}}
- {one_of: ["yes", "no"]}
`
	var specs []CheckSpec
	if err := yaml.Unmarshal([]byte(text), &specs); err != nil {
		t.Fatal(err)
	}
	checks, wrong := Compile(specs)
	if len(wrong) > 0 || len(checks) != len(specs) {
		t.Fatalf("Compile = %d checks, %v", len(checks), wrong)
	}
	if r := checks[1].Run(Answer{Text: `{"a": {"b": [{"c": 1.0}]}}`}); !r.OK {
		t.Errorf("json_path = %+v", r)
	}
	canary := Canary{Name: "x", Prompt: "p", Checks: specs, Tools: []Tool{{Name: "g"}}}
	if ps := canary.problems("canary"); len(ps) != 1 || ps[0].Path != "canary.checks[4].tool_call" {
		t.Errorf("problems = %v, want the tool that is not offered", ps)
	}
}

// floatsOf takes the bytes of s for numbers, whatever they are.
func floatsOf(s string) (v []float32) {
	for b := []byte(s); len(b) >= 4; b = b[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return v
}
