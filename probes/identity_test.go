package probes

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// answers is a sender that gives what it is told.
type answers struct{ o bellwether.Observation }

func (a *answers) Probe(context.Context, Job) bellwether.Observation { return a.o }

func said(o bellwether.Observation) []string {
	var out []string
	for s, v := range o.Signals {
		if v == 1 && s != IdentityChanged {
			out = append(out, string(s))
		}
	}
	if (o.Signals[IdentityChanged] == 1) != (len(out) > 0) {
		out = append(out, "identity.changed disagrees")
	}
	slices.Sort(out)
	return out
}

// settled is an identity that has seen n equal answers.
func settled(t *testing.T, n int, j Job) (*Identity, *answers) {
	t.Helper()
	a := &answers{bellwether.Observation{Outcome: bellwether.OK, Model: "m-2026-01-01", Fingerprint: "fp1", Tokens: &bellwether.Tokens{Input: 20}}}
	i, err := NewIdentity(a)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if got := said(i.Probe(t.Context(), j)); len(got) > 0 {
			t.Fatalf("nothing changed, yet %v", got)
		}
	}
	return i, a
}

func identityJob() Job {
	j := Job{Target: Target{Protocol: llm.OpenAI}, Canary: Canary{Name: "c", Prompt: "p"}}
	j.Target.ID, j.Target.Model = "one", "m"
	return j
}

func TestAChangeOfIdentityIsSaidOnceWhenItStays(t *testing.T) {
	for want, change := range map[string]func(*bellwether.Observation){
		"identity.model":       func(o *bellwether.Observation) { o.Model = "m-2026-09-09" },
		"identity.fingerprint": func(o *bellwether.Observation) { o.Fingerprint = "fp2" },
		"identity.tokens":      func(o *bellwether.Observation) { o.Tokens = &bellwether.Tokens{Input: 23} },
	} {
		i, a := settled(t, 40, identityJob())
		old := a.o
		change(&a.o)
		if got := said(i.Probe(t.Context(), identityJob())); len(got) > 0 {
			t.Errorf("%s is believed at its first sight: %v", want, got)
		}
		var all []string
		for range 20 {
			all = append(all, said(i.Probe(t.Context(), identityJob()))...)
		}
		if !slices.Equal(all, []string{want}) {
			t.Errorf("said %v, want %s once", all, want)
		}
		a.o = old
		if got := said(i.Probe(t.Context(), identityJob())); len(got) > 0 {
			t.Errorf("%s: what was known before is new: %v", want, got)
		}
	}
}

func TestAModelThatWasNotAskedForIsSaid(t *testing.T) {
	for named, want := range map[string]bool{"m": false, "m-2026": false, "models/m": false, "other": true, "": false} {
		i, err := NewIdentity(&answers{bellwether.Observation{Outcome: bellwether.OK, Model: named}})
		if err != nil {
			t.Fatal(err)
		}
		if got := said(i.Probe(t.Context(), identityJob())); (len(got) > 0) != want {
			t.Errorf("asked for m, answered as %q: %v", named, got)
		}
		azure := identityJob()
		azure.Target.Protocol, azure.Target.ID = llm.Azure, "two" // a deployment's name says nothing
		if got := said(i.Probe(t.Context(), azure)); len(got) > 0 {
			t.Errorf("azure, %q: %v", named, got)
		}
	}
}

func TestNoiseAndChangingPromptsAreNoChangeOfIdentity(t *testing.T) {
	i, a := settled(t, 40, identityJob())
	for n := range 500 { // a fingerprint of each answer's own
		a.o.Fingerprint = fmt.Sprint(n)
		for range 4 {
			i.Probe(t.Context(), identityJob())
		}
	}
	if d := i.known[slices.Collect(keysOf(i))[0]].fingerprint; len(d.count) > maxDistinct {
		t.Errorf("%d values are remembered", len(d.count))
	}
	nonce := identityJob()
	nonce.Canary.Nonce, nonce.Canary.Name = true, "nonce"
	for n := range 50 {
		a.o.Tokens = &bellwether.Tokens{Input: 20 + n/2%2}
		if got := said(i.Probe(t.Context(), nonce)); slices.Contains(got, string(IdentityTokens)) {
			t.Fatal("a prompt that is new each time has no one count of tokens")
		}
	}
	a.o.Outcome, a.o.Model = bellwether.ServerError, "other"
	if got := said(i.Probe(t.Context(), identityJob())); len(got) > 0 {
		t.Errorf("a failure has an identity: %v", got)
	}
}

func keysOf(i *Identity) func(func(identityKey) bool) {
	return func(yield func(identityKey) bool) {
		for k := range i.known {
			if !yield(k) {
				return
			}
		}
	}
}
