package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store/sqlite"
	"github.com/bellwether-llm/bellwether/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, filepath.Join(t.TempDir(), "bellwether.db")) })
}

func TestDurability(t *testing.T) {
	t.Parallel()
	storetest.RunDurable(t, func(t *testing.T, folder string) storetest.Store {
		return open(t, filepath.Join(folder, "bellwether.db"))
	})
}

func Example() {
	ctx := context.Background()
	folder, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(folder)
	s, err := sqlite.Open(ctx, filepath.Join(folder, "bellwether.db"), sqlite.Options{})
	if err != nil {
		fmt.Println(err) // says what to do
		return
	}
	defer s.Close()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	o := bellwether.Observation{ID: "one", At: at, Target: "gpt-us", Outcome: bellwether.OK}
	if err := s.Append(ctx, []bellwether.Record{{Seq: 1, At: at, Observation: &o}}); err != nil {
		fmt.Println(err)
	}
	rs, _ := s.Rollups(ctx, bellwether.Query{Target: "gpt-us"})
	fmt.Println(rs[0].Start.Format(time.TimeOnly), rs[0].Counts)
	// Output: 12:00:00 map[ok:1]
}
