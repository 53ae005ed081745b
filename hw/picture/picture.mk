HOST_TESTS += test-poison

.PHONY: test-poison
test-poison: setup-test ## pictures whose released memory is taken out of reach
	$(GO) test -tags poison $(GOTESTFLAGS) ./hw/picture
