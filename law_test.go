package bellwether_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bellwether-llm/bellwether"

// law says who may import whom, as "imported < importers". Every import inside
// the module that no row allows is an error. "bellwether" is the root package;
// "x/*" is every package below x; "x (tests)" allows x's tests only.
const law = `
	bellwether < llm
	bellwether < scoring, slo, store, store/*, alerting, alerting/*, api, api/client, probes, router, internal/sim, internal/sim/fit
	bellwether < internal/evaluate, internal/evaluate/*
	llm        < probes, router, internal/sim
	api/client < router, api (tests)
	alerting   < alerting/*
	store      < store/*

	internal/conf   < *
	internal/shares < *
	internal/sketch < *
	internal/id     < *
	internal/arrival < *
	internal/via    < *
	internal/filelock < *
	internal/h1     < *

	internal/sim    < internal/sim/*, probes (tests), router (tests), api (tests)
	store/storetest < store/* (tests)
	store/memory    < store/* (tests)
	alerting/channeltest < alerting/* (tests)

	scoring < internal/evaluate, internal/evaluate/*
	internal/evaluate/* < internal/evaluate, internal/evaluate/*

	* < cmd/bellwether, internal/bench/*
`

// homes names the packages in which each third-party library lives. A library
// that is not listed may be used nowhere; "(tests)" allows tests only.
const homes = `
	github.com/robfig/cron/v3          < probes
	github.com/slack-go/slack          < alerting/slack
	github.com/gorilla/websocket       < api, api/client
	modernc.org/sqlite                 < store/sqlite
	github.com/prometheus              < api
	github.com/VictoriaMetrics/metrics < router
	github.com/DataDog/sketches-go     < internal/sketch
	github.com/google/uuid             < internal/id
	github.com/santhosh-tekuri/jsonschema/v6 < probes, cmd/bellwether, api (tests)
	go.yaml.in/yaml/v4                 < cmd/bellwether, api (tests), probes (tests), alerting (tests), slo (tests)
	github.com/spf13/cobra             < cmd/bellwether
	github.com/invopop/jsonschema      < cmd/bellwether (tests)
	golang.org/x/text                  < cmd/bellwether, probes
	golang.org/x/time                  < router, api, probes
	golang.org/x/sync                  < *
	golang.org/x/sys                   < store/sqlite, cmd/bellwether
	go.uber.org/goleak                 < * (tests)
	pgregory.net/rapid                 < * (tests)
	github.com/rogpeppe/go-internal    < * (tests)
`

type rule struct {
	imported, importer string
	testsOnly          bool
}

func parseLaw(t *testing.T, text string) []rule {
	var rules []rule
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		imported, importers, ok := strings.Cut(line, "<")
		if !ok {
			t.Fatalf("law: cannot read %q", line)
		}
		for importer := range strings.SplitSeq(importers, ",") {
			name, testsOnly := strings.CutSuffix(strings.TrimSpace(importer), " (tests)")
			rules = append(rules, rule{strings.TrimSpace(imported), name, testsOnly})
		}
	}
	return rules
}

// matches reports whether the pattern of a law covers the package.
func matches(pattern, pkg string) bool {
	if pattern == "*" || pattern == pkg {
		return true
	}
	prefix, below := strings.CutSuffix(pattern, "/*")
	return below && strings.HasPrefix(pkg, prefix+"/")
}

func allowed(rules []rule, imported, importer string, test bool, same func(pattern, pkg string) bool) bool {
	return slices.ContainsFunc(rules, func(r rule) bool {
		return same(r.imported, imported) && matches(r.importer, importer) && (test || !r.testsOnly)
	})
}

type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func listPackages(t *testing.T) []goPackage {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// short names a package of the module as the law does.
func short(path string) (string, bool) {
	if path == module {
		return "bellwether", true
	}
	return strings.CutPrefix(path, module+"/")
}

func TestEveryImportIsAllowedByTheLaw(t *testing.T) {
	inside, outside := parseLaw(t, law), parseLaw(t, homes)
	for _, p := range listPackages(t) {
		importer, _ := short(p.ImportPath)
		check := func(imports []string, test bool) {
			for _, path := range imports {
				if imported, ours := short(path); ours {
					if imported != importer && !allowed(inside, imported, importer, test, matches) {
						t.Errorf("%s imports %s (test: %v): no row of the law allows it", importer, imported, test)
					}
				} else if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
					if !allowed(outside, path, importer, test, below) {
						t.Errorf("%s imports %s (test: %v): its home is elsewhere", importer, path, test)
					}
				}
			}
		}
		check(p.Imports, false)
		check(p.TestImports, true)
		check(p.XTestImports, true)
	}
}

// below reports whether pkg is the module or folder named, or inside it.
func below(pattern, pkg string) bool {
	return pkg == pattern || strings.HasPrefix(pkg, pattern+"/")
}

func TestTheRootHoldsNounsOnlyAndStaysSmall(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				lines++
			}
		}
	}
	if lines >= 500 {
		t.Errorf("the root package has %d lines of code; it holds nouns and stays under 500", lines)
	}
}
