package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// Config says which server to follow, and as whom.
type Config struct {
	// Server is the server's address, such as http://127.0.0.1:8780. Required.
	Server string
	// Token is a bearer token with scope read, and observe for
	// [Client.Observe]. Empty: none is sent.
	Token conf.Secret
	// Route narrows the weights to one route. Empty: all.
	Route string
	// Region is where the caller is. Empty: not said.
	Region string
	// Name is what the server shows this client as, together with the revision
	// that it has applied. Empty: it shows nothing.
	Name string
	// Gzip compresses what Observe sends.
	Gzip bool
	// TLS is the configuration of connections to an https server. Nil: the
	// system's roots.
	TLS *tls.Config
	// Dial opens connections. Nil: a net.Dialer does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Log gets a line when the way of following changes, and why; an error when
	// the server refuses the token. What repeats is for debugging. Nil discards.
	Log *slog.Logger
}

// Client follows one server. Make one with [New]; all methods are safe for
// concurrent use, except that only one Watch may run at a time.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client
	dialer *websocket.Dialer
	log    *slog.Logger

	news     atomic.Pointer[time.Time] // last sign that the weights at hand are current
	watching atomic.Bool

	mu      sync.Mutex
	conn    *websocket.Conn // nil while there is no socket
	applied uint64          // last revision that the caller applied
	told    uint64          // last one that the server was told, on this socket
	epoch   string          // of what was last delivered
	unsaid  split           // sent, and not yet told
}

// New returns a client. It validates c and neither dials nor starts anything.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.Server)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("client: server %q is not an address such as http://127.0.0.1:8780", c.Server)
	}
	if c.Route != "" && !bellwether.ValidID(c.Route) {
		return nil, fmt.Errorf("client: route %q is not a route's name", c.Route)
	}
	if c.Region != "" && !bellwether.ValidID(c.Region) {
		return nil, fmt.Errorf("client: region %q is not a region's name", c.Region)
	}
	if len(c.Name) > 100 {
		return nil, errors.New("client: name is longer than 100 bytes")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	base.RawQuery, base.Fragment = "", ""
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dial,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns:        4,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
		TLSClientConfig:     c.TLS.Clone(),
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Client{
		config: c,
		base:   base,
		http:   &http.Client{Transport: transport},
		dialer: &websocket.Dialer{
			Proxy:            http.ProxyFromEnvironment,
			NetDialContext:   dial,
			HandshakeTimeout: 10 * time.Second,
			Subprotocols:     []string{subprotocol},
			TLSClientConfig:  c.TLS.Clone(),
		},
		log: log,
	}, nil
}

// Close drops idle connections. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// News returns when the server last confirmed that the weights at hand are
// current: weights, a bookmark, or a poll answered with 304. It carries a
// monotonic reading, so that time.Since(News()) is right whatever the wall
// clock does. The zero time: never yet.
func (c *Client) News() time.Time {
	if t := c.news.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

func (c *Client) heard() {
	now := time.Now()
	c.news.Store(&now)
}

// Weights fetches the current weights.
func (c *Client) Weights(ctx context.Context) (bellwether.Weights, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	w, _, err := c.fetch(ctx, url.Values{})
	return w, err
}

// Observe sends observations and returns when the server has them on disk: how
// many were new, and how many it knew already. All are taken or, with an
// error, none; sending them again is safe. At most 5,000 at a time.
func (c *Client) Observe(ctx context.Context, obs []bellwether.Observation) (accepted, duplicates int, err error) {
	if len(obs) == 0 {
		return 0, 0, nil
	}
	body, err := json.Marshal(obs)
	if err != nil {
		return 0, 0, fmt.Errorf("observe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var got struct{ Accepted, Duplicates int }
	if err := c.call(ctx, http.MethodPost, observePath, nil, body, &got); err != nil {
		return 0, 0, fmt.Errorf("observe: %w", err)
	}
	return got.Accepted, got.Duplicates, nil
}

// Question asks for a target for one call.
type Question struct {
	Route   string   // empty: the client's
	Session string   // what should stick together; empty: nothing
	Exclude []string // targets that have just failed the caller
}

// Decision is the server's pick for one call.
type Decision struct {
	Epoch     string              `json:"epoch"`
	Revision  uint64              `json:"revision"`
	Route     string              `json:"route"`
	Target    string              `json:"target"`
	Provider  string              `json:"provider"`
	Model     string              `json:"model"`
	Region    string              `json:"region"`
	Fallbacks []string            `json:"fallbacks"` // what to try next, in order
	State     bellwether.State    `json:"state"`
	Reasons   []bellwether.Reason `json:"reasons"`
}

// Decision asks the server to pick a target. It costs a round trip; those who
// call often follow the weights and pick by themselves.
func (c *Client) Decision(ctx context.Context, q Question) (Decision, error) {
	if q.Route == "" {
		q.Route = c.config.Route
	}
	v := url.Values{"route": {q.Route}}
	if q.Session != "" {
		v.Set("session", q.Session)
	}
	if c.config.Region != "" {
		v.Set("region", c.config.Region)
	}
	if len(q.Exclude) > 0 {
		v["exclude"] = q.Exclude
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var d Decision
	if err := c.call(ctx, http.MethodGet, "/v1/decision", v, nil, &d); err != nil {
		return Decision{}, fmt.Errorf("decision: %w", err)
	}
	return d, nil
}

// Error is a refusal by the server: its RFC 9457 problem document.
type Error struct {
	Status     int           `json:"status"`
	Title      string        `json:"title"`
	Detail     string        `json:"detail"`
	Faults     []Fault       `json:"errors"`
	RetryAfter time.Duration `json:"-"` // 0: the server did not say

	ours   bool // a problem document: the server's own words
	polled bool // the answer to a poll, which no proxy minds
}

// Fault is one thing that is wrong with a request. Pointer is a JSON pointer
// into the body, or a parameter as "?name".
type Fault struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("server answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("server answered %d: %s", e.Status, e.Detail)
}

const (
	requestLimit = 30 * time.Second
	answerLimit  = 64 << 20 // bytes
	observePath  = "/v1/observations"
)

func (c *Client) address(path string, q url.Values) *url.URL {
	u := *c.base
	u.Path += path
	u.RawQuery = q.Encode()
	return &u
}

func (c *Client) header() http.Header {
	h := http.Header{}
	if c.config.Token != "" {
		h.Set("Authorization", "Bearer "+c.config.Token.Reveal())
	}
	return h
}

func (c *Client) call(ctx context.Context, method, path string, q url.Values, body []byte, answer any) error {
	zipped := c.config.Gzip && path == observePath
	if zipped {
		body = compress(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.address(path, q).String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = c.header()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if zipped {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified {
		return errNotModified
	}
	if resp.StatusCode/100 != 2 {
		return refusal(resp)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, answerLimit)).Decode(answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096)) // so that the connection can be used again
	return nil
}

// compress returns b as gzip.
func compress(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // memory takes everything
	_ = z.Close()
	return out.Bytes()
}

var errNotModified = errors.New("not modified")

func refusal(resp *http.Response) *Error {
	e := &Error{}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = json.Unmarshal(body, e) // something between us and the server may answer in its own way
	e.Status = resp.StatusCode
	e.ours = strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 && n <= 3600 {
		e.RetryAfter = time.Duration(n) * time.Second
	}
	return e
}
