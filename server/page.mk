# The page's tests look at it with axe-core, too; afterwards they work offline.
AXE := $(BUILD)/axe/node_modules/.package-lock.json

.PHONY: setup-axe screenshots
setup-test: setup-axe
setup-axe: $(AXE)

$(AXE): server/testdata/axe/package.json server/testdata/axe/package-lock.json
	@command -v npm >/dev/null || toolchain/apt.sh axe
	@mkdir -p $(BUILD)/axe && cp server/testdata/axe/package.json server/testdata/axe/package-lock.json server/testdata/axe/.npmrc $(BUILD)/axe/
	@cd $(BUILD)/axe && npm ci --silent --ignore-scripts && touch node_modules/.package-lock.json

screenshots: setup-test ## the pictures of the page in docs/
	@toolchain/apt.sh screenshots
	MAIXSTREAM_SCREENSHOTS=$(CURDIR)/docs $(GO) test -count=1 -tags screenshots -run '^TestScreenshots$$' ./server
