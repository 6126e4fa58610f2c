package filelock_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bellwether-llm/bellwether/internal/filelock"
)

// TestMain lets this binary be the other process: with a path in its
// environment it takes that lock, says so, and holds it until its input ends.
func TestMain(m *testing.M) {
	path := os.Getenv("FILELOCK_TEST_HOLD")
	if path == "" {
		os.Exit(m.Run())
	}
	f, err := filelock.Take(path)
	fmt.Println(err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = f.Close()
}

func TestALockHasOneHolderUntilItIsClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := filelock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := filelock.Take(path); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("Take while held = %v, %v; want ErrHeld", f, err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := filelock.Take(path)
	if err != nil {
		t.Fatalf("Take after Close: %v", err)
	}
	_ = again.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file did not stay: %v", err)
	}
}

func TestAKilledProcessLeavesNoLockBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "FILELOCK_TEST_HOLD="+path)
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if said, _ := bufio.NewReader(out).ReadString('\n'); said != "<nil>\n" {
		t.Errorf("the other process: %q, want that it holds the lock", said)
	}
	if f, err := filelock.Take(path); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("Take while another process holds it = %v, %v; want ErrHeld", f, err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // killed
	f, err := filelock.Take(path)
	if err != nil {
		t.Fatalf("Take after the holder was killed: %v", err)
	}
	_ = f.Close()
}

func TestALockWhereNoFileCanBeNamesThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "lock")
	if _, err := filelock.Take(path); !errors.Is(err, os.ErrNotExist) || errors.Is(err, filelock.ErrHeld) {
		t.Errorf("Take = %v, want that the folder does not exist", err)
	}
}
