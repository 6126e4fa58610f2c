package sim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// kindOfCall is what a provider is asked for.
type kindOfCall int

const (
	callChat kindOfCall = iota + 1
	callCompletion
	callCount // of tokens
	callEmbedding
	callImage
	callModels
	callPing // a plain GET of an http endpoint
)

// place is where a request goes.
type place struct {
	region string
	path   string       // escaped, without the region, as the protocol's codec wants it
	house  llm.Protocol // whose keys and models
	proto  llm.Protocol // whose words
	call   kindOfCall
	model  string // of callModels: the one that is asked for; "" all
}

// route is one row of what is served: a POST whose path ends so.
type route struct {
	end   string
	call  kindOfCall
	proto llm.Protocol // "" is the house's
}

// routes are served by house; the first that fits counts. Azure has OpenAI's.
var routes = map[llm.Protocol][]route{
	llm.OpenAI: {
		{"/chat/completions", callChat, ""}, {"/completions", callCompletion, ""}, {"/responses", callChat, llm.Responses},
		{"/responses/input_tokens", callCount, llm.Responses}, {"/embeddings", callEmbedding, ""}, {"/images/generations", callImage, ""},
	},
	llm.Anthropic: {{"/messages", callChat, ""}, {"/messages/count_tokens", callCount, ""}},
	llm.Gemini: {
		{":generateContent", callChat, ""}, {":streamGenerateContent", callChat, ""}, {":countTokens", callCount, ""},
		{":embedContent", callEmbedding, ""}, {":batchEmbedContents", callEmbedding, ""}, {":predict", callImage, ""},
	},
}

// locate reads the path. What it cannot place is answered as its house would,
// and if there is none as OpenAI would.
func locate(r *http.Request) (place, bool) {
	at := place{path: r.URL.EscapedPath()}
	ok := true
	if rest, in := strings.CutPrefix(at.path, "/r/"); in {
		region, rest, _ := strings.Cut(rest, "/")
		at.path = "/" + rest
		var err error
		at.region, err = url.PathUnescape(region)
		ok = err == nil
	}
	at.house = houseOf(at.path, r.Header)
	at.proto = at.house
	if !ok {
		return at, false
	}
	if at.house == llm.HTTP {
		at.call = callChat
		if r.Method == http.MethodGet && !r.URL.Query().Has("prompt") {
			at.call = callPing
		}
		return at, r.Method == http.MethodGet || r.Method == http.MethodPost || r.Method == http.MethodPut
	}
	if r.Method == http.MethodGet {
		return at.listing()
	}
	house := at.house
	if house == llm.Azure {
		house = llm.OpenAI
	}
	i := slices.IndexFunc(routes[house], func(t route) bool { return strings.HasSuffix(at.path, t.end) })
	if i < 0 || r.Method != http.MethodPost {
		return at, false
	}
	at.call = routes[house][i].call
	if p := routes[house][i].proto; p != "" {
		at.proto = p
	}
	return at, true
}

// houseOf tells whose API a path is of.
func houseOf(path string, h http.Header) llm.Protocol {
	switch {
	case path == "/http", strings.HasPrefix(path, "/http/"):
		return llm.HTTP
	case strings.HasPrefix(path, "/openai/"):
		return llm.Azure
	case strings.HasPrefix(path, "/v1beta/"), strings.Contains(path, ":generateContent"), strings.Contains(path, ":streamGenerateContent"):
		return llm.Gemini
	case strings.HasSuffix(path, "/messages"), strings.HasSuffix(path, "/messages/count_tokens"), h.Get("Anthropic-Version") != "":
		return llm.Anthropic
	}
	return llm.OpenAI
}

// listing places a GET of ".../models" or ".../models/NAME".
func (at place) listing() (place, bool) {
	at.call = callModels
	_, rest, ok := strings.Cut(at.path, "/models")
	name, err := url.PathUnescape(strings.Trim(rest, "/"))
	at.model = name
	return at, ok && err == nil && (rest == "" || rest[0] == '/')
}
