package sim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

func ExampleNew() {
	s, err := sim.New(sim.Options{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	if err := s.SetFaults([]sim.Fault{{Region: "eu", Kind: sim.KindStatus, Value: 503}}); err != nil {
		fmt.Println(err)
		return
	}
	for _, base := range []string{"/r/us/v1", "/r/eu/v1"} {
		resp, err := http.Post(srv.URL+base+"/chat/completions", "application/json", strings.NewReader(
			`{"model": "m?first_token=1ms&inter_token=0ms", "messages": [{"role": "user", "content": "What is 17 + 25? Only the number."}]}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode, strings.Contains(string(body), `"content":"42`))
	}
	// Output:
	// 200 true
	// 503 false
}
