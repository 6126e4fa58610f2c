package router

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// AccessLogConfig says which requests get a line in the log. It never holds
// prompts, answers or tokens.
type AccessLogConfig struct {
	// Sample is the part of all requests that get a line, from 0 to 1. Default 0: none.
	Sample float64 `yaml:"sample"`
	// Failures gives a line to every request that got no answer, refused ones included. Default: false.
	Failures bool `yaml:"failures"`
}

func (c AccessLogConfig) validate() []conf.Problem {
	if c.Sample >= 0 && c.Sample <= 1 {
		return nil
	}
	return []conf.Problem{{Path: "access_log.sample", Text: "is out of range", Remedy: "write 0 to 1, such as 0.01"}}
}

// logs reports whether a request with that outcome gets a line.
func (c AccessLogConfig) logs(failed bool) bool {
	return failed && c.Failures || c.Sample > 0 && rand.Float64() < c.Sample
}

// logAccess writes the line of a request that targets were asked for, and what
// was said where its route asks for that.
func (rt *Router) logAccess(x *exchange, outcome bellwether.Outcome, sum counts, now time.Time) {
	if n := x.route.LogContent; n > 0 {
		rt.logContent(x, n)
	}
	if !rt.cfg.AccessLog.logs(outcome != bellwether.OK) {
		return
	}
	var last try
	if n := len(x.tries); n > 0 {
		last = x.tries[n-1]
	}
	target, model := "", ""
	if last.up != nil {
		target, model = last.up.ID, last.up.Model
	}
	rt.log.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("id", x.id), slog.String("caller", x.caller.name), slog.String("dialect", string(x.front.codec.Protocol())),
		slog.String("route", x.route.Name), slog.String("target", target), slog.String("model", model), slog.String("key", last.key),
		slog.String("outcome", string(outcome)), slog.Bool("stream", x.req.Stream), slog.Int("attempts", x.attempts),
		slog.Int64("input_tokens", sum.input), slog.Int64("output_tokens", sum.output), slog.Bool("estimated", sum.estimated > 0), slog.String("cost_usd", dollars(sum.cost)),
		slog.Float64("first_token_seconds", last.seen.firstToken.Seconds()), slog.Float64("upstream_seconds", x.upstream.Seconds()),
		slog.Float64("seconds", now.Sub(x.start).Seconds()), slog.Uint64("revision", x.table.revision))
}

// logRefused writes the line of a request that the router itself refused.
func (rt *Router) logRefused(id, caller, route, code string, status int) {
	if rt.cfg.AccessLog.logs(true) {
		rt.log.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("id", id), slog.String("caller", caller),
			slog.String("route", route), slog.String("outcome", "refused"), slog.String("code", code), slog.Int("status", status))
	}
}

// logContent writes what was asked and answered, cut to n bytes each: the end
// of the prompt and the beginning of the answer.
func (rt *Router) logContent(x *exchange, n int) {
	var prompt strings.Builder
	for i := range x.req.Messages {
		if i > 0 {
			prompt.WriteByte('\n')
		}
		prompt.WriteString(x.req.Messages[i].Text)
	}
	asked := prompt.String()
	if over := len(asked) - n; over > 0 {
		asked = "..." + strings.ToValidUTF8(asked[over:], "")
	}
	answer := ""
	for i := range x.tries { // of a rescued answer each has a part
		if t := &x.tries[i]; !t.lost {
			answer += t.seen.text
		}
	}
	rt.log.LogAttrs(context.Background(), slog.LevelInfo, "content", slog.String("id", x.id), slog.String("route", x.route.Name),
		slog.String("prompt", asked), slog.String("answer", clip(answer, n)))
}

// keepText keeps the beginning of what a target says, where the route's content
// is logged.
func (s *seen) keepText(text string, most int) {
	if room := most - len(s.text); room > 0 {
		s.text += text[:min(len(text), room)]
	}
}
