package sim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// listed are the models that a listing shows from the start; those that were
// asked for come on top. Others are served all the same.
var listed = map[llm.Protocol][]string{
	llm.OpenAI: {"gpt-4o", "gpt-4o-mini", "mistral-large", "llama-3.3-70b", "llama-3.1-8b-instant", "o4-mini",
		"text-embedding-3-small", "text-embedding-3-large", "gpt-image-1"},
	llm.Azure:     {"gpt-4o", "gpt-4-1106-preview"},
	llm.Anthropic: {"claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-4-5"},
	llm.Gemini:    {"gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001", "imagen-4.0-generate-001"},
}

// listingName is the name under which listings are drawn for and faulted: no
// model has it.
const listingName = "/models"

// vanished is what a provider says of a model that it does not know.
func vanished(model string) *llm.Error {
	return &llm.Error{Status: http.StatusNotFound, Outcome: bellwether.Gone, Code: "model_not_found", Dialect: llm.OpenAI,
		Message: "The model `" + model + "` does not exist or you do not have access to it."}
}

// gone reports whether a fault has a model vanish in a region now, whatever
// its probability.
func (l *faultList) gone(now time.Time, model, region string) bool {
	return l != nil && slices.ContainsFunc(l.faults, func(f Fault) bool {
		return f.Kind == KindVanish && f.matches(model, region) && f.active(now.Sub(l.since))
	})
}

// models are those that at's house lists in its region now.
func (s *Server) models(at place, now time.Time) []llm.Model {
	const created = 1_735_689_600 // 2025-01-01
	names := slices.Clone(listed[at.house])
	for _, seen := range slices.Sorted(maps.Keys(s.ledger.names(at.house))) {
		if !slices.Contains(names, seen) {
			names = append(names, seen)
		}
	}
	faults := s.faults.Load()
	var out []llm.Model
	for _, n := range names {
		if !faults.gone(now, n, at.region) {
			out = append(out, llm.Model{ID: n, Name: n, Created: created, InputLimit: 1 << 20, OutputLimit: 1 << 13})
		}
	}
	return out
}

// listModels returns the body of a listing, or of the one model asked for.
func (s *Server) listModels(at place, now time.Time) ([]byte, *llm.Error) {
	lister, ok := s.codecs[at.house].(llm.Lister)
	if !ok {
		return nil, vanished(at.model)
	}
	models := s.models(at, now)
	if at.model == "" {
		return lister.EncodeModels(models), nil
	}
	name := strings.TrimPrefix(at.model, "models/")
	i := slices.IndexFunc(models, func(m llm.Model) bool { return m.ID == name })
	if i < 0 {
		return nil, vanished(name)
	}
	var list struct{ Data, Models []json.RawMessage }
	if err := json.Unmarshal(lister.EncodeModels(models[i:i+1]), &list); err != nil || len(list.Data)+len(list.Models) != 1 {
		return nil, vanished(name)
	}
	return append(list.Data, list.Models...)[0], nil
}
