package counterparts

import "github.com/bellwether-llm/bellwether/llm"

// differences is the whole table.
var differences = []difference{
	{"", every(), []string{"errors", "errors of responses"}, "401, 402, 403, 404, 408, 409, 429 and 5xx of a provider become 503 with `Retry-After` and `x-should-retry: false`; 400, 413, 422 stay", "they say that a target cannot serve, not that the request is wrong; other targets and keys were tried, and clients must not multiply the tries"},
	{"", every(), []string{"broken streams", "broken streams of responses"}, "a cut stream ends with an error in the dialect's own form; one malformed event among good ones is skipped", "official clients take a cut stream for whole; a single bad event is no reason to lose an answer"},
	{"", every(), []string{"models"}, "lists routes and targets, whether their provider lists them now or not", "these are the names that can be asked for"},
	{"openai", chats, []string{"embeddings"}, "429 becomes 503 once waiting is of no use", "as above"},
	{"openai", []llm.Protocol{llm.Responses}, []string{"embeddings"}, "429 becomes 503 once waiting is of no use", "as above"},
	{"openai", []llm.Protocol{llm.Gemini}, []string{"embeddings"}, "the usage is 0", "Gemini does not say it of embeddings"},
	{"openai", []llm.Protocol{llm.Anthropic}, []string{"embeddings", "images", "images in a question"}, "refused: no embeddings, no pictures (the last one makes its picture first)", "Anthropic has neither"},
	{"openai", []llm.Protocol{llm.Gemini}, []string{"images"}, "`n` above 1 is refused by models that are not Imagen's", "generateContent makes one picture"},
	{"openai", []llm.Protocol{llm.Anthropic, llm.Gemini}, []string{"refusal"}, "a refusal's words are content, and it ends with `content_filter`", "these protocols set a refusal apart by its finish only"},
	{"openai", []llm.Protocol{llm.Anthropic}, []string{"log-probabilities"}, "refused", "Anthropic has none"},
	{"openai", []llm.Protocol{llm.Anthropic, llm.Gemini, llm.Responses}, []string{"choices"}, "`n` above 1: refused; in a plain answer Gemini has it, in a stream it is refused", "Anthropic and Responses answer once; several answers in one stream are read in their own dialect only"},
	{"openai", []llm.Protocol{llm.Responses}, []string{"stop sequences"}, "refused", "Responses has none"},
	{"openai", []llm.Protocol{llm.Gemini}, []string{"parallel tool calls"}, "`parallel_tool_calls: false` is refused", "Gemini has no word for it"},
	{"openai", []llm.Protocol{llm.Gemini}, []string{"tools of responses"}, "`strict: true` of a tool is refused", "Gemini promises nothing of the kind"},
	{"openai", []llm.Protocol{llm.OpenAI, llm.Azure, llm.Anthropic, llm.Gemini}, []string{"reasoning of responses"}, "no `encrypted_content`, and where the target shows none no summary", "a proof of reasoning is of use to its own provider only"},
	{"openai", chats, []string{"tokens of responses"}, "refused", "chat completions have no call that counts"},
	{"anthropic", but(llm.Anthropic), []string{"parallel tool calls", "streamed tool calls", "signed thinking"}, "ids of calls are the target's, not `toolu_...`; thinking has no signature", "ids must come back as they were said; a proof of reasoning is of use to its own provider only"},
	{"anthropic", but(llm.Anthropic), []string{"stop sequences"}, "`end_turn` in place of `stop_sequence`; Responses refuses them", "the others do not say which one ended the answer"},
	{"anthropic", chats, []string{"count of tokens"}, "refused", "chat completions have no call that counts"},
	{"genai", but(llm.Gemini), []string{"signed tool calls", "thoughts"}, "no `thoughtSignature`; thoughts only where the target shows them", "a proof of reasoning is of use to its own provider only"},
	{"genai", []llm.Protocol{llm.Anthropic, llm.Responses}, []string{"candidates"}, "refused above 1", "Anthropic and Responses answer once"},
	{"genai", []llm.Protocol{llm.Anthropic}, []string{"log-probabilities", "embeddings"}, "refused", "Anthropic has neither"},
	{"genai", []llm.Protocol{llm.Responses}, []string{"stop sequences"}, "refused", "Responses has none"},
	{"genai", but(llm.Gemini), []string{"images"}, "`responseModalities` with IMAGE is refused", "in chats the others make no pictures; `predict` is translated"},
	{"genai", chats, []string{"count of tokens"}, "refused", "chat completions have no call that counts"},
}
