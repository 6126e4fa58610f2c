package api_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
)

func TestWeightsCarryAnETagAndAreNotSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.get("/v1/weights").want(503).says("no weights have been published")
		w.board.Publish(edition(7))
		a := w.get("/v1/weights").want(200)
		if got, want := a.header.Get("ETag"), `"e1-7"`; got != want {
			t.Errorf("ETag is %s, want %s", got, want)
		}
		if got, want := a.header.Get("Cache-Control"), "max-age=60, stale-if-error=900"; got != want {
			t.Errorf("Cache-Control is %q, want %q", got, want)
		}
		var got bellwether.Weights
		a.into(&got)
		if got.Revision != 7 || len(got.Routes) != 2 || got.Routes["chat"].Targets[1].Reasons == nil {
			t.Errorf("GET /v1/weights = %s, want both routes of revision 7 with lists of reasons", a.body)
		}
		for _, tag := range []string{`"e1-7"`, `W/"e1-7"`, `"x", "e1-7"`, `*`} {
			w.get("/v1/weights", "If-None-Match", tag).want(304)
		}
		w.get("/v1/weights", "If-None-Match", `"e1-6"`).want(200)
		w.do(http.MethodHead, "/v1/weights", nil).want(200)
	})
}

func TestARouteFilterIsInTheETag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		a := w.get("/v1/weights?route=batch&region=eu").want(200)
		if got, want := a.header.Get("ETag"), `"e1-7;route=batch;region=eu"`; got != want {
			t.Errorf("ETag is %s, want %s", got, want)
		}
		var got bellwether.Weights
		a.into(&got)
		if len(got.Routes) != 1 || len(got.Routes["batch"].Targets) != 1 {
			t.Errorf("GET ?route=batch = %s, want that route only", a.body)
		}
		w.get("/v1/weights?route=batch&region=eu", "If-None-Match", `"e1-7"`).want(200)
		w.get("/v1/weights?route=batch&region=eu", "If-None-Match", `"e1-7;route=batch;region=eu"`).want(304)
		w.get("/v1/weights?route=nope").want(404).says("nope")
	})
}

func TestAPollWaitsForANewerRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		time.AfterFunc(20*time.Second, func() { w.board.Publish(edition(8)) })
		start := time.Now()
		w.get("/v1/weights?after=7&epoch=e1&wait=30s").want(200).says(`"revision":8`)
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("the poll took %v, want the 20 s until the next revision", took)
		}
		time.AfterFunc(5*time.Second, func() { w.board.Publish(edition(9)) })
		w.get("/v1/weights?wait=30", "If-None-Match", `"e1-8"`).want(200).says(`"revision":9`)
	})
}

func TestAPollEndsWith304AfterItsWaitAndAtMost55Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		for _, tt := range []struct {
			query string
			want  time.Duration
		}{
			{"after=7", 0},
			{"after=7&wait=0s", 0},
			{"after=7&wait=30s", 30 * time.Second},
			{"after=7&wait=12", 12 * time.Second},
			{"after=7&epoch=e1&wait=1h", 55 * time.Second},
		} {
			start := time.Now()
			a := w.get("/v1/weights?" + tt.query).want(304)
			if got := time.Since(start); got != tt.want {
				t.Errorf("GET ?%s took %v, want %v", tt.query, got, tt.want)
			}
			if a.header.Get("ETag") == "" {
				t.Errorf("GET ?%s: the 304 has no ETag", tt.query)
			}
		}
	})
}

func TestAPollFromAheadOrFromAnotherEpochIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		for _, query := range []string{"after=3", "after=8", "after=18446744073709551615", "after=7&epoch=other"} {
			start := time.Now()
			w.get("/v1/weights?wait=30s&" + query).want(200).says(`"revision":7`)
			if took := time.Since(start); took != 0 {
				t.Errorf("GET ?%s took %v, want an answer at once", query, took)
			}
		}
	})
}

func TestAPollBeforeTheFirstWeightsWaitsForThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		time.AfterFunc(3*time.Second, func() { w.board.Publish(edition(1)) })
		w.get("/v1/weights?wait=10s").want(200).says(`"revision":1`)
	})
}

func TestPollsEndWhenTheServerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		start := time.Now()
		got := make(chan answer)
		go func() {
			a, err := w.try(t.Context(), http.MethodGet, "/v1/weights?after=7&wait=50s", nil)
			if err != nil {
				a.status = -1
			}
			got <- a
		}()
		time.Sleep(time.Second)
		go w.down()
		a := <-got
		if took := time.Since(start); took > 2*time.Second || (a.status != 304 && a.status != -1) {
			t.Errorf("a poll at shutdown ended with %d after %v, want 304 (or a closed connection) at once", a.status, took)
		}
	})
}

func TestBadParametersOfAPollAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		for query, word := range map[string]string{
			"after=-1": "after", "after=x": "after", "after=1e3": "after", "wait=soon": "wait", "wait=-3s": "wait",
			"route=Up%20Case": "route", "region=%00": "region", "name=" + strings.Repeat("n", 101): "name", "epoch=" + strings.Repeat("e", 200): "epoch",
		} {
			w.get("/v1/weights?" + query).want(400).says(`"?` + word + `"`)
		}
	})
}

func TestPublishIgnoresWhatDoesNotFollow(t *testing.T) {
	w := newWorld(t, setup{})
	w.board.Publish(edition(7))
	next := w.board.Next()
	w.board.Publish(edition(7))
	w.board.Publish(edition(6))
	if got := w.board.Current().Revision; got != 7 {
		t.Errorf("after 7, 7 and 6 were published, Current is %d, want 7", got)
	}
	select {
	case <-next:
		t.Error("Next woke for what does not follow")
	default:
	}
	restored := edition(2)
	restored.Epoch = "e2"
	w.board.Publish(restored)
	if got := w.board.Current(); got.Epoch != "e2" || got.Revision != 2 {
		t.Errorf("Current is %s-%d, want the new epoch's e2-2", got.Epoch, got.Revision)
	}
	<-next
}

func TestPublishSurvivesNumbersThatJSONCannotSay(t *testing.T) {
	w := newWorld(t, setup{})
	odd := edition(1)
	odd.Routes["chat"].Targets[0].Score = nan
	odd.Routes["chat"].Targets[0].Reasons[0].Evidence = nan
	w.board.Publish(odd)
	w.get("/v1/weights").want(200).says(`"score":0,`)
}

func TestTooManyPollersAreTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		w.server.Limit(1)
		go func() { _, _ = w.try(t.Context(), http.MethodGet, "/v1/weights?after=7&wait=20s", nil) }()
		synctest.Wait()
		a := w.get("/v1/weights?after=7&wait=20s").want(503).says("too many")
		if a.header.Get("Retry-After") == "" {
			t.Error("the 503 has no Retry-After")
		}
		w.get("/v1/weights?after=6").want(200) // who does not stay is not counted
		time.Sleep(30 * time.Second)
	})
}
