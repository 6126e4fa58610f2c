package counterparts

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bellwether-llm/bellwether/llm"
)

var update = flag.Bool("update", false, "write the table of differences into docs/dialects.md")

// difference is something that an official client sees otherwise through the
// router than at the provider itself. The table is rendered into
// docs/dialects.md, and every row must be seen to be true.
type difference struct {
	sdk     string // openai, anthropic, genai; "" every one
	behind  []llm.Protocol
	conduct []string // or scenarios, or paths within their answers ("plain: usage")
	what    string
	why     string
}

func every() []llm.Protocol { return llm.Protocols() }

// but returns all protocols but some.
func but(not ...llm.Protocol) []llm.Protocol {
	return slices.DeleteFunc(every(), func(p llm.Protocol) bool { return slices.Contains(not, p) })
}

var chats = []llm.Protocol{llm.OpenAI, llm.Azure}

func (d difference) of(sdk string, p llm.Protocol, conduct string) bool {
	return (d.sdk == "" || d.sdk == sdk) && slices.Contains(d.behind, p) && slices.Contains(d.conduct, conduct)
}

// recorder notes failures in place of reporting them.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	failed []string
}

func (r *recorder) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, s)
}

func (r *recorder) Helper()                   {}
func (r *recorder) Error(args ...any)         { r.note(fmt.Sprintln(args...)) }
func (r *recorder) Errorf(f string, a ...any) { r.note(fmt.Sprintf(f, a...)) }
func (r *recorder) Fatal(args ...any)         { r.note(fmt.Sprintln(args...)); runtime.Goexit() }
func (r *recorder) Fatalf(f string, a ...any) { r.note(fmt.Sprintf(f, a...)); runtime.Goexit() }
func (r *recorder) FailNow()                  { r.note("failed"); runtime.Goexit() }
func (r *recorder) Fail()                     { r.note("failed") }
func (r *recorder) Failed() bool              { return len(r.failed) > 0 }

// watch runs f and returns what it reported.
func watch(t *testing.T, f func(t testing.TB)) []string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.failed
}

// holdsThrough checks that every conduct holds through the router, whatever
// protocol is behind it, and that each difference in the table is one.
func holdsThrough(t *testing.T, sdk string, conducts []conduct) {
	for _, p := range llm.Protocols() {
		for _, c := range conducts {
			t.Run(string(p)+"/"+c.name, func(t *testing.T) {
				failed := watch(t, func(tb testing.TB) { c.test(tb, through(p)(t)) })
				known := slices.ContainsFunc(differences, func(d difference) bool { return d.of(sdk, p, c.name) })
				switch {
				case len(failed) > 0 && !known:
					t.Errorf("differs, and is not in the table of differences:\n%.2000s", strings.Join(failed, "\n"))
				case len(failed) == 0 && known:
					t.Error("the table of differences has a row for it, and it does not differ")
				}
			})
		}
	}
}

const (
	page      = "../../docs/dialects.md"
	tableHead = "<!-- differences: written by a test, see internal/counterparts -->\n"
	tableEnd  = "<!-- end of differences -->"
)

func TestTheTableOfDifferencesIsInTheDocumentation(t *testing.T) {
	var b strings.Builder
	b.WriteString(tableHead + "\n| client | behind | where | what is otherwise | why |\n|---|---|---|---|---|\n")
	for _, d := range differences {
		sdk := d.sdk
		if sdk == "" {
			sdk = "every"
		}
		behind := "every"
		if len(d.behind) < len(every()) {
			var names []string
			for _, p := range d.behind {
				names = append(names, string(p))
			}
			behind = strings.Join(names, ", ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", sdk, behind, strings.Join(d.conduct, ", "), d.what, d.why)
	}
	b.WriteString("\n")
	doc, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), tableHead)
	_, tail, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatal("docs/dialects.md has no place for the table")
	}
	want := head + b.String() + tableEnd + tail
	if want == string(doc) {
		return
	}
	if !*update {
		t.Fatal("docs/dialects.md is behind the table: go test -run TestTheTableOfDifferences -update")
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
