# Release files, and the tests that install them.
DIST := $(BUILD)/dist
BOARD_TESTS += test-dist

.PHONY: setup-dist dist test-dist
setup-dist: setup setup-device
	@toolchain/apt.sh dist

dist: setup-dist device ## release files into build/dist: Debian packages, archives, bills of materials, checksums
	@BOARD_PROGRAM=$(DEVICE) toolchain/dist/dist.sh $(DIST)

test-dist: dist ## the release files: installed, run, removed; the shells' completions; the manual page; the units
	MAIXSTREAM_DIST=$(abspath $(DIST)) $(GO) test -tags dist -count=1 $(GOTESTFLAGS) ./packaging
