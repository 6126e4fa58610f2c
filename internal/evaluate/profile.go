package main

import (
	"maps"
	"slices"
	"time"
)

// profile says how much is measured.
type profile struct {
	months   int // fault-free target-months of each noise and cadence
	side     int // of side shows: ablations, budgets, daily rhythms
	traffic  int // with real traffic, which takes ten times as long
	seeds    int // trials of each scenario
	long     int // of those over the grid, and of other noises
	places   int
	blame    int
	runs     int // months of eight targets with incidents
	warm     int // different pasts
	warmReal int
	chunk    int // trials in a cell
	sweeps   bool
	noises   bool          // all noises, else normal, t3 and recorded
	rhythms  int           // so many of the daily rhythms
	longest  time.Duration // faults that last longer are left out, and other rules on the grid; 0 none
}

func profiles() map[string]profile {
	return map[string]profile{
		"full":     {months: 200, side: 60, traffic: 24, seeds: 200, long: 200, places: 1000, blame: 1000, runs: 12, warm: 16, warmReal: 64, chunk: 20, sweeps: true, noises: true, rhythms: len(rhythms)},
		"standard": {months: 48, side: 16, traffic: 4, seeds: 60, long: 40, places: 200, blame: 200, runs: 3, warm: 8, warmReal: 24, chunk: 10, sweeps: true, noises: true, rhythms: len(rhythms)},
		"brief":    {months: 3, side: 2, traffic: 1, seeds: 12, long: 4, places: 40, blame: 40, runs: 1, warm: 2, warmReal: 4, chunk: 16, sweeps: true, noises: true, rhythms: len(rhythms)},
		"quick":    {months: 6, seeds: 16, long: 4, places: 20, blame: 20, warm: 2, warmReal: 6, chunk: 8, rhythms: 1, longest: 4 * time.Hour},
	}
}

func profileNames() []string { return slices.Sorted(maps.Keys(profiles())) }
