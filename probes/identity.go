package probes

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// The signals of an observation that shows another identity than the ones
// before: IdentityChanged and what of it changed. Each is 1 once, with the
// observation that made it certain, and absent otherwise.
const (
	IdentityChanged     bellwether.Signal = "identity.changed"
	IdentityModel       bellwether.Signal = "identity.model"       // answers name another model
	IdentityMismatch    bellwether.Signal = "identity.mismatch"    // answers name a model that was not asked for
	IdentityFingerprint bellwether.Signal = "identity.fingerprint" // a fingerprint is new and stays
	IdentityTokens      bellwether.Signal = "identity.tokens"      // the same prompt counts as other input tokens
)

// How much is seen before a value may be called new, and how often a new value
// must come before it is believed: fleets answer with several fingerprints.
const (
	modelKnown, modelSights             = 5, 2
	fingerprintKnown, fingerprintSights = 30, 3
	tokensKnown, tokensSights           = 3, 2

	maxIdentities = 20_000 // canaries times targets, at each version of their prompt
	maxDistinct   = 32     // values of one thing; more are noise, and never a change
)

// Identity follows who answers, by canary and target: the model that answers
// name, their fingerprints, and how many tokens the same prompt counts. A change
// is marked in the observation's signals; it is no failure. It is a [Sender]
// around another, safe for concurrent use, and forgets with the process.
type Identity struct {
	next Sender

	mu    sync.Mutex
	known map[identityKey]*identity
}

type identityKey struct {
	target, canary, model string
	prompt                uint64
}

type identity struct {
	model, fingerprint, tokens variety
	mismatched                 bool    // said once
	ending                     float64 // announced last
}

// variety counts the values that one thing had.
type variety struct {
	n     int
	count map[string]int
}

// NewIdentity returns an identity around next.
func NewIdentity(next Sender) (*Identity, error) {
	if next == nil {
		return nil, errors.New("identity: it needs a sender")
	}
	return &Identity{next: next, known: map[identityKey]*identity{}}, nil
}

// Probe lets next send j and marks a change of identity.
func (i *Identity) Probe(ctx context.Context, j Job) bellwether.Observation {
	o := i.next.Probe(ctx, j)
	ending := o.Signals[IdentityEnding]
	delete(o.Signals, IdentityEnding) // said once
	if o.Outcome != bellwether.OK && o.Outcome != bellwether.BadOutput {
		return o
	}
	for _, s := range i.see(&o, j, ending) {
		signal(&o, s, 1)
		signal(&o, IdentityChanged, 1)
	}
	if o.Signals[IdentityEnding] != 0 {
		signal(&o, IdentityEnding, ending)
	}
	return o
}

// see learns from o and returns what changed.
func (i *Identity) see(o *bellwether.Observation, j Job, ending float64) (changed []bellwether.Signal) {
	c := j.Canary.WithDefaults()
	h := fnv.New64a()
	_, _ = io.WriteString(h, c.System+"\x00"+c.Prompt+"\x00"+fmt.Sprint(c.Tools)) // never fails
	key := identityKey{j.Target.ID, c.Name, j.Target.model(), h.Sum64()}
	i.mu.Lock()
	defer i.mu.Unlock()
	k := i.known[key]
	if k == nil {
		if len(i.known) >= maxIdentities {
			clear(i.known) // of prompts that are no more, by now; the rest is learnt again
		}
		k = &identity{}
		i.known[key] = k
	}
	add := func(yes bool, s bellwether.Signal) {
		if yes {
			changed = append(changed, s)
		}
	}
	add(o.Model != "" && k.model.isNew(o.Model, modelKnown, modelSights), IdentityModel)
	if o.Model != "" && !k.mismatched && j.Target.Protocol != llm.Azure && !sameModel(j.Target.model(), o.Model) {
		k.mismatched = true
		add(true, IdentityMismatch)
	}
	add(o.Fingerprint != "" && k.fingerprint.isNew(o.Fingerprint, fingerprintKnown, fingerprintSights), IdentityFingerprint)
	if fixed := c.Challenge == "" && !c.Nonce; fixed && o.Tokens != nil && !o.Tokens.Estimated && o.Tokens.Input > 0 {
		add(k.tokens.isNew(strconv.Itoa(o.Tokens.Input), tokensKnown, tokensSights), IdentityTokens)
	}
	add(ending != 0 && ending != k.ending, IdentityEnding)
	k.ending = ending
	return changed
}

// isNew counts v, and reports whether it has just become certain that it is
// new: it came for the sights-th time, and not before the first known values.
func (d *variety) isNew(v string, known, sights int) bool {
	if d.count == nil {
		d.count = map[string]int{}
	}
	if _, ok := d.count[v]; !ok {
		if len(d.count) >= maxDistinct {
			return false
		}
		if d.n < known {
			d.count[v] = sights // of old
		}
	}
	d.n++
	if d.count[v] >= sights {
		return false
	}
	d.count[v]++
	return d.count[v] == sights && len(d.count) < maxDistinct
}

// sameModel reports whether an answer's model may be what was asked for:
// providers add dates and paths ("gpt-4o-2024-08-06", "models/gemini-pro").
func sameModel(asked, named string) bool {
	bare := func(s string) string { return strings.ToLower(s[strings.LastIndex(s, "/")+1:]) }
	a, n := bare(asked), bare(named)
	for _, suffix := range []string{"-latest", ":latest"} {
		a, n = strings.TrimSuffix(a, suffix), strings.TrimSuffix(n, suffix)
	}
	return strings.HasPrefix(n, a) || strings.HasPrefix(a, n)
}
