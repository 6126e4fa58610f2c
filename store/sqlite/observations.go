package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
)

// Known returns which of ids are ids of observations that are kept.
func (s *Store) Known(ctx context.Context, ids []string) (map[string]bool, error) {
	known := make(map[string]bool, len(ids))
	for chunk := range slices.Chunk(ids, 500) {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = encodeID(id)
		}
		marks := strings.TrimSuffix(strings.Repeat("?,", len(chunk)), ",")
		err := s.each(ctx, `SELECT id FROM observations WHERE id IN (`+marks+`)`, args, func(rows *sql.Rows) error {
			var id any
			if err := rows.Scan(&id); err != nil {
				return err
			}
			known[decodeID(id)] = true
			return nil
		})
		if err != nil {
			return nil, s.explain("look up observations", err)
		}
	}
	return known, nil
}

// each calls fn for every row of a query.
func (s *Store) each(ctx context.Context, query string, args []any, fn func(*sql.Rows) error) error {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// LastSeq returns the highest sequence number that was ever appended, 0 for
// none. Pruning does not lower it.
func (s *Store) LastSeq(ctx context.Context) (uint64, error) {
	var n int64
	err := s.readers.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'last_seq'`).Scan(&n)
	return uint64(n), s.explain("read the last sequence number", err)
}

// recordsPage is how many records are read at once, so that a long replay does
// not keep the log from being folded into the file.
const recordsPage = 500

// Records calls fn for every record that is kept with a sequence number above
// after, in order, until fn returns an error, which it returns as it is. fn may
// use the store.
func (s *Store) Records(ctx context.Context, after uint64, fn func(bellwether.Record) error) error {
	for {
		page, err := s.recordsAfter(ctx, after)
		if err != nil {
			return s.explain("read records", err)
		}
		for _, r := range page {
			if err := fn(r); err != nil {
				return err
			}
		}
		if len(page) < recordsPage {
			return nil
		}
		after = page[len(page)-1].Seq
	}
}

const recordsQuery = `
SELECT seq, logged, id, at, target, vantage, canary, route, source, outcome, body FROM observations WHERE seq > ?1
UNION ALL SELECT seq, at, NULL, 0, '', '', '', '', '', '', '' FROM ticks WHERE seq > ?1
UNION ALL SELECT seq, at, NULL, 0, '', '', '', '', '', '', body FROM overrides WHERE seq > ?1
ORDER BY seq LIMIT ?2`

func (s *Store) recordsAfter(ctx context.Context, after uint64) ([]bellwether.Record, error) {
	var page []bellwether.Record
	err := s.each(ctx, recordsQuery, []any{int64(min(after, maxSeq)), recordsPage}, func(rows *sql.Rows) error {
		var o observationRow
		var seq, logged int64
		if err := rows.Scan(append([]any{&seq, &logged}, o.dest()...)...); err != nil {
			return err
		}
		r := bellwether.Record{Seq: uint64(seq), At: timeOf(logged)}
		var err error
		switch {
		case o.id != nil:
			r.Observation = new(bellwether.Observation)
			*r.Observation, err = o.observation()
		case len(o.body) > 0:
			if err = json.Unmarshal(o.body, &r.Override); err != nil {
				err = damaged(fmt.Sprintf("override %d", seq), err)
			}
		}
		page = append(page, r)
		return err
	})
	return page, err
}

const observationColumns = `id, at, target, vantage, canary, route, source, outcome, body`

// observationRow is an observation as it is kept.
type observationRow struct {
	id   any
	at   int64
	o    bellwether.Observation
	body sql.RawBytes // valid until the next row
}

func (r *observationRow) dest() []any {
	o := &r.o
	return []any{&r.id, &r.at, &o.Target, &o.Vantage, &o.Canary, &o.Route, &o.Source, &o.Outcome, &r.body}
}

func (r *observationRow) observation() (bellwether.Observation, error) {
	r.o.ID, r.o.At = decodeID(r.id), timeOf(r.at)
	if err := decodeBody(r.body, &r.o); err != nil {
		return r.o, damaged("observation "+r.o.ID, err)
	}
	return r.o, nil
}

// Observation returns one observation. An unknown id is [store.ErrNotFound].
func (s *Store) Observation(ctx context.Context, id string) (bellwether.Observation, error) {
	found := false
	var o bellwether.Observation
	err := s.each(ctx, `SELECT `+observationColumns+` FROM observations WHERE id = ?`, []any{encodeID(id)}, func(rows *sql.Rows) error {
		found = true
		var r observationRow
		if err := rows.Scan(r.dest()...); err != nil {
			return err
		}
		var err error
		o, err = r.observation()
		return err
	})
	if err == nil && !found {
		return o, fmt.Errorf("observation %q: %w", id, store.ErrNotFound)
	}
	return o, s.explain("read an observation", err)
}

// Observations lists observations by when they started. Target, Route,
// Vantage, Canary, Source, Outcome, From and To restrict.
func (s *Store) Observations(ctx context.Context, q bellwether.Query) ([]bellwether.Observation, string, error) {
	var c clause
	c.equal("target", q.Target)
	c.equal("vantage", q.Vantage)
	c.equal("canary", q.Canary)
	c.equal("route", q.Route)
	c.equal("source", q.Source)
	c.equal("outcome", string(q.Outcome))
	if q.Outcome != "" && q.Outcome != bellwether.OK {
		c.add("outcome <> 'ok'") // says what the partial index needs to be used
	}
	c.between("at", q.From, q.To)
	out, next, err := page(ctx, s, listing[bellwether.Observation]{
		name: store.ListObservations,
		from: `SELECT seq, ` + observationColumns + ` FROM observations`,
		keys: []string{"at", "seq"},
		args: func(p store.Position) []any { return []any{p.At, p.N} },
		scan: func(rows *sql.Rows) (bellwether.Observation, store.Position, error) {
			var r observationRow
			var seq int64
			if err := rows.Scan(append([]any{&seq}, r.dest()...)...); err != nil {
				return r.o, store.Position{}, err
			}
			o, err := r.observation()
			return o, store.Position{At: r.at, N: seq}, err
		},
	}, c, q)
	return out, next, s.explainList("list observations", err)
}

// explainList leaves an error that is the caller's own as it is.
func (s *Store) explainList(step string, err error) error {
	if errors.Is(err, store.ErrBadCursor) {
		return err
	}
	return s.explain(step, err)
}

// Overrides returns the overrides that are in force at now, oldest first: of
// each id the latest word, unless that removes it or it has expired.
func (s *Store) Overrides(ctx context.Context, now time.Time) ([]bellwether.Override, error) {
	var out []bellwether.Override
	err := s.each(ctx, `SELECT body FROM overrides AS o WHERE expires > ? AND NOT body ->> '$.removed' IS TRUE
		AND NOT EXISTS (SELECT 1 FROM overrides WHERE id = o.id AND seq > o.seq) ORDER BY seq`, []any{nanos(now)}, func(rows *sql.Rows) error {
		var b sql.RawBytes
		if err := rows.Scan(&b); err != nil {
			return err
		}
		var o bellwether.Override
		if err := json.Unmarshal(b, &o); err != nil {
			return damaged("an override", err)
		}
		out = append(out, o)
		return nil
	})
	return out, s.explain("read overrides", err)
}
