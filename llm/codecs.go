package llm

import "fmt"

// codecs has one row per protocol, in the order in which they are shown.
func codecs() []Codec {
	return []Codec{
		openAI{OpenAI},
		anthropic{},
		gemini{},
		openAI{Azure},
		responses{},
		defaultHTTP(),
	}
}

// For returns the codec of p. An unknown protocol is an error that lists the
// known ones. HTTP's reads answers by its endpoint's template: see [Bind].
func For(p Protocol) (Codec, error) {
	for _, c := range codecs() {
		if c.Protocol() == p {
			return c, nil
		}
	}
	return nil, fmt.Errorf("protocol %q is unknown: write one of %v", p, Known())
}

// Known returns every protocol that [For] knows.
func Known() []Protocol {
	var ps []Protocol
	for _, c := range codecs() {
		ps = append(ps, c.Protocol())
	}
	return ps
}

// Protocols returns the protocols of chats, plain and streamed, that can be
// probed, routed to and simulated: all but HTTP, which never streams.
func Protocols() []Protocol {
	return []Protocol{OpenAI, Anthropic, Gemini, Azure, Responses}
}

// dialect returns the protocol whose words p's bodies are written in.
func (p Protocol) dialect() Protocol {
	if p == Azure {
		return OpenAI
	}
	return p
}
