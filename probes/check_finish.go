package probes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// compileFinish wants the answer to have ended for one of the reasons named:
// stop, length, tool_calls or pause, one or a list. It stands in for the test
// that an answer was not cut at max_tokens: {finish: [stop, length]} allows it.
func compileFinish(want any) (test, error) {
	list, err := textList(want)
	if err != nil {
		return nil, err
	}
	known := []string{string(llm.FinishStop), string(llm.FinishLength), string(llm.FinishToolCalls), string(llm.FinishPause)}
	for _, f := range list {
		if !slices.Contains(known, f) {
			return nil, fmt.Errorf("%q is no finish: use %s", f, strings.Join(known, ", "))
		}
	}
	return func(a Answer) string {
		if slices.Contains(list, a.Finish) {
			return ""
		}
		return fmt.Sprintf("the answer ended with %q, not with %s", a.Finish, strings.Join(list, " or "))
	}, nil
}
