// Package alerting turns changes of verdicts into incidents, and incidents
// into messages that reach people: once, in order, and not lost while a
// channel is down.
//
// It has two halves. [Tracker] is a pure fold: it reads no clock, does no I/O
// and belongs to one goroutine. [Dispatcher] is the loop that empties the
// outbox: its Run starts one goroutine for each channel and returns when all
// have ended. What stands between them is the outbox in the store, so that a
// message that was owed survives a crash.
//
// It is not for deciding what is ill (scoring does), nor for any channel's own
// protocol: those live one folder each below, and their conformance suite is
// in channeltest.
package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// The kinds of messages. They are the kinds of incident events that are worth
// telling; a wiggle of a score is not.
const (
	KindOpened       = "opened"
	KindChanged      = "changed" // severity rose, targets joined, or the cause moved
	KindAcknowledged = "acknowledged"
	KindResolved     = "resolved"
)

// Notice is what a message says: the incident as it was when the message was
// owed. It is the JSON in [bellwether.Delivery.Payload] and, with the
// delivery's id beside it, the body that webhooks receive.
type Notice struct {
	Kind     string                   `json:"kind"`
	At       time.Time                `json:"at"`
	Event    bellwether.IncidentEvent `json:"event"` // what brought this message about
	Incident bellwether.Incident      `json:"incident"`
	Targets  []TargetNotice           `json:"targets"` // the incident's, in its order
	Link     string                   `json:"link,omitempty"`
}

// TargetNotice is one target of a notice with what is known of it.
type TargetNotice struct {
	ID       string              `json:"id"`
	Provider string              `json:"provider,omitempty"`
	Model    string              `json:"model,omitempty"`
	Region   string              `json:"region,omitempty"`
	State    bellwether.State    `json:"state"`
	Since    time.Time           `json:"since,omitzero"` // estimated onset of what is wrong
	Reasons  []bellwether.Reason `json:"reasons"`
	Link     string              `json:"link,omitempty"`
}

// Channel sends notices somewhere. Implementations are safe for concurrent
// use, honour ctx, bound what they read, and keep secrets out of errors.
type Channel interface {
	// Name is the name that deliveries carry: "slack", "webhook.ops".
	Name() string
	// Send delivers n and returns the channel's own id of the message, or "".
	// Key names the delivery and is the same on every attempt; prior holds the
	// deliveries of the same incident that were sent here before, oldest first.
	// Errors that say more than "try again" are a *[SendError].
	Send(ctx context.Context, n Notice, key string, prior []bellwether.Delivery) (receipt string, err error)
}

// Finder is a Channel that can be asked whether a delivery has arrived. It is
// asked when a send began and nobody knows how it ended.
type Finder interface {
	Find(ctx context.Context, n Notice, key string, prior []bellwether.Delivery) (receipt string, found bool, err error)
}

// SendError says how to go on after a send that was not confirmed.
type SendError struct {
	Err        error         // the cause; never holds a secret
	RetryAfter time.Duration // the channel asked everybody to wait so long; 0: it did not
	Permanent  bool          // will not pass until somebody changes the configuration
	Gone       bool          // the receiver wants no more of this; do not retry
	Unsent     bool          // certainly nothing arrived, so there is nothing to look up
}

func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// ParseNotice reads a delivery's payload.
func ParseNotice(payload []byte) (Notice, error) {
	var n Notice
	if err := json.Unmarshal(payload, &n); err != nil {
		return Notice{}, fmt.Errorf("notice: parse: %w", err)
	}
	if n.Kind == "" || n.Incident.ID == "" {
		return Notice{}, errors.New("notice: parse: no kind or no incident")
	}
	return n, nil
}
