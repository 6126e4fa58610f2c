package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// ear reads server-sent events.
type ear struct {
	w      *world
	body   io.ReadCloser
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

func (w *world) listen(headers ...string) *ear {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/events", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "text/event-stream" {
		w.t.Fatalf("GET /v1/events answered %d %s", resp.StatusCode, got)
	}
	e := &ear{w: w, body: resp.Body, lines: bufio.NewScanner(resp.Body), cancel: cancel}
	e.lines.Buffer(nil, 1<<20)
	w.t.Cleanup(e.close)
	return e
}

// listenSlowly opens the stream and reads nothing of the answer: over a pipe,
// the server's first write blocks until [ear.wake].
func (w *world) listenSlowly() (wake func() *ear) {
	w.t.Helper()
	conn, err := w.dial(context.Background(), "", "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return func() *ear {
		resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
		if err != nil {
			w.t.Fatal(err)
		}
		e := &ear{w: w, body: resp.Body, lines: bufio.NewScanner(resp.Body), cancel: func() { _ = conn.Close() }}
		e.lines.Buffer(nil, 1<<20)
		return e
	}
}

func (e *ear) close() {
	e.cancel()
	_ = e.body.Close()
}

var eventSchemas = map[string]string{"hello": "HelloEvent", "weights": "Weights", "target": "TargetSummary", "change": "Change", "incident": "Incident"}

// next returns the next event, held to its schema; a comment is of type ":".
func (e *ear) next() (kind, data string) {
	e.w.t.Helper()
	for e.lines.Scan() {
		line := e.lines.Text()
		switch field, value, _ := strings.Cut(line, ": "); {
		case strings.HasPrefix(line, ":"):
			return ":", ""
		case field == "event":
			kind = value
		case field == "data":
			data = value
		case line == "" && kind != "":
			if schema := eventSchemas[kind]; schema != "" {
				if err := theContract().validate("#/components/schemas/"+schema, []byte(data), true); err != nil {
					e.w.t.Errorf("event %s is not as described: %v", kind, err)
				}
			}
			return kind, data
		}
	}
	return "end", ""
}

func (e *ear) wants(kind string, words ...string) {
	e.w.t.Helper()
	got, data := e.next()
	if got != kind {
		e.w.t.Fatalf("heard %s %.200s, want %s", got, data, kind)
	}
	for _, word := range words {
		if !strings.Contains(data, word) {
			e.w.t.Errorf("%s says %.300s, want %q", kind, data, word)
		}
	}
}

func TestListenersHearWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		e := w.listen()
		e.wants("hello", `"1.2.3"`)
		e.wants("weights", `"revision":1`)
		synctest.Wait()
		w.board.Publish(edition(2))
		e.wants("weights", `"revision":2`)
		w.server.Changed(bellwether.Change{At: time.Now(), Target: "gpt-us", From: bellwether.Healthy, To: bellwether.Degraded, Score: nan})
		e.wants("change", `"to":"degraded"`)
		w.server.IncidentChanged(someIncidents(time.Now())[1])
		e.wants("incident", `"gpt-us is degraded"`)
		w.server.Observe(seen("a", "gpt-us", time.Now(), 0.4))
		w.server.Observe(seen("b", "gpt-us", time.Now(), 0.4))
		e.wants("target", `"id":"gpt-us"`, `"total":2`)
		e.wants(":")
		start := time.Now()
		e.wants(":")
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("the next heartbeat came after %v, want 10 s", took)
		}
		go w.down()
		e.wants("end")
	})
}

func TestAListenerThatComesBackIsToldToFetchAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		e := w.listen("Last-Event-ID", "17")
		e.wants("hello")
		e.wants("reset", "{}")
	})
}

func TestASlowListenerHearsTheNewestOfEachThing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		wake := w.listenSlowly()
		in := someIncidents(time.Now())[1]
		for n := uint64(2); n <= 300; n++ {
			w.board.Publish(edition(n))
			in.Title = fmt.Sprint("title ", n)
			w.server.IncidentChanged(in)
		}
		e := wake()
		e.wants("hello")
		e.wants("weights", `"revision":1`)
		heard := map[string]string{} // in either order
		for range 2 {
			kind, data := e.next()
			heard[kind] = data
		}
		if !strings.Contains(heard["weights"], `"revision":300`) || !strings.Contains(heard["incident"], `"title 300"`) {
			t.Errorf("then came %.200v, want the newest weights and the newest incident", heard)
		}
		e.wants(":")
	})
}

func TestAListenerThatMissedTooMuchIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		wake := w.listenSlowly()
		for range 600 {
			w.server.Changed(bellwether.Change{At: time.Now(), Target: "gpt-us", From: bellwether.Healthy, To: bellwether.Degraded})
		}
		e := wake()
		e.wants("hello")
		e.wants("reset")
		heard := 0
		for kind, _ := e.next(); kind == "change"; kind, _ = e.next() {
			heard++
		}
		if heard != 600-512 {
			t.Errorf("after the reset came %d changes, want the %d after what was dropped", heard, 600-512)
		}
	})
}

func TestAListenerThatDoesNotReadIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.listenSlowly()
		w.get("/metrics").want(200).says(`bellwether_connections{kind="events"} 1`)
		time.Sleep(11 * time.Second)
		w.get("/metrics").want(200).says(`bellwether_connections{kind="events"} 0`)
	})
}
