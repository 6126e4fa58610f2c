package scoring_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/scoring"
)

func TestEveryProblemOfAPolicyIsNamedAtOnce(t *testing.T) {
	p := scoring.Policy{
		FalseAlarms:       -1,
		Signals:           map[bellwether.Signal]scoring.Act{bellwether.FirstToken: "perhaps", bellwether.Sanity: "cap: 2", bellwether.Total: "cap: 0.5", "No Such": "act"},
		SuspicionInterval: conf.Duration(time.Millisecond),
	}
	var paths []string
	for _, problem := range p.Validate() {
		paths = append(paths, problem.Path)
	}
	want := "false_alarms_per_target_month signals.No Such signals.first_token signals.sanity suspicion_interval"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("Validate names %q, want %q", got, want)
	}
	if ps := (scoring.Policy{}).Validate(); len(ps) != 0 {
		t.Errorf("the zero policy has problems: %v", ps)
	}
}

func TestNewRefusesRoutesOfUnknownTargets(t *testing.T) {
	_, err := scoring.New(scoring.Config{
		Targets: []bellwether.Target{{ID: "a"}, {ID: "a"}},
		Routes:  []bellwether.Route{{Name: "chat", Tiers: [][]bellwether.TierTarget{tier("b")}}},
	})
	if err == nil || !strings.Contains(err.Error(), `"a" is there twice`) {
		t.Errorf("New = %v", err)
	}
}
