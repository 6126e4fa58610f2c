// Package id makes names for things that have none: observations, incidents,
// deliveries. It is safe for concurrent use.
package id

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// New returns a UUIDv7 (RFC 9562) whose time is at, so that ids of things that
// happened later sort later, to the millisecond.
func New(at time.Time) string {
	u := uuid.New() // version 4: random everywhere
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(u[:6], ms[2:])
	u[6] = u[6]&0x0f | 0x70
	return u.String()
}
