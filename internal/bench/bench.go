// Package bench is what the harnesses below it share: the ruler, which is the
// simplest Go client that can time a streamed answer, and figures with their
// percentiles. `make bench-timing` and `make bench-probes` run the harnesses;
// docs/measuring.md says what they measure and what came out.
//
// It starts no goroutine. Nothing of the program itself imports it.
package bench

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Figures are measured durations. Safe for concurrent use; the zero value is
// empty.
type Figures struct {
	mu  sync.Mutex
	all []time.Duration
}

// Add takes one more.
func (f *Figures) Add(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, d)
}

// Len is how many there are.
func (f *Figures) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all)
}

// Quantile returns the smallest value that at least the fraction q of all do
// not exceed (nearest rank); 0 when there is none.
func (f *Figures) Quantile(q float64) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) == 0 {
		return 0
	}
	slices.Sort(f.all)
	rank := int(math.Ceil(q * float64(len(f.all))))
	return f.all[min(max(rank, 1), len(f.all))-1]
}

// Row is p50, p95, p99 and maximum in milliseconds, in columns of nine.
func (f *Figures) Row() string {
	var b strings.Builder
	for _, q := range []float64{0.50, 0.95, 0.99, 1} {
		fmt.Fprintf(&b, " %8.3f", ms(f.Quantile(q)))
	}
	return b.String()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Ratio is a over b for people; "-" where b is none.
func Ratio(a, b float64) string {
	if !(b > 0) {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// Machine names the machine that figures are of, and how busy it was already.
func Machine() string {
	cpu, kernel := "unknown processor", ""
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = " " + strings.TrimSpace(string(b))
	}
	others := ""
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		minute, _, _ := strings.Cut(string(b), " ")
		others = "; load average of the minute before: " + minute
	}
	return fmt.Sprintf("%s, %d cores, %s/%s%s, %s%s", cpu, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, kernel, runtime.Version(), others)
}
