package llm

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Model is an entry of a provider's list of models.
type Model struct {
	ID          string // as requests name it
	Name        string // as people are shown it; "" where not said
	Created     int64  // Unix time, s; 0: not said
	InputLimit  int    // tokens; 0: not said
	OutputLimit int    // tokens; 0: not said
	Deprecated  bool   // the provider says that it goes away (Azure does)
}

// Lister is a codec whose protocol lists models, both ways: all but HTTP.
type Lister interface {
	// DecodeModels reads one page of a list. next asks for the following one;
	// "" means that there is none.
	DecodeModels(body []byte) (models []Model, next string, err error)
	// MoreModels returns the call for the page that next names.
	MoreModels(e Endpoint, next string) Call
	// EncodeModels writes a list in one page.
	EncodeModels(models []Model) []byte
}

// modelList is the union of the shapes of lists. They do not collide.
type modelList struct {
	Data []struct {
		ID        string          `json:"id"`
		Display   string          `json:"display_name"`
		Created   json.RawMessage `json:"created"`
		CreatedAt json.RawMessage `json:"created_at"`
		Lifecycle string          `json:"lifecycle_status"` // Azure
	} `json:"data"`
	Models []struct {
		Name    string `json:"name"`
		Display string `json:"displayName"`
		Input   int    `json:"inputTokenLimit"`
		Output  int    `json:"outputTokenLimit"`
	} `json:"models"`
	More  bool            `json:"has_more"`
	Last  string          `json:"last_id"`
	Next  string          `json:"nextPageToken"`
	Error json.RawMessage `json:"error"`
}

// readModels reads a list of any shape; a bare array, as some compatible
// servers send, is one.
func readModels(p Protocol, body []byte) ([]Model, string, error) {
	trimmed := trimSpace(body)
	if len(trimmed) > 0 && trimmed[0] == '[' {
		if e := listedError(p, body); e != nil {
			return nil, "", e
		}
		body = append(append([]byte(`{"data":`), trimmed...), '}')
	}
	var l modelList
	if err := json.Unmarshal(body, &l); err != nil {
		return nil, "", answerError(p, err)
	}
	if !isEmpty(l.Error) {
		return nil, "", classify(p, http.StatusOK, nil, body)
	}
	if l.Data == nil && l.Models == nil {
		return nil, "", answerError(p, errors.New("no list of models in it"))
	}
	var ms []Model
	for _, d := range l.Data {
		m := Model{ID: d.ID, Name: d.Display}
		_ = json.Unmarshal(orNull(d.Created), &m.Created) // some write a date
		if at, err := time.Parse(time.RFC3339, argumentText(d.CreatedAt)); err == nil {
			m.Created = at.Unix()
		}
		m.Deprecated = strings.HasPrefix(d.Lifecycle, "deprecat")
		ms = append(ms, m)
	}
	for _, d := range l.Models {
		ms = append(ms, Model{ID: strings.TrimPrefix(d.Name, "models/"), Name: d.Display, InputLimit: d.Input, OutputLimit: d.Output})
	}
	next := l.Next
	if l.More && next == "" {
		next = l.Last
	}
	return ms, next, nil
}

// pageOf adds a query to a call that has none, or has one.
func pageOf(c Call, query string) Call {
	if strings.Contains(c.URL, "?") {
		c.URL += "&" + query
	} else {
		c.URL += "?" + query
	}
	return c
}

func (c openAI) DecodeModels(body []byte) ([]Model, string, error) { return readModels(c.p, body) }

func (c openAI) MoreModels(e Endpoint, next string) Call {
	return pageOf(c.Models(e), "after="+url.QueryEscape(next))
}

func (openAI) EncodeModels(models []Model) []byte {
	b := []byte(`{"object":"list","data":[`)
	for _, m := range models {
		b = strField(append(appendComma(b), '{'), "id", m.ID)
		b = intField(append(b, `,"object":"model"`...), "created", m.Created)
		b = append(b, `,"owned_by":"system"}`...)
	}
	return append(b, "]}"...)
}

func (responses) DecodeModels(body []byte) ([]Model, string, error) {
	return readModels(OpenAI, body)
}

func (responses) MoreModels(e Endpoint, next string) Call { return openAI{OpenAI}.MoreModels(e, next) }

func (responses) EncodeModels(models []Model) []byte { return openAI{OpenAI}.EncodeModels(models) }

func (anthropic) DecodeModels(body []byte) ([]Model, string, error) {
	return readModels(Anthropic, body)
}

func (c anthropic) MoreModels(e Endpoint, next string) Call {
	return pageOf(c.Models(e), "limit=1000&after_id="+url.QueryEscape(next))
}

func (anthropic) EncodeModels(models []Model) []byte {
	b := []byte(`{"data":[`)
	for _, m := range models {
		b = strField(append(appendComma(b), `{"type":"model"`...), "id", m.ID)
		b = strField(b, "display_name", m.Name)
		b = append(strField(b, "created_at", time.Unix(m.Created, 0).UTC().Format(time.RFC3339)), '}')
	}
	b = append(b, `],"has_more":false`...)
	if len(models) == 0 {
		return append(b, `,"first_id":null,"last_id":null}`...)
	}
	b = strField(b, "first_id", models[0].ID)
	return append(strField(b, "last_id", models[len(models)-1].ID), '}')
}

func (gemini) DecodeModels(body []byte) ([]Model, string, error) { return readModels(Gemini, body) }

func (c gemini) MoreModels(e Endpoint, next string) Call {
	return pageOf(c.Models(e), "pageSize=1000&pageToken="+url.QueryEscape(next))
}

func (gemini) EncodeModels(models []Model) []byte {
	b := []byte(`{"models":[`)
	for _, m := range models {
		b = strField(append(appendComma(b), '{'), "name", "models/"+m.ID)
		b = strField(b, "displayName", m.Name)
		b = intField(intField(b, "inputTokenLimit", int64(m.InputLimit)), "outputTokenLimit", int64(m.OutputLimit))
		b = append(b, `,"supportedGenerationMethods":["generateContent"]}`...)
	}
	return append(b, "]}"...)
}
