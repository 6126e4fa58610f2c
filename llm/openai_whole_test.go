package llm

import (
	"reflect"
	"testing"
)

const commonBody = `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Paris \u00e9","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":14,"completion_tokens":7,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":3,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":2}},"service_tier":"default","system_fingerprint":"fp"}`

func TestTheCommonAnswerIsReadWithoutReflection(t *testing.T) {
	if _, ok := (openAI{OpenAI}).commonAnswer([]byte(commonBody)); !ok {
		t.Error("OpenAI's own answer was not read as the common one")
	}
}

// FuzzCommonAnswerIsTheWholeOne: where the short way reads an answer, it reads
// what the whole decoder does.
func FuzzCommonAnswerIsTheWholeOne(f *testing.F) {
	for _, s := range []string{commonBody, `{"choices":[{"message":{"content":"a"}}]}`, `{"choices":[{"message":{"content":"a","content":"b"},"finish_reason":"length"}],"usage":null}`,
		`{"choices":[{"message":{"content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":1e2}}`, `{"ID":"x","choices":[{"index":0,"message":{"content":"a","tool_calls":null}}],"usage":{"prompt_cache_hit_tokens":3}}`,
		`{"choices":[{"message":{"content":"a"}},{"message":{"content":"b"}}]}`, `{"choices":null,"error":{"message":"x"}}`, `{"id":1,"choices":[{"message":{"content":null}}]}`, `{"choices":[{"index":0,"index":1,"message":{"content":"a"}}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := (openAI{OpenAI}).commonAnswer(body)
		if !ok {
			return
		}
		if want, err := (openAI{OpenAI}).anyAnswer(body); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("of %s\ngot %+v\nthe whole decoder says %+v, %v", body, got, want, err)
		}
	})
}
