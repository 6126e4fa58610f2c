package llm

import (
	"net/http"
	"strings"

	"github.com/bellwether-llm/bellwether"
)

// maxMessage bounds the message of an [Error], in bytes.
const maxMessage = 500

// Error says what the provider said, with its status where there was one.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Outcome))
	for _, s := range []string{e.Type, e.Code, e.Message} {
		if s != "" {
			b.WriteString(": ")
			b.WriteString(s)
		}
	}
	return b.String()
}

// HTTPStatus returns the status that answers e: the provider's own where it
// said one, else the usual one for the outcome.
func (e *Error) HTTPStatus() int {
	if e.Status >= 400 && e.Status <= 599 {
		return e.Status
	}
	return standardOf(e.Outcome).status
}

func (c openAI) Error(status int, h http.Header, body []byte) *Error {
	return classify(c.p, status, h, body)
}

// classify turns a provider's refusal into an Error, by the words of its body
// first and by its status where they say nothing. Never nil.
func classify(p Protocol, status int, h http.Header, body []byte) *Error {
	w := parseWords(body)
	e := &Error{Status: status, Dialect: p.dialect()}
	if status >= 200 && status < 300 && w.status != 0 {
		status = w.status // an error inside a 200 that says its own
	}
	e.Type, e.Code = cut(redact(w.typ), 100), cut(redact(w.code), 100)
	e.Message = cut(redact(w.message), maxMessage)
	lower := strings.ToLower(w.message)
	e.Outcome = outcomeOf(status, w, lower)
	if e.Outcome != bellwether.RateLimited && status < 500 {
		e.Policy = policyRule().fits(w, lower)
		e.Context = !e.Policy && (contextRule().fits(w, lower) || status == http.StatusRequestEntityTooLarge)
	}
	if (e.Policy || e.Context) && (e.Outcome == bellwether.ServerError || e.Outcome == bellwether.Blocked) {
		e.Outcome = bellwether.ClientError
	}
	e.RetryAfter = retryAfter(h, w, e.Outcome)
	if e.Outcome == bellwether.RateLimited {
		e.OwnLimit = limitSpent(h) || w.ownLimit
	}
	return e
}

// rule gives the outcome of errors that hold one of words as type, code, status
// or reason, or one of phrases in their message.
type rule struct {
	outcome bellwether.Outcome
	words   []string
	phrases []string
	below   int // only for statuses below; 0: for all
}

// rules returns the rules in order: the first that fits decides. Words are
// compared without regard to case; phrases are lower case.
func rules() []rule {
	return []rule{
		{outcome: bellwether.NoCredit,
			words: []string{"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error",
				"credit_balance_too_low", "insufficient_balance", "insufficient_credits"},
			phrases: []string{"credit balance is too low", "insufficient balance", "insufficient credits",
				"credits are depleted", "specified api usage limits", "used all available credits", "monthly spending limit"}},
		{outcome: bellwether.AuthError, below: 500,
			words: []string{"invalid_api_key", "authentication_error", "permission_error", "api_key_invalid", "permission_denied",
				"unauthenticated", "api_key_expired", "api_key_service_blocked", "account_deactivated", "consumer_suspended",
				"invalid_organization", "incorrect_hostname", "insufficient_permissions"},
			phrases: []string{"api key not valid", "incorrect api key", "invalid subscription key", "api key not found", "api key expired"}},
		{outcome: bellwether.Blocked, below: 500,
			words:   []string{"unsupported_country_region_territory"},
			phrases: []string{"user location is not supported", "country, region, or territory not supported"}},
		{outcome: bellwether.Gone, below: 500,
			words: []string{"model_not_found", "not_found_error", "deploymentnotfound", "model_decommissioned", "invalid_model",
				"model_deprecated", "modeldeprecated", "unknown_model", "model_not_available"}},
		{outcome: bellwether.Overloaded,
			words:   []string{"overloaded_error", "engine_overloaded", "server_overloaded", "model_overloaded", "unavailable"},
			phrases: []string{"currently overloaded", "is overloaded", "at capacity"}},
		{outcome: bellwether.RateLimited, below: 500,
			words: []string{"rate_limit_error", "rate_limit_exceeded", "resource_exhausted", "ratelimitreached", "too_many_requests"}},
	}
}

// policyRule and contextRule set the flags of errors about the request.
func policyRule() rule {
	return rule{
		words: []string{"content_filter", "content_policy_violation", "responsibleaipolicyviolation", "invalid_prompt",
			"moderation_blocked", "data_inspection_failed"},
		phrases: []string{"content management policy", "usage policy", "content filtering policy", "safety system",
			"requires moderation", "content policy"},
	}
}

func contextRule() rule {
	return rule{
		words: []string{"context_length_exceeded", "exceed_context_size_error", "request_too_large"},
		phrases: []string{"maximum context length", "prompt is too long", "exceeds the maximum number of tokens",
			"context window", "exceed context limit", "input is too long", "available context size", "context length"},
	}
}

// fits reports whether the body's words or message, in lower case, fit r.
func (r rule) fits(w words, lower string) bool {
	return w.any(r.words) || containsAny(lower, r.phrases)
}

// outcomeOf is the table of outcomes: words first, then the status.
func outcomeOf(status int, w words, lower string) bellwether.Outcome {
	for _, r := range rules() {
		if r.below != 0 && status >= r.below {
			continue
		}
		if r.outcome == bellwether.Overloaded && status >= 400 && status < 429 {
			continue
		}
		if r.fits(w, lower) {
			return r.outcome
		}
	}
	switch {
	case status == 401:
		return bellwether.AuthError
	case status == 402:
		return bellwether.NoCredit
	case status == 403, status == 405, status == 407, status == 451, status >= 300 && status < 400:
		return bellwether.Blocked
	case status == 404 && strings.HasPrefix(lower, "invalid url"):
		return bellwether.ClientError // our path is wrong, not the model gone
	case status == 404, status == 410:
		return bellwether.Gone
	case status == 408:
		return bellwether.Timeout
	case status == 429:
		return bellwether.RateLimited
	case status == 503, status == 529:
		return bellwether.Overloaded
	case status >= 400 && status < 500:
		return bellwether.ClientError
	case w.any([]string{"invalid_request_error", "invalid_argument", "badrequesterror", "failed_precondition", "request_too_large"}):
		return bellwether.ClientError // inside a 200
	}
	return bellwether.ServerError
}

func containsAny(s string, phrases []string) bool {
	for _, p := range phrases {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// standard is how one outcome is commonly put into words.
type standard struct {
	status            int
	openAIType        string
	openAICode        string
	anthropic, gemini string
	geminiReason      string
}

// standardOf returns the words for o. Outcomes that no provider would say are
// a server's error.
func standardOf(o bellwether.Outcome) standard {
	switch o {
	case bellwether.AuthError:
		return standard{401, "invalid_request_error", "invalid_api_key", "authentication_error", "UNAUTHENTICATED", ""}
	case bellwether.NoCredit:
		return standard{402, "insufficient_quota", "insufficient_quota", "billing_error", "FAILED_PRECONDITION", "BILLING_DISABLED"}
	case bellwether.Blocked:
		return standard{403, "request_forbidden", "", "forbidden", "FORBIDDEN", ""}
	case bellwether.Gone:
		return standard{404, "invalid_request_error", "model_not_found", "not_found_error", "NOT_FOUND", ""}
	case bellwether.RateLimited:
		return standard{429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED", ""}
	case bellwether.Overloaded:
		return standard{503, "server_error", "overloaded_error", "overloaded_error", "UNAVAILABLE", ""}
	case bellwether.Timeout, bellwether.FirstTokenTimeout, bellwether.Stalled:
		return standard{408, "timeout", "timeout", "timeout_error", "DEADLINE_EXCEEDED", ""}
	case bellwether.ClientError:
		return standard{400, "invalid_request_error", "", "invalid_request_error", "INVALID_ARGUMENT", ""}
	}
	return standard{500, "server_error", "", "api_error", "INTERNAL", ""}
}

// words returns the type and code to write e with in dialect p: its own where
// they are of that dialect or of nobody's, else the usual ones.
func (e *Error) words(p Protocol) (typ, code string) {
	if e.Type != "" && (e.Dialect == "" || e.Dialect == p) {
		return e.Type, e.Code
	}
	s := standardOf(e.Outcome)
	switch {
	case p == Anthropic && e.Status == http.StatusRequestEntityTooLarge:
		return "request_too_large", ""
	case p == Anthropic:
		return s.anthropic, ""
	case p == Gemini:
		return s.gemini, s.geminiReason
	case e.Context:
		return s.openAIType, "context_length_exceeded"
	case e.Policy:
		return s.openAIType, "content_filter"
	}
	return s.openAIType, s.openAICode
}
