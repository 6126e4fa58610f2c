package scoring

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// stamp converts unix nanoseconds; 0 is the zero time.
func stamp(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// clock writes a time of day for people.
func clock(ns int64) string { return stamp(ns).Format("15:04 UTC") }

// words names the signal that f is about for people.
func (t *target) words(f family) string {
	switch f {
	case famFirst, famJoint:
		if t.plain {
			return "total time"
		}
		return "first token"
	case famInter:
		return "inter-token"
	case famLonger, famShorter:
		return "output tokens"
	}
	return string(wireSignal(t, f))
}

// wireSignal is the signal that a family speaks about, on the wire.
func wireSignal(t *target, f family) bellwether.Signal {
	first, _ := f.span()
	if slot, own := f.own(); own && slot < len(t.own) {
		return t.own[slot].name
	}
	if f == famFirst && t.plain {
		return bellwether.Total
	}
	return table[first].signal
}

// amount writes seconds as people say them: 4.1 s, 320 ms.
func amount(s float64) string {
	switch {
	case s >= 10:
		return fmt.Sprintf("%.0f s", s)
	case s >= 1:
		return fmt.Sprintf("%.1f s", s)
	case s >= .0095:
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.1f ms", s*1000)
}

// factor writes a ratio with two digits: 1.3, 12.
func factor(r float64) string {
	if r >= 9.95 {
		return fmt.Sprintf("%.0f", r)
	}
	return fmt.Sprintf("%.1f", r)
}

// percent writes a rate: 57 %, 0.3 %, 0.02 %.
func percent(p float64) string {
	switch {
	case p >= .0995:
		return fmt.Sprintf("%.0f %%", 100*p)
	case p >= .00095:
		return fmt.Sprintf("%.1f %%", 100*p)
	}
	return fmt.Sprintf("%.2f %%", 100*p)
}

// reasons explains what is said of t now, the gravest first.
func (e *Engine) reasons(t *target) []bellwether.Reason {
	rs := []bellwether.Reason{}
	if o := t.pinned(); o != nil {
		text := fmt.Sprintf("pinned to %s by %s until %s", percent(o.Weight), orWord(o.By, "an operator"), o.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC"))
		if o.Weight == 0 {
			text = strings.Replace(text, "pinned to 0.00 %", "drained", 1)
		}
		if o.Reason != "" {
			text += ": " + o.Reason
		}
		rs = append(rs, bellwether.Reason{Code: "override", Text: text})
	}
	rs = e.overlayReasons(t, rs)
	for severity := 3; severity >= 1; severity-- {
		for f := famErrors; f < families; f++ {
			if a := &t.fam[f]; a.active && a.severity == severity {
				rs = append(rs, e.alarmReason(t, f, a))
			}
		}
	}
	if r, ok := e.dragReason(t); ok {
		rs = append(rs, r)
	}
	if r, ok := e.promptReason(t); ok {
		rs = append(rs, r)
	}
	if r, ok := e.causeReason(t); ok {
		rs = append(rs, r)
	}
	if w := t.quotas.weight(); w < .9 {
		rs = append(rs, bellwether.Reason{Signal: bellwether.Quota, Code: "rate_limited", Evidence: nats(max(t.quotas.nats[0], t.quotas.nats[1])),
			Text: fmt.Sprintf("calls are turned away with 429 since %s; usually %s", clock(t.quotas.since[0]), percent(t.quota.mean(priorQuota)))})
	}
	if t.verdict == bellwether.Recovering {
		rs = append(rs, bellwether.Reason{Code: "recovering", Text: fmt.Sprintf("answers as usual again; traffic returns step by step, %s so far", percent(t.weight))})
	}
	if len(rs) == 0 || t.verdict == bellwether.Unknown {
		if r, ok := e.heldBack(t); ok {
			rs = append(rs, r)
		}
	}
	for _, reason := range [...]func(*target) (bellwether.Reason, bool){e.renewedReason, e.driftReason} {
		if r, ok := reason(t); ok {
			rs = append(rs, r)
		}
	}
	return rs
}

// overlayReasons explains states that do not come from evidence.
func (e *Engine) overlayReasons(t *target, rs []bellwether.Reason) []bellwether.Reason {
	say := func(code, text string) { rs = append(rs, bellwether.Reason{Code: code, Text: text}) }
	switch {
	case e.frozen:
		say("vantage_fault", "our own network is in doubt: nothing is known of what was well, and the last weights stand")
	case t.account() && t.odd == bellwether.NoCredit:
		say("no_credit", "the provider says that our account has no credit or quota left")
	case t.account():
		say("key_rejected", "the provider rejects our key (401)")
	case t.misasked():
		say("request_rejected", "the provider rejects the canary's request as malformed; check the canary and the target's config")
	case t.blocked():
		say("blocked", fmt.Sprintf("probes from %s are blocked before they reach the model, which says nothing of its health", orWord(t.oddWhere, "here")))
	case t.stale(e.now):
		say("stale", "no observation since "+clock(t.seenAt))
	case t.verdict == bellwether.Unknown && t.scored > 0:
		say("learning", fmt.Sprintf("learning what is usual: %d of %d observations", t.scored, coldProbes))
	}
	return rs
}

// alarmReason writes the clause of one alarm.
func (e *Engine) alarmReason(t *target, f family, a *alarm) bellwether.Reason {
	r := bellwether.Reason{Signal: wireSignal(t, f), Evidence: nats(t.most(a.hyp))}
	switch f {
	case famErrors:
		r.Code, r.Text = "errors", countWords(t.callsSince(a.since), "calls failed", t.usualErrors())
	case famSanity:
		r.Code, r.Text = "wrong_answers", countWords(t.answersSince(a.since), "answers failed their checks", t.usualInsane())
	case famDisliked:
		r.Code, r.Text = "disliked", countWords(t.countSince(f, a.since), "ratings are bad", t.usualFeedback())
	case famStrange:
		c, how := t.textWords(a.since)
		r.Code, r.Text = "text_odd", countWords(c, "answers are "+how, textOdd)
	case famUnsure:
		eff := t.effectSince(f, kindConfidence, a.since)
		r.Code, r.Text = "confidence_lower", fmt.Sprintf("mean log-probability %.2f, usually %.2f", -eff.value, eff.middle-eff.value)
	case famFirst:
		r.Code, r.Text = string(r.Signal)+"_slow", t.slowWords(t.words(famFirst), famFirst, a.since)
	case famInter:
		r.Code, r.Text = "inter_token_slow", t.slowWords("inter-token", famInter, a.since)
	case famLonger, famShorter:
		r.Code, r.Text = "output_longer", t.lengthWords(f, a.since)
		if f == famShorter {
			r.Code = "output_shorter"
		}
	case famJoint:
		r.Code = "overload"
		r.Text = fmt.Sprintf("slower all over: first token %s times, inter-token %s times the usual",
			factor(math.Exp(t.effectSince(famJoint, kindFirst, a.since).middle)), factor(math.Exp(t.effectSince(famJoint, kindInter, a.since).middle)))
	default:
		r.Code, r.Text = "own_signal", t.ownWords(f, a.since)
	}
	r.Text += ", since " + clock(a.since)
	if w := e.witness(t, a.hyp); w != "" {
		r.Text += "; confirmed by " + w
	}
	return r
}

func countWords(c counted, what string, usual float64) string {
	text := fmt.Sprintf("%.0f of the last %.0f %s", c.bad, c.n, what)
	if c.bad == c.n && c.n > 1 {
		text = fmt.Sprintf("all of the last %.0f %s", c.n, what)
	}
	if c.worst != "" && c.worst != bellwether.BadOutput {
		text += " (" + strings.ReplaceAll(string(c.worst), "_", " ") + ")"
	}
	if usual < 0 {
		return text + ", nothing good seen yet"
	}
	return text + ", usually " + percent(usual)
}

// slowWords compares what is seen with what is usual: 95th percentiles once
// there are twenty samples, medians before.
func (t *target) slowWords(what string, f family, since int64) string {
	k := f.kind()
	eff := t.effectSince(f, k, since)
	now, usual, which := math.Exp(eff.value), math.Exp(eff.value-eff.middle), ""
	if eff.n >= 20 {
		now, usual, which = math.Exp(eff.p95), t.usual[k].quantile(.95), " p95"
	}
	return fmt.Sprintf("%s%s %s, %s times its usual %s", what, which, amount(now), factor(now/usual), amount(usual))
}

// lengthWords compares lengths; without figures where canaries ask for answers of
// different lengths, because the usual of one is not that of the other.
func (t *target) lengthWords(f family, since int64) string {
	eff := t.effectSince(f, kindTokens, since)
	if t.canaries(kindTokens) > 1 {
		return fmt.Sprintf("answers %s times as long as usual for their canaries", factor(math.Exp(eff.middle)))
	}
	now, usual := math.Exp(eff.value)-1, math.Exp(eff.value-eff.middle)-1
	return fmt.Sprintf("answers of %.0f tokens, %s times the usual %.0f", now, factor((now+1)/(usual+1)), usual)
}

// canaries counts the canaries whose usual k is known.
func (t *target) canaries(k kind) int {
	var names []string
	for _, s := range t.series {
		if s.origin == fromProbe && s.measures[k].ready() && !slices.Contains(names, s.canary) {
			names = append(names, s.canary)
		}
	}
	return len(names)
}

// heldBack says for what a target that is called well gets less than all of its
// traffic; false when it does not.
func (e *Engine) heldBack(t *target) (bellwether.Reason, bool) {
	if t.weight >= recoveredAt || t.account() {
		return bellwether.Reason{}, false
	}
	best := -1
	for i := range table {
		if t.bank.nats[i] > 0 && e.set.may[i] != informs && e.set.may[i] != ignored && (best < 0 || t.belief.p[i+1] > t.belief.p[best+1]) {
			best = i
		}
	}
	withheld := percent(1 - t.weight)
	if best < 0 {
		return bellwether.Reason{Code: "held_back", Text: fmt.Sprintf("a suspicion is gone, and traffic returns with each good answer; %s of it is still held back", withheld)}, true
	}
	strength := "weak"
	if t.bank.nats[best] > 10 {
		strength = "growing"
	}
	return bellwether.Reason{Signal: wireSignal(t, table[best].family), Code: "held_back", Evidence: nats(t.bank.nats[best]),
		Text: fmt.Sprintf("%s evidence of %s; %s of its traffic is held back until it is settled", strength, hypothesisWords(t, best), withheld)}, true
}

// hypothesisWords names hypothesis i for people.
func hypothesisWords(t *target, i int) string {
	switch f := table[i].family; f {
	case famErrors:
		return "failing calls"
	case famFirst, famInter:
		return "a slower " + t.words(f)
	case famLonger:
		return "longer answers"
	case famShorter:
		return "shorter answers"
	case famSanity:
		return "wrong answers"
	case famJoint:
		return "slowness all over"
	case famUnsure:
		return "less confident answers"
	case famStrange:
		return "answers unlike earlier ones"
	case famDisliked:
		return "worse ratings"
	default:
		return "a worse " + t.words(f)
	}
}

// usualErrors is the usual rate of failed calls; -1 when none ever succeeded.
func (t *target) usualErrors() float64 {
	if t.avail.good > 0 {
		return t.avail.mean(t.prior.errors)
	}
	for _, s := range t.series {
		if s.passive && s.avail.good > 0 {
			return s.avail.mean(t.trafficPrior(s))
		}
	}
	return -1
}

// usualInsane is the usual rate of failed checks, over all canaries; -1 when no
// answer ever passed.
func (t *target) usualInsane() float64 {
	var sum rate
	for _, s := range t.series {
		sum.good += s.sane.good
		sum.bad += s.sane.bad
	}
	if sum.good == 0 {
		return -1
	}
	return sum.mean(priorInsane)
}

// nats rounds evidence for people, to 0.1.
func nats(x float64) float64 { return math.Round(x*10) / 10 }

func orWord(s, or string) string {
	if s == "" {
		return or
	}
	return s
}
