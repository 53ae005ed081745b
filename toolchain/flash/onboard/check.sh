# Facts about a board for the installer, one key=value per line. sh reads it over ssh; it changes nothing.
echo "uid=$(id -u)"
echo "machine=$(uname -m)"
echo "model=$(tr -d '\0' </proc/device-tree/model 2>/dev/null)"
echo "board=$(sed -n 's/^ *id *= *//p' /boot/board 2>/dev/null | tr -d ' \r' | head -n 1)"
echo "host=$(hostname)"
for loader in /lib/ld-musl-riscv64*.so.1; do [ -e "$loader" ] && echo "loader=$loader"; done
for command in sha256sum gunzip setsid mkfifo dd sync; do command -v $command >/dev/null || echo "missing=$command"; done
dir=/opt/maixstream
[ -x $dir/maixstream ] && echo "installed=$($dir/maixstream version 2>&1 | head -n 1)"
while [ ! -d "$dir" ]; do dir=${dir%/*}; dir=${dir:-/}; done
free=$(df -Pk "$dir" | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/\1/p')
# Leftovers of interrupted installations are removed before the copy, so they count as free.
for left in "$dir"/maixstream.new.*; do [ -f "$left" ] && free=$((free + $(du -k "$left" | sed 's/[^0-9].*//'))); done
echo "free=$free"
touch "$dir/.maixstream-probe" 2>/dev/null && rm -f "$dir/.maixstream-probe" && echo "writable=$dir"
own=$(cat /var/run/maixstream/program 2>/dev/null)
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  [ "$pid" = "$own" ] && continue
  case "$(ls -l "$process/fd" 2>/dev/null)" in
  */dev/cvi-vi*) echo "camera=$pid $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)" ;;
  esac
done
for address in $(ip -4 addr show scope global 2>/dev/null | sed -n 's/^ *inet \([0-9.]*\).*/\1/p'); do echo "address=$address"; done
exit 0
