// Package llm holds the wire protocols of LLM providers as pure codecs: bytes
// in, values out. Probers, routers and the simulated provider share them, so
// that what is measured, routed and simulated is one language.
//
// A codec may be more than a [Codec]: an [Embedder], a [Painter], a [Lister].
// That of [HTTP], for models behind no LLM protocol, follows its endpoint's
// [Template] and must be bound to it for reading: see [Bind].
//
// It opens no connection, reads no clock and starts no goroutine. A [Codec] is
// stateless and safe for concurrent use; a [StreamDecoder] and a
// [StreamEncoder] belong to one answer and one goroutine.
package llm

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/via"
)

// Protocol names a wire protocol.
type Protocol string

// The protocols. Azure speaks OpenAI's bodies on paths and headers of its own.
const (
	OpenAI    Protocol = "openai"
	Anthropic Protocol = "anthropic"
	Gemini    Protocol = "gemini"
	Azure     Protocol = "azure"
	// Responses is OpenAI's second protocol, of typed items and events.
	Responses Protocol = "openai_responses"
	// HTTP is JSON over HTTP by a template, for models behind no LLM protocol.
	HTTP Protocol = "http"
)

// Endpoint is where and with which key a protocol is spoken.
type Endpoint struct {
	BaseURL    string      // without a trailing slash: "https://api.openai.com/v1"
	Key        conf.Secret // empty sends none
	APIVersion string      // azure's api-version, anthropic's version header; "" is the codec's default
	Header     http.Header // added last; may override
	Via        *via.Via    // how it is reached; codecs do not look, who sends the call does
	// MaxTokensField is the name under which openai and azure endpoints take
	// the limit of output tokens: "max_tokens" or "max_completion_tokens". ""
	// chooses: max_completion_tokens for OpenAI's own hosts and for models
	// named like OpenAI's reasoning models (o1, o3-mini, gpt-5), which refuse
	// the older name; max_tokens for all else, which compatible servers and
	// older Azure API versions know.
	MaxTokensField string
	// HTTP is how a model behind no LLM protocol is asked; nil is
	// [DefaultTemplate]. Other protocols do not look at it.
	HTTP *Template
}

// Message is one turn of a conversation. Role is system, user, assistant or tool.
type Message struct {
	Role string
	Text string // all its text, joined by newlines
	// Parts is the whole content in order, its text included, where that is
	// more than text; else nil. A tool's message has its results here.
	Parts []Part
	// Raw is the whole message as it came in the dialect of Request.Dialect,
	// where it held more than text. That dialect's codec sends it unchanged.
	// Any other sends Text and Parts, and refuses what Raw holds beyond them
	// rather than drop it.
	Raw json.RawMessage
}

// Request is a chat request in no provider's words. Zero fields are not sent
// (where a protocol requires max tokens, the codec has a default).
type Request struct {
	Model       string
	Messages    []Message
	MaxTokens   int
	Temperature *float64
	TopP        *float64
	Stop        []string
	Seed        *int64
	JSONSchema  json.RawMessage // the answer must match
	Tools       []Tool
	ToolChoice  ToolChoice
	OneToolCall bool // at most one call in an answer (OpenAI's parallel_tool_calls: false)
	Logprobs    bool
	Stream      bool
	StreamUsage bool // the caller wants a usage chunk (OpenAI's stream_options.include_usage)
	User        string

	// Extra holds fields of the request that have no place above, verbatim, by
	// name, and Dialect whose words they are. A codec of the same dialect sends
	// them unchanged; any other refuses with an [UnsupportedError] naming them.
	Dialect Protocol
	Extra   map[string]json.RawMessage
	// Body is the whole request as it came in Dialect, for a codec of that
	// dialect to send on as it is, but for the model's name and StreamUsage:
	// nothing else above is looked at then. Whoever changes anything else sets
	// it to nil. No codec sets it.
	Body []byte
}

// Finish is why an answer ended, in OpenAI's words.
type Finish string

// The finishes. FinishNone means that the answer has not properly ended.
const (
	FinishNone      Finish = ""
	FinishStop      Finish = "stop"
	FinishLength    Finish = "length"
	FinishToolCalls Finish = "tool_calls"
	FinishFilter    Finish = "content_filter"
	FinishRefusal   Finish = "refusal"
	// FinishPause is Anthropic's pause_turn: the provider stopped a long turn
	// in between and waits to be asked to go on. Properly ended, yet no stop.
	FinishPause Finish = "pause"
)

// Usage counts tokens. Input includes cached ones, Output reasoning ones,
// whatever the provider's own convention.
type Usage struct {
	Input, Output, Cached, Reasoning int
}

// Response is a whole answer.
type Response struct {
	ID          string
	Model       string
	Fingerprint string
	Text        string
	Reasoning   string
	// Signature is the provider's opaque proof of Reasoning (Anthropic's
	// signature, the encrypted content of Responses), which must come back
	// with it. "": none.
	Signature string
	Refusal   string
	ToolCalls []ToolCall
	Finish    Finish
	// StopSequence is the one that ended the answer; "" where none did or the
	// protocol does not say which. Only Anthropic's says.
	StopSequence string
	Usage        *Usage    // nil: the provider did not say
	MeanLogprob  *float64  // nil: not asked for or not offered
	Logprobs     []float64 // of each token; nil where only their mean, or nothing, is known
	Tokens       []string  // the tokens that Logprobs are of, as many
	Raw          []byte    // the body as it came
	// More are further choices beside this one, which OpenAI and Gemini write.
	// What is said of the whole answer (id, model, usage) is not in them.
	More []Response
}

// Delta is what one event of a streamed answer carried. Several fields may be
// set at once; an event that carried nothing (a ping, a role) is a zero Delta.
type Delta struct {
	ID, Model, Fingerprint string
	Text                   string
	Reasoning              string
	Signature              string // of the reasoning; see Response
	Refusal                string
	ToolCall               bool            // part of a tool call arrived, also of one that the provider itself runs
	ToolCalls              []ToolCallDelta // the parts of calls that the caller is to make
	Finish                 Finish
	Usage                  *Usage // cumulative: the latest one counts
	Logprobs               []float64
	Tokens                 []string // the tokens that Logprobs are of, as many
	Done                   bool     // the protocol's own end of stream was seen; Gemini has none but its finish
	Err                    *Error   // an error inside a 200
}

// Content reports whether d carries a token: non-empty content, reasoning,
// refusal or part of a tool call. A role alone is not a token.
func (d Delta) Content() bool {
	return d.Text != "" || d.Reasoning != "" || d.Refusal != "" || d.ToolCall
}

// Event is one server-sent event. Data joins its data lines by newlines and is
// valid until the next call of [Scanner.Next].
type Event struct {
	Type string // "" when the stream named none
	Data []byte
}

// Call is an HTTP request as data.
type Call struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
}

// Error is a provider's refusal, classified.
type Error struct {
	Status     int // HTTP status; 200 when it came inside a stream
	Outcome    bellwether.Outcome
	Type, Code string        // the provider's words
	Message    string        // the provider's words, cut to 500 bytes, keys redacted
	Dialect    Protocol      // whose words Type and Code are; "" is whoever encodes them
	RetryAfter time.Duration // 0: not said
	OwnLimit   bool          // a 429 whose limit headers show that the limit is ours
	Context    bool          // the prompt is longer than the model's window
	Policy     bool          // refused by content policy
}

// UnsupportedError says which fields of a request a protocol cannot express.
// Fields that [Request] has are named as OpenAI names them (response_format for
// the schema), others as the caller did; part of a message is
// "messages[2].tool_calls". [Request.Without] drops them.
type UnsupportedError struct {
	Protocol Protocol
	Fields   []string
}

func (e *UnsupportedError) Error() string {
	return string(e.Protocol) + " cannot express " + strings.Join(e.Fields, ", ")
}

// Codec speaks one protocol, both ways. The upper half is for callers, the
// lower half for those who answer in the protocol: the router's front and the
// simulated provider.
type Codec interface {
	Protocol() Protocol
	// Encode returns the call that asks r of e. It refuses what it cannot
	// express with an *UnsupportedError.
	Encode(e Endpoint, r Request) (Call, error)
	// Models returns the call that lists e's models.
	Models(e Endpoint) Call
	// Decode reads a whole answer with a 2xx status. An error that the provider
	// put into it is returned as *Error; any other means that it cannot be read.
	Decode(body []byte) (Response, error)
	// Decoder returns a decoder for one streamed answer.
	Decoder() StreamDecoder
	// Error classifies an answer with any other status. Never nil.
	Error(status int, h http.Header, body []byte) *Error

	// DecodeRequest reads a request as a server gets it; path tells the model
	// and streaming where the protocol keeps them there.
	DecodeRequest(path string, body []byte) (Request, error)
	// EncodeResponse writes a whole answer.
	EncodeResponse(r Response) []byte
	// Encoder returns an encoder for one streamed answer to r.
	Encoder(r Request, id, model string) StreamEncoder
	// EncodeError writes an error body in the protocol's shape.
	EncodeError(e *Error) []byte
}

// StreamDecoder reads the events of one streamed answer in order.
type StreamDecoder interface {
	// Decode returns what ev carried. An error means that ev could not be
	// parsed; the caller may go on with the next.
	Decode(ev Event) (Delta, error)
}

// StreamEncoder writes the events of one streamed answer in order, each as
// complete server-sent events appended to dst.
type StreamEncoder interface {
	// Start appends what stands before the first token (a role, a message start).
	Start(dst []byte, u *Usage) []byte
	// Text appends a piece of the answer.
	Text(dst []byte, s string) []byte
	// End appends the finish, the usage where the protocol or caller wants it,
	// and the protocol's end of stream. With FinishNone it appends no end: what
	// has not properly ended must not look whole.
	End(dst []byte, f Finish, u *Usage) []byte
	// Error appends an in-band error.
	Error(dst []byte, e *Error) []byte
}

// FullStreamEncoder is what every encoder of this package is: it can also
// append reasoning and, where the protocol sets it apart, a refusal's words.
// Pieces of text are whole characters; a broken one becomes U+FFFD.
type FullStreamEncoder interface {
	StreamEncoder
	Reasoning(dst []byte, s string) []byte
	Refusal(dst []byte, s string) []byte
	// ToolCall appends part of a tool call. Calls follow one another: part of
	// one never comes after another has begun.
	ToolCall(dst []byte, d ToolCallDelta) []byte
	// Logprobs appends the log-probabilities of tokens, as many as tokens,
	// where the protocol's streams have them; else nothing.
	Logprobs(dst []byte, tokens []string, logprobs []float64) []byte
}

// The following are what some encoders can do beyond [FullStreamEncoder].

// Signer is an encoder whose protocol signs reasoning: Anthropic's and that of
// Responses.
type Signer interface {
	// Signature appends the proof of the reasoning before it.
	Signature(dst []byte, s string) []byte
}

// Chooser is an encoder whose protocol may answer with several choices: those
// of OpenAI, Azure and older completions.
type Chooser interface {
	// Choice makes the following pieces part of choice i, from 0.
	Choice(i int)
	// EndChoice appends the finish of the present choice, not that of the
	// answer: End does that for the last one.
	EndChoice(dst []byte, f Finish) []byte
}

// Sequencer is an encoder whose protocol numbers its events: that of
// Responses. Sequence says how many went out before its next one.
type Sequencer interface{ Sequence(n int) }

// Stopper is an encoder whose protocol says which stop sequence ended an
// answer: Anthropic's. Stopped is told before End.
type Stopper interface{ Stopped(by string) }
