# The recipes of docs/recipes, followed.
HOST_TESTS += test-recipes

.PHONY: setup-recipes recipe-programs test-recipes
setup-recipes: setup-test
	@toolchain/apt.sh recipes

recipe-programs: setup-recipes
	@toolchain/recipes/build.sh $(BUILD)/recipes

test-recipes: build recipe-programs ## every recipe's commands, with the real programs (RECIPES=TestNginx for one)
	$(GO) test -tags recipes -c -o $(BUILD)/recipes/recipes.test ./docs/recipes
	cd docs/recipes && PATH=$(abspath $(BUILD)):$(abspath $(BUILD)/recipes):/usr/bin:/bin:/usr/sbin:/sbin:$$PATH \
	  unshare --net --mount ../../toolchain/recipes/network.sh ../../$(BUILD)/recipes/recipes.test -test.v -test.timeout 10m -test.run '$(RECIPES)'
