package alerting_test

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

var t0 = time.Date(2026, 11, 20, 3, 12, 0, 0, time.UTC)

func fleet() []bellwether.Target {
	var ts []bellwether.Target
	for _, p := range []string{"openai", "anthropic"} {
		for _, m := range []string{"big", "small"} {
			for _, r := range []string{"us", "eu"} {
				ts = append(ts, bellwether.Target{ID: p + "-" + m + "-" + r, Provider: p, Model: m, Region: r})
			}
		}
	}
	return ts
}

func quick() alerting.Config {
	return alerting.Config{Webhooks: []alerting.WebhookConfig{{Name: "ops", URL: "https://ops.example/"}}, PublicURL: "https://status.example"}
}

// story drives a tracker along a timeline and remembers what came of it.
type story struct {
	t       *testing.T
	tracker *alerting.Tracker
	known   map[string]bellwether.Incident
	owed    []bellwether.Delivery
}

func tell(t *testing.T, cfg alerting.Config) *story {
	return &story{t: t, tracker: alerting.NewTracker(cfg, fleet(), nil), known: map[string]bellwether.Incident{}}
}

func (s *story) take(us []alerting.Update) {
	for _, u := range us {
		s.known[u.Incident.ID] = u.Incident
		s.owed = append(s.owed, u.Owed...)
	}
}

// at folds a change that happens so many seconds into the story.
func (s *story) at(seconds int, target string, to bellwether.State, cause bellwether.Cause) *story {
	s.take(s.tracker.Fold(bellwether.Change{At: t0.Add(time.Duration(seconds) * time.Second), Target: target, To: to, Cause: cause,
		Since:   t0.Add(time.Duration(seconds-20) * time.Second),
		Reasons: []bellwether.Reason{{Signal: bellwether.FirstToken, Text: "first token 3.2x its usual", Evidence: 12}}}))
	return s
}

func (s *story) tick(seconds int) *story {
	s.take(s.tracker.Tick(t0.Add(time.Duration(seconds) * time.Second)))
	return s
}

func (s *story) kinds() []string {
	out := []string{}
	for _, d := range s.owed {
		out = append(out, d.Kind)
	}
	return out
}

// all returns the incidents, oldest first.
func (s *story) all() []bellwether.Incident {
	var out []bellwether.Incident
	for _, in := range s.known {
		out = append(out, in)
	}
	slices.SortFunc(out, func(a, b bellwether.Incident) int { return a.OpenedAt.Compare(b.OpenedAt) })
	return out
}

func (s *story) wantKinds(kinds ...string) {
	s.t.Helper()
	if got := s.kinds(); !slices.Equal(got, kinds) {
		s.t.Errorf("owed %q, want %q", got, kinds)
	}
}

func (s *story) wantIncidents(n int) []bellwether.Incident {
	s.t.Helper()
	all := s.all()
	if len(all) != n {
		s.t.Fatalf("got %d incidents %v, want %d", len(all), all, n)
	}
	return all
}

func TestOneDegradationIsOneIncidentFromEvidenceToRecovery(t *testing.T) {
	s := tell(t, quick())
	s.at(0, "openai-big-us", bellwether.Degraded, bellwether.CauseTarget)
	s.at(30, "openai-big-us", bellwether.Recovering, "").at(50, "openai-big-us", bellwether.Healthy, "")
	s.tick(109)
	if in := s.wantIncidents(1)[0]; in.State != bellwether.IncidentOpen {
		t.Errorf("after 59s of health the incident is %s, want it open", in.State)
	}
	s.tick(110)
	in := s.wantIncidents(1)[0]
	if in.State != bellwether.IncidentResolved || !in.FirstAt.Equal(t0.Add(-20*time.Second)) || !in.OpenedAt.Equal(t0) || !in.ResolvedAt.Equal(t0.Add(110*time.Second)) {
		t.Errorf("got %+v, want it resolved, with its first evidence before it opened", in)
	}
	if in.Title != "openai-big-us degraded" || !strings.Contains(in.Timeline[0].Text, "first token 3.2x its usual") {
		t.Errorf("title %q, first entry %q", in.Title, in.Timeline[0].Text)
	}
	s.wantKinds(alerting.KindOpened, alerting.KindResolved)
}

func TestFlappingWakesAPersonOnce(t *testing.T) {
	s := tell(t, quick())
	for i := range 40 {
		s.at(60*i, "openai-big-us", bellwether.Degraded, bellwether.CauseTarget).at(60*i+20, "openai-big-us", bellwether.Healthy, "").tick(60*i + 40)
	}
	s.tick(60 * 60)
	s.wantIncidents(1)
	s.wantKinds(alerting.KindOpened, alerting.KindResolved)
}

func TestHealthThatLastsEndsTheIncidentEvenWithoutATick(t *testing.T) {
	s := tell(t, quick())
	s.at(0, "openai-big-us", bellwether.Degraded, "").at(20, "openai-big-us", bellwether.Healthy, "").at(200, "openai-big-us", bellwether.Degraded, "")
	s.wantIncidents(2)
	s.wantKinds(alerting.KindOpened, alerting.KindResolved, alerting.KindOpened)
}

func TestTheWorstSeverityIsKeptAndOnlyItsRiseIsTold(t *testing.T) {
	s := tell(t, quick())
	for i, state := range []bellwether.State{bellwether.Degraded, bellwether.Down, bellwether.Failing, bellwether.Degraded, bellwether.Failing, bellwether.Down} {
		s.at(i*10, "openai-big-us", state, bellwether.CauseTarget)
	}
	if in := s.wantIncidents(1)[0]; in.Severity != bellwether.Down || len(in.Timeline) != 6 {
		t.Errorf("got severity %s and %d entries, want down and 6", in.Severity, len(in.Timeline))
	}
	s.wantKinds(alerting.KindOpened, alerting.KindChanged)
}

func TestTargetsWithTheSameCauseJoinOneIncident(t *testing.T) {
	for cause, joiners := range map[bellwether.Cause][2]string{ // who joins openai-big-us, and who does not
		bellwether.CauseProvider: {"openai-small-eu", "anthropic-big-us"},
		bellwether.CauseModel:    {"openai-big-eu", "openai-small-us"},
		bellwether.CauseRegion:   {"openai-small-us", "openai-big-eu"},
		bellwether.CauseAccount:  {"openai-small-eu", "anthropic-big-us"},
		bellwether.CauseVantage:  {"anthropic-small-eu", ""},
		bellwether.CauseTarget:   {"", "openai-big-eu"},
	} {
		s := tell(t, quick()).at(0, "openai-big-us", bellwether.Failing, cause)
		want := []string{"openai-big-us"}
		if joiners[0] != "" {
			s.at(3600, joiners[0], bellwether.Down, cause) // however late: the cause says it
			want = append(want, joiners[0])
		}
		if joiners[1] != "" {
			s.at(3601, joiners[1], bellwether.Down, cause)
		}
		in := s.all()[0]
		if !slices.Equal(in.Targets, want) || in.Cause != cause {
			t.Errorf("cause %s: got %v with cause %s, want %v", cause, in.Targets, in.Cause, want)
		}
	}
}

func TestWhoFellFirstAndWasBlamedAloneBelongsToTheOutage(t *testing.T) {
	s := tell(t, quick())
	s.at(0, "openai-big-us", bellwether.Failing, bellwether.CauseTarget)
	s.at(2, "openai-big-eu", bellwether.Failing, bellwether.CauseTarget)
	s.at(5, "openai-small-us", bellwether.Down, bellwether.CauseProvider)
	s.at(6, "anthropic-big-us", bellwether.Failing, bellwether.CauseTarget)
	all := s.wantIncidents(3)
	outage, merged, other := all[0], all[1], all[2]
	if outage.State != bellwether.IncidentOpen || outage.Cause != bellwether.CauseProvider || len(outage.Targets) != 3 || outage.Title != "openai down: 3 targets" {
		t.Errorf("the outage: got %q, %v; want openai's three targets", outage.Title, outage.Targets)
	}
	if merged.State != bellwether.IncidentResolved || !strings.Contains(merged.Timeline[1].Text, outage.ID) {
		t.Errorf("the second: got %s, %v; want it closed as part of the outage", merged.State, merged.Timeline)
	}
	if other.State != bellwether.IncidentOpen || !slices.Equal(other.Targets, []string{"anthropic-big-us"}) {
		t.Errorf("the other provider: got %+v, want an incident of its own", other)
	}
}

func TestALateBlameDoesNotSwallowAnOldIncident(t *testing.T) {
	s := tell(t, quick())
	s.at(0, "openai-big-us", bellwether.Degraded, bellwether.CauseTarget)
	s.at(3600, "openai-small-eu", bellwether.Down, bellwether.CauseProvider)
	if all := s.wantIncidents(2); all[0].State != bellwether.IncidentOpen || len(all[0].Targets) != 1 {
		t.Errorf("the old incident: got %+v, want it as it was", all[0])
	}
}

func TestOurOwnFaultsAreTold(t *testing.T) {
	s := tell(t, quick())
	s.at(0, "openai-big-us", bellwether.Unknown, bellwether.CauseAccount)
	s.at(1, "openai-big-eu", bellwether.Unknown, bellwether.CauseAccount)
	s.at(2, "anthropic-big-eu", bellwether.Unknown, "") // silence alone is no incident
	if in := s.wantIncidents(1)[0]; in.Title != "our account at openai refused: 2 targets" || in.Severity != bellwether.Down {
		t.Errorf("got %q, %s; want our account, as bad as down", in.Title, in.Severity)
	}
}

func TestUnknownNeitherOpensNorResolves(t *testing.T) {
	s := tell(t, quick()).at(0, "openai-big-us", bellwether.Unknown, "")
	s.wantIncidents(0)
	s.at(10, "openai-big-us", bellwether.Degraded, "").at(20, "openai-big-us", bellwether.Unknown, "").tick(9000)
	if in := s.wantIncidents(1)[0]; in.State != bellwether.IncidentOpen {
		t.Errorf("got %s, want the incident open while nobody knows", in.State)
	}
}

func TestAnIncidentWaitsForItsVerdictToStand(t *testing.T) {
	cfg := quick()
	cfg.OpenAfter = conf.Duration(30 * time.Second)
	s := tell(t, cfg).at(0, "openai-big-us", bellwether.Degraded, "").tick(29).at(29, "openai-big-us", bellwether.Healthy, "").tick(60)
	s.wantIncidents(0)
	s.at(100, "openai-big-us", bellwether.Degraded, "").tick(135)
	if in := s.wantIncidents(1)[0]; !in.OpenedAt.Equal(t0.Add(130 * time.Second)) {
		t.Errorf("opened at %s, want 30s after the verdict", in.OpenedAt)
	}
}

func TestPeopleHearOnlyOfWhatIsSevereEnough(t *testing.T) {
	cfg := quick()
	cfg.MinSeverity = bellwether.Failing
	s := tell(t, cfg).at(0, "openai-big-us", bellwether.Degraded, "").at(5, "openai-big-us", bellwether.Healthy, "").tick(100)
	s.wantIncidents(1)
	s.wantKinds()
	s.at(200, "openai-big-us", bellwether.Degraded, "").at(210, "openai-big-us", bellwether.Failing, "").at(220, "openai-big-us", bellwether.Healthy, "").tick(300)
	s.wantKinds(alerting.KindOpened, alerting.KindResolved)
}

func TestAcknowledgingAndNotesAreKept(t *testing.T) {
	s := tell(t, quick()).at(0, "openai-big-us", bellwether.Degraded, "")
	id := s.all()[0].ID
	u, err := s.tracker.Ack(id, "ana", t0.Add(time.Minute))
	if err != nil || u.Incident.AckedBy != "ana" || len(u.Owed) != 1 || u.Owed[0].Kind != alerting.KindAcknowledged {
		t.Errorf("Ack: got %+v, %v; want ana's, and told", u, err)
	}
	if u, err = s.tracker.Ack(id, "ana", t0.Add(2*time.Minute)); err != nil || len(u.Owed) != 0 || len(u.Incident.Timeline) != 2 {
		t.Errorf("Ack again: got %+v, %v; want nothing new", u, err)
	}
	u, err = s.tracker.Annotate(id, "bo", "called the provider", t0.Add(3*time.Minute))
	if err != nil || len(u.Owed) != 0 || u.Incident.Timeline[2].Text != "called the provider" || u.Incident.Timeline[2].By != "bo" {
		t.Errorf("Annotate: got %+v, %v; want the note and nothing owed", u, err)
	}
	if _, err := s.tracker.Ack("nope", "ana", t0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Ack(nope): got %v, want fs.ErrNotExist", err)
	}
	if note := alerting.WithNote(u.Incident, "bo", "later", t0); len(note.Timeline) != 4 || len(u.Incident.Timeline) != 3 {
		t.Errorf("WithNote: changed its argument")
	}
}

func TestATimelineStaysSmall(t *testing.T) {
	s := tell(t, quick())
	for i := range 1000 {
		s.at(10*i, "openai-big-us", []bellwether.State{bellwether.Degraded, bellwether.Failing}[i%2], "")
	}
	tl := s.wantIncidents(1)[0].Timeline
	if len(tl) != 200 || tl[0].Kind != alerting.KindOpened || tl[50].Kind != "note" || !tl[199].At.Equal(t0.Add(9990*time.Second)) {
		t.Errorf("got %d entries, first %s, 51st %s, last %s", len(tl), tl[0].Kind, tl[50].Kind, tl[199].At)
	}
}

func TestARestartGoesOnWithWhatWasSaved(t *testing.T) {
	s := tell(t, quick()).at(0, "openai-big-us", bellwether.Failing, bellwether.CauseProvider).at(5, "openai-big-eu", bellwether.Down, bellwether.CauseProvider)
	s.at(50, "openai-big-eu", bellwether.Healthy, "")
	owed := len(s.owed)
	s.tracker = alerting.NewTracker(quick(), fleet(), s.all())
	// What is folded again changes nothing.
	s.at(0, "openai-big-us", bellwether.Failing, bellwether.CauseProvider).at(5, "openai-big-eu", bellwether.Down, bellwether.CauseProvider)
	s.at(50, "openai-big-eu", bellwether.Healthy, "")
	if len(s.owed) != owed {
		t.Errorf("folding again owes %q", s.kinds()[owed:])
	}
	s.at(60, "openai-small-us", bellwether.Down, bellwether.CauseProvider) // still joins
	s.at(70, "openai-big-us", bellwether.Healthy, "").at(71, "openai-small-us", bellwether.Healthy, "").tick(131)
	if in := s.wantIncidents(1)[0]; in.State != bellwether.IncidentResolved || len(in.Targets) != 3 {
		t.Errorf("got %+v, want one incident over three targets, resolved", in)
	}
	// Nor does what was resolved come back to life.
	s.tracker = alerting.NewTracker(quick(), fleet(), s.all())
	s.at(5, "openai-big-eu", bellwether.Down, bellwether.CauseProvider).tick(500)
	if got := s.tracker.Open(); len(got) != 0 {
		t.Errorf("after a restart %v is open again", got)
	}
}

func TestReconcilingClosesWhatEndedUnseenAndOpensWhatBeganUnseen(t *testing.T) {
	s := tell(t, quick()).at(0, "openai-big-us", bellwether.Failing, "")
	s.tracker = alerting.NewTracker(quick(), fleet(), s.all())
	s.take(s.tracker.Reconcile([]bellwether.Assessment{
		{Target: "openai-big-us", State: bellwether.Healthy},
		{Target: "anthropic-big-us", State: bellwether.Down, Cause: bellwether.CauseTarget},
		{Target: "anthropic-big-eu", State: bellwether.Unknown},
	}, t0.Add(100*time.Second)))
	s.tick(160)
	all := s.wantIncidents(2)
	if all[0].State != bellwether.IncidentResolved || all[1].State != bellwether.IncidentOpen || all[1].Targets[0] != "anthropic-big-us" {
		t.Errorf("got %+v, want the first resolved and the second open", all)
	}
}

func TestAKeyThatNeverWorkedIsAnIncidentAndOneThatWorksEndsIt(t *testing.T) {
	s := tell(t, quick())
	refused := bellwether.Change{Target: "openai-big-us", From: bellwether.Unknown, To: bellwether.Unknown, Cause: bellwether.CauseAccount}
	refused.At = t0.Add(5 * time.Second)
	s.take(s.tracker.Fold(refused))
	s.tick(60)
	in := s.wantIncidents(1)[0]
	if in.State != bellwether.IncidentOpen || in.Severity != bellwether.Down || in.Cause != bellwether.CauseAccount {
		t.Errorf("got %+v, want an open incident of our account", in)
	}
	s.at(70, "openai-big-us", bellwether.Unknown, "").at(80, "openai-big-us", bellwether.Healthy, "").tick(400)
	if in := s.wantIncidents(1)[0]; in.State != bellwether.IncidentResolved {
		t.Errorf("got %+v, want it resolved", in)
	}
}

func TestReconcilingSeesTheCauseOfWhatStaysUnknown(t *testing.T) {
	s := tell(t, quick()).at(0, "openai-big-us", bellwether.Unknown, "")
	s.take(s.tracker.Reconcile([]bellwether.Assessment{{Target: "openai-big-us", State: bellwether.Unknown, Cause: bellwether.CauseAccount}}, t0.Add(10*time.Second)))
	s.tick(60)
	if in := s.wantIncidents(1)[0]; in.State != bellwether.IncidentOpen {
		t.Errorf("got %+v, want it open", in)
	}
}

func TestATargetThatIsGoneHoldsUpNothing(t *testing.T) {
	s := tell(t, quick()).at(0, "openai-big-us", bellwether.Failing, "")
	s.tracker = alerting.NewTracker(quick(), fleet()[1:], s.all())
	s.tick(10)
	if in := s.wantIncidents(1)[0]; in.State != bellwether.IncidentResolved || !strings.Contains(in.Timeline[1].Text, "no longer configured") {
		t.Errorf("got %+v, want it resolved", in)
	}
}

func TestANoticeSaysWhatIsNeeded(t *testing.T) {
	s := tell(t, quick()).at(0, "openai-big-us", bellwether.Failing, bellwether.CauseProvider)
	n, err := alerting.ParseNotice(s.owed[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	target := n.Targets[0]
	if n.Link != "https://status.example/incidents/"+n.Incident.ID || target.Link != "https://status.example/targets/openai-big-us" ||
		target.Model != "big" || target.State != bellwether.Failing || len(target.Reasons) != 1 || n.Event.Kind != alerting.KindOpened {
		t.Errorf("got %+v", n)
	}
}

// steps are random changes and ticks, in order of time.
func steps(t *rapid.T) []func(*alerting.Tracker) []alerting.Update {
	states := rapid.SampledFrom([]bellwether.State{bellwether.Healthy, bellwether.Degraded, bellwether.Failing, bellwether.Down, bellwether.Recovering, bellwether.Unknown})
	causes := rapid.SampledFrom([]bellwether.Cause{"", bellwether.CauseTarget, bellwether.CauseModel, bellwether.CauseProvider, bellwether.CauseRegion, bellwether.CauseVantage, bellwether.CauseAccount})
	targets := rapid.SampledFrom(fleet())
	now := t0
	var out []func(*alerting.Tracker) []alerting.Update
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "seconds")) * time.Second)
		at := now
		if rapid.Bool().Draw(t, "tick") {
			out = append(out, func(tr *alerting.Tracker) []alerting.Update { return tr.Tick(at) })
			continue
		}
		c := bellwether.Change{At: at, Target: targets.Draw(t, "target").ID, To: states.Draw(t, "to"), Cause: causes.Draw(t, "cause")}
		out = append(out, func(tr *alerting.Tracker) []alerting.Update { return tr.Fold(c) })
	}
	return out
}

// TestInvariants holds whatever happens: a target is in one open incident at
// most, severity only rises, every incident's messages begin with opened and
// end with resolved, and no two deliveries share an id.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tracker := alerting.NewTracker(quick(), fleet(), nil)
		known := map[string]bellwether.Incident{}
		last := map[string]string{}
		ids := map[string]bool{}
		for _, step := range steps(t) {
			for _, u := range step(tracker) {
				in := u.Incident
				if before, ok := known[in.ID]; ok && (in.Severity.Severity() < before.Severity.Severity() || before.State == bellwether.IncidentResolved || len(in.Targets) < len(before.Targets)) {
					t.Fatalf("from %+v to %+v", before, in)
				}
				known[in.ID] = in
				if !slices.IsSortedFunc(in.Timeline, func(a, b bellwether.IncidentEvent) int { return a.At.Compare(b.At) }) {
					t.Fatalf("timeline out of order: %+v", in.Timeline)
				}
				for _, d := range u.Owed {
					if ids[d.ID] || last[d.Incident] == alerting.KindResolved || (last[d.Incident] == "") != (d.Kind == alerting.KindOpened) {
						t.Fatalf("delivery %s of kind %s after %q", d.ID, d.Kind, last[d.Incident])
					}
					ids[d.ID], last[d.Incident] = true, d.Kind
				}
			}
			member := map[string]bool{}
			for _, in := range tracker.Open() {
				if in.State != bellwether.IncidentOpen || in.Severity.Severity() == 0 || in.Title == "" {
					t.Fatalf("open incident %+v", in)
				}
				for _, id := range in.Targets {
					if member[id] {
						t.Fatalf("%s is in two open incidents", id)
					}
					member[id] = true
				}
			}
		}
		for id, kind := range last {
			if (known[id].State == bellwether.IncidentResolved) != (kind == alerting.KindResolved) {
				t.Fatalf("incident %s is %s, its last message %s", id, known[id].State, kind)
			}
		}
	})
}

func TestTheSameStepsGiveTheSameIncidentsAndDeliveries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := steps(t)
		a, b := alerting.NewTracker(quick(), fleet(), nil), alerting.NewTracker(quick(), fleet(), nil)
		for i, step := range all {
			if got, want := step(a), step(b); !reflect.DeepEqual(got, want) {
				t.Fatalf("step %d: %+v, then %+v", i, got, want)
			}
		}
	})
}

func ExampleTracker() {
	targets := []bellwether.Target{{ID: "gpt-us", Provider: "openai", Model: "gpt-4o", Region: "us-east"}}
	cfg := alerting.Config{Webhooks: []alerting.WebhookConfig{{Name: "ops", URL: "https://ops.example/hook"}}}
	tracker := alerting.NewTracker(cfg, targets, nil)
	at := time.Date(2026, 11, 20, 3, 12, 0, 0, time.UTC)
	for _, u := range tracker.Fold(bellwether.Change{At: at, Target: "gpt-us", From: bellwether.Healthy, To: bellwether.Degraded,
		Reasons: []bellwether.Reason{{Text: "first token 3.2x its usual"}}}) {
		fmt.Println(u.Incident.Title, "-", u.Incident.Timeline[0].Text, "-", u.Owed[0].Channel, u.Owed[0].Kind)
	}
	tracker.Fold(bellwether.Change{At: at.Add(time.Minute), Target: "gpt-us", From: bellwether.Degraded, To: bellwether.Healthy})
	for _, u := range tracker.Tick(at.Add(2 * time.Minute)) {
		fmt.Println(u.Incident.Title, "-", u.Incident.State, "-", u.Owed[0].Kind)
	}
	// Output:
	// gpt-us degraded - gpt-us is degraded: first token 3.2x its usual - webhook.ops opened
	// gpt-us degraded - resolved - resolved
}

func BenchmarkFold(b *testing.B) {
	tracker := alerting.NewTracker(quick(), fleet(), nil)
	states := []bellwether.State{bellwether.Degraded, bellwether.Healthy}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tracker.Fold(bellwether.Change{At: t0.Add(time.Duration(i) * time.Second), Target: "openai-big-us", To: states[i%2]})
	}
}
