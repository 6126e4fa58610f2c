package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
)

// pool runs cells on several cores and keeps what is finished.
type pool struct {
	shared  *trials.Shared
	benches []*trials.Bench
	dir     string    // of finished cells; "" none
	hash    string    // of everything that a result depends on beside its cell
	until   time.Time // of all work; zero for no limit
	log     io.Writer
	skipped int
	began   time.Time
	told    time.Time     // the last word on progress
	spent   time.Duration // of cores, on cells that were run
}

func newPool(o options, s *trials.Shared, log io.Writer) (*pool, error) {
	p := &pool{shared: s, log: log, began: time.Now()}
	if o.budget > 0 {
		p.until = p.began.Add(o.budget)
	}
	for range max(1, o.workers) {
		p.benches = append(p.benches, trials.NewBench(s))
	}
	hash, err := sourceHash()
	if err != nil {
		return nil, err
	}
	p.hash = fmt.Sprintf("%s-%d", hash, o.seed)
	switch o.cache {
	case "-":
	case "":
		base, err := os.UserCacheDir()
		if err != nil {
			return p, nil // no place to keep anything is no reason to stop
		}
		p.dir = filepath.Join(base, "bellwether-evaluate")
	default:
		p.dir = o.cache
	}
	if p.dir != "" {
		if err := os.MkdirAll(p.dir, 0o755); err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
	}
	return p, nil
}

// sources are the folders that results depend on.
func sources() []string {
	return []string{".", "scoring", "internal/shares", "internal/sketch", "internal/conf",
		"internal/evaluate/world", "internal/evaluate/world/testdata", "internal/evaluate/policies", "internal/evaluate/trials", "internal/evaluate/trials/testdata"}
}

// sourceHash hashes the program and the engine, without tests: what a result
// depends on, but not how it is written down.
func sourceHash() (string, error) {
	h := sha256.New()
	for _, dir := range sources() {
		for _, pattern := range []string{"*.go", "*.csv"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				return "", err
			}
			for _, f := range files {
				if ok, _ := filepath.Match("*_test.go", filepath.Base(f)); ok {
					continue
				}
				b, err := os.ReadFile(f)
				if err != nil {
					return "", err
				}
				fmt.Fprintln(h, f, len(b))
				h.Write(b)
			}
		}
	}
	if _, err := os.Stat("scoring/engine.go"); err != nil {
		return "", fmt.Errorf("run it from the root of the source tree: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

func (p *pool) file(c trials.Cell) string {
	sum := sha256.Sum256([]byte(p.hash + c.Key()))
	return filepath.Join(p.dir, hex.EncodeToString(sum[:16])+".json")
}

// known reads a finished cell.
func (p *pool) known(c trials.Cell) (r trials.Result, ok bool) {
	if p.dir == "" {
		return r, false
	}
	b, err := os.ReadFile(p.file(c))
	if err != nil {
		return r, false
	}
	return r, json.Unmarshal(b, &r) == nil
}

// keep writes a finished cell, whole or not at all.
func (p *pool) keep(c trials.Cell, r trials.Result) error {
	if p.dir == "" {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(p.dir, "*.part")
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	_, err = f.Write(b)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), p.file(c))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// stage runs cells and returns their results in the order of the cells. It may
// take a part of the time that is left; what it has no time for is missing. It
// returns when all workers have.
func (p *pool) stage(ctx context.Context, name string, part float64, cells []trials.Cell) (map[int]trials.Result, error) {
	var until time.Time
	if !p.until.IsZero() {
		until = time.Now().Add(time.Duration(part * float64(time.Until(p.until))))
	}
	cells = slices.Clone(cells)
	done := map[int]trials.Result{}
	var todo []int
	for i, c := range cells {
		if r, ok := p.known(c); ok {
			done[i] = r
		} else {
			todo = append(todo, i)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var first error
	next, finished, began := 0, 0, time.Now()
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if first != nil || ctx.Err() != nil || next >= len(todo) {
			return 0, false
		}
		if !until.IsZero() && time.Now().After(until) {
			p.skipped += len(todo) - next
			next = len(todo)
			return 0, false
		}
		next++
		return todo[next-1], true
	}
	give := func(i int, r trials.Result, err error, took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			err = p.keep(cells[i], r)
		}
		if err != nil && first == nil {
			first = err
		}
		done[i] = r
		finished++
		p.spent += took
		left := time.Since(began) / time.Duration(finished) * time.Duration(len(todo)-finished)
		if time.Since(p.told) < 2*time.Second && finished < len(todo) {
			return
		}
		p.told = time.Now()
		fmt.Fprintf(p.log, "%-24s %4d of %4d  %v so far, about %v of this left\n", name, len(cells)-len(todo)+finished, len(cells), time.Since(p.began).Round(time.Second), left.Round(time.Second))
	}
	var wg sync.WaitGroup
	for _, b := range p.benches {
		wg.Go(func() {
			for {
				i, ok := take()
				if !ok {
					return
				}
				at := time.Now()
				r, err := b.Run(cells[i])
				give(i, r, err, time.Since(at))
			}
		})
	}
	wg.Wait()
	if first == nil {
		first = context.Cause(ctx)
	}
	return done, first
}
