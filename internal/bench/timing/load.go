package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/slo"
	"github.com/bellwether-llm/bellwether/store/sqlite"
)

// load is the work that a server does beside probing: a day of observations of
// eight targets on disk, asked for by dashboards and exports.
type load struct {
	dir    string
	store  *sqlite.Store
	server *httptest.Server
	stop   context.CancelFunc
	ran    chan error
}

const (
	loadTargets    = 8
	loadDashboards = 4
	loadRefresh    = 250 * time.Millisecond // of one dashboard
)

func newLoad() (_ *load, err error) {
	dir, err := os.MkdirTemp("", "bellwether-timing-*")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{dir: dir, stop: cancel, ran: make(chan error, 2)}
	l.store, err = sqlite.Open(ctx, filepath.Join(dir, "day.db"), sqlite.Options{})
	if err != nil {
		cancel()
		_ = os.RemoveAll(dir)
		return nil, err
	}
	go func() { l.ran <- l.store.Run(ctx) }()
	targets := someTargets()
	err = l.fill(ctx, targets)
	var s *api.Server
	if err == nil {
		s, err = api.New(api.Config{}, l.deps(targets))
	}
	if err != nil {
		cancel()
		<-l.ran
		_ = l.store.Close()
		_ = os.RemoveAll(dir)
		return nil, err
	}
	go func() { l.ran <- s.Run(ctx) }()
	l.server = httptest.NewServer(s.Handler())
	return l, nil
}

func (l *load) close() {
	l.server.Close()
	l.stop()
	<-l.ran
	<-l.ran
	_ = l.store.Close()
	_ = os.RemoveAll(l.dir)
}

func someTargets() []bellwether.Target {
	ts := make([]bellwether.Target, loadTargets)
	for i := range ts {
		ts[i] = bellwether.Target{ID: fmt.Sprintf("t%d", i), Provider: "p", Model: "gpt-4o", Region: "us-east"}
	}
	return ts
}

// fill writes a day of observations.
func (l *load) fill(ctx context.Context, targets []bellwether.Target) error {
	now := time.Now().UTC()
	day, err := sim.Day(sim.DayOptions{Seed: 1, Vantage: "bench", Targets: targets, Interval: 30 * time.Second, Start: now.Add(-24 * time.Hour), End: now,
		Canaries: []sim.DayCanary{{Name: "capital", Prompt: "What is the capital of France?", MaxTokens: 16}}})
	if err != nil {
		return err
	}
	var batch []bellwether.Record
	seq := uint64(0)
	for o := range day {
		seq++
		if batch = append(batch, bellwether.Record{Seq: seq, At: o.At, Observation: &o}); len(batch) == 1000 {
			if err := l.store.Append(ctx, batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	return l.store.Append(ctx, batch)
}

func (l *load) deps(targets []bellwether.Target) api.Deps {
	objectives := slo.Config{}
	for _, t := range targets {
		objectives = append(objectives, slo.Objective{Name: t.ID + "-up", Target: t.ID, Indicator: "availability", Objective: 99.9},
			slo.Objective{Name: t.ID + "-fast", Target: t.ID, Indicator: "first_token < 2s", Objective: 99})
	}
	return api.Deps{
		Board: api.NewBoard(), Store: l.store,
		Facts: func() api.Facts { return api.Facts{Vantage: "bench", Targets: targets} },
		Attainments: func(ctx context.Context, from, to time.Time) ([]bellwether.Attainment, error) {
			return slo.Report(ctx, l.store, l.store, slo.Request{Objectives: objectives, Targets: targets, From: from, To: to, Now: time.Now().UTC()})
		},
		WriteSLOs: slo.WriteCSV,
	}
}

// start lets dashboards and an export ask until the returned function is
// called, which says what they got.
func (l *load) start() (stop func() string) {
	ctx, cancel := context.WithCancel(context.Background())
	var queries, exports, failed atomic.Int64
	get := func(n *atomic.Int64, path string) {
		if err := fetch(ctx, l.server.URL+path); err == nil {
			n.Add(1)
		} else if ctx.Err() == nil {
			failed.Add(1)
		}
	}
	var all sync.WaitGroup
	for i := range loadDashboards {
		all.Go(func() {
			refresh := time.NewTicker(loadRefresh)
			defer refresh.Stop()
			for ctx.Err() == nil {
				from := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
				for _, path := range []string{"/v1/targets", fmt.Sprintf("/v1/targets/t%d", i), fmt.Sprintf("/v1/targets/t%d/series?from=%s", i, from), fmt.Sprintf("/v1/observations?target=t%d&limit=100", i), "/v1/changes", "/v1/incidents"} {
					get(&queries, path)
				}
				select {
				case <-ctx.Done():
				case <-refresh.C:
				}
			}
		})
	}
	all.Go(func() { // one after the other, without a pause
		for ctx.Err() == nil {
			get(&exports, "/v1/reports/slo.csv")
		}
	})
	return func() string {
		cancel()
		all.Wait()
		return fmt.Sprintf("%d dashboard queries, %d CSV exports, %d failed", queries.Load(), exports.Load(), failed.Load())
	}
}

func fetch(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
