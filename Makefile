# streamsql. `make` alone lists the targets.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)

# Tools are run at a pinned version and are no dependency of the module, so that programs which embed it never see them.
STATICCHECK = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# A PostgreSQL, the oracle, for as long as the command after it runs.
WITH_POSTGRES = $(GO) run ./internal/pgtest/cmd/pgserver --

# The packages in which goroutines meet.
RACE_DIRS     = . changelog exec state sources sinks server
RACE_PACKAGES = $(foreach d,$(RACE_DIRS),$(if $(filter .,$d),$(if $(wildcard *.go),.),$(if $(wildcard $d/.),./$d/...)))

FUZZTIME   ?= 60
FUZZTOTAL  ?= 3600
KILLS      ?= 100
SEEDS      ?= 1000
BENCHFLAGS ?=

.PHONY: help build test setup lint race fuzz fuzz-short fuzz-sql test-crash bench bench-check demo tidy clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/streamsql
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/streamsql ./cmd/streamsql

# The plain tests come last: what one sees at the end is what go test says of every package.
test: setup lint ## everything CI runs: lint, races, a short fuzz run, all tests; installs what it needs
	@$(MAKE) --no-print-directory bench-check
	@$(MAKE) --no-print-directory race
	@$(MAKE) --no-print-directory fuzz-short
	$(WITH_POSTGRES) $(GO) test -vet=off -timeout 15m ./...

setup: # installs PostgreSQL and a C compiler where they are missing
	@.ci/setup

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(STATICCHECK) ./...

race: setup ## tests of the engine's packages with the race detector
	CGO_ENABLED=1 $(WITH_POSTGRES) $(GO) test -vet=off -race -short -timeout 15m $(RACE_PACKAGES)

fuzz-short: # a few seconds for every fuzz target
	.ci/fuzz 5 120

fuzz: ## fuzz every target for FUZZTIME seconds, at most FUZZTOTAL in all
	.ci/fuzz $(FUZZTIME) $(FUZZTOTAL)

fuzz-sql: setup ## random queries over random rows against PostgreSQL: SEEDS (1000) seeds
	SEEDS=$(SEEDS) $(WITH_POSTGRES) $(GO) test . -run TestRandomQueries -count 1 -timeout 0 -v

test-crash: build ## kill -9 the real command KILLS times (100) and compare its files with the right answer
	$(GO) test ./cmd/streamsql -run TestKill -count 1 -timeout 60m -v -kills $(KILLS)

bench: build ## the benchmarks beside DuckDB and plain Go loops, as a Markdown table
	@.ci/setup bench
	cd bench && CGO_ENABLED=1 $(GO) run . $(BENCHFLAGS)

# Everything in bench/ but DuckDB, whose libraries are a large download.
bench-check:
	cd bench && $(GO) vet -tags noduck ./... && $(GO) test -vet=off -tags noduck ./...

demo: build ## run a windowed query over real flights and show its results
	examples/demo.sh

tidy: ## go mod tidy, here and in bench/, whose go.sum follows this module's
	$(GO) mod tidy
	cd bench && $(GO) mod tidy

clean: ## remove what was built
	rm -rf bin
