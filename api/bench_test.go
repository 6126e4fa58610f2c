package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

// quietServer is a server without the tests' checks.
func quietServer(b *testing.B, facts api.Facts) (*api.Server, *api.Board, *shelf) {
	b.Helper()
	board, store := api.NewBoard(), &shelf{}
	s, err := api.New(api.Config{}, api.Deps{Board: board, Store: store, Facts: func() api.Facts { return facts },
		Assessments: store.assess,
		Ingest:      func(_ context.Context, obs []bellwether.Observation) (int, int, error) { return len(obs), 0, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	return s, board, store
}

// BenchmarkPublishTo1000Watchers is the time from Publish until each of 1,000
// WebSocket watchers on loopback sockets of this machine has read the weights.
func BenchmarkPublishTo1000Watchers(b *testing.B) {
	const watchers = 1000
	s, board, _ := quietServer(b, someFacts())
	srv := httptest.NewServer(s.Handler())
	board.Publish(edition(1))
	var received, done sync.WaitGroup
	received.Add(watchers)
	conns := make([]*websocket.Conn, watchers)
	for i := range conns {
		d := websocket.Dialer{ReadBufferSize: 2048, WriteBufferSize: 256}
		c, _, err := d.Dial("ws"+strings.TrimPrefix(srv.URL, "http")+"/v1/weights/watch", nil)
		if err != nil {
			b.Fatal(err)
		}
		conns[i] = c
		done.Go(func() {
			for {
				_, r, err := c.NextReader()
				if err != nil {
					return
				}
				if n, _ := io.Copy(io.Discard, r); n > 200 { // weights, not a bookmark
					received.Done()
				}
			}
		})
	}
	received.Wait()
	b.ReportAllocs()
	revision := uint64(1)
	for b.Loop() {
		revision++
		received.Add(watchers)
		board.Publish(edition(revision))
		received.Wait()
	}
	for _, c := range conns {
		_ = c.Close()
	}
	done.Wait()
	srv.Close()
}

func BenchmarkPublish(b *testing.B) {
	board := api.NewBoard()
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		board.Publish(edition(n))
	}
}

func BenchmarkIngest1000(b *testing.B) {
	s, _, _ := quietServer(b, someFacts())
	var obs []bellwether.Observation
	for i := range 1000 {
		obs = append(obs, seen(fmt.Sprint("observation-", i), "gpt-us", time.Now(), 0.4))
	}
	body, err := json.Marshal(obs)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		serve(b, s, http.MethodPost, "/v1/observations", string(body))
	}
}

func BenchmarkObserve(b *testing.B) {
	s, _, _ := quietServer(b, someFacts())
	o := seen("a", "gpt-us", time.Now(), 0.4)
	b.ReportAllocs()
	for b.Loop() {
		s.Observe(o)
	}
}

func BenchmarkTargets500(b *testing.B) {
	facts := someFacts()
	facts.Targets = nil
	for i := range 500 {
		facts.Targets = append(facts.Targets, bellwether.Target{ID: fmt.Sprint("target-", i), Provider: "p", Model: "m", Region: "r"})
	}
	s, _, _ := quietServer(b, facts)
	for _, t := range facts.Targets {
		for i := range 120 {
			s.Observe(seen("a", t.ID, time.Now().Add(-time.Duration(i)*30*time.Second), 0.4))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		serve(b, s, http.MethodGet, "/v1/targets", "")
	}
}

func BenchmarkSeriesOfADay(b *testing.B) {
	s, _, store := quietServer(b, someFacts())
	for i := range 24 * 60 {
		for range 4 { // vantages, canaries, connections
			store.rollups = append(store.rollups, rollup("gpt-us", time.Now().Add(-time.Duration(i)*time.Minute), 60, 2))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		serve(b, s, http.MethodGet, "/v1/targets/gpt-us/series?range=24h", "")
	}
}

func serve(b *testing.B, s *api.Server, method, path, body string) {
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("%s %s answered %d: %.300s", method, path, w.Code, w.Body)
	}
}
