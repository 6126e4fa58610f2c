package router

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
)

// explained is how a route's requests are routed at this moment.
type explained struct {
	Model    string            `json:"model"`
	Route    string            `json:"route"` // "": a target asked for by its own name
	Follows  string            `json:"follows"`
	Epoch    string            `json:"epoch,omitempty"`
	Revision uint64            `json:"revision"`
	NewsAge  *float64          `json:"news_age_seconds"` // null: never heard of a server
	Drift    float64           `json:"drift"`
	Needs    []string          `json:"needs"`
	Tokens   int64             `json:"estimated_tokens"`
	Session  string            `json:"session,omitempty"`
	Order    []string          `json:"order,omitempty"` // of the session's targets, first to last
	Refused  string            `json:"refused,omitempty"`
	Budget   float64           `json:"retry_budget"` // attempts
	Targets  []explainedTarget `json:"targets"`
}

type explainedTarget struct {
	Target   string             `json:"target"`
	Tier     int                `json:"tier"`
	Base     float64            `json:"base"`
	Weight   float64            `json:"weight"`
	Share    float64            `json:"share"`
	Chance   float64            `json:"chance"` // of being asked first, as things are
	Out      string             `json:"out,omitempty"`
	Price    float64            `json:"estimated_cost_usd"`
	InFlight int64              `json:"in_flight"`
	Breaker  explainedBreaker   `json:"breaker"`
	Limit    float64            `json:"first_token_limit_seconds"`
	Pace     map[string]float64 `json:"first_token_seconds"`
	Limits   explainedLimits    `json:"limits"`
	Keys     []explainedKey     `json:"keys"`
}

// explainedLimits are limits as they are shown: 0 is none.
type explainedLimits struct {
	Concurrency       int     `json:"concurrency"`
	RequestsPerMinute float64 `json:"requests_per_minute"`
	TokensPerMinute   float64 `json:"tokens_per_minute"`
	FreeIn            float64 `json:"free_in_seconds"` // 0: now
}

type explainedBreaker struct {
	State    string  `json:"state"` // closed, open, half_open, ramping
	TrialIn  float64 `json:"trial_in_seconds,omitempty"`
	Ramp     float64 `json:"ramp,omitempty"` // the part of its share that it gets
	Failures int64   `json:"failures_in_a_row"`
	Lost     bool    `json:"lost"` // not even asked when nothing else is left
}

type explainedKey struct {
	Name     string  `json:"name"`
	InFlight int64   `json:"in_flight"`
	RestsFor float64 `json:"rests_for_seconds,omitempty"` // after a 429, or at a limit that the provider names
	OutFor   float64 `json:"out_for_seconds,omitempty"`   // the provider refused it
	Learned  float64 `json:"learned_requests_per_minute,omitempty"`
	FreeIn   float64 `json:"free_in_seconds"`
}

// explain serves GET /debug/route?model=...: why requests go where they go.
func (rt *Router) explain(w http.ResponseWriter, r *http.Request, c *caller, front *dialect) {
	v := r.URL.Query()
	t := rt.table.Load()
	route, ok := t.routes[v.Get("model")]
	if !ok || !c.may(v.Get("model")) {
		fail(w, front, badRequest(http.StatusNotFound, "model_not_found", "model is missing or unknown: write /debug/route?model=NAME with one of GET /v1/models"))
		return
	}
	x := &exchange{rt: rt, front: front, w: w, table: t, route: route, caller: c}
	x.needs = needs{answer: expectedTokens, task: v.Get("task"), can: abilityOf(strings.FieldsFunc(v.Get("needs"), func(r rune) bool { return r == ',' })) &^ undeclared}
	for name, n := range map[string]*int{"prompt_tokens": &x.needs.prompt, "max_tokens": &x.needs.answer} {
		if text := v.Get(name); text != "" {
			k, err := strconv.Atoi(text)
			if err != nil || k < 0 || k > 1e7 {
				fail(w, front, badRequest(http.StatusBadRequest, "invalid_request", name+" is no number of tokens"))
				return
			}
			*n = k
		}
	}
	if s := v.Get("session"); s != "" {
		x.session = session(fnvStart).add(s)
	}
	e := x.explained(x.steer())
	e.Model, e.Session = v.Get("model"), v.Get("session")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(e)
}

// explained says what the exchange would do now; refused is why nobody would
// be asked, nil when somebody would.
func (x *exchange) explained(refused *llm.Error) explained {
	rt, now := x.rt, x.rt.now()
	e := explained{Route: x.route.Name, Follows: "nobody", Epoch: x.table.epoch, Revision: x.table.revision, Drift: rt.drift(rt.weights.Load()), Needs: []string{},
		Tokens: x.needs.tokens(), Budget: float64(rt.budget.tokens.Load()) / 1000}
	if rt.follower != nil {
		e.Follows = "server"
		if news := rt.follower.News(); !news.IsZero() {
			age := time.Since(news).Seconds()
			e.NewsAge = &age
		}
	}
	for _, a := range abilities {
		if x.needs.can&a.is != 0 {
			e.Needs = append(e.Needs, a.name)
		}
	}
	if refused != nil {
		e.Refused = refused.Message
	}
	sum := 0.0
	for i := range x.route.entries {
		t := x.explainTarget(i, now)
		sum += t.Chance
		e.Targets = append(e.Targets, t)
	}
	for i := range e.Targets {
		t := &e.Targets[i]
		if sum > 0 {
			t.Chance /= sum
		} else if t.Out == "" { // none with a share is left: tier order
			t.Chance, sum = 1, 1
		}
	}
	e.Order = x.order(e.Targets)
	return e
}

// order returns the targets that the session would be given to, the one that
// would be asked first first. The chances become certain by it.
func (x *exchange) order(ts []explainedTarget) (order []string) {
	if x.session == 0 {
		return nil
	}
	for i := range ts {
		ts[i].Chance = 0
	}
	seen := uint64(0)
	for rank := 0; ; rank++ {
		set, more := x.rank(rank)
		if !more {
			return order
		}
		for {
			i, any := x.route.stick(x.session, ^set|seen)
			if !any {
				break
			}
			seen |= 1 << i
			if ts[i].Out == "" && len(order) == 0 {
				ts[i].Chance = 1
			}
			if ts[i].Out == "" {
				order = append(order, ts[i].Target)
			}
		}
	}
}

// explainTarget says how entry i stands. Its chance is its share, where it may
// be asked, by what a ramp leaves of it; not yet in relation to the others.
func (x *exchange) explainTarget(i int, now int64) explainedTarget {
	en := &x.route.entries[i]
	up := en.up
	p95, p99 := up.pace.known(now)
	t := explainedTarget{Target: up.ID, Tier: en.tier, Base: en.base, Weight: en.weight, Share: en.share, Price: x.needs.cost(up), InFlight: up.gauge.inFlight.Load(),
		Breaker: up.breaker.explained(&x.rt.cfg.Breaker, now), Limit: x.route.FirstToken.Seconds(),
		Pace:   map[string]float64{"p95": p95.Seconds(), "p99": p99.Seconds(), "probes_p95": time.Duration(up.pace.published.Load()).Seconds()},
		Limits: explainedLimits{up.Limits.Concurrency, up.Limits.RequestsPerMinute, up.Limits.TokensPerMinute, in(up.gauge.free(now, x.needs.tokens()), now)}}
	if x.route.learn {
		t.Limit = up.pace.limit(now, x.needs.prompt, x.route.FirstToken).Seconds()
	}
	keyFree := false
	for _, s := range up.slots {
		k := s.explained(now, x.needs.tokens())
		keyFree = keyFree || k.FreeIn == 0
		t.Keys = append(t.Keys, k)
	}
	part := 1.0
	switch lacks := up.can.lacks(x.needs.can); {
	case lacks != 0:
		t.Out = "it is not declared to have " + lacks.String()
	case x.fit&(1<<i) == 0:
		t.Out = "it costs more than the request may"
	case t.Breaker.State == "open":
		t.Out = "its breaker is open"
	case t.Breaker.State == "half_open" && up.breaker.trial.Load():
		t.Out = "its breaker's trial is under way"
	case t.Limits.FreeIn > 0:
		t.Out = "it is at a limit"
	case !keyFree:
		t.Out = "all its keys rest"
	case t.Breaker.State == "ramping":
		part = t.Breaker.Ramp
	}
	if t.Out == "" {
		t.Chance = en.share * part
	}
	return t
}

// in returns how many seconds are left until at; 0 where at is 0 or past.
func in(at, now int64) float64 {
	if at <= now {
		return 0
	}
	return time.Duration(at - now).Seconds()
}

// explained says how the breaker stands.
func (b *breaker) explained(c *BreakerConfig, now int64) explainedBreaker {
	e := explainedBreaker{State: "closed", Failures: b.row.Load(), Lost: b.lost(c)}
	switch g := b.gate.Load(); {
	case g > now:
		e.State, e.TrialIn = "open", in(g, now)
	case g > 0:
		e.State = "half_open"
	case g < 0:
		if e.Ramp = rampAt(now+g, int64(c.Ramp)); e.Ramp < 1 {
			e.State = "ramping"
		} else {
			e.Ramp = 0
		}
	}
	return e
}

// explained says how the key stands at its target.
func (s *slot) explained(now, tokens int64) explainedKey {
	s.mu.Lock()
	learned := s.limit
	s.mu.Unlock()
	return explainedKey{Name: s.cred.name, InFlight: s.cred.gauge.inFlight.Load(), RestsFor: in(s.resting.Load(), now), OutFor: in(s.cred.out.Load(), now),
		Learned: learned, FreeIn: in(s.free(now, tokens), now)}
}
