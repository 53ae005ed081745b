# maixstream: every command a user or developer types. Parts add their own targets in *.mk files beside their code:
# a part appends its test target to HOST_TESTS or BOARD_TESTS and its Debian packages (through toolchain/apt.sh) itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
BUILD := build
export CGO_ENABLED ?= 1

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

TOOL := $(GO) tool -modfile=toolchain/lint/go.mod

# The tests run in two rows beside each other, which take about as long: those of this machine, and those of what is built for boards and
# releases. Within a row one follows the other: they share network namespaces, virtual machines and what they build.
HOST_TESTS := lint test-go test-cgo test-nocgo
BOARD_TESTS :=

.PHONY: test-row-host test-row-board help setup setup-test build run test lint test-go test-cgo test-nocgo fmt fuzz
help: ## print this list
	@grep -hE '^[a-z0-9_-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: ## install what a build needs (Debian packages); does nothing when all is there
	@toolchain/apt.sh build

build: setup ## build/maixstream for this machine
	@mkdir -p $(BUILD)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/maixstream ./cmd/maixstream

run: build ## build and serve at http://localhost:8000 (flags: make run ARGS='--source photos/')
	$(BUILD)/maixstream serve $(ARGS)

include $(sort $(wildcard */*.mk */*/*.mk))

setup-test: ## install what the tests need besides
	@toolchain/apt.sh build test sim

lint: setup ## formatting, vet, staticcheck
	@unformatted=$$($(TOOL) gofumpt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not gofumpt-formatted (make fmt): $$unformatted"; exit 1; }
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./...
	$(TOOL) staticcheck ./...

fmt: ## format all Go files
	$(TOOL) gofumpt -w $$(git ls-files '*.go')

test-go: setup-test sim-libs ## every package's tests, with the race detector
	$(GO) test -race $(GOTESTFLAGS) ./...

test-cgo: setup-test sim-libs ## the packages with C, under the strict check of cgo's pointer rules
	GOEXPERIMENT=cgocheck2 $(GO) test -short $(GOTESTFLAGS) $$($(GO) list -f '{{if .CgoFiles}}{{.ImportPath}}{{end}}' ./...)

test-nocgo: setup-test ## what must work without a C compiler
	CGO_ENABLED=0 $(GO) test -short $(GOTESTFLAGS) ./...

# Inputs that are found interesting are made smaller for a minute each, unless told otherwise: nothing would be tried meanwhile.
FUZZTIME ?= 1m
fuzz: setup-test sim-libs ## fuzz whatever reads bytes of others, FUZZTIME=1m each
	@for package in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
		echo "$$package $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$package || exit 1; done; done

# What a test needs is there now: one that would be skipped for want of it elsewhere fails.
test: export CI := true
test: setup-test sim-libs ## everything that CI runs
	@$(MAKE) --no-print-directory -j2 test-row-host test-row-board
	@echo "all tests passed: $(HOST_TESTS) $(BOARD_TESTS)"

row = @for target in $(1); do begin=$$SECONDS; MAKEFLAGS="$(filter-out -j% --jobserver-auth=%,$(MAKEFLAGS))" $(MAKE) --no-print-directory $$target || { echo "make test: $$target FAILED"; exit 1; }; \
	echo "make test: $$target passed in $$((SECONDS - begin)) s"; done

test-row-host:
	$(call row,$(HOST_TESTS))

test-row-board:
	$(call row,$(BOARD_TESTS))
