package api

import (
	"cmp"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// decision is the server's pick for one call.
type decision struct {
	Epoch     string              `json:"epoch"`
	Revision  uint64              `json:"revision"`
	Route     string              `json:"route"`
	Target    string              `json:"target"`
	Provider  string              `json:"provider"`
	Model     string              `json:"model"`
	Region    string              `json:"region"`
	Fallbacks []string            `json:"fallbacks"`
	State     bellwether.State    `json:"state"`
	Reasons   []bellwether.Reason `json:"reasons"`
}

func (s *Server) decide(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	name, session, exclude := p.id("route"), p.text("session"), p.ids("exclude")
	region := p.id("region")
	if name == "" {
		p.fault("route", "is required")
	}
	e := s.deps.Board.current.Load()
	s.checkExcluded(p, e.weights.Routes[name], exclude)
	if err := p.err(); err != nil {
		return err
	}
	if e.blank {
		return unavailable("no weights have been published yet; ask again in a moment")
	}
	rw, ok := s.sheet(e, following{route: name, region: region}).routes[name]
	if !ok {
		return notFound("route", name)
	}
	order := rank(rw.Targets, session, exclude)
	if len(order) == 0 {
		return unavailable("no target of route %s is left: all are excluded", name)
	}
	d := decision{
		Epoch: e.weights.Epoch, Revision: e.weights.Revision, Route: name, Target: order[0].Target,
		State: order[0].State, Reasons: order[0].Reasons, Fallbacks: []string{},
	}
	if t, ok := s.deps.Facts().target(d.Target); ok {
		d.Provider, d.Model, d.Region = t.Provider, t.Model, t.Region
	}
	for _, t := range order[1:] {
		d.Fallbacks = append(d.Fallbacks, t.Target)
	}
	return writeJSON(w, d)
}

// checkExcluded refuses targets that there are not: excluding a name with a slip
// in it would exclude nothing.
func (s *Server) checkExcluded(p *params, rw bellwether.RouteWeights, exclude []string) {
	var known []string
	for _, t := range s.deps.Facts().Targets {
		known = append(known, t.ID)
	}
	for _, t := range rw.Targets { // one that has just left the config may still be routed to
		known = append(known, t.Target)
	}
	for _, id := range exclude {
		if !slices.Contains(known, id) && len(p.faults) < mostFaults {
			near := nearest(id, known)
			if near != "" {
				near = "; did you mean " + near + "?"
			}
			p.fault("exclude", "there is no target %.120q%s", id, near)
		}
	}
}

// rank orders the targets that are not excluded: first the pick, then what to
// try after it. The pick is weighted rendezvous hashing by share (each target
// scores -share/ln(u), u being the hash of session and target in (0, 1)): a
// session only ever moves to a target whose share grew against that of its own, and nothing
// is remembered. Without a session u is random.
// Fallbacks go by tier, then score; what has no share comes last, the healthier first.
func rank(targets []bellwether.TargetWeight, session string, exclude []string) []bellwether.TargetWeight {
	type scored struct {
		bellwether.TargetWeight
		score float64
	}
	var all []scored
	for _, t := range targets {
		if slices.Contains(exclude, t.Target) {
			continue
		}
		u := rand.Float64()
		if session != "" {
			u = unit(session, t.Target)
		}
		all = append(all, scored{t, -t.Share / math.Log(max(u, 1e-300))})
	}
	if len(all) == 0 {
		return nil
	}
	best := 0
	for i, t := range all {
		if cmp.Or(cmp.Compare(t.score, all[best].score), cmp.Compare(t.Weight, all[best].Weight)) > 0 {
			best = i
		}
	}
	pick := all[best]
	rest := slices.Delete(all, best, best+1)
	slices.SortStableFunc(rest, func(a, b scored) int {
		return cmp.Or(-cmp.Compare(oneIf(a.Share > 0), oneIf(b.Share > 0)), cmp.Compare(a.Tier, b.Tier),
			-cmp.Compare(a.score, b.score), -cmp.Compare(a.Weight, b.Weight))
	})
	out := []bellwether.TargetWeight{pick.TargetWeight}
	for _, t := range rest {
		out = append(out, t.TargetWeight)
	}
	return out
}

// unit hashes session and target to a number in [0, 1): FNV-1a with
// MurmurHash3's finaliser, since FNV alone mixes its last bytes badly. It is
// the same on every server and in every version.
func unit(session, target string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(session))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(target))
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
