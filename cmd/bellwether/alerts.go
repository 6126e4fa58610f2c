package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
)

// alertBacklog is how many changes may wait for the store; more than a month
// of verdict changes of a thousand targets.
const alertBacklog = 1 << 14

// incidentStore is the part of a store that incidents are kept in. An incident
// that is not there gives an error that wraps fs.ErrNotExist.
type incidentStore interface {
	SaveIncident(ctx context.Context, in bellwether.Incident, owed []bellwether.Delivery) error
	Incident(ctx context.Context, id string) (bellwether.Incident, error)
}

// alerts turns changes of verdicts into incidents that are kept, shown and
// sent. Run owns the tracker; the rest may be called from anywhere.
type alerts struct {
	tracker *alerting.Tracker
	store   incidentStore
	log     *slog.Logger
	saved   func(bellwether.Incident) // told once an incident is kept
	wake    func()                    // the dispatcher has something to send

	jobs    chan alertJob
	stopped chan struct{}
	unsaved []alerting.Update // owned by Run: what the store refused so far
}

// alertJob is one thing for Run to do.
type alertJob struct {
	do   func(*alerting.Tracker) ([]alerting.Update, error)
	done chan<- error // nil when nobody waits
}

func newAlerts(t *alerting.Tracker, st incidentStore, saved func(bellwether.Incident), wake func(), log *slog.Logger) *alerts {
	return &alerts{tracker: t, store: st, saved: saved, wake: wake, log: log,
		jobs: make(chan alertJob, alertBacklog), stopped: make(chan struct{})}
}

// Run folds and saves until ctx ends.
func (a *alerts) Run(ctx context.Context) error {
	defer close(a.stopped)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case j := <-a.jobs:
			a.handle(j)
		case now := <-tick.C:
			a.handle(alertJob{do: func(t *alerting.Tracker) ([]alerting.Update, error) { return t.Tick(now), nil }})
		case <-ctx.Done():
			for len(a.jobs) > 0 {
				a.handle(<-a.jobs)
			}
			return nil
		}
	}
}

func (a *alerts) handle(j alertJob) {
	updates, err := j.do(a.tracker)
	if err == nil {
		err = a.save(updates)
	}
	if j.done != nil {
		j.done <- err
	}
}

// save keeps updates in order. What the store refuses is tried again with the
// next job, at the latest after a second: an alert is late then, never lost.
func (a *alerts) save(updates []alerting.Update) error {
	a.unsaved = append(a.unsaved, updates...)
	owed := false
	for len(a.unsaved) > 0 {
		u := a.unsaved[0]
		if err := a.store.SaveIncident(context.Background(), u.Incident, u.Owed); err != nil {
			if len(updates) > 0 { // not with every try of a night
				a.log.Error("incident not kept, will try again", "incident", u.Incident.ID, "waiting", len(a.unsaved), "err", err)
			}
			return err
		}
		a.unsaved = a.unsaved[1:]
		a.saved(u.Incident)
		owed = owed || len(u.Owed) > 0
	}
	if owed {
		a.wake()
	}
	return nil
}

// Changed hands in a change of a verdict. It does not block.
func (a *alerts) Changed(c bellwether.Change) {
	j := alertJob{do: func(t *alerting.Tracker) ([]alerting.Update, error) { return t.Fold(c), nil }}
	select {
	case a.jobs <- j:
	default:
		a.log.Error("change of verdict not alerted on: the backlog is full", "target", c.Target, "to", c.To)
	}
}

// Reconcile brings incidents in line with what the engine thinks now.
func (a *alerts) Reconcile(as []bellwether.Assessment, now time.Time) {
	a.jobs <- alertJob{do: func(t *alerting.Tracker) ([]alerting.Update, error) { return t.Reconcile(as, now), nil }}
}

// Replace goes on with another tracker, after a reload.
func (a *alerts) Replace(make func(open []bellwether.Incident) *alerting.Tracker) {
	a.jobs <- alertJob{do: func(t *alerting.Tracker) ([]alerting.Update, error) {
		a.tracker = make(t.Open())
		return nil, nil
	}}
}

// Ack notes that somebody takes care of an open incident.
func (a *alerts) Ack(ctx context.Context, id, by string) (bellwether.Incident, error) {
	return a.ask(ctx, func(t *alerting.Tracker) (alerting.Update, error) { return t.Ack(id, by, time.Now().UTC()) })
}

// Annotate adds somebody's note to an incident, also when it is over.
func (a *alerts) Annotate(ctx context.Context, id, by, text string) (bellwether.Incident, error) {
	return a.ask(ctx, func(t *alerting.Tracker) (alerting.Update, error) {
		u, err := t.Annotate(id, by, text, time.Now().UTC())
		if !errors.Is(err, alerting.ErrNoIncident) {
			return u, err
		}
		if len(a.unsaved) > 0 {
			return u, errUnsaved // the store's copy may be older than ours
		}
		in, err := a.store.Incident(ctx, id)
		return alerting.Update{Incident: alerting.WithNote(in, by, text, time.Now().UTC())}, err
	})
}

const errUnsaved = retryLater("the store does not take incidents just now: try again")

// ask has Run do something and returns the incident once it is kept.
func (a *alerts) ask(ctx context.Context, do func(*alerting.Tracker) (alerting.Update, error)) (bellwether.Incident, error) {
	done := make(chan error, 1)
	var u alerting.Update // written before done, read after
	j := alertJob{done: done, do: func(t *alerting.Tracker) (_ []alerting.Update, err error) {
		u, err = do(t)
		return []alerting.Update{u}, err
	}}
	select {
	case a.jobs <- j:
	case <-a.stopped:
		return bellwether.Incident{}, errStopping
	case <-ctx.Done():
		return bellwether.Incident{}, ctx.Err()
	}
	select {
	case err := <-done:
		return u.Incident, err
	case <-a.stopped:
		return bellwether.Incident{}, errStopping
	case <-ctx.Done():
		return bellwether.Incident{}, ctx.Err()
	}
}
