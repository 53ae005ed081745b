##@ The parts of make test
.PHONY: test-row-host test-row-board test-go test-cgo test-nocgo test-asan-libjpeg test-asan-sg2002 test-poison test-vivid test-sg2002-riscv64 fuzz soak nightly

row = @for target in $(1); do begin=$$SECONDS; MAKEFLAGS="$(filter-out -j% --jobserver-auth=%,$(MAKEFLAGS))" $(MAKE) --no-print-directory $$target || { echo "make test: $$target FAILED"; exit 1; }; \
	echo "make test: $$target passed in $$((SECONDS - begin)) s"; done

test-row-host:
	$(call row,$(HOST_TESTS))

test-row-board:
	$(call row,$(BOARD_TESTS))

test-go: setup-test sim-libs ## every package's tests, with the race detector
	$(GO) test -race -timeout 30m $(GOTESTFLAGS) ./...

test-cgo: setup-test sim-libs ## the packages with C, with strict checks of cgo's pointer rules
	GOEXPERIMENT=cgocheck2 $(GO) test -short $(GOTESTFLAGS) $$($(GO) list -f '{{if .CgoFiles}}{{.ImportPath}}{{end}}' ./...)

test-nocgo: setup-test ## everything that must work without a C compiler
	CGO_ENABLED=0 $(GO) test -short $(GOTESTFLAGS) ./...

test-asan-libjpeg: setup-test ## the C around libjpeg-turbo, under AddressSanitizer
	ASAN_OPTIONS=detect_leaks=0 $(GO) test -short -asan $(GOTESTFLAGS) ./hw/libjpeg/...

test-poison: setup-test ## pictures and pushing, with released memory made inaccessible
	$(GO) test -tags poison $(GOTESTFLAGS) ./hw/picture
	$(GO) test -tags poison $(GOTESTFLAGS) -run 'Post|Early|Example' ./pipeline/push

test-vivid: setup-test ## webcams against the kernel's vivid driver, in a small virtual machine: the source, then the program with its API, page and command
	@mkdir -p $(BUILD)/vivid
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) test -c -tags vivid -o $(BUILD)/vivid/v4l2.test ./hw/source/internal/v4l2
	hw/source/internal/v4l2/vivid/vm.sh $(BUILD)/vivid/v4l2.test -test.v -test.timeout 200s
	VIVID_TIMEOUT=600 CI=true $(GO) test -tags vivid -count=1 -timeout 12m -v $(GOTESTFLAGS) -run '^TestWebcamsControls$$' ./cmd/maixstream

# The camera's tests on the simulator of the MPI's libraries, besides those run by test-go.
SG2002 := ./hw/sg2002
SG2002_ASAN := $(abspath $(BUILD))/sim/amd64-asan
SG2002_RISCV64 := $(abspath $(BUILD))/sim/riscv64
SG2002_SANITIZE := -fsanitize=undefined -fno-sanitize-recover=undefined

# The C side and the simulator under the same sanitizers. Not checked: leaks, because a killed process leaks; and the same sensor in two
# libraries, as boards have it.
test-asan-sg2002: setup-test ## the camera's C under AddressSanitizer and UBSan, on the simulator under both
	@toolchain/apt.sh sim
	@$(MAKE) --no-print-directory sim-libs SIM_ARCH=amd64-asan \
		SIM_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer' >/dev/null
	ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 UBSAN_OPTIONS=print_stacktrace=1 CI=true SG2002_SIM=$(SG2002_ASAN) CGO_CFLAGS='-O1 -g $(SG2002_SANITIZE)' CGO_LDFLAGS='$(SG2002_SANITIZE)' \
		$(GO) test -short -asan $(GOTESTFLAGS) $(SG2002)

# As the board runs it: musl, riscv64, the libraries opened by its loader. The kernel's part of the simulator runs on this machine.
test-sg2002-riscv64: setup-device sim-libs ## the camera's tests for riscv64 and musl, under qemu
	@toolchain/apt.sh board sim
	@settings=$$(toolchain/env.sh) && eval "$$settings" && $(MAKE) --no-print-directory sim-libs SIM_ARCH=riscv64 SIM_CC="$$CC" \
		SIM_CFLAGS="$$TARGET_CFLAGS" SIM_JPEG="-I$$LIBJPEG/include $$LIBJPEG/lib/libjpeg.a" >/dev/null
	CI=true SG2002_SIM=$(SG2002_RISCV64) SG2002_TOOL=$(abspath $(BUILD))/sim/$(shell $(GO) env GOHOSTARCH)/maixsim SG2002_EXEC=$(abspath toolchain/qemu.sh) \
		toolchain/go.sh test -short -timeout 15m $(GOTESTFLAGS) $(SG2002)

##@ Longer tests
SOAK_FRAMES ?= 1000000
SOAK_CHANGES ?= 10000
soak: setup-test sim-libs ## a million pictures with faults injected now and then (SOAK_FRAMES=…); ten thousand changes of controls while streaming (SOAK_CHANGES=…)
	CI=true SOAK_FRAMES=$(SOAK_FRAMES) $(GO) test -count=1 -v -timeout 0 -run '^TestSoak$$' $(GOTESTFLAGS) $(SG2002)
	CI=true SOAK_CHANGES=$(SOAK_CHANGES) $(GO) test -count=1 -v -timeout 0 -run '^TestManyChangesWhileStreaming$$' $(GOTESTFLAGS) ./cmd/maixstream

nightly: need-go ## each target named in README and docs, in a separate bare Debian (hours; NIGHTLY='run board' for some)
	@toolchain/nightly/nightly.sh $(NIGHTLY)

# By default minimizing each interesting input takes a minute, during which nothing new is tried.
FUZZTIME ?= 1m
fuzz: setup-test sim-libs ## fuzz every parser of external data, FUZZTIME=1m each
	@for package in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
		echo "$$package $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$package || exit 1; done; done
