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
	IdentityID          bellwether.Signal = "identity.id"          // ids of answers begin otherwise

	// Those that compare a block of answers with the ones before: their value
	// is the share of answers that moved to other fingerprints, the median of
	// the new lengths in output tokens, and 1 - the cosine of the vectors.
	IdentityFingerprints bellwether.Signal = "identity.fingerprints" // their shares are others
	IdentityLength       bellwether.Signal = "identity.length"       // answers to the same prompt are longer or shorter
	IdentityEmbedding    bellwether.Signal = "identity.embedding"    // the same text has another vector
)

// How much is seen before a value may be called new, and how often a new value
// must come before it is believed: fleets answer with several fingerprints.
const (
	modelKnown, modelSights             = 5, 2
	fingerprintKnown, fingerprintSights = 30, 3
	tokensKnown, tokensSights           = 3, 2
	idKnown, idSights                   = 10, 3

	sameVector = 0.99 // cosine; what providers return for the same text differs by 0.0001 or so

	maxIdentities = 20_000 // canaries times targets, at each version of their prompt
	maxDistinct   = 32     // values of one thing; more are noise, and never a change
)

// Identity follows who answers, by canary and target: the model that answers
// name, how their ids begin, their fingerprints and the shares of those, how many
// tokens the same prompt counts, how long its answers are, and where the vector
// of the same text points. A change
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
	model, fingerprint, tokens, id variety
	mix                            blend   // of fingerprints
	lengths                        lengths // of answers
	mismatched                     bool    // said once
	ending                         float64 // announced last
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
	var w witness
	o := i.next.Probe(context.WithValue(ctx, witnessKey{}, &w), j)
	ending := o.Signals[IdentityEnding]
	delete(o.Signals, IdentityEnding) // said once
	if o.Outcome != bellwether.OK && o.Outcome != bellwether.BadOutput {
		return o
	}
	for s, v := range i.see(&o, j, w.id, ending) {
		signal(&o, s, v)
		signal(&o, IdentityChanged, 1)
	}
	return o
}

// see learns from o, an answer of that id, and returns what changed.
func (i *Identity) see(o *bellwether.Observation, j Job, id string, ending float64) map[bellwether.Signal]float64 {
	changed := map[bellwether.Signal]float64{}
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
			changed[s] = 1
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
	add(id != "" && k.id.isNew(idForm(id), idKnown, idSights), IdentityID)
	k.drift(o, c, changed)
	if ending != 0 && ending != k.ending {
		changed[IdentityEnding] = ending
	}
	k.ending = ending
	return changed
}

// drift compares the newest answers with those before, where they can be
// compared: the same prompt, and tokens that were counted.
func (k *identity) drift(o *bellwether.Observation, c Canary, changed map[bellwether.Signal]float64) {
	if o.Fingerprint != "" {
		if moved, yes := k.mix.shifted(o.Fingerprint); yes {
			changed[IdentityFingerprints] = moved
		}
	}
	if c.Challenge == "" && c.worded() && o.Tokens != nil && !o.Tokens.Estimated {
		if median, yes := k.lengths.changed(o.Tokens.Output); yes {
			changed[IdentityLength] = float64(max(1, median))
		}
	}
	if cosine, compared := o.Signals[embeddingSimilarity]; compared && cosine < sameVector {
		changed[IdentityEmbedding] = 1 - cosine
	}
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
