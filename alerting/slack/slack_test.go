package slack_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slacktest"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/alerting/channeltest"
	slackchannel "github.com/bellwether-llm/bellwether/alerting/slack"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

func TestBotConformance(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) *channeltest.Counterpart {
		w := newWorkspace(t)
		return &channeltest.Counterpart{Channel: w.bot("#llm-status"), Secrets: []string{token, "secretsecret"}, Set: w.set, Received: w.keys,
			Said: func() string {
				var b strings.Builder
				for _, m := range w.all() {
					b.WriteString(m.Text + flat(m.Attachments))
				}
				return b.String()
			}}
	})
}

func TestHookConformance(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) *channeltest.Counterpart {
		w := newWorkspace(t)
		hooked := func() []string {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.hooked)
		}
		return &channeltest.Counterpart{Channel: w.incoming(), Secrets: []string{"hooksecret123", hookPath}, Set: w.set, Keyless: true,
			Received: func() []string {
				var kinds []string
				for _, text := range hooked() {
					switch {
					case strings.Contains(text, "resolved"):
						kinds = append(kinds, alerting.KindResolved)
					case strings.Contains(text, "failing"):
						kinds = append(kinds, alerting.KindChanged)
					default:
						kinds = append(kinds, alerting.KindOpened)
					}
				}
				return kinds
			},
			Said: func() string { return strings.Join(hooked(), "\n") }}
	})
}

// tell sends a whole incident and returns its deliveries.
func tell(t *testing.T, c alerting.Channel, kinds ...string) []bellwether.Delivery {
	t.Helper()
	var prior []bellwether.Delivery
	for i, kind := range kinds {
		n, key := channeltest.Sample(kind), fmt.Sprintf("key-%d", i+1)
		receipt, err := c.Send(t.Context(), n, key, prior)
		if err != nil {
			t.Fatalf("Send(%s): %v", kind, err)
		}
		prior = append(prior, channeltest.Sent(n, key, receipt, channeltest.Payload(t, n)))
	}
	return prior
}

func TestAnIncidentIsOneMessageEditedInPlaceWithItsTimelineInTheThread(t *testing.T) {
	w := newWorkspace(t)
	tell(t, w.bot("#llm-status"), alerting.KindOpened, alerting.KindChanged, alerting.KindResolved)
	ms := w.all()
	if len(ms) != 3 {
		t.Fatalf("got %d messages, want the incident's and two replies", len(ms))
	}
	root := ms[0]
	if root.ThreadTS != "" || root.edits != 2 || !strings.Contains(root.Text, "resolved after 40m") || root.Attachments[0].Color != "#2b8a3e" {
		t.Errorf("the message: thread %q, %d edits, %q, %s; want it edited twice, resolved, green", root.ThreadTS, root.edits, root.Text, root.Attachments[0].Color)
	}
	for i, want := range []string{"one call in three fails", "healthy since"} {
		if m := ms[i+1]; m.ThreadTS != root.TS || !strings.Contains(m.Text, want) {
			t.Errorf("reply %d: thread %q, %q; want %q in the thread", i+1, m.ThreadTS, m.Text, want)
		}
	}
	if strings.Contains(ms[2].Text, "one call in three fails") {
		t.Errorf("the second reply repeats the first: %q", ms[2].Text)
	}
}

func TestColoursFollowSeverity(t *testing.T) {
	for severity, want := range map[bellwether.State]string{bellwether.Degraded: "#e6a817", bellwether.Failing: "#e8590c", bellwether.Down: "#c92a2a"} {
		w := newWorkspace(t)
		n := channeltest.Sample(alerting.KindOpened)
		n.Incident.Severity = severity
		if _, err := w.bot(room).Send(t.Context(), n, "key-1", nil); err != nil {
			t.Fatal(err)
		}
		if got := w.all()[0].Attachments[0].Color; got != want {
			t.Errorf("%s: got %s, want %s", severity, got, want)
		}
	}
}

func TestAMessageThatSomebodyDeletedIsPostedAnew(t *testing.T) {
	w := newWorkspace(t)
	bot := w.bot(room)
	prior := tell(t, bot, alerting.KindOpened)
	w.mu.Lock()
	w.messages[0].TS = "deleted"
	w.mu.Unlock()
	n := channeltest.Sample(alerting.KindResolved)
	receipt, err := bot.Send(t.Context(), n, "key-2", prior)
	if err != nil || strings.Count(receipt, "/") != 1 {
		t.Fatalf("Send: got %q, %v; want a new message", receipt, err)
	}
	finder := bot.(alerting.Finder)
	if again, ok, err := finder.Find(t.Context(), n, "key-2", prior); err != nil || !ok || again != receipt {
		t.Errorf("Find: got %q, %v, %v; want %q", again, ok, err, receipt)
	}
}

func TestErrorsOfSlackSayWhatToDo(t *testing.T) {
	for code, want := range map[string]struct {
		text string
		err  alerting.SendError
	}{
		"invalid_auth":         {"alerting.slack.token", alerting.SendError{Permanent: true, Unsent: true}},
		"channel_not_found":    {"channel's id", alerting.SendError{Permanent: true, Unsent: true}},
		"not_in_channel":       {"invite the bot", alerting.SendError{Permanent: true, Unsent: true}},
		"missing_scope":        {"needed: channels:history", alerting.SendError{Permanent: true, Unsent: true}},
		"internal_error":       {"internal_error", alerting.SendError{}},
		"fatal_error":          {"fatal_error", alerting.SendError{}},
		"ratelimited":          {"ratelimited", alerting.SendError{Unsent: true, RetryAfter: 30 * time.Second}},
		"something_of_the_day": {"something_of_the_day", alerting.SendError{Unsent: true}},
	} {
		w := newWorkspace(t)
		w.refuse("", code)
		_, err := w.bot("#llm-status").Send(t.Context(), channeltest.Sample(alerting.KindOpened), "key-1", nil)
		var se *alerting.SendError
		if !errors.As(err, &se) || se.Permanent != want.err.Permanent || se.Unsent != want.err.Unsent || se.RetryAfter != want.err.RetryAfter || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: got %v (%+v), want %q and %+v", code, err, se, want.text, want.err)
		}
	}
}

func TestAChannelsNameIsLookedUpOnceToRead(t *testing.T) {
	w := newWorkspace(t)
	finder := w.bot("#llm-status").(alerting.Finder)
	for range 3 {
		if _, ok, err := finder.Find(t.Context(), channeltest.Sample(alerting.KindOpened), "key-1", nil); err != nil || ok {
			t.Fatalf("Find: got %v, %v, want not found", ok, err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := strings.Count(strings.Join(w.calls, " "), "conversations.list"); got != 2 {
		t.Errorf("conversations.list was called %d times, want 2 (its pages, once)", got)
	}
}

func TestAnUnknownChannelNameIsClear(t *testing.T) {
	w := newWorkspace(t)
	_, _, err := w.bot("#nowhere").(alerting.Finder).Find(t.Context(), channeltest.Sample(alerting.KindOpened), "key-1", nil)
	var se *alerting.SendError
	if !errors.As(err, &se) || !se.Permanent || !strings.Contains(err.Error(), "#nowhere") {
		t.Errorf("Find: got %v, want a permanent error that names the channel", err)
	}
}

func TestAnIncomingWebhookIsSparedWhatIsNoWorse(t *testing.T) {
	w := newWorkspace(t)
	hook := w.incoming()
	prior := tell(t, hook, alerting.KindOpened, alerting.KindChanged, alerting.KindChanged, alerting.KindAcknowledged, alerting.KindResolved)
	var receipts []string
	for _, d := range prior {
		receipts = append(receipts, d.Receipt)
	}
	want := []string{"posted", "posted", slackchannel.Skipped, slackchannel.Skipped, "posted"}
	if !slices.Equal(receipts, want) {
		t.Errorf("receipts: got %q, want %q", receipts, want)
	}
	if len(w.hooked) != 3 {
		t.Errorf("got %d messages, want 3", len(w.hooked))
	}
}

// TestSlackGosOwnServerUnderstandsUs posts to the handlers that slack-go ships
// for testing, none of them ours, and reads what came of it as another client
// of that server does.
func TestSlackGosOwnServerUnderstandsUs(t *testing.T) {
	srv := slacktest.NewTestServer()
	srv.Start()
	defer srv.Stop()
	rtm := srv.GetTestRTMInstance()
	ended := make(chan struct{})
	go func() { defer close(ended); rtm.ManageConnection() }()
	defer func() {
		_ = rtm.Disconnect()
		for {
			select {
			case <-rtm.IncomingEvents:
			case <-ended:
				return
			}
		}
	}()
	c, err := slackchannel.New(alerting.SlackConfig{Token: token, Channel: room, APIURL: srv.GetAPIURL()})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := c.Send(t.Context(), channeltest.Sample(alerting.KindOpened), "key-1", nil)
	if err != nil || !strings.HasPrefix(receipt, room+"/") {
		t.Fatalf("Send: got %q, %v", receipt, err)
	}
	for e := range rtm.IncomingEvents {
		m, ok := e.Data.(*slack.MessageEvent)
		if !ok {
			continue
		}
		if want := ":large_yellow_circle: *openai degraded: 2 targets*"; m.Text != want || len(m.Attachments) != 1 || len(m.Attachments[0].Blocks.BlockSet) != 3 {
			t.Errorf("slacktest passed on %q with %d attachments, want %q and one of three blocks", m.Text, len(m.Attachments), want)
		}
		return
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string]alerting.SlackConfig{
		"nothing":            {},
		"no channel":         {Token: token},
		"both":               {Token: token, Channel: room, WebhookURL: "https://hooks.slack.com/x"},
		"an address as hook": {WebhookURL: conf.Secret("hooks.slack.com/" + token)},
	} {
		if _, err := slackchannel.New(c); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("New(%s): got %v, want an error without the secret", name, err)
		}
	}
}

func ExampleNew() {
	c, err := slackchannel.New(alerting.SlackConfig{Token: "xoxb-...", Channel: "#llm-status"})
	_, canFind := c.(alerting.Finder)
	fmt.Println(c.Name(), err, canFind)
	// Output: slack <nil> true
}
