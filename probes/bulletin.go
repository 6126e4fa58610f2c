package probes

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
)

// Notice is something that a provider says of itself: that a model is in its
// list no more, or what its status page tells. It is worth knowing and never a
// verdict: many incidents stand on status pages only when they are over.
type Notice struct {
	At     time.Time
	Target string
	Kind   string // listing or status
	Text   string // one clause, for people; printable, of bounded length
}

// The kinds of notices.
const (
	NoticeListing = "listing"
	NoticeStatus  = "status"
)

// Source is one provider with its targets.
type Source struct {
	Provider   string
	Targets    []Target
	StatusPage string // address of its status page or feed; "" for none
}

const (
	pageEvery   = time.Minute
	pageBackoff = 15 * time.Minute // at most, between attempts that fail
	pageLimit   = 10 * time.Second
	pageBytes   = 1 << 20
	listEvery   = 24 * time.Hour
	listAgain   = time.Hour // after a list that failed, or lacks a model that it had
	listPages   = 20
	listBytes   = 4 << 20
)

// Bulletins follow what providers say of themselves: once a day their lists of
// models, at a time of day hashed from who is asked, and every minute their
// status pages. Run owns one goroutine for each; it is safe for concurrent use.
type Bulletins struct {
	prober  *Prober
	tell    func(Notice)
	noLists bool
	log     *slog.Logger
	change  chan struct{}

	mu      sync.Mutex
	sources []Source
	counts  map[string]uint64
	known   map[listKey]map[string]bool // models that a list had
}

// BulletinOptions are what bulletins can do without.
type BulletinOptions struct {
	// SkipModelLists leaves the lists of models alone.
	SkipModelLists bool
	// Log tells when somebody cannot be asked, and can be again; nil discards.
	Log *slog.Logger
}

// NewBulletins returns bulletins of sources, asked over p's connections. Each
// notice is given to tell, which must be safe for concurrent use.
func NewBulletins(p *Prober, sources []Source, tell func(Notice), o BulletinOptions) (*Bulletins, error) {
	if p == nil || tell == nil {
		return nil, errors.New("bulletins: they need a prober and somebody to tell")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Bulletins{prober: p, tell: tell, noLists: o.SkipModelLists, log: o.Log, sources: sources,
		change: make(chan struct{}, 1), counts: map[string]uint64{}, known: map[listKey]map[string]bool{}}, nil
}

// Replace follows other sources from now on. It does not block.
func (b *Bulletins) Replace(sources []Source) {
	b.mu.Lock()
	b.sources = sources
	b.mu.Unlock()
	select {
	case b.change <- struct{}{}:
	default:
	}
}

// Counts returns how many requests were made since the start: model_list and
// status_page, and of each how many failed (model_list_failed ...).
func (b *Bulletins) Counts() map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.counts)
}

func (b *Bulletins) count(what string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[what]++
	if err != nil {
		b.counts[what+"_failed"]++
	}
}

// Run follows the sources until ctx ends; it returns nil when it asks nobody
// any more.
func (b *Bulletins) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		round, stop := context.WithCancel(ctx)
		b.mu.Lock()
		sources := b.sources
		b.mu.Unlock()
		var asking sync.WaitGroup
		for _, s := range sources {
			if s.StatusPage != "" {
				asking.Go(func() { b.followPage(round, s) })
			}
		}
		if !b.noLists {
			for key, targets := range lists(sources) {
				asking.Go(func() { b.followList(round, key, targets) })
			}
		}
		select {
		case <-ctx.Done():
		case <-b.change:
		}
		stop()
		asking.Wait()
	}
	return nil
}

// pause sleeps, and reports whether it slept to the end.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// listKey names a list of models: who is asked, with which key.
type listKey struct{ protocol, base, key string }

// lists groups the targets by the list that their models stand in.
func lists(sources []Source) map[listKey][]Target {
	out := map[listKey][]Target{}
	for _, s := range sources {
		for _, t := range s.Targets {
			if codec, err := llm.For(t.Protocol); err == nil {
				if _, ok := codec.(llm.Lister); ok {
					key := listKey{string(t.Protocol), t.Endpoint.BaseURL, t.Endpoint.Key.Reveal()}
					out[key] = append(out[key], t)
				}
			}
		}
	}
	return out
}

// untilList is how long it is from now to the time of day at which the list is
// asked for.
func (k listKey) untilList(now time.Time) time.Duration {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%s", k.protocol, k.base, k.key) // never fails
	phase := time.Duration(h.Sum64() % uint64(listEvery))
	d := (phase - time.Duration(now.UnixNano())%listEvery + listEvery) % listEvery
	if d < time.Minute { // it is that time: the next one is tomorrow
		d += listEvery
	}
	return d
}

// followList asks for one list of models: within ten minutes of the start, so
// that it is known what is in it, and then once a day. A model that was in it
// and is not must be missing twice, an hour apart.
func (b *Bulletins) followList(ctx context.Context, key listKey, targets []Target) {
	wait, failing := key.untilList(time.Now())%(10*time.Minute), false
	missing := map[string]bool{}
	for pause(ctx, wait) {
		models, err := b.prober.models(ctx, targets[0])
		if ctx.Err() != nil {
			return
		}
		b.count("model_list", err)
		switch {
		case err != nil && !failing:
			b.log.Warn("a provider's list of models cannot be read", "target", targets[0].ID, "err", err)
		case err == nil && failing:
			b.log.Info("a provider's list of models can be read again", "target", targets[0].ID)
		}
		failing = err != nil
		wait = key.untilList(time.Now())
		if err != nil || b.compare(key, targets, models, missing) {
			wait = min(wait, listAgain)
		}
	}
}

// compare tells of models that left the list, came back, or are deprecated. It
// reports whether one is missing for the first time.
func (b *Bulletins) compare(key listKey, targets []Target, models []llm.Model, missing map[string]bool) (unsure bool) {
	listed := map[string]llm.Model{}
	for _, m := range models {
		listed[m.ID] = m
	}
	b.mu.Lock()
	was := b.known[key]
	if was == nil {
		was = map[string]bool{}
		b.known[key] = was
	}
	b.mu.Unlock()
	say := func(t Target, text string) {
		b.tell(Notice{At: time.Now().UTC().Round(0), Target: t.ID, Kind: NoticeListing, Text: text})
	}
	for _, t := range targets {
		name := t.model()
		m, here := listed[name]
		switch {
		case here && missing[name] && !was[name]:
			say(t, fmt.Sprintf("the provider lists the model %q again", cutBytes(printable(name), 100)))
		case here && m.Deprecated && !missing["deprecated "+name]:
			missing["deprecated "+name] = true
			say(t, fmt.Sprintf("the provider lists the model %q as deprecated", cutBytes(printable(name), 100)))
		case !here && was[name] && missing[name]:
			say(t, fmt.Sprintf("the provider does not list the model %q any more", cutBytes(printable(name), 100)))
		case !here && was[name]:
			unsure = true
		}
	}
	for name := range modelNames(targets) { // several targets may have one
		_, here := listed[name]
		switch {
		case here:
			was[name] = true
			delete(missing, name)
		case was[name] && missing[name]:
			was[name] = false // said; it stays in missing, so that its return is told
		case was[name]:
			missing[name] = true
		}
	}
	return unsure
}

func modelNames(targets []Target) map[string]bool {
	out := map[string]bool{}
	for _, t := range targets {
		out[t.model()] = true
	}
	return out
}

// models asks for the list of models that t's stands in.
func (p *Prober) models(ctx context.Context, t Target) ([]llm.Model, error) {
	codec, err := p.codec(t.Protocol)
	if err != nil {
		return nil, err
	}
	lister, ok := codec.(llm.Lister)
	if !ok {
		return nil, fmt.Errorf("protocol %s has no list of models", t.Protocol)
	}
	scrub := newScrubber(t.Endpoint)
	var all []llm.Model
	call := codec.Models(t.Endpoint)
	for range listPages {
		got, err := p.fetch(ctx, t, call, listBytes)
		if err != nil {
			return nil, errors.New(errorText(scrub.clean(err.Error())))
		}
		if got.status != http.StatusOK {
			return nil, fmt.Errorf("status %d", got.status)
		}
		models, next, err := lister.DecodeModels(got.body)
		if err != nil {
			return nil, errors.New(errorText(scrub.clean(err.Error())))
		}
		all = append(all, models...)
		if next == "" {
			return all, nil
		}
		call = lister.MoreModels(t.Endpoint, next)
	}
	return nil, fmt.Errorf("the list has more than %d pages", listPages)
}

// fetched is a plain answer.
type fetched struct {
	status int
	header http.Header
	body   []byte
}

// fetch makes one call that is no probe, over a connection of its own, by the
// way to t.
func (p *Prober) fetch(ctx context.Context, t Target, call llm.Call, limit int64) (fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, pageLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, http.NoBody)
	if err != nil {
		return fetched{}, bare(err)
	}
	if call.Header != nil {
		req.Header = call.Header
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", p.agent)
	}
	resp, err := p.client(Job{Target: t, Fresh: true}).Do(req)
	if err != nil {
		return fetched{}, bare(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return fetched{}, bare(err)
	case int64(len(body)) > limit:
		return fetched{}, errTooLarge
	}
	return fetched{resp.StatusCode, resp.Header, body}, nil
}

// names are the ids of targets.
func names(targets []Target) []string {
	var out []string
	for _, t := range targets {
		out = append(out, t.ID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
