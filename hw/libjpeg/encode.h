#ifndef MAIXSTREAM_LIBJPEG_ENCODE_H
#define MAIXSTREAM_LIBJPEG_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* One persistent compressor. One thread uses it at a time. */
typedef struct mx_encoder mx_encoder;

/* Pixel layouts; the order of package frame's formats, checked by the Go side at compile time. */
enum mx_format { MX_YUV420 = 1, MX_NV21, MX_NV12, MX_YUV422, MX_YUYV, MX_GREY, MX_RGB, MX_BGR, MX_RGBA };

enum { MX_FAILED = -1, MX_TOO_LARGE = -2, MX_NO_MEMORY = -3 };

/* Returns NULL when memory is short. mx_encoder_free takes it back. */
mx_encoder *mx_encoder_new(void);
void mx_encoder_free(mx_encoder *e);

/* Writes the picture as JPEG to dst and returns its bytes, or one of the negative codes above. Planes and dst are not kept. At
 * most cap bytes of dst are written. Pixels right of width and below height are never read. */
long mx_encode(mx_encoder *e, int format, int width, int height, int quality, const uint8_t *p0, int stride0, const uint8_t *p1, int stride1,
	const uint8_t *p2, int stride2, uint8_t *dst, size_t cap);

/* What libjpeg said at the last MX_FAILED; valid until the next call. */
const char *mx_encoder_message(const mx_encoder *e);

#endif
