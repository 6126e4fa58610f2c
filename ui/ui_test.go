//go:build !noui

package ui_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/ui"
)

func ask(t *testing.T, method, path string, header map[string]string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	ui.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// assetIn returns the path of the first built asset with this ending that the page names.
func assetIn(t *testing.T, ending string) string {
	t.Helper()
	path := regexp.MustCompile(`/assets/[^"]+` + regexp.QuoteMeta(ending)).FindString(body(t, ask(t, "GET", "/", nil)))
	if path == "" {
		t.Fatalf("the page names no asset that ends in %s; run `npm run build` in ui", ending)
	}
	return path
}

func TestEveryPageIsTheSameDocument(t *testing.T) {
	want := body(t, ask(t, "GET", "/", nil))
	for _, path := range []string{"/targets/gpt-us", "/incidents", "/incidents/0197", "/slos", "/routing", "/probes", "/status"} {
		res := ask(t, "GET", path, nil)
		if res.StatusCode != http.StatusOK || body(t, res) != want {
			t.Errorf("GET %s = %d, want the page", path, res.StatusCode)
		}
		if got := res.Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("GET %s: Cache-Control = %q, want no-cache", path, got)
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	for _, path := range []string{"/assets/none.js", "/index.html", "/targets/", "/targets/a/b", "/v1/weights", "/nowhere", "/../ui.go", "/assets"} {
		if res := ask(t, "GET", path, nil); res.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", path, res.StatusCode)
		}
	}
}

func TestThePageTakesNoWrites(t *testing.T) {
	res := ask(t, "POST", "/", nil)
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST / = %d, Allow %q, want 405 and GET, HEAD", res.StatusCode, res.Header.Get("Allow"))
	}
	if res := ask(t, "HEAD", "/", nil); res.StatusCode != http.StatusOK || body(t, res) != "" {
		t.Errorf("HEAD / = %d with a body", res.StatusCode)
	}
}

func TestHashedAssetsAreKeptForever(t *testing.T) {
	res := ask(t, "GET", assetIn(t, ".js"), nil)
	if got := res.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control = %q", got)
	}
	if got := res.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
}

func TestGzipIsServedToThoseWhoAcceptIt(t *testing.T) {
	path := assetIn(t, ".js")
	plain := body(t, ask(t, "GET", path, nil))
	for header, want := range map[string]string{
		"gzip": "gzip", "br, gzip;q=0.8": "gzip", "*": "gzip", "GZIP": "gzip",
		"": "", "br": "", "gzip;q=0": "", "gzip; q=0, *": "", "*;q=0": "", "gzip;q=x": "",
	} {
		res := ask(t, "GET", path, map[string]string{"Accept-Encoding": header})
		if got := res.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding = %q, want %q", header, got, want)
			continue
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: no Vary", header)
		}
		got := body(t, res)
		if want == "gzip" {
			if length := res.Header.Get("Content-Length"); length != fmt.Sprint(len(got)) {
				t.Errorf("Accept-Encoding %q: Content-Length = %s, want %d", header, length, len(got))
			}
			got = unzip(t, got)
		}
		if got != plain {
			t.Errorf("Accept-Encoding %q: another body", header)
		}
	}
}

func unzip(t *testing.T, s string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAnUnchangedPageIsNotSentAgain(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		first := ask(t, "GET", "/", map[string]string{"Accept-Encoding": encoding})
		again := ask(t, "GET", "/", map[string]string{"Accept-Encoding": encoding, "If-None-Match": first.Header.Get("ETag")})
		if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
			t.Errorf("encoding %q: GET / with its ETag = %d, want 304 without a body", encoding, again.StatusCode)
		}
	}
}

// TestThePolicyHasNothingToForbid: the content security policy is
// default-src 'self'; style-src 'self', without exceptions.
func TestThePolicyHasNothingToForbid(t *testing.T) {
	page := body(t, ask(t, "GET", "/", nil))
	for what, pattern := range map[string]string{
		"an inline script":       `<script[^>]*>[^<]`,
		"an inline style":        `<style|\sstyle=`,
		"an inline handler":      `\son[a-z]+=`,
		"an address of another":  `(src|href)="(https?:)?//`,
		"a data: or blob: thing": `(src|href)="(data|blob):`,
	} {
		if m := regexp.MustCompile(pattern).FindString(page); m != "" {
			t.Errorf("the page has %s: %s", what, m)
		}
	}
}

// TestTheDashboardFitsInItsBudget holds all assets together, gzipped, under
// 100 KB.
func TestTheDashboardFitsInItsBudget(t *testing.T) {
	const budget = 100_000
	total := 0
	err := fs.WalkDir(os.DirFS("dist"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile("dist/" + name)
		if err != nil {
			return err
		}
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		total += z.Len()
		t.Logf("%6d B gzipped  %s", z.Len(), name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total == 0 || total > budget {
		t.Errorf("all assets are %d B gzipped, want above 0 and at most %d", total, budget)
	}
}

func BenchmarkServeAsset(b *testing.B) {
	h := ui.Handler()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func ExampleHandler() {
	server := httptest.NewServer(ui.Handler())
	defer server.Close()
	res, err := http.Get(server.URL + "/targets/gpt-us")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.StatusCode, res.Header.Get("Content-Type"))
	// Output: 200 text/html; charset=utf-8
}
