# Declarations of the MPI's binary interface and the simulator of its libraries (third_party/sg2002).

TEST_TARGETS += test-abi

.PHONY: test-abi
test-abi: ## check our declarations of the MPI against the facts, for amd64 and riscv64
	@toolchain/apt.sh build sim
	CI=true $(GO) test ./third_party/sg2002/abi
