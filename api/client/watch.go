package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellwether-llm/bellwether"
)

const (
	subprotocol  = "bellwether.weights.v1"
	silenceLimit = 30 * time.Second // bookmarks come every 10 s
	pollWait     = 45 * time.Second // the server holds a poll for so long
	pollLimit    = pollWait + 15*time.Second
	socketAgain  = 2 * time.Minute  // polling, try a socket again after so long
	settled      = 10 * time.Second // a connection that lasted so long was a good one
	messageLimit = 64 << 20
)

var errBusy = errors.New("client: Watch is running already")

// Watch calls deliver with the current weights, and again whenever they change,
// until ctx ends; it returns ctx's error then, and no other except that another Watch runs already.
// Calls come one after another, from Watch's own goroutine; while one lasts,
// revisions may be skipped, never the newest.
//
// It prefers the WebSocket. Where that cannot be had it polls, and tries the
// socket again every two minutes. A connection on which nothing comes for 30 s is given up.
// Lost connections are tried again with full jitter, from 0.2 s up to 0.8 s, and resume after the
// revision at hand. Where the server refuses the token, only a person can help:
// that is logged once as an error, and tried again every 10 s to 60 s, without
// polls. A server whose store was replaced (another epoch) or
// restored (a lower revision) is believed: its weights are delivered.
func (c *Client) Watch(ctx context.Context, deliver func(bellwether.Weights)) error {
	if !c.watching.CompareAndSwap(false, true) {
		return errBusy
	}
	defer c.watching.Store(false)
	f := &follower{client: c, what: "weights", deliver: deliver}
	for ctx.Err() == nil {
		began := time.Now()
		err := f.socket(ctx)
		if refused(err) && !isDenied(err) && ctx.Err() == nil {
			err = f.poll(ctx, began.Add(socketAgain), err)
			if err == nil {
				continue // time to try the socket again
			}
		}
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) >= settled {
			f.fails = 0
		}
		f.pause(ctx, err)
	}
	return ctx.Err()
}

// Applied tells the server, under the client's name, that revision is in
// force, for its operators to see. It never blocks for long, and is said again
// after a reconnect. A client that polls says so with its next poll.
func (c *Client) Applied(revision uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applied = revision
	c.tellApplied()
}

// tellApplied is called with mu held.
func (c *Client) tellApplied() {
	if c.conn == nil || c.config.Name == "" || c.applied == 0 || (c.applied == c.told && c.unsaid.empty()) {
		return
	}
	m := map[string]any{"type": "applied", "name": c.config.Name, "epoch": c.epoch, "revision": c.applied}
	said := c.unsaid.take(pairsInMessage)
	if !said.empty() {
		m["split"] = said
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	if c.conn.WriteJSON(m) == nil {
		c.told = c.applied
		return
	}
	c.unsaid.add(said) // the reader finds out, and the next socket says it
}

// follower is one Watch at work.
type follower struct {
	client   *Client
	what     string // is followed, for the log
	mood     mood
	deliver  func(bellwether.Weights)
	have     bool
	epoch    string
	revision uint64
	fails    int // in a row
}

// take delivers w unless it is what the caller has.
func (f *follower) take(w bellwether.Weights) {
	f.client.heard()
	if f.have && w.Epoch == f.epoch && w.Revision == f.revision {
		return
	}
	f.have, f.epoch, f.revision = true, w.Epoch, w.Revision
	f.client.mu.Lock()
	if f.client.epoch != w.Epoch {
		f.client.epoch, f.client.applied = w.Epoch, 0 // revisions of another epoch mean nothing here
	}
	f.client.mu.Unlock()
	f.deliver(w)
}

func (f *follower) query() url.Values {
	v := url.Values{}
	if f.have {
		v.Set("after", strconv.FormatUint(f.revision, 10))
		v.Set("epoch", f.epoch)
	}
	return v
}

// socket follows over one WebSocket until it ends, and says why it did.
func (f *follower) socket(ctx context.Context) error {
	c := f.client
	u := c.address("/v1/weights/watch", c.narrow(f.query()))
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	conn, resp, err := c.dialer.DialContext(ctx, u.String(), c.header())
	if resp != nil && err != nil {
		return fmt.Errorf("open WebSocket: %w", refusal(resp))
	}
	if err != nil {
		return fmt.Errorf("open WebSocket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	c.attach(conn)
	defer c.attach(nil)
	conn.SetReadLimit(messageLimit)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(silenceLimit)) // a failure shows in the read
		_, msg, err := conn.ReadMessage()
		if err != nil {
			return fmt.Errorf("follow by WebSocket: %w", err)
		}
		if err := f.message(msg); err != nil {
			return fmt.Errorf("follow by WebSocket: %w", err)
		}
		f.follows(bySocket, nil)
	}
}

func (c *Client) attach(conn *websocket.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.told = conn, 0
	c.tellApplied()
}

var errBehind = errors.New("the bookmark is not of the weights at hand")

// message takes one message of the server. Types that are not known are
// skipped: a newer server may say more.
func (f *follower) message(msg []byte) error {
	var m struct {
		Type     string             `json:"type"`
		Weights  bellwether.Weights `json:"weights"`
		Epoch    string             `json:"epoch"`
		Revision uint64             `json:"revision"`
	}
	if err := json.Unmarshal(msg, &m); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	switch {
	case m.Type == "weights":
		f.take(m.Weights)
	case m.Type != "bookmark":
	case !f.have && m.Revision == 0: // the server has published nothing yet
	case !f.have || m.Epoch != f.epoch || m.Revision != f.revision:
		f.have = false // ask for everything
		return errBehind
	default:
		f.client.heard()
	}
	return nil
}

// poll follows by blocking requests until the time given, and returns nil
// then, or the error of the first request that fails. The reason is why there
// is no socket.
func (f *follower) poll(ctx context.Context, until time.Time, reason error) error {
	c := f.client
	for time.Now().Before(until) {
		v := f.query()
		v.Set("wait", strconv.Itoa(int(pollWait.Seconds()))+"s")
		said := c.tellByPoll(f, v)
		w, changed, err := c.pollOnce(ctx, v)
		if err != nil {
			c.again(said)
			if e, ok := errors.AsType[*Error](err); ok {
				e.polled = true
			}
			return fmt.Errorf("follow by polling: %w", err)
		}
		f.follows(byPolls, reason)
		if changed {
			f.take(w)
		} else {
			c.heard()
		}
	}
	return nil
}

// tellByPoll adds to a poll what the server is to know of the caller, and
// returns the split that it carries.
func (c *Client) tellByPoll(f *follower, v url.Values) split {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config.Name == "" || !f.have || c.applied != f.revision {
		return nil
	}
	v.Set("name", c.config.Name)
	said, long := c.unsaid.take(pairsInPoll), 0
	for route, by := range said {
		for target, n := range by {
			pair := route + ":" + target + ":" + strconv.Itoa(n)
			v.Add("split", pair)
			long += len(pair)
		}
	}
	if long > longestSplit { // of one route that no address holds: it is not told
		v.Del("split")
		return nil
	}
	return said
}

// again takes back what a poll did not carry through.
func (c *Client) again(said split) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsaid.add(said)
}

func (c *Client) pollOnce(ctx context.Context, v url.Values) (bellwether.Weights, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	return c.fetch(ctx, v)
}

// fetch asks for the weights; changed is false when the server has none newer.
func (c *Client) fetch(ctx context.Context, v url.Values) (w bellwether.Weights, changed bool, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/weights", c.narrow(v), nil, &w)
	if errors.Is(err, errNotModified) {
		return w, false, nil
	}
	if err != nil {
		return w, false, fmt.Errorf("weights: %w", err)
	}
	return w, true, nil
}

func (c *Client) narrow(v url.Values) url.Values {
	if c.config.Route != "" {
		v.Set("route", c.config.Route)
	}
	if c.config.Region != "" {
		v.Set("region", c.config.Region)
	}
	return v
}

// refused reports whether somebody answered, but not with a WebSocket.
func refused(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok || errors.Is(err, websocket.ErrBadHandshake)
}
