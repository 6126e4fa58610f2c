package sim

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// failure is a provider's error with a status. Its type and code are the
// protocol's usual words for the outcome.
func failure(status int) *llm.Error {
	e := &llm.Error{Status: status, Outcome: bellwether.ServerError, Message: "The server had an error while processing your request."}
	switch {
	case status == http.StatusUnauthorized:
		e.Outcome, e.Message = bellwether.AuthError, "Incorrect API key provided. Check the key and try again."
	case status == http.StatusPaymentRequired:
		e.Outcome, e.Message = bellwether.NoCredit, "You exceeded your current quota. Check your plan and billing details."
	case status == http.StatusForbidden, status == http.StatusMethodNotAllowed:
		e.Outcome, e.Message = bellwether.Blocked, "You are not allowed to do this from here."
	case status == http.StatusNotFound, status == http.StatusGone:
		e.Outcome, e.Message = bellwether.Gone, "The model does not exist or you do not have access to it."
	case status == http.StatusRequestTimeout:
		e.Outcome, e.Message = bellwether.Timeout, "The request took too long."
	case status == http.StatusTooManyRequests:
		e.Outcome, e.Message = bellwether.RateLimited, "Rate limit reached for requests. Try again later."
	case status == http.StatusServiceUnavailable, status == 529:
		e.Outcome, e.Message = bellwether.Overloaded, "The model is overloaded. Try again later."
	case status < 500:
		e.Outcome, e.Message = bellwether.ClientError, fmt.Sprintf("Simulated error %d.", status)
	}
	return e
}

// declined is what a provider says to a request that it will not serve, where
// it cannot say so in words.
func declined() *llm.Error {
	return &llm.Error{Status: http.StatusBadRequest, Outcome: bellwether.Refusal, Policy: true, Code: "content_policy_violation", Dialect: llm.OpenAI,
		Message: "Your request was rejected as a result of our safety system."}
}

// badRequest is what a provider says to a request that it cannot read.
func badRequest(err error) *llm.Error {
	return &llm.Error{Status: http.StatusBadRequest, Outcome: bellwether.ClientError, Message: err.Error()}
}

// newID returns a UUIDv7 (RFC 9562) for a time, random from rng, so that
// seeded runs name things alike.
func newID(at time.Time, rng *rand.Rand) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(at.UnixMilli())<<16|rng.Uint64()&0xffff)
	binary.BigEndian.PutUint64(b[8:], rng.Uint64())
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	var out [36]byte
	for i, span := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		hex.Encode(out[span[0]*2+i:], b[span[0]:span[1]])
		if i > 0 {
			out[span[0]*2+i-1] = '-'
		}
	}
	return string(out[:])
}
