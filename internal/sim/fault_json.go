package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// maxFaults bounds a list: every request looks at each.
const maxFaults = 1000

// wireFault is a fault as it is listed.
type wireFault struct {
	Model       string  `json:"model,omitempty"`
	Region      string  `json:"region,omitempty"`
	Kind        Kind    `json:"kind"`
	Value       any     `json:"value,omitempty"`
	Probability float64 `json:"probability,omitempty"`
	From        string  `json:"from,omitempty"`
	For         string  `json:"for,omitempty"`
}

// MarshalJSON writes f as ParseFaults reads it.
func (f Fault) MarshalJSON() ([]byte, error) {
	w := wireFault{Model: f.Model, Region: f.Region, Kind: f.Kind, Probability: f.Probability}
	if f.Value != 0 || valueOf[f.Kind] != nil {
		w.Value = f.Value
	}
	if f.With != "" {
		w.Value = f.With
	}
	if f.From != 0 {
		w.From = f.From.String()
	}
	if f.For != 0 {
		w.For = f.For.String()
	}
	return json.Marshal(w)
}

// ParseFaults reads a JSON list of faults:
//
//	[{"model": "gpt-4o", "region": "eu-west", "kind": "latency", "value": 3,
//	  "probability": 0.5, "from": "10s", "for": 40}]
//
// All but kind may be left out. "from" and "for" are seconds or durations. An
// error is a *FaultsError that names every place at once.
func ParseFaults(data []byte) ([]Fault, error) {
	var items []json.RawMessage
	if err := decodeOne(data, &items); err != nil {
		return nil, &FaultsError{[]conf.Problem{{Path: "$", Text: "not a JSON list of faults: " + err.Error(),
			Remedy: `write [{"kind": "latency", "value": 3}]`}}}
	}
	if items == nil && !bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return nil, &FaultsError{[]conf.Problem{{Path: "$", Text: "not a list", Remedy: "write [] to clear all faults"}}}
	}
	faults := make([]Fault, 0, len(items))
	var problems []conf.Problem
	for i, item := range items {
		f, ps := parseFault(fmt.Sprintf("[%d]", i), item)
		faults, problems = append(faults, f), append(problems, ps...)
	}
	if len(problems) > 0 {
		return nil, &FaultsError{problems}
	}
	return faults, checkFaults(faults)
}

// checkFaults validates a list, however it came about.
func checkFaults(faults []Fault) error {
	if len(faults) > maxFaults {
		return &FaultsError{[]conf.Problem{{Path: "$", Text: fmt.Sprintf("%d faults", len(faults)),
			Remedy: fmt.Sprintf("put at most %d", maxFaults)}}}
	}
	var problems []conf.Problem
	for i, f := range faults {
		problems = append(problems, f.problems(fmt.Sprintf("[%d]", i))...)
	}
	if len(problems) > 0 {
		return &FaultsError{problems}
	}
	return nil
}

// decodeOne reads exactly one JSON value.
func decodeOne(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more after the list's end")
	}
	return nil
}

// parseFault reads one fault field by field, so that a remedy can name each.
func parseFault(path string, item json.RawMessage) (f Fault, ps []conf.Problem) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(item, &fields); err != nil || fields == nil {
		return f, []conf.Problem{{Path: path, Text: "not an object", Remedy: `write {"kind": "latency", "value": 3}`}}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if text, remedy := f.set(key, fields[key]); text != "" {
			ps = append(ps, conf.Problem{Path: path + "." + key, Text: text, Remedy: remedy})
		}
	}
	if _, ok := fields["kind"]; !ok {
		ps = append(ps, conf.Problem{Path: path + ".kind", Text: "missing", Remedy: "write " + kindNames})
	}
	if r := valueOf[f.Kind]; r != nil && r.low > 0 && fields["value"] == nil {
		ps = append(ps, conf.Problem{Path: path + ".value", Text: "missing", Remedy: r.remedy})
	}
	if len(ps) == 0 {
		ps = f.problems(path)
	}
	return f, ps
}

// set reads one field; text is what is wrong with it.
func (f *Fault) set(key string, raw json.RawMessage) (text, remedy string) {
	var err error
	switch key {
	case "model":
		err, remedy = json.Unmarshal(raw, &f.Model), "write the model's name in quotes"
	case "region":
		err, remedy = json.Unmarshal(raw, &f.Region), "write the region's name in quotes"
	case "kind":
		err, remedy = json.Unmarshal(raw, &f.Kind), "write "+kindNames
	case "value":
		if json.Unmarshal(raw, &f.With) != nil {
			err, remedy = json.Unmarshal(raw, &f.Value), "write a number, or for swap a model's name"
		}
	case "probability":
		err, remedy = json.Unmarshal(raw, &f.Probability), "write a number above 0 up to 1"
		if err == nil && f.Probability == 0 {
			return "0 never strikes", "write a number above 0 up to 1, or leave it out for always"
		}
	case "from":
		f.From, err = jsonDuration(raw)
		remedy = "write seconds or a duration such as 10s"
	case "for":
		f.For, err = jsonDuration(raw)
		remedy = "write seconds or a duration such as 40s"
	default:
		return "unknown field", "write model, region, kind, value, probability, from or for"
	}
	if err != nil {
		return strings.TrimPrefix(err.Error(), "json: "), remedy
	}
	return "", ""
}

// jsonDuration reads 10, 0.5, "10s" or "14d".
func jsonDuration(raw json.RawMessage) (time.Duration, error) {
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil {
		return secondsDuration(seconds)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return 0, fmt.Errorf("%s is no duration", raw)
	}
	var d conf.Duration
	if err := d.UnmarshalText([]byte(s)); err != nil {
		return 0, err
	}
	return d.Std(), nil
}
