package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
)

// SaveIncident keeps an incident in place of what was known of it, and with it
// the deliveries that are owed because of it: both or neither. A delivery whose
// id is known is ignored.
func (s *Store) SaveIncident(ctx context.Context, in bellwether.Incident, owed []bellwether.Delivery) error {
	body, err := json.Marshal(in)
	if err != nil {
		return s.explain("save incident "+in.ID, err)
	}
	bodies := make([]string, len(owed))
	for i, d := range owed {
		b, err := json.Marshal(d)
		if err != nil {
			return s.explain("save delivery "+d.ID, err)
		}
		bodies[i] = string(b)
	}
	return s.write(ctx, "save incident "+in.ID, func(t *tx) error {
		err := t.exec(`INSERT OR REPLACE INTO incidents (id, state, opened, resolved, body) VALUES (?, ?, ?, ?, ?)`,
			in.ID, in.State, nanos(in.OpenedAt), nanos(in.ResolvedAt), string(body))
		if err != nil {
			return err
		}
		for i, d := range owed {
			err := t.exec(`INSERT INTO deliveries (id, channel, incident, created, next, done, body)
				VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				d.ID, d.Channel, d.Incident, nanos(d.CreatedAt), nanos(d.NextAt), done(d), bodies[i])
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// done reports whether nothing is owed of d any more.
func done(d bellwether.Delivery) bool { return d.GivenUp || !d.SentAt.IsZero() }

// Incidents lists incidents by when they opened. State and Target restrict;
// From and To restrict to those that were open at some time between.
func (s *Store) Incidents(ctx context.Context, q bellwether.Query) ([]bellwether.Incident, string, error) {
	var c clause
	c.equal("state", q.State)
	if q.Target != "" {
		c.add(`EXISTS (SELECT 1 FROM json_each(body, '$.targets') WHERE value = ?)`, q.Target)
	}
	if !q.From.IsZero() {
		c.add(`(resolved = 0 OR resolved >= ?)`, nanos(q.From))
	}
	c.between("opened", time.Time{}, q.To)
	out, next, err := page(ctx, s, listing[bellwether.Incident]{
		name: store.ListIncidents,
		from: `SELECT opened, id, body FROM incidents`,
		keys: []string{"opened", "id"},
		args: func(p store.Position) []any { return []any{p.At, p.ID} },
		scan: func(rows *sql.Rows) (in bellwether.Incident, p store.Position, err error) {
			err = scanBody(rows, "an incident", &in, &p.At, &p.ID)
			return in, p, err
		},
	}, c, q)
	return out, next, s.explainList("list incidents", err)
}

// Incident returns one incident. An unknown id is [store.ErrNotFound].
func (s *Store) Incident(ctx context.Context, id string) (bellwether.Incident, error) {
	var found []bellwether.Incident
	err := s.each(ctx, `SELECT body FROM incidents WHERE id = ?`, []any{id}, func(rows *sql.Rows) error {
		var in bellwether.Incident
		err := scanBody(rows, "incident "+id, &in)
		found = append(found, in)
		return err
	})
	if err != nil {
		return bellwether.Incident{}, s.explain("read an incident", err)
	}
	if len(found) == 0 {
		return bellwether.Incident{}, fmt.Errorf("incident %q: %w", id, store.ErrNotFound)
	}
	return found[0], nil
}

// Owed returns deliveries that are due at now and not done, in the order in
// which they were owed: of each channel and incident only the first that is
// not done, so that a channel hears of an incident in order. A limit below 1 is
// none.
func (s *Store) Owed(ctx context.Context, now time.Time, limit int) ([]bellwether.Delivery, error) {
	if limit < 1 {
		limit = -1
	}
	out, err := s.deliveries(ctx, `SELECT body FROM deliveries AS d WHERE done = 0 AND next <= ?
		AND NOT EXISTS (SELECT 1 FROM deliveries WHERE done = 0 AND channel = d.channel AND incident = d.incident AND n < d.n)
		ORDER BY n LIMIT ?`, nanos(now), limit)
	return out, s.explain("read what is owed", err)
}

// Deliveries returns all deliveries of an incident in the order in which they
// were owed.
func (s *Store) Deliveries(ctx context.Context, incident string) ([]bellwether.Delivery, error) {
	out, err := s.deliveries(ctx, `SELECT body FROM deliveries WHERE incident = ? ORDER BY n`, incident)
	return out, s.explain("read deliveries", err)
}

func (s *Store) deliveries(ctx context.Context, query string, args ...any) ([]bellwether.Delivery, error) {
	var out []bellwether.Delivery
	err := s.each(ctx, query, args, func(rows *sql.Rows) error {
		var d bellwether.Delivery
		err := scanBody(rows, "a delivery", &d)
		out = append(out, d)
		return err
	})
	return out, err
}

// SettleDelivery keeps d in place of what was known of the delivery of its id,
// except for channel, incident and place in the order. An unknown id is
// [store.ErrNotFound].
func (s *Store) SettleDelivery(ctx context.Context, d bellwether.Delivery) error {
	body, err := json.Marshal(d)
	if err != nil {
		return s.explain("settle delivery "+d.ID, err)
	}
	return s.write(ctx, "settle a delivery", func(t *tx) error {
		n, err := t.count(`UPDATE deliveries SET next = ?, done = ?,
			body = json_set(?, '$.channel', channel, '$.incident', incident) WHERE id = ?`,
			nanos(d.NextAt), done(d), string(body), d.ID)
		if err == nil && n == 0 {
			err = fmt.Errorf("delivery %q: %w", d.ID, store.ErrNotFound)
		}
		return err
	})
}
