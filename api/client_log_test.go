package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// gate counts requests by path.
type gate struct {
	mu    sync.Mutex
	asked map[string]int
	proxy func(http.ResponseWriter, *http.Request) bool // answers in the server's place
}

func (g *gate) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		if g.asked == nil {
			g.asked = map[string]int{}
		}
		g.asked[r.URL.Path]++
		proxy := g.proxy
		g.mu.Unlock()
		if proxy == nil || !proxy(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (g *gate) of(path string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[path]
}

// wantLog fails unless the log from info on has as many lines as want, each
// with all of its words.
func wantLog(t *testing.T, when string, log *lines, want ...string) {
	t.Helper()
	synctest.Wait()
	got := log.of(slog.LevelInfo)
	if len(got) != len(want) {
		t.Fatalf("%s the log has %d lines, want %d:\n%s", when, len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		for word := range strings.SplitSeq(want[i], "|") {
			if !strings.Contains(got[i], word) {
				t.Errorf("%s line %d is %s, want it to say %q", when, i, got[i], word)
			}
		}
	}
}

func TestARefusedTokenIsOneErrorAndRareTries(t *testing.T) {
	for name, token := range map[string]conf.Secret{"unknown": "a-strange-token", "without scope read": "router-token", "none": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, log := &gate{}, &lines{}
				w := newWorld(t, setup{config: threeTokens(), wrap: g.wrap})
				w.board.Publish(edition(1))
				f := follow(t, w.client(client.Config{Token: token, Log: log.logger()}))
				time.Sleep(20 * time.Minute)
				wantLog(t, "after 20 minutes", log, "level=ERROR|refused|remedy|scopes read, observe|again_in")
				if n := g.of("/v1/weights/watch"); n < 20 || n > 60 {
					t.Errorf("the socket was tried %d times in 20 minutes, want every 10 s to 60 s", n)
				}
				if n := g.of("/v1/weights"); n != 0 {
					t.Errorf("there were %d polls, want none: they are refused likewise", n)
				}
				wantRevisions(t, f)

				again := newWorld(t, setup{}) // somebody has mended it
				again.board.Publish(edition(1))
				w.mu.Lock()
				w.pipes = again.pipes
				w.mu.Unlock()
				time.Sleep(2 * time.Minute)
				wantLog(t, "once it is mended", log, "level=ERROR", "level=INFO|following by WebSocket")
				wantRevisions(t, f, 1)
				f.cancel()
				<-f.err
			})
		})
	}
}

func TestAServerThatIsAwayIsOneWarningEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		w.down()
		f := follow(t, w.client(client.Config{Log: log.logger()}))
		time.Sleep(10 * time.Minute)
		wantLog(t, "while nobody is there", log, "level=WARN|no connection|again_in")
		again := newWorld(t, setup{})
		again.board.Publish(edition(1))
		w.mu.Lock()
		w.pipes = again.pipes
		w.mu.Unlock()
		time.Sleep(time.Minute)
		wantLog(t, "once the server is there", log, "WARN", "level=INFO|following by WebSocket")
		again.down()
		time.Sleep(10 * time.Minute)
		wantLog(t, "when it has gone", log, "WARN", "INFO", "level=WARN|connection lost|again_in")
		f.cancel()
		<-f.err
	})
}

func TestAProxyThatForbidsSocketsIsPolledThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		g := &gate{proxy: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Upgrade") != "" {
				http.Error(w, "upgrades are not allowed", http.StatusForbidden)
				return true
			}
			return false
		}}
		w := newWorld(t, setup{wrap: g.wrap})
		w.board.Publish(edition(1))
		f := follow(t, w.client(client.Config{Log: log.logger()}))
		time.Sleep(20 * time.Minute)
		wantRevisions(t, f, 1)
		wantLog(t, "after 20 minutes", log, "level=INFO|following by polls|no WebSocket|403")
		g.mu.Lock()
		g.proxy = func(w http.ResponseWriter, r *http.Request) bool {
			http.Error(w, "nor is anything else", http.StatusForbidden)
			return true
		}
		g.mu.Unlock()
		time.Sleep(10 * time.Minute)
		wantLog(t, "when polls are forbidden too", log, "INFO", "level=ERROR|refused")
		f.cancel()
		<-f.err
	})
}

func TestAnAgentWhoseTokenIsRefusedSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, log := &gate{}, &lines{}
		w := newWorld(t, setup{config: threeTokens(), wrap: g.wrap, deps: func(d *api.Deps) { d.Plans = api.NewPlanner("e1") }})
		c := w.client(client.Config{Token: "a-strange-token", Log: log.logger()})
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- c.WatchPlan(ctx, "frankfurt", func(client.Plan) {}) }()
		time.Sleep(20 * time.Minute)
		wantLog(t, "after 20 minutes", log, "level=ERROR|refused|of=plan")
		if n := g.of("/v1/agents/frankfurt/plan"); n < 20 || n > 60 {
			t.Errorf("the plan was asked for %d times in 20 minutes, want every 10 s to 60 s", n)
		}
		cancel()
		<-ended
	})
}
