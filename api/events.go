package api

import (
	"net/http"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	heartbeatEvery = 10 * time.Second
	summaryEvery   = time.Second // of one target, at most
)

// stale remembers which targets have news that listeners have not been told.
type stale struct {
	mu      sync.Mutex
	targets map[string]bool
}

func (s *stale) mark(target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets[target] = true
}

func (s *stale) take() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.targets
	s.targets = map[string]bool{}
	return t
}

// Observe feeds metrics, the last hour and listeners with an observation,
// whether it was made here or came from outside. It does not block.
func (s *Server) Observe(o bellwether.Observation) {
	s.metrics.observe(&o, s.deps.Facts())
	s.hour.add(&o)
	s.results.note(&o)
	s.misses.note(&o)
	s.notes.note(&o, s.deps.Facts)
	s.told.note(&o, s.deps.Facts)
	s.stale.mark(o.Target)
}

// Changed tells listeners that a verdict changed. It does not block.
func (s *Server) Changed(c bellwether.Change) {
	c.Score, c.Weight, c.Reasons = finite(c.Score), finite(c.Weight), reasons(c.Reasons)
	s.say("change", "", c)
	s.stale.mark(c.Target)
}

// IncidentChanged tells listeners that an incident was opened, changed or
// resolved. It does not block.
func (s *Server) IncidentChanged(in bellwether.Incident) { s.say("incident", "incident "+in.ID, in) }

func (s *Server) say(kind, key string, v any) {
	if err := s.hub.say(kind, key, v); err != nil {
		s.log.Error("event", "kind", kind, "error", err)
	}
}

// summarise tells listeners how the targets with news are doing.
func (s *Server) summarise(now time.Time) {
	marked := s.stale.take()
	if len(marked) == 0 || s.hub.empty() {
		return
	}
	f, as := s.deps.Facts(), s.assessed()
	for _, t := range f.Targets {
		if marked[t.ID] {
			s.say("target", "target "+t.ID, s.view(t, as[t.ID], f, now))
		}
	}
}

// events serves what changes as server-sent events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	end, err := s.streams.begin(listeners)
	if err != nil {
		return err
	}
	defer end()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	l := s.hub.join()
	defer s.hub.leave(l)
	st := &stream{w: w, control: http.NewResponseController(w)}
	f := s.deps.Facts()
	hello, err := s.hub.event("hello", "", map[string]any{"at": time.Now().UTC(), "version": f.Version, "simulated": f.Simulated})
	if err != nil {
		return err
	}
	st.add([]byte("retry: 2000\n\n"))
	st.add(hello.wire)
	if r.Header.Get("Last-Event-ID") != "" {
		st.add(s.hub.wire("reset", []byte("{}"))) // what came in between is not kept
	}
	s.tellListener(r, st, l)
	return nil
}

// tellListener writes until the reader is gone or the server ends.
func (s *Server) tellListener(r *http.Request, st *stream, l *listener) {
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	var told *edition
	for {
		e := s.deps.Board.current.Load()
		if e != told && !e.blank {
			st.add(s.hub.wire("weights", e.whole.body))
		}
		told = e
		if !st.flush() {
			return
		}
		select {
		case <-e.next:
		case <-l.wake:
			pending, lost := s.hub.take(l)
			if lost {
				st.add(s.hub.wire("reset", []byte("{}")))
			}
			for _, p := range pending {
				st.add(p.wire)
			}
		case <-beat.C:
			st.add([]byte(": still here\n\n"))
		case <-s.streams.closing:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// stream writes events to one reader.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     []byte
}

func (s *stream) add(wire []byte) { s.buf = append(s.buf, wire...) }

// flush sends what was added; false means that the reader is gone.
func (s *stream) flush() bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit)) // best effort
	if len(s.buf) > 0 {
		if _, err := s.w.Write(s.buf); err != nil {
			return false
		}
		s.buf = s.buf[:0]
	}
	return s.control.Flush() == nil
}
