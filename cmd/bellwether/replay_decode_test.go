package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
)

// fullObservation has every field set.
func fullObservation(t testing.TB) bellwether.Observation {
	t.Helper()
	var o bellwether.Observation
	fill(reflect.ValueOf(&o).Elem())
	o.At = time.Date(2026, 11, 20, 16, 20, 0, 123456789, time.UTC)
	return o
}

// fill sets every field below v to something that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x" + v.Type().Name())
	case reflect.Int:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(-1.25e-7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(200)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

// agrees compares the decoder with encoding/json, and returns whether the text
// was read without its help.
func agrees(t *testing.T, text string) (alone bool) {
	t.Helper()
	var want, got bellwether.Observation
	wantErr := json.Unmarshal([]byte(text), &want)
	d := newDecoder()
	c := cursor{s: text, d: d}
	c.observation(&got)
	c.space()
	alone = !c.bad && c.i == len(text)
	if alone && (wantErr != nil || !reflect.DeepEqual(got, want)) {
		t.Errorf("%s\nread as    %+v\njson reads %+v, %v", text, got, want, wantErr)
	}
	err := d.decode(text, &got)
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("decode(%s) = %+v, %v; json reads %+v, %v", text, got, err, want, wantErr)
	}
	return alone
}

func TestWhatTheAPIWritesIsReadWithoutEncodingJSON(t *testing.T) {
	full := fullObservation(t)
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if !agrees(t, string(text)) {
		t.Errorf("an observation with every field set was left to encoding/json: %s", text)
	}
	for o := range historyOf(t, 1, time.Hour) {
		o.Excerpt = "Grüße\n<b>\u2028\"" // escaped, and beyond ASCII
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if !agrees(t, string(text)) {
			t.Fatalf("left to encoding/json: %s", text)
		}
	}
}

func TestWhatIsWrittenOtherwiseIsReadAsEncodingJSONDoes(t *testing.T) {
	for _, text := range oddObservations {
		agrees(t, text)
	}
}

// oddObservations are right and wrong in ways that a quick reader overlooks.
var oddObservations = []string{
	``, `{`, `{}`, ` { } `, `{}x`, `[]`, `null`, `{"at":null}`, `{"id":"a",}`, `{,}`, `{"id" "a"}`, `{"id":"a" "at":1}`,
	`{"ID":"a"}`, `{"id":"a","id":"b"}`, `{"checks":[{"name":"a","ok":true}],"checks":[{}]}`, `{"new":1}`, `{"new":{"a":[1,2]}}`,
	`{"status":1.0}`, `{"status":1e2}`, `{"status":01}`, `{"status":-0}`, `{"status":99999999999999999999}`, `{"status":"1"}`,
	`{"late_seconds":.5}`, `{"late_seconds":5.}`, `{"late_seconds":1e400}`, `{"late_seconds":0x1p3}`, `{"late_seconds":-}`, `{"late_seconds":+1}`, `{"late_seconds":1E+2}`, `{"late_seconds":NaN}`,
	`{"reused":truex}`, `{"reused":tru}`, `{"reused":"true"}`,
	`{"at":"2026-11-20T16:20:00Z"}`, `{"at":"2026-11-20T16:20:00.1Z"}`, `{"at":"2026-02-29T00:00:00Z"}`, `{"at":"2026-11-20T24:00:00Z"}`, `{"at":"2026-11-20T16:20:60Z"}`,
	`{"at":"2026-11-20T16:20:00.Z"}`, `{"at":"2026-11-20T16:20:00,5Z"}`, `{"at":"2026-11-20T16:20:00+01:00"}`, `{"at":"2026-11-20t16:20:00z"}`, `{"at":"2026-11-20T1:20:00.00Z"}`, `{"at":"0000-01-01T00:00:00Z"}`,
	`{"target":"\u0061"}`, "{\"target\":\"\xff\"}", "{\"excerpt\":\"\xff\"}", `{"excerpt":"\ud800"}`, "{\"excerpt\":\"a\nb\"}", `{"excerpt":"\`, `{"excerpt":"\x"}`,
	`{"tokens":null}`, `{"tokens":{}}`, `{"tokens":{"input":1,"input":2}}`, `{"timing":{"total_seconds":1,"more":2}}`, `{"counts":{"ok":1,"ok":2}}`,
	`{"sketches":{"first_token":"AAE="}}`, `{"sketches":{"first_token":"A"}}`, `{"sketches":{"first_token":""}}`, `{"sketches":{"first_token":null}}`, `{"signals":{}}`, `{"checks":[]}`, `{"checks":null}`,
}

func FuzzDecodeObservation(f *testing.F) {
	for _, text := range oddObservations {
		f.Add(text)
	}
	full, err := json.Marshal(fullObservation(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(full))
	f.Fuzz(func(t *testing.T, text string) { agrees(t, text) })
}

func TestTheDecoderKeepsABoundedNumberOfNames(t *testing.T) {
	d := newDecoder()
	var o bellwether.Observation
	for i := range 3 * mostNames {
		if err := d.decode(`{"model":"`+strings.Repeat("m", i%50)+time.Duration(i).String()+`"}`, &o); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.names) > mostNames {
		t.Errorf("%d names are kept, want at most %d", len(d.names), mostNames)
	}
}

// historyOf invents a fault-free history of n targets at 30 s.
func historyOf(t testing.TB, n int, length time.Duration) func(func(bellwether.Observation) bool) {
	t.Helper()
	start := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	o := sim.DayOptions{Seed: 3, Vantage: "test", Interval: 30 * time.Second, Start: start, End: start.Add(length),
		Canaries: []sim.DayCanary{{Name: "hello", Prompt: "Count to 12.", Checks: []string{"contains"}}}}
	for i := range n {
		o.Targets = append(o.Targets, historyTarget(i))
	}
	day, err := sim.Day(o)
	if err != nil {
		t.Fatal(err)
	}
	return day
}

func historyTarget(i int) bellwether.Target {
	models, regions := []string{"gpt-4o", "claude-haiku", "gemini-flash"}, []string{"us-east", "eu-west", "ap-south"}
	return bellwether.Target{ID: "t" + string(rune('0'+i/10)) + string(rune('0'+i%10)), Provider: []string{"one", "two"}[i%2],
		Model: models[i%3], Region: regions[i/3%3], Price: bellwether.Price{Input: .15, Output: .6}}
}

func BenchmarkDecodeObservation(b *testing.B) {
	var lines []string
	size := 0
	for o := range historyOf(b, 10, 10*time.Minute) {
		text, err := json.Marshal(o)
		if err != nil {
			b.Fatal(err)
		}
		lines = append(lines, string(bytes.TrimSpace(text)))
		size += len(text)
	}
	for _, way := range []string{"ours", "encoding/json"} {
		b.Run(way, func(b *testing.B) {
			d := newDecoder()
			b.SetBytes(int64(size / len(lines)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				var o bellwether.Observation
				var err error
				if way == "ours" {
					err = d.decode(lines[i%len(lines)], &o)
				} else {
					err = json.Unmarshal([]byte(lines[i%len(lines)]), &o)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
