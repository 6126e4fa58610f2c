package alerting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// worker empties the outbox of one channel, one delivery at a time. All fields
// below mu belong to its goroutine.
type worker struct {
	*Dispatcher
	channel Channel
	wake    chan struct{}

	mu     sync.Mutex
	status ChannelStatus

	pause time.Time // the channel asked everybody to wait until then
	// unsettled holds what was done and could not be recorded, by id: it must
	// not be sent again while this process remembers.
	unsettled map[string]bellwether.Delivery
}

func (w *worker) run(ctx context.Context) {
	now := time.Now().Add(w.opts.GiveUpAfter) // at the start, everything is due
	for ctx.Err() == nil {
		w.round(ctx, now)
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-time.After(max(w.opts.Poll, time.Until(w.pause))):
		}
		now = time.Now()
	}
}

// round sends what is due, until nothing is left that can be sent now.
func (w *worker) round(ctx context.Context, now time.Time) {
	tried := map[string]bool{}
	for ctx.Err() == nil && !time.Now().Before(w.pause) {
		due, err := w.owed(ctx, now, func(name string) bool { return name == w.channel.Name() })
		if err != nil {
			if ctx.Err() == nil {
				w.opts.Logger.Error("reading the outbox", "channel", w.channel.Name(), "error", err)
			}
			return
		}
		due = slices.DeleteFunc(due, func(d bellwether.Delivery) bool { return tried[d.ID] })
		if len(due) == 0 {
			return
		}
		for _, d := range due {
			tried[d.ID] = true
			if ctx.Err() != nil || time.Now().Before(w.pause) {
				return
			}
			w.deliver(ctx, d)
		}
	}
}

// deliver brings one delivery one step further: done, given up, merged into a
// newer one, or put off.
func (w *worker) deliver(ctx context.Context, d bellwether.Delivery) {
	if done, ok := w.unsettled[d.ID]; ok {
		w.settle(ctx, done)
		return
	}
	all, err := w.outbox.Deliveries(ctx, d.Incident)
	if err != nil {
		if ctx.Err() == nil {
			w.opts.Logger.Error("reading an incident's deliveries", "incident", d.Incident, "error", err)
		}
		return
	}
	d, prior, ok := w.conflate(ctx, d, all)
	if !ok {
		return
	}
	n, err := ParseNotice(d.Payload)
	if err != nil {
		w.giveUp(ctx, d, err)
		return
	}
	asked := d.Started
	d.Started = true
	d.Attempts++
	d.NextAt = time.Now().Add(w.opts.SendTimeout)
	if err := w.outbox.SettleDelivery(ctx, d); err != nil {
		if ctx.Err() == nil {
			w.opts.Logger.Error("marking a delivery as started", "delivery", d.ID, "error", err)
		}
		return // unmarked, it must not be sent: a crash would send it twice
	}
	receipt, err := w.send(ctx, n, d.ID, prior, asked)
	w.finish(ctx, d, receipt, err)
}

// conflate returns what is to be sent in place of d, with the deliveries that
// this channel got before. Changes that piled up become the newest of them;
// opened and resolved always go out. False means: not now.
func (w *worker) conflate(ctx context.Context, d bellwether.Delivery, all []bellwether.Delivery) (bellwether.Delivery, []bellwether.Delivery, bool) {
	var prior, newer []bellwether.Delivery
	reached := false
	for _, x := range all {
		switch {
		case x.ID == d.ID:
			reached = true
		case x.Channel != w.channel.Name() || x.GivenUp:
		case !x.SentAt.IsZero():
			prior = append(prior, x)
		case reached:
			newer = append(newer, x)
		}
	}
	for _, next := range newer {
		if d.Started || !mergeable(d.Kind) || !mergeable(next.Kind) {
			break
		}
		d.GivenUp, d.Error = true, "merged into the newer "+next.ID
		if !w.settle(ctx, d) {
			return d, nil, false
		}
		d = next
	}
	return d, prior, true
}

func mergeable(kind string) bool { return kind == KindChanged || kind == KindAcknowledged }

// send calls the channel: it asks first whether n has arrived when an earlier
// send began and nobody knows how it ended.
func (w *worker) send(ctx context.Context, n Notice, key string, prior []bellwether.Delivery, asked bool) (string, error) {
	sendCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.opts.SendTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(w.opts.Grace, cancel) })
	defer stop()
	f, ok := w.channel.(Finder)
	if !ok || !asked {
		return w.channel.Send(sendCtx, n, key, prior)
	}
	receipt, found, err := f.Find(sendCtx, n, key, prior)
	var se *SendError
	switch {
	case err == nil && found:
		return receipt, nil
	case err == nil:
		return w.channel.Send(sendCtx, n, key, prior)
	case !errors.As(err, &se):
		se = &SendError{}
	}
	if !se.Permanent {
		return "", &SendError{Err: fmt.Errorf("look for an earlier attempt: %w", err), RetryAfter: se.RetryAfter}
	}
	// It cannot be asked at all (a missing scope): rather twice than never.
	w.opts.Logger.Warn("a message may arrive twice: the channel cannot be asked for it",
		"channel", w.channel.Name(), "delivery", key, "error", err)
	receipt, err = w.channel.Send(sendCtx, n, key, prior)
	if errors.As(err, &se) {
		again := *se
		again.Unsent = false // of this attempt it may be certain, of the earlier one it is not
		err = &again
	}
	return receipt, err
}

// finish records how an attempt ended.
func (w *worker) finish(ctx context.Context, d bellwether.Delivery, receipt string, err error) {
	now := time.Now()
	if err == nil {
		d.SentAt, d.Receipt, d.Error = now, receipt, ""
		w.worked(now)
		w.settle(ctx, d)
		return
	}
	var se *SendError
	if errors.As(err, &se) {
		d.Started = !se.Unsent
		if se.RetryAfter > 0 {
			w.pause = now.Add(se.RetryAfter)
		}
	}
	w.failed(now, d, err, se != nil && se.Permanent)
	if (se != nil && se.Gone) || now.Sub(d.CreatedAt) >= w.opts.GiveUpAfter {
		w.giveUp(ctx, d, err)
		return
	}
	d.Error = cut(err.Error(), 500)
	d.NextAt = now.Add(w.opts.wait(d.Attempts, err))
	w.settle(ctx, d)
}

func (w *worker) giveUp(ctx context.Context, d bellwether.Delivery, err error) {
	d.GivenUp, d.Error = true, cut(err.Error(), 500)
	w.opts.Logger.Error("giving up a message", "channel", w.channel.Name(), "incident", d.Incident, "kind", d.Kind,
		"delivery", d.ID, "attempts", d.Attempts, "error", err)
	w.mu.Lock()
	w.status.GivenUp++
	w.mu.Unlock()
	w.settle(ctx, d)
}

// settle records d. What is done is recorded even when the end was asked for,
// and remembered when it cannot be.
func (w *worker) settle(ctx context.Context, d bellwether.Delivery) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.opts.Grace)
	defer cancel()
	if err := w.outbox.SettleDelivery(ctx, d); err != nil {
		w.opts.Logger.Error("settling a delivery", "channel", d.Channel, "delivery", d.ID, "error", err)
		if d.GivenUp || !d.SentAt.IsZero() {
			w.unsettled[d.ID] = d
		}
		return false
	}
	delete(w.unsettled, d.ID)
	return true
}

func (w *worker) worked(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.status.FailingAt.IsZero() {
		w.opts.Logger.Info("the channel works again", "channel", w.channel.Name(), "after", now.Sub(w.status.FailingAt).Round(time.Second).String())
	}
	w.status.Sent++
	w.status.LastSent, w.status.FailingAt, w.status.Error, w.status.Permanent = now, time.Time{}, "", false
}

// failed notes an attempt that failed. The first of a row is a warning, what
// needs a person an error; the rest is for debugging, or a night's outage
// would fill the log.
func (w *worker) failed(now time.Time, d bellwether.Delivery, err error, permanent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.opts.Logger.Debug
	if w.status.FailingAt.IsZero() {
		w.status.FailingAt, log = now, w.opts.Logger.Warn
	}
	if permanent {
		log = w.opts.Logger.Error
	}
	log("a message could not be sent; it will be tried again", "channel", w.channel.Name(), "incident", d.Incident,
		"kind", d.Kind, "delivery", d.ID, "attempts", d.Attempts, "error", err)
	w.status.Failed++
	w.status.Error, w.status.Permanent = cut(err.Error(), 500), permanent
}
