package api

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// plainBody returns the body of r without its Content-Encoding. What comes out
// is bounded like what came in, so that a small body cannot grow without end.
func plainBody(w http.ResponseWriter, r *http.Request, limit int64) (io.Reader, error) {
	switch enc := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
		return r.Body, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			if _, long := errors.AsType[*http.MaxBytesError](err); long {
				return nil, bodyProblem(err)
			}
			return nil, problem(http.StatusBadRequest, "the body is not gzip, as Content-Encoding says: %v", err)
		}
		return http.MaxBytesReader(w, z, limit), nil
	default:
		p := problem(http.StatusUnsupportedMediaType, "Content-Encoding %.60q is not read here; send gzip or none", enc)
		p.header = http.Header{"Accept-Encoding": {"gzip"}}
		return nil, p
	}
}
