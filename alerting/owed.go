package alerting

import (
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// ChangeDelay is how long a change that wakes nobody (targets that joined, a
// cause that moved) waits for others, so that an outage of forty targets is
// one message and one addition to it.
const ChangeDelay = 10 * time.Second

// Owed returns the deliveries that the step from before to after owes to c's
// channels; before is the zero incident when after is new. An incident that
// was too mild to tell of opens, for people, when it becomes severe enough.
// The payload holds what after says; see [Tracker] for one with reasons.
func (c Config) Owed(before, after bellwether.Incident) []bellwether.Delivery {
	return c.deliveries(before, after, func(string) TargetNotice { return TargetNotice{} })
}

func (t *Tracker) owed(before, after bellwether.Incident) []bellwether.Delivery {
	return t.cfg.deliveries(before, after, func(id string) TargetNotice {
		target := t.targets[id]
		n := TargetNotice{Provider: target.Provider, Model: target.Model, Region: target.Region}
		if st := t.status[id]; st != nil {
			n.State, n.Since, n.Reasons = st.last.To, st.last.Since, st.last.Reasons
		}
		return n
	})
}

// kindOf returns what kind of message the step owes and how long it may wait;
// "" for none.
func (c Config) kindOf(before, after bellwether.Incident) (kind string, wait time.Duration) {
	resolved := after.State == bellwether.IncidentResolved
	switch {
	case !c.told(after.Severity):
		return "", 0
	case before.ID == "" || !c.told(before.Severity):
		if resolved {
			return "", 0 // it was over before anybody had to know
		}
		return KindOpened, 0
	case resolved:
		if before.State == bellwether.IncidentResolved {
			return "", 0
		}
		return KindResolved, 0
	case after.Severity != before.Severity:
		return KindChanged, 0
	case after.Cause != before.Cause || !slices.Equal(after.Targets, before.Targets):
		return KindChanged, ChangeDelay
	case after.AckedBy != before.AckedBy:
		return KindAcknowledged, 0
	}
	return "", 0
}

func (c Config) deliveries(before, after bellwether.Incident, about func(id string) TargetNotice) []bellwether.Delivery {
	kind, wait := c.kindOf(before, after)
	channels := c.Channels()
	if kind == "" || len(channels) == 0 || len(after.Timeline) == 0 {
		return nil
	}
	n := Notice{Kind: kind, Event: after.Timeline[len(after.Timeline)-1], Incident: after, Targets: []TargetNotice{}}
	n.At = n.Event.At
	n.Link = c.link("incidents", after.ID)
	for _, id := range after.Targets {
		tn := about(id)
		tn.ID, tn.Link, tn.Reasons = id, c.link("targets", id), finite(tn.Reasons)
		n.Targets = append(n.Targets, tn)
	}
	payload := n.encode()
	out := make([]bellwether.Delivery, 0, len(channels))
	for _, name := range channels {
		out = append(out, bellwether.Delivery{
			ID: deriveID(n.At, len(after.Timeline), "delivery", after.ID, name, kind, n.Event.Kind, n.Event.Target,
				string(after.Severity), string(after.Cause), strconv.Itoa(len(after.Targets))),
			Channel: name, Incident: after.ID, Kind: kind, Payload: payload, CreatedAt: n.At, NextAt: n.At.Add(wait),
		})
	}
	return out
}

// encode writes n. What JSON cannot hold (a year past 9999) must not cost the
// alarm: then the message says what it can.
func (n Notice) encode() []byte {
	b, err := json.Marshal(n)
	if err != nil {
		bare := Notice{Kind: n.Kind, Link: n.Link, Targets: []TargetNotice{}, Event: bellwether.IncidentEvent{Kind: n.Event.Kind, Text: n.Event.Text},
			Incident: bellwether.Incident{ID: n.Incident.ID, State: n.Incident.State, Severity: n.Incident.Severity,
				Cause: n.Incident.Cause, Title: n.Incident.Title, Targets: n.Incident.Targets}}
		b, _ = json.Marshal(bare) // strings and zero times only
	}
	return b
}

// link returns the dashboard's page of a thing, "" without a public address.
func (c Config) link(page, id string) string {
	if c.PublicURL == "" {
		return ""
	}
	return strings.TrimRight(c.PublicURL, "/") + "/" + page + "/" + url.PathEscape(id)
}

// finite returns reasons as JSON can hold them: no NaN, no infinity, not null.
func finite(reasons []bellwether.Reason) []bellwether.Reason {
	out := append([]bellwether.Reason{}, reasons...)
	for i := range out {
		if e := out[i].Evidence; math.IsNaN(e) || math.IsInf(e, 0) {
			out[i].Evidence = 0
		}
	}
	return out
}
