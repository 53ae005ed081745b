##@ Documents
.PHONY: recipe-programs test-recipes screenshots
recipe-programs: setup-recipes
	@toolchain/recipes/build.sh $(BUILD)/recipes

test-recipes: build recipe-programs ## every recipe's commands, with the real programs (RECIPES=TestNginx for one)
	$(GO) test -tags recipes -c -o $(BUILD)/recipes/recipes.test ./docs/recipes
	cd docs/recipes && PATH=$(abspath $(BUILD)):$(abspath $(BUILD)/recipes):/usr/bin:/bin:/usr/sbin:/sbin:$$PATH \
	  unshare --net --mount ../../toolchain/recipes/network.sh ../../$(BUILD)/recipes/recipes.test -test.v -test.timeout 10m -test.run '$(RECIPES)'

screenshots: setup-test ## screenshots of the pages in docs/
	@toolchain/apt.sh screenshots
	MAIXSTREAM_SCREENSHOTS=$(CURDIR)/docs $(GO) test -count=1 -tags screenshots -run '^Test(Gallery)?Screenshots$$' ./server/...
