package memory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store/memory"
	"github.com/bellwether-llm/bellwether/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Store { return memory.New(memory.Options{}) })
}

func Example() {
	ctx := context.Background()
	s := memory.New(memory.Options{})
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
