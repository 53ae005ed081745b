# Upstream releases that are built from source: name, version, sha256 of the upstream tarball as Debian 12 carries it.
# (sourced by the scripts beside it; a later Debian revision of the same release has the same tarball)
MUSL_VERSION=1.2.3
MUSL_SHA256=7d5b0b6062521e4627e099e4c9dc8248d32a30285e959b7eecaa780cf8cfd4a4
LIBJPEG_TURBO_VERSION=2.1.5
LIBJPEG_TURBO_SHA256=254f3642b04e309fee775123133c6464181addc150499561020312ec61c1bf7c
BUSYBOX_VERSION=1.35.0
BUSYBOX_SHA256=faeeb244c35a348a334f4a59e44626ee870fb07b6884d68c10ae8bc19f83a694
DROPBEAR_VERSION=2022.83
DROPBEAR_SHA256=bc5a121ffbc94b5171ad5ebe01be42746d50aa797c9549a4639894a16749443b
