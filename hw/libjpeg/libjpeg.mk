HOST_TESTS += test-asan-libjpeg

.PHONY: test-asan-libjpeg bench-libjpeg
test-asan-libjpeg: setup-test ## the C around libjpeg-turbo, under AddressSanitizer
	ASAN_OPTIONS=detect_leaks=0 $(GO) test -short -asan $(GOTESTFLAGS) ./hw/libjpeg/...

bench-libjpeg: setup ## encoder against the libjpeg-turbo baseline, and CPU time per frame of each format
	$(GO) test -run '^$$' -bench . -benchtime 100x ./internal/bench
