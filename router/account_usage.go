package router

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
)

// usageQuery is which part of the accounts somebody wants to see, and what is
// to be told apart in it.
type usageQuery struct {
	from, to int32 // days, both included
	caller   *string
	by       []string
}

// usageColumns are what can be told apart, in order.
var usageColumns = [...]string{"day", "caller", "route", "target", "outcome", "part"}

// usageRow is a sum as reports show it. What is not told apart is left out.
type usageRow struct {
	Day       string      `json:"day,omitempty"`
	Caller    *string     `json:"caller,omitempty"`
	Route     *string     `json:"route,omitempty"`
	Target    *string     `json:"target,omitempty"`
	Outcome   string      `json:"outcome,omitempty"`
	Part      string      `json:"part,omitempty"`
	Requests  int64       `json:"requests"`
	Attempts  int64       `json:"attempts"`
	Input     int64       `json:"input_tokens"`
	Output    int64       `json:"output_tokens"`
	Cached    int64       `json:"cached_tokens"`
	Reasoning int64       `json:"reasoning_tokens"`
	Estimated int64       `json:"estimated_attempts"`
	Cost      json.Number `json:"cost_usd"`
}

// usageTotals are the sums of all rows.
type usageTotals struct {
	Requests  int64       `json:"requests"`
	Answers   int64       `json:"answers"`
	Refused   int64       `json:"refused"`
	Attempts  int64       `json:"attempts"`
	Input     int64       `json:"input_tokens"`
	Output    int64       `json:"output_tokens"`
	Estimated int64       `json:"estimated_attempts"`
	Cost      json.Number `json:"cost_usd"`
	Answered  json.Number `json:"cost_of_answers_usd"`
	Failed    json.Number `json:"cost_of_failures_usd"`
	Hedged    json.Number `json:"cost_of_hedges_usd"`
	Canceled  json.Number `json:"cost_of_canceled_usd"`
	PerAnswer *float64    `json:"cost_per_answer_usd"` // everything, by answers; null where there is none
}

// usageBudget is how far a budget is used up.
type usageBudget struct {
	Caller string      `json:"caller"`
	Period string      `json:"period"`
	Unit   string      `json:"unit"`
	Most   json.Number `json:"most"`
	Used   json.Number `json:"used"`
	Ends   time.Time   `json:"ends"`
}

// usage is the answer of /v1/usage.
type usage struct {
	From    string        `json:"from"`
	To      string        `json:"to"`
	Totals  usageTotals   `json:"totals"`
	Budgets []usageBudget `json:"budgets"`
	Rows    []usageRow    `json:"rows"`
}

// usageJSON serves GET /v1/usage.
func (rt *Router) usageJSON(w http.ResponseWriter, r *http.Request, c *caller, front *dialect) {
	now := time.Now()
	q, e := readUsageQuery(r, c, now)
	if e != nil {
		fail(w, front, e)
		return
	}
	sums := rt.books.sums(q)
	u := usage{From: dateOf(q.from).Format(time.DateOnly), To: dateOf(q.to).Format(time.DateOnly), Totals: totals(sums), Budgets: rt.budgets(q, now), Rows: []usageRow{}}
	for _, s := range sums {
		u.Rows = append(u.Rows, q.row(s.line))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(u)
}

// usageCSV serves GET /v1/usage.csv: the rows alone.
func (rt *Router) usageCSV(w http.ResponseWriter, r *http.Request, c *caller, front *dialect) {
	q, e := readUsageQuery(r, c, time.Now())
	if e != nil {
		fail(w, front, e)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="usage.csv"`)
	w.Header().Set("Cache-Control", "no-store")
	out := csv.NewWriter(w)
	_ = out.Write(append(slices.Clone(q.by), "requests", "attempts", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "estimated_attempts", "cost_usd"))
	for _, s := range rt.books.sums(q) {
		l := s.line
		cells := make([]string, 0, 14)
		for _, column := range q.by {
			cells = append(cells, cell(*l.column(column)))
		}
		for _, n := range []int64{l.Requests, l.Attempts, l.Input, l.Output, l.Cached, l.Reasoning, l.Estimated} {
			cells = append(cells, strconv.FormatInt(n, 10))
		}
		_ = out.Write(append(cells, dollars(l.Cost)))
	}
	out.Flush()
}

// cell makes text harmless for spreadsheets, which run what looks like a
// formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// column returns the field of a line that a column shows.
func (l *line) column(name string) *string {
	switch name {
	case "day":
		return &l.Day
	case "caller":
		return &l.Caller
	case "route":
		return &l.Route
	case "target":
		return &l.Target
	case "outcome":
		return &l.Outcome
	}
	return &l.Part
}

// row returns a line with what is told apart.
func (q usageQuery) row(l line) usageRow {
	r := usageRow{Requests: l.Requests, Attempts: l.Attempts, Input: l.Input, Output: l.Output, Cached: l.Cached, Reasoning: l.Reasoning, Estimated: l.Estimated, Cost: json.Number(dollars(l.Cost))}
	for _, column := range q.by {
		v := *l.column(column)
		switch column {
		case "day":
			r.Day = v
		case "caller":
			r.Caller = &v
		case "route":
			r.Route = &v
		case "target":
			r.Target = &v
		case "outcome":
			r.Outcome = v
		case "part":
			r.Part = v
		}
	}
	return r
}

// readUsageQuery reads from and to (days of UTC; default: this month), by
// (default: everything) and caller. Who may see only its own sees its own.
func readUsageQuery(r *http.Request, c *caller, now time.Time) (q usageQuery, e *llm.Error) {
	v := r.URL.Query()
	today := dayOf(now)
	q = usageQuery{from: today - int32(dateOf(today).Day()) + 1, to: today, by: usageColumns[:]}
	for name, day := range map[string]*int32{"from": &q.from, "to": &q.to} {
		if text := v.Get(name); text != "" {
			t, err := time.Parse(time.DateOnly, text)
			if err != nil {
				return q, badRequest(http.StatusBadRequest, "invalid_request", name+" is no day: write it like 2026-01-31")
			}
			*day = dayOf(t)
		}
	}
	if by := v.Get("by"); by != "" {
		q.by = strings.Split(by, ",")
		for i, column := range q.by {
			if !slices.Contains(usageColumns[:], column) || slices.Index(q.by, column) < i {
				return q, badRequest(http.StatusBadRequest, "invalid_request", "by is a list of "+strings.Join(usageColumns[:], ", "))
			}
		}
	}
	if v.Has("caller") {
		name := v.Get("caller")
		q.caller = &name
	}
	if c.scopes&scopeAccounts == 0 {
		if q.caller != nil && *q.caller != c.name {
			return q, &llm.Error{Status: http.StatusForbidden, Type: "invalid_request_error", Code: "scope_missing", Dialect: llm.OpenAI,
				Message: "this key sees its own usage: that of others needs the scope " + scopeAccounts.String()}
		}
		q.caller = &c.name
	}
	return q, nil
}

// usageSum is one line of a report, with the parts that its totals need apart.
type usageSum struct {
	line
	cost             [parts]int64
	answers, refused int64
}

// sums returns the rows that q asks for, summed by what it tells apart and
// sorted.
func (b *books) sums(q usageQuery) []usageSum {
	all := map[line]*usageSum{}
	b.each(func(s *standing) {
		if q.caller != nil && s.name != *q.caller {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range s.rows {
			if r.day < q.from || r.day > q.to {
				continue
			}
			l, k := lineOf(s.name, r), line{}
			for _, column := range q.by {
				*k.column(column) = *l.column(column)
			}
			sum := all[k]
			if sum == nil {
				sum = &usageSum{line: k}
				all[k] = sum
			}
			sum.add(l, r.part)
		}
	})
	out := make([]usageSum, 0, len(all))
	for _, s := range all {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b usageSum) int {
		for _, column := range usageColumns {
			if c := cmp.Compare(*a.column(column), *b.column(column)); c != 0 {
				return c
			}
		}
		return 0
	})
	return out
}

// sum adds the numbers of another line.
func (l *line) sum(m line) {
	l.Requests += m.Requests
	l.Attempts += m.Attempts
	l.Input += m.Input
	l.Output += m.Output
	l.Cached += m.Cached
	l.Reasoning += m.Reasoning
	l.Estimated += m.Estimated
	l.Cost += m.Cost
}

func (s *usageSum) add(l line, p part) {
	s.sum(l)
	s.cost[p] += l.Cost
	switch p {
	case partAnswer:
		s.answers += l.Requests
	case partRefused:
		s.refused += l.Requests
	}
}

// totals sums up everything.
func totals(sums []usageSum) usageTotals {
	var all usageSum
	var t usageTotals
	for i := range sums {
		s := &sums[i]
		all.sum(s.line)
		for p := range s.cost {
			all.cost[p] += s.cost[p]
		}
		t.Answers += s.answers
		t.Refused += s.refused
	}
	t.Requests, t.Attempts, t.Input, t.Output, t.Estimated = all.Requests, all.Attempts, all.Input, all.Output, all.Estimated
	usd := func(n int64) json.Number { return json.Number(dollars(n)) }
	t.Cost, t.Answered, t.Failed, t.Hedged, t.Canceled = usd(all.Cost), usd(all.cost[partAnswer]), usd(all.cost[partFailure]), usd(all.cost[partHedge]), usd(all.cost[partCanceled])
	if t.Answers > 0 {
		per := float64(all.Cost) / pico / float64(t.Answers)
		t.PerAnswer = &per
	}
	return t
}

// budgets returns how far the budgets are used up that q may see.
func (rt *Router) budgets(q usageQuery, now time.Time) []usageBudget {
	out := []usageBudget{}
	for _, c := range rt.callers.Load().all() {
		if q.caller != nil && c.name != *q.caller {
			continue
		}
		c.mu.Lock()
		c.turn(dayOf(now))
		day, month, today := c.day, c.month, dateOf(c.dayIs)
		c.mu.Unlock()
		out = append(out, c.budget.Day.shown(c.name, "day", day, today.AddDate(0, 0, 1))...)
		out = append(out, c.budget.Month.shown(c.name, "month", month, time.Date(today.Year(), today.Month()+1, 1, 0, 0, 0, 0, time.UTC))...)
	}
	return out
}

// shown returns the bounds of a that there are.
func (a Allowance) shown(caller, period string, s spent, ends time.Time) (out []usageBudget) {
	put := func(unit string, most, used string) {
		out = append(out, usageBudget{caller, period, unit, json.Number(most), json.Number(used), ends})
	}
	if a.Requests > 0 {
		put("requests", fmt.Sprint(a.Requests), fmt.Sprint(s.requests))
	}
	if a.Tokens > 0 {
		put("tokens", fmt.Sprint(a.Tokens), fmt.Sprint(s.tokens))
	}
	if a.USD > 0 {
		put("usd", dollars(int64(math.Round(a.USD*pico))), dollars(s.cost))
	}
	return out
}
