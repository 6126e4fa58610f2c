package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Seen is what a client saw of one streamed answer, counted from its start.
type Seen struct {
	Start             time.Time
	FirstToken, Total time.Duration
	Gap, LongestGap   time.Duration // the median of the gaps between tokens, and the longest
}

// Ask is the ruler: the simplest client that can time a streamed answer of
// OpenAI's protocol. It reads lines, takes the time when each is there, and
// takes every line with text in it for a token.
func Ask(client *http.Client, url, body string) (Seen, error) {
	s := Seen{Start: time.Now()}
	resp, err := client.Post(url, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return s, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("status %d", resp.StatusCode)
	}
	var tokens []time.Duration
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		at := time.Since(s.Start)
		line := lines.Bytes()
		if len(line) > 0 {
			s.Total = at
		}
		if i := bytes.Index(line, []byte(`"content":"`)); i >= 0 && line[i+len(`"content":"`)] != '"' {
			tokens = append(tokens, at)
		}
	}
	if err := lines.Err(); err != nil || len(tokens) == 0 {
		return s, fmt.Errorf("read: %d tokens: %w", len(tokens), err)
	}
	s.FirstToken = tokens[0]
	s.Gap, s.LongestGap = Gaps(tokens)
	return s, nil
}

// Gaps returns the median and the longest of the gaps between times; zero
// where there is none.
func Gaps(at []time.Duration) (median, longest time.Duration) {
	var gaps []time.Duration
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, at[i]-at[i-1])
	}
	if len(gaps) == 0 {
		return 0, 0
	}
	slices.Sort(gaps)
	n := len(gaps)
	return (gaps[(n-1)/2] + gaps[n/2]) / 2, gaps[n-1]
}

// ChatBody is the request that the ruler sends for a model.
func ChatBody(model string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"What is the capital of France?"}],"max_tokens":64,"stream":true,"stream_options":{"include_usage":true}}`, model)
}
