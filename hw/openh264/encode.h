#ifndef MAIXSTREAM_OPENH264_ENCODE_H
#define MAIXSTREAM_OPENH264_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* Pixel formats, in the order of package frame's, which the Go code checks at compile time. */
enum mx_h264_format {
	MX_H264_YUV420 = 1,
	MX_H264_NV21,
	MX_H264_NV12,
	MX_H264_YUV422,
	MX_H264_YUYV,
	MX_H264_GREY,
	MX_H264_RGB,
	MX_H264_BGR,
	MX_H264_RGBA
};

enum { MX_H264_MISSING = -1, MX_H264_NO_MEMORY = -2, MX_H264_REFUSED = -3, MX_H264_FAILED = -4, MX_H264_TOO_MANY = -5 };

/* Opens the library once per process. Returns 0, or MX_H264_MISSING with the loader's message in error. */
int mx_h264_open(const char *file, char *error, size_t error_size);

/* A persistent encoder, for one thread at a time. */
typedef struct mx_h264 mx_h264;

struct mx_h264_config {
	int width, height; /* even */
	int bitrate;       /* bits per second */
	float fps;
	int gop; /* frames between key frames */
};

enum { MX_H264_NALS = 16 };

/* An encoded picture. The encoder owns the bytes, which are valid until the next call. */
struct mx_h264_unit {
	const uint8_t *nal[MX_H264_NALS]; /* without start codes */
	int length[MX_H264_NALS];
	int count; /* 0: skipped */
	int key;
};

/* Creates an encoder, or sets *out to NULL and returns a negative code; *detail is the library's return code. Free it with mx_h264_free. */
int mx_h264_new(const struct mx_h264_config *c, mx_h264 **out, int *detail);
void mx_h264_free(mx_h264 *e);

/* Changes bitrate, frame rate and GOP of a running encoder; the size must be unchanged. */
int mx_h264_configure(mx_h264 *e, const struct mx_h264_config *c, int *detail);

/* Encodes a picture of at least the encoder's width and height. The planes are not modified or kept. */
int mx_h264_encode(mx_h264 *e, int format, const uint8_t *p0, int stride0, const uint8_t *p1, int stride1, const uint8_t *p2, int stride2,
	long long ms, int key, struct mx_h264_unit *unit, int *detail);

#endif
