package api_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
)

func TestAChangeOfIdentityIsANoteOfItsTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		now := time.Now()
		for i, canary := range []string{"capital", "sum"} { // two canaries see one change
			o := seen(fmt.Sprint(i), "gpt-us", now.Add(time.Duration(i)*time.Second), 0.4)
			o.Canary, o.Model = canary, "gpt-next"
			o.Signals = map[bellwether.Signal]float64{"identity.changed": 1, "identity.model": 1, "text.length": 3}
			w.server.Observe(o)
		}
		stranger := seen("x", "nobody", now, 0.4)
		stranger.Signals = map[bellwether.Signal]float64{"identity.changed": 1, "identity.model": 1}
		w.server.Observe(stranger)
		end := seen("end", "gpt-eu", now, 0.4)
		end.Signals = map[bellwether.Signal]float64{"identity.changed": 1, "identity.ending": 1796083200}
		w.server.Observe(end)
		w.get("/v1/targets/gpt-eu").want(200).says(`announces its end for 2026-12-01`)
		type note struct{ Kind, Text string }
		var one struct{ Notes []note }
		w.get("/v1/targets/gpt-us").want(200).into(&one)
		if len(one.Notes) != 1 || one.Notes[0].Kind != "identity.model" || !strings.Contains(one.Notes[0].Text, `"gpt-next"`) {
			t.Errorf("notes = %+v", one.Notes)
		}
		w.get("/v1/targets").want(200).says(`"kind":"identity.model"`)
		for i := range 50 {
			o := seen(fmt.Sprint("t", i), "gpt-us", now.Add(time.Duration(i)*time.Minute), 0.4)
			o.Tokens = &bellwether.Tokens{Input: i}
			o.Signals = map[bellwether.Signal]float64{"identity.changed": 1, "identity.tokens": 1}
			w.server.Observe(o)
		}
		w.get("/v1/targets/gpt-us").want(200).into(&one)
		if len(one.Notes) != 20 || !strings.Contains(one.Notes[0].Text, "49 input tokens") {
			t.Errorf("%d notes are kept, first %+v", len(one.Notes), one.Notes[0])
		}
	})
}

func TestAModelThatIsNotThereAnyMoreIsANote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for i := range 3 {
			o := seen(fmt.Sprint(i), "gpt-us", time.Now().Add(time.Duration(i)*time.Minute), 0)
			o.Outcome, o.Status = bellwether.Gone, 404
			w.server.Observe(o)
		}
		var one struct{ Notes []struct{ Kind, Text string } }
		w.get("/v1/targets/gpt-us").want(200).into(&one)
		if len(one.Notes) != 1 || one.Notes[0].Kind != "gone" || !strings.Contains(one.Notes[0].Text, "404") {
			t.Errorf("notes = %+v, want that the model is not there, once", one.Notes)
		}
	})
}
