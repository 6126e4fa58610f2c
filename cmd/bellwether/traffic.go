package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is a steady stream of chat completions through a router, every
// other one streamed, as an application would send them.
type traffic struct {
	router string // base URL
	routes []string
	rate   float64 // requests per second
	client *http.Client

	sent, failed atomic.Int64
	mu           sync.Mutex
	byTarget     map[string]int
	lastError    string
}

func newTraffic(router string, routes []string, rate float64) *traffic {
	return &traffic{router: router, routes: routes, rate: rate, byTarget: map[string]int{},
		client: &http.Client{Timeout: 90 * time.Second}}
}

// Run sends until ctx ends and waits for the answers.
func (t *traffic) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Duration(float64(time.Second) / t.rate))
	defer tick.Stop()
	defer t.client.CloseIdleConnections()
	var wg sync.WaitGroup
	defer wg.Wait()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			route, stream := t.routes[n%len(t.routes)], n%2 == 0
			wg.Go(func() { t.one(ctx, route, stream) })
		}
	}
}

func (t *traffic) one(ctx context.Context, route string, stream bool) {
	target, err := t.ask(ctx, route, stream)
	if err != nil && ctx.Err() != nil {
		return // the demo is over, not the answer wrong
	}
	t.sent.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.failed.Add(1)
		t.lastError = err.Error()
		return
	}
	t.byTarget[target]++
}

// ask sends one request and reads the whole answer; it returns who answered.
func (t *traffic) ask(ctx context.Context, route string, stream bool) (target string, err error) {
	body, err := json.Marshal(map[string]any{
		"model": route, "stream": stream, "max_tokens": 48,
		"messages": []map[string]string{{"role": "user", "content": "In one sentence: why is the sky blue?"}},
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.router+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("content-type", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return "", fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	if stream {
		err = wholeStream(resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(&struct{}{})
	}
	return resp.Header.Get("x-bellwether-target"), err
}

// wholeStream reads a streamed answer and returns nil only when it is whole.
func wholeStream(r io.Reader) error {
	lines := bufio.NewScanner(r)
	finished := false
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, `data: {"error"`) {
			return fmt.Errorf("error in the stream: %s", strings.TrimPrefix(line, "data: "))
		}
		finished = finished || strings.Contains(line, `"finish_reason":"`)
		if line == "data: [DONE]" && finished {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return fmt.Errorf("the stream ended without its end")
}

// Summary tells how the traffic fared so far.
func (t *traffic) Summary() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := fmt.Sprintf("%d requests, %d failed", t.sent.Load(), t.failed.Load())
	if t.lastError != "" {
		s += " (last: " + t.lastError + ")"
	}
	return s
}
