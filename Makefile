# make help lists every target. Only Go is needed, but for test-integration; the tools come from .ci/tools/go.mod.

BINARY ?= ./stockfold
TOOL   := go tool -modfile=.ci/tools/go.mod

# Our own packages: everything but what is generated.
OURS := $(addprefix ./,$(addsuffix /...,adapters aggregates deploy projections services proto/codec))
# Where goroutines share memory, and what takes too long under the race detector, starts processes that are built without
# it, or ends calls of EventStoreDB's client while it sends, which has a race of its own then.
CONCURRENT := ./adapters/... ./projections/... ./services/...
NOT_RACED  := TestREADME|TestRulesOfTheDemonstration|TestEndedInTheMiddle|TestBench|TestKilledProcess|TestMovementIsSmallOnDisk|TestCrash/[23]|TestAServerThatHangs|TestFaultsUnderLoad

.DEFAULT_GOAL := help
.PHONY: help run build test test-race test-integration replicas lint generate check-generated check-breaking bench bench-quick bench-compare bench-report clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build, serve, load real data when there is none yet, and say what to try.
	$(BINARY) serve --demo

build: ## Build ./stockfold.
	go build -o $(BINARY) ./services/stockfold

test: ## Run every test.
	go test ./...

test-race: ## Run the tests of adapters, projections and services under the race detector.
	go test -race -skip '$(NOT_RACED)' $(CONCURRENT)

test-integration: ## Run the tests that need real servers: Apache Kafka and Redis, found or installed.
	@.ci/integration

replicas: ## Kill each of three replicas, and what they share, under load; mix versions; print what was counted.
	@.ci/integration -v ./services/stockfold/replicas 'TestReplicas$$|TestHotSKU|TestMixedVersions'

lint: ## Check format, vet, staticcheck and the contract's style.
	@files=$$(gofmt -l $(patsubst %/...,%,$(OURS))); if [ -n "$$files" ]; then echo "gofmt is needed:"; echo "$$files"; exit 1; fi
	go vet ./...
	$(TOOL) staticcheck $(OURS)
	$(TOOL) buf lint

generate: ## Generate Go, REST and OpenAPI from the contract.
	$(TOOL) buf generate

check-generated: ## Prove that what is generated is current.
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && $(TOOL) buf generate -o "$$tmp" && \
		diff -r "$$tmp/proto/gen" proto/gen || { echo "run make generate and commit what it changes"; exit 1; }

check-breaking: ## Prove that the contract still serves those who use the previous commit's.
	@if git cat-file -e HEAD~1:buf.yaml 2>/dev/null; then $(TOOL) buf breaking --against '.git#ref=HEAD~1'; \
		else echo "there is no previous contract to compare with"; fi

bench: build ## Measure everything, in under ten minutes, and write bench.md and bench.json.
	$(BINARY) bench --markdown bench.md --json bench.json

bench-quick: build ## Measure the headline rows in a minute.
	$(BINARY) bench --quick --markdown bench.md --json bench.json

bench-report: build ## Measure everything, and put the report into deploy/benchmarks.md.
	@BINARY=$(BINARY) .ci/bench-report

bench-compare: ## Compare a stable set of Go benchmarks with BASE, in turns: what got significantly worse fails it.
	@.ci/bench $(BASE)

clean: ## Remove what make built; the data directory stays.
	rm -f $(BINARY) bench.md bench.json
