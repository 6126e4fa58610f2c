package slo_test

import (
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/slo"
)

func TestIndicatorsReadAsWritten(t *testing.T) {
	for s, want := range map[string]slo.Indicator{
		"availability":                      {Signal: bellwether.Availability},
		"  sanity ":                         {Signal: bellwether.Sanity},
		"first_token < 2s":                  {Signal: bellwether.FirstToken, Limit: 2 * time.Second},
		"first_token<2s":                    {Signal: bellwether.FirstToken, Limit: 2 * time.Second},
		"inter_token < 50ms":                {Signal: bellwether.InterToken, Limit: 50 * time.Millisecond},
		"total < 1m30s for canary a.b":      {Signal: bellwether.Total, Limit: 90 * time.Second, Canary: "a.b"},
		"availability from  router":         {Signal: bellwether.Availability, Router: true},
		"sanity\tfor canary capital":        {Signal: bellwether.Sanity, Canary: "capital"},
		"first_token < 1.5s from router":    {Signal: bellwether.FirstToken, Limit: 1500 * time.Millisecond, Router: true},
		"availability for canary from":      {Signal: bellwether.Availability, Canary: "from"},
		"inter_token<50ms for canary 2-hop": {Signal: bellwether.InterToken, Limit: 50 * time.Millisecond, Canary: "2-hop"},
	} {
		if got, err := slo.ParseIndicator(s); err != nil || got != want {
			t.Errorf("ParseIndicator(%q): got %+v, %v; want %+v", s, got, err, want)
		}
	}
}

func TestBadIndicatorsSayWhatIsWrong(t *testing.T) {
	for s, want := range map[string]string{
		"":                           "no indicator",
		"latency < 2s":               `"latency" is not an indicator`,
		"first_token":                "needs a limit",
		"availability < 2s":          "takes no limit",
		"first_token < 2":            "with a unit",
		"first_token < 0s":           "out of range",
		"first_token < 2h":           "out of range",
		"first_token <= 2s":          "only < compares",
		"first_token > 2s":           "only < compares",
		"availability from nginx":    `only "from router"`,
		"availability for capital":   `"for canary NAME"`,
		"availability for canary A!": "not a canary's name",
		"availability for canary capital from router": "not both",
		"availability of it":                          "is not an indicator",
		strings.Repeat("a", 1000):                     "longer than",
	} {
		if _, err := slo.ParseIndicator(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseIndicator(%.40q): got %v, want %q", s, err, want)
		}
	}
}

func FuzzParseIndicator(f *testing.F) {
	for _, s := range []string{"availability", "first_token < 2s for canary capital", "total<10s from router", "inter_token < 50ms", "sanity for", "x < y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in, err := slo.ParseIndicator(s)
		if err != nil {
			return
		}
		if again, err := slo.ParseIndicator(in.String()); err != nil || again != in {
			t.Errorf("ParseIndicator(%q) is %+v, written %q, which reads as %+v, %v", s, in, in.String(), again, err)
		}
	})
}

func TestValidateFindsEverythingAtOnce(t *testing.T) {
	c := slo.Config{
		{Name: "ok", Target: "gpt-us", Indicator: "availability", Objective: 99.9, Window: conf.Duration(30 * 24 * time.Hour), Slice: conf.Duration(5 * time.Minute)},
		{Name: "ok", Target: "gpt-us", Route: "chat", Indicator: "speed", Objective: 0.999, Window: conf.Duration(time.Minute), Slice: conf.Duration(7 * time.Minute)},
		{Name: "Bad Name", Objective: 100, Indicator: "sanity"},
		{Name: "nan", Target: "x", Indicator: "sanity", Objective: math.NaN()},
	}
	var got []string
	for _, p := range c.Validate() {
		got = append(got, p.Path)
		if p.Remedy == "" {
			t.Errorf("problem %q says not what to do", p.Error())
		}
	}
	want := []string{"[1]", "[1].indicator", "[1].objective", "[1].window", "[1].slice", "[1].name", "[2].name", "[2]", "[2].objective", "[3].objective"}
	if !slices.Equal(got, want) {
		t.Errorf("problems at\n%q, want\n%q", got, want)
	}
}

func TestCheckNamesWhatDoesNotExist(t *testing.T) {
	c := slo.Config{{Target: "gpt-us"}, {Target: "nope"}, {Route: "chat"}, {Route: "nope"}}
	var got []string
	for _, p := range c.Check(targets(), routes()) {
		got = append(got, p.Path)
	}
	if want := []string{"[1].target", "[3].route"}; !slices.Equal(got, want) {
		t.Errorf("problems at %q, want %q", got, want)
	}
}

func TestNoTextStartsAFormula(t *testing.T) {
	for _, evil := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\x00=1", `=HYPERLINK("http://evil","x")`, "=1,2\n3"} {
		var b strings.Builder
		a := bellwether.Attainment{SLO: evil, Scope: evil, Provider: evil, Model: evil, Region: evil, Indicator: evil, Status: evil, Remaining: -1.5, Burn1h: math.NaN(), Burn6h: math.Inf(1)}
		if err := slo.WriteCSV(&b, []bellwether.Attainment{a}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("read back: %v, %v", rows, err)
		}
		for i, cell := range rows[1] {
			name := rows[0][i]
			number := strings.HasSuffix(name, "ratio")
			if !number && cell != "" && strings.ContainsRune("=+-@\t\r\x00", rune(cell[0])) {
				t.Errorf("%s of %q: the cell is %q", name, evil, cell)
			}
			if name == "budget_remaining_ratio" && cell != "-1.5" || strings.HasPrefix(name, "burn_rate_1h") && cell != "" || name == "burn_rate_6h" && cell != "" {
				t.Errorf("%s: got %q, want numbers untouched and what is none empty", name, cell)
			}
		}
	}
}

func TestTheCSVReadsBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9,";' ]{0,20}`).Draw(t, "name")
		sli := rapid.Float64Range(0, 1).Draw(t, "sli")
		var b strings.Builder
		if err := slo.WriteCSV(&b, []bellwether.Attainment{{SLO: name, SLI: sli}}); err != nil {
			t.Fatal(err)
		}
		if strings.Count(b.String(), "\n") != strings.Count(b.String(), "\r\n") {
			t.Fatalf("a line does not end with CR LF: %q", b.String())
		}
		rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil || rows[1][3] != name {
			t.Fatalf("got %v, %v; want %q", rows, err, name)
		}
		var back float64
		if _, err := fmt.Sscan(rows[1][15], &back); err != nil || math.Abs(back-sli) > 1e-9 {
			t.Fatalf("sli: got %q, want %v", rows[1][15], sli)
		}
	})
}

func TestTheTableCannotSteerATerminal(t *testing.T) {
	var b strings.Builder
	if err := slo.WriteTable(&b, []bellwether.Attainment{{SLO: "a\x1b[2Jb\r\n", SLI: 0.9999999, Objective: 0.999}}); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.ContainsAny(s, "\x1b\r") || strings.Count(s, "\n") != 2 || !strings.Contains(s, "99.999 %") {
		t.Errorf("got %q, want plain text, and no rounding up to 100 %%", s)
	}
}

func ExampleParseIndicator() {
	in, err := slo.ParseIndicator("first_token<2s for canary capital")
	fmt.Println(in, err)
	_, err = slo.ParseIndicator("first_token <= 2s")
	fmt.Println(err)
	// Output:
	// first_token < 2s for canary capital <nil>
	// "first_token <= 2s": only < compares, as in first_token < 2s
}
