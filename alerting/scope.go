package alerting

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// scope is a cause together with what it is the cause of: the key by which
// targets belong to one incident. Comparable; fields that the cause does not
// speak of are empty.
type scope struct {
	cause                           bellwether.Cause
	target, provider, model, region string
}

// scopeOf returns what cause blames when t is ill. An unnamed cause is the
// target's own. Keys and bills belong to a provider; a region is a provider's.
func scopeOf(cause bellwether.Cause, t bellwether.Target) scope {
	switch cause {
	case bellwether.CauseModel:
		return scope{cause: cause, provider: t.Provider, model: t.Model}
	case bellwether.CauseProvider, bellwether.CauseAccount:
		return scope{cause: cause, provider: t.Provider}
	case bellwether.CauseRegion:
		return scope{cause: cause, provider: t.Provider, region: t.Region}
	case bellwether.CauseVantage:
		return scope{cause: cause}
	}
	return scope{cause: bellwether.CauseTarget, target: t.ID}
}

// covers reports whether t lies within what s blames.
func (s scope) covers(t bellwether.Target) bool { return scopeOf(s.cause, t) == s }

// title says in plain words what is ill, in a form that stays true when it is
// over.
func (s scope) title(severity bellwether.State, targets []string) string {
	count := fmt.Sprintf("%d targets", len(targets))
	if len(targets) == 1 {
		count = targets[0]
	}
	switch s.cause {
	case bellwether.CauseModel:
		return fmt.Sprintf("%s at %s %s: %s", s.model, s.provider, severity, count)
	case bellwether.CauseProvider:
		return fmt.Sprintf("%s %s: %s", s.provider, severity, count)
	case bellwether.CauseRegion:
		return fmt.Sprintf("%s in %s %s: %s", s.provider, s.region, severity, count)
	case bellwether.CauseVantage:
		return fmt.Sprintf("our own network or host in doubt: %s", count)
	case bellwether.CauseAccount:
		return fmt.Sprintf("our account at %s refused: %s", s.provider, count)
	}
	return fmt.Sprintf("%s %s", s.target, severity)
}

// severityOf returns what a change weighs as an incident, "" for nothing.
// An unknown state weighs something when our key or our network is to blame:
// nobody else will say so. A key that no traffic gets through with is as bad
// as a target that is down.
func severityOf(c bellwether.Change) bellwether.State {
	if c.To.Severity() > 0 {
		return c.To
	}
	if c.To == bellwether.Unknown {
		switch {
		case c.Cause == bellwether.CauseAccount && c.Weight == 0:
			return bellwether.Down
		case c.Cause == bellwether.CauseAccount, c.Cause == bellwether.CauseVantage:
			return bellwether.Degraded
		}
	}
	return ""
}

// worse returns the more severe of a and b.
func worse(a, b bellwether.State) bellwether.State {
	if b.Severity() > a.Severity() {
		return b
	}
	return a
}

// deriveID names a thing by what it is, so that folding the same records again
// after a crash names the same incident and owes the same deliveries. The form
// is a UUIDv7 (RFC 9562): time to the millisecond, then seq (cut to 12 bits),
// so that ids of one incident sort in order, then a hash of parts.
func deriveID(at time.Time, seq int, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	_, _ = fmt.Fprint(h, at.UnixNano())
	u := h.Sum(nil)[:16]
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(u[:6], ms[2:])
	seq = min(seq, 0xfff)
	u[6], u[7] = 0x70|byte(seq>>8), byte(seq)
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
