/* Encoded pictures for the simulated core: from libopenh264 if it can be opened, otherwise coarse ones. */
#ifndef MAIXSIM_H264_H
#define MAIXSIM_H264_H

#include "core.h"

struct h264_order {
	struct k_frame frame;
	uint32_t width, height;
	uint32_t bitrate; /* bits per second */
	double fps;
	bool key;
};

enum { H264_NALS = 16 };

/* NAL units without start codes, valid until the next call. */
struct h264_unit {
	const uint8_t *nal[H264_NALS];
	uint32_t length[H264_NALS];
	int count;
};

/* One stream. The first picture is a key frame. Single-threaded. */
struct h264_stream;
struct h264_stream *h264_new(void);
void h264_free(struct h264_stream *s); /* NULL is allowed */
bool h264_encode(struct h264_stream *s, const struct h264_order *order, struct h264_unit *unit);

/* The coarse encoder: as many uncoded macroblocks as the bitrate allows; the rest of the picture stays as it was. */
struct coarse;
struct coarse *coarse_new(uint32_t width, uint32_t height);
void coarse_free(struct coarse *c);
bool coarse_encode(struct coarse *c, const struct h264_order *order, struct h264_unit *unit);

#endif
