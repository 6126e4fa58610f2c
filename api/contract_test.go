package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v4"
)

// TestMain checks, when the whole suite has run, that every operation that
// openapi.yaml describes was seen to succeed, and that no goroutine is left.
func TestMain(m *testing.M) {
	flag.Parse()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == "" && !testing.Short()
	code := m.Run()
	if code == 0 && whole {
		if missing := theContract().unseen(); len(missing) > 0 {
			fmt.Fprintf(os.Stderr, "described in openapi.yaml, but no test saw them succeed: %v\n", missing)
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// contract holds every real answer to openapi.yaml.
type contract struct {
	doc      map[string]any
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema
	seen    map[string]bool // operations that succeeded
}

var theContract = sync.OnceValue(func() *contract {
	c, err := readContract("openapi.yaml")
	if err != nil {
		panic(err)
	}
	return c
})

func readContract(path string) (*contract, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var raw map[string]any
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	strict(raw)
	b, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	c := &contract{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, seen: map[string]bool{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	c.doc = doc.(map[string]any)
	return c, c.compiler.AddResource("openapi.json", doc)
}

// strict makes every schema with properties refuse others, so that a member
// that is not described fails a test. TargetFields and HelloFields are parts of
// others.
func strict(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			if k != "TargetFields" && k != "HelloFields" {
				strict(child)
			}
		}
		_, props := v["properties"].(map[string]any)
		_, all := v["allOf"].([]any)
		if _, said := v["additionalProperties"]; (props || all) && !said {
			v["unevaluatedProperties"] = false
		}
	case []any:
		for _, child := range v {
			strict(child)
		}
	}
}

// operation finds the operation of a request and its template.
func (c *contract) operation(method, path string) (op map[string]any, template string, known bool) {
	paths := c.doc["paths"].(map[string]any)
	for _, t := range slices.Sorted(maps.Keys(paths)) { // '{' sorts after letters: literal segments first
		if !matchPath(t, path) {
			continue
		}
		if method == http.MethodHead {
			method = http.MethodGet
		}
		op, _ := paths[t].(map[string]any)[strings.ToLower(method)].(map[string]any)
		return op, t, true
	}
	return nil, "", false
}

func matchPath(template, path string) bool {
	ts, ps := strings.Split(template, "/"), strings.Split(path, "/")
	if len(ts) != len(ps) {
		return false
	}
	for i := range ts {
		if ts[i] != ps[i] && !(strings.HasPrefix(ts[i], "{") && ps[i] != "") {
			return false
		}
	}
	return true
}

func (c *contract) unseen() []string {
	var missing []string
	for path, item := range c.doc["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if key := strings.ToUpper(method) + " " + path; !c.seen[key] {
				missing = append(missing, key)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// check returns what about an answer is not as described.
func (c *contract) check(r *http.Request, status int, header http.Header, body []byte) error {
	op, template, known := c.operation(r.Method, r.URL.Path)
	problem := strings.HasPrefix(header.Get("Content-Type"), "application/problem+json")
	switch {
	case !known && (status == http.StatusNotFound || status == http.StatusForbidden) && problem:
		return c.validate("#/components/schemas/Problem", body, true)
	case !known && !strings.HasPrefix(r.URL.Path, "/v1"):
		return nil // the dashboard's
	case !known:
		return fmt.Errorf("no such path is described")
	case op == nil && (status == http.StatusMethodNotAllowed || status == http.StatusForbidden) && problem:
		return c.validate("#/components/schemas/Problem", body, true)
	case op == nil:
		return fmt.Errorf("no such method is described")
	}
	if status < 400 {
		if err := c.checkParameters(op, r); err != nil {
			return err
		}
		c.mu.Lock()
		method := strings.Replace(r.Method, "HEAD", "GET", 1)
		c.seen[method+" "+template] = true
		c.mu.Unlock()
	}
	pointer := fmt.Sprintf("#/paths/%s/%s/responses/%d", escape(template), strings.ToLower(strings.Replace(r.Method, "HEAD", "GET", 1)), status)
	resp, ok := op["responses"].(map[string]any)[strconv.Itoa(status)].(map[string]any)
	if !ok {
		return fmt.Errorf("status %d is not described: %.300s", status, body)
	}
	if ref, ok := resp["$ref"].(string); ok {
		pointer = ref
		resp = c.doc["components"].(map[string]any)["responses"].(map[string]any)[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
	}
	content, _ := resp["content"].(map[string]any)
	if r.Method == http.MethodHead || (content == nil && len(body) == 0) {
		return nil
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q: %w", header.Get("Content-Type"), err)
	}
	if _, ok := content[media]; !ok {
		return fmt.Errorf("content type %s is not described for %d", media, status)
	}
	return c.validate(pointer+"/content/"+escape(media)+"/schema", body, strings.HasSuffix(media, "json") && media != "application/x-ndjson")
}

// checkParameters refuses query parameters that are not described.
func (c *contract) checkParameters(op map[string]any, r *http.Request) error {
	names := map[string]bool{}
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		p := p.(map[string]any)
		if ref, ok := p["$ref"].(string); ok {
			p = c.doc["components"].(map[string]any)["parameters"].(map[string]any)[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
		}
		if p["in"] == "query" {
			names[p["name"].(string)] = true
		}
	}
	for name := range r.URL.Query() {
		if !names[name] {
			return fmt.Errorf("query parameter %q is not described", name)
		}
	}
	return nil
}

func escape(segment string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(segment)
}

func (c *contract) schema(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.schemas[pointer]; s != nil {
		return s, nil
	}
	s, err := c.compiler.Compile("openapi.json" + pointer)
	if err == nil {
		c.schemas[pointer] = s
	}
	return s, err
}

func (c *contract) validate(pointer string, body []byte, isJSON bool) error {
	s, err := c.schema(pointer)
	if err != nil {
		return err
	}
	if !isJSON {
		return s.Validate(string(body))
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w in %.300s", err, body)
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("%w\nin %.2000s", err, body)
	}
	return nil
}

// wrap checks every answer of h.
func (c *contract) wrap(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := r.Clone(r.Context()) // handlers and the mux change theirs
		tee := &tee{ResponseWriter: w}
		h.ServeHTTP(tee, r)
		if r.Context().Err() != nil && tee.status == 0 {
			return // the caller left before an answer
		}
		if tee.status == 0 {
			tee.status = http.StatusOK
		}
		if err := c.check(in, tee.status, w.Header(), tee.body.Bytes()); err != nil {
			t.Errorf("%s %s answered %d, not as described: %v", r.Method, in.URL, tee.status, err)
		}
	})
}

type tee struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (t *tee) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *tee) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	t.body.Write(b)
	return t.ResponseWriter.Write(b)
}

// Unwrap serves flushing and deadlines.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Hijack serves WebSockets.
func (t *tee) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	t.status = http.StatusSwitchingProtocols
	return http.NewResponseController(t.ResponseWriter).Hijack()
}

// TestContractRefusesWhatIsNotDescribed tests the test.
func TestContractRefusesWhatIsNotDescribed(t *testing.T) {
	c, err := readContract("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) *http.Request {
		r, _ := http.NewRequest(http.MethodGet, path, nil)
		return r
	}
	jsonHeader := http.Header{"Content-Type": {"application/json"}}
	for name, tt := range map[string]struct {
		r      *http.Request
		status int
		body   string
	}{
		"a path":       {get("/v1/secrets"), 200, `{}`},
		"a status":     {get("/v1/routers"), 418, `{}`},
		"a member":     {get("/v1/routers"), 200, `{"routers":[],"more":1}`},
		"a missing":    {get("/v1/routers"), 200, `{}`},
		"a wrong type": {get("/v1/routers"), 200, `{"routers":{}}`},
		"a nested one": {get("/v1/routers"), 200, `{"routers":[{"name":"r","epoch":"e","revision":1,"at":"2026-11-20T16:20:00Z","connected":true,"behind":0,"more":1}]}`},
		"a bad time":   {get("/v1/routers"), 200, `{"routers":[{"name":"r","epoch":"e","revision":1,"at":"yesterday","connected":true,"behind":0,"split":[]}]}`},
		"a parameter":  {get("/v1/routers?x=1"), 200, `{"routers":[]}`},
	} {
		if c.check(tt.r, tt.status, jsonHeader, []byte(tt.body)) == nil {
			t.Errorf("%s that is not described passed", name)
		}
	}
	good := `{"routers":[{"name":"r","epoch":"e","revision":1,"at":"2026-11-20T16:20:00Z","connected":true,"behind":0,"split":[]}]}`
	if err := c.check(get("/v1/routers"), 200, jsonHeader, []byte(good)); err != nil {
		t.Errorf("a described answer: %v", err)
	}
}

// TestExamplesInTheDescriptionHold validates the examples beside schemas.
func TestExamplesInTheDescriptionHold(t *testing.T) {
	c, err := readContract("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range c.doc["components"].(map[string]any)["schemas"].(map[string]any) {
		sch, err := c.schema("#/components/schemas/" + name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		examples, _ := s.(map[string]any)["examples"].([]any)
		for i, e := range examples {
			if err := sch.Validate(e); err != nil {
				t.Errorf("%s: example %d: %v", name, i, err)
			}
		}
	}
}

// slurp reads a whole body.
func slurp(r io.ReadCloser) ([]byte, error) {
	defer r.Close()
	return io.ReadAll(r)
}
