package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store/sqlite"
	"github.com/bellwether-llm/bellwether/store/storetest"
)

// childEnv names the database that this test binary, started again, writes to
// until it is killed.
const childEnv = "BELLWETHER_TEST_SQLITE_CHILD"

// writeUntilKilled appends from several goroutines and prints each id once it
// is acknowledged, and each revision once it is reserved.
func writeUntilKilled(path string) {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	last, _ := s.LastSeq(ctx)
	var seq atomic.Uint64
	seq.Store(last)
	var mu sync.Mutex
	say := func(kind string, v any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(kind, v) // not buffered: it is out when this returns
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				rs := killRecords(&seq, 1+(w*i)%5)
				if err := s.Append(ctx, rs); err != nil {
					say("error", err)
					return
				}
				for _, r := range rs {
					say("id", r.Observation.ID)
				}
				if i%10 == 0 {
					first, err := s.ReserveRevisions(ctx, 3)
					if err != nil {
						say("error", err)
						return
					}
					say("revision", first+2)
				}
			}
		})
	}
	wg.Wait()
}

func killRecords(seq *atomic.Uint64, n int) []bellwether.Record {
	rs := make([]bellwether.Record, n)
	for i := range rs {
		k := seq.Add(1)
		at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).Add(time.Duration(k) * 100 * time.Millisecond)
		rs[i] = bellwether.Record{Seq: k, At: at, Observation: &bellwether.Observation{
			ID: fmt.Sprintf("kill-%d", k), At: at, Source: bellwether.SourceProbe, Target: fmt.Sprintf("t%d", k%3),
			Outcome: bellwether.OK, Timing: bellwether.Timing{FirstToken: 0.1 + float64(k%50)/100, Total: 2}, CostUSD: 0.5,
		}}
	}
	return rs
}

func TestWhatWasAcknowledgedSurvivesKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bellwether.db")
	var acknowledged []string
	highest := uint64(0)
	for round := range 3 {
		ids, revision := killMidWrite(t, path, 300)
		acknowledged = append(acknowledged, ids...)

		s := open(t, path)
		known, err := s.Known(t.Context(), acknowledged)
		if err != nil {
			t.Fatal(err)
		}
		if len(known) != len(acknowledged) {
			t.Errorf("round %d: %d of %d acknowledged observations are known", round, len(known), len(acknowledged))
		}
		if err := storetest.CheckRollups(t, s); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		highest = max(highest, revision)
		next, err := s.ReserveRevisions(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if next <= highest {
			t.Errorf("round %d: revision %d was given out after %d", round, next, highest)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// killMidWrite lets another process write to path, kills it when it has
// acknowledged n observations, and returns all that it acknowledged.
func killMidWrite(t *testing.T, path string, n int) (ids []string, revision uint64) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() { // after the kill: what was in the pipe
		kind, v, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "id":
			ids = append(ids, v)
		case "revision":
			fmt.Sscan(v, &revision)
		default:
			t.Errorf("the child says: %s", lines.Text())
		}
		if len(ids) == n {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	if len(ids) < n {
		t.Fatalf("the child acknowledged %d observations only", len(ids))
	}
	return ids, revision
}
