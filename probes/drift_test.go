package probes

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// fleet draws fingerprints of a fleet: those of a connection stay the same for
// a while.
func fleet(r *rand.Rand, stay float64, shares map[string]float64) func() string {
	last := ""
	names := []string{"a", "b", "c", "d"}
	return func() string {
		if last != "" && r.Float64() < stay {
			return last
		}
		x := r.Float64()
		for _, name := range names {
			if x -= shares[name]; x < 0 {
				last = name
				break
			}
		}
		return last
	}
}

func TestSeveralFingerprintsAreUsualAndAShiftOfTheirSharesIsNot(t *testing.T) {
	before, after := map[string]float64{"a": .6, "b": .3, "c": .1}, map[string]float64{"a": .05, "b": .15, "c": .8}
	for _, stay := range []float64{0, 0.5, 0.8} {
		calm, found := 0, 0
		const fleets = 200
		for seed := range uint64(fleets) {
			r := rand.New(rand.NewPCG(seed, 1))
			var m blend
			next := fleet(r, stay, before)
			for range 4000 {
				if _, yes := m.shifted(next()); yes {
					calm++
				}
			}
			next = fleet(r, stay, after)
			for range 400 {
				if d, yes := m.shifted(next()); yes {
					if d < mixLeast || d > 1 {
						t.Fatalf("distance = %v", d)
					}
					found++
					break
				}
			}
		}
		if calm > 3 {
			t.Errorf("stay %v: %d false changes in %d answers", stay, calm, fleets*4000)
		}
		want := map[float64]int{0: fleets * 9 / 10, 0.5: fleets / 2}[stay] // at 0.8 a block is worth four answers
		if found < want {
			t.Errorf("stay %v: a shift was seen in %d of %d fleets", stay, found, fleets)
		}
	}
}

func TestAnotherLengthOfAnswersIsSaidOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	calm, found, late := 0, 0, 0
	draw := func(mean float64) int { return int(math.Round(mean * math.Exp(0.2*r.NormFloat64()))) }
	for range 300 {
		var l lengths
		for range 1000 {
			if _, yes := l.changed(draw(80)); yes {
				calm++
			}
		}
		for n := range 200 {
			if median, yes := l.changed(draw(130)); yes {
				if found++; n >= 60 {
					late++
				}
				if median < 60 || median > 200 {
					t.Fatalf("median = %d", median)
				}
			}
		}
	}
	if calm > 2 || found < 295 || found > 310 || late > 30 {
		t.Errorf("%d false, %d of 300 found, %d of them late", calm, found, late)
	}
	var l lengths
	for range 500 { // always the same answer, then always another one
		if _, yes := l.changed(2); yes {
			t.Fatal("a constant length changed")
		}
	}
	said := 0
	for range 60 {
		if _, yes := l.changed(3); yes {
			said++
		}
	}
	if said != 1 {
		t.Errorf("said %d times, want once", said)
	}
}

func TestLengthsApartIsADistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfN(rapid.Uint16Range(0, 9), 1, 40)
		a, b := some.Draw(t, "a"), some.Draw(t, "b")
		d := apart(a, b)
		if d < 0 || d > 1 || math.Abs(d-apart(b, a)) > 1e-12 || apart(a, a) != 0 {
			t.Fatalf("apart(%v, %v) = %v, the other way %v", a, b, d, apart(b, a))
		}
	})
}

func TestIdsAreToldByHowTheyBegin(t *testing.T) {
	for id, want := range map[string]string{
		"chatcmpl-9AbC": "chatcmpl-", "msg_01AbC": "msg_", "msg_bdrk_01AbC": "msg_bdrk_", "msg_vrtx_x": "msg_vrtx_", "resp_67": "resp_", "gen-17": "gen-",
		"3fa85f64-5717": "other", "kX_9": "other", "": "other", "a-b-c": "other",
	} {
		if got := idForm(id); got != want {
			t.Errorf("idForm(%q) = %q, want %q", id, got, want)
		}
	}
}

func TestAnotherSystemBehindTheSameNameIsSaid(t *testing.T) {
	id := "chatcmpl-1"
	j := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if len(b) == 0 {
			t.Error("no request")
		}
		stream(fmt.Sprintf(`{"id":%q,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"Paris"}}]}`, id), stopEvent, usageEvent, "[DONE]")(w, r)
	})
	i, err := NewIdentity(newProber(t, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	changes := func(n int) (all []string) {
		for range n {
			for s := range i.Probe(context.Background(), j).Signals {
				if s != IdentityChanged && strings.HasPrefix(string(s), "identity.") {
					all = append(all, string(s))
				}
			}
		}
		return all
	}
	if got := changes(12); len(got) > 0 {
		t.Fatalf("nothing changed, yet %v", got)
	}
	id = "gen-17-x"
	if got := changes(10); len(got) != 1 || got[0] != "identity.id" {
		t.Errorf("said %v, want identity.id once", got)
	}
}

func TestAnotherVectorOfTheSameTextIsSaid(t *testing.T) {
	turned := false
	j := vectorJob(serve(t, embedder(t, llm.OpenAI, func(s string) []float32 {
		v := meaning(s)
		if turned {
			v[0], v[2] = v[2], v[0]
		}
		return v
	}, true)), CheckSpec{"dimensions": 4})
	i, err := NewIdentity(newProber(t, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		turned = n >= 3
		o := i.Probe(context.Background(), j)
		if got := o.Signals[IdentityEmbedding]; (got > 0) != (n == 3) || (o.Signals[IdentityChanged] == 1) != (n == 3) || o.Outcome != bellwether.OK {
			t.Errorf("answer %d: %s %v", n, o.Outcome, o.Signals)
		}
	}
}
