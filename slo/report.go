package slo

import (
	"context"
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Rollups is where minute rollups come from.
type Rollups interface {
	Rollups(ctx context.Context, q bellwether.Query) ([]bellwether.Rollup, error)
}

// Incidents is where incidents come from, page by page.
type Incidents interface {
	Incidents(ctx context.Context, q bellwether.Query) (page []bellwether.Incident, next string, err error)
}

// chunkLength is how much is held in memory at once; a multiple of all slices.
const chunkLength = 6 * time.Hour

// Report returns how every objective stands, in the config's order. It reads
// the rollups once, six hours at a time. Incidents may be nil: none are
// counted then.
func Report(ctx context.Context, rollups Rollups, incidents Incidents, r Request) ([]bellwether.Attainment, error) {
	w := newWorld(r.Targets, r.Routes)
	ledgers := make([]*ledger, 0, len(r.Objectives))
	var first, end time.Time
	for _, o := range r.Objectives {
		l, err := newLedger(o, w, r)
		if err != nil {
			return nil, err
		}
		ledgers = append(ledgers, l)
		if f := l.first(); first.IsZero() || f.Before(first) {
			first = f
		}
		end = l.end
	}
	for at := first.Truncate(chunkLength); at.Before(end); at = at.Add(chunkLength) {
		rs, err := rollups.Rollups(ctx, bellwether.Query{From: at, To: at.Add(chunkLength), Seconds: 60, Limit: -1, Oldest: true})
		if err != nil {
			return nil, fmt.Errorf("slo: read rollups from %s: %w", at.UTC().Format(time.RFC3339), err)
		}
		c := newChunk(rs)
		for _, l := range ledgers {
			if err := l.add(c); err != nil {
				return nil, err
			}
		}
	}
	ins, err := allIncidents(ctx, incidents, end)
	if err != nil {
		return nil, err
	}
	out := make([]bellwether.Attainment, 0, len(ledgers))
	for _, l := range ledgers {
		out = append(out, l.attainment(ins))
	}
	return out, nil
}

// allIncidents reads every incident that is kept: one that began long ago may
// still go on. They are few.
func allIncidents(ctx context.Context, src Incidents, end time.Time) ([]bellwether.Incident, error) {
	var out []bellwether.Incident
	q := bellwether.Query{To: end, Limit: 1000}
	for src != nil {
		page, next, err := src.Incidents(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("slo: read incidents: %w", err)
		}
		out = append(out, page...)
		if next == "" || len(page) == 0 {
			break
		}
		q.Cursor = next
	}
	return out, nil
}

// chunk is some time's rollups, by target, with what tells our own network's
// faults from theirs.
type chunk struct {
	byTarget map[string][]*bellwether.Rollup
	reach    map[reachKey]*reach // nil while nobody failed before HTTP
}

type reachKey struct {
	minute  int64
	vantage string
}

// reach is whom a vantage tried in a minute, and who answered.
type reach struct{ tried, answered map[string]bool }

func newChunk(rollups []bellwether.Rollup) *chunk {
	c := &chunk{byTarget: map[string][]*bellwether.Rollup{}}
	local := false
	for i := range rollups {
		r := &rollups[i]
		c.byTarget[r.Target] = append(c.byTarget[r.Target], r)
		for outcome := range r.Counts {
			local = local || outcome.Meaning().Local
		}
	}
	if !local {
		return c
	}
	c.reach = map[reachKey]*reach{}
	for i := range rollups {
		c.note(&rollups[i])
	}
	return c
}

func (c *chunk) note(r *bellwether.Rollup) {
	k := reachKey{r.Start.Unix(), r.Vantage}
	if c.reach[k] == nil {
		c.reach[k] = &reach{tried: map[string]bool{}, answered: map[string]bool{}}
	}
	for outcome, n := range r.Counts {
		if n > 0 && !unmade(outcome) {
			c.reach[k].tried[r.Target] = true
			if answered(outcome) {
				c.reach[k].answered[r.Target] = true
			}
		}
	}
}

// cutOff reports whether r's vantage tried others in that minute and none of
// them answered: then a failure before HTTP is ours. Where it tried nobody
// else, the target is blamed.
func (c *chunk) cutOff(r *bellwether.Rollup) bool {
	if c.reach == nil {
		return false
	}
	seen := c.reach[reachKey{r.Start.Unix(), r.Vantage}]
	others := len(seen.tried)
	if seen.tried[r.Target] {
		others--
	}
	answers := len(seen.answered)
	if seen.answered[r.Target] {
		answers--
	}
	return others > 0 && answers == 0
}
