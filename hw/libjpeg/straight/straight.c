#define _GNU_SOURCE
#include "straight.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <turbojpeg.h>

static int64_t cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

long mx_straight(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int ystride, int cstride, int width, int height,
                 int quality, int n, int64_t *cpu_ns, char message[200])
{
    const unsigned char *planes[3] = {y, cb, cr};
    int strides[3] = {ystride, cstride, cstride};
    unsigned long cap = tjBufSize(width, height, TJSAMP_420), size = 0;
    unsigned char *buf = malloc(cap);
    tjhandle h = tjInitCompress();
    long result = -1;
    int64_t start = cpu_now();

    snprintf(message, 200, "out of memory");
    if (!buf || !h)
        goto done;
    for (int i = 0; i < n; i++) {
        size = cap;
        if (tjCompressFromYUVPlanes(h, planes, width, strides, height, TJSAMP_420, &buf, &size, quality, TJFLAG_NOREALLOC)) {
            snprintf(message, 200, "%s", tjGetErrorStr2(h));
            goto done;
        }
    }
    *cpu_ns = cpu_now() - start;
    result = (long)size;
done:
    if (h)
        tjDestroy(h);
    free(buf);
    return result;
}
