package alerting_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

func TestValidateFindsEverythingAtOnceAndRepeatsNoSecret(t *testing.T) {
	const secret = "s3cr3t-value"
	cfg := alerting.Config{
		Slack: alerting.SlackConfig{Token: secret + " x", WebhookURL: "hooks.slack.com/" + secret, APIURL: "slack"},
		Webhooks: []alerting.WebhookConfig{{Name: "ops", URL: "https://ops.example"}, {Name: "ops", URL: "https://u:" + secret + "@ops.example"},
			{Name: "No!", URL: secret, Headers: map[string]conf.Secret{"a b": secret, "content-type": secret, "X-Y": secret + "\nz"}}},
		OpenAfter: conf.Duration(-1), ResolveAfter: conf.Duration(48 * time.Hour), GroupWindow: conf.Duration(-1),
		MinSeverity: "terrible", PublicURL: "status.example",
	}
	var paths []string
	for _, p := range cfg.Validate() {
		paths = append(paths, p.Path)
		if strings.Contains(p.Error(), secret) {
			t.Errorf("problem %q holds the secret", p.Error())
		}
		if p.Remedy == "" {
			t.Errorf("problem %q says not what to do", p.Error())
		}
	}
	want := []string{"slack", "slack.token", "slack.webhook_url", "slack.api_url", "webhooks[1].url", "webhooks[1].name", "webhooks[2].name",
		"webhooks[2].url", "webhooks[2].headers", "webhooks[2].headers", "webhooks[2].headers", "open_after", "resolve_after", "group_window", "min_severity", "public_url"}
	if !slices.Equal(paths, want) {
		t.Errorf("problems at\n%q, want\n%q", paths, want)
	}
}

func TestTheZeroConfigIsValidAndTellsNobody(t *testing.T) {
	if ps := (alerting.Config{}).Validate(); len(ps) != 0 {
		t.Errorf("Validate: got %v, want nothing", ps)
	}
	if names := (alerting.Config{}).Channels(); len(names) != 0 {
		t.Errorf("Channels: got %q, want none", names)
	}
}

func TestRedactFindsSecretsHoweverTheyAreWritten(t *testing.T) {
	secret := conf.Secret("https://hooks.example/services/T0/B0/a b+c?k=v&z")
	u, err := url.Parse(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{secret.Reveal(), u.String(), u.Path, u.RequestURI(), url.QueryEscape(secret.Reveal()), u.RawQuery} {
		if got := alerting.Redact("post "+s+": refused", secret); strings.Contains(got, "B0") || strings.Contains(got, "k=v") {
			t.Errorf("Redact(%q): got %q", s, got)
		}
	}
}

func TestTransportErrorsNameNoAddress(t *testing.T) {
	err := alerting.TransportError("ops: post", &url.Error{Op: "Post", URL: "https://ops.example/token", Err: errors.New("unexpected EOF")})
	if got := err.Error(); got != "ops: post: unexpected EOF" || err.Unsent {
		t.Errorf("got %q, unsent %v; want the cause alone, and no claim", got, err.Unsent)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "-1", "99999999999", "Fri, 20 Nov 2026 03:12:00 GMT", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := alerting.RetryAfter(http.Header{"Retry-After": {s}}, t0); d < 0 || d > time.Hour {
			t.Errorf("RetryAfter(%q): got %s, want 0 to 1h", s, d)
		}
	})
}

func ExampleConfig_Validate() {
	cfg := alerting.Config{Slack: alerting.SlackConfig{Token: "xoxb-..."}}
	for _, p := range cfg.Validate() {
		fmt.Println(p)
	}
	// Output: slack.channel: a token needs a channel to post to: write the channel's id, or its name as "#llm-status"
}
