#ifndef MAIXSTREAM_LIBJPEG_STRAIGHT_H
#define MAIXSTREAM_LIBJPEG_STRAIGHT_H

#include <stdint.h>

/* Compresses the same planar 4:2:0 picture n times, one handle, one buffer, nothing in between. Returns the JPEG's bytes and the
 * thread's CPU time in nanoseconds, or -1 with a message. */
long mx_straight(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int ystride, int cstride, int width, int height, int quality, int n,
	int64_t *cpu_ns, char message[200]);

#endif
