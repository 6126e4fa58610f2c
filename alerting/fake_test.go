package alerting_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
)

// outbox keeps deliveries as the store does.
type outbox struct {
	mu   sync.Mutex
	all  []bellwether.Delivery
	fail error // of settling
}

func (o *outbox) Owed(_ context.Context, now time.Time, limit int) ([]bellwether.Delivery, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []bellwether.Delivery
	blocked := map[string]bool{}
	for _, d := range o.all {
		key := d.Channel + "\x00" + d.Incident
		if d.GivenUp || !d.SentAt.IsZero() || blocked[key] {
			continue
		}
		blocked[key] = true
		if !d.NextAt.After(now) && len(out) < limit {
			out = append(out, d)
		}
	}
	return out, nil
}

func (o *outbox) SettleDelivery(_ context.Context, d bellwether.Delivery) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return o.fail
	}
	for i := range o.all {
		if o.all[i].ID == d.ID {
			o.all[i] = d
			return nil
		}
	}
	return errors.New("no such delivery")
}

func (o *outbox) Deliveries(_ context.Context, incident string) ([]bellwether.Delivery, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.all), func(d bellwether.Delivery) bool { return d.Incident != incident }), nil
}

func (o *outbox) breaks(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail = err
}

func (o *outbox) get(id string) bellwether.Delivery {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.all {
		if d.ID == id {
			return d
		}
	}
	return bellwether.Delivery{}
}

// owe adds deliveries written as "channel/incident/kind", due now.
func (o *outbox) owe(names ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range names {
		part := strings.Split(name, "/")
		at := time.Now().Add(time.Duration(len(o.all)))
		payload, _ := json.Marshal(alerting.Notice{Kind: part[2], At: at, Incident: bellwether.Incident{ID: part[1]}})
		o.all = append(o.all, bellwether.Delivery{ID: fmt.Sprintf("%s#%d", name, len(o.all)), Channel: part[0], Incident: part[1],
			Kind: part[2], Payload: payload, CreatedAt: at, NextAt: at})
	}
}

// channel is a fake whose behaviour a test decides.
type channel struct {
	name string
	mu   sync.Mutex
	sent []string // keys that arrived
	asks int
	at   []time.Time // of every attempt
	do   func(ctx context.Context, key string) error
	find func(key string) (bool, error)
}

func (c *channel) Name() string { return c.name }

func (c *channel) Send(ctx context.Context, _ alerting.Notice, key string, prior []bellwether.Delivery) (string, error) {
	c.mu.Lock()
	do := c.do
	c.at = append(c.at, time.Now())
	c.mu.Unlock()
	if do != nil {
		if err := do(ctx, key); err != nil {
			return "", err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, key)
	return fmt.Sprintf("receipt %d after %d", len(c.sent), len(prior)), nil
}

func (c *channel) keys() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sent)
}

func (c *channel) attempts() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.at)
}

func (c *channel) doing(f func(ctx context.Context, key string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.do = f
}

// finder is a channel that can be asked.
type finder struct{ *channel }

func (f finder) Find(_ context.Context, _ alerting.Notice, key string, _ []bellwether.Delivery) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks++
	if f.find != nil {
		found, err := f.find(key)
		return "looked up", found, err
	}
	return "looked up", slices.Contains(f.sent, key), nil
}

// sleep lets a bubble's time go on and everything that follows from it happen.
func sleep(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
