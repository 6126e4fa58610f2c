package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/via"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/probes"
	"github.com/bellwether-llm/bellwether/router"
)

// ProviderConfig is a company or server behind one wire protocol.
type ProviderConfig struct {
	// Protocol is the wire protocol: openai (also any OpenAI-compatible server: vLLM, Ollama, Mistral ...), openai_responses, anthropic, gemini, azure, or http for a model behind none of them.
	Protocol llm.Protocol `yaml:"protocol"`
	// BaseURL is where the protocol is spoken, without a trailing slash. Default: the provider's public address for openai, anthropic and gemini.
	BaseURL string `yaml:"base_url"`
	// APIKey is the key: ${NAME} reads the environment, file:/path reads a file. None for servers that want none.
	APIKey conf.Secret `yaml:"api_key"`
	// APIKeys are a pool of keys in place of api_key, each with limits of its own. The router spreads requests over them, leaves those alone that are at a limit, and those that the provider refuses; probes use the first.
	APIKeys []router.Key `yaml:"api_keys"`
	// APIVersion is azure's api-version or anthropic's version header. Default: the newest that this program knows.
	APIVersion string `yaml:"api_version"`
	// Headers are sent with every request.
	Headers map[string]conf.Secret `yaml:"headers"`
	// MaxTokensField is how an OpenAI-compatible server calls the limit of an answer's tokens: max_tokens or max_completion_tokens. Default: by the host and the model's name.
	MaxTokensField string `yaml:"max_tokens_field" jsonschema:"enum=max_tokens,enum=max_completion_tokens"`
	// HTTP is how a model behind no LLM protocol is asked, and where in its answer is what; only with protocol http. Its answers are never streamed. Default: a plain GET of base_url, whose whole answer is the text.
	HTTP llm.Template `yaml:"http"`
	// Proxy is how the provider is reached: an http, https or socks5 address (a password in it stays secret), or none. Default: what HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment say.
	Proxy conf.Secret `yaml:"proxy"`
	// CAFile holds certificates in PEM to trust beside the system's, for servers with a private authority. Relative paths are relative to the config; it and the next two are read again when they change.
	CAFile string `yaml:"ca_file"`
	// CertFile is our own certificate in PEM, with its chain, for servers that ask for one. It needs key_file.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the key of cert_file in PEM.
	KeyFile string `yaml:"key_file"`
	// StatusPage is the address of the provider's status page: of one made with statuspage.io's software (such as https://status.openai.com), or of an Atom or RSS feed. It is asked once a minute, for news only; what it says is noted with the provider's targets and never decides anything. Default none.
	StatusPage string `yaml:"status_page"`
	// Lineage is whose models these are, for the warning about routes that rest on one vendor. Default: openai for azure, else the provider's own name.
	Lineage string `yaml:"lineage"`
	// Regions give an address and key of its own to a region, by the name that targets use.
	Regions map[string]RegionConfig `yaml:"regions"`

	// Way is what proxy and the three files make; nil is the usual way.
	Way *via.Via `yaml:"-"`
}

// RegionConfig is what differs in one region of a provider.
type RegionConfig struct {
	// BaseURL of the region. Default: the provider's.
	BaseURL string `yaml:"base_url"`
	// APIKey of the region. Default: the provider's.
	APIKey conf.Secret `yaml:"api_key"`
	// APIKeys of the region, a pool. Default: the provider's, unless the region has an api_key.
	APIKeys []router.Key `yaml:"api_keys"`
}

// keys returns the pool of keys for a region; none where there is one key.
func (p ProviderConfig) keys(region string) []router.Key {
	switch r := p.Regions[region]; {
	case len(r.APIKeys) > 0:
		return r.APIKeys
	case r.APIKey != "":
		return nil
	}
	return p.APIKeys
}

// validateKeys checks a pool of keys beside a single one.
func validateKeys(at string, one conf.Secret, pool []router.Key) []conf.Problem {
	var ps []conf.Problem
	if one != "" && len(pool) > 0 {
		ps = append(ps, conf.Problem{Path: at + ".api_keys", Text: "stands beside api_key", Remedy: "put that one into the list"})
	}
	for i, k := range pool {
		place := fmt.Sprintf("%s.api_keys[%d]", at, i)
		if k.Key == "" {
			ps = append(ps, conf.Problem{Path: place, Text: "has no key", Remedy: "write key: ${NAME}"})
		}
		ps = append(ps, k.Limits.Validate(place+".")...)
	}
	return ps
}

// defaultBaseURL is a provider's public address.
func defaultBaseURL(p llm.Protocol) string {
	switch p {
	case llm.OpenAI, llm.Responses:
		return "https://api.openai.com/v1"
	case llm.Anthropic:
		return "https://api.anthropic.com"
	case llm.Gemini:
		return "https://generativelanguage.googleapis.com"
	}
	return ""
}

// endpoint returns where and with which key the provider is called in region.
func (p ProviderConfig) endpoint(region string) llm.Endpoint {
	r := p.Regions[region]
	e := llm.Endpoint{
		BaseURL: firstOf(r.BaseURL, p.BaseURL, defaultBaseURL(p.Protocol)),
		Key:     firstOf(r.APIKey, p.APIKey), APIVersion: p.APIVersion, MaxTokensField: p.MaxTokensField,
		Via: p.Way,
	}
	if pool := p.keys(region); len(pool) > 0 {
		e.Key = pool[0].Key
	}
	if p.Protocol == llm.HTTP {
		e.HTTP = &p.HTTP
	}
	e.BaseURL = strings.TrimRight(e.BaseURL, "/")
	if len(p.Headers) > 0 {
		e.Header = http.Header{}
		for _, k := range slices.Sorted(maps.Keys(p.Headers)) {
			e.Header.Set(k, p.Headers[k].Reveal())
		}
	}
	return e
}

// firstOf returns the first value that is not empty.
func firstOf[T ~string](values ...T) T {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (p ProviderConfig) lineage(name string) string {
	if p.Lineage != "" {
		return p.Lineage
	}
	if p.Protocol == llm.Azure {
		return "openai"
	}
	return name
}

func (p ProviderConfig) validate(path string) []conf.Problem {
	var ps []conf.Problem
	if _, err := llm.For(p.Protocol); err != nil {
		ps = append(ps, conf.Problem{Path: path + ".protocol", Text: fmt.Sprintf("%q is no known protocol", p.Protocol),
			Remedy: fmt.Sprintf("write one of %v; servers that speak OpenAI's protocol are `openai` with their base_url", llm.Known())})
	}
	ps = append(ps, p.validateHTTP(path)...)
	if p.BaseURL == "" && defaultBaseURL(p.Protocol) == "" && len(p.Regions) == 0 {
		ps = append(ps, conf.Problem{Path: path, Text: "has no base_url", Remedy: "write base_url, or regions with one each"})
	}
	ps = append(ps, checkURL(path+".base_url", p.BaseURL)...)
	ps = append(ps, validateKeys(path, p.APIKey, p.APIKeys)...)
	if p.StatusPage != "" {
		if err := probes.CheckStatusPage(p.StatusPage); err != nil {
			ps = append(ps, conf.Problem{Path: path + ".status_page", Text: err.Error(), Remedy: "write an address such as https://status.openai.com"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Regions)) {
		ps = append(ps, checkURL(path+".regions."+name+".base_url", p.Regions[name].BaseURL)...)
		ps = append(ps, validateKeys(path+".regions."+name, p.Regions[name].APIKey, p.Regions[name].APIKeys)...)
	}
	return ps
}

func (p ProviderConfig) validateHTTP(path string) []conf.Problem {
	if p.Protocol != llm.HTTP {
		if p.HTTP.IsZero() {
			return nil
		}
		return []conf.Problem{{Path: path + ".http", Text: fmt.Sprintf("is not for protocol %q", p.Protocol), Remedy: "write protocol: http, or leave the section out"}}
	}
	ps := p.HTTP.Validate()
	for i := range ps {
		ps[i].Path = path + ".http." + ps[i].Path
	}
	return ps
}

func checkURL(path, s string) []conf.Problem {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return []conf.Problem{{Path: path, Text: fmt.Sprintf("%q is not a web address", redactURL(s)), Remedy: "write https://host/path"}}
	case u.User != nil || u.RawQuery != "":
		return []conf.Problem{{Path: path, Text: "holds a password or a query", Remedy: "put the key into api_key"}}
	}
	return nil
}

// redactURL keeps userinfo and query out of messages.
func redactURL(s string) string {
	if i := strings.IndexAny(s, "@?"); i >= 0 {
		return s[:min(i, 8)] + "..."
	}
	return s
}

// TargetConfig is a target and what it is able to do.
type TargetConfig struct {
	bellwether.Target `yaml:",inline"`
	// Capabilities are what requests may need of it: vision, tools, json_schema, reasoning, logprobs, and prefill (it goes on from an assistant's message that stands last). The router sends it nothing that needs another one. Default: not said, and it is left out of nothing.
	Capabilities []string `yaml:"capabilities"`
	// ContextWindow is the largest prompt plus answer, in tokens. 0: not known.
	ContextWindow int `yaml:"context_window"`
	// Traits are what the target is for, and what the router may give it.
	router.Traits `yaml:",inline"`
}

// validate checks what the router is told of the target at the path.
func (t TargetConfig) validate(at string) []conf.Problem {
	ps := t.Traits.Validate(at + ".")
	for i, name := range t.Capabilities {
		if !slices.Contains(router.Capabilities(), name) {
			ps = append(ps, conf.Problem{Path: fmt.Sprintf("%s.capabilities[%d]", at, i), Text: fmt.Sprintf("%q is no capability", name), Remedy: suggest(name, router.Capabilities())})
		}
	}
	if t.ContextWindow < 0 {
		ps = append(ps, conf.Problem{Path: at + ".context_window", Text: "is below zero", Remedy: "write tokens, or leave it out"})
	}
	return ps
}
