package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// params reads a query string and remembers everything that is wrong with it.
// A parameter that an endpoint does not know is an error: it is a slip, and
// ignoring it would answer another question.
type params struct {
	values url.Values
	known  []string
	faults []Fault
}

func readParams(r *http.Request) *params {
	v, err := url.ParseQuery(r.URL.RawQuery)
	p := &params{values: v}
	if err != nil {
		p.faults = append(p.faults, Fault{Detail: "the query string cannot be read: " + err.Error()})
	}
	return p
}

// bare is an endpoint that has no parameters: any is a slip.
func bare(serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.RawQuery != "" {
			if err := readParams(r).err(); err != nil {
				return err
			}
		}
		return serve(w, r)
	}
}

func (p *params) fault(name, format string, args ...any) {
	p.faults = append(p.faults, Fault{Pointer: "?" + name, Detail: fmt.Sprintf(format, args...)})
}

// text returns the parameter's value, "" when it is not there.
func (p *params) text(name string) string {
	p.known = append(p.known, name)
	vs := p.values[name]
	if len(vs) > 1 {
		p.fault(name, "given %d times", len(vs))
	}
	if len(vs) == 0 {
		return ""
	}
	if len(vs[0]) > 1024 {
		p.fault(name, "longer than 1024 bytes")
		return ""
	}
	return vs[0]
}

func (p *params) id(name string) string {
	s := p.text(name)
	if s != "" && !bellwether.ValidID(s) {
		p.fault(name, "%.120q is not an id: lower-case letters, digits, '.', '_' and '-'", s)
		return ""
	}
	return s
}

// ids returns the values of a parameter that is repeated or comma-separated.
func (p *params) ids(name string) []string {
	p.known = append(p.known, name)
	var out []string
	for _, v := range p.values[name] {
		for s := range strings.SplitSeq(v, ",") {
			switch {
			case s == "":
			case !bellwether.ValidID(s):
				p.fault(name, "%.120q is not an id", s)
			case len(out) == 1000:
				p.fault(name, "more than 1000 ids")
				return out
			default:
				out = append(out, s)
			}
		}
	}
	return out
}

func (p *params) oneOf(name string, allowed ...string) string {
	s := p.text(name)
	if s != "" && !slices.Contains(allowed, s) {
		p.fault(name, "%.120q is not one of %s", s, strings.Join(allowed, ", "))
		return ""
	}
	return s
}

func (p *params) number(name string, low, high, def int) int {
	s := p.text(name)
	if s == "" {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		p.fault(name, "%.40q is not a number from %d to %d", s, low, high)
		return def
	}
	return n
}

// time reads RFC 3339, or a date for its start in UTC.
func (p *params) time(name string) time.Time {
	s := p.text(name)
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() < 10000 {
			return t.UTC()
		}
	}
	p.fault(name, "%.60q is not a time: write 2026-11-20T16:20:00Z or 2026-11-20", s)
	return time.Time{}
}

// duration reads "90s", "1h", "30d"; 0 when the parameter is not there.
func (p *params) duration(name string, low, high time.Duration) time.Duration {
	s := p.text(name)
	if s == "" {
		return 0
	}
	d, err := parseDuration(s)
	if err != nil || d < low || d > high {
		p.fault(name, "%.40q is not a duration from %s to %s: write 90s, 5m, 1h or 30d", s, words(low), words(high))
		return 0
	}
	return d
}

// words writes d as a person would: whole days as 400d, and no empty parts.
func words(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if d != 0 && strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil || n > 36500 {
			return 0, fmt.Errorf("%.40q is not a number of days", days)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(s)
}

// span reads from and to, which must be in order.
func (p *params) span() (from, to time.Time) {
	from, to = p.time("from"), p.time("to")
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		p.fault("to", "is not after from")
	}
	return from, to
}

// page reads what all listings share.
func (p *params) page() bellwether.Query {
	var q bellwether.Query
	q.From, q.To = p.span()
	q.Cursor = p.text("cursor")
	q.Limit = p.number("limit", 1, 1000, 100)
	q.Oldest = p.oneOf("order", "newest", "oldest") == "oldest"
	return q
}

// err returns everything that is wrong as one problem, or nil.
func (p *params) err() error {
	for name := range p.values {
		if !slices.Contains(p.known, name) && len(p.faults) < mostFaults {
			p.fault(fmt.Sprintf("%.60s", name), "is not a parameter here; %s", suggest(name, p.known))
		}
	}
	if len(p.faults) == 0 {
		return nil
	}
	p.faults = p.faults[:min(len(p.faults), mostFaults)]
	slices.SortFunc(p.faults, func(a, b Fault) int { return strings.Compare(a.Pointer, b.Pointer) })
	pr := problem(http.StatusBadRequest, "%s of parameters", counted(len(p.faults), "fault"))
	if len(p.faults) == 1 {
		pr.Detail = strings.TrimSpace("parameter " + strings.TrimPrefix(p.faults[0].Pointer, "?") + ": " + p.faults[0].Detail)
	}
	pr.Errors = p.faults
	return pr
}
