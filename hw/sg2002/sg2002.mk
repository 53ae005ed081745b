# Tests of the MaixCAM's camera on the simulator of its libraries, beside what `make test-go` runs of them.
SG2002 := ./hw/sg2002
SG2002_ASAN := $(abspath $(BUILD))/sim/amd64-asan
SG2002_RISCV64 := $(abspath $(BUILD))/sim/riscv64
SG2002_SANITIZE := -fsanitize=undefined -fno-sanitize-recover=undefined
SOAK_FRAMES ?= 1000000

HOST_TESTS += test-asan-sg2002
BOARD_TESTS += test-sg2002-riscv64

.PHONY: test-asan-sg2002 test-sg2002-riscv64 soak
# The C side and the simulator under the same sanitizers. Not looked for: leaks, for who is killed in the middle leaks; and the same sensor in two
# libraries, as boards have it.
test-asan-sg2002: setup-test ## the camera's C under AddressSanitizer and UBSan, on the simulator under both
	@toolchain/apt.sh sim
	@$(MAKE) --no-print-directory sim-libs SIM_ARCH=amd64-asan \
		SIM_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer' >/dev/null
	ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 UBSAN_OPTIONS=print_stacktrace=1 CI=true SG2002_SIM=$(SG2002_ASAN) CGO_CFLAGS='-O1 -g $(SG2002_SANITIZE)' CGO_LDFLAGS='$(SG2002_SANITIZE)' \
		$(GO) test -short -asan $(GOTESTFLAGS) $(SG2002)

# As the board runs it: musl, riscv64, the libraries opened by its loader. The kernel's part of the simulator looks on from this machine.
test-sg2002-riscv64: setup-device sim-libs ## the camera's tests for riscv64 and musl, under qemu
	@toolchain/apt.sh board sim
	@settings=$$(toolchain/env.sh) && eval "$$settings" && $(MAKE) --no-print-directory sim-libs SIM_ARCH=riscv64 SIM_CC="$$CC" \
		SIM_CFLAGS="$$TARGET_CFLAGS" SIM_JPEG="-I$$LIBJPEG/include $$LIBJPEG/lib/libjpeg.a" >/dev/null
	CI=true SG2002_SIM=$(SG2002_RISCV64) SG2002_TOOL=$(abspath $(BUILD))/sim/$(shell $(GO) env GOHOSTARCH)/maixsim SG2002_EXEC=$(abspath toolchain/qemu.sh) \
		toolchain/go.sh test -short -timeout 15m $(GOTESTFLAGS) $(SG2002)

soak: setup-test sim-libs ## a million pictures while everything goes wrong now and then (SOAK_FRAMES=…)
	CI=true SOAK_FRAMES=$(SOAK_FRAMES) $(GO) test -count=1 -v -timeout 0 -run '^TestSoak$$' $(GOTESTFLAGS) $(SG2002)
