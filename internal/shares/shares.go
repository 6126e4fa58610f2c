// Package shares turns the weights of a route's targets into the shares of its
// traffic: tiers with spill-over, a standby share that keeps fallbacks warm,
// and panic mode. The scorer publishes with it, and a router that has lost the
// scorer computes the same shares by itself.
//
// It is pure: no state, no clock, no goroutine. All functions are safe for
// concurrent use on different arguments.
package shares

import "math"

// PanicBelow is the part of a route's traffic that all tiers together must be
// able to carry; with less, shares no longer follow health. It is Envoy's
// panic threshold, applied to all tiers at once.
const PanicBelow = 0.5

// MaxStandby is the largest standby share that has an effect.
const MaxStandby = 0.5

// Target is one target's place in a route.
type Target struct {
	// Tier is the rank of the target's tier. Targets stand in tier order;
	// neighbours of one Tier make up a tier.
	Tier int
	// Base is the target's share within its tier relative to its siblings
	// when all are well. Not positive: it takes traffic in panic only.
	Base float64
	// Weight is the fraction of its normal traffic that the target is fit to
	// take now, in [0, 1]; values outside are clipped, NaN is 0.
	Weight float64
	// Preference scales the target's share within its tier without changing
	// the tier's capacity. 0 means 1.
	Preference float64
	// Dead says that the target certainly answers nobody, so that not even
	// panic sends it traffic while another target is alive.
	Dead bool
}

// Policy is a route's way of sharing. Its zero value has no standby and no
// overprovision.
type Policy struct {
	// StandbyShare is the part of what reaches a tier that is passed on to
	// the next one even in health, in [0, 0.5].
	StandbyShare float64
	// Overprovision is the spare capacity of a tier: its capacity is counted
	// this many times. Below 1 (and 0) means 1.
	Overprovision float64
}

// Compute returns the share of each target. See [ComputeInto].
func Compute(ts []Target, p Policy) (shares []float64, panicked bool) {
	shares = make([]float64, len(ts))
	panicked = ComputeInto(shares, ts, p)
	return shares, panicked
}

// ComputeInto writes the share of each target to dst, which must be at least
// as long as ts. Shares are in [0, 1] and sum to 1, and so at least one is
// positive, unless ts is empty. O(n), no allocation.
//
// The capacity of a tier is sum(base*weight)/sum(base), times Overprovision.
// Going down the tiers with rest = 1, each but the last takes rest *
// (1-StandbyShare) * min(1, capacity), the last rest * min(1, capacity), and
// what was taken is scaled up to 1. Within a tier, shares follow base * weight
// * preference. If less than [PanicBelow] was taken, panicked is true and what
// is not dead shares by base, or, if all is dead, everything equally.
func ComputeInto(dst []float64, ts []Target, p Policy) (panicked bool) {
	if len(ts) == 0 {
		return false
	}
	dst = dst[:len(ts)]
	standby := clip(p.StandbyShare, 0, MaxStandby)
	over := 1.0
	if p.Overprovision > 1 {
		over = p.Overprovision
	}
	rest, taken := 1.0, 0.0
	for i := 0; i < len(ts); {
		j, base, able, liked := tier(ts, i)
		take := 0.0
		if base > 0 && liked > 0 {
			take = rest * math.Min(1, over*able/base)
		}
		if j < len(ts) {
			take *= 1 - standby
		}
		for k := i; k < j; k++ {
			dst[k] = 0
			if take > 0 {
				dst[k] = take * ts[k].able() * ts[k].preference() / liked
			}
		}
		rest -= take
		taken += take
		i = j
	}
	if taken < PanicBelow {
		spread(dst, ts)
		return true
	}
	for i := range dst {
		dst[i] /= taken
	}
	return false
}

// tier sums up the tier that begins at i and ends before j.
func tier(ts []Target, i int) (j int, base, able, liked float64) {
	for j = i; j < len(ts) && ts[j].Tier == ts[i].Tier; j++ {
		base += ts[j].base()
		able += ts[j].able()
		liked += ts[j].able() * ts[j].preference()
	}
	return j, base, able, liked
}

// spread is panic mode: everything that is not dead takes its part, whatever
// its weight and tier.
func spread(dst []float64, ts []Target) {
	var alive int
	var sum float64
	for i := range ts {
		if !ts[i].Dead {
			alive++
			sum += ts[i].base()
		}
	}
	for i := range ts {
		switch {
		case alive == 0:
			dst[i] = 1 / float64(len(ts))
		case ts[i].Dead:
			dst[i] = 0
		case sum > 0:
			dst[i] = ts[i].base() / sum
		default:
			dst[i] = 1 / float64(alive)
		}
	}
}

// Round rounds shares that sum to 1 to four decimals in place, so that they
// still sum to 1: each becomes the difference of rounded running sums and
// moves by less than 0.0001. A share of 0 stays 0. O(n), no allocation.
func Round(shares []float64) {
	var sum, last float64
	for i, s := range shares {
		sum += s
		next := math.Round(sum * 1e4)
		shares[i] = (next - last) / 1e4
		last = next
	}
}

// Blend mixes two sets of shares in place: part of the traffic, in [0, 1],
// follows shares, the rest plain. Sums of 1 stay 1. O(n), no allocation.
func Blend(shares, plain []float64, part float64) {
	part = clip(part, 0, 1)
	for i := range shares {
		shares[i] = part*shares[i] + (1-part)*plain[i]
	}
}

func (t *Target) base() float64 { return clip(t.Base, 0, 1e9) }
func (t *Target) able() float64 { return t.base() * clip(t.Weight, 0, 1) }

func (t *Target) preference() float64 {
	if t.Preference == 0 {
		return 1
	}
	return clip(t.Preference, 1e-6, 1e6)
}

// clip bounds v; NaN becomes the lower bound.
func clip(v, lo, hi float64) float64 {
	if !(v > lo) {
		return lo
	}
	return math.Min(v, hi)
}
