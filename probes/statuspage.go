package probes

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
)

const (
	maxPageItems = 100
	pageFresh    = 48 * time.Hour // an entry of a feed that is older is over
)

// pageItem is one incident as a provider tells it.
type pageItem struct {
	id, title, status string
}

// over reports whether the provider says that it is no more.
func (i pageItem) over() bool {
	switch strings.ToLower(i.status) {
	case "resolved", "completed", "postmortem", "operational", "scheduled":
		return true
	}
	return false
}

func (i pageItem) text() string {
	if i.status == "" {
		return fmt.Sprintf("the provider's status page says: %s", i.title)
	}
	return fmt.Sprintf("the provider's status page says: %s (%s)", i.title, i.status)
}

// pageAddress is where the state of a status page is read: of one that is
// named by its address alone, the summary that statuspage.io's software serves.
func pageAddress(page string) (string, error) {
	u, err := url.Parse(page)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "", errors.New("is no web address")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/api/v2/summary.json"
	}
	return u.String(), nil
}

// CheckStatusPage reports what is wrong with the address of a status page.
func CheckStatusPage(page string) error {
	_, err := pageAddress(page)
	return err
}

// followPage asks one status page every minute, for news only, and tells every
// target of what is new in it. An answer that cannot be had or read makes the
// pauses longer.
func (b *Bulletins) followPage(ctx context.Context, s Source) {
	address, err := pageAddress(s.StatusPage)
	if err != nil {
		b.log.Warn("a status page cannot be followed", "provider", s.Provider, "err", err)
		return
	}
	var state map[string]pageItem
	h := http.Header{}
	wait := time.Duration(listKey{base: address}.untilList(time.Now())) % (5 * time.Second) // so that not all are asked at once
	for fails := 0; pause(ctx, wait); {
		got, err := b.prober.fetch(ctx, Target{}, llm.Call{Method: http.MethodGet, URL: address, Header: h.Clone()}, pageBytes)
		var items []pageItem
		switch {
		case err != nil || got.status == http.StatusNotModified:
		case got.status != http.StatusOK:
			err = fmt.Errorf("status %d", got.status)
			if to := got.header.Get("Location"); to != "" {
				err = fmt.Errorf("status %d: write the address that it leads to, %s", got.status, cutBytes(printable(to), 200))
			}
		default:
			items, err = readPage(got.body, time.Now())
		}
		if ctx.Err() != nil {
			return
		}
		b.count("status_page", err)
		wait = pageEvery
		switch {
		case err != nil:
			if fails++; fails == 1 {
				b.log.Warn("a status page cannot be read", "provider", s.Provider, "err", errorText(err.Error()))
			}
			wait = min(pageBackoff, pageEvery<<min(fails, 8))
			continue
		case fails > 0:
			b.log.Info("a status page can be read again", "provider", s.Provider)
		}
		fails = 0
		if got.status == http.StatusNotModified {
			continue
		}
		h = http.Header{}
		if etag := got.header.Get("ETag"); etag != "" && len(etag) < 500 {
			h.Set("If-None-Match", etag)
		} else if at := got.header.Get("Last-Modified"); at != "" && len(at) < 100 {
			h.Set("If-Modified-Since", at)
		}
		state = b.news(s, state, items)
	}
}

// news tells what of items is not in old, and what of old is over, and returns
// the items by id.
func (b *Bulletins) news(s Source, old map[string]pageItem, items []pageItem) map[string]pageItem {
	now := map[string]pageItem{}
	var texts []string
	for _, i := range items {
		was, known := old[i.id]
		now[i.id] = i
		if (known || !i.over()) && was != i {
			texts = append(texts, i.text())
		}
	}
	var gone []string
	for id, was := range old {
		if _, still := now[id]; !still && !was.over() {
			was.status = "no longer shown"
			gone = append(gone, was.text())
		}
	}
	slices.Sort(gone)
	for _, text := range append(texts, gone...) {
		for _, id := range names(s.Targets) {
			b.tell(Notice{At: time.Now().UTC().Round(0), Target: id, Kind: NoticeStatus, Text: text})
		}
	}
	return now
}

// readPage reads a status page: the summary of statuspage.io's software, or a
// feed in Atom or RSS. It returns what is going on, or was said to be over
// lately.
func readPage(body []byte, now time.Time) ([]pageItem, error) {
	switch trimmed := bytes.TrimLeft(body, " \t\r\n\ufeff"); {
	case len(trimmed) == 0:
		return nil, errors.New("it is empty")
	case trimmed[0] == '{':
		return readSummary(trimmed)
	case trimmed[0] == '<':
		return readFeed(trimmed, now)
	}
	return nil, errors.New("it is neither a JSON summary nor a feed")
}

func readSummary(body []byte) ([]pageItem, error) {
	type entry struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Status string `json:"status"`
	}
	var s struct {
		Status *struct {
			Indicator   string `json:"indicator"`
			Description string `json:"description"`
		} `json:"status"`
		Incidents    []entry `json:"incidents"`
		Maintenances []entry `json:"scheduled_maintenances"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("summary: %w", err)
	}
	if s.Status == nil {
		return nil, errors.New("summary: it has no status")
	}
	var out []pageItem
	for _, e := range append(s.Incidents, s.Maintenances...) {
		out = appendItem(out, pageItem{e.ID, e.Name, e.Status})
	}
	if len(out) == 0 && s.Status.Indicator != "" && s.Status.Indicator != "none" {
		out = appendItem(out, pageItem{"status", s.Status.Description, s.Status.Indicator})
	}
	return out, nil
}

// appendItem adds an item whose texts are of bounded length and printable.
func appendItem(items []pageItem, i pageItem) []pageItem {
	clean := func(s string, most int) string {
		return cutBytes(strings.TrimSpace(printable(cutBytes(s, 4*most))), most)
	}
	i.id, i.title, i.status = clean(i.id, 200), clean(i.title, 200), strings.ReplaceAll(clean(i.status, 40), "_", " ")
	if i.title == "" || len(items) >= maxPageItems {
		return items
	}
	if i.id == "" {
		i.id = i.title
	}
	return append(items, i)
}

// feedEntry is an entry of Atom or an item of RSS.
type feedEntry struct {
	ID          string `xml:"id"`
	GUID        string `xml:"guid"`
	Title       string `xml:"title"`
	Updated     string `xml:"updated"`
	Published   string `xml:"published"`
	PubDate     string `xml:"pubDate"`
	Content     string `xml:"content"`
	Summary     string `xml:"summary"`
	Description string `xml:"description"`
}

// feedStatus finds the newest state that an incident's text tells: feeds put
// the newest update first.
var feedStatus = regexp.MustCompile(`(?i)\b(investigating|identified|monitoring|verifying|in progress|scheduled|resolved|completed|postmortem)\b`)

func readFeed(body []byte, now time.Time) ([]pageItem, error) {
	var f struct {
		XMLName xml.Name
		Entries []feedEntry `xml:"entry"`
		Channel *struct {
			Items []feedEntry `xml:"item"`
		} `xml:"channel"`
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = nil // UTF-8 only
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	entries := f.Entries
	switch {
	case f.Channel != nil:
		entries = f.Channel.Items
	case f.XMLName.Local != "feed":
		return nil, fmt.Errorf("feed: a %q is neither Atom nor RSS", cutBytes(printable(f.XMLName.Local), 40))
	}
	var out []pageItem
	for _, e := range entries {
		at, dated := feedTime(e)
		if dated && now.Sub(at) > pageFresh {
			continue
		}
		text := cutBytes(e.Content+e.Summary+e.Description, 16<<10)
		out = appendItem(out, pageItem{or(e.ID, e.GUID), e.Title, strings.ToLower(feedStatus.FindString(text))})
	}
	return out, nil
}

// feedTime is when an entry was changed last.
func feedTime(e feedEntry) (time.Time, bool) {
	for _, s := range []string{e.Updated, e.Published, e.PubDate} {
		for _, layout := range []string{time.RFC3339, time.RFC1123Z, time.RFC1123, "Mon, 2 Jan 2006 15:04:05 -0700"} {
			if at, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
				return at, true
			}
		}
	}
	return time.Time{}, false
}
