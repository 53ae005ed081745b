# What people type; `make help` lists it. The rules behind it are in toolchain/make/*.mk, what the tests of `make test` need is in toolchain/packages.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
BUILD := build
DEVICE := $(BUILD)/riscv64/maixstream
export CGO_ENABLED ?= 1

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# What `make test` runs: two rows side by side that take about as long, those of this machine and those of what is built for boards and
# releases. Within a row one follows the other: they share network namespaces, virtual machines and what they build.
HOST_TESTS := lint test-go test-cgo test-nocgo test-asan-libjpeg test-asan-sg2002 test-poison test-vivid test-abi test-sim test-recipes
BOARD_TESTS := test-sg2002-riscv64 test-dist test-device test-riscv64 test-board

.PHONY: help run build test lint fmt bench device flash unflash dist
##@ Most used
run: build ## build, and serve at http://localhost:8000 (flags: make run ARGS='--source photos/')
	$(BUILD)/maixstream serve $(ARGS)

build: setup ## build/maixstream for this machine
	@mkdir -p $(BUILD)
	@GO='$(GO)' toolchain/progress.sh build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/maixstream ./cmd/maixstream

test: setup-test sim-libs ## everything that CI runs
	@CI=true $(MAKE) --no-print-directory -j2 test-row-host test-row-board
	@echo "all tests passed: $(HOST_TESTS) $(BOARD_TESTS)"

flash: named device ## install on a MaixCAM: make flash HOST=maixcam-xxxx.local [USER=root PORT=22 KEY=FILE PASSWORD_FILE=FILE]
	@$(FLASH) $(FLASH_FLAGS) --program $(DEVICE)

unflash: named ## remove from a MaixCAM: make unflash HOST=…
	@$(FLASH) $(FLASH_FLAGS) --remove

dist: setup-dist device ## release files into build/dist: Debian packages, archives, bills of materials, checksums
	@BOARD_PROGRAM=$(DEVICE) toolchain/dist/dist.sh $(DIST)

device: setup-device ## build/riscv64/maixstream, the program for the board
	@mkdir -p $(dir $(DEVICE))
	@MAIXSTREAM_GO='$(GO)' GO=toolchain/progress.sh MAIXSTREAM_LDFLAGS='$(LDFLAGS)' toolchain/go.sh build -o $(DEVICE) ./cmd/maixstream
	@echo "$(DEVICE): $$(stat -c %s $(DEVICE)) bytes, version $(VERSION), commit $(COMMIT)"

lint: setup ## formatting, vet, staticcheck, golangci-lint, clang-format
	@toolchain/apt.sh lint
	@unformatted=$$($(TOOL) gofumpt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not gofumpt-formatted (make fmt): $$unformatted"; exit 1; }
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) golangci-lint run ./...
	@clang-format --dry-run -Werror $(C_FILES)

fmt: ## format all Go and C files
	@toolchain/apt.sh lint
	$(TOOL) gofumpt -w $$(git ls-files '*.go')
	clang-format -i $(C_FILES)

bench: bench-build ## run the standard benchmarks and write docs/BENCHMARKS.md (about 9 minutes; BENCH=quick: 2)
	$(BENCHSET) -only '$(BENCH_ONLY)'

help: ## print this list
	@awk -F':.*## ' '/^##@ /{heading="\n"substr($$0, 5)} /^[a-z0-9_-]+:.*## /{if (heading != "") print heading; heading=""; printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

include $(sort $(wildcard toolchain/make/*.mk))
