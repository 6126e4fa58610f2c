//go:build !noui

package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// asset is one file, ready to be sent.
type asset struct {
	contentType string
	etag        string // strong; of the plain body, the compressed one adds "-gz"
	cache       string
	plain       []byte
	gzipped     []byte // nil when compression does not pay
}

// site serves a built dashboard from memory. Immutable after newSite.
type site struct {
	assets map[string]asset // by path without the leading slash
}

// contentTypes are those that the build can hold. The system's own table is
// not asked: it differs from machine to machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// newSite reads all of files. Assets that cannot be read are left out: they
// are embedded, so that a test sees it and a user never does.
func newSite(files fs.FS) *site {
	s := &site{assets: map[string]asset{}}
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		body, err := fs.ReadFile(files, name)
		if err == nil {
			s.assets[name] = newAsset(name, body)
		}
		return nil
	})
	return s
}

func newAsset(name string, body []byte) asset {
	sum := sha256.Sum256(body)
	a := asset{
		contentType: contentTypes[path.Ext(name)],
		etag:        hex.EncodeToString(sum[:12]),
		cache:       "no-cache", // ask again each time; the ETag makes it cheap
		plain:       body,
	}
	if a.contentType == "" {
		a.contentType = "application/octet-stream"
	}
	if strings.HasPrefix(name, "assets/") { // names there carry a hash of the content
		a.cache = "public, max-age=31536000, immutable"
	}
	if z := compress(body); len(z) < len(body)*9/10 {
		a.gzipped = z
	}
	return a
}

func compress(body []byte) []byte {
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return body
	}
	if _, err := z.Write(body); err != nil {
		return body
	}
	if err := z.Close(); err != nil {
		return body
	}
	return buf.Bytes()
}

// ServeHTTP implements [http.Handler].
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if IsPage(r.URL.Path) {
		name = "index.html"
	}
	a, ok := s.assets[name]
	if !ok || r.URL.Path == "/index.html" { // one address for one page
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	a.serve(w, r)
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	body, etag := a.plain, a.etag
	h := w.Header()
	if a.gzipped != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			body, etag = a.gzipped, a.etag+"-gz"
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", a.cache)
	h.Set("ETag", `"`+etag+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	// ServeContent answers conditional and range requests. It leaves out the
	// length of encoded bodies, which is known here.
	if h.Get("Content-Encoding") != "" && r.Header.Get("Range") == "" && r.Header.Get("If-None-Match") == "" {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// acceptsGzip reads an Accept-Encoding header: gzip or * with a quality above 0.
func acceptsGzip(header string) bool {
	star := false
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		ok := true
		if q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); found {
			v, err := strconv.ParseFloat(q, 64)
			ok = err == nil && v > 0
		}
		switch coding {
		case "gzip":
			return ok
		case "*":
			star = ok
		}
	}
	return star
}
