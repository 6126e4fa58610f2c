package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// stocked is a world whose store holds n observations, a second apart.
func stocked(t *testing.T, s setup, n int) *world {
	w := newWorld(t, s)
	for i := range n {
		target := []string{"gpt-us", "gpt-eu"}[i%2]
		w.store.observed = append(w.store.observed, seen(fmt.Sprintf("o%05d", i), target, time.Now().Add(time.Duration(i)*time.Second), 0.4))
	}
	slices.Reverse(w.store.observed)
	return w
}

// ids returns the ids of JSON lines.
func ids(t *testing.T, body []byte) (out []string) {
	t.Helper()
	for line := range bytes.Lines(body) {
		var o bellwether.Observation
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("line %d: %v: %.200s", len(out)+1, err, line)
		}
		if o.ID == "" || o.At.IsZero() || o.Target == "" {
			t.Fatalf("line %d is no observation: %.200s", len(out)+1, line)
		}
		out = append(out, o.ID)
	}
	return out
}

func TestAnExportIsEverythingOldestFirstPageByPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stocked(t, setup{}, 2500)
		a := w.get("/v1/observations?format=ndjson").want(200)
		if got := a.header.Get("Content-Type"); got != "application/x-ndjson" {
			t.Errorf("Content-Type is %q", got)
		}
		got := ids(t, a.body)
		if len(got) != 2500 || got[0] != "o00000" || !slices.IsSorted(got) {
			t.Errorf("the export has %d lines from %s on, want 2500 oldest first", len(got), got[0])
		}
		if qs := w.store.queries; len(qs) != 3 || qs[0].Limit != 1000 || !qs[0].Oldest {
			t.Errorf("it read %+v, want three pages of 1000", qs)
		}
		if got := ids(t, w.get("/v1/observations?target=gpt-eu&from=2000-01-01T00:00:01Z&to=2000-01-01T00:00:06Z&order=oldest", "Accept", "application/x-ndjson").want(200).body); !slices.Equal(got, []string{"o00001", "o00003", "o00005"}) {
			t.Errorf("the export of a range is %v", got)
		}
		if a := w.get("/v1/observations?target=claude-us&format=ndjson").want(200); len(a.body) != 0 {
			t.Errorf("an export of nothing says %s", a.body)
		}
		w.do("HEAD", "/v1/observations?format=ndjson", nil).want(200)
	})
}

func TestWhatIsAskedForDecidesBetweenAPageAndAnExport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stocked(t, setup{}, 3)
		for accept, want := range map[string]string{
			"": "application/json", "*/*": "application/json", "application/json": "application/json",
			"application/x-ndjson": "application/x-ndjson", "application/jsonl;q=0.9, */*": "application/x-ndjson",
			"application/json, application/x-ndjson": "application/json", ";;": "application/json",
		} {
			a := w.get("/v1/observations", "Accept", accept).want(200)
			if got := a.header.Get("Content-Type"); got != want || a.header.Get("Vary") != "Accept" {
				t.Errorf("Accept %q gives %s with Vary %q, want %s", accept, got, a.header.Get("Vary"), want)
			}
		}
		w.get("/v1/observations?format=json&limit=2", "Accept", "application/x-ndjson").want(200).says("next_cursor")
		w.get("/v1/observations?format=csv").want(400).says("json, ndjson")
		w.get("/v1/observations?format=ndjson&limit=5&cursor=1&order=newest").want(400).says(`"?limit"`, `"?cursor"`, `"?order"`)
		w.store.fail = errors.New("busy")
		w.get("/v1/observations?format=ndjson").want(500)
	})
}

// begin starts an export and returns it after its first line.
func begin(ctx context.Context, t *testing.T, w *world) (resp *http.Response, rest *bufio.Reader) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/observations?format=ndjson", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err = w.http.Do(req); err != nil {
		t.Fatal(err)
	}
	rest = bufio.NewReaderSize(resp.Body, 512)
	if _, err := rest.ReadSlice(':'); err != nil {
		t.Fatal(err)
	}
	return resp, rest
}

func (s *shelf) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queries)
}

func TestAnExportEndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stocked(t, setup{}, 20_000)
		resp, _ := begin(t.Context(), t, w)
		synctest.Wait()
		if n := w.store.asked(); n > 2 {
			t.Errorf("%d pages were read for a reader who took one line", n)
		}
		resp.Body.Close()
		synctest.Wait()
		if n := w.store.asked(); n > 2 {
			t.Errorf("%d pages were read for a reader who is gone", n)
		}
		time.Sleep(time.Second)
		w.get("/metrics").want(200).says(`bellwether_connections{kind="export"} 0`)
	})
}

func TestAnExportThatCannotGoOnIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stocked(t, setup{}, 5000)
		resp, rest := begin(t.Context(), t, w)
		defer resp.Body.Close()
		w.store.mu.Lock()
		w.store.fail = errors.New("the disk is gone")
		w.store.mu.Unlock()
		if _, err := rest.WriteTo(&bytes.Buffer{}); err == nil {
			t.Error("half an export ended as if it were whole")
		}
	})
}

func TestOnlyAFewExportsRunAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stocked(t, setup{}, 3000)
		for range 4 {
			resp, _ := begin(t.Context(), t, w)
			defer resp.Body.Close()
		}
		w.get("/v1/observations?format=ndjson").want(503)
		w.get("/v1/observations").want(200)
	})
}

func TestAReaderWhoTakesNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stocked(t, setup{}, 3000)
		resp, rest := begin(t.Context(), t, w)
		defer resp.Body.Close()
		time.Sleep(2 * time.Minute)
		if _, err := rest.WriteTo(&bytes.Buffer{}); err == nil {
			t.Error("an export went on after two minutes in which nobody read")
		}
	})
}

func TestAnExportIsCutWhenTheServerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stocked(t, setup{}, 3000)
		resp, rest := begin(t.Context(), t, w)
		defer resp.Body.Close()
		go w.down()
		if _, err := rest.WriteTo(&bytes.Buffer{}); err == nil {
			t.Error("half an export ended as if it were whole")
		}
	})
}
