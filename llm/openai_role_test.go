package llm

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzRoleAndTextAreTheWholeMessage: where the short way reads a message, it reads
// what the whole one does.
func FuzzRoleAndTextAreTheWholeMessage(f *testing.F) {
	for _, s := range []string{`{"role":"user","content":"hi"}`, `{"content":"","role":"developer"}`, `{"role":"user","role":"system","content":"a\u0041"}`, `{"role":"user","content":"hi","name":null}`, `{"role":"user"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		got, ok := roleAndText(raw)
		if !ok {
			return
		}
		// With one member more that says nothing it is read the whole way.
		longer := append(append([]byte{}, raw[:len(raw)-1]...), `,"name":null}`...)
		if raw[len(raw)-1] != '}' || !json.Valid(longer) {
			return
		}
		want, names, err := openAIRequestMessage(longer)
		if err != nil || names != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("of %s: got %+v, the whole way %+v %v %v", raw, got, want, names, err)
		}
	})
}
