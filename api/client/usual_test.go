package client_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bellwether-llm/bellwether/api/client"
)

func TestUsualIsWhatTheServerKnowsOfFirstTokens(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/targets" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"targets":[{"id":"a","usual":[{"signal":"first_token","p05":0.2,"median":0.4,"p95":0.9,"samples":500}]},{"id":"b","usual":[]},{"id":"c","usual":[{"signal":"total","p95":3}]}]}`))
	}))
	defer srv.Close()
	c, err := client.New(client.Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Usual(t.Context())
	if err != nil || len(got) != 1 || got["a"].P95 != .9 {
		t.Errorf("Usual = %v, %v", got, err)
	}
}
