//go:build dist

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The init script with busybox only, as on a board: start, reload, restart after a crash, stop. (The virtual board's tests install it.)
func TestBusyboxService(t *testing.T) {
	root := t.TempDir()
	script := `set -e
for d in bin proc dev etc/init.d var/log var/run opt/maixstream lib64 lib/x86_64-linux-gnu tmp; do mkdir -p "$ROOT/$d"; done
cp "$(command -v busybox)" "$ROOT/bin/busybox"
for name in $(busybox --list | grep -vx busybox); do ln -sf busybox "$ROOT/bin/$name"; done
cp -L /lib64/ld-linux-x86-64.so.2 "$ROOT/lib64/"
cp -L /lib/x86_64-linux-gnu/libc.so.6 "$ROOT/lib/x86_64-linux-gnu/"
mknod "$ROOT/dev/null" c 1 3
mknod "$ROOT/dev/zero" c 1 5
cp "$PROGRAM" "$ROOT/opt/maixstream/maixstream"
install -m 755 ../toolchain/flash/onboard/S99maixstream "$ROOT/etc/init.d/"
printf 'source: testcard\nannounce: false\nquality: 80\n' >"$ROOT/etc/maixstream.yaml"`
	prepare := exec.Command("bash", "-c", script)
	prepare.Env = append(os.Environ(), "ROOT="+root, "PROGRAM="+filepath.Join(unpacked(t, "*-linux-amd64.tar.gz"), "maixstream"))
	if out, err := prepare.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	follow := `
export PATH=/bin
service=/etc/init.d/S99maixstream
ifconfig lo up
state() { # waits until /state says it
	n=0
	until wget -q -O - http://127.0.0.1:8000/state 2>/dev/null | grep -q "$1"; do
		n=$((n + 1))
		[ $n -lt 60 ] || { echo "never in /state: $1"; $service log; exit 1; }
		sleep 1
	done
	echo "state has $1"
}
$service reload && exit 1
$service start
state '"quality": 80'
first=$(cat /var/run/maixstream/program)
sed -i 's/quality: 80/quality: 41/' /etc/maixstream.yaml
$service reload
state '"quality": 41'
[ "$(cat /var/run/maixstream/program)" = "$first" ] || { echo "it was started again"; exit 1; }
$service status
kill -KILL "$first"
sleep 2
state '"quality": 41'
[ "$(cat /var/run/maixstream/program)" != "$first" ] || { echo "not another process"; exit 1; }
$service stop
$service status && exit 1
$service log | grep -q 'ended with code 137' || { echo "the crash is not in the log"; $service log; exit 1; }
echo all well
`
	cmd := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
		`mount -t proc proc "$0/proc" && exec chroot "$0" /bin/sh -c "$1"`, root, follow)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "all well\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
