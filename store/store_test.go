package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/store"
	"pgregory.net/rapid"
)

func ExampleConfig() {
	c := store.Config{Retention: store.Retention{Observations: conf.Duration(time.Minute)}}
	fmt.Println(c.File())
	for _, p := range c.Validate() {
		fmt.Println(p)
	}
	// Output:
	// bellwether.db
	// retention.observations: is less than an hour: write a longer time such as 14d, or leave it out for the default
}

func TestEveryProblemOfAConfigIsReported(t *testing.T) {
	bad := store.Config{DSN: "mysql://x", Retention: store.Retention{Observations: -1, Minutes: 1, Hours: conf.Duration(-time.Hour)}}
	var paths []string
	for _, p := range bad.Validate() {
		paths = append(paths, p.Path)
		if p.Remedy == "" {
			t.Errorf("%s: no remedy", p.Path)
		}
	}
	if got, want := strings.Join(paths, " "), "dsn retention.observations retention.minutes retention.hours"; got != want {
		t.Errorf("problems with %s, want %s", got, want)
	}
}

func TestADSNNamesAFile(t *testing.T) {
	for dsn, want := range map[string]string{
		"": "bellwether.db", "sqlite:a.db": "a.db", "sqlite:/var/lib/a.db": "/var/lib/a.db", "sqlite:///var/lib/a.db": "/var/lib/a.db",
		"sqlite:": "", "postgres://h/d": "", "a.db": "",
	} {
		c := store.Config{DSN: dsn}
		if got := c.File(); got != want {
			t.Errorf("File of %q = %q, want %q", dsn, got, want)
		}
		if bad := len(c.Validate()) > 0; bad != (want == "") {
			t.Errorf("Validate of %q = %v", dsn, c.Validate())
		}
	}
}

func TestRetentionDefaultsToWhatTheDocsSay(t *testing.T) {
	const day = 24 * time.Hour
	r := store.Retention{Minutes: conf.Duration(day)}.WithDefaults()
	if r.Observations.Std() != 14*day || r.Minutes.Std() != day || r.Hours.Std() != 400*day {
		t.Errorf("WithDefaults() = %+v", r)
	}
}

func TestErrorsAreKnownWithoutThisPackage(t *testing.T) {
	var bad interface{ BadRequest() bool }
	if err := fmt.Errorf("list: %w", store.ErrBadCursor); !errors.As(err, &bad) || !bad.BadRequest() || !errors.Is(err, store.ErrBadCursor) {
		t.Errorf("%v is not the caller's fault", err)
	}
	if !errors.Is(store.ErrNotFound, fs.ErrNotExist) || !errors.Is(store.ErrClosed, fs.ErrClosed) {
		t.Error("ErrNotFound is fs.ErrNotExist and ErrClosed is fs.ErrClosed")
	}
}

func TestACursorReturnsToItsPosition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := store.Position{At: rapid.Int64().Draw(t, "at"), N: rapid.Int64().Draw(t, "n"), ID: rapid.StringN(0, 40, 120).Draw(t, "id")}
		oldest := rapid.Bool().Draw(t, "oldest")
		c := store.ListChanges.Cursor("e1", p, oldest)
		if got, err := store.ListChanges.Parse("e1", c, oldest); err != nil || got != p {
			t.Fatalf("Parse(%q) = %v, %v, want %v", c, got, err, p)
		}
		refused := func(says string, _ store.Position, err error) {
			if !errors.Is(err, store.ErrBadCursor) || !strings.Contains(err.Error(), says) {
				t.Fatalf("Parse = %v, want an ErrBadCursor that says %q", err, says)
			}
		}
		got, err := store.ListChanges.Parse("e1", c, !oldest)
		refused("the other order", got, err)
		got, err = store.ListIncidents.Parse("e1", c, oldest)
		refused("another listing", got, err)
		got, err = store.ListChanges.Parse("e2", c, oldest)
		refused("another server", got, err)
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(store.ListObservations.Cursor("e", store.Position{At: 1, N: 2, ID: "x"}, false))
	f.Fuzz(func(t *testing.T, s string) {
		p, err := store.ListObservations.Parse("e", s, false)
		if err != nil {
			if !errors.Is(err, store.ErrBadCursor) {
				t.Fatalf("Parse(%q) = %v, want ErrBadCursor", s, err)
			}
			return
		}
		if again, err := store.ListObservations.Parse("e", store.ListObservations.Cursor("e", p, false), false); err != nil || again != p {
			t.Fatalf("Parse(%q) = %v, then %v, %v", s, p, again, err)
		}
	})
}
