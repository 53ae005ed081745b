##@ From source to board: cross toolchain, virtual board, app package
.PHONY: toolchain
toolchain: setup-device ## the riscv64 musl toolchain and libjpeg-turbo for the board, about 2 minutes of CPU time (CROSS_COMPILE=… selects another one)
	@toolchain/env.sh

.PHONY: app board board-new board-stop board-cut
app: device ## a package for MaixCAM's launcher: app_store_cli install FILE on the board
	@$(GO) run ./toolchain/app --program $(DEVICE) --version '$(VERSION)' --dir $(BUILD)

BOARD := BOARD_DIR=$(BUILD)/board toolchain/board/board.sh

board: setup-board ## boot the virtual board (ports: BOARD_SSH=2222 BOARD_HTTP=8888, cores: BOARD_CPUS=1)
	@$(BOARD) start

board-new: setup-board ## create a fresh disk for the virtual board
	@$(BOARD) new

board-stop: ## shut the virtual board down
	@$(BOARD) stop

board-cut: ## pull the virtual board's power
	@$(BOARD) cut

# Only from the command line: USER and HOST in the environment usually mean something else.
flag = $(if $(filter command line,$(origin $(1))),--$(2)='$($(1))')
# (not by go run, which would print an extra line about the exit code)
FLASH := $(GO) build -o $(BUILD)/flash ./toolchain/flash && $(BUILD)/flash
FLASH_FLAGS = $(call flag,HOST,host) $(call flag,USER,user) $(call flag,PORT,port) $(call flag,KEY,key) $(call flag,PASSWORD_FILE,password-file) $(call flag,WAIT,wait) \
	$(if $(filter 127.0.0.1 localhost,$(HOST)),--web $(HOST):$(or $(BOARD_HTTP),8888))

.PHONY: named
named:
	@$(if $(filter command line,$(origin HOST)),,echo 'name the board: make flash HOST=maixcam-xxxx.local [USER=root PORT=22 KEY=FILE PASSWORD_FILE=FILE]' >&2; exit 2)

# The emulator tests take what `make device` builds, and need no network once the toolchain's cache is filled.
.PHONY: test-device test-riscv64 test-board

test-device: setup-board device ## check the board's program: machine, loader, libraries, paths, size, reproducibility; another compiler
	$(GO) vet -tags device,board ./toolchain/...
	$(GO) test -count=1 -tags device -timeout 20m $(GOTESTFLAGS) ./toolchain

# Left out: a test that starts its own test program again, which takes an emulator registered with the kernel to run; loads of many
# viewers, which under an emulator say something of this machine's speed only; a browser, which test-board has; HTTP/2, which the board's program is
# built without; and H.264, whose encoder is a library of a PC's.
RISCV64_PACKAGES := ./pipeline/... ./server ./server/stream ./server/internal/fanout ./server/rtsp ./hw/frame/... ./internal/jpegcheck ./hw/internal/lettering ./hw/libjpeg/... ./hw/picture \
	./hw/internal/transform ./hw/source/internal/testcard
RISCV64_SKIP := ^(TestChromium.*|TestSocketFromSystemd|TestTwoHundredViewersGetWholePictures|TestStalledViewersCostOthersNothing|TestCloseUnderLoad|TestFPSOfOneViewer|TestProxyOfTheEnvironment|TestStreamsOverHTTP2|Test.*Video.*|Test.*MP4.*|TestBothKindsShareAFolder|TestWHEP.*)$$

test-riscv64: setup-board setup-test ## the board's program's packages under qemu-riscv64: pipeline, server, encoder, pictures
	toolchain/go.sh test -short -timeout 15m -skip '$(RISCV64_SKIP)' $(GOTESTFLAGS) $(RISCV64_PACKAGES)

test-board: setup-board setup-test ## the virtual board end to end: flash, stream, power cuts, roll-back, reboot, unflash
	$(GO) test -count=1 -tags board -timeout 40m $(GOTESTFLAGS) ./toolchain/board
