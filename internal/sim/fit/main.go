// Command fit turns recorded latencies into the simulator's table of profiles.
//
//	go run ./internal/sim/fit DIR > internal/sim/profiles_table.go
//
// DIR holds the recordings that docs/simulation.md names; they are not part of
// the tree. The command reads them, fits, prints Go, and is done: it is for
// those who maintain the table, and no part of the running program.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: fit DIR   (the folder with the recorded CSV files)")
		os.Exit(2)
	}
	if err := run(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "fit:", err)
		os.Exit(1)
	}
}

// run fits everything in dir and prints the Go file.
func run(w io.Writer, dir string) error {
	d, err := load(dir)
	if err != nil {
		return err
	}
	t, err := fitAll(d)
	if err != nil {
		return err
	}
	return t.print(w)
}
