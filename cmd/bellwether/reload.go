package main

import (
	"context"
	"maps"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"
)

// watchEvery is how often the config file is looked at for changes.
const watchEvery = 2 * time.Second

// onChange calls reload on SIGHUP, and whenever one of the files changes that
// the config in force was made of, until ctx ends. What could not be reloaded
// is tried again when a file changes again.
func onChange(ctx context.Context, inForce func() fileStamps, reload func()) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := inForce()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := last.now()
			if maps.Equal(now, last) || slices.Contains(slices.Collect(maps.Values(now)), fileStamp{}) {
				continue // unchanged, or being replaced
			}
		case <-hup:
		}
		before := inForce()
		last = last.now()
		reload()
		if now := inForce(); !maps.Equal(now, before) {
			last = now // the new config may be made of other files
		}
	}
}

// fileStamp tells two versions of a file apart.
type fileStamp struct {
	size int64
	time int64
}

func stamp(file string) fileStamp {
	info, err := os.Stat(file)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size(), info.ModTime().UnixNano()}
}

// keepSettled puts back those of the sections, named by their keys, that only a
// restart can change, and returns which of them the new config changes.
func keepSettled(cfg, old *Config, sections ...string) (kept []string) {
	for _, name := range sections {
		now, before := section(reflect.ValueOf(cfg).Elem(), name), section(reflect.ValueOf(old).Elem(), name)
		if !reflect.DeepEqual(now.Interface(), before.Interface()) {
			kept = append(kept, name)
			now.Set(before)
		}
	}
	return kept
}

// keepSettledButCallers is keepSettled, except that who may call the router is
// put in force by a reload: tokens are replaced while it runs. Only to admit
// everybody, where some were kept out, takes a restart, for the address that it
// listens on does too.
func keepSettledButCallers(cfg, old *Config, sections ...string) (kept []string) {
	keys, callers := cfg.Router.Keys, cfg.Router.Callers
	cfg.Router.Keys, cfg.Router.Callers = old.Router.Keys, old.Router.Callers
	kept = keepSettled(cfg, old, sections...)
	if len(keys)+len(callers) == 0 && len(old.Router.Keys)+len(old.Router.Callers) > 0 {
		return append(kept, "router.keys")
	}
	cfg.Router.Keys, cfg.Router.Callers = keys, callers
	return kept
}

// section returns the part of a config that a path of keys names.
func section(v reflect.Value, path string) reflect.Value {
	key, rest, more := strings.Cut(path, ".")
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch name := yamlName(f); {
		case name == "" && f.Anonymous:
			if found := section(v.Field(i), path); found.IsValid() {
				return found
			}
		case name == key && more:
			return section(v.Field(i), rest)
		case name == key:
			return v.Field(i)
		}
	}
	return reflect.Value{}
}
