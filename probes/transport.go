package probes

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether/internal/arrival"
)

// Limits of one connection and of what is read from it.
const (
	dialLimit      = 10 * time.Second
	handshakeLimit = 10 * time.Second
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 8 << 20
	maxErrorBytes  = 64 << 10
	maxEventBytes  = 2 << 20
	// Idle connections are dropped before common balancers drop theirs (60 s),
	// so that a probe does not race with the close of its own connection. A
	// canary that is sent less often always opens a fresh one.
	idleLimit = 50 * time.Second
	maxIdle   = 256                    // to one host: as many as may be in flight, so that none is opened for want of room
	drainTime = 250 * time.Millisecond // for the end of the body after the end of the stream
)

// clients reach one set of endpoints: over connections that are kept, and over
// fresh ones.
type clients struct{ warm, cold *http.Client }

func newClients(o Options) clients { return clients{newClient(o, false), newClient(o, true)} }

func (c clients) close() {
	c.warm.CloseIdleConnections()
	c.cold.CloseIdleConnections()
}

// client returns the one to send j with.
func (p *Prober) client(j Job) *http.Client {
	c := p.own
	if v := j.Target.Endpoint.Via; v != nil {
		c = p.others.For(v)
	}
	if j.Fresh {
		return c.cold
	}
	return c.warm
}

// newClient returns a client that reuses connections, or one that never does.
// Neither follows redirects (the key would travel along), and neither asks for
// compression (compressed streams arrive in lumps).
func newClient(o Options, cold bool) *http.Client {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialLimit, KeepAlive: 15 * time.Second}).DialContext
	}
	t := &http.Transport{
		Proxy: o.Proxy,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return arrival.Wrap(c), nil
		},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    handshakeLimit,
		DisableKeepAlives:      cold,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleLimit,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// A dead HTTP/2 connection is found out by pings, not by probe after probe.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
	if o.TLS != nil {
		t.TLSClientConfig = o.TLS.Clone()
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
