# shellcheck shell=bash
# Run by nightly.sh in the bare system, in the tree: functions for the rows of targets. PORT is a free one.
set -euo pipefail

# answers URL: waits until something replies there, using nothing that is not installed.
answers() {
  local host=${1%%:*} port=${1##*:}
  for ((n = 0; n < ${2:-1800}; n++)); do
    if { exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null; then
      printf 'GET /snapshot HTTP/1.0\r\nHost: %s\r\n\r\n' "$host" >&3
      if IFS= read -r line <&3 && [[ $line == *" 200 "* ]]; then
        exec 3>&-
        echo "nightly: http://$1/snapshot replies with a picture"
        return
      fi
      exec 3>&-
    fi
    sleep 1
  done
  echo "nightly: no reply from $1" >&2
  return 1
}

# serves COMMAND...: it serves pictures at PORT, and ends cleanly.
serves() {
  "$@" &
  local job=$!
  answers "127.0.0.1:$PORT" || { kill "$job"; return 1; }
  for process in /proc/[0-9]*; do
    if [ "$(cat "$process/comm" 2>/dev/null)" = maixstream ]; then kill -TERM "${process#/proc/}"; fi
  done
  wait "$job"
}

# short_tests runs the short tests of all packages with a C compiler and libjpeg-turbo's headers, and nothing else.
short_tests() {
  apt-get -qq update
  apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends gcc libc6-dev libturbojpeg0-dev libjpeg62-turbo-dev >/dev/null
  time go test -short ./...
}

# a_release creates one from a tag and installs its package.
a_release() {
  sed -i '0,/^## Unreleased/s//## 0.0.1/' CHANGELOG.md
  git -c user.name=nightly -c user.email=nightly@localhost commit -qam 'A release'
  git -c user.name=nightly -c user.email=nightly@localhost tag -a v0.0.1 -m v0.0.1
  make release TAG=v0.0.1
  (cd build/dist && sha256sum -c SHA256SUMS)
  apt-get -qq update
  apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends ./build/dist/maixstream_0.0.1*_amd64.deb
  [[ $(maixstream --version) == *0.0.1* ]]
  maixstream serve --source testcard --listen "127.0.0.1:$PORT" --announce=false --report 0 &
  answers "127.0.0.1:$PORT" 60
  kill %1
  wait %1
  apt-get -qq -o Dpkg::Use-Pty=0 purge -y maixstream
}

# a_board boots the virtual board, installs the program on it, opens its page, and removes everything.
a_board() {
  export BOARD_SSH=$((PORT + 1)) BOARD_HTTP=$PORT
  echo root >/root/password
  chmod 600 /root/password
  make board
  make flash HOST=127.0.0.1 "PORT=$BOARD_SSH" PASSWORD_FILE=/root/password
  answers "127.0.0.1:$PORT"
  make unflash HOST=127.0.0.1 "PORT=$BOARD_SSH" PASSWORD_FILE=/root/password
  make board-stop
  make board-new
}

eval "$1"
