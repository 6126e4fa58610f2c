package slack

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
)

// Slack's limits, in characters; we count bytes, which are never fewer.
const (
	maxText   = 3000 // of a section, and of the text beside it
	maxField  = 1900 // of a section's field; Slack says 2000
	maxLines  = 20   // targets listed; ours
	maxEvents = 10   // timeline entries in one reply; ours
)

// look is how a severity looks.
type look struct{ emoji, colour string }

func lookOf(in bellwether.Incident) look {
	if in.State == bellwether.IncidentResolved {
		return look{":large_green_circle:", "#2b8a3e"}
	}
	switch in.Severity {
	case bellwether.Down:
		return look{":red_circle:", "#c92a2a"}
	case bellwether.Failing:
		return look{":large_orange_circle:", "#e8590c"}
	}
	return look{":large_yellow_circle:", "#e6a817"}
}

func causeWords(c bellwether.Cause) string {
	switch c {
	case bellwether.CauseModel:
		return "the model, wherever it is served"
	case bellwether.CauseProvider:
		return "the provider"
	case bellwether.CauseRegion:
		return "the provider's region"
	case bellwether.CauseVantage:
		return "our own network or host"
	case bellwether.CauseAccount:
		return "our account: key, quota or bill"
	}
	return "the target itself"
}

// headline is the one line that a phone shows.
func headline(in bellwether.Incident) string {
	s := lookOf(in).emoji + " *" + escape(in.Title, 500) + "*"
	if in.State == bellwether.IncidentResolved {
		s += " – resolved" + lasted(in)
	}
	return s
}

func lasted(in bellwether.Incident) string {
	from := in.FirstAt
	if from.IsZero() {
		from = in.OpenedAt
	}
	d := in.ResolvedAt.Sub(from)
	if from.IsZero() || d <= 0 {
		return ""
	}
	return " after " + duration(d)
}

// duration writes d for people: "42s", "7m", "3h 5m", "2d 4h".
func duration(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
}

// attachment is everything below the headline, beside a bar in the severity's
// colour.
func attachment(n alerting.Notice) slack.Attachment {
	in := n.Incident
	fields := []*slack.TextBlockObject{
		field("Severity", escape(string(in.Severity), 100)),
		field("Cause", causeWords(in.Cause)),
		field("Since", when(in.FirstAt)),
	}
	if in.State == bellwether.IncidentResolved {
		fields = append(fields, field("Resolved", when(in.ResolvedAt)))
	}
	if in.AckedBy != "" {
		fields = append(fields, field("Acknowledged by", escape(in.AckedBy, 200)))
	}
	blocks := []slack.Block{slack.NewSectionBlock(nil, fields, nil)}
	if text := targetLines(n); text != "" {
		blocks = append(blocks, slack.NewSectionBlock(markdown(text), nil, nil))
	}
	foot := "incident `" + escape(in.ID, 100) + "`"
	if n.Link != "" {
		foot = "<" + linkEscape.Replace(n.Link) + "|Open in the dashboard>  ·  " + foot
	}
	blocks = append(blocks, slack.NewContextBlock("", markdown(foot)))
	return slack.Attachment{Color: lookOf(in).colour, Fallback: escape(in.Title, 500), Blocks: slack.Blocks{BlockSet: blocks}}
}

// targetLines lists the targets, each with its state and why, within Slack's
// limit.
func targetLines(n alerting.Notice) string {
	var b strings.Builder
	for i, t := range n.Targets {
		line := targetLine(t)
		left := len(n.Targets) - i
		more := fmt.Sprintf("… and %d more", left)
		if i == maxLines || b.Len()+len(line)+len(more)+2 > maxText {
			b.WriteString(more)
			break
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func targetLine(t alerting.TargetNotice) string {
	line := "• `" + escape(t.ID, 110) + "`"
	var where []string
	for _, s := range []string{t.Provider, t.Model, t.Region} {
		if s != "" {
			where = append(where, escape(s, 80))
		}
	}
	if len(where) > 0 {
		line += " (" + strings.Join(where, ", ") + ")"
	}
	if t.State != "" {
		line += " " + escape(string(t.State), 40)
	}
	var why []string
	for _, r := range t.Reasons[:min(3, len(t.Reasons))] {
		why = append(why, escape(r.Text, 200))
	}
	if len(why) > 0 {
		line += ": " + strings.Join(why, "; ")
	}
	return line
}

// reply is what the thread says: the timeline since the last message.
func reply(n alerting.Notice, prior []bellwether.Delivery) string {
	var last time.Time
	for _, d := range prior {
		if p, err := alerting.ParseNotice(d.Payload); err == nil && p.At.After(last) {
			last = p.At
		}
	}
	events := slices.DeleteFunc(slices.Clone(n.Incident.Timeline), func(e bellwether.IncidentEvent) bool { return !e.At.After(last) })
	if len(events) == 0 {
		events = []bellwether.IncidentEvent{n.Event}
	}
	var lines []string
	if over := len(events) - maxEvents; over > 0 {
		lines, events = []string{fmt.Sprintf("_%d earlier entries are left out_", over)}, events[over:]
	}
	for _, e := range events {
		lines = append(lines, clock(e.At)+"  *"+escape(e.Kind, 20)+"*  "+escape(e.Text, 300))
	}
	return strings.Join(lines, "\n")
}

// when is a moment, which Slack shows in each reader's own time.
func when(t time.Time) string {
	return date(t, "{date_short_pretty} {time_secs}", "2006-01-02 15:04:05 UTC")
}

func clock(t time.Time) string { return date(t, "{time_secs}", "15:04:05 UTC") }

func date(t time.Time, form, fallback string) string {
	if t.IsZero() {
		return "unknown"
	}
	return fmt.Sprintf("<!date^%d^%s|%s>", t.Unix(), form, t.UTC().Format(fallback))
}

func field(name, value string) *slack.TextBlockObject {
	if len(value) > maxField {
		value = escape(value, maxField)
	}
	return markdown("*" + name + "*\n" + value)
}

func markdown(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, s, false, false)
}

var linkEscape = strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C", " ", "%20")

// escape makes s plain text in Slack's markup: nothing in it can be a mention,
// a link or an emphasis that we did not write. The result has at most n bytes,
// and is never cut inside an escape.
func escape(s string, n int) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		piece := string(r)
		switch r {
		case '&':
			piece = "&amp;"
		case '<':
			piece = "&lt;"
		case '>':
			piece = "&gt;"
		case '`', '*', '~':
			piece = "'"
		case '\n', '\r', '\t', 0:
			piece = " "
		}
		if b.Len()+len(piece) > n-len("…") {
			return b.String() + "…"
		}
		b.WriteString(piece)
	}
	return b.String()
}
