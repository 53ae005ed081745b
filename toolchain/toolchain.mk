# From source to board: cross toolchain, device binary, virtual board, flash.
DEVICE := $(BUILD)/riscv64/maixstream

.PHONY: setup-device setup-board toolchain device
setup-device:
	@toolchain/apt.sh device

setup-board: setup-device
	@toolchain/apt.sh board

toolchain: setup-device ## the riscv64 musl toolchain and libjpeg-turbo for the board (CROSS_COMPILE=… takes another one)
	@toolchain/env.sh

device: setup-device ## build/riscv64/maixstream, the program for the board
	@mkdir -p $(dir $(DEVICE))
	MAIXSTREAM_LDFLAGS='$(LDFLAGS)' toolchain/go.sh build -o $(DEVICE) ./cmd/maixstream
	@echo "$(DEVICE): $$(stat -c %s $(DEVICE)) bytes, version $(VERSION), commit $(COMMIT)"

.PHONY: app board board-new board-stop board-cut flash unflash
app: device ## a package for MaixCAM's launcher: app_store_cli install FILE on the board
	@$(GO) run ./toolchain/app --program $(DEVICE) --version '$(VERSION)' --dir $(BUILD)

BOARD := BOARD_DIR=$(BUILD)/board toolchain/board/board.sh

board: setup-board ## boot the virtual board (ports: BOARD_SSH=2222 BOARD_HTTP=8888, cores: BOARD_CPUS=1)
	@$(BOARD) start

board-new: setup-board ## make a fresh disk for the virtual board
	@$(BOARD) new

board-stop: ## shut the virtual board down
	@$(BOARD) stop

board-cut: ## pull the virtual board's power
	@$(BOARD) cut

# Only from the command line: USER and HOST are often in the environment, and mean something else there.
flag = $(if $(filter command line,$(origin $(1))),--$(2)='$($(1))')
FLASH := $(GO) run ./toolchain/flash
FLASH_FLAGS = $(call flag,HOST,host) $(call flag,USER,user) $(call flag,PORT,port) $(call flag,KEY,key) $(call flag,PASSWORD_FILE,password-file) $(call flag,WAIT,wait)

flash: device ## install on a MaixCAM: make flash HOST=maixcam-xxxx.local [USER=root PORT=22 KEY=FILE PASSWORD_FILE=FILE]
	@$(FLASH) $(FLASH_FLAGS) --program $(DEVICE)

unflash: ## remove from a MaixCAM: make unflash HOST=…
	@$(FLASH) $(FLASH_FLAGS) --remove
