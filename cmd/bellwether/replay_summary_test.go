package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store/sqlite"
)

// replayConfig writes a config that probes every 30 s, and one that believes
// less readily, and returns both with the recorded history of [recorded].
func replayConfig(t *testing.T) (config, other, observations string) {
	t.Helper()
	dir := t.TempDir()
	config, _, _ = testConfig(t, dir, "http://127.0.0.1:1")
	src, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(src), "@every 1s", "@every 30s", 1)
	writeFile(t, config, text)
	other = filepath.Join(dir, "other.yaml")
	writeFile(t, other, strings.Replace(text, "scoring: {", "alerting: {min_severity: down, open_after: 20m}\nscoring: {false_alarms_per_target_month: 0.001, ", 1))
	return config, other, recorded(t, dir)
}

// summaryOf replays as JSON and returns the summary.
func summaryOf(t *testing.T, args ...string) (s replaySummary) {
	t.Helper()
	code, out, errOut := runHere(append([]string{"replay", "--output", "json", "--summary"}, args...)...)
	if code != exitOK {
		t.Fatalf("replay ended with %d: %s", code, errOut)
	}
	all := strings.Split(strings.TrimSpace(out), "\n")
	got := struct{ Summary *replaySummary }{&s}
	if err := json.Unmarshal([]byte(all[len(all)-1]), &got); err != nil {
		t.Fatalf("the last line is %q: %v", all[len(all)-1], err)
	}
	return s
}

func TestASummarySaysWhatAFaultCostAndWhomItWoke(t *testing.T) {
	t.Parallel()
	config, _, file := replayConfig(t)
	s := summaryOf(t, "--config", config, "--observations", file)
	first, second := s.Targets[0], s.Targets[1]
	if s.Observations != 2880 || s.Known != 2880 || !s.To.After(s.From.Add(11*time.Hour)) {
		t.Errorf("%d observations, %d known, %v to %v", s.Observations, s.Known, s.From, s.To)
	}
	if first.Verdicts[bellwether.Down] != 1 || second.Verdicts[bellwether.Down] != 0 || s.Alerts.Alerts != 1 || s.Alerts.BySeverity[bellwether.Down] != 1 {
		t.Errorf("verdicts %v and %v, alerts %+v; want one of each for first", first.Verdicts, second.Verdicts, s.Alerts)
	}
	// Ten minutes of refused calls: nearly all of that weight was held back, a
	// little was given before anybody could know, and a little while well again.
	if ill := first.Hours[bellwether.Down]; ill < 8./60 || ill > 20./60 {
		t.Errorf("first was down for %v h, want about ten minutes", ill)
	}
	if first.Withheld < 8./60 || first.Failed <= 0 || first.Failed > 3./60 || first.Idle <= 0 || first.Idle > .3 {
		t.Errorf("weight hours of first: %+v", first)
	}
	if sum := first.Failed + first.Withheld - first.Idle; sum < 9.5/60 || sum > 11./60 {
		t.Errorf("weight given and held back while failing is %v h, want the ten minutes", sum)
	}
	r := s.Routes[0]
	if r.Moved < 8./60 || r.Moved > first.Withheld+.05 || r.Turned < 1.8 {
		t.Errorf("the route moved %+v, want its share for ten minutes there and back", r)
	}
	var hours float64
	for _, h := range first.Hours {
		hours += h
	}
	if want := s.To.Sub(s.From).Hours(); hours < want-.01 || hours > want+.01 {
		t.Errorf("the hours of first add up to %v, want %v", hours, want)
	}
	code, out, _ := runHere("replay", "--config", config, "--observations", file)
	if code != exitOK {
		t.Error(code)
	}
	mustContain(t, out, "2880 observations from 2026-11-20T12:0", "1 target never ill", "1 incident, of which 1 would have alerted (1 down); no channel is set up")
}

func TestTheSameHistoryGivesTheSameBytesHoweverItIsPacked(t *testing.T) {
	t.Parallel()
	config, other, file := replayConfig(t)
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	for half := range bytes.SplitSeq(src, []byte("T18:00:0")) { // gzip files may be joined
		z := gzip.NewWriter(&packed)
		if packed.Len() > 0 {
			_, _ = z.Write([]byte("T18:00:0"))
		}
		_, _ = z.Write(half)
		_ = z.Close()
	}
	zipped := file + ".gz"
	writeFile(t, zipped, packed.String())
	for _, extra := range [][]string{{"--output", "json", "--weights", "--summary"}, {"--against", other}} {
		args := append([]string{"replay", "--config", config}, extra...)
		code, want, errOut := runHere(append(args, "--observations", file)...)
		if code != exitOK || want == "" {
			t.Fatalf("%v ended with %d: %s", args, code, errOut)
		}
		if _, got, errOut := runHere(append(args, "--observations", zipped)...); got != want {
			t.Errorf("%v of the compressed file gave another output: %s", extra, errOut)
		}
		root := newRootCommand()
		var out bytes.Buffer
		root.SetArgs(append(args, "--observations", "-"))
		root.SetIn(bytes.NewReader(src))
		root.SetOut(&out)
		if err := root.ExecuteContext(t.Context()); err != nil || out.String() != want {
			t.Errorf("%v of standard input gave another output, or %v", extra, err)
		}
	}
	writeFile(t, zipped, packed.String()[:packed.Len()/2])
	code, _, errOut := runHere("replay", "--config", config, "--observations", zipped)
	if code != exitUsage {
		t.Errorf("a file that was cut off: %d", code)
	}
	mustContain(t, errOut, "the compressed file was cut off", "after line ")
}

// keep appends a history to the config's database, as a server would have.
func keep(t *testing.T, config, observations string) {
	t.Helper()
	cfg, err := LoadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.Open(t.Context(), cfg.Store.File(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	in, err := os.Open(observations)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	var seq sequencer
	var done gauge
	err = lineFile{"x", in}.read(t.Context(), &done, func(rs []bellwether.Record) error {
		for _, page := range seq.order(rs) {
			if err := st.Append(t.Context(), page); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAStoreIsReplayedAsItWasScored(t *testing.T) {
	t.Parallel()
	config, other, file := replayConfig(t)
	code, _, errOut := runHere("replay", "--config", config, "--store")
	if code != exitUsage {
		t.Errorf("without a database: %d", code)
	}
	mustContain(t, errOut, "--store: ")
	keep(t, config, file)
	for _, extra := range [][]string{{"--weights"}, {"--against", other}} {
		args := append([]string{"replay", "--config", config}, extra...)
		_, want, _ := runHere(append(args, "--observations", file)...)
		if code, got, errOut := runHere(append(args, "--store")...); code != exitOK || got != want {
			t.Errorf("%v: the store gave another output than the file (%d, %s)", extra, code, errOut)
		}
	}
}

func TestAComparisonNamesWhatOnlyOneConfigSawAndWhoWasQuicker(t *testing.T) {
	t.Parallel()
	config, other, file := replayConfig(t)
	code, out, errOut := runHere("replay", "--config", config, "--against", other, "--observations", file, "--output", "json")
	if code != exitOK {
		t.Fatalf("replay ended with %d: %s", code, errOut)
	}
	var got struct{ Comparison comparison }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	c := got.Comparison
	if len(c.Both) != 1 || c.Both[0].Target != "first" || c.Both[0].Delay < 0 || c.Delay != c.Both[0].Delay {
		t.Errorf("both saw %+v, want the one fault, the stricter config no earlier", c.Both)
	}
	if a, b := c.Configs[0].Alerts, c.Configs[1].Alerts; a.Alerts != 1 || b.Alerts != 0 {
		t.Errorf("alerts %+v and %+v, want one, and none of so short a fault", a, b)
	}
	_, out, _ = runHere("replay", "--config", config, "--against", other, "--observations", file)
	mustContain(t, out, "verdicts down", "misplaced in all", "share moved", "Under both; "+other+" is ")
}

func TestEpisodesAreMatchedWhereTheyOverlap(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 20, 0, minute, 0, 0, time.UTC) }
	ill := func(from, to int) episode {
		return episode{Target: "a", Onset: at(from - 1), Began: at(from), Ended: at(to), Ongoing: to == 0}
	}
	for name, c := range map[string]struct {
		first, second       []episode
		only1, only2, pairs int
		delay               float64
	}{
		"the same":                        {[]episode{ill(5, 10)}, []episode{ill(5, 10)}, 0, 0, 1, 0},
		"the second is later":             {[]episode{ill(5, 10)}, []episode{ill(7, 12)}, 0, 0, 1, 120},
		"apart":                           {[]episode{ill(5, 10)}, []episode{ill(20, 30)}, 1, 1, 0, 0},
		"the onset reaches back":          {[]episode{ill(5, 10)}, []episode{ill(11, 12)}, 0, 0, 1, 360},
		"still ill":                       {[]episode{ill(5, 0)}, []episode{ill(50, 0)}, 0, 0, 1, 2700},
		"the second relapses":             {[]episode{ill(5, 30)}, []episode{ill(6, 10), ill(15, 20)}, 0, 0, 1, 60},
		"the first relapses, and another": {[]episode{ill(5, 7), ill(10, 12), ill(40, 41)}, []episode{ill(4, 20)}, 1, 0, 1, -60},
	} {
		var got comparison
		got.match("a", c.first, c.second)
		delay := 0.
		if len(got.Both) > 0 {
			delay = got.Both[0].Delay
		}
		if len(got.OnlyFirst) != c.only1 || len(got.OnlySecond) != c.only2 || len(got.Both) != c.pairs || delay != c.delay {
			t.Errorf("%s: %d and %d alone, %d shared, delay %v; want %d, %d, %d, %v", name,
				len(got.OnlyFirst), len(got.OnlySecond), len(got.Both), delay, c.only1, c.only2, c.pairs, c.delay)
		}
	}
}

func TestLinesAreNumberedAcrossBlocksAndReadInOrder(t *testing.T) {
	t.Parallel()
	line := func(i int) string {
		return fmt.Sprintf("{\"id\": \"%d\", \"at\": %q, \"target\": \"first\", \"outcome\": \"ok\", \"excerpt\": %q}\r\n", i,
			time.Unix(int64(i), 0).UTC().Format(time.RFC3339), strings.Repeat("x", i%3000))
	}
	var b strings.Builder
	const n = 3000
	for i := range n {
		b.WriteString(line(i))
		if i%7 == 0 {
			b.WriteByte('\n') // an empty line has a number too
		}
	}
	long := "{" + strings.Repeat(" ", 2*replayBlock) + line(n)[1:]
	text := b.String() + long + strings.TrimSpace(line(n+1)) // longer than a block; without an end
	var got []string
	var done gauge
	err := lineFile{"x", strings.NewReader(text)}.read(t.Context(), &done, func(rs []bellwether.Record) error {
		for _, r := range rs {
			got = append(got, r.Observation.ID)
		}
		return nil
	})
	if err != nil || len(got) != n+2 || done.seen.Load() != n+2 || done.read.Load() != int64(len(text)) {
		t.Fatalf("%d observations, gauge %d and %d bytes of %d, %v", len(got), done.seen.Load(), done.read.Load(), len(text), err)
	}
	for i, id := range got {
		if id != fmt.Sprint(i) {
			t.Fatalf("observation %d is %s", i, id)
		}
	}
	bad := b.String() + "{\n" + line(n)
	want := fmt.Sprintf("x:%d: not an observation", strings.Count(b.String(), "\n")+1)
	seen := 0
	err = lineFile{"x", strings.NewReader(bad)}.read(t.Context(), &done, func(rs []bellwether.Record) error { seen += len(rs); return nil })
	if err == nil || !strings.HasPrefix(err.Error(), want) || seen != n {
		t.Errorf("a bad line: %d before it, %v; want %d and %q", seen, err, n, want)
	}
	err = lineFile{"x", strings.NewReader(b.String() + strings.Repeat("y", maxReplayLine+replayBlock+1) + "\n")}.read(t.Context(), &done, func([]bellwether.Record) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("an endless line: %v", err)
	}
}

func TestAReplayStopsWhereItIsToldTo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	endless := io.MultiReader(strings.NewReader("\n"), repeated("{\"at\": \"2026-11-20T00:00:00Z\", \"target\": \"first\", \"outcome\": \"ok\"}\n"))
	var done gauge
	blocks := 0
	err := lineFile{"x", endless}.read(ctx, &done, func([]bellwether.Record) error {
		if blocks++; blocks == 3 {
			cancel()
		}
		return nil
	})
	if err == nil {
		t.Error("no error")
	}
}

// repeated is a text that goes on for ever.
type repeated string

func (r repeated) Read(p []byte) (int, error) { return copy(p, r), nil }

func TestTheBarSaysHowFarAReplayIs(t *testing.T) {
	var g gauge
	g.all.Store(1000)
	g.read.Store(250)
	g.seen.Store(3_000_000)
	g.at.Store(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC).UnixNano())
	if got, want := g.bar(10*time.Second), "[======                  ]  25 %  2026-11-20 08:00  3.00 M observations, 300 k/s, 30s left"; got != want {
		t.Errorf("bar = %q, want %q", got, want)
	}
	g.all.Store(0) // standard input
	if got, want := g.bar(10*time.Second), "2026-11-20 08:00  3.00 M observations, 300 k/s"; got != want {
		t.Errorf("bar = %q, want %q", got, want)
	}
}

// BenchmarkReplay replays half a day of 100 targets at 30 s, and says how long
// a month of it would take, and how much memory is in use at its end.
func BenchmarkReplay(b *testing.B) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	n := 0
	for o := range historyOf(b, 100, 12*time.Hour) {
		o.Source = bellwether.SourceProbe
		if err := enc.Encode(o); err != nil {
			b.Fatal(err)
		}
		n++
	}
	cfg := Config{Vantage: "test"}
	for i := range 100 {
		cfg.Targets = append(cfg.Targets, TargetConfig{Target: historyTarget(i)})
	}
	cfg.Routes = map[string]RouteConfig{"chat": {Tiers: [][]TierEntry{{{Target: "t00"}, {Target: "t01"}}, {{Target: "t02"}}}}}
	for _, configs := range []int{1, 2} {
		b.Run(count(configs, "config", "configs"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var under []*rescorer
				for range configs {
					s, err := newRescorer(cfg, nil)
					if err != nil {
						b.Fatal(err)
					}
					under = append(under, s)
				}
				if err := replay(b.Context(), lineFile{"x", bytes.NewReader(text.Bytes())}, &gauge{}, under...); err != nil {
					b.Fatal(err)
				}
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N*n)
			b.ReportMetric(each, "ns/observation")
			b.ReportMetric(each*8.64e6/1e9, "s/month")
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/1e6, "MB")
		})
	}
}
