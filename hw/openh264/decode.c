#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "encode.h"
#include "library.h"

struct mx_h264_decoder {
	struct oh_decoder *decoder;
	int initialized;
	union {
		struct oh_decoded picture;
		char spare[sizeof(struct oh_decoded) + MX_H264_SPARE];
	} d;
};

int mx_h264_decoder_new(mx_h264_decoder **out, int *detail)
{
	mx_h264_decoder *d = calloc(1, sizeof *d);
	int quiet = OH_LOG_QUIET;
	union {
		struct oh_decoding parameters;
		char spare[sizeof(struct oh_decoding) + MX_H264_SPARE];
	} p;

	*out = NULL;
	*detail = 0;
	if (!d)
		return MX_H264_NO_MEMORY;
	if ((*detail = (int)mx_h264_library.create_decoder(&d->decoder)) || !d->decoder) {
		mx_h264_decoder_free(d);
		return MX_H264_NO_MEMORY;
	}
	d->decoder->calls->set_option(d->decoder, OH_DECODER_OPTION_TRACE_LEVEL, &quiet);
	memset(&p, 0, sizeof p);
	p.parameters.layer = 0xff; /* the highest */
	p.parameters.conceal = OH_CONCEAL_NOTHING;
	p.parameters.property_size = 2 * sizeof(int);
	p.parameters.stream = OH_STREAM_AVC;
	if ((*detail = (int)d->decoder->calls->initialize(d->decoder, &p.parameters))) {
		mx_h264_decoder_free(d);
		return MX_H264_REFUSED;
	}
	d->initialized = 1;
	*out = d;
	return 0;
}

void mx_h264_decoder_free(mx_h264_decoder *d)
{
	if (!d)
		return;
	if (d->initialized)
		d->decoder->calls->uninitialize(d->decoder);
	if (d->decoder)
		mx_h264_library.destroy_decoder(d->decoder);
	free(d);
}

int mx_h264_decode(mx_h264_decoder *d, const uint8_t *bytes, int n, unsigned long long stamp, struct mx_h264_picture *picture, int *detail)
{
	struct oh_decoded *p = &d->d.picture;
	unsigned char *planes[3] = {0};

	memset(&d->d, 0, sizeof d->d);
	picture->ready = 0;
	p->stamp_in = stamp;
	if (n > 0)
		*detail = d->decoder->calls->decode_no_delay(d->decoder, bytes, n, planes, p);
	else
		*detail = d->decoder->calls->flush(d->decoder, planes, p);
	if (*detail)
		return MX_H264_FAILED;
	if (p->ready != 1 || !planes[0] || !planes[1] || !planes[2])
		return 0;
	picture->ready = 1;
	picture->width = p->width;
	picture->height = p->height;
	picture->stride = p->stride[0];
	picture->chroma_stride = p->stride[1];
	for (int i = 0; i < 3; i++)
		picture->plane[i] = planes[i];
	picture->stamp = p->stamp_out;
	return 0;
}

static uint8_t clamp(int v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

static void copy_plane(const uint8_t *from, int from_stride, uint8_t *to, int to_stride, int w, int h)
{
	for (int y = 0; y < h; y++)
		memcpy(to + (size_t)y * to_stride, from + (size_t)y * from_stride, (size_t)w);
}

/* Values with 16 fractional bits: the scale of luma and chroma, luma's zero, and the coefficients from BT.709 to BT.601. */
struct scale {
	int luma, chroma, zero;
	int y_cb, y_cr, cb_cb, cb_cr, cr_cb, cr_cr;
};

static void convert_rows(const struct scale *s, const uint8_t *restrict from, uint8_t *restrict to, const int *restrict shift, int w)
{
	for (int x = 0; x < w; x++)
		to[x] = clamp((s->luma * (from[x] - s->zero) + shift[x / 2] + 32768) >> 16);
}

void mx_h264_copy(
	const struct mx_h264_picture *p, const struct mx_h264_colour *c, uint8_t *y, int stride, uint8_t *cb, uint8_t *cr, int chroma_stride)
{
	int w = p->width, h = p->height, cw = (w + 1) / 2, ch = (h + 1) / 2;
	struct scale s = {65536, 65536, 0, 0, 0, 65536, 0, 0, 65536};
	int shift[(MX_H264_MAX_SIDE + 1) / 2];

	if (w > MX_H264_MAX_SIDE)
		return;
	if (!c->limited && !c->bt709) {
		copy_plane(p->plane[0], p->stride, y, stride, w, h);
		copy_plane(p->plane[1], p->chroma_stride, cb, chroma_stride, cw, ch);
		copy_plane(p->plane[2], p->chroma_stride, cr, chroma_stride, cw, ch);
		return;
	}
	if (c->limited) {
		s.luma = 76309;   /* 255/219 */
		s.chroma = 74606; /* 255/224, rounded up: 128 levels in each direction */
		s.zero = 16;
	}
	if (c->bt709) {
		s.y_cb = 6657;
		s.y_cr = 12850;
		s.cb_cb = 64871;
		s.cb_cr = -7252;
		s.cr_cb = -4748;
		s.cr_cr = 64448;
	}
	for (int row = 0; row < ch; row++) {
		const uint8_t *b = p->plane[1] + (size_t)row * p->chroma_stride, *r = p->plane[2] + (size_t)row * p->chroma_stride;
		uint8_t *to_b = cb + (size_t)row * chroma_stride, *to_r = cr + (size_t)row * chroma_stride;
		for (int x = 0; x < cw; x++) {
			int blue = (s.chroma * (b[x] - 128)) >> 10, red = (s.chroma * (r[x] - 128)) >> 10; /* 6 bits of fraction */
			shift[x] = (s.y_cb * blue + s.y_cr * red) >> 6;
			to_b[x] = clamp(128 + ((s.cb_cb * blue + s.cb_cr * red + (1 << 21)) >> 22));
			to_r[x] = clamp(128 + ((s.cr_cb * blue + s.cr_cr * red + (1 << 21)) >> 22));
		}
		for (int i = 2 * row; i < 2 * row + 2 && i < h; i++)
			convert_rows(&s, p->plane[0] + (size_t)i * p->stride, y + (size_t)i * stride, shift, w);
	}
}
