package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path"
	"reflect"
	"testing"

	invopop "github.com/invopop/jsonschema"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/probes"
)

var update = flag.Bool("update", false, "rewrite generated files")

// generateSchema reflects the Config type and its comments.
func generateSchema(t *testing.T) []byte {
	r := invopop.Reflector{FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, Mapper: mapType,
		Namer: typeName}
	t.Chdir("../..")
	for _, dir := range []string{"api", "store", "probes", "scoring", "slo", "alerting", "router", "llm", "cmd/bellwether"} {
		if err := r.AddGoComments("github.com/bellwether-llm/bellwether", dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.AddGoComments("github.com/bellwether-llm/bellwether", "bellwether.go"); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&Config{})
	s.ID = "https://github.com/bellwether-llm/bellwether/cmd/bellwether/config.schema.json"
	s.Title = "Bellwether's config"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// typeName tells the packages' Config types apart.
func typeName(t reflect.Type) string {
	if t.Name() == "" || t.PkgPath() == "" {
		return ""
	}
	return path.Base(t.PkgPath()) + "." + t.Name()
}

const durationPattern = `^([0-9]+d|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|0)$`

// mapType gives the types that read text of their own their schema.
func mapType(typ reflect.Type) *invopop.Schema {
	switch typ {
	case reflect.TypeFor[conf.Duration]():
		return &invopop.Schema{Type: "string", Pattern: durationPattern, Examples: []any{"30s", "5m", "14d"}}
	case reflect.TypeFor[conf.Secret]():
		return &invopop.Schema{Type: "string", WriteOnly: true}
	case reflect.TypeFor[llm.Protocol]():
		s := &invopop.Schema{Type: "string"}
		for _, p := range llm.Known() {
			s.Enum = append(s.Enum, string(p))
		}
		return s
	case reflect.TypeFor[probes.CheckSpec]():
		one := uint64(1)
		return &invopop.Schema{Type: "object", MinProperties: &one, MaxProperties: &one}
	case reflect.TypeFor[Fraction]():
		return &invopop.Schema{OneOf: []*invopop.Schema{{Type: "number"}, {Type: "string", Pattern: `^[0-9]+(\.[0-9]*)? *%$`}}, Examples: []any{"10%", 0.1}}
	case reflect.TypeFor[TierEntry]():
		props := invopop.NewProperties()
		props.Set("target", &invopop.Schema{Type: "string"})
		props.Set("base_weight", &invopop.Schema{Type: "number"})
		return &invopop.Schema{OneOf: []*invopop.Schema{{Type: "string"},
			{Type: "object", Properties: props, AdditionalProperties: invopop.FalseSchema, Required: []string{"target"}}}}
	}
	return nil
}

func TestSchemaIsInStep(t *testing.T) {
	got := generateSchema(t)
	if *update {
		if err := os.WriteFile("cmd/bellwether/config.schema.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, configSchema) && !*update {
		t.Error("config.schema.json is not what the Config type says: run make schema")
	}
}
