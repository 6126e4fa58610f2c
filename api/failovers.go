package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	mostFailovers = 5000 // that are remembered
	mostPairs     = 100  // that totals tell apart
)

// failovers remembers the newest failovers that routers told of, in the order
// in which they came. Safe for concurrent use.
type failovers struct {
	mu    sync.Mutex
	since time.Time
	all   []failover // oldest first
	known map[failoverKey]bool
	last  uint64 // number of the newest
}

type failover struct {
	bellwether.Failover
	seq uint64
}

// failoverKey tells failovers apart: the same, sent again, counts once.
type failoverKey struct {
	at                           int64
	router, route, from, to, why string
}

func keyOf(f *bellwether.Failover) failoverKey {
	return failoverKey{f.At.UnixNano(), f.Router, f.Route, f.From, f.To, string(f.Why)}
}

func newFailovers() *failovers {
	return &failovers{since: time.Now().UTC(), known: map[failoverKey]bool{}}
}

// add remembers what is new in place of what is oldest.
func (fs *failovers) add(batch []bellwether.Failover) (accepted, duplicates int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range batch {
		f.At = f.At.UTC()
		if fs.known[keyOf(&f)] {
			duplicates++
			continue
		}
		fs.last++
		accepted++
		fs.known[keyOf(&f)] = true
		fs.all = append(fs.all, failover{f, fs.last})
	}
	for over := len(fs.all) - mostFailovers; over > 0; over-- {
		delete(fs.known, keyOf(&fs.all[0].Failover))
		fs.since = fs.all[0].At
		fs.all = fs.all[1:]
	}
	return accepted, duplicates
}

// moved counts requests that were moved, and those of them that were served.
type moved struct {
	Moved  int `json:"moved"`
	Served int `json:"served"`
}

// movedPair is the sum of the failovers between two targets of a route.
type movedPair struct {
	Route string `json:"route"`
	From  string `json:"from"`
	To    string `json:"to"`
	moved
	Why map[bellwether.Outcome]int `json:"why"`
}

// failoverQuery selects failovers; empty fields do not restrict.
type failoverQuery struct {
	bellwether.Query
	router, target string // target: either end
	cursor         uint64
}

func (q *failoverQuery) fits(f *failover) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(q.router, f.Router) && is(q.Route, f.Route) && (q.target == "" || q.target == f.From || q.target == f.To) &&
		(q.From.IsZero() || !f.At.Before(q.From)) && (q.To.IsZero() || f.At.Before(q.To))
}

// list returns a page of what q selects, and the totals of all of it.
func (fs *failovers) list(q *failoverQuery) (page []bellwether.Failover, next string, total moved, pairs []movedPair, since time.Time) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	page = []bellwether.Failover{}
	sums, last := map[[3]string]*movedPair{}, uint64(0)
	for i := range fs.all {
		f := &fs.all[i]
		if !q.Oldest {
			f = &fs.all[len(fs.all)-1-i]
		}
		if !q.fits(f) {
			continue
		}
		total.Moved, total.Served = total.Moved+f.Count, total.Served+f.Served
		sum(sums, &f.Failover)
		if q.cursor != 0 && (q.Oldest != (f.seq > q.cursor) || f.seq == q.cursor) {
			continue // on a page before
		}
		if len(page) == q.Limit {
			next = strconv.FormatUint(last, 10)
			continue
		}
		if len(page) < q.Limit {
			page, last = append(page, f.Failover), f.seq
		}
	}
	for _, p := range sums {
		pairs = append(pairs, *p)
	}
	slices.SortFunc(pairs, func(a, b movedPair) int {
		return cmp.Or(cmp.Compare(b.Moved, a.Moved), cmp.Compare(a.Route, b.Route), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return page, next, total, list(pairs[:min(len(pairs), mostPairs)]), fs.since
}

func sum(sums map[[3]string]*movedPair, f *bellwether.Failover) {
	k := [3]string{f.Route, f.From, f.To}
	p := sums[k]
	if p == nil {
		p = &movedPair{Route: f.Route, From: f.From, To: f.To, Why: map[bellwether.Outcome]int{}}
		sums[k] = p
	}
	p.Moved, p.Served = p.Moved+f.Count, p.Served+f.Served
	if f.Why != "" {
		p.Why[f.Why] += f.Count
	}
}

func (s *Server) listFailovers(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	q := &failoverQuery{Query: p.page(), router: p.text("router"), target: p.id("target")}
	q.Route = p.id("route")
	if q.Cursor != "" {
		n, err := strconv.ParseUint(q.Cursor, 10, 64)
		if err != nil || n == 0 {
			p.fault("cursor", "%.40q is not a cursor of this listing", q.Cursor)
		}
		q.cursor = n
	}
	if err := p.err(); err != nil {
		return err
	}
	page, next, total, pairs, since := s.failovers.list(q)
	return writePageWith(w, r, "failovers", page, next, map[string]any{"total": total, "pairs": pairs, "since": since})
}

// takeFailovers takes what routers say of requests that they moved.
func (s *Server) takeFailovers(w http.ResponseWriter, r *http.Request) error {
	all, faults, err := readWords[bellwether.Failover](w, r)
	if err != nil {
		return err
	}
	now := time.Now()
	batch := make([]bellwether.Failover, len(all))
	for i := range all {
		checkFailover(&all[i].v, now, all[i].faults(&faults))
		batch[i] = all[i].v
	}
	if len(faults) > 0 {
		return refused(faults)
	}
	accepted, duplicates := s.failovers.add(batch)
	return writeJSON(w, map[string]int{"accepted": accepted, "duplicates": duplicates})
}

// checkFailover calls fault with everything that is wrong with f.
func checkFailover(f *bellwether.Failover, now time.Time, fault func(field, detail string)) {
	if f.At.Year() < 2000 {
		fault("/at", "is required: when the first of the requests was moved")
	} else if f.At.After(now.Add(aheadLimit)) {
		fault("/at", fmt.Sprintf("lies more than %v ahead of this server's clock", aheadLimit))
	}
	if !validName(f.Router) {
		fault("/router", "is required: the router's name, 1 to 100 printable bytes")
	}
	for _, n := range []struct {
		field, id string
		optional  bool
	}{{"/route", f.Route, false}, {"/from", f.From, false}, {"/to", f.To, true}, {"/why", string(f.Why), true}} {
		if !bellwether.ValidID(n.id) && (n.id != "" || !n.optional) {
			fault(n.field, fmt.Sprintf("%.120q is not an id: lower-case letters, digits, '.', '_' and '-'", n.id))
		}
	}
	if f.Count < 1 || f.Count > 1e9 {
		fault("/count", "must be from 1 to 1e9: how many requests were moved")
	}
	if f.Served < 0 || f.Served > f.Count || (f.To == "" && f.Served > 0) {
		fault("/served", "must be from 0 to count, and 0 where nothing could serve: how many of them were answered whole")
	}
}
