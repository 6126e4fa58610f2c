package sqlite

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/store"
)

// The numbered steps from an empty file to the present schema. They are run in
// order, each in a transaction of its own, and never changed once released.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// applicationID marks our files in their header ("bell"), so that the database
// of another program is not taken for an old one of ours.
const applicationID = 0x62656c6c

type migration struct {
	version  int // 1 for the first
	name     string
	text     string
	checksum string
}

// migrations returns all steps in order.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var ms []migration
	for i, name := range names {
		b, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		base := strings.TrimPrefix(name, "migrations/")
		if !strings.HasPrefix(base, fmt.Sprintf("%04d_", i+1)) {
			return nil, fmt.Errorf("migration %s is out of order", base)
		}
		text := strings.ReplaceAll(string(b), "\r\n", "\n")
		sum := sha256.Sum256([]byte(text))
		ms = append(ms, migration{i + 1, base, text, hex.EncodeToString(sum[:8])})
	}
	return ms, nil
}

// querier is what a database and a connection can both do.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// appliedMigrations returns the checksums of what was applied, in order; none
// for a new file.
func appliedMigrations(ctx context.Context, q querier) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT checksum FROM migrations ORDER BY version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var have []string
	for rows.Next() {
		var sum string
		if err := rows.Scan(&sum); err != nil {
			return nil, err
		}
		have = append(have, sum)
	}
	return have, rows.Err()
}

// checkMigrations refuses a database that is newer than this program, or that
// went another way than it; with pending set, an older one is fine.
func (s *Store) checkMigrations(have []string, pending bool) error {
	want, err := migrations()
	if err != nil {
		return err
	}
	if len(have) > len(want) {
		return fmt.Errorf("store %s: %w (%d, this program knows %d): install the newer version, or restore a backup from before it", s.path, store.ErrNewer, len(have), len(want))
	}
	if !pending && len(have) < len(want) {
		return fmt.Errorf("store %s: the database is of an older version (%d, this program needs %d): start the server once to migrate it", s.path, len(have), len(want))
	}
	for i, sum := range have {
		if sum != want[i].checksum {
			return fmt.Errorf("store %s: %w: its schema %s is not the one that was released: restore a backup, or install the version that wrote it", s.path, store.ErrCorrupt, want[i].name)
		}
	}
	return nil
}

// migrate brings the database to the present schema.
func (s *Store) migrate(ctx context.Context) error {
	conn := s.w.conn
	if err := s.claim(ctx, conn); err != nil {
		return err
	}
	have, err := appliedMigrations(ctx, conn)
	if err != nil {
		return s.explain("read its version", err)
	}
	if err := s.checkMigrations(have, true); err != nil {
		return err
	}
	all, err := migrations()
	if err != nil {
		return err
	}
	for _, m := range all[len(have):] {
		if err := apply(ctx, conn, m); err != nil {
			return s.explain("migrate to "+m.name, err)
		}
	}
	return nil
}

func (s *Store) foreign() error {
	return fmt.Errorf("store %s: open: %w: it is the database of another program: set store.dsn to another file", s.path, store.ErrUnwritable)
}

// claim makes a new file ours, and refuses one that is somebody else's.
func (s *Store) claim(ctx context.Context, conn *sql.Conn) error {
	var id, tables int
	err := errors.Join(
		conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id),
		conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables))
	if err != nil {
		return s.explain("open", err)
	}
	if id != applicationID && tables > 0 {
		return s.foreign()
	}
	if id == applicationID {
		return nil
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf(`BEGIN IMMEDIATE;
		PRAGMA application_id = %d;
		CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, at TEXT NOT NULL) STRICT;
		COMMIT`, applicationID))
	return s.explain("create", rollback(ctx, conn, err))
}

func apply(ctx context.Context, conn *sql.Conn, m migration) error {
	_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE;\n"+m.text)
	if err == nil {
		_, err = conn.ExecContext(ctx, `INSERT INTO migrations VALUES (?, ?, ?, ?)`,
			m.version, m.name, m.checksum, time.Now().UTC().Format(time.RFC3339))
	}
	if err == nil && m.version == 1 {
		_, err = conn.ExecContext(ctx, `INSERT INTO meta VALUES ('epoch', ?), ('last_seq', 0), ('next_revision', 1)`, newEpoch())
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	return rollback(ctx, conn, err)
}

// rollback ends the transaction that err came up in, and returns err.
func rollback(ctx context.Context, conn *sql.Conn, err error) error {
	if err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

func newEpoch() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return hex.EncodeToString(b)
}
