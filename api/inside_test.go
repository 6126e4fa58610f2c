package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

func TestLeftOutSettingsHaveDefaults(t *testing.T) {
	var c Config
	if c.Address() != "127.0.0.1:8780" || c.WeightsTTL() != time.Minute || c.WeightsHold() != 15*time.Minute {
		t.Errorf("defaults are %s, %v, %v", c.Address(), c.WeightsTTL(), c.WeightsHold())
	}
	c = Config{Listen: "[::1]:1", TTL: conf.Duration(time.Second), Hold: conf.Duration(time.Hour)}
	if c.Address() != "[::1]:1" || c.WeightsTTL() != time.Second || c.WeightsHold() != time.Hour {
		t.Errorf("what is set is not kept: %s, %v, %v", c.Address(), c.WeightsTTL(), c.WeightsHold())
	}
}

func TestTheListenerHasLimits(t *testing.T) {
	s, err := New(Config{}, Deps{Board: NewBoard(), Store: struct{ Store }{}, Facts: func() Facts { return Facts{} }})
	if err != nil {
		t.Fatal(err)
	}
	if h := s.HTTP(); h.Addr != DefaultListen || h.ReadHeaderTimeout == 0 || h.ReadTimeout == 0 || h.IdleTimeout == 0 || h.MaxHeaderBytes == 0 || h.WriteTimeout != 0 {
		t.Errorf("HTTP() = %+v, want limits on all but writing", h)
	}
}

func TestABodyIsBoundedWhateverItsShape(t *testing.T) {
	const limit = 100
	long := strings.Repeat(" ", 2*limit)
	for _, body := range []string{long, "[" + long + "]", "[{}" + long, "{}\n" + long, `{"id":"` + strings.Repeat("x", 2*limit) + `"}`, `["` + strings.Repeat("x", 2*limit) + `"]`} {
		_, _, err := readBatch[bellwether.Observation](http.MaxBytesReader(nil, io.NopCloser(strings.NewReader(body)), limit), false)
		if err == nil || problemOf(bodyProblem(err)).Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%.20q...: %v, want that it is too long", body, err)
		}
	}
}

func TestLeadingSpaceIsSkippedAcrossBuffers(t *testing.T) {
	for _, n := range []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 100_000} {
		obs, faults, err := readBatch[bellwether.Observation](strings.NewReader(strings.Repeat(" \n", n)[:n]+`[{"id":"a"}]`), false)
		if err != nil || len(faults) > 0 || len(obs) != 1 || obs[0].v.ID != "a" {
			t.Errorf("after %d spaces: %v, %v, %v", n, obs, faults, err)
		}
	}
}

func TestOnlySoManyRoutersAreRemembered(t *testing.T) {
	rs, now := newRouters(), time.Now()
	for i := range mostRouters + 5 {
		rs.applied(bellwether.Applied{Name: fmt.Sprintf("router-%04d", i), Epoch: "e", Revision: 1, At: now.Add(time.Duration(i) * time.Millisecond)}, "", nil)
	}
	vs := rs.views(now, bellwether.Weights{Epoch: "e", Revision: 3})
	if len(vs) != mostRouters || vs[0].Name != "router-0005" || vs[0].Behind != 2 {
		t.Errorf("%d are remembered from %+v on, want the newest %d", len(vs), vs[0], mostRouters)
	}
}

func TestABusyMinuteIsSampled(t *testing.T) {
	now := time.Now()
	h := newHour(now)
	for i := range 10_000 {
		h.add(&bellwether.Observation{At: now, Source: bellwether.SourceProbe, Target: "t", Outcome: bellwether.OK, Timing: bellwether.Timing{FirstToken: float64(i%100+1) / 100}})
	}
	g := h.glance("t", now)
	if g.firstToken.Count != minuteValues || g.errors.Total != 10_000 || g.firstToken.P50 < 0.2 || g.firstToken.P50 > 0.8 {
		t.Errorf("10,000 probes in a minute show as %+v, %+v", g.firstToken, g.errors)
	}
	h.keep(nil)
	if g := h.glance("t", now); g.errors != nil {
		t.Errorf("a target that left the config still shows %+v", g.errors)
	}
}

func TestWilsonHoldsTheRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 1_000_000).Draw(t, "total")
		bad := rapid.IntRange(0, total).Draw(t, "bad")
		r := wilson(bad, total)
		if !(0 <= r.Low && r.Low <= r.Ratio && r.Ratio <= r.High && r.High <= 1) {
			t.Fatalf("wilson(%d, %d) = %+v", bad, total, r)
		}
	})
	if wilson(0, 0) != nil {
		t.Error("a rate of nothing is not nil")
	}
}

func TestRankNamesEveryTargetOnceUnlessExcluded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ts []bellwether.TargetWeight
		var exclude []string
		for i := range rapid.IntRange(0, 8).Draw(t, "n") {
			id := fmt.Sprint("t", i)
			ts = append(ts, bellwether.TargetWeight{Target: id, Tier: i / 2, Share: float64(rapid.IntRange(0, 3).Draw(t, "share")) / 3})
			if rapid.Bool().Draw(t, "exclude") {
				exclude = append(exclude, id)
			}
		}
		session := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "session")
		got := rank(ts, session, exclude)
		seen := map[string]bool{}
		for i, r := range got {
			if seen[r.Target] || strings.Contains(strings.Join(exclude, " "), r.Target) {
				t.Fatalf("rank names %s twice, or though it is excluded", r.Target)
			}
			seen[r.Target] = true
			if i > 0 && r.Share > 0 && got[0].Share == 0 {
				t.Fatalf("rank picks %s without a share before %s with one", got[0].Target, r.Target)
			}
		}
		if len(got) != len(ts)-len(exclude) {
			t.Fatalf("rank of %d without %d names %d", len(ts), len(exclude), len(got))
		}
		if again := rank(ts, session, exclude); session != "" && len(got) > 0 && again[0].Target != got[0].Target {
			t.Fatalf("the same session gets %s, then %s", got[0].Target, again[0].Target)
		}
	})
}

func TestCutKeepsCharactersWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, n := rapid.String().Draw(t, "s"), rapid.IntRange(0, 20).Draw(t, "n")
		if got := cut(s, n); len(got) > n || !strings.HasPrefix(s, got) || strings.ToValidUTF8(got, "") != got {
			t.Fatalf("cut(%q, %d) = %q", s, n, got)
		}
	})
}

func TestAnEditionKeepsOnlySoManySheets(t *testing.T) {
	b := NewBoard()
	b.Publish(bellwether.Weights{Epoch: "e", Revision: 1, Routes: map[string]bellwether.RouteWeights{"chat": {Targets: []bellwether.TargetWeight{{Target: "t", Weight: 1, Share: 1}}}}})
	e := b.current.Load()
	for i := range 10 * mostSheets {
		near := &nearby{tag: fmt.Sprint(i), factors: map[string]map[string]float64{"chat": {"t": 1}}}
		if p := e.part("", near, func() Facts { return Facts{} }); p.routes["chat"].Targets[0].Share != 1 {
			t.Fatalf("part %d = %+v", i, p.routes)
		}
	}
	if len(e.parts) > mostSheets+1 {
		t.Errorf("%d sheets are kept, want at most %d and one for each route", len(e.parts), mostSheets)
	}
}
