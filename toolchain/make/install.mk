##@ Installing on this machine, and releases
.PHONY: install uninstall release
PREFIX ?= /usr/local
DESTDIR ?=
install: ## install make build's output below PREFIX (DESTDIR=DIR stages): program, manual page, completions, systemd's units
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' PROGRAM='$(BUILD)/maixstream' toolchain/install.sh install

uninstall: ## uninstall it; settings in /etc/maixstream.yaml stay
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' toolchain/install.sh uninstall

release: ## release files, checksums and notes in build/dist, from a clean tag: make release TAG=vX.Y.Z
	@toolchain/release.sh $(TAG)
