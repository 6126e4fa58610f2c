package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/internal/filelock"
	"github.com/bellwether-llm/bellwether/probes"
)

func TestTwoServersDoNotShareALedgerFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), ledgerFile)
	first, second := &app{log: slog.New(slog.DiscardHandler)}, &app{log: slog.New(slog.DiscardHandler)}
	if err := first.openLedger(file, probes.Probing{}); err != nil {
		t.Fatal(err)
	}
	if err := second.openLedger(file, probes.Probing{}); err == nil || !strings.Contains(err.Error(), "set store.dsn to a file in another folder") {
		t.Errorf("the second server: %v, want what to do", err)
	}
	second.Close()
	first.Close()
	third := &app{log: slog.New(slog.DiscardHandler)}
	if err := third.openLedger(file, probes.Probing{}); err != nil {
		t.Errorf("after the first ended: %v", err)
	}
	third.Close()
}

func TestASecondAgentOnOneSpoolIsToldWhatToDo(t *testing.T) {
	file, spoolDir := agentFile(t, t.TempDir(), "http://127.0.0.1:1", "http://127.0.0.1:1")
	if err := os.MkdirAll(spoolDir, 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := filelock.Take(filepath.Join(spoolDir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if code, _, errOut := runHere("agent", "--config", file); code != exitFailed || !strings.Contains(errOut, "set spool.dir to another folder") {
		t.Errorf("exit code %d, %q", code, errOut)
	}
}
