package api

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// badge draws a target's state.
func (s *Server) badge(w http.ResponseWriter, r *http.Request) error {
	id, svg := strings.CutSuffix(r.PathValue("file"), ".svg")
	if _, ok := s.deps.Facts().target(id); !ok || !svg {
		return notFound("badge", r.PathValue("file"))
	}
	state := bellwether.Unknown
	for _, a := range s.deps.Assessments() {
		if a.Target == id {
			state = a.State
		}
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "max-age=30")
	if !s.config.PublicStatus {
		h.Set("Cache-Control", s.guard.private("max-age=30"))
	}
	h.Set("Expires", time.Now().Add(30*time.Second).UTC().Format(http.TimeFormat))
	_, _ = w.Write([]byte(drawBadge(id, string(state)))) // the caller has gone; nothing to do
	return nil
}

// badgeColours stand white text on them with a contrast of 4.5 and more.
var badgeColours = map[string]string{
	"healthy": "#2f7d32", "recovering": "#00796b", "degraded": "#a15c00", "failing": "#c43e00", "down": "#b3261e",
}

func drawBadge(left, right string) string {
	colour := badgeColours[right]
	if colour == "" {
		colour = "#616161"
	}
	left, right = html.EscapeString(left), html.EscapeString(right)
	lw, rw := 7*len(left)+12, 7*len(right)+12
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="20" role="img" aria-label="%s: %s">`+
		`<title>%[2]s: %[3]s</title><rect width="%d" height="20" fill="#444"/><rect x="%[4]d" width="%d" height="20" fill="%s"/>`+
		`<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">`+
		`<text x="%[7]d" y="14">%[2]s</text><text x="%[8]d" y="14">%[3]s</text></g></svg>`,
		lw+rw, left, right, lw, rw, colour, lw/2, lw+rw/2)
}
