package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	notesEach  = 20 // kept of each target, newest first
	notesSame  = 6 * time.Hour
	notesFirst = "identity."
)

// Note is something about a target that is worth knowing and no outage.
type Note struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // identity.model, identity.mismatch, identity.fingerprint, identity.tokens, identity.ending, gone, listing, status ...
	Text string    `json:"text"`
}

// notes remembers the newest notes of every target, since the start.
type notes struct {
	mu sync.Mutex
	by map[string][]Note
}

// note takes what o says of its target's identity. What several canaries and
// vantages see is one note: the same text is not said again within six hours.
func (n *notes) note(o *bellwether.Observation, f func() Facts) {
	gone := o.Source == bellwether.SourceProbe && o.Outcome == bellwether.Gone
	if o.Signals["identity.changed"] == 0 && !gone {
		return
	}
	if _, known := f().target(o.Target); !known {
		return // a stranger's name, which must not fill the memory
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by == nil {
		n.by = map[string][]Note{}
	}
	if gone {
		n.add(o.Target, Note{At: o.At.UTC(), Kind: "gone", Text: fmt.Sprintf("the provider says that its model is not there (HTTP %d)", o.Status)})
	}
	for s, v := range o.Signals {
		if text := identityText(string(s), v, o); v != 0 && text != "" {
			n.add(o.Target, Note{At: o.At.UTC(), Kind: string(s), Text: text})
		}
	}
}

// Note puts something worth knowing with a target. What was said within six
// hours is not said again. It may be called concurrently.
func (s *Server) Note(target string, x Note) {
	if _, known := s.deps.Facts().target(target); !known {
		return
	}
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	if s.notes.by == nil {
		s.notes.by = map[string][]Note{}
	}
	s.notes.add(target, Note{At: x.At.UTC(), Kind: x.Kind, Text: cut(x.Text, textLimit)})
}

func (n *notes) add(target string, x Note) {
	all := n.by[target]
	if slices.ContainsFunc(all, func(o Note) bool {
		return o.Kind == x.Kind && o.Text == x.Text && x.At.Sub(o.At).Abs() < notesSame
	}) {
		return
	}
	all = append(all, x)
	slices.SortFunc(all, func(a, b Note) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.Kind, b.Kind))
	})
	n.by[target] = all[:min(len(all), notesEach)]
}

// of returns the notes of a target, newest first.
func (n *notes) of(target string) []Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Note{}, n.by[target]...)
}

// identityText says in words what a signal means; "" when it is no identity's.
func identityText(signal string, v float64, o *bellwether.Observation) string {
	switch kind, _ := strings.CutPrefix(signal, notesFirst); kind {
	case "model":
		return fmt.Sprintf("answers now name the model %q", o.Model)
	case "mismatch":
		return fmt.Sprintf("answers name the model %q, which is not what was asked for", o.Model)
	case "fingerprint":
		return fmt.Sprintf("the fingerprint %q is new: what answers was changed", o.Fingerprint)
	case "ending":
		if v > 1 && v < 1e11 {
			return "the provider announces its end for " + time.Unix(int64(v), 0).UTC().Format(time.DateOnly)
		}
		return "the provider calls it deprecated"
	case "id":
		return "the ids of answers begin in another way: another system answers"
	case "fingerprints":
		if v <= 1 {
			return fmt.Sprintf("%.0f %% of answers moved to other fingerprints: what answers is being changed", 100*v)
		}
	case "length":
		return fmt.Sprintf("answers to the same prompt (%s) are of another length than before, now %.0f tokens", o.Canary, v)
	case "embedding":
		return fmt.Sprintf("the same text (%s) now has another vector: vectors of before cannot be compared with new ones", o.Canary)
	case "tokens":
		if o.Tokens != nil {
			return fmt.Sprintf("the same prompt (%s) now counts %d input tokens: the tokenizer or a hidden prompt changed", o.Canary, o.Tokens.Input)
		}
	}
	return ""
}
