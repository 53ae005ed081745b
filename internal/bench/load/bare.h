#ifndef MAIXSTREAM_FANBENCH_BARE_H
#define MAIXSTREAM_FANBENCH_BARE_H

#include <stddef.h>
#include <stdint.h>

/* Serves the first `viewers` connections of the listening socket `l` with count pictures in turn, fps times a second: picture i is
 * sizes[i] bytes at memory + starts[i]. Each line on standard input is answered with {"Published":frames} on standard output.
 * Returns 0 at standard input's end, else the errno of what failed, named in *what. */
int mx_bare(int l, int viewers, int fps, const uint8_t *memory, const size_t *starts, const size_t *sizes, int count, const char **what);

#endif
