package router

import (
	"math"
	"net/http"

	"github.com/bellwether-llm/bellwether/llm"
)

// sessionHeader names what should stay with one target.
const sessionHeader = "X-Bellwether-Session"

// The ways to tell which session a request belongs to.
const (
	byHeader       = "header"
	byUser         = "user"
	byConversation = "conversation"
)

// FNV-1a, 64 bits.
const (
	fnvStart = 14695981039346656037
	fnvPrime = 1099511628211
)

// session is a hash of what should stay together; 0 is no session.
type session uint64

func (s session) add(text string) session {
	h := uint64(s)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * fnvPrime
	}
	return session(h * fnvPrime) // as after a zero byte
}

// sessionOf returns the session of a request by the first of the ways that
// finds one.
func sessionOf(ways []string, r *llm.Request, h http.Header) session {
	for _, way := range ways {
		switch text := h.Get(sessionHeader); {
		case way == byHeader && text != "":
			return session(fnvStart).add(text)
		case way == byUser && r.User != "":
			return session(fnvStart).add(r.User)
		case way == byConversation:
			return conversation(r.Messages)
		}
	}
	return 0
}

// conversation returns the session of what stays the same while a conversation
// grows: everything up to the user's first words.
func conversation(ms []llm.Message) session {
	s := session(fnvStart)
	for i := range ms {
		s = s.add(ms[i].Role).add(ms[i].Text)
		if ms[i].Role == llm.RoleUser {
			break
		}
	}
	return s
}

// at places the session in [0, 1) for a target: the same as the server's
// /v1/decision does, on every router and in every version.
func (s session) at(target string) float64 {
	h := uint64(s)
	for i := range len(target) {
		h = (h ^ uint64(target[i])) * fnvPrime
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return float64(h>>11) / (1 << 53)
}

// stick returns the entry of session s among those not out: weighted
// rendezvous hashing, so that when shares change only as many sessions move as
// the shares did. Entries without a share come last, in tier order. O(entries).
func (r *routeTable) stick(s session, out uint64) (i int, ok bool) {
	best, idle := -1, -1
	score := 0.0
	for i := range r.entries {
		e := &r.entries[i]
		switch {
		case out&(1<<i) != 0:
		case e.share <= 0:
			if idle < 0 {
				idle = i
			}
		default:
			// -ln(u) is at least 1-u: most entries are out without a logarithm.
			u := max(s.at(e.up.ID), 1e-300)
			if best >= 0 && e.share <= score*(1-u) {
				continue
			}
			if v := -e.share / math.Log(u); best < 0 || v > score {
				best, score = i, v
			}
		}
	}
	if best < 0 {
		best = idle
	}
	return best, best >= 0
}
