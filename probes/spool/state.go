package spool

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// state is what stands beside the segments: up to where all is delivered, and
// what was lost. A state that is lost itself means that all segments are
// delivered again.
type state struct {
	Segment uint64 `json:"segment"` // the first one that is not delivered whole
	Offset  int64  `json:"offset"`  // in it
	Newest  uint64 `json:"newest"`  // the last number used
	Dropped uint64 `json:"dropped_records"`
	Damaged uint64 `json:"damaged_records"`
}

const stateName = "state.json"

// readState returns the state in a folder, or none where it cannot be read.
func readState(dir string) (st state) {
	b, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil || json.Unmarshal(b, &st) != nil {
		return state{}
	}
	return st
}

// save writes the state in place of the old one. It is not forced to the disk:
// an old state means only that records are delivered again.
func (s *Spool) save() error {
	s.state.Segment, s.state.Offset = s.segs[0].number, s.head
	b, err := json.Marshal(s.state)
	if err != nil {
		return fmt.Errorf("spool: save state: %w", err)
	}
	path := filepath.Join(s.dir, stateName)
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("spool: save state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("spool: save state: %w", err)
	}
	return nil
}
