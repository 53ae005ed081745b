#ifndef MAIXSTREAM_OPENH264_DECODE_H
#define MAIXSTREAM_OPENH264_DECODE_H

#include <stdint.h>

enum { MX_H264_MAX_SIDE = 8192 };

/* A persistent decoder, for one thread at a time. */
typedef struct mx_h264_decoder mx_h264_decoder;

/* A decoded picture, planar 4:2:0. The decoder owns the planes, which are valid until the next call. */
struct mx_h264_picture {
	int ready; /* 0: none yet */
	int width, height;
	int stride, chroma_stride;
	const uint8_t *plane[3];
	unsigned long long stamp; /* of its unit */
};

/* The meaning of a picture's samples. */
struct mx_h264_colour {
	int limited; /* luma of 16 to 235, chroma of 16 to 240 */
	int bt709;   /* else BT.601 */
};

/* As mx_h264_new. mx_h264_open must have succeeded. */
int mx_h264_decoder_new(mx_h264_decoder **out, int *detail);
void mx_h264_decoder_free(mx_h264_decoder *d);

/* Decodes a unit with start codes; with no bytes, flushes a picture that was held back. Returns 0 or MX_H264_FAILED. */
int mx_h264_decode(mx_h264_decoder *d, const uint8_t *bytes, int n, unsigned long long stamp, struct mx_h264_picture *picture, int *detail);

/* Copies a picture into planes of its size, as full-range BT.601. */
void mx_h264_copy(
	const struct mx_h264_picture *p, const struct mx_h264_colour *c, uint8_t *y, int stride, uint8_t *cb, uint8_t *cr, int chroma_stride);

#endif
