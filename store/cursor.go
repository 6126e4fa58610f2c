package store

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
)

// Listing names a listing, so that a cursor of one is refused by another.
type Listing byte

// The listings that page.
const (
	ListObservations Listing = 'o'
	ListChanges      Listing = 'c'
	ListRevisions    Listing = 'r'
	ListIncidents    Listing = 'i'
)

// Position is where a page ended: the last entry's time, and what orders
// entries of the same time. Listings are ordered by all three.
type Position struct {
	At int64  // Unix time, nanoseconds
	N  int64  // a number that the store counts entries with
	ID string // where there is no such number
}

const (
	cursorVersion = 2
	cursorHead    = 7   // bytes: version, listing, direction, and the mark of the store
	maxCursor     = 512 // bytes; a longer one is none of ours
)

// Cursor returns p as text that means nothing to anyone but [Listing.Parse] of
// the same listing of the same store, named by its epoch, in the same
// direction.
func (l Listing) Cursor(epoch string, p Position, oldest bool) string {
	b := []byte{cursorVersion, byte(l), direction(oldest)}
	b = binary.BigEndian.AppendUint32(b, mark(epoch))
	b = binary.AppendVarint(b, p.At)
	b = binary.AppendVarint(b, p.N)
	b = append(b, p.ID...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Parse returns the position that Cursor wrote. Any other text, a cursor of
// another listing, of another store or of the other direction is an
// [ErrBadCursor] that says which.
func (l Listing) Parse(epoch, cursor string, oldest bool) (Position, error) {
	var p Position
	if len(cursor) > maxCursor {
		return p, ErrBadCursor
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	switch {
	case err != nil || len(b) < cursorHead || b[0] != cursorVersion:
		return p, ErrBadCursor
	case b[1] != byte(l):
		return p, errOtherListing
	case binary.BigEndian.Uint32(b[3:]) != mark(epoch):
		return p, errOtherStore
	case b[2] != direction(oldest):
		return p, errOtherOrder
	}
	b = b[cursorHead:]
	for _, v := range []*int64{&p.At, &p.N} {
		n := 0
		if *v, n = binary.Varint(b); n <= 0 {
			return Position{}, ErrBadCursor
		}
		b = b[n:]
	}
	p.ID = string(b)
	return p, nil
}

// mark tells stores apart: enough for slips, and none of it is a secret.
func mark(epoch string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(epoch)) // never fails
	return h.Sum32()
}

func direction(oldest bool) byte {
	if oldest {
		return 1
	}
	return 0
}

// Less reports whether p stands before o in time.
func (p Position) Less(o Position) bool {
	switch {
	case p.At != o.At:
		return p.At < o.At
	case p.N != o.N:
		return p.N < o.N
	}
	return p.ID < o.ID
}
