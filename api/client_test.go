package api_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
)

// following runs a Watch in the background and remembers what it delivered.
type following struct {
	mu     sync.Mutex
	got    []uint64
	epochs []string
	err    chan error
	cancel context.CancelFunc
}

func follow(t *testing.T, c *client.Client, more ...func(bellwether.Weights)) *following {
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{err: make(chan error, 1), cancel: cancel}
	go func() {
		f.err <- c.Watch(ctx, func(w bellwether.Weights) {
			f.mu.Lock()
			f.got, f.epochs = append(f.got, w.Revision), append(f.epochs, w.Epoch)
			f.mu.Unlock()
			for _, m := range more {
				m(w)
			}
		})
	}()
	t.Cleanup(cancel)
	return f
}

func (f *following) revisions() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

func wantRevisions(t *testing.T, f *following, want ...uint64) {
	t.Helper()
	synctest.Wait()
	if got := f.revisions(); !slices.Equal(got, want) {
		t.Errorf("delivered revisions %v, want %v", got, want)
	}
}

func TestWatchDeliversEveryChangeOnceAndHearsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		c := w.client(client.Config{})
		if !c.News().IsZero() {
			t.Error("there are news before anything was heard")
		}
		f := follow(t, c)
		time.Sleep(time.Minute) // nothing is published yet
		wantRevisions(t, f)
		w.board.Publish(edition(1))
		wantRevisions(t, f, 1)
		time.Sleep(5 * time.Minute)
		if age := time.Since(c.News()); age > 10*time.Second {
			t.Errorf("the last news are %v old, want a bookmark within 10 s", age)
		}
		w.board.Publish(edition(2))
		wantRevisions(t, f, 1, 2)
		f.cancel()
		if err := <-f.err; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch = %v, want context.Canceled", err)
		}
	})
}

func TestWatchResumesAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		f := follow(t, w.client(client.Config{Name: "router-1"}))
		wantRevisions(t, f, 1)
		time.Sleep(time.Minute)
		w.down()
		time.Sleep(20 * time.Second)

		again := newWorld(t, setup{}) // the same weights, as from the store
		again.board.Publish(edition(1))
		w.mu.Lock()
		w.pipes = again.pipes
		w.mu.Unlock()
		time.Sleep(15 * time.Second)
		wantRevisions(t, f, 1) // nothing new, so nothing is delivered again
		again.board.Publish(edition(2))
		wantRevisions(t, f, 1, 2)
		f.cancel()
		<-f.err
	})
}

func TestWatchBelievesAReplacedOrRestoredStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, epoch := range []string{"e1", "e2"} {
			w := newWorld(t, setup{})
			w.board.Publish(edition(50))
			f := follow(t, w.client(client.Config{}))
			wantRevisions(t, f, 50)
			w.down()
			again := newWorld(t, setup{})
			restored := edition(3)
			restored.Epoch = epoch
			again.board.Publish(restored)
			w.mu.Lock()
			w.pipes = again.pipes
			w.mu.Unlock()
			time.Sleep(15 * time.Second)
			wantRevisions(t, f, 50, 3)
			f.cancel()
			<-f.err
		}
	})
}

func TestWatchPollsWhereThereIsNoWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var blocked atomic.Bool
		blocked.Store(true)
		w := newWorld(t, setup{wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "" && blocked.Load() {
					http.Error(w, "this proxy knows no upgrades", http.StatusBadGateway)
					return
				}
				next.ServeHTTP(w, r)
			})
		}})
		w.board.Publish(edition(1))
		c := w.client(client.Config{Name: "behind-a-proxy", Route: "chat"})
		f := follow(t, c, func(w bellwether.Weights) { c.Applied(w.Revision) })
		wantRevisions(t, f, 1)
		time.Sleep(50 * time.Second) // one poll ends with 304
		w.board.Publish(edition(2))
		wantRevisions(t, f, 1, 2)
		if age := time.Since(c.News()); age > time.Second {
			t.Errorf("the last news are %v old, want them fresh", age)
		}
		w.get("/v1/routers").want(200).says(`"behind-a-proxy"`, `"connected":false`)
		blocked.Store(false)
		time.Sleep(3 * time.Minute) // by then it has tried the socket again
		w.get("/v1/routers").want(200).says(`"connected":true`, `"revision":2`)
		wantRevisions(t, f, 1, 2)
		f.cancel()
		<-f.err
	})
}

func TestWatchGivesUpAMuteConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int32
		mute := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			opened.Add(1)
			<-r.Context().Done()
		})
		w := newWorld(t, setup{wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if opened.Load() > 0 {
					next.ServeHTTP(w, r)
					return
				}
				mute(w, r)
			})
		}})
		w.board.Publish(edition(1))
		f := follow(t, w.client(client.Config{}))
		time.Sleep(45 * time.Second)
		wantRevisions(t, f, 1)
		f.cancel()
		<-f.err
	})
}

func TestNewsGrowOldWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(1))
		c := w.client(client.Config{})
		f := follow(t, c)
		wantRevisions(t, f, 1)
		w.down()
		time.Sleep(2 * time.Minute)
		if age := time.Since(c.News()); age < 2*time.Minute {
			t.Errorf("the last news are %v old, want 2 m: nobody was there to say anything", age)
		}
		f.cancel()
		<-f.err
	})
}

func TestOnlyOneWatchRunsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		c := w.client(client.Config{})
		f := follow(t, c)
		synctest.Wait()
		if err := c.Watch(t.Context(), func(bellwether.Weights) {}); err == nil {
			t.Error("a second Watch = nil, want an error")
		}
		f.cancel()
		<-f.err
	})
}

func TestAppliedIsSaidAgainAfterAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(5))
		c := w.client(client.Config{Name: "router-1"})
		f := follow(t, c, func(w bellwether.Weights) { c.Applied(w.Revision) })
		wantRevisions(t, f, 5)
		w.get("/v1/routers").want(200).says(`"router-1"`, `"revision":5`)
		w.down()
		again := newWorld(t, setup{})
		again.board.Publish(edition(5))
		w.mu.Lock()
		w.pipes = again.pipes
		w.mu.Unlock()
		time.Sleep(15 * time.Second)
		again.get("/v1/routers").want(200).says(`"router-1"`, `"revision":5`, `"connected":true`)
		f.cancel()
		<-f.err
	})
}

func TestTheClientSpeaksWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: tokens("routers", "router-token-1", api.Read, api.Observe)})
		w.board.Publish(edition(1))
		c := w.client(client.Config{Token: "router-token-1", Route: "chat", Region: "eu"})
		if got, err := c.Weights(t.Context()); err != nil || got.Revision != 1 || len(got.Routes) != 1 {
			t.Errorf("Weights = %v, %v, want revision 1 of one route", got, err)
		}
		o := []bellwether.Observation{seen("a", "gpt-us", time.Now(), 0.4), seen("b", "gpt-us", time.Now(), 0.4)}
		if accepted, duplicates, err := c.Observe(t.Context(), o); accepted != 2 || duplicates != 0 || err != nil {
			t.Errorf("Observe = %d, %d, %v, want 2, 0, nil", accepted, duplicates, err)
		}
		if accepted, duplicates, err := c.Observe(t.Context(), o[:1]); accepted != 0 || duplicates != 1 || err != nil {
			t.Errorf("Observe again = %d, %d, %v, want 0, 1, nil", accepted, duplicates, err)
		}
		if accepted, duplicates, err := c.Observe(t.Context(), nil); accepted != 0 || duplicates != 0 || err != nil {
			t.Errorf("Observe nothing = %d, %d, %v, want 0, 0, nil", accepted, duplicates, err)
		}
		d, err := c.Decision(t.Context(), client.Question{Session: "s", Exclude: []string{"gpt-us", "gpt-eu"}})
		if err != nil || d.Target != "claude-us" || d.Model != "claude-sonnet-4-5" {
			t.Errorf("Decision = %+v, %v, want claude-us", d, err)
		}
		o[0].Target = "nobody"
		_, _, err = c.Observe(t.Context(), o)
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 422 || len(e.Faults) != 1 || e.Faults[0].Pointer != "/0/target" {
			t.Errorf("Observe of an unknown target = %#v, want a 422 that names /0/target", err)
		}
		stranger := w.client(client.Config{Token: "wrong"})
		if _, err := stranger.Weights(t.Context()); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "wrong") {
			t.Errorf("Weights of a stranger = %v, want a 401 that does not repeat the token", err)
		}
		f := follow(t, stranger)
		time.Sleep(time.Minute)
		wantRevisions(t, f)
		f.cancel()
		<-f.err
	})
}

func TestObserveWaitsForTheServerThatAsksTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.store.ingestFails = later{}
		_, _, err := w.client(client.Config{}).Observe(t.Context(), []bellwether.Observation{seen("a", "gpt-us", time.Now(), 0.4)})
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 503 || e.RetryAfter != time.Second {
			t.Errorf("Observe = %#v, want a 503 with Retry-After", err)
		}
	})
}

type later struct{}

func (later) Error() string   { return "the store is too far behind" }
func (later) Temporary() bool { return true }
