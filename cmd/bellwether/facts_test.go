package main

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestChecksAreShownAsTheyAreWrittenAndVectorsAreNot(t *testing.T) {
	vector := base64.StdEncoding.EncodeToString(make([]byte, 4*1536))
	for want, value := range map[string]any{
		"Paris <b>":                        "Paris <b>",
		"12":                               12,
		"true":                             true,
		`["a","b"]`:                        []any{"a", "b"},
		`{"path":"$.a","regex":"<x>"}`:     map[string]any{"path": "$.a", "regex": "<x>"},
		`{"at_least":0.99,"vector":"..."}`: map[string]any{"at_least": 0.99, "vector": vector},
	} {
		if got := shown(value); got != want {
			t.Errorf("shown(%.80v) = %.80s, want %s", value, got, want)
		}
		if m, ok := value.(map[string]any); ok && m["vector"] != nil && !strings.Contains(m["vector"].(string), "AAA") {
			t.Error("the config's own vector was changed")
		}
	}
}
