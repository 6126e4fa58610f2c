package alerting

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// The defaults of [Config].
const (
	DefaultResolveAfter = 60 * time.Second
	DefaultGroupWindow  = 60 * time.Second
)

// Config is the alerting section: when an incident opens and resolves, and who
// is told. Its zero value keeps incidents and tells nobody.
type Config struct {
	// Slack sends to one Slack channel. Left out: off.
	Slack SlackConfig `yaml:"slack"`
	// Webhooks receive every message as a JSON POST.
	Webhooks []WebhookConfig `yaml:"webhooks"`
	// OpenAfter is how long an ill verdict must stand before an incident opens.
	// Default 0s: verdicts have their own hysteresis.
	OpenAfter conf.Duration `yaml:"open_after"`
	// ResolveAfter is how long all targets must have been healthy before their
	// incident resolves; a relapse within it belongs to the same incident.
	// Default 60s, which 0 means too.
	ResolveAfter conf.Duration `yaml:"resolve_after"`
	// GroupWindow is how far apart in time targets may fall and still be one
	// incident when only some of them are blamed on what they share (a
	// provider, a region, a model). Targets with the very same cause join for
	// as long as the incident is open. Default 60s, which 0 means too.
	GroupWindow conf.Duration `yaml:"group_window"`
	// MinSeverity is the least severity that people are told of: degraded
	// (default), failing or down. Milder incidents are kept and not sent.
	MinSeverity bellwether.State `yaml:"min_severity"`
	// PublicURL is where people reach the dashboard, for links in messages:
	// "https://status.example.com". Default: no links.
	PublicURL string `yaml:"public_url"`
}

// SlackConfig names a Slack channel: by bot token (one message an incident,
// edited in place, with its timeline in the thread) or by incoming webhook
// (new messages only). The bot needs the scopes chat:write, channels:history
// (groups:history for a private channel) and, where channel is a name and not
// an id, channels:read (groups:read).
type SlackConfig struct {
	// Token is the bot's token, "xoxb-...".
	Token conf.Secret `yaml:"token"`
	// Channel is the channel's id ("C0123456789") or name ("#llm-status"); the
	// id survives renaming. Needed with token.
	Channel string `yaml:"channel"`
	// WebhookURL is an incoming webhook, in place of token and channel.
	WebhookURL conf.Secret `yaml:"webhook_url"`
	// APIURL replaces Slack's own API address, for proxies and tests. Default
	// "https://slack.com/api/".
	APIURL string `yaml:"api_url"`
}

// Enabled reports whether c names anything to send to.
func (c SlackConfig) Enabled() bool { return c.Token != "" || c.WebhookURL != "" }

// WebhookConfig is one receiver of JSON messages.
type WebhookConfig struct {
	// Name tells webhooks apart, in logs and in the outbox; a slug.
	Name string `yaml:"name"`
	// URL receives the POST; http or https. Kept secret, as many such URLs
	// hold a token.
	URL conf.Secret `yaml:"url"`
	// Secret signs the body: header x-bellwether-signature holds "sha256=" and
	// the hex HMAC-SHA256. Left out: unsigned.
	Secret conf.Secret `yaml:"secret"`
	// Headers are sent with every request, such as Authorization.
	Headers map[string]conf.Secret `yaml:"headers"`
}

// Channels returns the names of the channels that c sets up, in a fixed order.
func (c Config) Channels() []string {
	var names []string
	if c.Slack.Enabled() {
		names = append(names, SlackChannel)
	}
	for _, w := range c.Webhooks {
		names = append(names, WebhookChannel(w.Name))
	}
	return names
}

// SlackChannel is the name of the Slack channel in the outbox.
const SlackChannel = "slack"

// WebhookChannel returns the name in the outbox of the webhook called name.
func WebhookChannel(name string) string { return "webhook." + name }

func (c Config) resolveAfter() time.Duration {
	if c.ResolveAfter == 0 {
		return DefaultResolveAfter
	}
	return c.ResolveAfter.Std()
}

func (c Config) groupWindow() time.Duration {
	if c.GroupWindow == 0 {
		return DefaultGroupWindow
	}
	return c.GroupWindow.Std()
}

// told reports whether people are to hear of an incident of severity s.
func (c Config) told(s bellwether.State) bool {
	return s.Severity() >= max(1, c.MinSeverity.Severity())
}

// Validate returns everything that is wrong with c, with paths from the
// section's root.
func (c Config) Validate() []conf.Problem {
	ps := c.Slack.validate()
	seen := map[string]int{}
	for i, w := range c.Webhooks {
		path := fmt.Sprintf("webhooks[%d]", i)
		ps = append(ps, w.validate(path)...)
		if first, ok := seen[w.Name]; ok && w.Name != "" {
			ps = append(ps, conf.Problem{Path: path + ".name", Remedy: "give each webhook a name of its own",
				Text: fmt.Sprintf("%q is already the name of webhooks[%d]", w.Name, first)})
		} else {
			seen[w.Name] = i
		}
	}
	ps = append(ps, within("open_after", c.OpenAfter)...)
	ps = append(ps, within("resolve_after", c.ResolveAfter)...)
	ps = append(ps, within("group_window", c.GroupWindow)...)
	if c.MinSeverity != "" && c.MinSeverity.Severity() == 0 {
		ps = append(ps, conf.Problem{Path: "min_severity", Remedy: "write degraded, failing or down",
			Text: fmt.Sprintf("%q is not a severity", c.MinSeverity)})
	}
	if c.PublicURL != "" {
		ps = append(ps, checkURL("public_url", c.PublicURL, "write the dashboard's address, such as https://status.example.com")...)
	}
	return ps
}

func (c SlackConfig) validate() []conf.Problem {
	var ps []conf.Problem
	switch {
	case c.Token != "" && c.WebhookURL != "":
		ps = append(ps, conf.Problem{Path: "slack", Text: "both token and webhook_url are set",
			Remedy: "keep the token (one message an incident, edited in place) or the webhook_url (new messages only)"})
	case c.Token != "" && c.Channel == "":
		ps = append(ps, conf.Problem{Path: "slack.channel", Text: "a token needs a channel to post to",
			Remedy: `write the channel's id, or its name as "#llm-status"`})
	case c.Token == "" && c.WebhookURL == "" && (c.Channel != "" || c.APIURL != ""):
		ps = append(ps, conf.Problem{Path: "slack", Text: "neither token nor webhook_url is set",
			Remedy: `write token: "${SLACK_BOT_TOKEN}", or leave slack out`})
	}
	if strings.ContainsAny(c.Token.Reveal(), " \t\r\n") {
		ps = append(ps, conf.Problem{Path: "slack.token", Text: "holds white space", Remedy: "write the token alone"})
	}
	if c.WebhookURL != "" {
		ps = append(ps, checkURL("slack.webhook_url", c.WebhookURL.Reveal(), "write the address that Slack gave, https://hooks.slack.com/services/...")...)
	}
	if c.APIURL != "" {
		ps = append(ps, checkURL("slack.api_url", c.APIURL, "leave it out to use Slack itself")...)
	}
	return ps
}

func (w WebhookConfig) validate(path string) []conf.Problem {
	var ps []conf.Problem
	if !bellwether.ValidID(w.Name) {
		ps = append(ps, conf.Problem{Path: path + ".name", Text: fmt.Sprintf("%q is not a name", w.Name),
			Remedy: "use lower-case letters, digits, '.', '_' and '-'"})
	}
	ps = append(ps, checkURL(path+".url", w.URL.Reveal(), "write the receiver's address, such as https://example.com/hook")...)
	for _, k := range slices.Sorted(maps.Keys(w.Headers)) {
		v := w.Headers[k]
		if k == "" || strings.ContainsAny(k, " \t\r\n:") || strings.ContainsAny(v.Reveal(), "\r\n\x00") {
			ps = append(ps, conf.Problem{Path: path + ".headers", Text: fmt.Sprintf("%q is not a usable header", k),
				Remedy: "write a header name without spaces or colons, and a value on one line"})
		}
		switch http.CanonicalHeaderKey(k) {
		case "Content-Type", "Content-Length", "Host", "Idempotency-Key", "X-Bellwether-Signature":
			ps = append(ps, conf.Problem{Path: path + ".headers", Text: fmt.Sprintf("%q is set by Bellwether itself", k),
				Remedy: "remove it"})
		}
	}
	return ps
}

// checkURL never repeats raw, which may hold a token.
func checkURL(path, raw, remedy string) []conf.Problem {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return []conf.Problem{{Path: path, Text: "is not an http or https address", Remedy: remedy}}
	}
	if u.User != nil {
		return []conf.Problem{{Path: path, Text: "holds a user or password", Remedy: "send them in an Authorization header instead"}}
	}
	return nil
}

// within refuses durations that can only be mistakes.
func within(path string, d conf.Duration) []conf.Problem {
	if d < 0 || d.Std() > 24*time.Hour {
		return []conf.Problem{{Path: path, Text: fmt.Sprintf("%s is out of range", d.Std()), Remedy: "write between 0s and 24h"}}
	}
	return nil
}
