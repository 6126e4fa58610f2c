// Package conf holds the types that config sections are written with: durations
// in days, secrets that never print, and problems that name their place. It is
// pure: it reads no file and no environment. Every package that owns a config
// section may import it.
package conf

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that reads and writes as "90s", "5m", "14d".
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads, and whole days as "14d".
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf("%q is not a duration: write 30s, 5m, 12h or 14d", s)
		}
		*d = Duration(n) * Duration(24*time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration: write 30s, 5m, 12h or 14d", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes d as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Secret is a key or token. It prints, marshals and logs as "***"; only
// Reveal gives it away.
type Secret string

// Reveal returns the secret itself, to be handed to a header and nothing else.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString, Format, MarshalText and LogValue keep the secret out of %#v, %s,
// encoders and logs.
func (s Secret) GoString() string             { return strconv.Quote(s.String()) }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(s.String())) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }

// Problem is one thing wrong in a config. Path names the place from the
// section's root ("canaries[2].schedule"); Text says what is wrong there, and
// Remedy what to write instead.
type Problem struct {
	Path   string
	Text   string
	Remedy string
}

func (p Problem) Error() string {
	s := p.Path + ": " + p.Text
	if p.Remedy != "" {
		s += ": " + p.Remedy
	}
	return s
}
