package slack

import (
	"errors"
	"fmt"
	"time"

	"github.com/slack-go/slack"

	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// withoutRetryAfter is how long everybody waits when Slack limits us and does
// not say for how long.
const withoutRetryAfter = 30 * time.Second

// lost reports whether a message that we know of cannot be edited or read any
// more, so that a new one has to stand for it.
func lost(err error) bool {
	var se slack.SlackErrorResponse
	if !errors.As(err, &se) {
		return false
	}
	switch se.Err {
	case "message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed", "channel_not_found", "is_archived":
		return true
	}
	return false
}

// remedy says what to do about an error that will not pass by itself; "" for
// one that may.
func remedy(code string) string {
	switch code {
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "not_allowed_token_type":
		return "the token is not accepted; write a valid bot token in alerting.slack.token"
	case "missing_scope", "no_permission", "access_denied", "team_access_not_granted", "ekm_access_denied", "org_login_required":
		return "the app lacks a permission; add the scope and install it again"
	case "channel_not_found":
		return "there is no such channel for the bot; write the channel's id in alerting.slack.channel and invite the bot"
	case "not_in_channel":
		return "invite the bot to the channel"
	case "is_archived":
		return "the channel is archived; choose another in alerting.slack.channel"
	case "restricted_action", "restricted_action_read_only_channel", "restricted_action_non_threadable_channel",
		"restricted_action_thread_only_channel", "cannot_reply_to_message":
		return "the workspace does not let the bot post there"
	case "invalid_arguments", "invalid_blocks", "invalid_attachments", "msg_too_long", "invalid_metadata_format", "metadata_too_large",
		"no_text", "too_many_attachments":
		return "Slack does not take the message"
	}
	return ""
}

func (b *Bot) explain(step string, err error, harmless bool) error {
	return explain(step, err, harmless, b.secret)
}

// explain turns an error of the library into one without secrets that says
// how to go on. A step is harmless when doing it twice is.
func explain(step string, err error, harmless bool, secret conf.Secret) error {
	step = "slack: " + step
	var limited *slack.RateLimitedError
	var answer slack.SlackErrorResponse
	var status slack.StatusCodeError
	e := &alerting.SendError{}
	switch {
	case errors.As(err, &limited):
		e.RetryAfter, e.Unsent = min(max(limited.RetryAfter, time.Second), time.Hour), true
		e.Err = fmt.Errorf("%s: Slack asks to wait %s", step, limited.RetryAfter)
	case errors.As(err, &answer):
		explainAnswer(e, step, answer)
	case errors.As(err, &status):
		e.Err = fmt.Errorf("%s: Slack answers %d", step, status.Code)
		switch {
		case status.Code == 429:
			e.RetryAfter, e.Unsent = withoutRetryAfter, true
		case status.Code/100 == 3, status.Code/100 == 4:
			e.Permanent, e.Unsent = true, true
			e.Err = fmt.Errorf("%w: the address is not accepted; check alerting.slack", e.Err)
		}
	default:
		e = alerting.TransportError(step, err, secret)
	}
	e.Unsent = e.Unsent || harmless
	e.Err = errors.New(alerting.Redact(e.Err.Error(), secret))
	return e
}

// explainAnswer reads an answer with ok false. Slack says of internal_error
// and fatal_error that part of the call may have been done.
func explainAnswer(e *alerting.SendError, step string, answer slack.SlackErrorResponse) {
	e.Err = fmt.Errorf("%s: %s", step, answer.Err)
	switch answer.Err {
	case "internal_error", "fatal_error", "request_timeout", "service_unavailable":
		return
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		e.RetryAfter, e.Unsent = withoutRetryAfter, true
		return
	}
	e.Unsent = true
	if r := remedy(answer.Err); r != "" {
		e.Permanent = true
		e.Err = fmt.Errorf("%w: %s", e.Err, r)
		if answer.Needed != "" {
			e.Err = fmt.Errorf("%w (needed: %s)", e.Err, answer.Needed)
		}
	}
}
