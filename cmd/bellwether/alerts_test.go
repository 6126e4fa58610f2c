package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/store/sqlite"
)

func TestANoteMayBeAddedToAnIncidentThatIsOver(t *testing.T) {
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	now := time.Now().UTC()
	over := bellwether.Incident{ID: "inc", State: bellwether.IncidentResolved, Targets: []string{"a"}, OpenedAt: now.Add(-time.Hour), ResolvedAt: now}
	if err := st.SaveIncident(t.Context(), over, nil); err != nil {
		t.Fatal(err)
	}
	a := newAlerts(alerting.NewTracker(alerting.Config{}, nil, nil), st, func(bellwether.Incident) {}, func() {}, quiet())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() { stop(); <-ended }()

	got, err := a.Annotate(t.Context(), "inc", "ann", "it was the proxy")
	if err != nil || len(got.Timeline) != 1 {
		t.Errorf("Annotate = %+v, %v, want the note in the timeline", got, err)
	}
	kept, err := st.Incident(t.Context(), "inc")
	if err != nil || kept.State != bellwether.IncidentResolved || len(kept.Timeline) != 1 {
		t.Errorf("kept is %+v, %v, want the resolved incident with its note", kept, err)
	}
	if _, err := a.Annotate(t.Context(), "none", "ann", "text"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Annotate of an unknown incident = %v, want one that says that it does not exist", err)
	}
}
