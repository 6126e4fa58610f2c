package slo

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Indicator is what counts as good. The zero value is none.
type Indicator struct {
	// Signal is availability, sanity, first_token, inter_token or total.
	Signal bellwether.Signal
	// Limit is what a latency must stay below; 0 for the other signals.
	Limit time.Duration
	// Canary is the one canary whose probes count; "" for all.
	Canary string
	// Router means that requests of real traffic count, and not probes.
	Router bool
}

const maxIndicator = 300 // bytes

var indicatorPattern = regexp.MustCompile(`^\s*([a-z_]+)\s*(?:(<)\s*([0-9a-zµ.]+))?(?:\s+(for|from)\s+(.*?))?\s*$`)

// ParseIndicator reads an indicator as a config has it:
//
//	availability | sanity | (first_token | inter_token | total) < DURATION
//
// each followed by nothing, by "for canary NAME", or by "from router".
func ParseIndicator(s string) (Indicator, error) {
	if strings.TrimSpace(s) == "" {
		return Indicator{}, fmt.Errorf("no indicator is given")
	}
	if len(s) > maxIndicator {
		return Indicator{}, fmt.Errorf("the indicator is longer than %d bytes", maxIndicator)
	}
	m := indicatorPattern.FindStringSubmatch(s)
	if m == nil {
		if strings.ContainsAny(s, ">=") {
			return Indicator{}, fmt.Errorf("%q: only < compares, as in first_token < 2s", s)
		}
		return Indicator{}, fmt.Errorf("%q is not an indicator", s)
	}
	in := Indicator{Signal: bellwether.Signal(m[1])}
	if err := in.parseLimit(m[2] != "", m[3]); err != nil {
		return Indicator{}, err
	}
	if err := in.parseFilter(m[4], m[5]); err != nil {
		return Indicator{}, err
	}
	return in, nil
}

func (in *Indicator) parseLimit(compared bool, limit string) error {
	switch in.Signal {
	case bellwether.Availability, bellwether.Sanity:
		if compared {
			return fmt.Errorf("%s takes no limit: the objective says how much of it", in.Signal)
		}
		return nil
	case bellwether.FirstToken, bellwether.InterToken, bellwether.Total:
	default:
		return fmt.Errorf("%q is not an indicator: use availability, sanity, first_token, inter_token or total", string(in.Signal))
	}
	if !compared {
		return fmt.Errorf("%s needs a limit, as in %s < 2s", in.Signal, in.Signal)
	}
	d, err := time.ParseDuration(limit)
	if err != nil {
		return fmt.Errorf("%q is not a limit: write it with a unit, as in 2s or 50ms", limit)
	}
	if d <= 0 || d > time.Hour {
		return fmt.Errorf("the limit %s is out of range: more than 0, at most 1h", d)
	}
	in.Limit = d
	return nil
}

func (in *Indicator) parseFilter(word, rest string) error {
	words := strings.Fields(rest)
	switch {
	case word == "":
		return nil
	case word == "from" && len(words) == 1 && words[0] == "router":
		in.Router = true
		return nil
	case word == "from":
		return fmt.Errorf("%q: only \"from router\" is understood", "from "+rest)
	case len(words) != 2 || words[0] != "canary":
		return fmt.Errorf("%q: write \"for canary NAME\", or \"from router\"; not both, as requests have no canary", "for "+rest)
	case !bellwether.ValidID(words[1]):
		return fmt.Errorf("%q is not a canary's name", words[1])
	}
	in.Canary = words[1]
	return nil
}

// String writes the indicator as [ParseIndicator] reads it, in one form.
func (in Indicator) String() string {
	s := string(in.Signal)
	if in.latency() {
		s += " < " + in.Limit.String()
	}
	if in.Canary != "" {
		s += " for canary " + in.Canary
	}
	if in.Router {
		s += " from router"
	}
	return s
}

func (in Indicator) latency() bool { return in.Limit > 0 }

// sees reports whether r is data that the indicator counts: scheduled probes,
// or requests. Probes out of suspicion would oversample bad times.
func (in Indicator) sees(r *bellwether.Rollup) bool {
	if in.Router {
		return r.Source == bellwether.SourceRouter
	}
	probe := r.Source == bellwether.SourceProbe || r.Source == bellwether.SourceSimulated
	return probe && r.Trigger == bellwether.TriggerSchedule && (in.Canary == "" || r.Canary == in.Canary)
}
