package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	exportPage  = 1000             // observations held in memory at a time
	exportStall = 60 * time.Second // a reader that takes nothing for so long is gone
)

var lineMedia = []string{"application/x-ndjson", "application/ndjson", "application/jsonl"}

// wantsLines reports whether r asks for JSON lines: by the parameter format,
// else where Accept names them before JSON.
func wantsLines(r *http.Request, format string) bool {
	if format != "" {
		return format == "ndjson"
	}
	for _, accept := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			media, _, err := mime.ParseMediaType(part)
			switch {
			case err != nil:
			case media == "application/json":
				return false
			case slices.Contains(lineMedia, media):
				return true
			}
		}
	}
	return false
}

// export streams all that q selects, oldest first, one observation a line. It
// holds one page in memory, and goes on from page to page however much comes
// in meanwhile. What goes wrong once it has begun cuts the connection, so that
// a part is not taken for the whole.
func (s *Server) export(w http.ResponseWriter, r *http.Request, p *params, q bellwether.Query) error {
	for _, name := range []string{"cursor", "limit"} {
		if p.values.Has(name) {
			p.fault(name, "an export has no pages: narrow it with from and to")
		}
	}
	if p.values.Has("order") && !q.Oldest {
		p.fault("order", "an export is oldest first")
	}
	if err := p.err(); err != nil {
		return err
	}
	end, err := s.streams.begin(exports)
	if err != nil {
		return err
	}
	defer end()
	q.Oldest, q.Limit = true, exportPage
	control, lines := http.NewResponseController(w), &bytes.Buffer{}
	encode := json.NewEncoder(lines)
	for begun := false; ; begun = true {
		page, next, err := s.deps.Store.Observations(r.Context(), q)
		if err != nil {
			return listing("observations", q, err)
		}
		if !begun {
			w.Header().Set("Content-Type", lineMedia[0])
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusOK)
		}
		if r.Method == http.MethodHead {
			return nil
		}
		for i := range page {
			if err := encode.Encode(&page[i]); err != nil {
				return fmt.Errorf("export observation %s: %w", page[i].ID, err)
			}
		}
		_ = control.SetWriteDeadline(time.Now().Add(exportStall)) // best effort
		if _, err := w.Write(lines.Bytes()); err != nil || control.Flush() != nil {
			return nil // the reader is gone
		}
		lines.Reset()
		if next == "" {
			return nil
		}
		q.Cursor = next
		select {
		case <-s.streams.closing:
			return unavailable("the server is shutting down")
		default:
		}
	}
}
