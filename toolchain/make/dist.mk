##@ Release files
DIST := $(BUILD)/dist
.PHONY: test-dist
test-dist: dist ## the release files: installed, run, removed; the shells' completions; the manual page; the units
	MAIXSTREAM_DIST=$(abspath $(DIST)) $(GO) test -tags dist -count=1 $(GOTESTFLAGS) ./packaging
