##@ Set-up
.PHONY: need-go setup setup-test setup-axe setup-device setup-board setup-dist setup-recipes
# All C except generated code.
C_FILES = $(filter-out third_party/sg2002/abi/facts.h,$(shell git ls-files '*.c' '*.h'))
TOOL := $(GO) tool -modfile=toolchain/lint/go.mod

# Before anything is installed.
need-go:
	@GO='$(GO)' toolchain/need-go.sh

setup: need-go ## install build dependencies (Debian packages); does nothing if all are installed
	@toolchain/apt.sh build

setup-test: need-go setup-axe ## install the tests' additional dependencies
	@toolchain/apt.sh build test sim

setup-device: need-go
	@toolchain/apt.sh device

setup-board: setup-device
	@toolchain/apt.sh board

setup-dist: setup setup-device
	@toolchain/apt.sh dist

setup-recipes: setup-test
	@toolchain/apt.sh recipes

# axe-core checks the pages' accessibility in their tests; once it is here, they work offline.
AXE := $(BUILD)/axe/node_modules/.package-lock.json
setup-axe: $(AXE)

$(AXE): toolchain/axe/package.json toolchain/axe/package-lock.json
	@command -v npm >/dev/null || toolchain/apt.sh axe
	@mkdir -p $(BUILD)/axe && cp toolchain/axe/package.json toolchain/axe/package-lock.json toolchain/axe/.npmrc $(BUILD)/axe/
	@cd $(BUILD)/axe && npm ci --silent --ignore-scripts && touch node_modules/.package-lock.json
