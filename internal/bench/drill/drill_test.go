package main

import (
	"strings"
	"testing"
	"time"
)

func TestStreamsAreToldApartByHowTheyEnd(t *testing.T) {
	const content = `data: {"choices":[{"delta":{"content":"a"}}]}` + "\n\n"
	const finish = `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	for text, want := range map[string]ending{
		content + finish + "data: [DONE]\n\n":              whole,
		content + "data: [DONE]\n\n":                       cut,
		content + finish:                                   cut,
		content + `data: {"error":{"message":"it broke"}}`: told,
		"": cut,
	} {
		var v seen
		v.readStream(strings.NewReader(text), time.Now())
		if v.end != want {
			t.Errorf("%q: ended %v, want %v", text, v.end, want)
		}
	}
}

func TestComplaintsNameWhatMustNotHappen(t *testing.T) {
	o := options{well: time.Second, ill: 5 * time.Second, again: time.Second}
	r := &result{illness: illnesses[0], seconds: 7, first: []int{9, 90, 9, 1, 2, 0, 9, 0}}
	r.note(seen{end: refused})
	r.note(seen{end: cut, stream: true})
	got := strings.Join(r.complaints(o), "; ")
	if want := "1 plain requests failed; 1 streams were cut without a word; 2 trials of the dead target in one second"; got != want {
		t.Errorf("complaints: %s; want %s", got, want)
	}
	if got := (&result{illness: illnesses[0], first: make([]int, 8)}).complaints(o); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}
