# maixstream: every command a user or developer types. Parts add their own targets in *.mk files beside their code:
# a part appends its test target to TEST_TARGETS and its Debian packages (through toolchain/apt.sh) itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
BUILD := build
export CGO_ENABLED ?= 1

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

TEST_TARGETS :=

.PHONY: help setup build run test
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

test: setup $(TEST_TARGETS) ## everything that CI runs
	@echo "all tests passed: $(TEST_TARGETS)"
