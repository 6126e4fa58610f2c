package llm

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// words is what an error body says, whatever its shape.
type words struct {
	typ, code string
	status    int      // a numeric code that is an HTTP status; else 0
	others    []string // further reasons, lower case
	message   string
	retry     time.Duration
	ownLimit  bool
}

// any reports whether the body says one of list, regardless of case.
func (w words) any(list []string) bool {
	return slices.Contains(list, strings.ToLower(w.typ)) && w.typ != "" ||
		slices.Contains(list, strings.ToLower(w.code)) && w.code != "" ||
		slices.ContainsFunc(w.others, func(o string) bool { return slices.Contains(list, o) })
}

// errorBody is the union of the shapes in which providers write errors. They do
// not collide: OpenAI {error: {message, type, param, code}}, Anthropic {type:
// error, error: {type, message}}, Gemini {error: {code, message, status,
// details}} or a list of one, Azure with innererror, bare {message, type, code}
// (vLLM), {detail} (FastAPI), {error: "text"} (Ollama).
type errorBody struct {
	Type    json.RawMessage `json:"type"`
	Code    json.RawMessage `json:"code"`
	Status  json.RawMessage `json:"status"`
	Message json.RawMessage `json:"message"`
	Detail  json.RawMessage `json:"detail"`
	Error   json.RawMessage `json:"error"`
	Inner   struct {
		Code string `json:"code"`
	} `json:"innererror"`
	Details json.RawMessage `json:"details"`
}

type errorDetail struct {
	Kind       string          `json:"@type"`
	Reason     string          `json:"reason"`
	RetryDelay string          `json:"retryDelay"`
	Violations json.RawMessage `json:"violations"`
}

// parseWords reads an error body. What is no JSON becomes the message; of a
// page of HTML only its title.
func parseWords(body []byte) words {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' {
		var list []json.RawMessage
		if json.Unmarshal(body, &list) == nil && len(list) > 0 {
			body = list[0]
		}
	}
	var b errorBody
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, &b) != nil {
		return words{message: plainMessage(body)}
	}
	if s, ok := unquote(b.Error); ok && s != "" {
		w := b.words()
		w.others = append(w.others, strings.ToLower(s))
		if w.message == "" {
			w.message = s
		}
		return w
	}
	if len(b.Error) > 0 && b.Error[0] == '{' {
		var inner errorBody
		if json.Unmarshal(b.Error, &inner) == nil {
			return inner.words()
		}
	}
	w := b.words()
	if w.message == "" {
		w.message = plainMessage(body)
	}
	return w
}

func (b errorBody) words() words {
	w := words{typ: scalar(b.Type), code: scalar(b.Code), message: scalar(b.Message)}
	if s, ok := unquote(b.Status); ok && w.typ == "" {
		w.typ = s
	}
	if n, err := strconv.Atoi(w.code); err == nil && n >= 400 && n <= 599 {
		w.status, w.code = n, "" // a status is no word
	}
	if w.message == "" {
		w.message = scalar(b.Detail)
	}
	if b.Inner.Code != "" {
		w.others = append(w.others, strings.ToLower(b.Inner.Code))
	}
	var details []errorDetail
	if json.Unmarshal(b.Details, &details) == nil {
		w.addDetails(details)
	}
	switch strings.ToLower(w.typ) {
	case "tokens", "requests": // OpenAI: which of the organisation's limits it was
		w.ownLimit = true
	}
	return w
}

// addDetails reads google.rpc details: reasons, and when to come again.
func (w *words) addDetails(details []errorDetail) {
	for _, d := range details {
		if d.Reason != "" {
			w.others = append(w.others, strings.ToLower(d.Reason))
			if w.code == "" {
				w.code = d.Reason
			}
		}
		if s, err := time.ParseDuration(d.RetryDelay); err == nil {
			w.retry = s
		}
		if strings.HasSuffix(d.Kind, "QuotaFailure") && !isEmpty(d.Violations) {
			w.ownLimit = true
		}
	}
}

// scalar returns raw as text: a string's content, a number's digits, else the
// JSON itself. Null is "".
func scalar(raw []byte) string {
	if s, ok := unquote(raw); ok {
		return s
	}
	if isNull(raw) {
		return ""
	}
	return string(raw)
}

var htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// plainMessage makes a message of a body that is not JSON.
func plainMessage(body []byte) string {
	body = body[:min(len(body), 8<<10)]
	if len(body) > 0 && body[0] == '<' {
		if m := htmlTitle.FindSubmatch(body); m != nil {
			return "a page: " + strings.Join(strings.Fields(string(m[1])), " ")
		}
		return "a page without a title"
	}
	return strings.Join(strings.Fields(string(body)), " ")
}

// keyPattern fits what looks like a credential: what follows "key:" or
// "Bearer" (which group 1 keeps), known prefixes, JSON web tokens, and long
// runs of letters and digits (Azure's keys).
var keyPattern = regexp.MustCompile(
	`((?i:\b(?:bearer|api[-_ ]?key(?: provided)?|token|subscription[-_ ]key)"?\s*[:=]\s*"?(?:bearer\s+)?))[^\s"',;]{4,}` +
		`|((?i:\bbearer\s+))[^\s"',;]{8,}` +
		`|\b(?:sk|pk|rk|gsk|xai|pplx|hf|r8|nvapi|AKIA|ya29)[-_.][A-Za-z0-9_*.\-]{3,}` +
		`|\bAIza[A-Za-z0-9_*\-]{4,}|\beyJ[A-Za-z0-9_\-]{8,}[A-Za-z0-9_.\-]*` +
		`|\b[A-Za-z0-9]{32,}\b`)

// redact replaces what looks like a credential.
func redact(s string) string {
	return keyPattern.ReplaceAllString(strings.ToValidUTF8(s[:min(len(s), 8<<10)], "\uFFFD"), "${1}${2}[redacted]")
}

// Redact replaces key, and whatever looks like a credential, in text of a
// provider's that is to be shown or kept.
func Redact(s string, key conf.Secret) string {
	if k := key.Reveal(); len(k) >= 4 {
		s = strings.ReplaceAll(s, k, "[redacted]")
	}
	return redact(s)
}

// maxRetryAfter bounds what a provider may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns when the provider asks to be asked again: its explicit
// word, else for rate limits the reset of the limits that are spent. HTTP dates
// count from the answer's own Date, so that clocks need not agree.
func retryAfter(h http.Header, w words, o bellwether.Outcome) time.Duration {
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil {
		return bounded(ms / 1000)
	}
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if s, err := strconv.ParseFloat(v, 64); err == nil {
			return bounded(s)
		}
		if at, err := http.ParseTime(v); err == nil {
			return until(h, at)
		}
	}
	if w.retry > 0 {
		return min(w.retry, maxRetryAfter)
	}
	if o != bellwether.RateLimited {
		return 0
	}
	return LimitsSpent(h)
}

// limitHeader is a pair of headers that tell how much of a limit is left.
type limitHeader struct{ remaining, reset string }

func limitHeaders() []limitHeader {
	return []limitHeader{
		{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
		{"X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
		{"X-Ratelimit-Remaining", "X-Ratelimit-Reset"},
		{"Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
		{"Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
		{"Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"},
		{"Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"},
	}
}

// limitSpent reports whether a limit of ours has nothing left.
func limitSpent(h http.Header) bool {
	return slices.ContainsFunc(limitHeaders(), func(l limitHeader) bool { return spent(h.Get(l.remaining)) })
}

func spent(remaining string) bool {
	if remaining == "" {
		return false // most answers say nothing; an error of strconv's costs
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(remaining), 64)
	return err == nil && n <= 0
}

// resetIn reads "1s", "6m0s", "20ms", seconds, an RFC 3339 time, or a Unix time
// in seconds or milliseconds.
func resetIn(h http.Header, v string) time.Duration {
	v = strings.TrimSpace(v)
	if d, err := time.ParseDuration(v); err == nil {
		return bounded(d.Seconds())
	}
	if at, err := time.Parse(time.RFC3339, v); err == nil {
		return until(h, at)
	}
	n, err := strconv.ParseFloat(v, 64)
	switch {
	case err != nil:
		return 0
	case n > 1e11:
		return until(h, time.UnixMilli(int64(min(n, 1e15))))
	case n > 1e9:
		return until(h, time.Unix(int64(n), 0))
	}
	return bounded(n)
}

// until returns the time from the answer's Date to at; 0 without a Date.
func until(h http.Header, at time.Time) time.Duration {
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return bounded(at.Sub(now).Seconds())
}

// bounded returns s seconds within 0 and [maxRetryAfter].
func bounded(s float64) time.Duration {
	switch {
	case !(s > 0): // also NaN
		return 0
	case s >= maxRetryAfter.Seconds():
		return maxRetryAfter
	}
	return time.Duration(s * float64(time.Second))
}

// listedError reads data as a list with an error in it; nil when it is none.
func listedError(p Protocol, data []byte) *Error {
	var list []struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(data, &list) != nil || len(list) == 0 || isEmpty(list[0].Error) {
		return nil
	}
	return classify(p, http.StatusOK, nil, data)
}
