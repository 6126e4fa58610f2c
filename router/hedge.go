package router

import (
	"context"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// opened is how the opening of an attempt ended.
type opened struct {
	a *attempt
	f *failure
}

// open opens an attempt; where the route hedges and the target is silent for
// long, also one of another target. It returns the one that counts. The other
// is over by then, joined and settled.
func (x *exchange) open(ctx context.Context, a *attempt) (*attempt, *failure) {
	after, ok := x.hedgeAfter(a)
	if !ok {
		return a, a.open(x.rt.transportTo(a.up.Endpoint))
	}
	done := make(chan opened, 2)
	start := func(a *attempt) {
		go func() { done <- opened{a, a.open(x.rt.transportTo(a.up.Endpoint))} }()
	}
	start(a)
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.a, r.f
	case <-timer.C:
	}
	b := x.second(ctx, a)
	if b == nil {
		r := <-done
		return r.a, r.f
	}
	start(b)
	r := <-done
	if r.f != nil { // the other one decides
		x.settle(ctx, r.a, r.f)
		x.remember(r.f, r.a.up)
		x.out |= 1 << r.a.cl.i
		r = <-done
		return r.a, r.f
	}
	loser := a
	if r.a == a {
		loser = b
	}
	loser.lost = true
	loser.cancel(errHedged)
	<-done
	x.settle(ctx, loser, &failure{outcome: bellwether.Canceled, ours: true, text: errHedged.Error()})
	return r.a, nil
}

// hedgeAfter returns how long the target may be silent before another one is
// asked too.
func (x *exchange) hedgeAfter(a *attempt) (time.Duration, bool) {
	h := x.route.Hedge
	if h.MaxCost == 0 || x.front.once {
		return 0, false
	}
	x.rt.purse(x.route.Name).deposit(h.MaxCost * x.weigh(a.up))
	after := h.After.Std()
	if after == 0 {
		after = a.up.pace.usually(x.rt.now())
	}
	return after, after > 0 && x.left()&^(1<<a.cl.i) != 0
}

// second returns an attempt of another target beside a; nil when there is
// none, or no means for it.
func (x *exchange) second(ctx context.Context, a *attempt) *attempt {
	x.out |= 1 << a.cl.i
	if ctx.Err() != nil || x.attempts >= x.rt.cfg.Attempts {
		return nil
	}
	for {
		cl, _, ok := x.route.choose(&x.rt.cfg.Breaker, &x.choice, x.session, x.needs.tokens(), x.rt.now())
		if !ok {
			return nil
		}
		if cl.trial || !x.rt.purse(x.route.Name).spend(x.weigh(cl.up)) || !x.rt.budget.spend(x.rt.now()) {
			cl.giveBack(x.needs.tokens())
			return nil
		}
		x.out |= 1 << cl.i
		if b, f := x.prepare(ctx, cl, &x.req); f == nil {
			b.hedge = true
			x.rt.metrics.hedged(x.route.Name)
			return b
		}
	}
}

// weigh returns what a call of up costs, as far as hedges are concerned: by
// its price, or by its tokens where it has none.
func (x *exchange) weigh(up *upstream) float64 {
	if c := x.needs.cost(up); c > 0 {
		return c
	}
	return float64(x.needs.tokens()) / 1e6
}

// purse is what a route may spend on hedges. Safe for concurrent use.
type purse struct {
	mu    sync.Mutex
	saved float64
	most  float64 // that can be saved: a hundred deposits
}

func (p *purse) deposit(v float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = max(p.most*.999, v*100)
	p.saved = min(p.saved+v, p.most)
}

func (p *purse) spend(v float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.saved < v {
		return false
	}
	p.saved -= v
	return true
}

// purse returns the purse of a route.
func (rt *Router) purse(route string) *purse {
	if p, ok := rt.purses.Load(route); ok {
		return p.(*purse)
	}
	p, _ := rt.purses.LoadOrStore(route, &purse{})
	return p.(*purse)
}
