package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// fault is one thing wrong in a config file, at its place.
type fault struct {
	File      string
	Line, Col int // 1-based; 0 when the whole file is meant
	Text      string
	Remedy    string
}

func (f fault) Error() string {
	s := f.File
	if f.Line > 0 {
		s += fmt.Sprintf(":%d:%d", f.Line, f.Col)
	}
	s += ": " + f.Text
	if f.Remedy != "" {
		s += "; " + f.Remedy
	}
	return s
}

// faults are all things wrong in a config file, as one error of several lines.
type faults []fault

func (fs faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// and adds what is wrong at places that fs says nothing of yet: what follows
// from a fault is not worth a line of its own.
func (fs faults) and(more faults) faults {
	for _, f := range more {
		if f.Line == 0 || !slices.ContainsFunc(fs, func(g fault) bool { return g.Line == f.Line && g.Col == f.Col }) {
			fs = append(fs, f)
		}
	}
	return fs
}

// document is a YAML file that knows where in it everything stands.
type document struct {
	name string
	root *yaml.Node // the top-level mapping; nil for an empty file
}

// parseDocument reads src and puts the environment's values in the place of
// ${NAME}. A name that env does not know is a fault where it stands.
func parseDocument(name string, src []byte, env func(string) (string, bool)) (document, faults) {
	d := document{name: name}
	var top yaml.Node
	if len(bytes.TrimSpace(src)) == 0 {
		return d, nil
	}
	if err := yaml.Load(src, &top, yaml.WithV4Defaults(), yaml.WithUniqueKeys()); err != nil {
		return d, faults{d.syntaxFault(err)}
	}
	if top.Kind != yaml.DocumentNode || len(top.Content) == 0 {
		return d, nil
	}
	d.root = top.Content[0]
	if d.root.Kind != yaml.MappingNode {
		return d, faults{d.faultAt(d.root, "the file must be a mapping of sections", "start with `providers:`; config.example.yaml shows every section")}
	}
	var fs faults
	d.expand(d.root, env, &fs)
	return d, fs
}

func (d document) syntaxFault(err error) fault {
	f := fault{File: d.name, Text: "not valid YAML: " + err.Error()}
	if le, ok := errors.AsType[*yaml.LoadError](err); ok {
		f.Text = "not valid YAML: " + le.Message
		f.Line, f.Col = le.Mark.Line, le.Mark.Column
	}
	return f
}

func (d document) faultAt(n *yaml.Node, text, remedy string) fault {
	return fault{File: d.name, Line: n.Line, Col: n.Column, Text: text, Remedy: remedy}
}

var envPattern = regexp.MustCompile(`\$?\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}`)

// expand replaces ${NAME} and ${NAME:-default} in every scalar below n; $${NAME}
// stands for ${NAME} itself. What comes from the environment is text, whatever
// it looks like.
func (d document) expand(n *yaml.Node, env func(string) (string, bool), fs *faults) {
	for _, child := range n.Content {
		d.expand(child, env, fs)
	}
	if n.Kind != yaml.ScalarNode || !strings.Contains(n.Value, "${") {
		return
	}
	n.Value = envPattern.ReplaceAllStringFunc(n.Value, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		parts := envPattern.FindStringSubmatch(m)
		if v, ok := env(parts[1]); ok {
			return v
		}
		if parts[2] != "" {
			return strings.TrimPrefix(parts[2], ":-")
		}
		*fs = append(*fs, d.faultAt(n, "the environment has no "+parts[1],
			fmt.Sprintf("set it, or write ${%s:-default}", parts[1])))
		return ""
	})
}

// decode reads the document into a struct. Types are already known to fit the
// schema; what remains is what a type's own UnmarshalText refuses.
func (d document) decode(into any) faults {
	if d.root == nil {
		return nil
	}
	err := d.root.Decode(into)
	if err == nil {
		return nil
	}
	many, ok := errors.AsType[*yaml.LoadErrors](err)
	if !ok {
		return faults{d.syntaxFault(err)}
	}
	var fs faults
	for _, le := range many.Errors {
		fs = append(fs, fault{File: d.name, Line: le.Mark.Line, Col: le.Mark.Column, Text: le.Message})
	}
	return fs
}

// locate returns the node that a path such as "canaries[2].schedule" or
// "providers.openai.base_url" names, or the deepest one on the way to it.
func (d document) locate(path string) *yaml.Node {
	n := d.root
	for n != nil && path != "" {
		next, rest := step(n, path)
		if next == nil {
			break
		}
		n, path = next, rest
	}
	return n
}

// step follows the first element of path from n. Keys of mappings may hold
// dots, so the longest key that fits is taken.
func step(n *yaml.Node, path string) (next *yaml.Node, rest string) {
	path = strings.TrimPrefix(path, ".")
	switch n.Kind {
	case yaml.SequenceNode:
		digits, after, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(digits)
		if !ok || err != nil || i < 0 || i >= len(n.Content) {
			return nil, ""
		}
		return n.Content[i], after
	case yaml.MappingNode:
		longest := -1
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			after, ok := strings.CutPrefix(path, key)
			if ok && len(key) > longest && (after == "" || after[0] == '.' || after[0] == '[') {
				longest, next, rest = len(key), n.Content[i+1], after
			}
		}
	case yaml.AliasNode:
		return n.Alias, path
	}
	return next, rest
}

// faultOn returns a fault at the place that path names.
func (d document) faultOn(path, text, remedy string) fault {
	f := fault{File: d.name, Text: text, Remedy: remedy}
	if path != "" {
		f.Text = path + ": " + text
	}
	if n := d.locate(path); n != nil {
		f.Line, f.Col = n.Line, n.Column
	}
	return f
}
