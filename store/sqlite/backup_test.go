package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store/storetest"
)

// TestABackupTakenWhileWritingIsWhole follows docs/storage.md: back up, restore,
// new epoch.
func TestABackupTakenWhileWritingIsWhole(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := mustOpen(t, filepath.Join(folder, "bellwether.db"))
	defer s.Close()
	stop, done := make(chan struct{}), make(chan uint64)
	if err := s.Append(t.Context(), []bellwether.Record{probe(1)}); err != nil {
		t.Fatal(err)
	}
	go func() {
		seq := uint64(1)
		defer func() { done <- seq }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.Append(t.Context(), []bellwether.Record{probe(seq + 1)}); err != nil {
				t.Error(err)
				return
			}
			seq++
		}
	}()
	restored := filepath.Join(folder, "restored.db")
	outside(t, s.path, `VACUUM INTO '`+restored+`'`)
	close(stop)
	last := <-done

	outside(t, restored, `UPDATE meta SET value = lower(hex(randomblob(8))) WHERE key = 'epoch'`)
	r := mustOpen(t, restored)
	defer r.Close()
	n, err := r.LastSeq(t.Context())
	if err != nil || n < 1 || n > last {
		t.Errorf("LastSeq of the backup = %d, %v, want 1 to %d", n, err, last)
	}
	if err := storetest.CheckRollups(t, r); err != nil {
		t.Error(err)
	}
	if len(r.Epoch()) != len(s.Epoch()) || r.Epoch() == s.Epoch() {
		t.Errorf("Epoch() of the restored = %q, of the original %q", r.Epoch(), s.Epoch())
	}
}

// outside runs a statement on a connection of its own, as the sqlite3 shell
// would.
func outside(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, "_busy_timeout=5000"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
