//go:build !race

package main

// raced says that the race detector is on: long runs are then shorter.
const raced = false
