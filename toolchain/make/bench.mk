##@ Benchmarks
# The standard set of benchmarks, whose results are docs/BENCHMARKS.md. BENCH=quick makes it short; BENCH_ONLY=delivery runs one group and prints it.
.PHONY: bench-all bench-build bench-document bench-riscv64 bench-peers bench-h264 bench-libjpeg bench-receive bench-board
BENCH ?= full
BENCH_ONLY ?=
BENCHSET = $(BUILD)/bench/standard -version '$(VERSION)' -commit '$(COMMIT)' $(if $(filter quick,$(BENCH)),-quick) -program $(BUILD)/maixstream \
	-sim-libs $(abspath $(SIM_OUT)) -sim-root $(abspath $(SIM_ROOT)) -dir $(BUILD)/bench

bench-build: build
	@toolchain/apt.sh bench sim
	@mkdir -p $(BUILD)/bench
	@$(MAKE) --no-print-directory sim-root >/dev/null
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/bench/standard ./internal/bench/cmd

bench-document: bench-build ## rewrite docs/BENCHMARKS.md from existing results
	$(BENCHSET) -document

COUNT := $(BUILD)/bench/libcount.so
$(COUNT): internal/bench/insncount/count.c
	@mkdir -p $(dir $@)
	gcc -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -o $@ $<

bench-riscv64: bench-build device $(COUNT) ## count the board's instructions per frame under QEMU, for docs/BENCHMARKS.md
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

bench-h264: bench-build recipe-programs ## compare H.264 over RTSP and by WebRTC with MediaMTX and go2rtc, for docs/BENCHMARKS.md
	$(BENCHSET) -set h264 -peers-dir $(abspath $(BUILD)/recipes) $(if $(BENCH_ONLY),-only '$(BENCH_ONLY)')

bench-all: ## all of docs/BENCHMARKS.md: bench, bench-peers, bench-h264, bench-riscv64 (about 20 minutes, on an idle machine)
	@$(MAKE) --no-print-directory bench
	@$(MAKE) --no-print-directory bench-peers
	@$(MAKE) --no-print-directory bench-h264
	@$(MAKE) --no-print-directory bench-riscv64

bench-libjpeg: setup ## encoder against the libjpeg-turbo baseline, and CPU time per frame of each format
	$(GO) test -run '^$$' -bench . -benchtime 100x ./internal/bench

bench-receive: setup ## a hundred devices posting 5 pictures per second each for a minute, twice: loss, CPU time, memory
	MAIXSTREAM_SECONDS=60 $(GO) test -count=1 -v -timeout 10m -run '^TestHundredDevices$$' ./server/upload

# Separate disk and ports, so that a developer's board stays unchanged. BENCH_WRITE= only prints.
BENCH_BOARD := BOARD_DIR=$(BUILD)/board-bench BOARD_SSH=2232 BOARD_HTTP=8898
BENCH_WRITE ?= docs/device.md
BENCH_FLAGS ?=
bench-board: setup-board device ## measure start, CPU and memory on the virtual board, into docs/device.md
	@$(BENCH_BOARD) BOARD_CAMERA=none toolchain/board/board.sh new
	@$(BENCH_BOARD) toolchain/board/board.sh start >/dev/null
	@$(FLASH) --host 127.0.0.1 --port 2232 --known-hosts $(BUILD)/board-bench/known_hosts --program $(DEVICE) && \
		$(BENCH_BOARD) $(GO) run ./internal/bench/board --url http://127.0.0.1:8898 $(BENCH_FLAGS) --write '$(BENCH_WRITE)'; \
		status=$$?; $(BENCH_BOARD) toolchain/board/board.sh cut; exit $$status
