package main

import (
	"io"
	"log/slog"
	"os"
)

// newLogger returns the program's logger: text to people's terminals, one line
// an event.
func newLogger(w io.Writer, quiet bool) *slog.Logger {
	level := slog.LevelInfo
	if quiet {
		level = slog.LevelWarn
	}
	if os.Getenv("BELLWETHER_DEBUG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// hostname returns the host's name, or "".
func hostname() string {
	name, _ := os.Hostname() // a host without a name is a host all the same
	return name
}
