#include "convert.h"

#include <string.h>

#include "encode.h"

/* These loops are written for the compiler to vectorise at -O3. */

static void copy_rows(const uint8_t *from, int stride, uint8_t *to, int w, int h)
{
	for (int y = 0; y < h; y++)
		memcpy(to + (size_t)y * w, from + (size_t)y * stride, (size_t)w);
}

static void split_row(const uint8_t *restrict pairs, uint8_t *restrict a, uint8_t *restrict b, int n)
{
	for (int i = 0; i < n; i++) {
		a[i] = pairs[2 * i];
		b[i] = pairs[2 * i + 1];
	}
}

static void mean_row(const uint8_t *restrict r0, const uint8_t *restrict r1, uint8_t *restrict out, int n)
{
	for (int i = 0; i < n; i++)
		out[i] = (uint8_t)((r0[i] + r1[i] + 1) >> 1);
}

static void yuyv_rows(const uint8_t *restrict r0, const uint8_t *restrict r1, uint8_t *restrict y0, uint8_t *restrict y1, uint8_t *restrict cb,
	uint8_t *restrict cr, int pairs)
{
	for (int i = 0; i < pairs; i++) {
		y0[2 * i] = r0[4 * i];
		y0[2 * i + 1] = r0[4 * i + 2];
		y1[2 * i] = r1[4 * i];
		y1[2 * i + 1] = r1[4 * i + 2];
		cb[i] = (uint8_t)((r0[4 * i + 1] + r1[4 * i + 1] + 1) >> 1);
		cr[i] = (uint8_t)((r0[4 * i + 3] + r1[4 * i + 3] + 1) >> 1);
	}
}

/* JFIF's full range BT.601, with 16 fractional bits. */
static uint8_t luma(int r, int g, int b) { return (uint8_t)((19595 * r + 38470 * g + 7471 * b + 32768) >> 16); }

/* Chroma, from the sums of four pixels. */
static uint8_t blue(int r, int g, int b)
{
	int v = (-11059 * r - 21709 * g + 32768 * b + (257 << 17) - 1) >> 18;
	return (uint8_t)(v > 255 ? 255 : v);
}
static uint8_t red(int r, int g, int b)
{
	int v = (32768 * r - 27439 * g - 5329 * b + (257 << 17) - 1) >> 18;
	return (uint8_t)(v > 255 ? 255 : v);
}

static void rgb_rows(
	const uint8_t *r0, const uint8_t *r1, int step, int first, int last, uint8_t *y0, uint8_t *y1, uint8_t *cb, uint8_t *cr, int pairs)
{
	for (int i = 0; i < pairs; i++, r0 += 2 * step, r1 += 2 * step) {
		const uint8_t *p[4] = {r0, r0 + step, r1, r1 + step};
		uint8_t *to[4] = {y0 + 2 * i, y0 + 2 * i + 1, y1 + 2 * i, y1 + 2 * i + 1};
		int r = 0, g = 0, b = 0;
		for (int k = 0; k < 4; k++) {
			*to[k] = luma(p[k][first], p[k][1], p[k][last]);
			r += p[k][first];
			g += p[k][1];
			b += p[k][last];
		}
		cb[i] = blue(r, g, b);
		cr[i] = red(r, g, b);
	}
}

void mx_h264_convert(int format, const uint8_t *p0, int stride0, const uint8_t *p1, int stride1, const uint8_t *p2, int stride2, uint8_t *y,
	uint8_t *cb, uint8_t *cr, int w, int h)
{
	size_t chroma = (size_t)(w / 2) * (h / 2);
	int half = w / 2;

	switch (format) {
	case MX_H264_NV21:
	case MX_H264_NV12:
	case MX_H264_YUV422:
	case MX_H264_GREY: copy_rows(p0, stride0, y, w, h); break;
	}
	if (format == MX_H264_GREY) {
		memset(cb, 128, chroma);
		memset(cr, 128, chroma);
		return;
	}
	for (int i = 0; i < h / 2; i++) {
		uint8_t *b = cb + (size_t)i * half, *r = cr + (size_t)i * half, *y0 = y + (size_t)2 * i * w, *y1 = y0 + w;
		const uint8_t *r0 = p0 + (size_t)2 * i * stride0, *r1 = r0 + stride0;
		switch (format) {
		case MX_H264_NV12: split_row(p1 + (size_t)i * stride1, b, r, half); break;
		case MX_H264_NV21: split_row(p1 + (size_t)i * stride1, r, b, half); break;
		case MX_H264_YUV422:
			mean_row(p1 + (size_t)2 * i * stride1, p1 + (size_t)(2 * i + 1) * stride1, b, half);
			mean_row(p2 + (size_t)2 * i * stride2, p2 + (size_t)(2 * i + 1) * stride2, r, half);
			break;
		case MX_H264_YUYV: yuyv_rows(r0, r1, y0, y1, b, r, half); break;
		case MX_H264_RGB: rgb_rows(r0, r1, 3, 0, 2, y0, y1, b, r, half); break;
		case MX_H264_BGR: rgb_rows(r0, r1, 3, 2, 0, y0, y1, b, r, half); break;
		case MX_H264_RGBA: rgb_rows(r0, r1, 4, 0, 2, y0, y1, b, r, half); break;
		}
	}
}
