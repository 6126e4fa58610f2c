package alerting_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bellwether-llm/bellwether/alerting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a dispatcher in the bubble until the test ends.
func start(t *testing.T, box *outbox, o alerting.Options, cs ...alerting.Channel) (d *alerting.Dispatcher, stop func()) {
	t.Helper()
	d, err := alerting.NewDispatcher(box, cs, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return d, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func wantKeys(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestWhatIsOwedIsSentOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, c := &outbox{}, &channel{name: "a"}
		box.owe("a/i1/opened", "a/i2/opened", "a/i1/changed", "a/i1/resolved")
		_, stop := start(t, box, alerting.Options{}, c)
		synctest.Wait()
		stop()
		wantKeys(t, "sent", c.keys(), "a/i1/opened#0", "a/i2/opened#1", "a/i1/changed#2", "a/i1/resolved#3")
		if d := box.get("a/i1/resolved#3"); d.SentAt.IsZero() || d.Receipt != "receipt 4 after 2" || d.Attempts != 1 || d.Error != "" {
			t.Errorf("settled as %+v, want it sent, knowing the two before it", d)
		}
	})
}

func TestAChannelThatIsDownForTenMinutesLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, c := &outbox{}, finder{&channel{name: "a"}}
		c.doing(func(context.Context, string) error {
			return &alerting.SendError{Err: errors.New("connection refused"), Unsent: true}
		})
		d, stop := start(t, box, alerting.Options{}, c)
		box.owe("a/i1/opened", "a/i2/opened")
		sleep(3 * time.Minute)
		box.owe("a/i1/changed", "a/i1/changed", "a/i1/acknowledged", "a/i1/changed")
		sleep(4 * time.Minute)
		box.owe("a/i1/resolved")
		sleep(3 * time.Minute)
		if s := d.Status()[0]; s.Error == "" || s.FailingAt.IsZero() || s.Failed < 5 || s.Failed > 120 {
			t.Errorf("status while down: %+v, want a failing channel that is not hammered", s)
		}
		c.doing(nil)
		sleep(6 * time.Minute) // at most one backoff
		stop()
		i1 := slices.DeleteFunc(c.keys(), func(k string) bool { return !strings.Contains(k, "i1") })
		wantKeys(t, "of the first incident", i1, "a/i1/opened#0", "a/i1/changed#5", "a/i1/resolved#6")
		if len(c.keys()) != 4 {
			t.Errorf("sent %q, want the other incident's too", c.keys())
		}
		if got := box.get("a/i1/changed#2"); !got.GivenUp || !strings.Contains(got.Error, "a/i1/acknowledged#4") && !strings.Contains(got.Error, "a/i1/changed#3") {
			t.Errorf("the older change: %+v, want it merged into a newer one", got)
		}
		if c.asks != 0 {
			t.Errorf("asked %d times for what was certainly never sent", c.asks)
		}
		if s := d.Status()[0]; s.Error != "" || !s.FailingAt.IsZero() || s.Sent != 4 || s.GivenUp != 0 {
			t.Errorf("status afterwards: %+v, want it well", s)
		}
	})
}

func TestAStuckChannelDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, stuck, well := &outbox{}, &channel{name: "stuck"}, &channel{name: "well"}
		stuck.doing(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		for i := range 2000 { // enough to fill any page of the outbox
			box.owe(fmt.Sprintf("stuck/i%d/opened", i))
		}
		box.owe("well/i1/opened")
		_, stop := start(t, box, alerting.Options{}, stuck, well)
		synctest.Wait()
		wantKeys(t, "sent at once", well.keys(), "well/i1/opened#2000")
		stop()
	})
}

func TestRetriesBackOffWithJitterAndAreGivenUpAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		box, c := &outbox{}, &channel{name: "a"}
		c.doing(func(context.Context, string) error { return errors.New("no luck") })
		_, stop := start(t, box, alerting.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, c)
		box.owe("a/i1/opened")
		sleep(23*time.Hour + 50*time.Minute)
		if d := box.get("a/i1/opened#0"); d.GivenUp || d.Error != "no luck" {
			t.Errorf("before the day is over: %+v, want it still tried", d)
		}
		sleep(30 * time.Minute)
		stop()
		if d := box.get("a/i1/opened#0"); !d.GivenUp || !d.SentAt.IsZero() {
			t.Errorf("after a day: %+v, want it given up", d)
		}
		at := c.attempts()
		if len(at) < 24*12 || len(at) > 24*60 {
			t.Errorf("%d attempts in a day, want one every few minutes", len(at))
		}
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap > 5*time.Minute+3*time.Second {
				t.Errorf("attempt %d waited %s, want at most 5m and a poll", i, gap)
			}
		}
		if !strings.Contains(log.String(), "giving up a message") || strings.Count(log.String(), "\n") > 5 {
			t.Errorf("log: want it to say so, and not to fill:\n%.2000s", log.String())
		}
	})
}

func TestRetryAfterHoldsUpTheWholeChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, c := &outbox{}, &channel{name: "a"}
		c.doing(func(context.Context, string) error {
			return &alerting.SendError{Err: errors.New("limited"), RetryAfter: 40 * time.Second, Unsent: true}
		})
		box.owe("a/i1/opened", "a/i2/opened", "a/i3/opened")
		d, stop := start(t, box, alerting.Options{}, c)
		synctest.Wait()
		c.doing(nil)
		d.Wake()
		sleep(39 * time.Second)
		if n := len(c.attempts()); n != 1 {
			t.Errorf("%d attempts within Retry-After, want 1", n)
		}
		sleep(10 * time.Second)
		stop()
		if len(c.keys()) != 3 {
			t.Errorf("sent %q, want all three", c.keys())
		}
	})
}

func TestWhatNeedsAPersonIsRetriedSlowlyAndSaidClearly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		box, c := &outbox{}, &channel{name: "a"}
		c.doing(func(context.Context, string) error {
			return &alerting.SendError{Err: errors.New("invalid_auth: write a valid token"), Permanent: true, Unsent: true}
		})
		d, stop := start(t, box, alerting.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, c)
		box.owe("a/i1/opened")
		sleep(time.Hour)
		if n := len(c.attempts()); n < 6 || n > 13 {
			t.Errorf("%d attempts in an hour, want one in five to ten minutes", n)
		}
		if s := d.Status()[0]; !s.Permanent || !strings.Contains(s.Error, "valid token") || !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("status %+v, log %.300s; want it said", s, log.String())
		}
		stop()
		// A restart is how people answer: everything is tried at once.
		c.doing(nil)
		_, stop = start(t, box, alerting.Options{}, c)
		synctest.Wait()
		stop()
		wantKeys(t, "after the restart", c.keys(), "a/i1/opened#0")
	})
}

func TestAReceiverThatIsGoneIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, c := &outbox{}, &channel{name: "a"}
		c.doing(func(context.Context, string) error { return &alerting.SendError{Err: errors.New("410"), Gone: true} })
		box.owe("a/i1/opened")
		_, stop := start(t, box, alerting.Options{}, c)
		sleep(time.Hour)
		stop()
		if n := len(c.attempts()); n != 1 || !box.get("a/i1/opened#0").GivenUp {
			t.Errorf("%d attempts, %+v; want one, given up", n, box.get("a/i1/opened#0"))
		}
	})
}

func TestAfterACrashBetweenSendingAndRecordingNothingIsSentTwice(t *testing.T) {
	for _, arrived := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			box, c := &outbox{}, finder{&channel{name: "a"}}
			box.owe("a/i1/opened")
			box.all[0].Started, box.all[0].Attempts = true, 1
			if arrived {
				c.sent = []string{"a/i1/opened#0"}
			}
			_, stop := start(t, box, alerting.Options{}, c)
			synctest.Wait()
			stop()
			wantKeys(t, "at the channel", c.keys(), "a/i1/opened#0")
			if d := box.get("a/i1/opened#0"); d.SentAt.IsZero() || (d.Receipt == "looked up") != arrived {
				t.Errorf("arrived %v: settled as %+v", arrived, d)
			}
		})
	}
}

func TestALostConfirmationIsLookedUpBeforeSendingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, c := &outbox{}, finder{&channel{name: "a"}}
		c.doing(func(_ context.Context, key string) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sent = append(c.sent, key)
			return errors.New("connection reset")
		})
		box.owe("a/i1/opened")
		_, stop := start(t, box, alerting.Options{}, c)
		sleep(time.Minute)
		stop()
		wantKeys(t, "at the channel", c.keys(), "a/i1/opened#0")
	})
}

func TestAChannelThatCannotBeAskedRatherHearsTwiceThanNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, c := &outbox{}, finder{&channel{name: "a"}}
		c.find = func(string) (bool, error) { return false, errors.New("timeout") }
		box.owe("a/i1/opened")
		box.all[0].Started = true
		_, stop := start(t, box, alerting.Options{}, c)
		sleep(10 * time.Minute)
		if len(c.keys()) != 0 || c.asks < 3 {
			t.Errorf("sent %q after asking %d times, want it to go on asking while that may pass", c.keys(), c.asks)
		}
		c.mu.Lock()
		c.find = func(string) (bool, error) {
			return false, &alerting.SendError{Err: errors.New("missing_scope"), Permanent: true, Unsent: true}
		}
		c.mu.Unlock()
		sleep(10 * time.Minute)
		stop()
		wantKeys(t, "once it can never be asked", c.keys(), "a/i1/opened#0")
	})
}

func TestWhatWasSentIsNotSentAgainWhileItCannotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, c := &outbox{}, &channel{name: "a"}
		c.doing(func(context.Context, string) error { box.breaks(errors.New("disk full")); return nil })
		box.owe("a/i1/opened", "a/i1/resolved")
		_, stop := start(t, box, alerting.Options{}, c)
		sleep(10 * time.Minute)
		wantKeys(t, "while the disk is full", c.keys(), "a/i1/opened#0")
		c.doing(nil)
		box.breaks(nil)
		sleep(time.Minute)
		stop()
		wantKeys(t, "afterwards", c.keys(), "a/i1/opened#0", "a/i1/resolved#1")
	})
}

func TestStoppingLetsASendFinishAndRecordsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, quickOne, never := &outbox{}, &channel{name: "quick"}, &channel{name: "never"}
		quickOne.doing(func(ctx context.Context, _ string) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		never.doing(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		box.owe("quick/i1/opened", "never/i1/opened")
		_, stop := start(t, box, alerting.Options{}, quickOne, never)
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("stopping took %s, want the grace time at most", took)
		}
		if d := box.get("quick/i1/opened#0"); d.SentAt.IsZero() {
			t.Errorf("the quick one: %+v, want it recorded as sent", d)
		}
		if d := box.get("never/i1/opened#1"); !d.SentAt.IsZero() || !d.Started {
			t.Errorf("the other: %+v, want it marked as begun", d)
		}
	})
}

func TestDeliveriesOfAChannelThatIsGoneEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		box.owe("removed/i1/opened")
		_, stop := start(t, box, alerting.Options{})
		sleep(23 * time.Hour)
		if box.get("removed/i1/opened#0").GivenUp {
			t.Error("given up within a day, want it to wait for its channel to come back")
		}
		sleep(2 * time.Hour)
		stop()
		if d := box.get("removed/i1/opened#0"); !d.GivenUp || d.Error == "" {
			t.Errorf("after a day: %+v, want it given up", d)
		}
	})
}

func TestAPayloadThatCannotBeReadBlocksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, c := &outbox{}, &channel{name: "a"}
		box.owe("a/i1/opened", "a/i1/resolved")
		box.all[0].Payload = []byte("{")
		_, stop := start(t, box, alerting.Options{}, c)
		synctest.Wait()
		stop()
		wantKeys(t, "sent", c.keys(), "a/i1/resolved#1")
	})
}

func TestTwoChannelsOfOneNameAreRefused(t *testing.T) {
	if _, err := alerting.NewDispatcher(&outbox{}, []alerting.Channel{&channel{name: "a"}, &channel{name: "a"}}, alerting.Options{}); err == nil {
		t.Error("NewDispatcher: got no error, want one")
	}
}

func FuzzParseNotice(f *testing.F) {
	f.Add([]byte(`{"kind":"opened","incident":{"id":"x"}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := alerting.ParseNotice(b); err == nil && (n.Kind == "" || n.Incident.ID == "") {
			t.Errorf("ParseNotice(%q): got %+v without an error", b, n)
		}
	})
}

func ExampleDispatcher() {
	box, c := &outbox{}, &channel{name: "pager"}
	box.owe("pager/incident/opened")
	d, err := alerting.NewDispatcher(box, []alerting.Channel{c}, alerting.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.do = func(context.Context, string) error { cancel(); return nil }
	fmt.Println(d.Run(ctx), len(c.keys()), d.Status()[0].Sent)
	// Output: <nil> 1 1
}
