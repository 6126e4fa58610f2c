package probes

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// heardOf collects notices.
type heardOf struct {
	mu  sync.Mutex
	all []string
}

func (h *heardOf) tell(n Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, n.Kind+" "+n.Target+": "+n.Text)
}

func (h *heardOf) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.all
	h.all = nil
	return out
}

// bulletinsIn runs bulletins against a server in the bubble, until the test ends.
func bulletinsIn(t *testing.T, h http.HandlerFunc, sources []Source, o BulletinOptions, run func(b *Bulletins, heard *heardOf)) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := &http.Server{Handler: h}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		p, err := New(Options{Dial: l.dial})
		if err != nil {
			t.Fatal(err)
		}
		heard := &heardOf{}
		b, err := NewBulletins(p, sources, heard.tell, o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan error, 1)
		go func() { over <- b.Run(ctx) }()
		run(b, heard)
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		p.Close()
		_ = srv.Close()
		<-served
	})
}

func listed(id, model string) Target {
	return Target{Target: bellwether.Target{ID: id, Model: model, Provider: "p"}, Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: "http://p.test/v1", Key: testKey}}
}

func TestAModelThatLeavesTheListIsNotedOnce(t *testing.T) {
	var mu sync.Mutex
	calls, fail := 0, false
	models := "m,other"
	handler := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		if r.URL.Path != "/v1/models" || r.Header.Get("Authorization") != "Bearer "+testKey {
			t.Errorf("asked %s with %q", r.URL, r.Header.Get("Authorization"))
		}
		if fail {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		var ms []string
		for m := range strings.SplitSeq(models, ",") {
			ms = append(ms, fmt.Sprintf(`{"id":%q}`, m))
		}
		fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(ms, ","))
	}
	set := func(now string, failing bool) {
		mu.Lock()
		defer mu.Unlock()
		models, fail = now, failing
	}
	sources := []Source{{Provider: "p", Targets: []Target{listed("a", "m"), listed("b", "m"), listed("c", "never-listed")}}}
	called := func() int {
		mu.Lock()
		defer mu.Unlock()
		return calls
	}
	bulletinsIn(t, handler, sources, BulletinOptions{}, func(b *Bulletins, heard *heardOf) {
		time.Sleep(3 * 24 * time.Hour)
		if got := heard.take(); len(got) > 0 || called() < 3 || called() > 4 {
			t.Errorf("in three calm days %d calls, said %q; want one a day, and nothing", called(), got)
		}
		set("", true)
		time.Sleep(24 * time.Hour)
		set("m,other", false)
		time.Sleep(3 * time.Hour)
		if got := heard.take(); len(got) > 0 {
			t.Errorf("a list that failed is said to lack something: %q", got)
		}
		set("other", false)
		time.Sleep(3 * 24 * time.Hour)
		if got := heard.take(); len(got) != 2 || !strings.Contains(got[0], `listing a: the provider does not list the model "m" any more`) {
			t.Errorf("said %q, want of a and b that the model is not listed, once", got)
		}
		set("m", false)
		time.Sleep(3 * 24 * time.Hour)
		if got := heard.take(); len(got) != 2 || !strings.Contains(got[1], `lists the model "m" again`) {
			t.Errorf("said %q, want that it is listed again", got)
		}
		if n := b.Counts(); n["model_list"] != uint64(called()) || n["model_list_failed"] == 0 || n["model_list_failed"] > 24 {
			t.Errorf("counts = %v of %d", n, called())
		}
	})
	before := called()
	bulletinsIn(t, handler, sources, BulletinOptions{SkipModelLists: true}, func(*Bulletins, *heardOf) { time.Sleep(48 * time.Hour) })
	if n := called() - before; n > 0 {
		t.Errorf("%d calls though lists are to be left alone", n)
	}
}

func TestAStatusPageIsAskedForNewsOnlyAndAnnotates(t *testing.T) {
	const calm = `{"status":{"indicator":"none","description":"All Systems Operational"},"incidents":[]}`
	const ill = `{"status":{"indicator":"major","description":"Partial Outage"},"incidents":[{"id":"i1","name":"Elevated errors\u001b[31m","status":%q}],"scheduled_maintenances":[{"id":"m1","name":"Work","status":"scheduled"}]}`
	var mu sync.Mutex
	body, asked, fresh, code := calm, 0, 0, 200
	var last time.Time
	handler := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; !last.IsZero() && time.Since(last) < time.Minute {
			t.Errorf("asked again after %v", time.Since(last))
		}
		last = time.Now()
		etag := fmt.Sprintf(`"%d"`, len(body))
		if r.URL.Path != "/api/v2/summary.json" || r.Header.Get("Authorization") != "" {
			t.Errorf("asked %s", r.URL)
		}
		switch {
		case code != 200:
			w.WriteHeader(code)
		case r.Header.Get("If-None-Match") == etag:
			w.WriteHeader(http.StatusNotModified)
		default:
			fresh++
			w.Header().Set("ETag", etag)
			_, _ = w.Write([]byte(body))
		}
	}
	set := func(now string, status int) {
		mu.Lock()
		defer mu.Unlock()
		body, code = now, status
	}
	sources := []Source{{Provider: "p", Targets: []Target{listed("a", "m")}, StatusPage: "http://status.test"}}
	counted := func() (all, whole int) { // since the last time
		mu.Lock()
		defer mu.Unlock()
		all, whole = asked, fresh
		asked, fresh = 0, 0
		return all, whole
	}
	bulletinsIn(t, handler, sources, BulletinOptions{SkipModelLists: true}, func(b *Bulletins, heard *heardOf) {
		time.Sleep(time.Hour)
		if all, whole := counted(); len(heard.take()) > 0 || all < 55 || whole != 1 {
			t.Errorf("a calm hour: asked %d, %d whole answers", all, whole)
		}
		for _, status := range []string{"investigating", "monitoring"} {
			set(fmt.Sprintf(ill, status), 200)
			time.Sleep(10 * time.Minute)
			if got := heard.take(); len(got) != 1 || got[0] != "status a: the provider's status page says: Elevated errors [31m ("+status+")" {
				t.Errorf("said %q, want the incident as %s, once", got, status)
			}
		}
		set(calm, 500)
		counted()
		time.Sleep(2 * time.Hour)
		if all, _ := counted(); len(heard.take()) > 0 || all > 15 || b.Counts()["status_page_failed"] == 0 {
			t.Errorf("a page that is down: asked %d times", all)
		}
		set(calm, 200)
		time.Sleep(time.Hour)
		if got := heard.take(); len(got) != 1 || !strings.Contains(got[0], "no longer shown") {
			t.Errorf("said %q, want that it is over", got)
		}
		b.Replace(nil)
		synctest.Wait()
		counted()
		time.Sleep(time.Hour)
		if all, _ := counted(); all > 0 {
			t.Errorf("a page that was taken out of the config is asked %d times", all)
		}
	})
}

func TestFeedsAreReadAsStatusPages(t *testing.T) {
	const atom = `<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>X</title>
<entry><id>tag:1</id><updated>2026-11-20T11:00:00Z</updated><title>Elevated errors</title><content type="html">&lt;p&gt;&lt;strong&gt;Identified&lt;/strong&gt; - x&lt;/p&gt;&lt;strong&gt;Investigating&lt;/strong&gt;</content></entry>
<entry><id>tag:0</id><updated>2026-10-01T11:00:00Z</updated><title>Old</title><content>Resolved</content></entry></feed>`
	const rss = `<rss version="2.0"><channel><title>X</title><item><guid>g</guid><title>Slow answers</title><pubDate>Fri, 20 Nov 2026 10:00:00 +0000</pubDate><description>Resolved - all is well</description></item></channel></rss>`
	for name, c := range map[string]struct {
		body string
		want []pageItem
	}{
		"atom": {atom, []pageItem{{"tag:1", "Elevated errors", "identified"}}},
		"rss":  {rss, []pageItem{{"g", "Slow answers", "resolved"}}},
		"none": {`<rss><channel></channel></rss>`, nil},
	} {
		got, err := readPage([]byte(c.body), noon)
		if err != nil || len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "hello", "{}", "[1]", "<html><body>x</body></html>", "<feed", `{"status":3}`} {
		if got, err := readPage([]byte(bad), noon); err == nil {
			t.Errorf("readPage(%q) = %v, want an error", bad, got)
		}
	}
	for _, bad := range []string{"status.example.com", "ftp://x/", "https://", "https://user:secret@x/"} {
		if CheckStatusPage(bad) == nil {
			t.Errorf("CheckStatusPage(%q) = nil", bad)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"status":{"indicator":"minor","description":"x"},"incidents":[{"name":"a"}]}`))
	f.Add([]byte(`<feed><entry><title>x</title></entry></feed>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><rss><channel><item><title>&a;</title></item></channel></rss>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := readPage(b, noon)
		if err != nil && len(items) > 0 || len(items) > maxPageItems {
			t.Errorf("readPage(%q) = %d items, %v", b, len(items), err)
		}
		for _, i := range items {
			if text := i.text(); i.id == "" || len(text) > 400 || printable(text) != text {
				t.Errorf("text = %q", text)
			}
		}
	})
}
