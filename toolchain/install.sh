#!/usr/bin/env bash
# install.sh install|uninstall: what make install installs below PREFIX (default /usr/local): the program, its manual page, completions, and
# systemd's units with the program's path in them. A user's own installation (PREFIX=$HOME/.local, not as root) has no service.
#   DESTDIR  a staging root, for packagers: nothing outside is touched
#   PROGRAM  the program to install (default build/maixstream)
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=${PREFIX:-/usr/local} destdir=${DESTDIR:-} program=${PROGRAM:-build/maixstream}
[[ $prefix == /* ]] || { echo "install.sh: PREFIX=$prefix: must be an absolute path" >&2; exit 2; }
prefix=${prefix%/}
settings=$destdir/etc/maixstream.yaml
at=$destdir$prefix
units=$at/lib/systemd/system
bash=$at/share/bash-completion/completions/maixstream
zsh=$at/share/zsh/site-functions/_maixstream
fish=$at/share/fish/vendor_completions.d/maixstream.fish

case "${1:-}" in
install)
  # Not built here: under sudo, root would build it, with root's PATH.
  [ -x "$program" ] || { echo "install.sh: no $program yet: make build (as yourself), then make install again" >&2; exit 1; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$program" man >"$work/man"
  for shell in bash zsh fish; do "$program" completion $shell >"$work/$shell"; done
  install -D -m 755 "$program" "$at/bin/maixstream"
  install -D -m 644 "$work/man" "$at/share/man/man1/maixstream.1"
  install -D -m 644 "$work/bash" "$bash"
  install -D -m 644 "$work/zsh" "$zsh"
  install -D -m 644 "$work/fish" "$fish"
  if [ -z "$destdir" ] && [ "$(id -u)" != 0 ]; then
    echo "installed $at/bin/maixstream (no service: requires root)"
    exit 0
  fi
  for unit in maixstream.service maixstream.socket; do
    sed "s|^ExecStart=/usr/bin/|ExecStart=$prefix/bin/|" packaging/systemd/$unit >"$work/unit"
    install -D -m 644 "$work/unit" "$units/$unit"
  done
  [ -e "$settings" ] || install -D -m 644 packaging/maixstream.yaml "$settings"
  echo "installed $at/bin/maixstream; settings of the service: $settings"
  [ -z "$destdir" ] || exit 0
  # systemd looks for units in these only.
  case "$prefix" in
  /usr | /usr/local) known="systemctl daemon-reload" ;;
  *) known="systemctl link $units/maixstream.service $units/maixstream.socket" ;;
  esac
  echo "as a service: adduser --system --group --no-create-home --home /nonexistent maixstream && $known && systemctl enable --now maixstream"
  ;;
uninstall)
  # Before the unit is gone.
  if [ -z "$destdir" ] && [ -d /run/systemd/system ] && [ -e "$units/maixstream.service" ]; then
    systemctl disable --now maixstream.service maixstream.socket
  fi
  rm -f "$at/bin/maixstream" "$at/share/man/man1/maixstream.1" "$bash" "$zsh" "$fish" "$units"/maixstream.{service,socket}
  if [ -e "$settings" ]; then echo "removed; settings kept: $settings"; else echo "removed"; fi
  ;;
*) echo "usage: install.sh install|uninstall" >&2; exit 2 ;;
esac
