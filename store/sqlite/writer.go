package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/bellwether-llm/bellwether/store"
)

// writer is the one connection that writes. Whoever holds its lead token owns
// the fields below the token.
type writer struct {
	mu     sync.Mutex
	queue  []*job // guarded by mu
	closed bool   // guarded by mu

	lead   chan struct{} // holds the token while nobody writes
	db     *sql.DB
	conn   *sql.Conn
	stmts  map[string]*sql.Stmt   // prepared once, by text
	series map[store.Series]int64 // ids of rows that are committed
}

// job is one caller's write. All of it is kept or none.
type job struct {
	run  func(*tx) error
	done chan struct{} // closed when err is final
	err  error
}

// maxGroup bounds how many callers share one transaction, and with that how
// long the first of them waits.
const maxGroup = 256

func openWriter(ctx context.Context, path string) (*writer, error) {
	db, err := sql.Open("sqlite", dsn(path, "_busy_timeout=5000", "_auto_vacuum=INCREMENTAL",
		"_journal_mode=WAL", "_synchronous=FULL", "_foreign_keys=1", "_error_rc=1", "_dqs=0",
		"_pragma=journal_size_limit(67108864)", "_pragma=cache_size(-16000)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	w := &writer{
		lead: make(chan struct{}, 1), db: db, conn: conn,
		stmts: map[string]*sql.Stmt{}, series: map[store.Series]int64{},
	}
	w.lead <- struct{}{}
	return w, nil
}

// do runs run in a transaction that it may share with others, and returns when
// that is on disk. A caller whose ctx ends while it waits for its turn has
// written nothing; once its turn came, it learns the outcome.
func (w *writer) do(ctx context.Context, run func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{run: run, done: make(chan struct{})}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return store.ErrClosed
	}
	w.queue = append(w.queue, j)
	w.mu.Unlock()
	for {
		select {
		case <-j.done:
			return j.err
		case <-w.lead:
			w.commit(w.take())
			w.lead <- struct{}{}
		case <-ctx.Done():
			if w.withdraw(j) {
				return ctx.Err()
			}
			<-j.done
			return j.err
		}
	}
}

// take removes the next group from the queue.
func (w *writer) take() []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), maxGroup)
	group := w.queue[:n:n]
	w.queue = slices.Clone(w.queue[n:])
	return group
}

// withdraw removes j from the queue and reports whether it was still there.
func (w *writer) withdraw(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.queue, j)
	if i < 0 {
		return false
	}
	w.queue = slices.Delete(w.queue, i, i+1)
	return true
}

// commit runs a group in one transaction and tells everyone how it ended.
func (w *writer) commit(group []*job) {
	if len(group) == 0 {
		return
	}
	// Nobody's context may end what others wait for as well.
	t := &tx{w: w, ctx: context.Background(), fold: store.Fold{}, series: map[store.Series]int64{}}
	err := t.runAll(group)
	if err != nil {
		// SQLite may have rolled back already; either way nothing is kept.
		_, _ = w.conn.ExecContext(t.ctx, "ROLLBACK")
	} else {
		maps.Copy(w.series, t.series)
	}
	for _, j := range group {
		if err != nil {
			j.err = err
		}
		close(j.done)
	}
}

// close waits for the writes that are queued, then closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	<-w.lead // never given back
	for group := w.take(); len(group) > 0; group = w.take() {
		w.commit(group)
	}
	for _, s := range w.stmts {
		s.Close()
	}
	// The log of a full disk cannot be folded in; it is at the next start.
	_, _ = w.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(w.conn.Close(), w.db.Close())
}

// tx is the transaction of one group. It belongs to the caller that leads.
type tx struct {
	w      *writer
	ctx    context.Context
	fold   store.Fold             // what the group's observations add to the rollups
	last   uint64                 // the highest sequence number of the group
	series map[store.Series]int64 // new rows of the group
}

func (t *tx) runAll(group []*job) error {
	if err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, j := range group {
		if err := t.runOne(j, len(group) > 1); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	return t.exec("COMMIT")
}

// runOne runs one job of a group. Its failure is its own, unless it broke the
// transaction of all; then it is returned.
func (t *tx) runOne(j *job, shared bool) error {
	mine := &tx{w: t.w, ctx: t.ctx, fold: store.Fold{}}
	if !shared {
		if err := j.run(mine); err != nil {
			return err
		}
		t.fold, t.last = mine.fold, mine.last
		return nil
	}
	if err := t.exec("SAVEPOINT job"); err != nil {
		return err
	}
	if j.err = j.run(mine); j.err == nil {
		t.adopt(mine)
		return t.exec("RELEASE job")
	}
	if breaksTransaction(j.err) {
		return j.err
	}
	if err := t.exec("ROLLBACK TO job"); err != nil {
		return err
	}
	return t.exec("RELEASE job")
}

func (t *tx) adopt(o *tx) {
	t.last = max(t.last, o.last)
	for bin, tally := range o.fold {
		if have := t.fold[bin]; have != nil {
			have.Merge(tally)
		} else {
			t.fold[bin] = tally
		}
	}
}

// stmt returns the prepared statement of a text that is constant in the code.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s := t.w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	t.w.stmts[query] = s
	return s, nil
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.count(query, args...)
	return err
}

// count executes query and returns how many rows it changed.
func (t *tx) count(query string, args ...any) (int64, error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row reads the first row of query into dest; none is sql.ErrNoRows.
func (t *tx) row(query string, args []any, dest ...any) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(t.ctx, args...).Scan(dest...)
}

// write runs run in a transaction and explains what goes wrong. It is for all
// of the store's writes.
func (s *Store) write(ctx context.Context, step string, run func(*tx) error) error {
	if s.isClosed() {
		return s.explain(step, store.ErrClosed)
	}
	if s.w == nil {
		return fmt.Errorf("store %s: %s: %w: it was opened for reading only", s.path, step, store.ErrUnwritable)
	}
	return s.explain(step, s.w.do(ctx, run))
}
