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
