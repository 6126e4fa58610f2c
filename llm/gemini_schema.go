package llm

import (
	"encoding/json"
	"slices"
	"strings"
)

// maxSchemaDepth bounds how deep a schema in Google's form may nest.
const maxSchemaDepth = 64

// jsonSchema returns a schema in Google's older form, a part of OpenAPI's, as
// JSON schema: types in lower case, nullable as a type, numbers that came as
// strings as numbers. ok is false where something in it has no such form.
func jsonSchema(raw []byte) (out json.RawMessage, ok bool) {
	b, ok := appendJSONSchema(nil, raw, 0)
	return b, ok
}

func appendJSONSchema(b []byte, raw []byte, depth int) (_ []byte, ok bool) {
	f := object(raw)
	if f == nil || depth > maxSchemaDepth {
		return b, false
	}
	b = append(b, '{')
	nullable := string(f["nullable"]) == "true"
	for _, k := range sortedKeys(f) {
		v := f[k]
		if isNull(v) {
			continue
		}
		switch k {
		case "type":
			b, ok = appendSchemaType(b, v, nullable)
		case "nullable", "propertyOrdering", "property_ordering":
			ok = true
		case "format":
			b, ok = appendSchemaFormat(b, v), true
		case "example":
			b, ok = append(append(append(appendKey(b, "examples"), '['), v...), ']'), true
		case "enum":
			b, ok = appendSchemaEnum(b, v, nullable), true
		case "title", "description", "required", "pattern", "default", "minimum", "maximum":
			b, ok = rawField(b, k, v), true
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
			b, ok = rawField(b, k, []byte(scalar(v))), json.Valid([]byte(scalar(v)))
		case "items":
			b, ok = appendJSONSchema(appendKey(b, k), v, depth+1)
		case "anyOf", "any_of":
			b = append(appendKey(b, "anyOf"), '[')
			ok = walkArray(v, func(e []byte) (ok bool) {
				b, ok = appendJSONSchema(appendComma(b), e, depth+1)
				return ok
			})
			b = append(b, ']')
		case "properties":
			b = append(appendKey(b, k), '{')
			ok = walkObject(v, func(key, e []byte) (ok bool) {
				b = append(append(appendComma(b), key...), ':')
				b, ok = appendJSONSchema(b, e, depth+1)
				return ok
			})
			b = append(b, '}')
		default:
			ok = false
		}
		if !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

func appendSchemaType(b []byte, raw []byte, nullable bool) ([]byte, bool) {
	s, ok := unquote(raw)
	s = strings.ToLower(s)
	if s == "type_unspecified" {
		return b, true
	}
	if !ok || !slices.Contains([]string{"string", "number", "integer", "boolean", "array", "object", "null"}, s) {
		return b, false
	}
	if nullable {
		return stringsField(b, "type", []string{s, "null"}), true
	}
	return strField(b, "type", s), true
}

// appendSchemaFormat appends a format; that of enums says nothing of its own.
func appendSchemaFormat(b []byte, raw []byte) []byte {
	if s, _ := unquote(raw); s == "enum" || s == "" {
		return b
	}
	return rawField(b, "format", raw)
}

// appendSchemaEnum appends an enum, with null among its values where that is one.
func appendSchemaEnum(b []byte, raw []byte, nullable bool) []byte {
	raw = trimSpace(raw)
	if n := len(raw); nullable && n > 2 && raw[0] == '[' {
		return append(append(append(appendKey(b, "enum"), raw[:n-1]...), ",null"...), ']')
	}
	return rawField(b, "enum", raw)
}
