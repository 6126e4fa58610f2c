package via_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether/internal/via"
)

func TestTheUsualWayIsNone(t *testing.T) {
	if v, err := via.New(via.Options{}); v != nil || err != nil {
		t.Errorf("New of nothing = %v, %v", v, err)
	}
}

func TestAProxyIsUsedOrRefusedWithoutItsPassword(t *testing.T) {
	r := &http.Request{URL: &url.URL{Scheme: "https", Host: "api.example"}}
	for s, ok := range map[string]bool{
		"http://u:secret@proxy.example:3128": true, "socks5://127.0.0.1:1080": true, "none": true,
		"ftp://u:secret@proxy.example": false, "proxy:3128": false, "http://u:secret@": false, "http://u:sec%ret@h": false,
	} {
		v, err := via.New(via.Options{Proxy: s})
		if ok != (err == nil) {
			t.Errorf("%s: %v", s, err)
		}
		if err != nil && (!errors.Is(err, via.ErrProxy) || strings.Contains(err.Error(), "sec")) {
			t.Errorf("%s: error %v", s, err)
		}
		if !ok {
			continue
		}
		if strings.Contains(fmt.Sprintf("%v %+v %s", v, v, v), "secret") {
			t.Errorf("%s is printed", s)
		}
		if s == "none" {
			if v.Proxy() != nil {
				t.Error("none is not no proxy")
			}
			continue
		}
		if u, err := v.Proxy()(r); err != nil || u.String() != s {
			t.Errorf("%s: proxy = %v, %v", s, u, err)
		}
	}
}

func TestGarbageIsNoCertificate(t *testing.T) {
	if _, err := via.New(via.Options{CA: []byte("garbage")}); !errors.Is(err, via.ErrCA) {
		t.Errorf("CA: %v", err)
	}
	if _, err := via.New(via.Options{Cert: []byte("garbage"), Key: []byte("hush")}); !errors.Is(err, via.ErrCert) || strings.Contains(err.Error(), "hush") {
		t.Errorf("certificate: %v", err)
	}
}

func TestAPoolMakesOneForEqualWaysAndForgetsTheUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, dropped := 0, 0
		p := via.NewPool(func(*via.Via) int { made++; return made }, func(int) { dropped++ })
		way := func(proxy string) *via.Via {
			v, err := via.New(via.Options{Proxy: proxy})
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if a, b := p.For(way("http://a:1")), p.For(way("http://a:1")); a != b || made != 1 {
			t.Errorf("equal ways got %d and %d", a, b)
		}
		time.Sleep(59 * time.Minute)
		p.For(way("http://b:1"))
		time.Sleep(2 * time.Minute)
		p.For(way("http://c:1"))
		n := 0
		if p.Each(func(int) { n++ }); dropped != 1 || n != 2 {
			t.Errorf("dropped %d and kept %d, want 1 and 2", dropped, n)
		}
	})
}
