# The standard set of benchmarks, whose results are docs/BENCHMARKS.md. BENCH=quick makes it short; BENCH_ONLY=delivery runs one group and prints it.
.PHONY: bench-all bench bench-build bench-document bench-riscv64 bench-peers
BENCH ?= full
BENCH_ONLY ?=
BENCHSET = $(BUILD)/bench/standard -version '$(VERSION)' -commit '$(COMMIT)' $(if $(filter quick,$(BENCH)),-quick) -program $(BUILD)/maixstream \
	-sim-libs $(abspath $(SIM_OUT)) -sim-root $(abspath $(SIM_ROOT)) -dir $(BUILD)/bench

bench-build: build
	@toolchain/apt.sh bench sim
	@mkdir -p $(BUILD)/bench
	@$(MAKE) --no-print-directory sim-root >/dev/null
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/bench/standard ./internal/bench/cmd

bench: bench-build ## run the standard benchmarks and write docs/BENCHMARKS.md (about 9 minutes; BENCH=quick: 2)
	$(BENCHSET) -only '$(BENCH_ONLY)'

bench-document: bench-build ## write docs/BENCHMARKS.md again, from the results that are there
	$(BENCHSET) -document

COUNT := $(BUILD)/bench/libcount.so
$(COUNT): internal/bench/insncount/count.c
	@mkdir -p $(dir $@)
	gcc -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -o $@ $<

bench-riscv64: bench-build device $(COUNT) ## count the board's instructions a frame under QEMU, for docs/BENCHMARKS.md
	eval "$$(toolchain/env.sh)"; \
	$(MAKE) --no-print-directory sim-libs SIM_ARCH=riscv64 SIM_CC="$${PREFIX}gcc" SIM_JPEG="-I$$LIBJPEG/include $$LIBJPEG/lib/libjpeg.a" >/dev/null && \
	$(BENCHSET) -set riscv64 -board-program $(DEVICE) -board-sysroot "$$SYSROOT" -board-plugin $(abspath $(COUNT)) \
		-board-sim-libs $(abspath $(BUILD)/sim/riscv64) -board-sim-root $(abspath $(BUILD)/sim/root-riscv64) -board-sim-tool $(abspath $(SIM_OUT)/maixsim) $(if $(BENCH_ONLY),-only '$(BENCH_ONLY)')

WEBCAM := $(BUILD)/bench/webcam.so
$(WEBCAM): internal/bench/webcam/webcam.c
	@mkdir -p $(dir $@)
	gcc -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -o $@ $< -ldl

bench-peers: bench-build $(WEBCAM) ## compare with Debian's ustreamer, given the same JPEGs, for docs/BENCHMARKS.md
	@toolchain/apt.sh peers
	$(BENCHSET) -set peers -webcam $(abspath $(WEBCAM)) $(if $(BENCH_ONLY),-only '$(BENCH_ONLY)')

bench-all: ## all of docs/BENCHMARKS.md: bench, bench-peers, bench-riscv64 (about 17 minutes, on a machine that does nothing else)
	@$(MAKE) --no-print-directory bench
	@$(MAKE) --no-print-directory bench-peers
	@$(MAKE) --no-print-directory bench-riscv64
