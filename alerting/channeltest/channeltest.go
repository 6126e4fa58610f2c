// Package channeltest is the conformance suite of alert channels: what the
// dispatcher relies on, whatever the channel speaks. A new channel is done
// when it passes. It is for tests only and starts nothing that it does not
// stop.
package channeltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
)

// Fault is what a counterpart does to calls from now on.
type Fault int

// The faults. Lost does what it is asked and then drops the connection, so
// that the caller cannot know.
const (
	None        Fault = iota
	Limited           // refuses, and asks to wait seven seconds
	Broken            // answers as a server does that is broken: 500
	Refused           // does not accept our credentials
	Unreachable       // nobody listens
	Hanging           // never answers
	Endless           // answers without an end
	Lost
)

// Counterpart is the other side of a channel under test.
type Counterpart struct {
	Channel alerting.Channel
	// Secrets are strings that no error may hold.
	Secrets []string
	// Set brings on a fault.
	Set func(Fault)
	// Received returns the keys of the deliveries that arrived, in order, as
	// often as they arrived. A channel that has no keys on its wire gives the
	// kinds of messages instead; see Keyless.
	Received func() []string
	// Keyless says that the wire carries no key.
	Keyless bool
	// Said returns everything that was received, as text.
	Said func() string
}

// Run checks a channel against the suite. Each law gets a fresh counterpart.
func Run(t *testing.T, fresh func(t *testing.T) *Counterpart) {
	laws := []struct {
		name string
		law  func(t *testing.T, c *Counterpart)
	}{
		{"TellsOpenedChangedAndResolvedOnceEachAndInOrder", tellsInOrder},
		{"NamesWhatPeopleNeed", namesWhatPeopleNeed},
		{"ARateLimitIsPassedOnAndNothingWasSent", limited},
		{"AServerErrorMayPass", broken},
		{"RefusedCredentialsNeedAPerson", refused},
		{"AnUnreachableServerWasNotSentAnything", unreachable},
		{"AHangingServerIsLeftWhenTheContextEnds", hanging},
		{"AnEndlessAnswerIsNotReadToItsEnd", endless},
		{"WhatArrivedWithoutConfirmationIsFound", found},
		{"HostileTextIsCarriedAsText", hostile},
		{"ManySendAtOnce", concurrent},
	}
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) { l.law(t, fresh(t)) })
	}
}

// Sample returns a notice of an incident over two targets.
func Sample(kind string) alerting.Notice {
	at := time.Date(2026, 11, 20, 3, 12, 0, 0, time.UTC)
	in := bellwether.Incident{ID: "01JD2Z3K9QW8T5", State: bellwether.IncidentOpen, Severity: bellwether.Degraded,
		Cause: bellwether.CauseProvider, Targets: []string{"gpt-us", "gpt-eu"}, Title: "openai degraded: 2 targets",
		FirstAt: at.Add(-20 * time.Second), OpenedAt: at,
		Timeline: []bellwether.IncidentEvent{{At: at, Kind: "opened", Target: "gpt-us", State: bellwether.Degraded, Text: "gpt-us is degraded: first token 3.2x its usual"}}}
	event := in.Timeline[0]
	if kind != alerting.KindOpened {
		in.Severity = bellwether.Failing
		event = bellwether.IncidentEvent{At: at.Add(time.Minute), Kind: "changed", Target: "gpt-eu", State: bellwether.Failing, Text: "gpt-eu is failing: one call in three fails"}
		in.Timeline = append(in.Timeline, event)
	}
	if kind == alerting.KindResolved {
		in.State, in.ResolvedAt = bellwether.IncidentResolved, at.Add(40*time.Minute)
		event = bellwether.IncidentEvent{At: in.ResolvedAt, Kind: "resolved", Text: "healthy since 03:51:00 UTC"}
		in.Timeline = append(in.Timeline, event)
	}
	return alerting.Notice{Kind: kind, At: event.At, Event: event, Incident: in, Link: "https://status.example.com/incidents/01JD2Z3K9QW8T5",
		Targets: []alerting.TargetNotice{
			{ID: "gpt-us", Provider: "openai", Model: "gpt-4o", Region: "us-east", State: in.Severity,
				Reasons: []bellwether.Reason{{Signal: bellwether.FirstToken, Code: "first_token_slow", Text: "first token 3.2x its usual", Evidence: 14}}},
			{ID: "gpt-eu", Provider: "openai", Model: "gpt-4o", Region: "eu-west", State: in.Severity, Reasons: []bellwether.Reason{}},
		}}
}

// Sent returns the delivery of a notice as the outbox keeps it once it is sent.
func Sent(n alerting.Notice, key, receipt string, payload []byte) bellwether.Delivery {
	return bellwether.Delivery{ID: key, Incident: n.Incident.ID, Kind: n.Kind, Payload: payload,
		CreatedAt: n.At, SentAt: n.At.Add(time.Second), Receipt: receipt}
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return c
}

// fails sends and wants an error that keeps every secret.
func fails(t *testing.T, c *Counterpart) *alerting.SendError {
	t.Helper()
	_, err := c.Channel.Send(ctx(t), Sample(alerting.KindOpened), "key-1", nil)
	if err == nil {
		t.Fatal("Send: got no error, want one")
	}
	for _, secret := range c.Secrets {
		if strings.Contains(err.Error(), secret) || strings.Contains(fmt.Sprintf("%+v", err), secret) {
			t.Errorf("Send: error %q holds the secret %q", err, secret)
		}
	}
	var se *alerting.SendError
	if !errors.As(err, &se) {
		t.Fatalf("Send: got %T %v, want a *SendError", err, err)
	}
	return se
}

func tellsInOrder(t *testing.T, c *Counterpart) {
	var prior []bellwether.Delivery
	var want []string
	for i, kind := range []string{alerting.KindOpened, alerting.KindChanged, alerting.KindResolved} {
		n, key := Sample(kind), fmt.Sprintf("key-%d", i+1)
		receipt, err := c.Channel.Send(ctx(t), n, key, prior)
		if err != nil {
			t.Fatalf("Send(%s): %v", kind, err)
		}
		prior = append(prior, Sent(n, key, receipt, Payload(t, n)))
		if c.Keyless {
			key = kind
		}
		want = append(want, key)
	}
	if got := c.Received(); !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}

func namesWhatPeopleNeed(t *testing.T, c *Counterpart) {
	n := Sample(alerting.KindOpened)
	if _, err := c.Channel.Send(ctx(t), n, "key-1", nil); err != nil {
		t.Fatalf("Send: %v", err)
	}
	said := c.Said()
	for _, want := range []string{n.Incident.Title, "gpt-us", "gpt-eu", "us-east", "first token 3.2x its usual", "degraded", n.Link, n.Incident.ID} {
		if !strings.Contains(said, want) {
			t.Errorf("the message lacks %q:\n%s", want, said)
		}
	}
}

func limited(t *testing.T, c *Counterpart) {
	c.Set(Limited)
	se := fails(t, c)
	if se.RetryAfter != 7*time.Second || se.Permanent || !se.Unsent {
		t.Errorf("Send: got %+v, want to wait 7s, unsent, not permanent", se)
	}
	recovers(t, c)
}

func broken(t *testing.T, c *Counterpart) {
	c.Set(Broken)
	if se := fails(t, c); se.Permanent || se.Gone || se.Unsent {
		t.Errorf("Send: got %+v, want neither permanent nor certainly unsent", se)
	}
	recovers(t, c)
}

func refused(t *testing.T, c *Counterpart) {
	c.Set(Refused)
	if se := fails(t, c); !se.Permanent || !se.Unsent {
		t.Errorf("Send: got %+v, want permanent and unsent", se)
	}
	recovers(t, c)
}

func unreachable(t *testing.T, c *Counterpart) {
	c.Set(Unreachable)
	if se := fails(t, c); se.Permanent || !se.Unsent {
		t.Errorf("Send: got %+v, want unsent and not permanent", se)
	}
}

func hanging(t *testing.T, c *Counterpart) {
	c.Set(Hanging)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Channel.Send(short, Sample(alerting.KindOpened), "key-1", nil)
	var se *alerting.SendError
	if !errors.As(err, &se) || se.Unsent || se.Permanent {
		t.Errorf("Send: got %v, want an error that is neither permanent nor certain", err)
	}
}

// endless passes when Send comes back at all: the context has no end that
// could help it before the test's own.
func endless(t *testing.T, c *Counterpart) {
	c.Set(Endless)
	_, _ = c.Channel.Send(ctx(t), Sample(alerting.KindOpened), "key-1", nil)
}

func recovers(t *testing.T, c *Counterpart) {
	t.Helper()
	if got := c.Received(); len(got) != 0 {
		t.Fatalf("received %q during the fault, want nothing", got)
	}
	c.Set(None)
	if _, err := c.Channel.Send(ctx(t), Sample(alerting.KindOpened), "key-1", nil); err != nil {
		t.Fatalf("Send after the fault: %v", err)
	}
	if got := c.Received(); len(got) != 1 {
		t.Errorf("received %q after the fault, want one message", got)
	}
}

func found(t *testing.T, c *Counterpart) {
	f, ok := c.Channel.(alerting.Finder)
	c.Set(Lost)
	if se := fails(t, c); se.Unsent {
		t.Errorf("Send: got %+v, want it not to claim that nothing was sent", se)
	}
	c.Set(None)
	if !ok {
		return // nothing to ask: the dispatcher sends again under the same key
	}
	n := Sample(alerting.KindOpened)
	if _, yes, err := f.Find(ctx(t), n, "another", nil); err != nil || yes {
		t.Errorf("Find(another): got %v, %v, want false", yes, err)
	}
	receipt, yes, err := f.Find(ctx(t), n, "key-1", nil)
	if err != nil || !yes || receipt == "" {
		t.Fatalf("Find(key-1): got %q, %v, %v, want it found", receipt, yes, err)
	}
	prior := []bellwether.Delivery{Sent(n, "key-1", receipt, Payload(t, n))}
	changed := Sample(alerting.KindChanged)
	if _, yes, err := f.Find(ctx(t), changed, "key-2", prior); err != nil || yes {
		t.Errorf("Find(key-2) before it was sent: got %v, %v, want false", yes, err)
	}
	sent, err := c.Channel.Send(ctx(t), changed, "key-2", prior)
	if err != nil {
		t.Fatalf("Send(key-2): %v", err)
	}
	if again, yes, err := f.Find(ctx(t), changed, "key-2", prior); err != nil || !yes || again != sent {
		t.Errorf("Find(key-2): got %q, %v, %v, want %q", again, yes, err, sent)
	}
}

func hostile(t *testing.T, c *Counterpart) {
	n := Sample(alerting.KindOpened)
	evil := "<!channel> <https://evil.example|click> & *bold* `x` \x00\xff\n" + strings.Repeat("è", 2000)
	n.Incident.Title, n.Event.Text, n.Incident.AckedBy = evil, evil, evil
	for i := range 40 {
		n.Targets = append(n.Targets, alerting.TargetNotice{ID: fmt.Sprintf("t%d", i), Provider: evil, Model: evil, Region: evil,
			State: bellwether.Down, Reasons: []bellwether.Reason{{Text: evil}, {Text: evil}, {Text: evil}, {Text: evil}}})
		n.Incident.Timeline = append(n.Incident.Timeline, bellwether.IncidentEvent{At: n.At.Add(time.Second), Kind: evil, Text: evil})
	}
	receipt, err := c.Channel.Send(ctx(t), n, "key-1", nil)
	if err != nil {
		t.Fatalf("Send: %v", err)
	}
	n.Kind = alerting.KindResolved
	prior := []bellwether.Delivery{Sent(n, "key-1", receipt, []byte("not a notice"))}
	if _, err := c.Channel.Send(ctx(t), n, "key-2", prior); err != nil {
		t.Fatalf("Send(resolved): %v", err)
	}
}

func concurrent(t *testing.T, c *Counterpart) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			n := Sample(alerting.KindOpened)
			n.Incident.ID = fmt.Sprintf("incident-%d", i)
			if _, err := c.Channel.Send(ctx(t), n, fmt.Sprintf("key-%d", i), nil); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
	}
	wg.Wait()
	if got := c.Received(); len(got) != 8 {
		t.Errorf("received %d messages, want 8", len(got))
	}
}

// Payload encodes a notice as the outbox keeps it.
func Payload(t *testing.T, n alerting.Notice) []byte {
	t.Helper()
	b, err := json.Marshal(n)
	if err != nil {
		t.Fatalf("encode notice: %v", err)
	}
	return b
}
