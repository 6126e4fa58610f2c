package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
)

const commentLimit = 1000 // bytes

// feedback is a caller's word on one answer.
type feedback struct {
	Answer  string    `json:"answer"`
	At      time.Time `json:"at"`
	Target  string    `json:"target"`
	Route   string    `json:"route"`
	Vantage string    `json:"vantage"`
	Thumbs  string    `json:"thumbs"`
	Score   *float64  `json:"score"`
	Comment string    `json:"comment"`
}

// check calls fault with everything that is wrong with f.
func (f *feedback) check(known map[string]bool, now time.Time, fault func(field, detail string)) {
	if f.Answer != "" && (len(f.Answer) > 200 || !validName(f.Answer[:min(len(f.Answer), 100)])) {
		fault("/answer", "must be the id of an answer: at most 200 printable bytes")
	}
	checkPlace(f.At, f.Target, f.Vantage, known, now, fault)
	if f.Route != "" && !bellwether.ValidID(f.Route) {
		fault("/route", fmt.Sprintf("%.120q is not a route's name", f.Route))
	}
	switch {
	case f.Thumbs == "" && f.Score == nil:
		fault("/thumbs", "is required: up or down; or give score, from 0 (bad) to 1 (good)")
	case f.Thumbs != "" && f.Score != nil:
		fault("/score", "stands beside thumbs; give one of them")
	case f.Thumbs != "" && f.Thumbs != "up" && f.Thumbs != "down":
		fault("/thumbs", fmt.Sprintf("%.40q is neither up nor down", f.Thumbs))
	case f.Score != nil && !(*f.Score >= 0 && *f.Score <= 1):
		fault("/score", "must be from 0 (bad) to 1 (good)")
	}
}

// good returns the score, 0 to 1.
func (f *feedback) good() float64 {
	if f.Score != nil {
		return *f.Score
	}
	return oneIf(f.Thumbs == "up")
}

// observation returns f as an observation, once it is checked. The same word
// on the same answer has the same id, so that sending it again is safe; what
// names no answer counts each time.
func (f *feedback) observation(now time.Time) bellwether.Observation {
	if f.At.IsZero() {
		f.At = now
	}
	name := id.New(now)
	if f.Answer != "" {
		name = digest(f.Answer, f.Target, f.Route, strconv.FormatFloat(f.good(), 'g', -1, 64))
	}
	return bellwether.Observation{
		ID: "feedback:" + name, At: f.At.UTC(), Source: bellwether.SourceFeedback, Vantage: orElse(f.Vantage, userVantage), Target: f.Target, Route: f.Route,
		Excerpt: cut(f.Comment, commentLimit), Signals: map[bellwether.Signal]float64{bellwether.Feedback: 1 - f.good()},
	}
}

// takeFeedback takes callers' words on answers: all of them, or none.
func (s *Server) takeFeedback(w http.ResponseWriter, r *http.Request) error {
	return takeWords(s, w, r, (*feedback).check, (*feedback).observation)
}

// feedbackView is what callers say of one target.
type feedbackView struct {
	Target string      `json:"target"`
	Bad    *proportion `json:"bad,omitempty"` // within the last day; a score counts in part
	Last   []opinion   `json:"last"`          // newest first
}

// opinion is one word at a glance.
type opinion struct {
	At      time.Time `json:"at"`
	Score   float64   `json:"score"` // 0 bad, 1 good
	Route   string    `json:"route,omitempty"`
	Comment string    `json:"comment,omitempty"` // hostile text
}

func (s *Server) listFeedback(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	target := p.id("target")
	if err := p.err(); err != nil {
		return err
	}
	s.told.seed(r.Context(), s)
	return writeJSON(w, map[string]any{"feedback": s.told.opinions(s.deps.Facts().known(), target, time.Now())})
}

func (s *Server) listSignals(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	target := p.id("target")
	if err := p.err(); err != nil {
		return err
	}
	s.told.seed(r.Context(), s)
	return writeJSON(w, map[string]any{"signals": s.told.signals(s.deps.Facts().known(), target, time.Now())})
}

// opinions returns what callers say of the targets known, or of one of them.
func (t *told) opinions(known map[string]bool, target string, now time.Time) []feedbackView {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.voices, func(id string, _ *voice) bool { return !known[id] })
	out := []feedbackView{}
	for _, id := range slices.Sorted(maps.Keys(t.voices)) {
		if target != "" && target != id {
			continue
		}
		v := t.voices[id]
		out = append(out, feedbackView{Target: id, Bad: v.day(now), Last: slices.Clone(v.last)})
	}
	return out
}

// signals returns the users' signals of the targets known, or of one of them.
func (t *told) signals(known map[string]bool, target string, now time.Time) []signalView {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.lines, func(k lineKey, _ *line) bool { return !known[k.target] })
	out := []signalView{}
	for k, l := range t.lines {
		if target != "" && target != k.target {
			continue
		}
		n := l.newest()
		v := signalView{Target: k.target, Signal: k.signal, Vantage: k.vantage, Value: n.Value, At: n.At, Age: max(0, now.Sub(n.At).Seconds()), Seen: l.seen}
		if target != "" {
			v.Recent = slices.Clone(l.recent)
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b signalView) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Signal, b.Signal), cmp.Compare(a.Vantage, b.Vantage))
	})
	return out
}

// seed fetches what was before the start, once; after an error the next call
// tries again.
func (t *told) seed(ctx context.Context, s *Server) {
	t.seeding.Lock()
	defer t.seeding.Unlock()
	t.mu.Lock()
	done := t.seeded
	t.mu.Unlock()
	if done {
		return
	}
	var old []bellwether.Observation
	for _, source := range []string{bellwether.SourceUser, bellwether.SourceFeedback} {
		page, _, err := s.deps.Store.Observations(ctx, bellwether.Query{Source: source, From: t.since.Add(-24 * time.Hour), To: t.since, Limit: 1000})
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("signals and feedback are shown without those of before the start", "error", err)
			}
			return
		}
		old = append(old, page...)
	}
	for i := range old {
		t.take(&old[i], s.deps.Facts, true)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seeded = true
}
