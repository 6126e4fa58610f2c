package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

// socket opens a WebSocket; the test closes it.
func (w *world) socket(query string, header http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{NetDialContext: w.dial, Subprotocols: []string{api.Subprotocol}}
	return d.DialContext(context.Background(), "ws://localhost/v1/weights/watch"+query, header)
}

func (w *world) watch(query string) *websocket.Conn {
	w.t.Helper()
	c, resp, err := w.socket(query, nil)
	if err != nil {
		w.t.Fatalf("open socket: %v (%v)", err, resp)
	}
	if c.Subprotocol() != api.Subprotocol {
		w.t.Errorf("subprotocol is %q, want %q", c.Subprotocol(), api.Subprotocol)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// message is what came over a socket: "weights 7" or "bookmark 7".
type message struct {
	Type     string             `json:"type"`
	Weights  bellwether.Weights `json:"weights"`
	Epoch    string             `json:"epoch"`
	Revision uint64             `json:"revision"`
}

func (w *world) read(c *websocket.Conn) message {
	w.t.Helper()
	_, b, err := c.ReadMessage()
	if err != nil {
		w.t.Fatalf("read message: %v", err)
	}
	if err := theContract().validate("#/components/schemas/WatchMessage", b, true); err != nil {
		w.t.Errorf("message is not as described: %v", err)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		w.t.Fatal(err)
	}
	if m.Type == "weights" {
		m.Revision = m.Weights.Revision
	}
	return m
}

func (w *world) reads(c *websocket.Conn, kind string, revision uint64) {
	w.t.Helper()
	if m := w.read(c); m.Type != kind || m.Revision != revision {
		w.t.Fatalf("read %s %d, want %s %d", m.Type, m.Revision, kind, revision)
	}
}

func TestAWatcherGetsTheWeightsAtOnceAndThenEveryChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		c := w.watch("")
		w.reads(c, "weights", 7)
		w.board.Publish(edition(8))
		w.reads(c, "weights", 8)
	})
}

func TestAWatcherResumesAfterWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		start := time.Now()
		c := w.watch("?after=7&epoch=e1")
		w.reads(c, "bookmark", 7)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("the first message of a current watcher came after %v, want the bookmark after 10 s", took)
		}
		w.board.Publish(edition(8))
		w.reads(c, "weights", 8)
		for _, query := range []string{"?after=6&epoch=e1", "?after=9", "?after=8&epoch=other"} {
			c := w.watch(query)
			w.reads(c, "weights", 8)
		}
	})
}

func TestAWatcherOfARouteGetsThatRouteOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		c := w.watch("?route=batch&region=eu")
		if m := w.read(c); len(m.Weights.Routes) != 1 {
			t.Errorf("read %d routes, want 1", len(m.Weights.Routes))
		}
		gone := edition(8)
		delete(gone.Routes, "batch")
		w.board.Publish(gone)
		if m := w.read(c); m.Revision != 8 || len(m.Weights.Routes) != 0 {
			t.Errorf("when its route is gone a watcher reads %v, want revision 8 without routes", m)
		}
	})
}

func TestASlowWatcherGetsTheNewestAndHoldsNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		slow, quick := w.watch(""), w.watch("")
		w.reads(quick, "weights", 1)
		synctest.Wait() // the slow one's writer stands in its first write
		for n := uint64(2); n <= 100; n++ {
			w.board.Publish(edition(n))
			w.reads(quick, "weights", n)
		}
		w.reads(slow, "weights", 1)
		w.reads(slow, "weights", 100)
	})
}

func TestAWatcherThatDoesNotReadIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		c := w.watch("")
		time.Sleep(11 * time.Second) // past the write limit
		_, _, err := c.ReadMessage()
		for err == nil {
			_, _, err = c.ReadMessage()
		}
	})
}

func TestAWatcherThatAnswersNoPingIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		c := w.watch("")
		c.SetPingHandler(func(string) error { return nil })
		start := time.Now()
		var err error
		for err == nil {
			_, _, err = c.ReadMessage()
		}
		if got := time.Since(start); got != 60*time.Second {
			t.Errorf("a watcher that answers no ping was dropped after %v, want 60 s", got)
		}
	})
}

func TestAWatcherThatAnswersPingsStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		c := w.watch("")
		w.reads(c, "weights", 1)
		for start := time.Now(); time.Since(start) < 10*time.Minute; {
			w.reads(c, "bookmark", 1)
		}
	})
}

func TestShutdownClosesSocketsWithGoingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		c := w.watch("")
		w.reads(c, "weights", 1)
		go w.down()
		_, _, err := c.ReadMessage()
		if e, ok := errors.AsType[*websocket.CloseError](err); !ok || e.Code != websocket.CloseGoingAway {
			t.Errorf("at shutdown a watcher reads %v, want close code 1001", err)
		}
	})
}

func TestRoutersAreShownWithWhatTheyApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(4))
		c := w.watch("")
		w.reads(c, "weights", 4)
		for _, text := range []string{`{"type":"applied","revision":4,"name":"router-3"}`, `{"type":"later","x":1}`, `not json`, `{"type":"applied","revision":9,"name":""}`} {
			if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for n := uint64(5); n <= 8; n++ {
			w.board.Publish(edition(n))
			w.reads(c, "weights", n)
		}
		type router struct {
			Name, Epoch string
			Revision    uint64
			Connected   bool
			Behind      uint64
		}
		var got struct{ Routers []router }
		w.get("/v1/routers").want(200).into(&got)
		if want := (router{"router-3", "e1", 4, true, 4}); len(got.Routers) != 1 || got.Routers[0] != want {
			t.Errorf("GET /v1/routers = %+v, want %+v", got.Routers, want)
		}
		w.get("/v1/weights?after=8&epoch=e1&name=poller").want(304)
		_ = c.Close()
		synctest.Wait()
		w.get("/v1/routers").want(200).into(&got)
		if len(got.Routers) != 2 || got.Routers[0].Name != "poller" || got.Routers[1].Connected {
			t.Errorf("GET /v1/routers = %+v, want poller, and router-3 no longer connected", got.Routers)
		}
		time.Sleep(61 * time.Minute)
		if w.get("/v1/routers").want(200).into(&got); len(got.Routers) != 0 {
			t.Errorf("after an hour of silence GET /v1/routers = %+v, want none", got.Routers)
		}
	})
}

func TestSocketsThatMayNotBeAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		w.get("/v1/weights/watch").want(426)
		for _, tt := range []struct {
			query  string
			header http.Header
			want   int
		}{
			{"", http.Header{"Origin": {"https://evil.example"}}, 403},
			{"?after=x", nil, 400},
			{"?route=nope", nil, 404},
		} {
			_, resp, err := w.socket(tt.query, tt.header)
			if err == nil || resp == nil || resp.StatusCode != tt.want {
				t.Errorf("socket%s with %v: %v %v, want status %d", tt.query, tt.header, resp, err, tt.want)
			}
		}
		d := websocket.Dialer{NetDialContext: w.dial, Subprotocols: []string{"chat"}}
		if _, resp, err := d.Dial("ws://localhost/v1/weights/watch", nil); err == nil || resp.StatusCode != 400 {
			t.Errorf("a socket of another subprotocol: %v %v, want status 400", resp, err)
		}
		c, _, err := w.socket("", http.Header{"Origin": {"http://localhost"}})
		if err != nil {
			t.Fatalf("a socket of our own page: %v", err)
		}
		_ = c.Close()
	})
}

func TestALongMessageOfAWatcherEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		c := w.watch("")
		w.reads(c, "weights", 1)
		go func() { _ = c.WriteMessage(websocket.TextMessage, make([]byte, 1<<20)) }()
		var err error
		for err == nil {
			_, _, err = c.ReadMessage()
		}
		_ = c.Close()
	})
}
