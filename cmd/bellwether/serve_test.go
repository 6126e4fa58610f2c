package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/internal/sim"
)

// stop asks the program to end and expects it to do so cleanly.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	kill := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer kill()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM the program ended with %v", err)
	}
}

// kill ends the program the hard way.
func (p *program) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed: that is its error
}

// ready waits until the router answers, so that everything runs.
func ready(t *testing.T, router string) {
	t.Helper()
	eventually(t, "the router answers", func() error { _, err := ask(router, false); return err })
}

// waitShare waits until a target's share of the route chat is as ok says.
func waitShare(t *testing.T, api, target string, ok func(float64) bool) bellwether.Weights {
	t.Helper()
	var w bellwether.Weights
	eventually(t, "share of "+target, func() error {
		if w = weightsOf(t, api); !ok(share(w, target)) {
			return fmt.Errorf("share is %v", share(w, target))
		}
		return nil
	})
	return w
}

func TestAFaultIsNoticedExplainedRoutedAroundAndRecovered(t *testing.T) {
	t.Parallel()
	s, url := simulator(t)
	file, api, router := testConfig(t, t.TempDir(), url)
	p := start(t, "serve", "--config", file)
	ready(t, router)
	if got := share(weightsOf(t, api), "first"); got != 0.95 {
		t.Fatalf("share of first = %v while all is well, want 0.95", got)
	}

	traffic := newTraffic(router, []string{"chat"}, 20)
	over, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- traffic.Run(over) }()

	if err := s.SetFaults([]sim.Fault{{Region: "us-east", Kind: sim.KindStatus, Value: 503}}); err != nil {
		t.Fatal(err)
	}
	w := waitShare(t, api, "first", func(v float64) bool { return v == 0 })
	first := w.Routes["chat"].Targets[0]
	if first.State != bellwether.Down || first.Weight != 0 || len(first.Reasons) == 0 {
		t.Errorf("a dead target is published as %+v, want down, weight 0, with reasons", first)
	}
	var incidents struct{ Incidents []bellwether.Incident }
	eventually(t, "an incident opens", func() error {
		get(t, api+"/v1/incidents?state=open", &incidents)
		if len(incidents.Incidents) != 1 {
			return fmt.Errorf("%d open incidents, want 1", len(incidents.Incidents))
		}
		return nil
	})

	if err := s.SetFaults(nil); err != nil {
		t.Fatal(err)
	}
	waitShare(t, api, "first", func(v float64) bool { return v > 0.9 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if traffic.failed.Load() != 0 || traffic.sent.Load() == 0 {
		t.Errorf("while the target was down: %s, want none failed", traffic.Summary())
	}
	p.stop(t)
}

func TestKillLosesNothingThatWasAcknowledgedAndRevisionsGoOn(t *testing.T) {
	t.Parallel()
	s, url := simulator(t)
	file, api, router := testConfig(t, t.TempDir(), url)
	p := start(t, "serve", "--config", file)
	ready(t, router)
	if err := s.SetFaults([]sim.Fault{{Region: "us-east", Kind: sim.KindStatus, Value: 503}}); err != nil {
		t.Fatal(err)
	}
	before := waitShare(t, api, "first", func(v float64) bool { return v == 0 })
	var ids []string
	for range 20 {
		var batch []bellwether.Observation
		for range 10 {
			now := time.Now().UTC()
			o := bellwether.Observation{ID: id.New(now), At: now, Source: bellwether.SourceProbe, Trigger: bellwether.TriggerManual,
				Vantage: "elsewhere", Target: "second", Canary: "hello", Outcome: bellwether.OK}
			batch, ids = append(batch, o), append(ids, o.ID)
		}
		post(t, api, batch)
	}
	p.kill(t)

	p = start(t, "serve", "--config", file)
	after := weightsOf(t, api)
	if after.Epoch != before.Epoch || after.Revision < before.Revision {
		t.Errorf("after kill -9: epoch %s revision %d, before %s %d; want the same epoch and no lower revision",
			after.Epoch, after.Revision, before.Epoch, before.Revision)
	}
	if first := after.Routes["chat"].Targets[0]; first.State != bellwether.Down {
		t.Errorf("after kill -9 the target that was down is %s, want down from the first answer on", first.State)
	}
	kept := observationIDs(t, api, "second")
	for _, id := range ids {
		if !kept[id] {
			t.Errorf("observation %s was acknowledged and is gone", id)
		}
	}
	p.stop(t)
}

// observationIDs pages through all observations of a target.
func observationIDs(t *testing.T, api, target string) map[string]bool {
	t.Helper()
	ids, cursor := map[string]bool{}, ""
	for {
		var page struct {
			Observations []bellwether.Observation
			Next         string `json:"next_cursor"`
		}
		get(t, api+"/v1/observations?limit=100&target="+target+"&cursor="+cursor, &page)
		for _, o := range page.Observations {
			ids[o.ID] = true
		}
		if cursor = page.Next; cursor == "" {
			return ids
		}
	}
}

func TestAGoodConfigIsReloadedAndABadOneKeepsTheOld(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	dir := t.TempDir()
	file, api, router := testConfig(t, dir, url)
	p := start(t, "serve", "--config", file)
	ready(t, router)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hup := func() {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, file, strings.Replace(string(good), "provider: one", "provider: nobody", 1))
	hup()
	eventually(t, "the bad config is reported", func() error {
		if out := p.out.String(); !strings.Contains(out, "old one stays in force") || !strings.Contains(out, "there is no provider") {
			return errors.New(out)
		}
		return nil
	})
	if got := share(weightsOf(t, api), "first"); got != 0.95 {
		t.Errorf("after a bad config the share of first is %v, want the old 0.95", got)
	}
	var info struct {
		Config struct {
			Error string `json:"error"`
		}
	}
	get(t, api+"/v1/info", &info)
	mustContain(t, info.Config.Error, "there is no provider")
	writeFile(t, file, strings.Replace(string(good), "[[first], [second]]", "[[second], [first]]", 1))
	hup()
	waitShare(t, api, "second", func(v float64) bool { return v == 0.95 })
	eventually(t, "the router routes by it", func() error {
		var models struct{ Data []struct{ ID string } }
		get(t, router+"/v1/models", &models)
		if target, err := ask(router, false); err != nil || target != "second" {
			return fmt.Errorf("answered by %q, %v", target, err)
		}
		return nil
	})
	p.stop(t)
}

func TestEachMishapGivesOneClearSentenceAndItsExitCode(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	dir := t.TempDir()
	file, _, _ := testConfig(t, dir, url)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	variant := func(name, old, new string) string {
		path := filepath.Join(dir, name)
		if !strings.Contains(string(good), old) {
			t.Fatalf("the config has no %q", old)
		}
		writeFile(t, path, strings.Replace(string(good), old, new, 1))
		return path
	}
	busy, err := httpListener(t)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"a config that is not there", []string{"serve", "--config", filepath.Join(dir, "none.yaml")}, exitUsage, []string{"none.yaml", "config.example.yaml"}},
		{"a config that is wrong", []string{"check", "--config", variant("wrong.yaml", "provider: one", "provider: nobody")}, exitUsage, []string{"wrong.yaml:9:27", `no provider "nobody"`}},
		{"a port in use", []string{"serve", "--config", variant("busy.yaml", "server: {listen: ", "server: {listen: \""+busy+"\"} #")}, exitFailed, []string{"server.listen", busy, "address already in use", "another address"}},
		{"a data folder that is not there", []string{"serve", "--config", variant("folder.yaml", filepath.Join(dir, "test.db"), filepath.Join(dir, "no/such/folder/test.db"))}, exitFailed, []string{"no/such/folder"}},
		{"an endpoint that nobody serves", []string{"probe", "--config", variant("dead.yaml", url+"/r/us-east/v1", "http://"+freePort(t)+"/v1"), "first"}, exitNothing, []string{"connect_error"}},
		{"a target that nobody knows", []string{"probe", "--config", file, "third"}, exitUsage, []string{`no target "third"`, "first, second"}},
		{"a flag that nobody knows", []string{"serve", "--confg", "x"}, exitUsage, []string{"--confg", "bellwether serve --help"}},
		{"a command that nobody knows", []string{"sevre"}, exitUsage, []string{"sevre"}},
		{"an argument too many", []string{"serve", "now"}, exitUsage, []string{"now"}},
		{"a flag left out", []string{"replay", "--config", file}, exitUsage, []string{"observations"}},
		{"the demo on a port in use", []string{"demo", "--listen", busy}, exitFailed, []string{"--listen", busy, "address already in use"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := runHere(c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			mustContain(t, out+errOut, c.says...)
			if strings.Contains(out+errOut, "key-of-one") {
				t.Errorf("a key appears in %q", out+errOut)
			}
		})
	}
}

// httpListener returns an address that is taken for the length of a test.
func httpListener(t *testing.T) (string, error) {
	t.Helper()
	ln, err := listen("test", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String(), nil
}

func TestAWrongKeyIsNamedAndNeverShown(t *testing.T) {
	denying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error": {"message": "Incorrect API key provided: %s", "type": "invalid_request_error", "code": "invalid_api_key"}}`,
			strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	})
	srv := httptest.NewServer(denying)
	defer srv.Close()
	file, _, _ := testConfig(t, t.TempDir(), srv.URL)
	code, out, errOut := runHere("probe", "--config", file, "first")
	if code != exitNothing {
		t.Errorf("exit code %d, want %d", code, exitNothing)
	}
	mustContain(t, out, "auth_error")
	if strings.Contains(out+errOut, "key-of-one") {
		t.Errorf("the key, echoed by the provider, appears in %q", out+errOut)
	}
}

// TestAProgramThatIsToldToEndEndsSoonWhateverHangs keeps everything busy that
// takes its time at the end: a stream through the router, a request to the API
// whose body never comes, and an alert that a receiver does not answer.
func TestAProgramThatIsToldToEndEndsSoonWhateverHangs(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	rung, over := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() { close(rung) })
		<-over
	}))
	t.Cleanup(func() { close(over); hook.Close() })
	file, api, router := testConfig(t, t.TempDir(), url)
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(src), "second, provider: two, model: \"m?first_token=5ms&inter_token=0ms&tokens=5\"", "second, provider: two, model: \"m?first_token=5ms&inter_token=300ms&tokens=200\"", 1)
	text = strings.Replace(text, "timeout: 5s}", "timeout: 500ms}", 1) // too short for the second: an incident
	writeFile(t, file, strings.Replace(text, "router: {", "alerting: {webhooks: [{name: ops, url: \""+hook.URL+"\"}]}\nrouter: {drain: 3s, ", 1))
	p := start(t, "serve", "--config", file)
	ready(t, router)

	ended := make(chan error, 1)
	go func() {
		resp, err := http.Post(router+"/v1/chat/completions", "application/json", strings.NewReader(`{"model": "second", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}`))
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		ended <- err
	}()
	conn, err := net.Dial("tcp", strings.TrimPrefix(api, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "POST /v1/observations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n["); err != nil {
		t.Fatal(err)
	}
	select {
	case <-rung:
	case <-time.After(patience):
		t.Fatal("no alert came")
	}
	began := time.Now()
	p.stop(t)
	if took := time.Since(began); took < 3*time.Second || took > 10*time.Second {
		t.Errorf("the end took %v, want at least the router's drain of 3s and at most 10s", took)
	}
	if err := <-ended; err != nil {
		t.Errorf("the stream was cut without a word: %v", err)
	}
}
