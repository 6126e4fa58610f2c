package slack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slacktest"

	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/alerting/channeltest"
	slackchannel "github.com/bellwether-llm/bellwether/alerting/slack"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

const (
	token    = "xoxb-1111-2222-secretsecret"
	hookPath = "/services/T000/B000/hooksecret123"
	room     = "C0123456789"
)

// message is one message of the workspace.
type message struct {
	TS          string             `json:"ts"`
	ThreadTS    string             `json:"thread_ts,omitempty"`
	Text        string             `json:"text"`
	Metadata    json.RawMessage    `json:"metadata,omitempty"`
	Attachments []slack.Attachment `json:"attachments,omitempty"`
	raw         string
	edits       int
}

// workspace is a Slack of one channel: slack-go's test server, with the
// methods it lacks and with Slack's own limits and refusals.
type workspace struct {
	t    *testing.T
	srv  *slacktest.Server
	hook *httptest.Server
	done chan struct{}

	mu       sync.Mutex
	fault    channeltest.Fault
	code     string // answered as an error to the method named in on
	on       string
	messages []*message
	hooked   []string
	calls    []string
}

func newWorkspace(t *testing.T) *workspace {
	w := &workspace{t: t, done: make(chan struct{})}
	w.srv = slacktest.NewTestServer(func(c slacktest.Customize) {
		for method, h := range map[string]func(http.ResponseWriter, *http.Request){
			"chat.postMessage": w.post, "chat.update": w.update, "conversations.history": w.history,
			"conversations.replies": w.replies, "conversations.list": w.list,
		} {
			c.Handle("/"+method, func(rw http.ResponseWriter, r *http.Request) { w.call(method, h, rw, r) })
		}
	})
	w.srv.Start()
	w.hook = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.call("hook", w.takeHook, rw, r) }))
	t.Cleanup(func() { close(w.done); w.srv.Stop(); w.hook.Close() })
	return w
}

func (w *workspace) call(method string, h http.HandlerFunc, rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	fault, code := w.fault, w.code
	if w.on != "" && w.on != method {
		code = ""
	}
	w.calls = append(w.calls, method)
	w.mu.Unlock()
	switch {
	case fault == channeltest.Limited:
		rw.Header().Set("Retry-After", "7")
		rw.WriteHeader(http.StatusTooManyRequests)
	case fault == channeltest.Broken:
		http.Error(rw, "<html>broken</html>", http.StatusInternalServerError)
	case fault == channeltest.Refused && method == "hook":
		http.Error(rw, "invalid_token", http.StatusForbidden)
	case fault == channeltest.Refused:
		answer(rw, map[string]any{"ok": false, "error": "invalid_auth"})
	case fault == channeltest.Hanging:
		<-w.done
	case fault == channeltest.Endless:
		for {
			if _, err := io.WriteString(rw, strings.Repeat(" ", 64<<10)); err != nil {
				return
			}
		}
	case code != "":
		answer(rw, map[string]any{"ok": false, "error": code, "needed": "channels:history"})
	case fault == channeltest.Lost:
		h(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		h(rw, r)
	}
}

func answer(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v)
}

// parse reads a message as Slack would, and holds it to Slack's limits.
func (w *workspace) parse(r *http.Request) *message {
	_ = r.ParseForm()
	if r.Form.Get("token") != token && r.Header.Get("Authorization") != "Bearer "+token {
		w.t.Errorf("%s without the token", r.URL.Path)
	}
	m := &message{Text: r.Form.Get("text"), ThreadTS: r.Form.Get("thread_ts"), Metadata: json.RawMessage(r.Form.Get("metadata")),
		raw: r.Form.Get("text") + r.Form.Get("attachments")}
	if a := r.Form.Get("attachments"); a != "" {
		if err := json.Unmarshal([]byte(a), &m.Attachments); err != nil {
			w.t.Errorf("attachments: %v", err)
		}
	}
	w.limits(m.Text, m.Attachments)
	return m
}

func (w *workspace) limits(text string, as []slack.Attachment) {
	if len(text) > 4000 || text == "" {
		w.t.Errorf("text of %d bytes", len(text))
	}
	if strings.Contains(text, "<!channel>") || strings.Contains(text, "<https://evil") {
		w.t.Errorf("text is not escaped: %.200q", text)
	}
	for _, a := range as {
		if len(a.Blocks.BlockSet) > 50 {
			w.t.Errorf("%d blocks", len(a.Blocks.BlockSet))
		}
		for _, b := range a.Blocks.BlockSet {
			section, ok := b.(*slack.SectionBlock)
			if !ok {
				continue
			}
			if section.Text != nil && (len(section.Text.Text) > 3000 || strings.Contains(section.Text.Text, "<!channel>")) {
				w.t.Errorf("section of %d bytes: %.100q", len(section.Text.Text), section.Text.Text)
			}
			for _, f := range section.Fields {
				if len(f.Text) > 2000 {
					w.t.Errorf("field of %d bytes", len(f.Text))
				}
			}
		}
	}
}

func (w *workspace) post(rw http.ResponseWriter, r *http.Request) {
	m := w.parse(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	m.TS = fmt.Sprintf("17%08d.000100", len(w.messages)+1)
	w.messages = append(w.messages, m)
	answer(rw, map[string]any{"ok": true, "channel": room, "ts": m.TS})
}

func (w *workspace) update(rw http.ResponseWriter, r *http.Request) {
	m := w.parse(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, old := range w.messages {
		if old.TS == r.Form.Get("ts") && r.Form.Get("channel") == room {
			old.Text, old.Attachments, old.Metadata, old.raw = m.Text, m.Attachments, m.Metadata, m.raw
			old.edits++
			answer(rw, map[string]any{"ok": true, "channel": room, "ts": old.TS, "text": old.Text})
			return
		}
	}
	answer(rw, map[string]any{"ok": false, "error": "message_not_found"})
}

// page answers one message a page, so that every reader has to follow cursors.
func (w *workspace) page(rw http.ResponseWriter, r *http.Request, keep func(*message) bool) {
	_ = r.ParseForm()
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*message
	for _, m := range slices.Backward(w.messages) {
		if keep(m) {
			c := *m
			if r.Form.Get("include_all_metadata") != "1" {
				c.Metadata = nil
			}
			all = append(all, &c)
		}
	}
	if r.Form.Get("channel") != room {
		answer(rw, map[string]any{"ok": false, "error": "channel_not_found"})
		return
	}
	i := 0
	_, _ = fmt.Sscanf(r.Form.Get("cursor"), "page%d", &i)
	next := ""
	if i+1 < len(all) {
		next = fmt.Sprintf("page%d", i+1)
	}
	answer(rw, map[string]any{"ok": true, "messages": all[min(i, len(all)):min(i+1, len(all))],
		"has_more": next != "", "response_metadata": map[string]any{"next_cursor": next}})
}

func (w *workspace) history(rw http.ResponseWriter, r *http.Request) {
	w.page(rw, r, func(m *message) bool { return m.ThreadTS == "" })
}

func (w *workspace) replies(rw http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	root := r.Form.Get("ts")
	w.page(rw, r, func(m *message) bool { return m.ThreadTS == root || m.TS == root })
}

func (w *workspace) list(rw http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	if r.Form.Get("cursor") == "" {
		answer(rw, map[string]any{"ok": true, "channels": []any{map[string]any{"id": "C0000000000", "name": "general"}},
			"response_metadata": map[string]any{"next_cursor": "more"}})
		return
	}
	answer(rw, map[string]any{"ok": true, "channels": []any{map[string]any{"id": room, "name": "llm-status"}}})
}

func (w *workspace) takeHook(rw http.ResponseWriter, r *http.Request) {
	var m slack.WebhookMessage
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, &m); err != nil {
		w.t.Errorf("hook: %v", err)
	}
	w.limits(m.Text, m.Attachments)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hooked = append(w.hooked, m.Text+flat(m.Attachments))
	_, _ = io.WriteString(rw, "ok")
}

// flat returns what attachments say, as text.
func flat(as []slack.Attachment) string {
	b, _ := json.Marshal(as)
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
}

func (w *workspace) set(f channeltest.Fault) {
	if f == channeltest.Unreachable {
		w.srv.Stop()
		w.hook.Close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// refuse makes a method ("" for all) answer with an error; "" ends it.
func (w *workspace) refuse(method, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on, w.code = method, code
}

func (w *workspace) all() []*message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.messages)
}

// keys returns the deliveries that arrived, by the messages' metadata.
func (w *workspace) keys() []string {
	var keys []string
	for _, m := range w.all() {
		var meta struct {
			Type    string            `json:"event_type"`
			Payload map[string]string `json:"event_payload"`
		}
		if err := json.Unmarshal(m.Metadata, &meta); err != nil || meta.Type != "bellwether_incident" || meta.Payload["incident"] == "" {
			w.t.Errorf("message %s: metadata %s: %v", m.TS, m.Metadata, err)
		}
		keys = append(keys, meta.Payload["delivery"])
	}
	return keys
}

func (w *workspace) bot(channel string) alerting.Channel {
	c, err := slackchannel.New(alerting.SlackConfig{Token: token, Channel: channel, APIURL: w.srv.GetAPIURL()})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *workspace) incoming() alerting.Channel {
	c, err := slackchannel.New(alerting.SlackConfig{WebhookURL: conf.Secret(w.hook.URL + hookPath)})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}
