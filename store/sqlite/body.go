package sqlite

import (
	"encoding/json"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// body is what an observation's columns do not hold, under short names: a
// fortnight holds a million of them. docs/storage.md has the names' meaning. A
// field of the noun that is missing here would be lost: the conformance suite
// stores an observation with every field set.
type body struct {
	Trigger     string                        `json:"tr,omitempty"`
	Status      int                           `json:"st,omitempty"`
	Late        float64                       `json:"la,omitempty"`
	SelfLag     float64                       `json:"sl,omitempty"`
	Reused      bool                          `json:"re,omitempty"`
	HTTP        string                        `json:"ht,omitempty"`
	Timing      []float64                     `json:"ti,omitempty"` // in the noun's order, zeros at the end cut
	Tokens      []int                         `json:"to,omitempty"` // input, output, cached, reasoning, 1 when estimated
	CostUSD     float64                       `json:"co,omitempty"`
	Checks      []check                       `json:"ch,omitempty"`
	Model       string                        `json:"mo,omitempty"`
	Fingerprint string                        `json:"fp,omitempty"`
	Finish      string                        `json:"fi,omitempty"`
	Confidence  *float64                      `json:"cf,omitempty"`
	Excerpt     string                        `json:"ex,omitempty"`
	Error       string                        `json:"er,omitempty"`
	Doubtful    string                        `json:"do,omitempty"`
	RetryAfter  float64                       `json:"ra,omitempty"`
	SampleRate  float64                       `json:"sr,omitempty"`
	Window      float64                       `json:"wi,omitempty"`
	Counts      map[bellwether.Outcome]int    `json:"cn,omitempty"`
	Sketches    map[bellwether.Signal][]byte  `json:"sk,omitempty"`
	Signals     map[bellwether.Signal]float64 `json:"si,omitempty"`
}

type check struct {
	Name   string `json:"n"`
	Failed bool   `json:"f,omitempty"`
	Detail string `json:"d,omitempty"`
}

func encodeBody(o *bellwether.Observation) ([]byte, error) {
	b := body{
		Trigger: o.Trigger, Status: o.Status, Late: o.Late, SelfLag: o.SelfLag, Reused: o.Reused, HTTP: o.HTTP,
		Timing: encodeTiming(o.Timing), CostUSD: o.CostUSD, Model: o.Model, Fingerprint: o.Fingerprint,
		Finish: o.Finish, Confidence: o.Confidence, Excerpt: o.Excerpt, Error: o.Error, Doubtful: o.Doubtful,
		RetryAfter: o.RetryAfter, SampleRate: o.SampleRate, Window: o.Window,
		Counts: o.Counts, Sketches: o.Sketches, Signals: o.Signals,
	}
	if t := o.Tokens; t != nil {
		b.Tokens = []int{t.Input, t.Output, t.Cached, t.Reasoning, 0}
		if t.Estimated {
			b.Tokens[4] = 1
		}
	}
	for _, c := range o.Checks {
		b.Checks = append(b.Checks, check{c.Name, !c.OK, c.Detail})
	}
	return json.Marshal(&b)
}

// decodeBody fills the fields of o that have no column.
func decodeBody(data []byte, o *bellwether.Observation) error {
	var b body
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	o.Trigger, o.Status, o.Late, o.SelfLag, o.Reused, o.HTTP = b.Trigger, b.Status, b.Late, b.SelfLag, b.Reused, b.HTTP
	o.Timing, o.CostUSD, o.Model, o.Fingerprint = decodeTiming(b.Timing), b.CostUSD, b.Model, b.Fingerprint
	o.Finish, o.Confidence, o.Excerpt, o.Error, o.Doubtful = b.Finish, b.Confidence, b.Excerpt, b.Error, b.Doubtful
	o.RetryAfter, o.SampleRate, o.Window = b.RetryAfter, b.SampleRate, b.Window
	o.Counts, o.Sketches, o.Signals = b.Counts, b.Sketches, b.Signals
	if t := b.Tokens; len(t) == 5 {
		o.Tokens = &bellwether.Tokens{Input: t[0], Output: t[1], Cached: t[2], Reasoning: t[3], Estimated: t[4] != 0}
	}
	for _, c := range b.Checks {
		o.Checks = append(o.Checks, bellwether.CheckResult{Name: c.Name, OK: !c.Failed, Detail: c.Detail})
	}
	return nil
}

func encodeTiming(t bellwether.Timing) []float64 {
	v := []float64{t.DNS, t.Connect, t.TLS, t.FirstByte, t.FirstToken, t.InterToken, t.InterTokenP95, t.InterTokenMax, t.Total}
	for len(v) > 0 && v[len(v)-1] == 0 {
		v = v[:len(v)-1]
	}
	return v
}

func decodeTiming(v []float64) bellwether.Timing {
	v = append(slices.Clip(v), make([]float64, 9)...)
	return bellwether.Timing{DNS: v[0], Connect: v[1], TLS: v[2], FirstByte: v[3], FirstToken: v[4],
		InterToken: v[5], InterTokenP95: v[6], InterTokenMax: v[7], Total: v[8]}
}
