package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/store/sqlite"
)

// channel is a chat that keeps what it was sent, by key, and can be asked for
// it. The message of the kind named hangs arrives, and its sender never hears so.
type channel struct {
	hangs   string
	arrived chan string // the kind of each message

	mu    sync.Mutex
	kinds []string
	sends map[string]int // by key
	asked int
}

func newChannel(hangs string) *channel {
	return &channel{hangs: hangs, arrived: make(chan string, 16), sends: map[string]int{}}
}

func (c *channel) Name() string { return "chat" }

func (c *channel) Send(ctx context.Context, n alerting.Notice, key string, _ []bellwether.Delivery) (string, error) {
	c.mu.Lock()
	c.sends[key]++
	c.kinds = append(c.kinds, n.Kind)
	hangs := n.Kind == c.hangs
	c.mu.Unlock()
	c.arrived <- n.Kind
	if hangs {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "receipt of " + key, nil
}

func (c *channel) Find(_ context.Context, _ alerting.Notice, key string, _ []bellwether.Delivery) (string, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return "found " + key, c.sends[key] > 0, nil
}

// dispatching runs a dispatcher over the database at path until stop.
func dispatching(t *testing.T, path string, c *channel) (st *sqlite.Store, stop func()) {
	t.Helper()
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := alerting.NewDispatcher(st, []alerting.Channel{c}, alerting.Options{Poll: 20 * time.Millisecond, Grace: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			<-done
			_ = st.Close()
		})
	}
	t.Cleanup(stop)
	return st, stop
}

// delivery returns what an incident owes the chat.
func delivery(t *testing.T, in bellwether.Incident, id, kind string) bellwether.Delivery {
	t.Helper()
	payload, err := json.Marshal(alerting.Notice{Kind: kind, At: in.OpenedAt, Incident: in})
	if err != nil {
		t.Fatal(err)
	}
	return bellwether.Delivery{ID: id, Channel: "chat", Incident: in.ID, Kind: kind, Payload: payload, CreatedAt: time.Now()}
}

// crashImage copies a database as kill -9 would leave it at this moment.
func crashImage(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, to+suffix, string(b))
	}
	return to
}

func TestAnIncidentsMessagesSurviveAKillAndArriveOnce(t *testing.T) {
	t.Parallel()
	chat := newChannel(alerting.KindOpened)
	path := filepath.Join(t.TempDir(), "test.db")
	st, stop := dispatching(t, path, chat)
	in := bellwether.Incident{ID: "inc", State: bellwether.IncidentOpen, Severity: bellwether.Down, Targets: []string{"a"},
		Title: "a is down", FirstAt: time.Now(), OpenedAt: time.Now(), Timeline: []bellwether.IncidentEvent{}}
	if err := st.SaveIncident(t.Context(), in, []bellwether.Delivery{
		delivery(t, in, "d1", alerting.KindOpened), delivery(t, in, "d2", alerting.KindResolved)}); err != nil {
		t.Fatal(err)
	}
	if kind := <-chat.arrived; kind != alerting.KindOpened {
		t.Fatalf("%s came first, want opened", kind)
	}
	image := crashImage(t, path) // the message is there, and nobody knows
	stop()

	chat.hangs = ""
	st, stop = dispatching(t, image, chat)
	defer stop()
	all, err := st.Deliveries(t.Context(), "inc")
	if err != nil || len(all) != 2 || !all[0].Started {
		t.Fatalf("after the kill the outbox has %+v, %v, want both, and the first one started", all, err)
	}
	eventually(t, "both are settled", func() error {
		if all, err = st.Deliveries(t.Context(), "inc"); err != nil {
			return err
		}
		for _, d := range all {
			if d.SentAt.IsZero() {
				return fmt.Errorf("%s is not sent: %s", d.ID, d.Error)
			}
		}
		return nil
	})
	chat.mu.Lock()
	defer chat.mu.Unlock()
	if got := fmt.Sprint(chat.kinds); got != "[opened resolved]" || chat.asked != 1 {
		t.Errorf("the chat got %v and was asked %d times, want [opened resolved] and once", got, chat.asked)
	}
	if all[0].Receipt != "found d1" || all[1].Receipt != "receipt of d2" {
		t.Errorf("receipts %q and %q, want the first found, the second given", all[0].Receipt, all[1].Receipt)
	}
}
