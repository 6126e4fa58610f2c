package router

import (
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/llm"
)

// answers remembers who answered whom, by the answers' ids, so that callers
// can say what an answer was worth: about the last 65,000, each under both its ids. It is
// many small rings, in each of which the newest replaces the oldest: one look
// at one place of memory, whatever came before. Safe for concurrent use.
type answers struct {
	seed maphash.Seed

	mu    sync.Mutex
	rings [][ringSize]answered // nil until the first answer
	next  []uint8
}

const (
	ringSize  = 8
	ringCount = 1 << 14
)

// answered is one answer that is remembered, under one of its ids.
type answered struct {
	hash                  uint64 // of the id; 0: none
	caller, target, route string
	judged                bool
}

func newAnswers() *answers { return &answers{seed: maphash.MakeSeed()} }

func (a *answers) hash(id string) uint64 { return maphash.String(a.seed, id) | 1 }

// put remembers an answer.
func (a *answers) put(id string, e answered) {
	e.hash = a.hash(id)
	i := e.hash >> 32 % ringCount
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rings == nil {
		a.rings, a.next = make([][ringSize]answered, ringCount), make([]uint8, ringCount)
	}
	a.rings[i][a.next[i]%ringSize] = e
	a.next[i]++
}

// judge returns the answer by that id of the caller, and whether it is judged
// for the first time, which it is no more.
func (a *answers) judge(id, caller string) (e answered, first, ok bool) {
	h := a.hash(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rings == nil {
		return answered{}, false, false
	}
	ring := &a.rings[h>>32%ringCount]
	for i := range ring {
		if e := &ring[i]; e.hash == h && e.caller == caller {
			first, e.judged = !e.judged, true
			return *e, first, true
		}
	}
	return answered{}, false, false
}

// remember remembers who has answered x, under the request's id and under that
// which the provider gave the answer.
func (rt *Router) remember(x *exchange, f *failure) {
	if f != nil || len(x.tries) == 0 {
		return
	}
	t := &x.tries[len(x.tries)-1]
	e := answered{caller: x.caller.name, target: t.up.ID, route: x.route.Name}
	rt.answers.put(x.id, e)
	if t.seen.id != "" {
		rt.answers.put(t.seen.id, e)
	}
}

// verdict is what a caller says of an answer.
type verdict struct {
	Answer  string   `json:"answer"` // the answer's id, or the request's
	Thumbs  string   `json:"thumbs"` // up or down
	Score   *float64 `json:"score"`  // 0 bad, 1 good; in place of thumbs
	Comment string   `json:"comment"`
}

const (
	maxVerdict = 16 << 10 // bytes
	maxComment = 500
)

// check returns what is wrong with v.
func (v *verdict) check() error {
	switch {
	case v.Answer == "" || len(v.Answer) > 500:
		return errors.New(`answer is missing: send the answer's "id", or its header x-request-id`)
	case (v.Thumbs != "") == (v.Score != nil):
		return errors.New(`send either "thumbs": "up" or "down", or "score" from 0 (bad) to 1 (good)`)
	case v.Thumbs != "" && v.Thumbs != "up" && v.Thumbs != "down":
		return errors.New("thumbs is neither up nor down")
	case v.Score != nil && !(*v.Score >= 0 && *v.Score <= 1):
		return errors.New("score is not from 0 to 1")
	}
	return nil
}

// good returns how good the answer was, from 0 to 1.
func (v *verdict) good() float64 {
	switch {
	case v.Score != nil:
		return *v.Score
	case v.Thumbs == "up":
		return 1
	}
	return 0
}

// feedback serves POST /v1/feedback: a caller's word on an answer that it had.
// It counts once, and goes to the server with the next report.
func (rt *Router) feedback(w http.ResponseWriter, r *http.Request, c *caller, front *dialect) {
	var v verdict
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxVerdict))
	if err == nil {
		if err = json.Unmarshal(body, &v); err == nil {
			err = v.check()
		}
	}
	if err != nil {
		fail(w, front, badRequest(http.StatusBadRequest, "invalid_request", clip(err.Error(), 200)))
		return
	}
	e, first, ok := rt.answers.judge(v.Answer, c.name)
	if n := len(v.Answer) - requestIDLength; !ok && n > 0 { // an id that we wrote: a prefix, and the request's
		e, first, ok = rt.answers.judge(v.Answer[n:], c.name)
	}
	if !ok {
		fail(w, front, &llm.Error{Status: http.StatusNotFound, Type: "invalid_request_error", Code: "answer_not_found", Dialect: llm.OpenAI, Outcome: bellwether.ClientError,
			Message: "this key has had no such answer from this router, or it was too long ago"})
		return
	}
	if first {
		rt.metrics.counter("feedback_total", "target", e.target).Inc()
		rt.metrics.set.GetOrCreateFloatCounter("bellwether_router_feedback_good_total" + labelled([]string{"target", e.target})).Add(v.good())
		if rt.follower != nil {
			rt.recorder.say(bellwether.Observation{
				ID: id.New(time.Now()), At: time.Now().UTC(), Source: bellwether.SourceFeedback, Vantage: rt.recorder.vantage, Target: e.target, Route: e.route,
				Signals: map[bellwether.Signal]float64{bellwether.Feedback: 1 - v.good()}, Excerpt: strings.ToValidUTF8(v.Comment[:min(len(v.Comment), maxComment)], ""),
			})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"answer": v.Answer, "target": e.target, "counted": first})
}

// requestIDLength is how long a request's id is.
const requestIDLength = len("01234567-89ab-7cde-8f01-23456789abcd")

// say hands an observation over that is no sum.
func (r *recorder) say(o bellwether.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.closed) >= maxUnsent {
		r.lost++
		return
	}
	r.closed = append(r.closed, o)
}
