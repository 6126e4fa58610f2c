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

// Append keeps records, all or none, and returns when they are on disk. An
// observation whose id is known, in rs or from before, is ignored, as is a
// tick or override whose sequence number is. Sequence numbers start at 1; one
// that is taken by another observation is an error.
func (s *Store) Append(ctx context.Context, rs []bellwether.Record) error {
	if len(rs) == 0 {
		return nil
	}
	rows, err := encodeRecords(rs)
	if err != nil {
		return s.explain("append", err)
	}
	return s.write(ctx, "append", func(t *tx) error {
		for i := range rs {
			if err := t.appendRecord(&rs[i], rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// encodeRecords does what needs no database before the caller queues for it.
func encodeRecords(rs []bellwether.Record) ([][]byte, error) {
	rows := make([][]byte, len(rs))
	for i := range rs {
		r := &rs[i]
		if r.Seq == 0 || r.Seq > maxSeq {
			return nil, fmt.Errorf("record %d of %d has the sequence number %d", i+1, len(rs), r.Seq)
		}
		var err error
		switch {
		case r.Observation != nil && r.Observation.ID == "":
			err = errors.New("it has no id")
		case r.Observation != nil:
			rows[i], err = encodeBody(r.Observation)
		case r.Override != nil && r.Override.ID == "":
			err = errors.New("it has no id")
		case r.Override != nil:
			rows[i], err = json.Marshal(r.Override)
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", r.Seq, err)
		}
	}
	return rows, nil
}

// maxSeq is SQLite's largest integer.
const maxSeq = 1<<63 - 1

func (t *tx) appendRecord(r *bellwether.Record, body []byte) error {
	t.last = max(t.last, r.Seq)
	switch {
	case r.Observation != nil:
		return t.appendObservation(r, body)
	case r.Override != nil:
		return t.exec(`INSERT INTO overrides (seq, at, id, expires, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (seq) DO NOTHING`,
			int64(r.Seq), nanos(r.At), r.Override.ID, nanos(r.Override.ExpiresAt), string(body))
	}
	return t.exec(`INSERT INTO ticks (seq, at) VALUES (?, ?) ON CONFLICT (seq) DO NOTHING`, int64(r.Seq), nanos(r.At))
}

func (t *tx) appendObservation(r *bellwether.Record, body []byte) error {
	o := r.Observation
	id := encodeID(o.ID)
	n, err := t.count(`INSERT INTO observations (seq, id, at, logged, target, vantage, canary, route, source, outcome, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		int64(r.Seq), id, nanos(o.At), nanos(r.At), o.Target, o.Vantage, o.Canary, o.Route, o.Source, string(o.Outcome), string(body))
	if err != nil {
		return err
	}
	if n == 1 {
		t.fold.Add(o)
		return nil
	}
	var seq int64
	err = t.row(`SELECT seq FROM observations WHERE id = ?`, []any{id}, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("record %d: that sequence number is taken by another observation", r.Seq)
	}
	return err
}

// flush brings the rollups and the last sequence number in step with the
// observations of the transaction.
func (t *tx) flush() error {
	for _, bin := range t.fold.Bins() {
		if err := t.addRollup(bin, t.fold[bin]); err != nil {
			return err
		}
	}
	if t.last == 0 {
		return nil
	}
	return t.exec(`UPDATE meta SET value = ?1 WHERE key = 'last_seq' AND value < ?1`, int64(t.last))
}

func (t *tx) addRollup(bin store.Bin, tally *store.Tally) error {
	id, err := t.seriesID(bin.Series)
	if err != nil {
		return err
	}
	var r rollupRow
	err = t.row(`SELECT counts, checks, input, output, cost, sketches FROM rollups WHERE seconds = ? AND series = ? AND start = ?`,
		[]any{bin.Seconds, id, bin.Start}, r.dest()...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err == nil {
		have, err := r.tally()
		if err != nil {
			return damaged(fmt.Sprintf("the sums of %s at %d", bin.Target, bin.Start), err)
		}
		have.Merge(tally)
		tally = have
	}
	if r, err = rowOf(tally); err != nil {
		return err
	}
	return t.exec(`INSERT OR REPLACE INTO rollups (seconds, series, start, counts, checks, input, output, cost, sketches)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		bin.Seconds, id, bin.Start, r.counts, r.checks, r.input, r.output, r.cost, r.sketches)
}

// seriesID returns the row of a series, new or old.
func (t *tx) seriesID(s store.Series) (int64, error) {
	for _, known := range []map[store.Series]int64{t.w.series, t.series} {
		if id, ok := known[s]; ok {
			return id, nil
		}
	}
	args := []any{s.Target, s.Vantage, s.Canary, s.Source, s.Trigger, s.Reused}
	var id int64
	err := t.row(`INSERT INTO series (target, vantage, canary, source, "trigger", reused) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET reused = excluded.reused RETURNING id`, args, &id)
	if err != nil {
		return 0, err
	}
	t.series[s] = id
	return id, nil
}
