package main

import (
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/llm"
)

func TestAProviderBehindNoLLMProtocolIsAskedByItsTemplate(t *testing.T) {
	cfg, fs := ParseConfig("c.yaml", []byte(`
providers:
  p:
    protocol: http
    base_url: http://127.0.0.1:1
    http: {path: "/{{model}}", body: '{"q": "{{prompt}}"}', text: "a[0].b", headers: {X-Team: "{{model}}"}}
  plain: {protocol: http, base_url: "http://127.0.0.1:1"}
targets: [{id: t, provider: p, model: m}, {id: u, provider: plain, model: m}]
`), noEnv)
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	ask := llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.RoleUser, Text: "hi"}}}
	for name, want := range map[string]string{"p": `POST http://127.0.0.1:1/m {"q": "hi"}`, "plain": "GET http://127.0.0.1:1 "} {
		p := cfg.Providers[name]
		codec, err := llm.For(p.Protocol)
		if err != nil {
			t.Fatal(err)
		}
		call, err := codec.Encode(p.endpoint(""), ask)
		if got := call.Method + " " + call.URL + " " + string(call.Body); err != nil || got != want {
			t.Errorf("%s asks %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestATemplateThatIsWrongIsReportedAtItsPlace(t *testing.T) {
	for section, want := range map[string]string{
		`{protocol: http, base_url: "http://x", http: {text: "a..b"}}`:          "providers.p.http.text",
		`{protocol: http, base_url: "http://x", http: {body: '{"a": {{b}}}'}}`:  "providers.p.http.body",
		`{protocol: http, base_url: "http://x", http: {texts: a}}`:              "texts",
		`{protocol: openai, http: {path: "/x"}}`:                                "providers.p.http",
		`{protocol: http, http: {path: "/x"}}`:                                  "base_url",
		`{protocol: http, base_url: "http://x", http: {headers: {X: "{{y}}"}}}`: "providers.p.http.headers.X",
	} {
		_, fs := ParseConfig("c.yaml", []byte("providers: {p: "+section+"}\ntargets: [{id: t, provider: p, model: m}]\n"), noEnv)
		if len(fs) == 0 || !strings.Contains(fs.Error(), want) {
			t.Errorf("%s: %v, want a fault at %s", section, fs, want)
		}
	}
}
