package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sim"
)

//go:embed demo-script.yaml
var demoScript []byte

// scene is one thing that befalls the simulated providers.
type scene struct {
	At, For time.Duration // since the start of the demo
	Say     string
	Faults  []sim.Fault
}

// loadScript reads the script in file, or the built-in one when file is "",
// and plays it speed times as fast.
func loadScript(file string, speed float64) ([]scene, error) {
	src, name := demoScript, "demo-script.yaml"
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, codeError{exitUsage, fmt.Errorf("script: %w", err)}
		}
		src, name = b, file
	}
	if !(speed >= 0.1 && speed <= 100) {
		return nil, codeError{exitUsage, fmt.Errorf("--speed %v is out of range: write 0.1 to 100", speed)}
	}
	scenes, err := parseScript(src)
	if err != nil {
		return nil, codeError{exitUsage, fmt.Errorf("script %s: %w", name, err)}
	}
	for i := range scenes {
		s := &scenes[i]
		s.At, s.For = time.Duration(float64(s.At)/speed), time.Duration(float64(s.For)/speed)
		for j := range s.Faults {
			s.Faults[j].From, s.Faults[j].For = s.At, s.For
		}
	}
	return scenes, nil
}

// parseScript reads a list of {at, for, say, faults}.
func parseScript(src []byte) ([]scene, error) {
	var items []struct {
		At     conf.Duration    `yaml:"at"`
		For    conf.Duration    `yaml:"for"`
		Say    string           `yaml:"say"`
		Faults []map[string]any `yaml:"faults"`
	}
	if err := yaml.Load(src, &items, yaml.WithV4Defaults(), yaml.WithKnownFields()); err != nil {
		return nil, err
	}
	scenes := make([]scene, len(items))
	for i, it := range items {
		b, err := json.Marshal(it.Faults)
		if err != nil {
			return nil, fmt.Errorf("[%d].faults: %w", i, err)
		}
		faults, err := sim.ParseFaults(b)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		if it.At < 0 || it.For <= 0 || len(faults) == 0 {
			return nil, fmt.Errorf("[%d]: write at, for and faults: {at: 10s, for: 20s, say: ..., faults: [{kind: latency, value: 3}]}", i)
		}
		scenes[i] = scene{At: it.At.Std(), For: it.For.Std(), Say: it.Say, Faults: faults}
	}
	return scenes, nil
}

// allFaults returns the faults of all scenes, timed from the script's start.
func allFaults(scenes []scene) []sim.Fault {
	var out []sim.Fault
	for _, s := range scenes {
		out = append(out, s.Faults...)
	}
	return out
}

// length returns when the last scene is over.
func length(scenes []scene) time.Duration {
	var end time.Duration
	for _, s := range scenes {
		end = max(end, s.At+s.For)
	}
	return end
}
