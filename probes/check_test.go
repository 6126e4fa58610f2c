package probes

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestChecksAcceptAndRefuse(t *testing.T) {
	person := map[string]any{"type": "object", "required": []any{"name"}, "properties": map[string]any{"age": map[string]any{"type": "integer", "maximum": 200}}}
	for _, c := range []struct {
		spec   CheckSpec
		answer Answer
		ok     bool
	}{
		{CheckSpec{"contains": "Paris"}, Answer{Text: "It is PARIS, of course"}, true},
		{CheckSpec{"contains": "Paris"}, Answer{Text: "It is Lyon"}, false},
		{CheckSpec{"contains": 4}, Answer{Text: "2 + 2 = 4."}, true},
		{CheckSpec{"not_contains": "sorry"}, Answer{Text: "Paris"}, true},
		{CheckSpec{"not_contains": "sorry"}, Answer{Text: "I am Sorry"}, false},
		{CheckSpec{"equals": "Paris"}, Answer{Text: "  paris.\n"}, true},
		{CheckSpec{"equals": "Paris"}, Answer{Text: "Paris, France"}, false},
		{CheckSpec{"equals": true}, Answer{Text: "True"}, true},
		{CheckSpec{"equals": "50%"}, Answer{Text: "50"}, false},
		{CheckSpec{"equals": "!"}, Answer{Text: ""}, false},
		{CheckSpec{"regex": `^\d+$`}, Answer{Text: "42"}, true},
		{CheckSpec{"regex": `^\d+$`}, Answer{Text: "forty-two"}, false},
		{CheckSpec{"one_of": []any{"yes", "no"}}, Answer{Text: "No."}, true},
		{CheckSpec{"one_of": []any{"yes", "no"}}, Answer{Text: "maybe"}, false},
		{CheckSpec{"one_of": []string{"yes", "no"}}, Answer{Text: "YES!"}, true},
		{CheckSpec{"json_schema": person}, Answer{Text: `{"name":"Ann","age":30}`}, true},
		{CheckSpec{"json_schema": person}, Answer{Text: "```json\n{\"name\":\"Ann\"}\n```"}, true},
		{CheckSpec{"json_schema": person}, Answer{Text: `{"age":30}`}, false},
		{CheckSpec{"json_schema": person}, Answer{Text: `{"name":"Ann","age":300}`}, false},
		{CheckSpec{"json_schema": person}, Answer{Text: `{"name":"Ann"} and more`}, false},
		{CheckSpec{"json_schema": person}, Answer{Text: `not JSON`}, false},
		{CheckSpec{"json_schema": person}, Answer{Text: `{"name":1,"age":1e999999999}`}, false},
		{CheckSpec{"json_schema": `{"type":"array"}`}, Answer{Text: `[]`}, true},
		{CheckSpec{"json_schema": `{"type":"array"}`}, Answer{Text: strings.Repeat("[", 99) + strings.Repeat("]", 99)}, false},
		{CheckSpec{"json_schema": `{"type":"array"}`}, Answer{Text: "[" + strings.Repeat("0,", 1<<17) + "0]"}, false},
		{CheckSpec{"max_tokens": 8}, Answer{Tokens: 8}, true},
		{CheckSpec{"max_tokens": 8}, Answer{Tokens: 9}, false},
		{CheckSpec{"min_tokens": 2}, Answer{Tokens: 2}, true},
		{CheckSpec{"min_tokens": uint64(2)}, Answer{Tokens: 1}, false},
	} {
		checks, wrong := Compile([]CheckSpec{c.spec})
		if len(wrong) > 0 {
			t.Errorf("Compile(%v) = %v", c.spec, wrong)
			continue
		}
		r := checks[0].Run(c.answer)
		if strings.HasSuffix(r.Detail, ": ") {
			t.Errorf("%v says %q, and not why", c.spec, r.Detail)
		}
		if r.OK != c.ok || (r.Detail == "") != c.ok {
			t.Errorf("%v on %+v = %v %q, want %v", c.spec, c.answer, r.OK, r.Detail, c.ok)
		}
	}
}

func TestCompileReportsEveryProblemWithItsPlaceAndRemedy(t *testing.T) {
	specs := []CheckSpec{
		{}, {"contains": "a", "equals": "b"}, {"kontains": "Paris"}, {"contains": ""}, {"contains": 1.5}, {"contains": []any{"a"}},
		{"regex": "("}, {"one_of": "yes"}, {"one_of": []any{}}, {"one_of": []any{"a", nil}}, {"max_tokens": -1}, {"min_tokens": "two"}, {"max_tokens": 1.5},
		{"json_schema": 5}, {"json_schema": "{"}, {"json_schema": map[string]any{"type": "colour"}},
		{"json_schema": map[string]any{"$ref": "file:///etc/passwd"}}, {"json_schema": map[string]any{"$ref": "http://127.0.0.1/x"}},
	}
	checks, wrong := Compile(specs)
	if len(checks) != 0 || len(wrong) != len(specs) {
		t.Fatalf("Compile = %d checks, %d problems, want 0 and %d: %v", len(checks), len(wrong), len(specs), wrong)
	}
	for i, w := range wrong {
		if !strings.HasPrefix(w.Path, fmt.Sprintf("[%d]", i)) || w.Text == "" || w.Remedy == "" {
			t.Errorf("problem %d = %+v", i, w)
		}
	}
	if !strings.Contains(wrong[2].Remedy, "not_contains, equals, regex, one_of, json_schema, json_path, number, max_tokens, min_tokens, language, similar_to") {
		t.Errorf("remedy = %s, want all names", wrong[2].Remedy)
	}
}

func TestSecondCheckOfAKindHasANameOfItsOwn(t *testing.T) {
	checks, _ := Compile([]CheckSpec{{"contains": "a"}, {"max_tokens": 3}, {"contains": "b"}})
	if checks[0].Name != "contains" || checks[1].Name != "max_tokens" || checks[2].Name != "contains_2" {
		t.Errorf("names = %v %v %v", checks[0].Name, checks[1].Name, checks[2].Name)
	}
}

func TestExcerptIsShortAndHarmless(t *testing.T) {
	got := excerpt("a\x1b[31m\u202eb\x00\xff" + strings.Repeat("é", 1000))
	if n := utf8.RuneCountInString(got); n != 500 || strings.ContainsFunc(got, unicode.IsControl) || strings.ContainsRune(got, '\u202e') || !utf8.ValidString(got) {
		t.Errorf("excerpt = %d runes, %.40q", n, got)
	}
}

// FuzzChecks feeds hostile answers to one check of every kind.
func FuzzChecks(f *testing.F) {
	checks, wrong := Compile([]CheckSpec{
		{"contains": "Paris"}, {"not_contains": "sorry"}, {"equals": "Paris"}, {"regex": `(a+)+$`}, {"one_of": []any{"yes", "no"}},
		{"json_schema": map[string]any{"type": "object", "properties": map[string]any{
			"n": map[string]any{"type": "integer", "multipleOf": 3}, "l": map[string]any{"type": "array", "uniqueItems": true}, "self": map[string]any{"$ref": "#"},
		}}},
		{"max_tokens": 8}, {"min_tokens": 2},
	})
	if len(wrong) > 0 {
		f.Fatal(wrong)
	}
	for _, s := range []string{"Paris", `{"n": 3e99, "l": [1, 1.0]}`, "```\n{}\n```", strings.Repeat("a", 99) + "b", strings.Repeat(`{"self":`, 99), "\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range checks {
			r := c.Run(Answer{Text: s, Tokens: len(s)})
			if r.OK != (r.Detail == "") || len(r.Detail) > 200 || !utf8.ValidString(r.Detail) || strings.ContainsFunc(r.Detail, unicode.IsControl) {
				t.Errorf("%s on %q = %+v", c.Name, s, r)
			}
		}
	})
}
