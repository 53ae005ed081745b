##@ Installing on this machine, and releases
.PHONY: install uninstall release
PREFIX ?= /usr/local
DESTDIR ?=
install: ## what make build built, below PREFIX (DESTDIR=DIR stages): program, manual page, completions, systemd's units
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' PROGRAM='$(BUILD)/maixstream' toolchain/install.sh install

uninstall: ## remove that again; settings in /etc/maixstream.yaml stay
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' toolchain/install.sh uninstall

release: ## a release's files, checksums and notes in build/dist, from a clean tag: make release TAG=vX.Y.Z
	@toolchain/release.sh $(TAG)
