HOST_TESTS += test-push-poison

.PHONY: test-push-poison
test-push-poison: setup-test ## pictures that are sent from memory which is taken out of reach behind it
	$(GO) test -tags poison $(GOTESTFLAGS) -run 'Post|Early|Example' ./pipeline/push
