package sqlite

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/bellwether-llm/bellwether"
)

// modes returns the mode of the database and of each file that SQLite and the
// lock keep beside it.
func modes(t *testing.T, path string) map[string]fs.FileMode {
	t.Helper()
	out := map[string]fs.FileMode{}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		out[suffix] = info.Mode().Perm()
	}
	return out
}

func TestANewDatabaseIsItsOwnersOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes: the folder's access list decides")
	}
	path := filepath.Join(t.TempDir(), "bellwether.db")
	s := mustOpen(t, path)
	defer s.Close()
	if err := s.Append(t.Context(), []bellwether.Record{probe(1)}); err != nil {
		t.Fatal(err)
	}
	for suffix, mode := range modes(t, path) {
		if mode != 0o600 {
			t.Errorf("the mode of bellwether.db%s is %o, want 600: it holds prompts and answers", suffix, mode)
		}
	}
}

func TestTheModeOfADatabaseThatIsThereIsItsOperators(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes: the folder's access list decides")
	}
	path := filepath.Join(t.TempDir(), "bellwether.db")
	mustOpen(t, path).Close()
	if err := os.Chmod(path, 0o640); err != nil { // for a group that makes backups
		t.Fatal(err)
	}
	s := mustOpen(t, path)
	defer s.Close()
	if err := s.Append(t.Context(), []bellwether.Record{probe(1)}); err != nil {
		t.Fatal(err)
	}
	got := modes(t, path)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if got[suffix] != 0o640 {
			t.Errorf("the mode of bellwether.db%s is %o, want the operator's 640", suffix, got[suffix])
		}
	}
}
