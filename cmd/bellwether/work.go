package main

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// places returns all vantages that probe: this server's own, then those that
// the config lists. Nil when it lists none: then the others are not known.
func (c *Config) places() []string {
	if len(c.Vantages) == 0 {
		return nil
	}
	all := []string{c.Vantage}
	for _, v := range c.Vantages {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// work is the part of the agents' plan that the config decides: its targets and
// canaries as a config writes them, with everything that has a default filled
// in, and without providers, which each agent has in its own file.
func (c *Config) work() (api.Work, error) {
	w := api.Work{Vantages: c.places()}
	for _, t := range c.Targets {
		raw, err := write(t)
		if err != nil {
			return w, fmt.Errorf("plan: target %s: %w", t.ID, err)
		}
		w.Targets = append(w.Targets, raw)
	}
	for _, k := range c.Canaries {
		raw, err := write(k.WithDefaults())
		if err != nil {
			return w, fmt.Errorf("plan: canary %s: %w", k.Name, err)
		}
		w.Canaries = append(w.Canaries, raw)
	}
	return w, nil
}

// write returns a part of the config as JSON, by its yaml keys; zero fields are
// left out, so that older readers understand what newer writers do not use.
func write(part any) (json.RawMessage, error) {
	v, err := written(reflect.ValueOf(part))
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

var errSecret = errors.New("it holds a secret, which must not leave this machine")

func written(v reflect.Value) (any, error) {
	if v.Type() == reflect.TypeFor[conf.Secret]() {
		return nil, errSecret
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return string(b), err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return written(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		return out, writeFields(out, v)
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			e, err := written(v.Index(i))
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	case reflect.Map:
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			if e := v.MapIndex(k); e.Kind() != reflect.Interface || !e.IsNil() {
				value, err := written(e)
				if err != nil {
					return nil, err
				}
				out[fmt.Sprint(k.Interface())] = value
			}
		}
		return out, nil
	}
	return v.Interface(), nil
}

func writeFields(out map[string]any, v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() {
			continue
		}
		name := yamlName(f)
		if name == "" && strings.HasSuffix(f.Tag.Get("yaml"), ",inline") {
			if err := writeFields(out, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		value, err := written(v.Field(i))
		if err != nil {
			return err
		}
		out[name] = value
	}
	return nil
}

// read fills a part of the config from what write returned. A key that it does
// not know is an error: half understood would be probed otherwise than meant.
func read(raw json.RawMessage, part any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value")
	}
	text, err := yaml.Dump(numbers(v), yaml.WithV4Defaults())
	if err != nil {
		return err
	}
	return yaml.Load(text, part, yaml.WithV4Defaults(), yaml.WithKnownFields())
}

// numbers makes whole numbers of those that are, so that YAML writes them so.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // beyond all bounds: infinite, which validation refuses
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}
