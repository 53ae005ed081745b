#ifndef MAIXSTREAM_FANBENCH_BARE_H
#define MAIXSTREAM_FANBENCH_BARE_H

#include <stddef.h>
#include <stdint.h>

/* Serves the first `viewers` connections of the listening socket `l` with count pictures in turn, at fps frames per second: picture i is
 * sizes[i] bytes at memory + starts[i]. Each line on standard input is answered with {"Published":frames} on standard output.
 * Returns 0 at the end of standard input, else the errno of the failed operation, named in *what. */
int mx_bare(int l, int viewers, int fps, const uint8_t *memory, const size_t *starts, const size_t *sizes, int count, const char **what);

#endif
