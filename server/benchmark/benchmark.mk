# The standard set of benchmarks, whose results are docs/BENCHMARKS.md. BENCH=quick makes it short; BENCH_ONLY=delivery runs one group and prints it.
.PHONY: bench bench-build bench-document
BENCH ?= full
BENCH_ONLY ?=
BENCHSET = $(BUILD)/bench/standard -version '$(VERSION)' -commit '$(COMMIT)' $(if $(filter quick,$(BENCH)),-quick) -program $(BUILD)/maixstream \
	-sim-libs $(abspath $(SIM_OUT)) -sim-root $(abspath $(SIM_ROOT)) -dir $(BUILD)/bench

bench-build: build
	@toolchain/apt.sh bench sim
	@mkdir -p $(BUILD)/bench
	@$(MAKE) --no-print-directory sim-root >/dev/null
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/bench/standard ./server/benchmark/standard

bench: bench-build ## run the standard benchmarks and write docs/BENCHMARKS.md (about 15 minutes; BENCH=quick: 3)
	$(BENCHSET) -only '$(BENCH_ONLY)'

bench-document: bench-build ## write docs/BENCHMARKS.md again, from the results that are there
	$(BENCHSET) -document
