package router

import (
	"hash/fnv"
	"net/http"
	"testing"

	"github.com/bellwether-llm/bellwether/llm"
)

// incoming is a request as the router reads it.
type incoming struct {
	req    llm.Request
	header http.Header
}

func request(t *testing.T, body string) incoming {
	t.Helper()
	c, err := llm.For(llm.OpenAI)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.DecodeRequest("", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return incoming{r, http.Header{}}
}

// unit is the server's placing of sessions, written the long way.
func unit(session, target string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(session + "\x00" + target))
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
