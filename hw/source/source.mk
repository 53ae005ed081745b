# Webcams are tested against vivid, the kernel's test driver, in a virtual machine.
HOST_TESTS += test-vivid

.PHONY: test-vivid
test-vivid: setup-test ## webcams against the kernel's vivid driver, in a small virtual machine
	@mkdir -p $(BUILD)/vivid
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) test -c -tags vivid -o $(BUILD)/vivid/v4l2.test ./hw/source/internal/v4l2
	hw/source/internal/v4l2/vivid/vm.sh $(BUILD)/vivid/v4l2.test -test.v -test.timeout 200s
