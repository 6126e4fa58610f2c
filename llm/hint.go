package llm

import (
	"slices"
	"strings"
)

// Hint reports whether a field, as an [UnsupportedError] names it, is no part
// of what is asked: whoever leaves it out gets an answer to the same question.
// It says who asks, how the provider is to keep, cache, bill or pace it, how
// long to think, what another provider's model thought before, or that a tool
// failed, which its result says in words.
func Hint(name string) bool {
	if strings.HasPrefix(name, "messages[") {
		_, part, _ := strings.Cut(name, "].")
		return part == reasoningName || part == errorName || messageHint(part)
	}
	switch name {
	case "output_config.format":
		return false
	case "generationConfig.thinkingConfig":
		return true
	}
	name, _, _ = strings.Cut(name, ".")
	return slices.Contains(hints(), name)
}

func hints() []string {
	return []string{
		"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "cache_control",
		"stream_options", "include", "labels", "inference_geo", "speed", "prediction",
		"reasoning_effort", "reasoning", "thinking", "verbosity", "output_config", "context_management", "truncation",
	}
}

// messageHint reports whether a part of a message is one.
func messageHint(part string) bool {
	return slices.Contains([]string{"content.cache_control", "cache_control", "content.caller", "id", "status",
		"content.image_url.detail", "content.annotations", "annotations", "phase"}, part)
}
