package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

// ending is how a request ended for its caller.
type ending int

const (
	whole   ending = iota
	told           // a stream that ended in an error that says so
	refused        // an error in place of an answer
	cut            // a stream or body that just ended: what must never be
	unended        // no end within the caller's patience
)

// seen is what one caller saw.
type seen struct {
	due    time.Duration // since the drill's start
	stream bool
	first  time.Duration // to the first content; of a plain answer, to its end
	end    ending
	target string
	why    string
}

// patience is how long a caller waits for the whole of an answer.
const patience = 30 * time.Second

// drill sends the load while the first target falls ill and recovers.
func (s *stage) drill(ctx context.Context, o options, ill illness) (*result, error) {
	length := o.well + o.ill + o.again
	r := &result{illness: ill, seconds: int(length / time.Second)}
	start := time.Now()
	s.first.count(start, r.seconds+1)
	s.fallback.count(start, r.seconds+1)
	var all sync.WaitGroup
	gap := time.Duration(float64(time.Second) / o.rate)
	put := func(faults []sim.Fault) error { return s.first.SetFaults(faults) }
	ailing := false
	for n, due := 0, time.Duration(0); due < length && ctx.Err() == nil; n, due = n+1, due+gap {
		time.Sleep(time.Until(start.Add(due)))
		if is := due >= o.well && due < o.well+o.ill; is != ailing {
			faults := []sim.Fault{}
			if ailing = is; is {
				faults = append(faults, ill.fault)
			}
			if err := put(faults); err != nil {
				return nil, err
			}
		}
		all.Go(func() { r.note(s.ask(ctx, start, due, n%2 == 1)) })
	}
	all.Wait()
	r.first, r.fallback = s.first.counted(), s.fallback.counted()
	return r, errors.Join(put(nil), ctx.Err())
}

// recover sends the load until the first target gets most of it again, and
// returns how long that took; at most a minute and a half.
func (s *stage) recover(ctx context.Context, o options) time.Duration {
	start := time.Now()
	var all sync.WaitGroup
	defer all.Wait()
	gap := time.Duration(float64(time.Second) / o.rate)
	for time.Since(start) < 90*time.Second && ctx.Err() == nil {
		second := time.Now()
		s.first.count(second, 2)
		for due := time.Duration(0); due < time.Second; due += gap {
			time.Sleep(time.Until(second.Add(due)))
			all.Go(func() { s.ask(ctx, second, due, false) })
		}
		if float64(s.first.counted()[0]) > .8*o.rate {
			break
		}
	}
	return time.Since(start).Round(time.Second)
}

// ask sends one request and watches how it ends.
func (s *stage) ask(ctx context.Context, start time.Time, due time.Duration, stream bool) seen {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v := seen{due: due, stream: stream}
	body := fmt.Sprintf(`{"model":"chat","stream":%t,"max_tokens":64,"messages":[{"role":"user","content":"Tell me a story."}]}`, stream)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.router+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		v.end, v.why = refused, err.Error()
		return v
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		v.end, v.why = refused, err.Error()
		if ctx.Err() != nil {
			v.end = unended
		}
		return v
	}
	defer func() { _ = resp.Body.Close() }()
	v.target = resp.Header.Get("X-Bellwether-Target")
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		v.end, v.why = refused, fmt.Sprintf("status %d: %s", resp.StatusCode, text)
		return v
	}
	begun := start.Add(due)
	if stream {
		v.readStream(resp.Body, begun)
	} else {
		v.readPlain(resp.Body, begun)
	}
	if v.end != whole && ctx.Err() != nil {
		v.end = unended
	}
	return v
}

func (v *seen) readPlain(body io.Reader, begun time.Time) {
	var answer struct {
		Choices []struct {
			Finish string `json:"finish_reason"`
		} `json:"choices"`
	}
	err := json.NewDecoder(body).Decode(&answer)
	v.first = time.Since(begun)
	if err != nil || len(answer.Choices) != 1 || answer.Choices[0].Finish == "" {
		v.end, v.why = cut, fmt.Sprint("a body that is no answer: ", err)
	}
}

func (v *seen) readStream(body io.Reader, begun time.Time) {
	finished, failed := false, ""
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		data, is := strings.CutPrefix(lines.Text(), "data: ")
		if !is {
			continue
		}
		if data == "[DONE]" && finished {
			return // whole
		}
		var event struct {
			Choices []struct {
				Delta  struct{ Content string }
				Finish *string `json:"finish_reason"`
			}
			Error *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			failed = "an event that is no JSON"
			continue
		}
		if event.Error != nil {
			v.end, v.why = told, event.Error.Message
			return
		}
		for _, c := range event.Choices {
			if c.Delta.Content != "" && v.first == 0 {
				v.first = time.Since(begun)
			}
			finished = finished || c.Finish != nil && *c.Finish != ""
		}
	}
	v.end, v.why = cut, fmt.Sprint("the stream just ended: ", failed, lines.Err())
}
