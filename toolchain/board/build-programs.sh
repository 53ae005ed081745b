#!/usr/bin/env bash
# build-programs.sh DIR: busybox and dropbear for the virtual board, static, from their pinned sources:  DIR/{busybox,dropbear,dropbearkey}
set -euo pipefail
unset CFLAGS # of a make around us
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../pins.sh"
. "$here/../once.sh"
out=$1
build_once "$out" "building busybox $BUSYBOX_VERSION and dropbear $DROPBEAR_VERSION for the virtual board"
settings=$(CROSS_COMPILE='' "$here/../env.sh")
eval "$settings"

log=$work/log
failed() { grep -E 'rror|undefined' "$log" | cut -c1-300 | tail -n 20 >&2; echo "build-programs.sh: $1 did not build" >&2; exit 1; }
fetch() { # NAME VERSION SHA256: unpacked in $work/NAME
  local tarball
  tarball=$("$here/../debian.sh" orig bookworm "$@" "$(dirname "$out")/sources")
  mkdir "$work/$1" && tar -xf "$tarball" -C "$work/$1" --strip-components=1
}

fetch busybox "$BUSYBOX_VERSION" "$BUSYBOX_SHA256"
# busybox's own default choice, without what is big and of no use on a board.
(
  cd "$work/busybox" && make defconfig && sed -i -E \
    -e 's/^# CONFIG_STATIC is not set/CONFIG_STATIC=y/' \
    -e 's/^CONFIG_(TC|RPM|RPM2CPIO|DPKG|DPKG_DEB|HUSH|MAN|LPD|LPR|LPQ|POPMAILDIR|MAKEMIME|REFORMIME|SENDMAIL|FTPD|FTPGET|FTPPUT|TFTP|TFTPD|HDPARM|FDISK|MKFS_[A-Z0-9]+|FSCK_MINIX|UBI[A-Z]*|NAND[A-Z]*|FLASH[A-Z_]*|I2C[A-Z]*|SELINUX|RUNSV|RUNSVDIR|SV|SVC|SVLOGD|SVOK|CHPST|ED|BC|DC|XZ|LZMA|UNXZ|UNLZMA|BZIP2|VI|SSL_CLIENT|FEATURE_WGET_OPENSSL|FEATURE_WGET_HTTPS|UDHCPD|UDHCPC6|DUMPLEASES|TELNETD|TELNET|INETD|HTTPD|NTPD|TRACEROUTE|TRACEROUTE6|ZCIP|FBSPLASH|CONSPY|CHAT|MICROCOM|RX|SETFONT|LOADFONT|LOADKMAP|DUMPKMAP|SHOWKEY|KBD_MODE|DEVFSD|ACPID|BEEP|ADJTIMEX|CROND|CRONTAB|CROND|AT|MT|RAIDAUTORUN|INOTIFYD|BLKDISCARD|BLOCKDEV|CAL|UNIT_TEST)=y/# CONFIG_\1 is not set/' .config &&
    { yes '' 2>/dev/null || true; } | make oldconfig && make -j"$(nproc)" CROSS_COMPILE="$PREFIX" SKIP_STRIP=y busybox
) >"$log" 2>&1 || failed busybox
fetch dropbear "$DROPBEAR_VERSION" "$DROPBEAR_SHA256"
(
  cd "$work/dropbear" && ./configure --host=riscv64-linux-musl CC="$CC" AR="${PREFIX}ar" RANLIB="${PREFIX}ranlib" CFLAGS="-O1" --enable-static \
    --disable-zlib --disable-pam --disable-lastlog --disable-utmp --disable-utmpx --disable-wtmp --disable-wtmpx --disable-syslog &&
    make -j"$(nproc)" PROGRAMS="dropbear dropbearkey"
) >"$log" 2>&1 || failed dropbear
mkdir "$work/new"
"${PREFIX}strip" -o "$work/new/busybox" "$work/busybox/busybox"
for program in dropbear dropbearkey; do "${PREFIX}strip" -o "$work/new/$program" "$work/dropbear/$program"; done
touch "$work/new/ok"
mv "$work/new" "$out"
