// Package slack is the alert channel to Slack, in two modes. A [Bot] keeps one
// message an incident, edits it in place, tells the timeline in its thread, and
// can find what it has posted by the message's metadata. A [Hook] posts to an
// incoming webhook, which can neither edit nor look.
//
// Both are safe for concurrent use and start no goroutine.
package slack

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// eventType marks our messages in their metadata.
const eventType = "bellwether_incident"

const (
	maxAnswer  = 8 << 20 // bytes of an answer that are read; a page of history may be long
	maxPages   = 20      // of a listing that are read
	pageSize   = 200
	clockSlack = 10 * time.Minute // by how much Slack's clock may be behind ours
)

var channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{6,}$`)

// New returns the channel that c describes: a [Bot] with a token, a [Hook]
// with a webhook_url. The error says what is wrong with c.
func New(c alerting.SlackConfig) (alerting.Channel, error) {
	if ps := (alerting.Config{Slack: c}).Validate(); len(ps) > 0 {
		return nil, fmt.Errorf("slack: %w", ps[0])
	}
	client := alerting.HTTPClient(maxAnswer)
	switch {
	case c.WebhookURL != "":
		return &Hook{url: c.WebhookURL, client: client}, nil
	case c.Token != "":
		opts := []slack.Option{slack.OptionHTTPClient(client)}
		if c.APIURL != "" {
			opts = append(opts, slack.OptionAPIURL(strings.TrimRight(c.APIURL, "/")+"/"))
		}
		return &Bot{api: slack.New(c.Token.Reveal(), opts...), channel: c.Channel, secret: c.Token}, nil
	}
	return nil, fmt.Errorf("slack: neither token nor webhook_url is set")
}

// Bot posts with a bot's token.
type Bot struct {
	api     *slack.Client
	channel string // as configured: an id or a name
	secret  conf.Secret

	mu sync.Mutex
	id string // of the channel, once known
}

// Name implements [alerting.Channel].
func (b *Bot) Name() string { return alerting.SlackChannel }

// Send implements [alerting.Channel]. The receipt is "channel/message", with
// "/reply" added for what was told in the thread.
func (b *Bot) Send(ctx context.Context, n alerting.Notice, key string, prior []bellwether.Delivery) (string, error) {
	root, ok := rootOf(prior)
	if !ok {
		return b.post(ctx, n, key)
	}
	opened := key
	if len(prior) > 0 {
		opened = prior[0].ID
	}
	_, _, _, err := b.api.UpdateMessageContext(ctx, root.channel, root.ts, message(n, opened)...)
	if lost(err) {
		return b.post(ctx, n, key)
	}
	if err != nil {
		return "", b.explain("edit the message", err, true)
	}
	_, ts, err := b.api.PostMessageContext(ctx, root.channel, slack.MsgOptionTS(root.ts), slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionText(reply(n, prior), false), metadata(n, key))
	if err != nil {
		return "", b.explain("reply in the thread", err, false)
	}
	return root.channel + "/" + root.ts + "/" + ts, nil
}

func (b *Bot) post(ctx context.Context, n alerting.Notice, key string) (string, error) {
	channel, ts, err := b.api.PostMessageContext(ctx, b.channel, message(n, key)...)
	if err != nil {
		return "", b.explain("post to "+b.channel, err, false)
	}
	if channelID.MatchString(channel) {
		b.mu.Lock()
		b.id = channel
		b.mu.Unlock()
	}
	return channel + "/" + ts, nil
}

func message(n alerting.Notice, key string) []slack.MsgOption {
	return []slack.MsgOption{slack.MsgOptionText(headline(n.Incident), false), slack.MsgOptionAttachments(attachment(n)),
		slack.MsgOptionDisableLinkUnfurl(), metadata(n, key)}
}

func metadata(n alerting.Notice, key string) slack.MsgOption {
	return slack.MsgOptionMetadata(slack.SlackMetadata{EventType: eventType,
		EventPayload: map[string]any{"incident": n.Incident.ID, "delivery": key}})
}

// place is where an incident's message stands.
type place struct{ channel, ts string }

// rootOf returns the message that the latest of prior's receipts names.
func rootOf(prior []bellwether.Delivery) (place, bool) {
	for _, d := range slices.Backward(prior) {
		if parts := strings.Split(d.Receipt, "/"); len(parts) >= 2 && parts[0] != "" && parts[1] != "" {
			return place{parts[0], parts[1]}, true
		}
	}
	return place{}, false
}

// Find implements [alerting.Finder]: it looks for the message whose metadata
// names the delivery, in the incident's thread and in the channel.
func (b *Bot) Find(ctx context.Context, n alerting.Notice, key string, prior []bellwether.Delivery) (string, bool, error) {
	oldest := fmt.Sprintf("%d.000000", n.At.Add(-clockSlack).Unix())
	if root, ok := rootOf(prior); ok {
		ts, err := scan(key, func(cursor string) ([]slack.Message, string, error) {
			ms, _, next, err := b.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: root.channel,
				Timestamp: root.ts, Cursor: cursor, Limit: pageSize, IncludeAllMetadata: true})
			return ms, next, err
		})
		switch {
		case err != nil && !lost(err):
			return "", false, b.explain("read the thread", err, true)
		case ts == root.ts:
			return root.channel + "/" + ts, true, nil
		case ts != "":
			return root.channel + "/" + root.ts + "/" + ts, true, nil
		}
	}
	id, err := b.resolve(ctx)
	if err != nil {
		return "", false, err
	}
	ts, err := scan(key, func(cursor string) ([]slack.Message, string, error) {
		h, err := b.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: id, Oldest: oldest,
			Inclusive: true, Cursor: cursor, Limit: pageSize, IncludeAllMetadata: true})
		if err != nil {
			return nil, "", err
		}
		return h.Messages, h.ResponseMetaData.NextCursor, nil
	})
	if err != nil {
		return "", false, b.explain("read the channel's history", err, true)
	}
	return id + "/" + ts, ts != "", nil
}

// scan reads pages of messages until one carries the delivery key.
func scan(key string, page func(cursor string) ([]slack.Message, string, error)) (ts string, err error) {
	cursor := ""
	for range maxPages {
		ms, next, err := page(cursor)
		if err != nil {
			return "", err
		}
		for _, m := range ms {
			if m.Metadata.EventType == eventType && m.Metadata.EventPayload["delivery"] == key {
				return m.Timestamp, nil
			}
		}
		if next == "" {
			break
		}
		cursor = next
	}
	return "", nil
}

// resolve returns the channel's id, which reading needs and posting does not.
func (b *Bot) resolve(ctx context.Context) (string, error) {
	if channelID.MatchString(b.channel) {
		return b.channel, nil
	}
	b.mu.Lock()
	id := b.id
	b.mu.Unlock()
	if id != "" {
		return id, nil
	}
	name := strings.TrimPrefix(b.channel, "#")
	params := &slack.GetConversationsParameters{ExcludeArchived: true, Limit: pageSize, Types: []string{"public_channel", "private_channel"}}
	for range maxPages {
		channels, next, err := b.api.GetConversationsContext(ctx, params)
		if err != nil {
			return "", b.explain("look up the id of "+b.channel, err, true)
		}
		for _, c := range channels {
			if c.Name == name {
				b.mu.Lock()
				b.id = c.ID
				b.mu.Unlock()
				return c.ID, nil
			}
		}
		if params.Cursor = next; next == "" {
			break
		}
	}
	return "", &alerting.SendError{Permanent: true, Unsent: true,
		Err: fmt.Errorf("slack: no channel named %q is visible to the bot; write its id in alerting.slack.channel", b.channel)}
}

// Hook posts to an incoming webhook: what opened, got worse, or was resolved.
// It cannot tell whether a message arrived whose confirmation was lost, and
// then posts it again.
type Hook struct {
	url    conf.Secret
	client *http.Client
}

// Skipped is the receipt of what an incoming webhook leaves out.
const Skipped = "skipped"

// Name implements [alerting.Channel].
func (h *Hook) Name() string { return alerting.SlackChannel }

// Send implements [alerting.Channel].
func (h *Hook) Send(ctx context.Context, n alerting.Notice, _ string, prior []bellwether.Delivery) (string, error) {
	if n.Kind != alerting.KindOpened && n.Kind != alerting.KindResolved && !worse(n, prior) {
		return Skipped, nil
	}
	unfurl := false
	err := slack.PostWebhookCustomHTTPContext(ctx, h.url.Reveal(), h.client, &slack.WebhookMessage{Text: headline(n.Incident),
		Attachments: []slack.Attachment{attachment(n)}, UnfurlLinks: &unfurl})
	if err != nil {
		return "", explain("post to the incoming webhook", err, false, h.url)
	}
	return "posted", nil
}

// worse reports whether n is more severe than everything that was posted.
func worse(n alerting.Notice, prior []bellwether.Delivery) bool {
	said := 0
	for _, d := range prior {
		if p, err := alerting.ParseNotice(d.Payload); err == nil && d.Receipt != Skipped {
			said = max(said, p.Incident.Severity.Severity())
		}
	}
	return n.Incident.Severity.Severity() > said
}
