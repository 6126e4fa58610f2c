package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Outbox is where deliveries are kept; the store. It is safe for concurrent
// use. Owed returns what is due and undone, oldest first, and of each channel
// and incident at most the oldest undone one, so that order is kept. Deliveries
// returns all of an incident's, done or not, in the order they were owed.
type Outbox interface {
	Owed(ctx context.Context, now time.Time, limit int) ([]bellwether.Delivery, error)
	SettleDelivery(ctx context.Context, d bellwether.Delivery) error
	Deliveries(ctx context.Context, incident string) ([]bellwether.Delivery, error)
}

// Options tunes a [Dispatcher]. The zero value is right for production.
type Options struct {
	// Poll is how often the outbox is looked at without being woken. 0: 2s.
	Poll time.Duration
	// SendTimeout bounds one call of a channel. 0: 30s.
	SendTimeout time.Duration
	// Grace is how long a send that is under way may go on after the end was
	// asked for. 0: 3s.
	Grace time.Duration
	// GiveUpAfter is how long a delivery is tried. 0: 24h.
	GiveUpAfter time.Duration
	// BackoffBase and BackoffMax bound the wait after a failure: a random
	// part, up to all, of base * 2^(attempts-1), at most max. 0: 1s and 5m.
	BackoffBase, BackoffMax time.Duration
	// SlowRetry is the wait after an error that will not pass by itself, such
	// as a revoked token. 0: 10m.
	SlowRetry time.Duration
	// Logger gets what failed, what recovered and what was given up. nil: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Poll, 2 * time.Second}, {&o.SendTimeout, 30 * time.Second}, {&o.Grace, 3 * time.Second},
		{&o.GiveUpAfter, 24 * time.Hour}, {&o.BackoffBase, time.Second}, {&o.BackoffMax, 5 * time.Minute},
		{&o.SlowRetry, 10 * time.Minute},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// ChannelStatus is how one channel is doing.
type ChannelStatus struct {
	Channel   string    `json:"channel"`
	Sent      int       `json:"sent"`   // since the start
	Failed    int       `json:"failed"` // attempts, since the start
	GivenUp   int       `json:"given_up"`
	LastSent  time.Time `json:"last_sent_at,omitzero"`
	FailingAt time.Time `json:"failing_since,omitzero"` // zero while it works
	Error     string    `json:"error,omitempty"`        // of the last attempt; "" while it works
	Permanent bool      `json:"permanent,omitempty"`    // somebody must change the configuration
}

// Dispatcher sends what the outbox owes. Every channel has a goroutine of its
// own, so that one that is stuck delays no other. Methods other than Run are
// safe at any time.
type Dispatcher struct {
	outbox  Outbox
	workers []*worker
	opts    Options
}

// NewDispatcher returns a dispatcher over channels, whose names must differ.
func NewDispatcher(outbox Outbox, channels []Channel, o Options) (*Dispatcher, error) {
	d := &Dispatcher{outbox: outbox, opts: o.withDefaults()}
	seen := map[string]bool{}
	for _, c := range channels {
		if seen[c.Name()] {
			return nil, fmt.Errorf("dispatcher: two channels are named %q", c.Name())
		}
		seen[c.Name()] = true
		d.workers = append(d.workers, &worker{Dispatcher: d, channel: c, wake: make(chan struct{}, 1),
			unsettled: map[string]bellwether.Delivery{}, status: ChannelStatus{Channel: c.Name()}})
	}
	return d, nil
}

// Run sends until ctx ends, then lets sends that are under way finish within
// the grace time, and returns nil when all goroutines have ended. Everything
// undone is tried at once when Run starts, however long it was to wait: a
// restart is how people answer a broken configuration.
func (d *Dispatcher) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, w := range d.workers {
		wg.Go(func() { w.run(ctx) })
	}
	wg.Go(func() { d.sweep(ctx) })
	wg.Wait()
	return nil
}

// Wake makes every channel look at the outbox now. It never blocks.
func (d *Dispatcher) Wake() {
	for _, w := range d.workers {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Status returns how the channels are doing, in the order they were given.
func (d *Dispatcher) Status() []ChannelStatus {
	out := make([]ChannelStatus, 0, len(d.workers))
	for _, w := range d.workers {
		w.mu.Lock()
		out = append(out, w.status)
		w.mu.Unlock()
	}
	return out
}

// owed returns what is owed to the channels that pick chooses. A limit that
// others' deliveries fill is doubled until ours are among them.
func (d *Dispatcher) owed(ctx context.Context, now time.Time, pick func(channel string) bool) ([]bellwether.Delivery, error) {
	for limit := 256; ; limit *= 2 {
		all, err := d.outbox.Owed(ctx, now, limit)
		if err != nil {
			return nil, err
		}
		mine := slices.DeleteFunc(slices.Clone(all), func(x bellwether.Delivery) bool { return !pick(x.Channel) })
		if len(mine) > 0 || len(all) < limit || limit > 1<<20 {
			return mine, nil
		}
	}
}

// sweep gives up what is owed to channels that are no longer configured, when
// its time is over.
func (d *Dispatcher) sweep(ctx context.Context) {
	known := map[string]bool{}
	for _, w := range d.workers {
		known[w.channel.Name()] = true
	}
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		now := time.Now()
		lost, err := d.owed(ctx, now.Add(d.opts.SlowRetry), func(name string) bool { return !known[name] })
		if err != nil && ctx.Err() == nil {
			d.opts.Logger.Error("reading the outbox", "error", err)
		}
		for _, x := range lost {
			if now.Sub(x.CreatedAt) < d.opts.GiveUpAfter {
				continue
			}
			x.GivenUp, x.Error = true, "the channel is no longer configured"
			if err := d.outbox.SettleDelivery(ctx, x); err != nil && ctx.Err() == nil {
				d.opts.Logger.Error("settling a delivery", "delivery", x.ID, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// wait returns how long to wait after the attempt that failed with err.
func (o Options) wait(attempts int, err error) time.Duration {
	var se *SendError
	permanent := errors.As(err, &se) && se.Permanent
	ceiling := o.BackoffMax
	if n := max(0, attempts-1); n < 30 && o.BackoffBase<<n < ceiling {
		ceiling = o.BackoffBase << n
	}
	wait := time.Duration(rand.Int64N(int64(ceiling) + 1))
	if permanent {
		wait = o.SlowRetry/2 + time.Duration(rand.Int64N(int64(o.SlowRetry)/2+1))
	}
	if se != nil {
		wait = max(wait, se.RetryAfter)
	}
	return max(wait, 100*time.Millisecond)
}
