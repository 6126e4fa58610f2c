package api_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
)

// splitSeen is what a test reads of a router's split.
type splitSeen struct {
	Name, Region string
	Split        []struct {
		Route    string
		Requests float64
		Targets  []struct {
			Target    string
			Requests  float64
			Applied   float64 `json:"applied_share"`
			Published float64 `json:"published_share"`
			Diff      float64 `json:"difference"`
		}
	}
}

func (w *world) splits() []splitSeen {
	w.t.Helper()
	var got struct{ Routers []splitSeen }
	w.get("/v1/routers").want(200).into(&got)
	return got.Routers
}

func same(got, want float64) bool { return math.Abs(got-want) < 1e-9 }

// withoutSockets is a proxy that knows no upgrades.
func withoutSockets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "this proxy knows no upgrades", http.StatusBadGateway)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func TestARoutersSplitStandsBesideTheShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		w.get("/v1/weights?after=1&name=r1&split=chat:gpt-us:30,chat:gpt-eu:50&split=chat:claude-us:20&split=nothing:gpt-us:7&split=chat:nobody:9").want(304)
		got := w.splits()
		if len(got) != 1 || len(got[0].Split) != 1 || got[0].Split[0].Requests != 100 || len(got[0].Split[0].Targets) != 3 {
			t.Fatalf("routers = %+v, want one route, and nothing of what the config does not have", got)
		}
		if g := got[0].Split[0].Targets[2]; g.Target != "gpt-us" || !same(g.Applied, 0.3) || !same(g.Published, 0.2) || !same(g.Diff, 0.1) {
			t.Errorf("split of gpt-us = %+v, want 0.3 where 0.2 was published", g)
		}
	})
}

func TestASplitIsMeasuredByTheSharesInForceThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		moved := edition(2)
		moved.Routes["chat"].Targets[0].Share, moved.Routes["chat"].Targets[1].Share, moved.Routes["chat"].Targets[2].Share = 0, 0, 1
		w.board.Publish(moved)
		w.get("/v1/weights?after=1&epoch=e1&name=r1&split=chat:gpt-us:20,chat:gpt-eu:50,chat:claude-us:30").want(200)
		for _, g := range w.splits()[0].Split[0].Targets {
			if !same(g.Diff, 0) {
				t.Errorf("split = %+v, want no difference from revision 1, which was in force", g)
			}
		}
	})
}

func TestOlderRequestsWeighLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		w.get("/v1/weights?after=1&name=r1&split=chat:gpt-us:100").want(304)
		time.Sleep(5 * time.Minute)
		if got := w.splits()[0].Split[0].Requests; !same(got, 50) {
			t.Errorf("100 requests weigh %v after five minutes, want 50", got)
		}
		time.Sleep(50 * time.Minute)
		w.get("/v1/weights?after=1&name=r1&split=chat:gpt-us:1").want(304)
		time.Sleep(40 * time.Minute)
		if got := w.splits()[0].Split; len(got) != 0 {
			t.Errorf("split = %+v, want it forgotten", got)
		}
	})
}

func TestASplitThatCannotBeReadIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		for _, bad := range []string{"chat", "chat:gpt-us", "chat:gpt-us:0", "chat:gpt-us:-1", "chat:gpt-us:x", "a:b:c:1", "Chat:gpt-us:1", "chat:gpt-us:9999999999"} {
			w.get("/v1/weights?after=1&name=r1&split=" + bad).want(400).says("route:target:count")
		}
		w.get("/v1/weights?split=chat:gpt-us:1").want(400).says("name and after")
	})
}

func TestTheClientTellsItsSplitBySocketAndByPolling(t *testing.T) {
	for name, wrap := range map[string]bool{"socket": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := setup{}
				if wrap {
					s.wrap = withoutSockets
				}
				w := newWorld(t, s)
				w.board.Publish(edition(1))
				c := w.client(client.Config{Name: "r1", Region: "eu-west"})
				c.Sent(map[string]map[string]int{"chat": {"gpt-us": 3}}) // before it follows: told when it does
				f := follow(t, c, func(bw bellwether.Weights) { c.Applied(bw.Revision) })
				defer f.cancel()
				synctest.Wait()
				c.Sent(map[string]map[string]int{"chat": {"gpt-us": 2, "gpt-eu": 5}, "batch": {"claude-us": 1}})
				time.Sleep(50 * time.Second)
				w.board.Publish(edition(2))
				time.Sleep(50 * time.Second)
				got := w.splits()
				if len(got) != 1 || got[0].Region != "eu-west" || len(got[0].Split) != 2 {
					t.Fatalf("routers = %+v, want both routes of r1 in eu-west", got)
				}
				if g := got[0].Split[1].Targets; len(g) != 3 || math.Abs(g[1].Applied-0.5) > 0.05 || math.Abs(g[2].Applied-0.5) > 0.05 {
					t.Errorf("split of chat = %+v, want ten requests, half of them to each", g)
				}
			})
		})
	}
}

func TestFailoversAreListedWithTheirTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		at := time.Now()
		move := func(i int, from, to string, n, served int) bellwether.Failover {
			return bellwether.Failover{At: at.Add(time.Duration(i) * time.Second), Router: "r1", Route: "chat", From: from, To: to, Why: bellwether.Overloaded, Count: n, Served: served}
		}
		c := w.client(client.Config{Name: "r1"})
		batch := []bellwether.Failover{move(0, "gpt-us", "gpt-eu", 10, 9), move(1, "gpt-us", "gpt-eu", 4, 4), move(2, "gpt-eu", "", 2, 0)}
		batch[0].Router = "" // the client says who it is
		if err := c.Failovers(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if err := c.Failovers(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Failovers  []bellwether.Failover
			NextCursor string `json:"next_cursor"`
			Total      struct{ Moved, Served int }
			Pairs      []struct {
				From, To      string
				Moved, Served int
				Why           map[string]int
			}
		}
		w.get("/v1/failovers?limit=2").want(200).into(&got)
		if got.Total.Moved != 16 || got.Total.Served != 13 || len(got.Failovers) != 2 || got.Failovers[0].To != "" || got.Failovers[1].Count != 4 {
			t.Errorf("failovers = %+v, want the newest two, and the totals of all", got)
		}
		if p := got.Pairs; len(p) != 2 || p[0].Moved != 14 || p[0].Served != 13 || p[0].Why["overloaded"] != 14 {
			t.Errorf("pairs = %+v, want 14 moved from gpt-us to gpt-eu, 13 of them served", p)
		}
		cursor := got.NextCursor
		got.Failovers, got.NextCursor = nil, ""
		w.get("/v1/failovers?limit=2&cursor=" + cursor).want(200).into(&got)
		if len(got.Failovers) != 1 || got.Failovers[0].Count != 10 || got.Failovers[0].Router != "r1" || got.NextCursor != "" || got.Total.Moved != 16 {
			t.Errorf("the next page = %+v, want the oldest", got)
		}
		w.get("/v1/failovers?order=oldest&limit=1").want(200).into(&got)
		w.get("/v1/failovers?order=oldest&limit=5&cursor=" + got.NextCursor).want(200).into(&got)
		if len(got.Failovers) != 2 || got.Failovers[0].Count != 4 {
			t.Errorf("the next page of the oldest = %+v, want what follows the first", got)
		}
		w.get("/v1/failovers?target=gpt-eu&route=chat&router=r1&from=2000-01-01T00:00:02Z").want(200).says(`"moved":2`)
		w.get("/v1/failovers?router=r2").want(200).says(`"failovers":[]`, `"moved":0`)
		w.get("/v1/failovers?cursor=x").want(400).says("cursor")
	})
}

func TestBadFailoversAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		good := `{"at":"2000-01-01T00:00:00Z","router":"r1","route":"chat","from":"a","to":"b","why":"timeout","count":2,"served":1}`
		w.do("POST", "/v1/failovers", good).want(200)
		for change, place := range map[string]string{
			`"at":"2000-01-01T00:00:00Z"|"at":"2000-01-02T00:00:00Z"`: "/0/at", `"router":"r1"|"router":""`: "/0/router", `"route":"chat"|"route":""`: "/0/route",
			`"from":"a"|"from":"A"`: "/0/from", `"to":"b"|"to":"<b>"`: "/0/to", `"to":"b"|"to":""`: "/0/served", `"count":2|"count":0`: "/0/count",
			`"served":1|"served":3`: "/0/served", `"served":1|"serve":1`: "/0/serve", `"why":"timeout"|"why":" "`: "/0/why",
		} {
			old, now, _ := strings.Cut(change, "|")
			w.do("POST", "/v1/failovers", "["+strings.ReplaceAll(good, old, now)+"]").want(422).says(`"` + place + `"`)
		}
		w2 := newWorld(t, setup{config: tokens("reader", "reader-token", api.Read)})
		w2.token = "reader-token"
		w2.do("POST", "/v1/failovers", good).want(403)
	})
}

func TestOnlyTheNewestFailoversAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		time.Sleep(2 * time.Hour)
		at := time.Now().Add(-2 * time.Hour)
		for range 3 {
			var lines strings.Builder
			for range 2000 {
				at = at.Add(time.Second)
				fmt.Fprintf(&lines, `{"at":%q,"router":"r1","route":"chat","from":"a","to":"b","why":"timeout","count":1,"served":1}`+"\n", at.UTC().Format(time.RFC3339))
			}
			w.do("POST", "/v1/failovers", lines.String()).want(200).says(`"accepted":2000`)
		}
		w.get("/v1/failovers").want(200).says(`"moved":5000`)
	})
}
