package api_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

func TestTheServerTellsWhatItRunsAndWhatItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := int64(0)
		w := newWorld(t, setup{config: threeTokens(), deps: func(d *api.Deps) { d.Lost = func() int64 { return lost } }})
		w.token = "reader-token"
		a := w.get("/v1/info").want(200).says(`"version":"1.2.3"`, `"vantage":"here"`, `"simulated":false`, `"lost_records":0`, `"loaded_at":"2000-01-01T00:00:00Z"`)
		if strings.Contains(string(a.body), "epoch") || strings.Contains(string(a.body), "error") {
			t.Errorf("before the first weights and reload: %s", a.body)
		}
		w.board.Publish(edition(7))
		lost = 3
		w.get("/v1/info").want(200).says(`"epoch":"e1"`, `"revision":7`, `"lost_records":3`)
		w.get("/readyz?verbose").want(200).says("[!] store: 3 records could not be kept since the start\nok\n")
		w.get("/metrics").want(200).says("bellwether_store_lost_records_total 3")
		nobody := newWorld(t, setup{})
		if a := nobody.get("/v1/info").want(200); strings.Contains(string(a.body), "lost") {
			t.Errorf("where nobody counts: %s", a.body)
		}
		w.token = ""
		w.get("/v1/info").want(401)
	})
}

func TestARefusedConfigIsToldUntilOneIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: threeTokens()})
		w.board.Publish(edition(1))
		w.token = "reader-token"
		w.get("/metrics").want(200).says(`bellwether_config_reloads_total{result="failure"} 0`, `bellwether_config_reloads_total{result="success"} 0`,
			"bellwether_config_last_reload_success_timestamp_seconds 9.466848e+08")
		time.Sleep(time.Minute)
		w.server.Reloaded(errors.New("bellwether.yaml:12:5: unknown key \"modle\"\n\tdid you mean \"model\"?"))
		w.get("/v1/info").want(200).says(`"error":"bellwether.yaml:12:5: unknown key \"modle\" did you mean \"model\"?"`, `"refused_at":"2000-01-01T00:01:00Z"`, `"loaded_at":"2000-01-01T00:00:00Z"`)
		w.get("/readyz?verbose").want(200).says("[!] config: another one was refused at 2000-01-01T00:01:00Z", "modle")
		w.get("/metrics").want(200).says(`bellwether_config_reloads_total{result="failure"} 1`, "bellwether_config_last_reload_success_timestamp_seconds 9.466848e+08")
		w.token = ""
		if a := w.get("/readyz?verbose").want(200).says("[!] config: another one was refused"); strings.Contains(string(a.body), "modle") {
			t.Errorf("a stranger reads why: %s", a.body)
		}
		w.token = "reader-token"
		time.Sleep(time.Minute)
		w.server.Reloaded(nil)
		a := w.get("/v1/info").want(200).says(`"loaded_at":"2000-01-01T00:02:00Z"`)
		if strings.Contains(string(a.body), "refused") || strings.Contains(string(a.body), "modle") {
			t.Errorf("after a good one: %s", a.body)
		}
		w.get("/metrics").want(200).says(`bellwether_config_reloads_total{result="success"} 1`, "bellwether_config_last_reload_success_timestamp_seconds 9.4668492e+08")
	})
}

func TestAConfigsErrorShowsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: threeTokens()})
		w.token = "reader-token"
		for _, secret := range []string{
			"operator-token", "sk-proj-abcDEF0123456789", "xoxb-1234567890-abcdef", "Bearer s3cr3t!", "https://user:pw@proxy.example",
			"hooks.slack.com/services/T0/B0/xyz", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "AKIAIOSFODNN7EXAMPLE", "ghp_16C7e42F292c6912E7",
		} {
			w.server.Reloaded(errors.New(`a.yaml:3: "` + secret + `" is not a key: see target claude-sonnet-4-5-us-east-1 in /etc/bellwether/production/config-2026.yaml`))
			a := w.get("/v1/info").want(200).says("***", "claude-sonnet-4-5-us-east-1", "/etc/bellwether/production/config-2026.yaml")
			for _, part := range []string{secret, "user:pw", "s3cr3t", "xyz"} {
				if strings.Contains(string(a.body), part) {
					t.Errorf("%s is shown: %s", secret, a.body)
				}
			}
		}
		w.server.Reloaded(errors.New(strings.Repeat("ä ", 5000)))
		if a := w.get("/v1/info").want(200); len(a.body) > 1500 {
			t.Errorf("an endless error takes %d bytes", len(a.body))
		}
	})
}

func TestTargetsShowTheBandBehindTheirSparkline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.store.assessments = []bellwether.Assessment{{Target: "gpt-us", State: bellwether.Healthy, Usual: []bellwether.Usual{
			{Signal: bellwether.Total, Median: 2}, {Signal: bellwether.FirstToken, P05: 0.3, Median: 0.5, P95: nan, Samples: 900},
		}, Factors: []bellwether.Factor{{Hypothesis: "errors 3 %", Signal: bellwether.Availability, Probability: 0.5, Health: 0.97, Points: 1.5}},
			Skills: []bellwether.Skill{{Task: "code", Success: 0.9, Samples: 40}}}}
		w.get("/v1/targets").want(200).says(`"usual":[{"signal":"first_token","p05":0.3,"median":0.5,"p95":0,"samples":900}]`, `"usual":[]`)
		w.get("/v1/targets/gpt-us").want(200).says(`"usual":[{"signal":"total"`, `"points":1.5`, `"skills":[{"task":"code"`)
	})
}
