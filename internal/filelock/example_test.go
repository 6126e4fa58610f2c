package filelock_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bellwether-llm/bellwether/internal/filelock"
)

func ExampleTake() {
	dir, _ := os.MkdirTemp("", "filelock")
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "database.lock")

	held, err := filelock.Take(path)
	fmt.Println("first:", err)
	_, err = filelock.Take(path)
	fmt.Println("second:", err, errors.Is(err, filelock.ErrHeld))
	_ = held.Close()
	// Output:
	// first: <nil>
	// second: held by another process true
}
