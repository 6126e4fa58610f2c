package probes

import (
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compileToolCall wants the answer to call a tool by its name, with arguments
// that a schema accepts where one is given. Several calls in one answer are
// fine if one fits. The limits of json_schema hold for the arguments.
func compileToolCall(want any) (test, error) {
	if s, ok := want.(string); ok {
		want = map[string]any{"name": s}
	}
	o, err := options(want, "name", "arguments")
	if err != nil {
		return nil, err
	}
	name, err := text(o["name"])
	if err != nil {
		return nil, fmt.Errorf("name %w", err)
	}
	var schema *jsonschema.Schema
	if o["arguments"] != nil {
		if schema, err = compileSchema(o["arguments"]); err != nil {
			return nil, fmt.Errorf("arguments: %w", err)
		}
	}
	return func(a Answer) string { return testCalls(a, name, schema) }, nil
}

// maxCalls bounds how many calls of one answer are looked at.
const maxCalls = 16

func testCalls(a Answer, name string, schema *jsonschema.Schema) string {
	why := fmt.Sprintf("the answer does not call %s", name)
	var others []string
	for _, call := range a.ToolCalls[:min(len(a.ToolCalls), maxCalls)] {
		if call.Name != name {
			others = append(others, call.Name)
			continue
		}
		if schema == nil {
			return ""
		}
		failed := testSchema(schema, or(strings.TrimSpace(call.Arguments), "{}"))
		if failed == "" {
			return ""
		}
		why = "the arguments of " + name + ": " + strings.TrimPrefix(failed, "the answer ")
	}
	if len(others) > 0 {
		why += fmt.Sprintf("; it calls %.80q", others)
	}
	return why
}
