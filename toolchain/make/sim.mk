##@ Simulator
# Declarations of the MPI's binary interface and the simulator of its libraries (third_party/sg2002).
#
# Another architecture or C library: make sim-libs SIM_ARCH=riscv64 SIM_CC=riscv64-linux-musl-gcc SIM_JPEG='-Ipath path/libjpeg.a'
# With sanitizers: make sim-libs SIM_ARCH=amd64-asan SIM_CFLAGS='-fsanitize=address,undefined'

SIM_SRC := third_party/sg2002/sim
ifeq ($(origin SIM_ARCH),undefined)
SIM_ARCH := $(shell $(GO) env GOHOSTARCH 2>/dev/null)
endif
SIM_CC ?= gcc
SIM_CFLAGS ?=
SIM_JPEG ?= -ljpeg
SIM_OUT = $(BUILD)/sim/$(SIM_ARCH)
SIM_FLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Werror -fPIC -pthread $(SIM_CFLAGS)
# Like the real ones: no SONAME, lazy binding, resolving one another's symbols when first called.
SIM_LINK = -shared -Wl,-z,lazy -Wl,--as-needed

SIM_HEADERS := $(wildcard $(SIM_SRC)/*.h hw/openh264/*.h third_party/sg2002/include/*.h third_party/sg2002/abi/*.h)
SIM_CORE := $(addprefix $(SIM_SRC)/,core.c settings.c call.c request.c fault.c files.c modules.c ion.c vb.c camera.c sys.c)
SIM_EMPTY := libisp_algo libcvi_bin_isp libaf libini libmisc
SIM_LIBS := libsys libvpu libvenc libisp libae libawb libcvi_bin libsns_gc4653 libsns_full libsophgo-middleware $(SIM_EMPTY)
SIM_FILES = $(SIM_LIBS:%=$(SIM_OUT)/%.so) $(SIM_OUT)/maixsim

.PHONY: test-abi sim-libs sim-root sim test-sim
test-abi: ## check our declarations of the MPI against the facts, for amd64 and riscv64
	@toolchain/apt.sh build sim
	CI=true $(GO) test ./third_party/sg2002/abi

sim-libs: $(SIM_FILES) ## build the simulator of the MPI's libraries (build/sim/ARCH)

$(SIM_OUT)/libsys.so: $(SIM_CORE) $(SIM_SRC)/loaded.c $(SIM_SRC)/check.c
$(SIM_OUT)/libvpu.so: $(addprefix $(SIM_SRC)/,engine.c scene.c draw.c vi.c vpss.c vpss_frames.c rgn.c)
# (the simulated core uses the PC's encoder, too: libopenh264, opened at run time)
SIM_H264 := hw/openh264
$(SIM_OUT)/libvenc.so: $(addprefix $(SIM_SRC)/,venc.c venc_hw.c venc_h264.c jpeg.c h264.c coarse.c) $(SIM_H264)/encode.c $(SIM_H264)/convert.c
$(SIM_OUT)/libvenc.so: SIM_EXTRA = -I$(SIM_H264) $(SIM_JPEG) -ldl
$(SIM_OUT)/libisp.so: $(SIM_SRC)/isp.c $(SIM_SRC)/colour.c
$(SIM_OUT)/libae.so: $(SIM_SRC)/ae.c
$(SIM_OUT)/libawb.so: $(SIM_SRC)/awb.c
$(SIM_OUT)/libcvi_bin.so: $(SIM_SRC)/bin.c
$(SIM_OUT)/libsophgo-middleware.so: $(SIM_SRC)/sensor.c
$(SIM_OUT)/libsns_gc4653.so $(SIM_OUT)/libsns_full.so: $(SIM_SRC)/sensor.c
$(SIM_OUT)/libsns_gc4653.so $(SIM_OUT)/libsns_full.so: SIM_EXTRA = -DOLD_VINTAGE
$(SIM_EMPTY:%=$(SIM_OUT)/%.so): $(SIM_SRC)/empty.c

# (| setup: the compiler and the headers, on a fresh machine)
$(SIM_OUT)/%.so: $(SIM_HEADERS) | setup
	@mkdir -p $(SIM_OUT)
	$(SIM_CC) $(SIM_FLAGS) $(SIM_LINK) -o $@ $(filter %.c,$^) $(SIM_EXTRA)

$(SIM_OUT)/maixsim: $(SIM_CORE) $(SIM_SRC)/tool.c $(SIM_SRC)/root.c $(SIM_HEADERS) | setup
	@mkdir -p $(SIM_OUT)
	$(SIM_CC) $(SIM_FLAGS) -o $@ $(filter %.c,$^)

SIM_TEST := third_party/sg2002/simtest
SIM_JPEG_TEST ?= -ljpeg

$(SIM_OUT)/simtest: $(wildcard $(SIM_TEST)/*.c $(SIM_TEST)/*.h) $(SIM_HEADERS)
	@mkdir -p $(SIM_OUT)
	$(SIM_CC) $(SIM_FLAGS) -rdynamic -o $@ $(filter $(SIM_TEST)/%.c,$^) $(SIM_JPEG_TEST) -ldl

# Under sanitizers, without leak checks of the simulator's memory: scenarios end midway.
test-sim: ## run the simulator with correct and incorrect callers, under AddressSanitizer and UBSan
	@toolchain/apt.sh build sim
	@$(MAKE) --no-print-directory sim-libs $(BUILD)/sim/amd64-asan/simtest SIM_ARCH=amd64-asan \
		SIM_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer' >/dev/null
	ASAN_OPTIONS=detect_leaks=0 $(BUILD)/sim/amd64-asan/simtest $(BUILD)/sim/amd64-asan

SIM_ROOT ?= $(BUILD)/sim/root
SIM_BOARD ?= maixcam

sim-root: sim-libs ## lay out a simulated board's files in build/sim/root (SIM_BOARD=maixcam|maixcam_pro|none)
	@$(SIM_OUT)/maixsim root $(SIM_ROOT) --board $(SIM_BOARD)

sim: build sim-root ## stream from a simulated camera (flags: make sim ARGS='--size 1280x720 --path bound')
	MAIXSTREAM_ROOT=$(abspath $(SIM_ROOT)) $(BUILD)/maixstream serve --source camera --mpi-lib-dir $(SIM_OUT) $(ARGS); \
		status=$$?; cat $(SIM_ROOT)/.sim/counters; $(SIM_OUT)/maixsim report $(SIM_ROOT) && exit $$status
