# `make` alone lists what can be made. Only the Go toolchain is needed to
# build and run; tests install or name what else they want.

GO       ?= go
TOOLS    := tools/go.mod
STATIC   := $(GO) tool -modfile=$(TOOLS)
FUZZTIME ?= 5s

.PHONY: help build demo test lint unit counterparts counterparts-npm fuzz ui ui-check browser vuln bench bench-timing bench-probes bench-router drill evaluate evaluate-quick schema clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build ./bellwether
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bellwether ./cmd/bellwether

demo: ## run the demo
	$(GO) run ./cmd/bellwether demo

test: lint unit evaluate-quick counterparts counterparts-npm fuzz ui-check browser vuln ## everything that CI runs

lint: ## gofmt, vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed: $$out"; exit 1; }
	$(GO) vet ./...
	$(STATIC) staticcheck ./...

unit: ## all Go tests, with the race detector
	$(GO) test -race ./...
	$(GO) test ./scoring # its simulations are longer without the detector

counterparts: ## official provider SDKs against the simulator and the router
	cd internal/counterparts && $(GO) vet ./... && $(GO) test ./...

counterparts-npm: ## official clients from npm likewise; needs Node.js
	@.ci/counterparts-npm

fuzz: ## every fuzz target for FUZZTIME (default 5s)
	@FUZZTIME=$(FUZZTIME) .ci/fuzz

ui: ## rebuild the dashboard's committed assets
	cd ui && npm ci --no-audit --no-fund && npm run build

ui-check: ## type check and unit tests of the dashboard; the committed build matches its source
	@.ci/ui-check

browser: ## the dashboard in real Chromium against the running demo
	@.ci/browser

vuln: ## known vulnerabilities, where the database can be reached
	@.ci/vuln

bench: ## benchmarks of the hot paths
	$(GO) test -run '^$$' -bench . -benchmem ./scoring ./internal/shares ./internal/sketch ./router ./api ./store/... ./probes ./llm ./cmd/bellwether

bench-timing: ## how true the prober's clock is, beside the simplest client; about a minute
	$(GO) run ./internal/bench/timing

bench-probes: ## 1,000 streamed probes a second: processor, memory, lateness, beside the simplest client
	$(GO) run ./internal/bench/probes

evaluate: ## how close scoring is to what mathematics allows, and others; an hour; rewrites docs/evaluation.md
	$(GO) run ./internal/evaluate

evaluate-quick: ## the same in short, held to internal/evaluate/expected.json
	$(GO) run ./internal/evaluate --quick --cache -

bench-sim: ## chunks a second that the simulated provider streams on one core
	$(GO) test ./internal/sim -run '^$$' -bench ChunksOnOneCore -benchtime 10x

bench-router: ## the router beside HAProxy, nginx and the standard library's proxy; about four minutes
	$(GO) run ./internal/bench/router

drill: ## the router while its first target dies in five ways under load; about four minutes
	$(GO) run ./internal/bench/drill

schema: ## regenerate the config's JSON Schema
	$(GO) test ./cmd/bellwether -run TestSchemaIsInStep -update

clean: ## remove what was built
	rm -rf bellwether artifacts coverage.out
