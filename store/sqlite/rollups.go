package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
)

// Rollups returns the sums of a minute or an hour, by start and then by
// series. Target, Vantage, Canary, Source, From, To and Seconds restrict; From
// and To are compared with the start. There is no cursor, so that a Limit of 0
// does not restrict either: half a window would be a wrong number.
func (s *Store) Rollups(ctx context.Context, q bellwether.Query) ([]bellwether.Rollup, error) {
	seconds, err := store.Resolution(q.Seconds)
	if err != nil {
		return nil, err
	}
	var c clause
	c.add("seconds = ?", seconds)
	c.equal("target", q.Target)
	c.equal("vantage", q.Vantage)
	c.equal("canary", q.Canary)
	c.equal("source", q.Source)
	if !q.From.IsZero() {
		c.add("start >= ?", ceilSecond(q.From))
	}
	if !q.To.IsZero() {
		c.add("start < ?", ceilSecond(q.To))
	}
	order := "DESC"
	if q.Oldest {
		order = "ASC"
	}
	limit := -1
	if q.Limit > 0 {
		limit = store.Limit(q.Limit)
	}
	var out []bellwether.Rollup
	// CROSS JOIN keeps SQLite from reading the rollups before the series.
	query := `SELECT start, target, vantage, canary, source, "trigger", reused, counts, checks, input, output, cost, sketches
		FROM series CROSS JOIN rollups ON series = series.id` + c.where() + `
		ORDER BY start ` + order + `, target, vantage, canary, source, "trigger", reused LIMIT ?`
	err = s.each(ctx, query, append(c.args, limit), func(rows *sql.Rows) error {
		r, err := scanRollup(rows)
		r.Seconds = seconds
		out = append(out, r)
		return err
	})
	return out, s.explain("read rollups", err)
}

// ceilSecond returns t in whole seconds, so that a start is before t exactly
// if it is below the result.
func ceilSecond(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return s
}

func scanRollup(rows *sql.Rows) (bellwether.Rollup, error) {
	var r bellwether.Rollup
	var row rollupRow
	var start int64
	err := rows.Scan(append([]any{&start, &r.Target, &r.Vantage, &r.Canary, &r.Source, &r.Trigger, &r.Reused}, row.dest()...)...)
	if err != nil {
		return r, err
	}
	r.Start = time.Unix(start, 0).UTC()
	r.Input, r.Output, r.CostUSD = row.input, row.output, row.cost
	if err = row.counted(&r.Counts, &r.Checks); err == nil {
		r.Sketches, err = decodeSketches(row.sketches)
	}
	if err != nil {
		return r, damaged(fmt.Sprintf("the sums of %s at %s", r.Target, r.Start.Format(time.RFC3339)), err)
	}
	return r, nil
}
