package main

import (
	"go.yaml.in/yaml/v4"

	"github.com/bellwether-llm/bellwether"
)

// UnmarshalYAML reads a target's id, or the whole entry.
func (e *TierEntry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		e.Target = n.Value
		return nil
	}
	return n.Decode((*bellwether.TierTarget)(e))
}
