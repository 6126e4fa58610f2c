package probes

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// control is a host whose answer proves that our own network works.
type control struct {
	name    string
	address string   // host:port, of a TCP control
	url     *url.URL // of a web control
	host    string   // to look up; "" for an address in digits, or behind a proxy
	client  *http.Client
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	resolve func(ctx context.Context, host string) ([]string, error)
}

// controlClient opens a connection of its own for each request, so that every
// answer proves the whole path, and takes a redirect for an answer.
func controlClient(o GuardOptions) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: o.Proxy, DialContext: dialer(o), DisableKeepAlives: true,
			TLSHandshakeTimeout: controlLimit, MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func dialer(o GuardOptions) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if o.Dial != nil {
		return o.Dial
	}
	return (&net.Dialer{Timeout: controlLimit, KeepAlive: -1}).DialContext
}

// newControl reads "https://host/path" or "host:port".
func newControl(name string, client *http.Client, o GuardOptions) (control, error) {
	c := control{name: name, client: client, dial: dialer(o), resolve: o.Resolve}
	if c.resolve == nil {
		c.resolve = net.DefaultResolver.LookupHost
	}
	host := ""
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
			return control{}, fmt.Errorf("control %q: no web address", name)
		}
		c.url, host = u, u.Hostname()
		if o.Proxy != nil {
			if via, err := o.Proxy(&http.Request{URL: u}); err == nil && via != nil {
				host = "" // the proxy looks it up
			}
		}
	} else {
		h, port, err := net.SplitHostPort(name)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || h == "" || strings.ContainsAny(h, "/@ ") {
			return control{}, fmt.Errorf("control %q: neither a web address nor host:port", name)
		}
		c.address, host = name, h
	}
	if _, err := netip.ParseAddr(host); err != nil {
		c.host = host
	}
	return c, nil
}

// ask asks the control once, for at most controlLimit.
func (c control) ask(ctx context.Context) ControlHealth {
	ctx, cancel := context.WithTimeout(ctx, controlLimit)
	defer cancel()
	start := time.Now()
	h := ControlHealth{Control: c.name, At: start.UTC().Round(0), named: c.host != ""}
	err := c.look(ctx, &h)
	if err == nil {
		err = c.reach(ctx)
	}
	h.Seconds = time.Since(start).Seconds()
	if h.OK = err == nil; !h.OK {
		h.Error = errorText(bare(err).Error())
	}
	return h
}

// look resolves the control's name, where it has one.
func (c control) look(ctx context.Context, h *ControlHealth) error {
	if c.host == "" {
		return nil
	}
	start := time.Now()
	_, err := c.resolve(ctx, c.host)
	h.DNS, h.unnamed = time.Since(start).Seconds(), err != nil
	return err
}

// reach gets any answer.
func (c control) reach(ctx context.Context) error {
	if c.url == nil {
		conn, err := c.dial(ctx, "tcp", c.address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url.String(), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// controls checks what a user wrote.
func (p *problems) controls(names []string) {
	p.add(len(names) > maxControls, "controls", "keep the best few, of different owners", "%d are more than %d", len(names), maxControls)
	for i, name := range names {
		_, err := newControl(name, nil, GuardOptions{})
		p.add(err != nil, fmt.Sprintf("controls[%d]", i), "write a web address such as https://www.example.com/, or host:port such as 192.0.2.1:443", "%q is neither", name)
	}
}
