// Package via says by which way connections to a provider are made: through
// which proxy, trusting whom, and with which certificate of our own. It holds
// data and a pool of whatever is made for each way; it dials nothing and starts
// nothing.
package via

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Via is one way. A nil *Via is the usual one: the proxy that the environment
// names, the system's roots, no certificate. It is read-only.
type Via struct {
	id    string
	proxy func(*http.Request) (*url.URL, error)
	tls   *tls.Config
}

// Options are what a way is made of. The zero value is the usual way.
type Options struct {
	// Proxy is an http, https, socks5 or socks5h address, "none" for no proxy
	// whatever the environment says, or "" for what the environment says.
	Proxy string
	// CA holds certificates in PEM to trust beside the system's.
	CA []byte
	// Cert and Key are our own certificate chain and its key in PEM. Both or none.
	Cert, Key []byte
}

// ErrProxy and its like say which of the options is wrong. None of the errors
// holds what was in it.
var (
	ErrProxy = errors.New("no proxy's address")
	ErrCA    = errors.New("no certificate in it")
	ErrCert  = errors.New("no certificate with its key")
)

// New returns the way that o describes; nil for the usual one. Its error wraps
// one of [ErrProxy], [ErrCA] and [ErrCert].
func New(o Options) (*Via, error) {
	if o.Proxy == "" && len(o.CA)+len(o.Cert)+len(o.Key) == 0 {
		return nil, nil
	}
	v := &Via{proxy: http.ProxyFromEnvironment, id: o.id()}
	if o.Proxy == "none" {
		v.proxy = nil
	} else if o.Proxy != "" {
		u, err := parseProxy(o.Proxy)
		if err != nil {
			return nil, err
		}
		v.proxy = http.ProxyURL(u)
	}
	if len(o.CA)+len(o.Cert)+len(o.Key) == 0 {
		return v, nil
	}
	v.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.CA) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool() // a system without roots: the private ones alone
		}
		if !roots.AppendCertsFromPEM(o.CA) {
			return nil, ErrCA
		}
		v.tls.RootCAs = roots
	}
	if len(o.Cert)+len(o.Key) > 0 {
		pair, err := tls.X509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCert, err) // x509's errors quote no content
		}
		v.tls.Certificates = []tls.Certificate{pair}
	}
	return v, nil
}

func parseProxy(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return nil, ErrProxy // err would quote a password
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, ErrProxy
}

// id is the same for equal options, and gives nothing of them away.
func (o Options) id() string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(o.Proxy), o.CA, o.Cert, o.Key} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Proxy chooses the proxy for a request; it may be nil for none.
func (v *Via) Proxy() func(*http.Request) (*url.URL, error) { return v.proxy }

// TLS returns a copy of the TLS configuration; nil means the default.
func (v *Via) TLS() *tls.Config { return v.tls.Clone() }

// String names the way without giving anything of it away.
func (v *Via) String() string {
	if v == nil {
		return "as usual"
	}
	return "way " + v.id[:8]
}

// unusedFor is after how long what a config no longer mentions is dropped.
const unusedFor = time.Hour

// Pool keeps one T for each way, so that connections outlive a reload of the
// config. It is safe for concurrent use.
type Pool[T any] struct {
	make func(*Via) T
	drop func(T)

	mu   sync.Mutex
	kept map[string]*kept[T]
}

type kept[T any] struct {
	value T
	used  time.Time
}

// NewPool returns an empty pool. drop is called with what was not used for an
// hour when something new is made, and by Each's callers as they like.
func NewPool[T any](make func(*Via) T, drop func(T)) *Pool[T] {
	return &Pool[T]{make: make, drop: drop, kept: map[string]*kept[T]{}}
}

// For returns the value for v, which must not be nil, making it when it is new.
func (p *Pool[T]) For(v *Via) T {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	k := p.kept[v.id]
	if k == nil {
		for id, old := range p.kept {
			if now.Sub(old.used) > unusedFor {
				delete(p.kept, id)
				p.drop(old.value)
			}
		}
		k = &kept[T]{value: p.make(v)}
		p.kept[v.id] = k
	}
	k.used = now
	return k.value
}

// Each calls f with every value.
func (p *Pool[T]) Each(f func(T)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.kept {
		f(k.value)
	}
}
