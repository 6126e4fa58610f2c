package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/probes"
)

// identity is a certificate with its key, in PEM.
type identity struct{ cert, key []byte }

// authority signs certificates that no system trusts.
type authority struct {
	identity
	tls.Certificate
}

func newAuthority(t *testing.T) authority {
	a := authority{identity: sign(t, nil, &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		Subject: pkix.Name{CommonName: "private authority"}, KeyUsage: x509.KeyUsageCertSign})}
	a.Certificate = a.pair(t)
	return a
}

func (i identity) pair(t *testing.T) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(i.cert, i.key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sign makes a certificate that by signs; nil signs itself.
func sign(t *testing.T, by *authority, c *x509.Certificate) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := c, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return identity{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})}
}

// guarded is a server of a private authority that answers only clients with
// that authority's certificate. It says who they are in the answer.
func guarded(t *testing.T, a authority) string {
	t.Helper()
	leaf := sign(t, &a, &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"localhost"}})
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(a.cert)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"model":"m","choices":[{"message":{"role":"assistant","content":"hello %s, key of %d letters"},"finish_reason":"stop"}]}`,
			r.TLS.PeerCertificates[0].Subject.CommonName, len(r.Header.Get("Authorization"))-len("Bearer "))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf.pair(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

func writeInto(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

const wayConfig = `
providers:
  private: {protocol: openai, base_url: %s/v1, api_key: "file:key.txt"%s}
targets: [{id: one, provider: private, model: m}]
canaries: [{name: c, prompt: Hello, stream: false}]
routes: {chat: {tiers: [[one]]}}
`

const certificates = ", ca_file: ca.pem, cert_file: me.pem, key_file: me.key"

// wayFiles writes a config with everything that it names.
func wayFiles(t *testing.T, a authority, url, way string) (file string) {
	t.Helper()
	dir := t.TempDir()
	me := sign(t, &a, &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "watcher"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	writeInto(t, dir, "ca.pem", a.cert)
	writeInto(t, dir, "me.pem", me.cert)
	writeInto(t, dir, "me.key", me.key)
	writeInto(t, dir, "key.txt", []byte("first\n"))
	writeInto(t, dir, "config.yaml", fmt.Appendf(nil, wayConfig, url, way))
	return filepath.Join(dir, "config.yaml")
}

// probeOnce sends the config's one canary.
func probeOnce(t *testing.T, cfg Config) bellwether.Observation {
	t.Helper()
	jobs, err := cfg.jobs()
	if err != nil {
		t.Fatal(err)
	}
	prober, err := probes.New(probes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer prober.Close()
	return prober.Probe(t.Context(), jobs[0])
}

func load(t *testing.T, file string) Config {
	t.Helper()
	cfg, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestProberAndRouterReachAPrivateServerWithOurCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	url := guarded(t, a)
	if o := probeOnce(t, load(t, wayFiles(t, a, url, ""))); o.Outcome != bellwether.TLSError {
		t.Fatalf("without the authority: %s %s", o.Outcome, o.Error)
	}
	if o := probeOnce(t, load(t, wayFiles(t, a, url, ", ca_file: ca.pem"))); o.Outcome == bellwether.OK {
		t.Fatal("a server that wants a certificate answers without one")
	}
	file := wayFiles(t, a, url, certificates)
	cfg := load(t, file)
	if o := probeOnce(t, cfg); o.Outcome != bellwether.OK || o.Excerpt != "hello watcher, key of 5 letters" {
		t.Errorf("prober: %s %q %s", o.Outcome, o.Excerpt, o.Error)
	}
	rt, err := newRouter(cfg, "", "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(rt.Handler())
	defer front.Close()
	resp, err := http.Post(front.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"chat","messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !bytes.Contains(b, []byte("hello watcher")) {
		t.Errorf("router: %d %s", resp.StatusCode, b)
	}
}

func TestAProviderIsReachedThroughItsProxy(t *testing.T) {
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String() + " " + r.Header.Get("Proxy-Authorization")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"model":"m","choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`)
	}))
	defer proxy.Close()
	file := wayFiles(t, newAuthority(t), "http://llm.invalid", ", proxy: "+strings.Replace(proxy.URL, "//", "//me:hush@", 1))
	if o := probeOnce(t, load(t, file)); o.Outcome != bellwether.OK || asked != "http://llm.invalid/v1/chat/completions Basic bWU6aHVzaA==" {
		t.Errorf("%s %s; the proxy was asked for %q", o.Outcome, o.Error, asked)
	}
}

func TestWhatIsWrongWithAWayIsSaidWithItsPlace(t *testing.T) {
	a := newAuthority(t)
	for way, want := range map[string]string{
		", proxy: 'ftp://u:hush@h'":               "is no proxy's address",
		", cert_file: me.pem":                     "belong together",
		", ca_file: absent.pem":                   "no such file",
		", ca_file: key.txt":                      "holds no certificate",
		", cert_file: ca.pem, key_file: me.key":   "no certificate with its key",
		", cert_file: key.txt, key_file: key.txt": "no certificate with its key",
	} {
		_, err := LoadConfig(wayFiles(t, a, "https://llm.invalid", way))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "config.yaml:3:") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", way, err)
		}
	}
}

func TestAKeyThatIsRotatedInItsFileIsUsedWithoutARestart(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	file := wayFiles(t, a, guarded(t, a), certificates)
	old := load(t, file)
	if len(old.read) != 5 {
		t.Fatalf("watches %v, want the config, its key and three certificates", old.read)
	}
	if now := old.read.now(); len(now) != 5 || now[file] != old.read[file] {
		t.Fatalf("nothing changed, yet %v is not %v", now, old.read)
	}
	key := filepath.Join(filepath.Dir(file), "key.txt")
	writeInto(t, filepath.Dir(file), "key.txt", []byte("second\n"))
	if old.read.now()[key] == old.read[key] {
		t.Fatal("a changed key file goes unnoticed")
	}
	if o := probeOnce(t, load(t, file)); o.Excerpt != "hello watcher, key of 6 letters" {
		t.Errorf("%s %q %s", o.Outcome, o.Excerpt, o.Error)
	}
}
