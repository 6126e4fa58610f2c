package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
)

// SaveCheckpoint replaces the checkpoint: the state of scoring after the
// record seq.
func (s *Store) SaveCheckpoint(ctx context.Context, seq uint64, data []byte) error {
	if seq > maxSeq {
		return fmt.Errorf("checkpoint: the sequence number %d", seq)
	}
	if data == nil {
		data = []byte{}
	}
	return s.write(ctx, "save the checkpoint", func(t *tx) error {
		return t.exec(`INSERT OR REPLACE INTO checkpoint (one, seq, data) VALUES (1, ?, ?)`, int64(seq), data)
	})
}

// Checkpoint returns the latest checkpoint; 0 and nil when there is none.
func (s *Store) Checkpoint(ctx context.Context) (seq uint64, data []byte, err error) {
	var n int64
	err = s.readers.QueryRowContext(ctx, `SELECT seq, data FROM checkpoint`).Scan(&n, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, nil
	}
	return uint64(n), data, s.explain("read the checkpoint", err)
}

// AppendChanges keeps changes, all or none. One that a record brought is
// ignored where a change of the same target by the same record is known, so
// that a replay after a crash repeats nothing.
func (s *Store) AppendChanges(ctx context.Context, cs []bellwether.Change) error {
	if len(cs) == 0 {
		return nil
	}
	bodies := make([]string, len(cs))
	for i, c := range cs {
		b, err := json.Marshal(c)
		if err != nil {
			return s.explain("save a change of "+c.Target, err)
		}
		bodies[i] = string(b)
	}
	return s.write(ctx, "save changes", func(t *tx) error {
		for i, c := range cs {
			err := t.exec(`INSERT INTO changes (at, seq, target, state, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				nanos(c.At), int64(c.Seq), c.Target, string(c.To), bodies[i])
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Changes lists verdict changes by when they were. Target, State (the new
// one), From and To restrict.
func (s *Store) Changes(ctx context.Context, q bellwether.Query) ([]bellwether.Change, string, error) {
	var c clause
	c.equal("target", q.Target)
	c.equal("state", q.State)
	c.between("at", q.From, q.To)
	out, next, err := page(ctx, s, listing[bellwether.Change]{
		name: store.ListChanges,
		from: `SELECT at, n, body FROM changes`,
		keys: []string{"at", "n"},
		args: func(p store.Position) []any { return []any{p.At, p.N} },
		scan: func(rows *sql.Rows) (c bellwether.Change, p store.Position, err error) {
			err = scanBody(rows, "a change", &c, &p.At, &p.N)
			return c, p, err
		},
	}, c, q)
	return out, next, s.explainList("list changes", err)
}

// scanBody reads a row of columns and, last, a body of JSON into v.
func scanBody(rows *sql.Rows, what string, v any, columns ...any) error {
	var b sql.RawBytes
	if err := rows.Scan(append(columns, &b)...); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return damaged(what, err)
	}
	return nil
}

// ReserveRevisions reserves n revision numbers, at least one, and returns the
// first. No number is given out twice, whatever happens between.
func (s *Store) ReserveRevisions(ctx context.Context, n uint64) (first uint64, err error) {
	if n == 0 || n > 1<<32 {
		return 0, fmt.Errorf("reserve revisions: %d of them: ask for 1 to %d", n, uint64(1<<32))
	}
	err = s.write(ctx, "reserve revisions", func(t *tx) error {
		var next int64
		if err := t.row(`UPDATE meta SET value = value + ? WHERE key = 'next_revision' RETURNING value`, []any{int64(n)}, &next); err != nil {
			return err
		}
		first = uint64(next) - n
		return nil
	})
	return first, err
}

// SaveWeights keeps a published document. A revision that is known is ignored.
func (s *Store) SaveWeights(ctx context.Context, w bellwether.Weights) error {
	if w.Revision > maxSeq {
		return fmt.Errorf("save weights: the revision %d", w.Revision)
	}
	body, err := json.Marshal(w)
	if err != nil {
		return s.explain("save weights", err)
	}
	return s.write(ctx, "save weights", func(t *tx) error {
		return t.exec(`INSERT INTO revisions (revision, at, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			int64(w.Revision), nanos(w.IssuedAt), string(body))
	})
}

// Revisions lists published documents by revision. From and To restrict when
// they were issued, Route and Target to documents that hold these.
func (s *Store) Revisions(ctx context.Context, q bellwether.Query) ([]bellwether.Weights, string, error) {
	var c clause
	c.between("at", q.From, q.To)
	if q.Route != "" {
		c.add(`EXISTS (SELECT 1 FROM json_each(body, '$.routes') WHERE key = ?)`, q.Route)
	}
	if q.Target != "" {
		c.add(`EXISTS (SELECT 1 FROM json_each(body, '$.routes') AS r, json_each(r.value, '$.targets') AS t
			WHERE t.value ->> '$.target' = ?)`, q.Target)
	}
	out, next, err := page(ctx, s, listing[bellwether.Weights]{
		name: store.ListRevisions,
		from: `SELECT revision, body FROM revisions`,
		keys: []string{"revision"},
		args: func(p store.Position) []any { return []any{p.N} },
		scan: func(rows *sql.Rows) (w bellwether.Weights, p store.Position, err error) {
			err = scanBody(rows, "a revision", &w, &p.N)
			return w, p, err
		},
	}, c, q)
	return out, next, s.explainList("list revisions", err)
}
