// Package webhook is the alert channel that speaks to whatever takes JSON over
// HTTP: one POST a message, signed, with an idempotency key.
//
// The body is an alerting.Notice with the delivery's id beside its fields. Any
// 2xx confirms it; 410 ends it; 429 and 503 may say how long to wait. A
// message whose confirmation was lost is posted again under the same key, so
// receivers that act on messages should remember keys. It starts no goroutine.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// The headers of a request.
const (
	HeaderSignature = "X-Bellwether-Signature" // "sha256=" and the hex HMAC-SHA256 of the body
	HeaderEvent     = "X-Bellwether-Event"     // the notice's kind
	HeaderKey       = "Idempotency-Key"        // the delivery's id, the same on every attempt
)

const maxAnswer = 16 << 10 // bytes of an answer that are read

// Message is the body of a request.
type Message struct {
	ID string `json:"id"` // the delivery's id
	alerting.Notice
}

// Channel posts to one receiver. It is safe for concurrent use.
type Channel struct {
	name    string
	config  alerting.WebhookConfig
	client  *http.Client
	secrets []conf.Secret
}

// New returns a channel for c. The error lists what is wrong with c.
func New(c alerting.WebhookConfig) (*Channel, error) {
	if ps := (alerting.Config{Webhooks: []alerting.WebhookConfig{c}}).Validate(); len(ps) > 0 {
		return nil, fmt.Errorf("webhook %s: %w", c.Name, ps[0])
	}
	ch := &Channel{name: alerting.WebhookChannel(c.Name), config: c, client: alerting.HTTPClient(maxAnswer),
		secrets: []conf.Secret{c.URL, c.Secret}}
	for _, v := range c.Headers {
		ch.secrets = append(ch.secrets, v)
	}
	return ch, nil
}

// Name implements [alerting.Channel].
func (c *Channel) Name() string { return c.name }

// Send implements [alerting.Channel]. There is no receipt.
func (c *Channel) Send(ctx context.Context, n alerting.Notice, key string, _ []bellwether.Delivery) (string, error) {
	body, err := json.Marshal(Message{ID: key, Notice: n})
	if err != nil {
		return "", &alerting.SendError{Err: fmt.Errorf("%s: encode: %w", c.name, err), Unsent: true, Gone: true}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return "", alerting.TransportError(c.name, err, c.secrets...)
	}
	for k, v := range c.config.Headers {
		req.Header.Set(k, v.Reveal())
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "bellwether")
	req.Header.Set(HeaderEvent, n.Kind)
	req.Header.Set(HeaderKey, key)
	if c.config.Secret != "" {
		req.Header.Set(HeaderSignature, Sign(c.config.Secret.Reveal(), body))
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return "", alerting.TransportError(c.name+": post", err, c.secrets...)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body) // bounded by the client; only for people
	if resp.StatusCode/100 == 2 {
		return "", nil
	}
	return "", c.refused(resp, answer)
}

// refused says what an answer other than 2xx means.
func (c *Channel) refused(resp *http.Response, answer []byte) error {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(answer), "")), " ")
	if text = alerting.Redact(text, c.secrets...); len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	if text != "" {
		text = ": " + text
	}
	e := &alerting.SendError{RetryAfter: alerting.RetryAfter(resp.Header, time.Now())}
	code := resp.StatusCode
	switch {
	case code == http.StatusGone:
		e.Gone, e.Unsent = true, true
		e.Err = fmt.Errorf("%s: the receiver answers 410: it wants no more messages%s", c.name, text)
		return e
	case code/100 == 3:
		e.Permanent, e.Unsent = true, true
		e.Err = fmt.Errorf("%s: the receiver redirects elsewhere (%d); write the new address as its url", c.name, code)
		return e
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		e.Unsent = true
	case code/100 == 4:
		e.Permanent, e.Unsent = true, true
	}
	e.Err = fmt.Errorf("%s: the receiver answers %d%s", c.name, code, text)
	return e
}

// Sign returns the signature header's value for a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Verify reports whether header is the signature of body, in constant time.
// It is for receivers written in Go.
func Verify(secret string, body []byte, header string) bool {
	return hmac.Equal([]byte(Sign(secret, body)), []byte(header))
}
