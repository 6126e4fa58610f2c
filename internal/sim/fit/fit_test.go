package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFitFindsTheShapeThatMadeTheSample(t *testing.T) {
	want := shape{mu: math.Log(0.5), sigma: 0.1, share: 0.15, scale: 0.5}
	rng := rand.New(rand.NewPCG(1, 2))
	ln := make([]float64, 5000)
	for i := range ln {
		ln[i] = want.mu + want.sigma*rng.NormFloat64()
		if rng.Float64() < want.share {
			ln[i] += want.scale * rng.ExpFloat64()
		}
	}
	got := fitShape(ln)
	for _, c := range []struct {
		name      string
		got, want float64
		tolerance float64
	}{
		{"mu", got.mu, want.mu, 0.01}, {"sigma", got.sigma, want.sigma, 0.01},
		{"share", got.share, want.share, 0.03}, {"scale", got.scale, want.scale, 0.06},
		{"median", want.mu + got.medianShift(), median(ln), 0.01},
	} {
		if math.Abs(c.got-c.want) > c.tolerance {
			t.Errorf("fitShape: %s = %.4f, want %.4f within %g", c.name, c.got, c.want, c.tolerance)
		}
	}
	sd, kurtosis := want.moments()
	gotSD, gotKurtosis := moments(ln)
	if math.Abs(sd-gotSD) > 0.02 || math.Abs(kurtosis/gotKurtosis-1) > 0.3 {
		t.Errorf("moments = %.3f, %.1f; of the sample %.3f, %.1f", sd, kurtosis, gotSD, gotKurtosis)
	}
}

func TestLag1SeesThePastAndNotTheTrend(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x, by := make([]float64, 4000), make([]float64, 4000)
	prev := 0.0
	for i := range x {
		prev = 0.4*prev + rng.NormFloat64()
		by[i] = float64(i)
		x[i] = prev + 0.01*by[i]
	}
	if got := lag1(x, by); math.Abs(got-0.4) > 0.05 {
		t.Errorf("lag1 = %.3f, want about 0.4", got)
	}
}

func TestAMissingRecordingIsNamed(t *testing.T) {
	err := run(&bytes.Buffer{}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), ".csv") {
		t.Errorf("run = %v, want an error that names the file", err)
	}
}

func TestAnEmptyRecordingIsAnError(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{fastestFile, llmperfFile, latencylabFile, azureFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("provider,model\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(&bytes.Buffer{}, dir); err == nil {
		t.Error("run on headers alone = nil, want an error")
	}
}
