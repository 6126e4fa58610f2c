package api_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

// signalSeen is what a test reads of GET /v1/signals.
type signalSeen struct {
	Target, Signal, Vantage string
	Value                   float64
	At                      time.Time
	Age                     float64 `json:"age_seconds"`
	Seen                    int
	Recent                  []struct{ Value float64 }
}

func (w *world) signals(query string) []signalSeen {
	w.t.Helper()
	var got struct{ Signals []signalSeen }
	w.get("/v1/signals" + query).want(200).into(&got)
	return got.Signals
}

// flows tells the server what was taken, as the pipeline does.
func (w *world) flows() { w.store.tell = w.server.Observe }

func TestUsersSignalsEnterOncePerID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.flows()
		one := `{"id":"s1","at":"2000-01-01T00:00:00Z","target":"gpt-us","vantage":"rack-7","signal":"gpu_memory","value":0.83}`
		w.do("POST", "/v1/signals", "["+one+"]", "Content-Type", "application/json").want(200).says(`"accepted":1`)
		w.do("POST", "/v1/signals", one+"\n"+strings.ReplaceAll(one, "s1", "s2")+"\n", "Content-Type", "application/x-ndjson").want(200).says(`"accepted":1`, `"duplicates":1`)
		w.do("POST", "/v1/signals", "{\n  \"target\": \"gpt-eu\",\n  \"signal\": \"support_tickets\",\n  \"value\": 4\n}").want(200).says(`"accepted":1`)
		o := w.store.observed[0]
		if o.Source != bellwether.SourceUser || o.Vantage != "rack-7" || o.Signals["gpu_memory"] != 0.83 || o.Outcome != "" {
			t.Errorf("kept is %+v, want the signal as a user's observation", o)
		}
		if o := w.store.observed[2]; o.Vantage != "user" || !o.At.Equal(time.Now()) || !strings.HasPrefix(o.ID, "signal:") {
			t.Errorf("kept is %+v, want what was left out filled in", o)
		}
		w.get("/v1/observations?source=user&target=gpt-eu").want(200).says(`"support_tickets":4`)
	})
}

func TestASignalWithoutIDIsSafeToSendAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		body := `{"at":"2000-01-01T00:00:00Z","target":"gpt-us","signal":"session_success","value":0.9}`
		w.do("POST", "/v1/signals", body).want(200).says(`"accepted":1`)
		w.do("POST", "/v1/signals", body).want(200).says(`"duplicates":1`)
		w.do("POST", "/v1/signals", strings.ReplaceAll(body, "0.9", "0.8")).want(200).says(`"accepted":1`)
		timeless := `{"target":"gpt-us","signal":"session_success","value":1}`
		w.do("POST", "/v1/signals", timeless+"\n"+timeless).want(200).says(`"accepted":2`) // two sessions, not one twice
	})
}

func TestBadSignalsAreNamedWithTheirRemedy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		const good = `{"target":"gpt-us","signal":"gpu_memory","value":1}`
		for bad, want := range map[string][2]string{
			`{"target":"nobody","signal":"x","value":1}`:                                {"/1/target", "GET /v1/targets"},
			`{"signal":"x","value":1}`:                                                  {"/1/target", "is required"},
			`{"target":"gpt-us","value":1}`:                                             {"/1/signal", "is required"},
			`{"target":"gpt-us","signal":"GPU memory","value":1}`:                       {"/1/signal", "lower-case"},
			`{"target":"gpt-us","signal":"first_token","value":1}`:                      {"/1/signal", "another name"},
			`{"target":"gpt-us","signal":"identity.changed","value":1}`:                 {"/1/signal", "another name"},
			`{"target":"gpt-us","signal":"x"}`:                                          {"/1/value", "a number"},
			`{"target":"gpt-us","signal":"x","value":1e16}`:                             {"/1/value", "1e15"},
			`{"target":"gpt-us","signal":"x","value":"1"}`:                              {"/1/value", "string"},
			`{"target":"gpt-us","signal":"x","value":1,"at":"2000-01-02T00:00:00Z"}`:    {"/1/at", "ahead"},
			`{"target":"gpt-us","signal":"x","value":1,"at":"1999-01-02T00:00:00Z"}`:    {"/1/at", "2000"},
			`{"target":"gpt-us","signal":"x","value":1,"vantage":"Über"}`:               {"/1/vantage", "id"},
			`{"target":"gpt-us","signal":"x","value":1,"id":"\u0000"}`:                  {"/1/id", "printable"},
			`{"target":"gpt-us","signal":"x","vlaue":1}`:                                {"/1/vlaue", "did you mean value?"},
			`{"target":"gpt-us","signal":"` + strings.Repeat("x", 101) + `","value":1}`: {"/1/signal", "name"},
		} {
			for _, body := range []string{"[" + good + "," + bad + "]", good + "\n" + bad} {
				a := w.do("POST", "/v1/signals", body).want(422)
				a.says(`"`+want[0]+`"`, want[1])
			}
		}
		if len(w.store.observed) > 0 {
			t.Errorf("%d were kept of refused batches", len(w.store.observed))
		}
		w.do("POST", "/v1/signals", "").want(400)
		w.do("POST", "/v1/signals", good, "Content-Type", "text/plain").want(415)
		w.do("POST", "/v1/signals", strings.Repeat(good+"\n", 5001)).want(400).says("5000")
		w.do("POST", "/v1/signals", strings.Repeat(" ", 1<<20+1)).want(413)
		time.Sleep(time.Second) // the server lingers on a connection that it cut
	})
}

func TestSignalsSeenAreListedByTargetWithTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.store.observed = []bellwether.Observation{
			{ID: "old", At: time.Now().Add(-time.Hour), Source: bellwether.SourceUser, Vantage: "user", Target: "gpt-us", Signals: map[bellwether.Signal]float64{"gpu_memory": 0.5}},
			{ID: "gone", At: time.Now().Add(-time.Hour), Source: bellwether.SourceUser, Vantage: "user", Target: "left", Signals: map[bellwether.Signal]float64{"gpu_memory": 0.5}},
		}
		w.flows()
		w.do("POST", "/v1/signals", `[{"target":"gpt-us","signal":"gpu_memory","value":0.7},{"target":"claude-us","signal":"tickets","value":3}]`).want(200)
		time.Sleep(time.Minute)
		got := w.signals("")
		if len(got) != 2 || got[0].Target != "claude-us" || got[1].Value != 0.7 || got[1].Age != 60 || got[1].Seen != 2 || got[1].Recent != nil {
			t.Errorf("signals = %+v, want two, the newest value of each and its age", got)
		}
		if got := w.signals("?target=gpt-us"); len(got) != 1 || len(got[0].Recent) != 2 || got[0].Recent[0].Value != 0.5 {
			t.Errorf("signals of gpt-us = %+v, want the values before the start too, oldest first", got)
		}
		w.get("/v1/signals?tarket=x").want(400).says("did you mean target")
	})
}

func TestOnlySoManyValuesAndSeriesAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.get("/v1/signals").want(200)
		o := bellwether.Observation{Source: bellwether.SourceUser, Vantage: "user", Target: "gpt-us"}
		for i := range 6000 {
			o.At, o.Signals = time.Now(), map[bellwether.Signal]float64{bellwether.Signal(fmt.Sprint("s", i)): 1}
			w.server.Observe(o)
		}
		for i := range 200 {
			o.At, o.Signals = time.Now().Add(time.Duration(i-200)*time.Second), map[bellwether.Signal]float64{"s1": float64(i)}
			w.server.Observe(o)
		}
		got := w.signals("?target=gpt-us")
		if len(got) != 5000 {
			t.Fatalf("%d series are remembered, want 5000", len(got))
		}
		for _, s := range got {
			if s.Signal == "s1" && (len(s.Recent) != 120 || s.Seen != 201 || s.Value != 1) {
				t.Errorf("s1 = %d values, %d seen, last %v; want the newest 120 in order of time", len(s.Recent), s.Seen, s.Value)
			}
		}
	})
}

func TestFeedbackBecomesAnObservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.flows()
		body := `{"answer":"chatcmpl-1","target":"gpt-us","route":"chat","thumbs":"down","comment":"` + strings.Repeat("ä", 600) + `"}`
		w.do("POST", "/v1/feedback", body).want(200).says(`"accepted":1`)
		time.Sleep(time.Minute)
		w.do("POST", "/v1/feedback", body).want(200).says(`"duplicates":1`)
		w.do("POST", "/v1/feedback", `[{"target":"gpt-us","score":0.75},{"target":"gpt-us","thumbs":"up"},{"target":"gpt-us","thumbs":"up"}]`).want(200)
		o := w.store.observed[0]
		if o.Source != bellwether.SourceFeedback || o.Signals[bellwether.Feedback] != 1 || o.Route != "chat" || len(o.Excerpt) != 1000 {
			t.Errorf("kept is %+v, want a bad word with its comment cut", o)
		}
		if got := w.store.observed[1].Signals[bellwether.Feedback]; got != 0.25 {
			t.Errorf("a score of 0.75 is %v, want 0.25 bad", got)
		}
		var got struct {
			Feedback []struct {
				Target string
				Bad    struct {
					Ratio, Low, High float64
					Total            int
				}
				Last []struct {
					Score   float64
					Comment string
				}
			}
		}
		w.get("/v1/feedback?target=gpt-us").want(200).into(&got)
		f := got.Feedback[0]
		if f.Bad.Total != len(w.store.observed) || f.Bad.Ratio != 1.25/float64(f.Bad.Total) || f.Bad.Low > f.Bad.Ratio || len(f.Last) != f.Bad.Total {
			t.Errorf("feedback = %+v, want all of it", f)
		}
		time.Sleep(25 * time.Hour)
		w.get("/v1/feedback").want(200).says(`"target":"gpt-us"`)
		if b := string(w.get("/v1/feedback").body); strings.Contains(b, `"bad"`) {
			t.Errorf("feedback of the day before counts: %s", b)
		}
	})
}

func TestBadFeedbackIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for bad, place := range map[string]string{
			`{"target":"gpt-us"}`:                                                       "/0/thumbs",
			`{"target":"gpt-us","thumbs":"meh"}`:                                        "/0/thumbs",
			`{"target":"gpt-us","thumbs":"up","score":1}`:                               "/0/score",
			`{"target":"gpt-us","score":1.5}`:                                           "/0/score",
			`{"target":"gpt-us","score":-1}`:                                            "/0/score",
			`{"target":"nobody","score":1}`:                                             "/0/target",
			`{"target":"gpt-us","score":1,"route":"No"}`:                                "/0/route",
			`{"target":"gpt-us","score":1,"answer":"\u0007"}`:                           "/0/answer",
			`{"target":"gpt-us","score":1,"anwser":"x"}`:                                "/0/anwser",
			`{"target":"gpt-us","score":1,"answer":"` + strings.Repeat("x", 201) + `"}`: "/0/answer",
		} {
			w.do("POST", "/v1/feedback", bad).want(422).says(`"` + place + `"`)
		}
	})
}

func TestWhatUsersSendNeedsTheScopeObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: tokens("reader", "reader-token", api.Read)})
		w.token = "reader-token"
		w.do("POST", "/v1/signals", `[]`).want(403).says("observe")
		w.do("POST", "/v1/feedback", `[]`).want(403).says("observe")
	})
}

func TestObservationsOfUsersCarryNothingOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for body, place := range map[string]string{
			`{"source":"user","signals":{"x":1},"outcome":"down"}`:                   "/0/source",
			`{"source":"user","signals":{"availability":1}}`:                         "/0/signals",
			`{"source":"feedback","signals":{"feedback":2}}`:                         "/0/signals",
			`{"source":"feedback","signals":{"feedback":1,"x":1}}`:                   "/0/signals",
			`{"source":"feedback","signals":{"feedback":1},"checks":[{"name":"x"}]}`: "/0/source",
		} {
			full := `[{"id":"a","at":"2000-01-01T00:00:00Z","vantage":"here","target":"gpt-us",` + body[1:] + "]"
			w.do("POST", "/v1/observations", full).want(422).says(`"` + place + `"`)
		}
		w.do("POST", "/v1/observations", `[{"id":"a","at":"2000-01-01T00:00:00Z","vantage":"here","target":"gpt-us","source":"feedback","signals":{"feedback":1}}]`).want(200)
	})
}
