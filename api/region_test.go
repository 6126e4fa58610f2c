package api_test

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
)

// distant is a world whose route chat prefers what is near: gpt-us and gpt-eu
// share a tier, claude-us stands behind.
func distant(t *testing.T, locality float64) *world {
	w := newWorld(t, setup{})
	w.facts.Routes[0].Prefer.Locality = locality
	e := edition(1)
	for i, share := range []float64{0.475, 0.475, 0.05} {
		e.Routes["chat"].Targets[i].Weight, e.Routes["chat"].Targets[i].Share = 1, share
	}
	w.board.Publish(e)
	return w
}

func (w *world) shares(query string) map[string]float64 {
	w.t.Helper()
	var got bellwether.Weights
	w.get("/v1/weights" + query).want(200).into(&got)
	return sharesOf(got)
}

func sharesOf(w bellwether.Weights) map[string]float64 {
	out := map[string]float64{}
	for _, t := range w.Routes["chat"].Targets {
		out[t.Target] = t.Share
	}
	return out
}

func wantShares(t *testing.T, what string, got map[string]float64, us, eu, claude float64) {
	t.Helper()
	for id, want := range map[string]float64{"gpt-us": us, "gpt-eu": eu, "claude-us": claude} {
		if math.Abs(got[id]-want) > 1e-9 {
			t.Errorf("%s: share of %s = %v, want %v", what, id, got[id], want)
		}
	}
}

func TestSharesFavourWhatIsNearTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := distant(t, 1)
		wantShares(t, "without region", w.shares(""), 0.475, 0.475, 0.05)
		wantShares(t, "in the region", w.shares("?region=eu-west"), 0.1583, 0.7917, 0.05)                  // 0.2 : 1
		wantShares(t, "in the same part of the world", w.shares("?region=eu-north"), 0.2714, 0.6786, 0.05) // 0.2 : 0.5
		wantShares(t, "by a cloud's name for it", w.shares("?region=swedencentral"), 0.2714, 0.6786, 0.05)
		wantShares(t, "far from both", w.shares("?region=ap-south"), 0.475, 0.475, 0.05)
		wantShares(t, "from nowhere known", w.shares("?region=the-moon"), 0.475, 0.475, 0.05)
		w.get("/v1/weights?region=eu-west&route=chat").want(200).says(`"preference":0.2`, `"preference":1`)
		if got := sharesOf(w.board.Current()); got["gpt-us"] != 0.475 {
			t.Errorf("the published document has changed: %v", got)
		}
	})
}

func TestLocalityMultipliesOtherPreferencesAndStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := distant(t, 4) // 0.2^4 is less than the least
		e := edition(2)
		for i := range 3 {
			e.Routes["chat"].Targets[i].Weight = 1
		}
		e.Routes["chat"].Targets[1].Preference = 0.5
		w.board.Publish(e)
		wantShares(t, "near the less liked", w.shares("?region=eu-west"), 0.0864, 0.8636, 0.05) // 0.05 : 0.5
	})
}

func TestALabelSaysWhereATargetIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := distant(t, 1)
		w.facts.Targets[0].Labels = map[string]string{"area": "eu"}
		wantShares(t, "by label", w.shares("?region=eu-north"), 0.475, 0.475, 0.05) // both 0.5
	})
}

func TestARolloutIsKeptWhereverTheCallerIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := distant(t, 1)
		e := edition(2)
		part, would := 0.1, []float64{0, 0.95, 0.05}
		e.Routes["chat"] = bellwether.RouteWeights{Mode: bellwether.ModeNormal, Rollout: &part, Targets: e.Routes["chat"].Targets}
		for i, weight := range []float64{0, 1, 1} {
			tw := &e.Routes["chat"].Targets[i]
			tw.Weight, tw.WouldShare, tw.Share = weight, &would[i], []float64{0.4275, 0.5225, 0.05}[i]
		}
		e.Routes["chat"].Targets[0].Weight = 0.5
		w.board.Publish(e)
		// In eu-west the followed part would be 0.5*0.2 : 1, of what tier 0 takes (0.75 * 0.95, scaled).
		var got bellwether.Weights
		w.get("/v1/weights?region=eu-west").want(200).into(&got)
		sum := 0.0
		for i, tw := range got.Routes["chat"].Targets {
			sum += tw.Share
			if want := e.Routes["chat"].Targets[i].Share + part*(*tw.WouldShare-would[i]); math.Abs(tw.Share-want) > 1e-4 {
				t.Errorf("%s: share %v with would_share %v, want %v: a tenth of the way", tw.Target, tw.Share, *tw.WouldShare, want)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("shares sum to %v", sum)
		}
	})
}

func TestTheETagHoldsTheRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := distant(t, 1)
		plain, eu := w.get("/v1/weights").header.Get("ETag"), w.get("/v1/weights?region=eu-west").header.Get("ETag")
		if plain == eu || !strings.Contains(eu, "region=eu-west") {
			t.Errorf("ETags are %s and %s, want the region in the second", plain, eu)
		}
		w.get("/v1/weights?region=eu-west", "If-None-Match", eu).want(304)
		w.get("/v1/weights?region=eu-west", "If-None-Match", plain).want(200)
		w.facts.Routes[0].Prefer.Locality = 2
		w.get("/v1/weights?region=eu-west", "If-None-Match", eu).want(200) // shares have moved, the revision has not
	})
}

func TestSocketsAndDecisionsKnowTheRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := distant(t, 4)
		c := w.client(client.Config{Region: "eu-west"})
		seen := make(chan bellwether.Weights, 1)
		f := follow(t, c, func(bw bellwether.Weights) { seen <- bw })
		defer f.cancel()
		wantShares(t, "on the socket", sharesOf(<-seen), 0.0452, 0.9048, 0.05)
		picks := map[string]int{}
		for i := range 2000 {
			var d struct{ Target string }
			w.get("/v1/decision?route=chat&region=eu-west&session=" + string(rune('a'+i%26)) + time.Duration(i).String()).want(200).into(&d)
			picks[d.Target]++
		}
		if n := picks["gpt-us"]; n < 50 || n > 150 {
			t.Errorf("picks = %v of 2000, want about 90 of gpt-us", picks)
		}
	})
}

func TestAPreviewKeepsPreferencesAndTheRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := distant(t, 0)
		e, part := edition(2), 0.1
		would := []float64{0.19, 0.76, 0.05}
		ts := e.Routes["chat"].Targets
		for i, now := range []float64{0.4465, 0.5035, 0.05} {
			ts[i].Weight, ts[i].WouldShare, ts[i].Share = 1, &would[i], now
		}
		ts[0].Preference = 0.25
		e.Routes["chat"] = bellwether.RouteWeights{Mode: bellwether.ModeNormal, Rollout: &part, Targets: ts}
		w.board.Publish(e)
		var got struct {
			Targets []struct {
				Target string
				Then   float64 `json:"share_then"`
			}
		}
		w.get("/v1/routes/chat/preview?down=claude-us").want(200).into(&got)
		for i, want := range []float64{0.4465 + 0.1*(0.2-0.19), 0.5035 + 0.1*(0.8-0.76), 0.05 - 0.1*0.05} { // a tenth of the way to 0.2 : 0.8 : 0
			if math.Abs(got.Targets[i].Then-want) > 1e-4 {
				t.Errorf("%s: share would be %v, want %v", got.Targets[i].Target, got.Targets[i].Then, want)
			}
		}
	})
}
