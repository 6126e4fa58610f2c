package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/via"
)

// fileStamps are the files that a config was made of, as they were when they
// were read.
type fileStamps map[string]fileStamp

// read returns what is in file, and remembers which version of it that was.
func (s fileStamps) read(file string) ([]byte, error) {
	s[file] = stamp(file) // before: what changes in between is read again
	return os.ReadFile(file)
}

// now returns the stamps of the same files as they are now.
func (s fileStamps) now() fileStamps {
	out := fileStamps{}
	for file := range s {
		out[file] = stamp(file)
	}
	return out
}

// readWays reads the files that say how providers are reached. Relative paths
// are relative to dir.
func readWays(cfg *Config, dir string) []conf.Problem {
	var ps []conf.Problem
	for _, name := range slices.Sorted(maps.Keys(cfg.Providers)) {
		p := cfg.Providers[name]
		bad := func(field, text, remedy string) {
			ps = append(ps, conf.Problem{Path: "providers." + name + "." + field, Text: text, Remedy: remedy})
		}
		before := len(ps)
		read := func(field, file string) []byte {
			if file == "" {
				return nil
			}
			if !filepath.IsAbs(file) {
				file = filepath.Join(dir, file)
			}
			b, err := cfg.read.read(file)
			if err != nil {
				bad(field, "read it: "+err.Error(), "check the path and its permissions")
			} else if len(b) == 0 {
				bad(field, "the file is empty", "put PEM into it")
			}
			return b
		}
		o := via.Options{Proxy: p.Proxy.Reveal(), CA: read("ca_file", p.CAFile), Cert: read("cert_file", p.CertFile), Key: read("key_file", p.KeyFile)}
		if (p.CertFile == "") != (p.KeyFile == "") {
			bad("cert_file", "a certificate and its key belong together", "write both cert_file and key_file")
		}
		if len(ps) > before {
			continue
		}
		way, err := via.New(o)
		switch {
		case errors.Is(err, via.ErrProxy):
			bad("proxy", "is no proxy's address", "write http://host:port, https://..., socks5://... or none")
		case errors.Is(err, via.ErrCA):
			bad("ca_file", "holds no certificate", "put certificates in PEM into it")
		case err != nil:
			bad("cert_file", err.Error(), "put the certificate into cert_file and its own key into key_file, both in PEM")
		}
		p.Way = way
		cfg.Providers[name] = p
	}
	return ps
}
