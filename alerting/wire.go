package alerting

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// HTTPClient returns a client for channels that speak HTTP: an answer is read
// up to maxBody bytes, and redirects are followed only where they keep the
// method and stay on the same host, so that no secret goes elsewhere. Time
// limits come from each request's context. It starts nothing by itself.
func HTTPClient(maxBody int64) *http.Client {
	base := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 4,
		IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext}
	return &http.Client{
		Transport: boundedTransport{base, maxBody},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0]
			if len(via) > 3 || req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme || req.Method != first.Method {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

type boundedTransport struct {
	*http.Transport
	max int64
}

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, t.max), resp.Body}
	return resp, nil
}

// TransportError turns what an HTTP client returned in place of an answer into
// a [SendError] without the address and without secrets.
func TransportError(step string, err error, secrets ...conf.Secret) *SendError {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // what it wraps it in is the address, which may hold a token
	}
	var op *net.OpError
	unsent := errors.As(err, &op) && op.Op == "dial"
	return &SendError{Err: fmt.Errorf("%s: %s", step, Redact(err.Error(), secrets...)), Unsent: unsent}
}

// Redact returns s without the secrets, also where they stand percent-encoded,
// or where only an address's path stands.
func Redact(s string, secrets ...conf.Secret) string {
	for _, secret := range secrets {
		raw := secret.Reveal()
		forms := []string{raw, url.QueryEscape(raw), url.PathEscape(raw)}
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			forms = append(forms, u.String(), u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery)
		}
		for _, form := range forms {
			if len(form) > 3 {
				s = strings.ReplaceAll(s, form, "***")
			}
		}
	}
	return s
}

// RetryAfter reads a Retry-After header, in seconds or as a date (RFC 9110,
// 10.2.3), relative to now. It returns 0 when there is none that makes sense,
// and at most an hour.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	var d time.Duration
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), time.Hour)
}
