package llm

import "github.com/bellwether-llm/bellwether"

// invalidArguments is the member under which Anthropic's documentation wants
// arguments of a model that are no JSON object, where an object must stand.
const invalidArguments = "INVALID_JSON"

// appendArguments appends a call's arguments as an object. What is none is
// the model's error and is wrapped, not dropped.
func appendArguments(b []byte, arguments string) []byte {
	arguments = orNoArguments(arguments)
	if isObject([]byte(arguments)) {
		return append(b, arguments...)
	}
	return append(strField(append(b, '{'), invalidArguments, arguments), '}')
}

// appendToolUse appends a call as a block.
func appendToolUse(b []byte, c ToolCall) []byte {
	b = strField(append(b, `{"type":"tool_use"`...), "id", c.ID)
	b = strField(b, "name", c.Name)
	return append(appendArguments(appendKey(b, "input"), c.Arguments), '}')
}

// disorder is the error of a stream that cannot be told, because parts of a
// call came after the next call had begun.
func disorder() *Error {
	return &Error{Outcome: bellwether.ServerError, Message: "the parts of several tool calls came in disorder"}
}
