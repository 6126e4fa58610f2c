package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// incident returns one that opens at hour i and is open for 90 minutes; every
// third is still open.
func incident(i int) bellwether.Incident {
	in := bellwether.Incident{
		ID: fmt.Sprintf("i-%02d", i), State: bellwether.IncidentResolved, Severity: bellwether.Degraded, Cause: bellwether.CauseRegion,
		Targets: []string{[]string{"gpt-us", "claude-us"}[i%2], "both"}, Title: "slow", FirstAt: noon,
		OpenedAt: noon.Add(time.Duration(i) * time.Hour), ResolvedAt: noon.Add(time.Duration(i)*time.Hour + 90*time.Minute),
		Timeline: []bellwether.IncidentEvent{{At: noon, Kind: "opened", Target: "gpt-us", Text: "slow"}},
	}
	if i%3 == 0 {
		in.State, in.ResolvedAt = bellwether.IncidentOpen, time.Time{}
	}
	return in
}

func incidentsAreReplacedAndListed(t *testing.T, s Store) {
	var ins []bellwether.Incident
	for i := range 9 {
		in := incident(i)
		in.Title = "first words"
		must(t, s.SaveIncident(t.Context(), in, nil))
		must(t, s.SaveIncident(t.Context(), incident(i), nil))
		ins = append(ins, incident(i))
	}
	got, err := s.Incident(t.Context(), "i-04")
	must(t, err)
	equal(t, "Incident(i-04)", got, ins[4])
	pick := func(is ...int) (out []bellwether.Incident) {
		for _, i := range is {
			out = append(out, ins[i])
		}
		return out
	}
	for _, c := range []struct {
		q    bellwether.Query
		want []bellwether.Incident
	}{
		{bellwether.Query{}, pick(8, 7, 6, 5, 4, 3, 2, 1, 0)},
		{bellwether.Query{Oldest: true}, ins},
		{bellwether.Query{State: bellwether.IncidentOpen}, pick(6, 3, 0)},
		{bellwether.Query{Target: "claude-us"}, pick(7, 5, 3, 1)},
		{bellwether.Query{Target: "both", State: bellwether.IncidentResolved, Oldest: true}, pick(1, 2, 4, 5, 7, 8)},
		// Between three and four o'clock: 0 and 3 are open still, 2 was until half past.
		{bellwether.Query{From: noon.Add(3 * time.Hour), To: noon.Add(4 * time.Hour)}, pick(3, 2, 0)},
	} {
		c.q.Limit = 2
		equal(t, "Incidents("+text(t, c.q)+")", all(t, s.Incidents, c.q, nil), c.want)
	}
}

func delivery(id, channel, incident string, due time.Duration) bellwether.Delivery {
	return bellwether.Delivery{ID: id, Channel: channel, Incident: incident, Kind: "opened",
		Payload: json.RawMessage(`{"title":"slow"}`), CreatedAt: noon, NextAt: noon.Add(due)}
}

// owed returns the ids of what is owed a while after noon.
func owed(t *testing.T, s Store, after time.Duration, limit int) []string {
	t.Helper()
	ds, err := s.Owed(t.Context(), noon.Add(after), limit)
	must(t, err)
	ids := []string{}
	for _, d := range ds {
		ids = append(ids, d.ID)
	}
	return ids
}

func deliveriesAreOwedInOrder(t *testing.T, s Store) {
	a1, a2, b1 := delivery("a1", "slack", "i-01", 0), delivery("a2", "slack", "i-01", 0), delivery("b1", "webhook", "i-01", time.Minute)
	c1 := delivery("c1", "slack", "i-02", 0)
	must(t, s.SaveIncident(t.Context(), incident(1), []bellwether.Delivery{a1, a2, b1}))
	must(t, s.SaveIncident(t.Context(), incident(2), []bellwether.Delivery{c1}))
	equal(t, "Deliveries(i-01)", mustDeliveries(t, s, "i-01"), []bellwether.Delivery{a1, a2, b1})
	equal(t, "owed at once", owed(t, s, 0, 10), []string{"a1", "c1"})
	equal(t, "owed at once, at most 1", owed(t, s, 0, 1), []string{"a1"})
	equal(t, "owed after a minute", owed(t, s, time.Minute, 0), []string{"a1", "b1", "c1"})

	a1.Attempts, a1.Started, a1.Error, a1.NextAt = 1, true, "channel down", noon.Add(10*time.Minute)
	must(t, s.SettleDelivery(t.Context(), a1))
	equal(t, "owed while the first waits to be tried again", owed(t, s, time.Minute, 10), []string{"b1", "c1"})
	equal(t, "Deliveries(i-01)", mustDeliveries(t, s, "i-01"), []bellwether.Delivery{a1, a2, b1})
	equal(t, "owed when it is due again", owed(t, s, 10*time.Minute, 10), []string{"a1", "b1", "c1"})

	a1.SentAt, a1.Receipt, a1.Error = noon.Add(11*time.Minute), "1700000000.1", ""
	must(t, s.SettleDelivery(t.Context(), a1))
	equal(t, "owed when the first is sent", owed(t, s, 10*time.Minute, 10), []string{"a2", "b1", "c1"})
	c1.GivenUp = true
	must(t, s.SettleDelivery(t.Context(), c1))
	equal(t, "owed when one is given up", owed(t, s, 10*time.Minute, 10), []string{"a2", "b1"})
	equal(t, "Deliveries(i-01)", mustDeliveries(t, s, "i-01"), []bellwether.Delivery{a1, a2, b1})
}

func mustDeliveries(t *testing.T, s Store, incident string) []bellwether.Delivery {
	t.Helper()
	ds, err := s.Deliveries(t.Context(), incident)
	must(t, err)
	return ds
}

func deliveriesAreOwedOnce(t *testing.T, s Store) {
	d := delivery("a1", "slack", "i-01", 0)
	must(t, s.SaveIncident(t.Context(), incident(1), []bellwether.Delivery{d}))
	d.SentAt = noon
	must(t, s.SettleDelivery(t.Context(), d))
	must(t, s.SaveIncident(t.Context(), incident(1), []bellwether.Delivery{delivery("a1", "slack", "i-01", 0)}))
	equal(t, "owed after owing a known id again", owed(t, s, 0, 10), []string{})
	moved := d
	moved.Channel, moved.Incident = "other", "other"
	must(t, s.SettleDelivery(t.Context(), moved))
	equal(t, "a delivery after a try to move it", mustDeliveries(t, s, "i-01"), []bellwether.Delivery{d})
}
