package router

import (
	"net/http"
	"strings"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// endpoints adds what clients of every dialect ask for.
func (rt *Router) endpoints(mux *http.ServeMux) {
	f := rt.fronts
	for _, e := range []struct {
		path  string
		need  scope
		front *dialect
	}{
		{"/v1/chat/completions", scopeChat, f.chat}, {"/v1/completions", scopeChat, f.completions},
		{"/v1/embeddings", scopeEmbeddings, f.vectors}, {"/v1/images/generations", scopeImages, f.pictures},
		{"/v1/responses", scopeChat, f.responses}, {"/v1/responses/input_tokens", scopeChat, f.responsesCounts},
		{"/v1/messages", scopeChat, f.messages}, {"/v1/messages/count_tokens", scopeChat, f.counts},
		{"/openai/deployments/{model}/chat/completions", scopeChat, f.azure}, {"/openai/deployments/{model}/completions", scopeChat, f.completions},
		{"/openai/deployments/{model}/embeddings", scopeEmbeddings, f.azureVectors}, {"/openai/deployments/{model}/images/generations", scopeImages, f.azurePictures},
	} {
		mux.HandleFunc("POST "+e.path, rt.guard(e.front, e.need, rt.serve(e.front)))
		if rest, ok := strings.CutPrefix(e.path, "/v1/"); ok && e.front.codec.Protocol() != llm.Anthropic {
			mux.HandleFunc("POST /openai/v1/"+rest, rt.guard(e.front, e.need, rt.serve(e.front))) // Azure's newer layout
		}
	}
	for _, version := range []string{"/v1beta", "/v1"} {
		mux.HandleFunc("POST "+version+"/models/{call...}", rt.google)
		mux.HandleFunc("GET "+version+"/models", rt.listed)
		mux.HandleFunc("GET "+version+"/models/{model...}", rt.listed)
	}
	for _, layout := range []string{"/openai", "/openai/v1"} { // Azure's, older and newer
		mux.HandleFunc("GET "+layout+"/models", rt.listed)
		mux.HandleFunc("GET "+layout+"/models/{model...}", rt.listed)
	}
	for _, head := range []string{"/v1", "/openai/v1"} {
		mux.HandleFunc("GET "+head+"/responses/{id}", rt.guard(f.responses, scopeChat, rt.response))
		mux.HandleFunc("GET "+head+"/responses/{id}/input_items", rt.guard(f.responses, scopeChat, rt.inputItems))
		mux.HandleFunc("DELETE "+head+"/responses/{id}", rt.guard(f.responses, scopeChat, rt.forget))
	}
}

// google serves Gemini's methods, which stand behind a colon in the path.
func (rt *Router) google(w http.ResponseWriter, r *http.Request) {
	f := rt.fronts
	path := r.URL.EscapedPath()
	var h http.HandlerFunc
	switch path[strings.LastIndexByte(path, ':')+1:] {
	case "generateContent":
		h = rt.guard(f.gemini, scopeChat, rt.serve(f.gemini))
	case "streamGenerateContent":
		if alt := r.URL.Query().Get("alt"); alt != "sse" {
			h = rt.guard(f.gemini, scopeChat, rt.unframed)
			break
		}
		h = rt.guard(f.gemini, scopeChat, rt.serve(f.gemini))
	case "countTokens":
		h = rt.guard(f.geminiCounts, scopeChat, rt.serve(f.geminiCounts))
	case "embedContent", "batchEmbedContents":
		h = rt.guard(f.geminiVectors, scopeEmbeddings, rt.serve(f.geminiVectors))
	case "predict":
		h = rt.guard(f.geminiPictures, scopeImages, rt.serve(f.geminiPictures))
	default:
		h = rt.unknown
	}
	h(w, r)
}

// unframed refuses a stream in the form of one long list, which cannot be cut
// into events before it is whole.
func (rt *Router) unframed(w http.ResponseWriter, _ *http.Request, c *caller) {
	rt.refuse(w, rt.fronts.gemini, c, "", &refusal{Error: &llm.Error{Status: http.StatusBadRequest, Outcome: bellwether.ClientError, Type: "invalid_request_error", Dialect: llm.OpenAI,
		Message: "streams are served as events only: add alt=sse to the query"}})
}

// frontOf returns the dialect that a request for nothing that is served was
// probably meant in.
func (rt *Router) frontOf(r *http.Request) *dialect {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/v1beta/"), r.Header.Get("X-Goog-Api-Key") != "":
		return rt.fronts.gemini
	case r.Header.Get("Anthropic-Version") != "", strings.HasPrefix(path, "/v1/messages"):
		return rt.fronts.messages
	}
	return rt.fronts.chat
}

// tokenIn returns the token of a request: in a header, or where Google's
// clients may put it, in the query.
func tokenIn(r *http.Request) string {
	if t := tokenOf(r.Header); t != "" || r.URL.RawQuery == "" {
		return t
	}
	return r.URL.Query().Get("key")
}
