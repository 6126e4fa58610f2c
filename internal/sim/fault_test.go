package sim

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseFaultsReadsWhatPeopleWrite(t *testing.T) {
	got, err := ParseFaults([]byte(`[
		{"model": "gpt-4o", "region": "eu", "kind": "latency", "value": 3, "probability": 0.5, "from": 1.5, "for": "2m"},
		{"kind": "stall", "value": 7}, {"kind": "swap", "value": "other"}, {"kind": "rate_limit"}, {"kind": "hang", "for": "1d"}]`))
	want := []Fault{
		{Model: "gpt-4o", Region: "eu", Kind: KindLatency, Value: 3, Probability: 0.5, From: 1500 * time.Millisecond, For: 2 * time.Minute},
		{Kind: KindStall, Value: 7}, {Kind: KindSwap, With: "other"}, {Kind: KindRateLimit}, {Kind: KindHang, For: 24 * time.Hour},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseFaults = %+v, %v; want %+v", got, err, want)
	}
	if got, err := ParseFaults([]byte(`[]`)); err != nil || len(got) != 0 {
		t.Errorf("ParseFaults([]) = %v, %v; want none", got, err)
	}
}

func TestEveryBadFaultIsNamedWithItsPlaceAndRemedy(t *testing.T) {
	for _, tc := range []struct{ name, in, path string }{
		{"no JSON", `{`, "$"}, {"no list", `{"kind":"hang"}`, "$"}, {"null", `null`, "$"}, {"two lists", `[][]`, "$"},
		{"no object", `[3]`, "[0]"}, {"null in the list", `[null]`, "[0]"},
		{"no kind", `[{}]`, "[0].kind"}, {"an unknown kind", `[{"kind":"slow"}]`, "[0].kind"}, {"a kind that is no string", `[{"kind":3}]`, "[0].kind"},
		{"an unknown field", `[{"kind":"hang","modell":"x"}]`, "[0].modell"},
		{"a model that is no string", `[{"kind":"hang","model":1}]`, "[0].model"},
		{"no factor", `[{"kind":"latency"}]`, "[0].value"}, {"a negative factor", `[{"kind":"decode","value":-1}]`, "[0].value"},
		{"a status out of range", `[{"kind":"status","value":200}]`, "[0].value"}, {"a broken status", `[{"kind":"status","value":500.5}]`, "[0].value"},
		{"half a token", `[{"kind":"stall","value":0.5}]`, "[0].value"}, {"a name for a number", `[{"kind":"latency","value":"3"}]`, "[0].value"},
		{"a list for a number", `[{"kind":"latency","value":[3]}]`, "[0].value"},
		{"probability zero", `[{"kind":"hang","probability":0}]`, "[0].probability"}, {"probability two", `[{"kind":"hang","probability":2}]`, "[0].probability"},
		{"a time in the past", `[{"kind":"hang","from":-1}]`, "[0].from"}, {"no time", `[{"kind":"hang","from":"soon"}]`, "[0].from"},
		{"a negative length", `[{"kind":"hang","for":"-3s"}]`, "[0].for"}, {"too long", `[{"kind":"hang","for":1e300}]`, "[0].for"},
		{"the second", `[{"kind":"hang"},{"kind":"x"}]`, "[1].kind"},
		{"too many", "[" + strings.Repeat(`{"kind":"hang"},`, maxFaults) + `{"kind":"hang"}]`, "$"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseFaults([]byte(tc.in))
			bad, ok := errors.AsType[*FaultsError](err)
			if !ok || len(bad.Problems) == 0 {
				t.Fatalf("ParseFaults = %v, want a *FaultsError", err)
			}
			if p := bad.Problems[0]; p.Path != tc.path || p.Text == "" || p.Remedy == "" {
				t.Errorf("problem = %+v, want path %q, a text and a remedy", p, tc.path)
			}
		})
	}
}

func TestAllBadFaultsAreNamedAtOnce(t *testing.T) {
	_, err := ParseFaults([]byte(`[{"kind":"slow","from":"x"},{"kind":"hang"},{"kind":"status","value":9,"probability":7}]`))
	bad, _ := errors.AsType[*FaultsError](err)
	if bad == nil || len(bad.Problems) < 3 {
		t.Errorf("ParseFaults = %v, want problems of the first and the third", err)
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add([]byte(`[{"model":"m","region":"eu","kind":"latency","value":3,"probability":0.5,"from":"10s","for":40}]`))
	f.Add([]byte(`[{"kind":"swap","value":"x"},{"kind":"stall","value":3}]`))
	f.Add([]byte(`[{"kind":"hang","for":"14d"}]`))
	f.Add([]byte(`[null,{}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		faults, err := ParseFaults(in)
		if err != nil {
			if bad, ok := errors.AsType[*FaultsError](err); !ok || len(bad.Problems) == 0 {
				t.Fatalf("ParseFaults(%q) = %v, want a *FaultsError", in, err)
			}
			return
		}
		out, err := json.Marshal(faults)
		if err != nil {
			t.Fatalf("Marshal(%+v): %v", faults, err)
		}
		again, err := ParseFaults(out)
		if err != nil || !reflect.DeepEqual(faults, again) {
			t.Fatalf("%q: read %+v, written %s, read again %+v, %v", in, faults, out, again, err)
		}
	})
}
