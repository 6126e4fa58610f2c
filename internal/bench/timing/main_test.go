package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// Short of any figure: whatever the speed, all four cells are measured.
func TestHarnessMeasuresAllItsCells(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	var out bytes.Buffer
	if err := run(&out, 2*time.Second, 2); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"HTTP/1.1, idle", "HTTP/2, idle", "HTTP/1.1, under load", "HTTP/2, under load", "meanwhile served", "simplest client", ", 0 failed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, out.String())
		}
	}
	if err := run(&out, 0, 2); err == nil {
		t.Error("run for no time = nil")
	}
}

func TestTruthLeavesOutAnswersWhoseTokensWentTogether(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	whole := truth{at(0), []piece{{at(5), 0}, {at(20), 1}, {at(30), 1}, {at(50), 1}, {at(51), 0}}}
	s, ok := whole.seen()
	if !ok || s.FirstToken != 20*time.Millisecond || s.Gap != 15*time.Millisecond || s.LongestGap != 20*time.Millisecond || s.Total != 51*time.Millisecond {
		t.Errorf("seen = %+v, %v", s, ok)
	}
	whole.pieces[2].tokens = 2
	if _, ok := whole.seen(); ok {
		t.Error("two tokens in one write have no known gap")
	}
	if _, ok := (truth{}).seen(); ok {
		t.Error("nothing was written and still it is known")
	}
}
