package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/store"
)

const (
	pruneEvery = time.Hour
	// pruneBatch is how many rows one transaction removes, so that a write that
	// comes meanwhile waits for milliseconds.
	pruneBatch = 500
)

// Run removes what is past its retention, at once and then every hour, until
// ctx ends. A failure is logged and tried again the next hour; Run itself
// returns nil.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		begin := time.Now()
		switch removed, err := s.Prune(ctx, begin); {
		case ctx.Err() != nil, errors.Is(err, store.ErrClosed):
			return nil
		case err != nil:
			s.log.Error("store: cannot remove what is past its retention", "error", err)
		case removed > 0:
			s.log.Info("store: removed what is past its retention", "rows", removed, "seconds", time.Since(begin).Seconds())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// removal is one kind of thing to remove: at most pruneBatch rows of it.
type removal struct {
	query string
	args  []any
}

// Prune removes what is past its retention at now, in small transactions, and
// returns how many rows it removed, also where it then met an error. The
// newest revision, open incidents and overrides in force are kept however old.
func (s *Store) Prune(ctx context.Context, now time.Time) (removed int, err error) {
	before := func(keep conf.Duration) time.Time { return now.Add(-keep.Std()) }
	raw, long := nanos(before(s.retention.Observations)), nanos(before(s.retention.Hours))
	todo := []removal{
		{`DELETE FROM observations WHERE seq IN (SELECT seq FROM observations WHERE at < ? ORDER BY at LIMIT ?)`, []any{raw}},
		{`DELETE FROM ticks WHERE seq IN (SELECT seq FROM (SELECT seq, at FROM ticks ORDER BY seq LIMIT ?2) WHERE at < ?1)`, []any{raw}},
		{`DELETE FROM revisions WHERE revision IN (SELECT revision FROM revisions
			WHERE at < ? AND revision < (SELECT max(revision) FROM revisions) ORDER BY at LIMIT ?)`, []any{raw}},
		{`DELETE FROM overrides WHERE seq IN (SELECT seq FROM overrides WHERE at < ?1 AND expires < ?1 LIMIT ?2)`, []any{long}},
		{`DELETE FROM changes WHERE n IN (SELECT n FROM changes WHERE at < ? ORDER BY at LIMIT ?)`, []any{long}},
		{`DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE resolved > 0 AND resolved < ? LIMIT ?)`, []any{long}},
		{`DELETE FROM deliveries WHERE n IN (SELECT n FROM deliveries AS d WHERE created < ?
			AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = d.incident) LIMIT ?)`, []any{long}},
	}
	rollups, err := s.rollupRemovals(ctx, before(s.retention.Minutes).Unix(), before(s.retention.Hours).Unix())
	if err != nil {
		return 0, s.explain("prune", err)
	}
	for _, r := range append(todo, rollups...) {
		n, err := s.remove(ctx, r)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, s.shrink(ctx)
}

// rollupRemovals returns one removal for each series and resolution, since
// rollups are ordered by these.
func (s *Store) rollupRemovals(ctx context.Context, minutes, hours int64) ([]removal, error) {
	var todo []removal
	err := s.each(ctx, `SELECT id FROM series`, nil, func(rows *sql.Rows) error {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		for seconds, before := range map[int]int64{store.Minute: minutes, store.Hour: hours} {
			todo = append(todo, removal{`DELETE FROM rollups WHERE seconds = ?1 AND series = ?2 AND start IN
				(SELECT start FROM rollups WHERE seconds = ?1 AND series = ?2 AND start < ?3 LIMIT ?4)`,
				[]any{seconds, id, before}})
		}
		return nil
	})
	return todo, err
}

func (s *Store) remove(ctx context.Context, r removal) (removed int, err error) {
	for {
		var n int64
		err := s.write(ctx, "prune", func(t *tx) (err error) {
			n, err = t.count(r.query, append(r.args, pruneBatch)...)
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += int(n)
		if n < pruneBatch {
			return removed, nil
		}
	}
}

// shrink gives pages back to the file system where more than a quarter of the
// file is free, as after a shortened retention; usually free pages are filled
// again within a day.
func (s *Store) shrink(ctx context.Context) error {
	for {
		var free, pages int
		err := s.write(ctx, "shrink", func(t *tx) error {
			return errors.Join(t.row("PRAGMA freelist_count", nil, &free), t.row("PRAGMA page_count", nil, &pages))
		})
		if err != nil || free < pruneBatch || free < pages/4 {
			return err
		}
		err = s.write(ctx, "shrink", func(t *tx) error {
			return t.exec("PRAGMA incremental_vacuum(500)")
		})
		if err != nil {
			return err
		}
	}
}
