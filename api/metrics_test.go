package api_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bellwether-llm/bellwether"
)

func TestMetricsSayWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.board.Publish(edition(7))
		w.store.assessments = []bellwether.Assessment{{Target: "gpt-us", State: bellwether.Degraded, Score: 55, Weight: 0.4, Suspected: true}}
		w.server.Observe(seen("a", "gpt-us", time.Now(), 0.4))
		w.server.Observe(failed("b", "gpt-us", time.Now(), bellwether.ServerError))
		w.server.Observe(seen("c", "nobody", time.Now(), 0.4))
		of := `{model="gpt-4o",provider="openai",region="us-east",target="gpt-us"}`
		a := w.get("/metrics").want(200).says(
			"bellwether_target_weight_ratio"+of+" 0.4", "bellwether_target_health_ratio"+of+" 0.55", "bellwether_target_suspected"+of+" 1",
			`bellwether_target_state{model="gpt-4o",provider="openai",region="us-east",state="degraded",target="gpt-us"} 1`,
			`bellwether_probes_total{canary="capital",model="gpt-4o",outcome="server_error",provider="openai",region="us-east",target="gpt-us",vantage="here"} 1`,
			"bellwether_time_to_first_token_seconds_count"+of+" 1", "bellwether_probe_duration_seconds_count"+of+" 2",
			`bellwether_weights_revision{epoch="e1"} 7`, "bellwether_weights_last_change_timestamp_seconds 9.466848e+08",
			`bellwether_route_share_ratio{route="chat",target="claude-us"} 0.3`, `bellwether_route_mode{mode="normal",route="chat"} 1`,
			`bellwether_build_info{goversion="go`, `bellwether_observations_total{source="probe"} 3`, "go_goroutines", "process_open_fds")
		problems, err := promlint.New(strings.NewReader(string(a.body))).Lint()
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "bellwether_") {
				t.Errorf("metric %s: %s", p.Metric, p.Text)
			}
		}
		if err != nil {
			t.Error(err)
		}
		w.get("/metrics", "Accept", "application/openmetrics-text").want(200).says("# EOF")
		w.get("/metrics", "Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited").want(200)
		w.get("/metrics").want(200).says(`bellwether_http_requests_total{code="200",endpoint="GET /metrics"} 3`)
	})
}

func TestLabelsFromOutsideAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for i := range 2000 {
			o := seen("a", "gpt-us", time.Now(), 0.4)
			o.Vantage = "v" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26%26))
			w.server.Observe(o)
		}
		a := w.get("/metrics").want(200).says(`vantage="other"`)
		if n := strings.Count(string(a.body), "bellwether_probes_total{"); n > 500 {
			t.Errorf("there are %d series of probes, want a bound", n)
		}
	})
}
