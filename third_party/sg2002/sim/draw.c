/* The scaler: crop, nearest-neighbour scaling, overlays, mirror and flip, in that order, into a block. */
#include <string.h>

#include "vpu.h"

#define MAX_WIDTH 8192

/* Source column of each output column. Mirror comes last on the chip, so it mirrors the overlays too. */
static void map_columns(
	uint32_t *map, const struct job *j, uint32_t out, uint32_t first, uint32_t count, int32_t origin, uint32_t size, uint32_t limit, uint32_t step)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = ((uint64_t)(2 * i + 1) * size) / (2 * count);
		int64_t x = origin + (int64_t)at;
		uint32_t to = first + i;

		if (x < 0)
			x = 0;
		if (x >= limit)
			x = limit - 1;
		if (j->from.turned)
			x = limit - 1 - x;
		if (j->mirror)
			to = out - 1 - to;
		map[to] = (uint32_t)x * step;
	}
}

static uint32_t source_row(const struct job *j, uint32_t i, uint32_t count, int32_t origin, uint32_t size, uint32_t limit)
{
	int64_t y = origin + (int64_t)(((uint64_t)(2 * i + 1) * size) / (2 * count));

	if (y < 0)
		y = 0;
	if (y >= limit)
		y = limit - 1;
	return j->from.turned ? limit - 1 - (uint32_t)y : (uint32_t)y;
}

struct ycc {
	uint8_t y, u, v;
};

static struct ycc from_rgb(int r, int g, int b)
{
	return (struct ycc){(uint8_t)(((66 * r + 129 * g + 25 * b + 128) >> 8) + 16), (uint8_t)(((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128),
		(uint8_t)(((112 * r - 94 * g - 18 * b + 128) >> 8) + 128)};
}

static void luma(const struct job *j, uint8_t *plane)
{
	static __thread uint32_t map[MAX_WIDTH];
	uint32_t w = j->to.width, h = j->to.height, x0 = (uint32_t)j->fit.s32X, y0 = (uint32_t)j->fit.s32Y;
	struct ycc back = from_rgb(j->background >> 16 & 255, j->background >> 8 & 255, j->background & 255);
	bool straight = !j->mirror && !j->from.turned && j->crop.u32Width == j->fit.u32Width && j->fit.u32Width == w && j->crop.s32X >= 0 &&
		(uint32_t)j->crop.s32X + w <= j->from.width;

	map_columns(map, j, w, x0, j->fit.u32Width, j->crop.s32X, j->crop.u32Width, j->from.width, 1);
	for (uint32_t y = 0; y < h; y++) {
		uint8_t *to = plane + (size_t)(j->flip ? h - 1 - y : y) * j->to.stride[0];
		const uint8_t *from;
		uint32_t first = j->mirror ? w - x0 - j->fit.u32Width : x0, last = first + j->fit.u32Width;

		if (y < y0 || y >= y0 + j->fit.u32Height) {
			memset(to, back.y, w);
			continue;
		}
		from = j->from.y + (size_t)source_row(j, y - y0, j->fit.u32Height, j->crop.s32Y, j->crop.u32Height, j->from.height) * j->from.stride;
		if (straight) {
			memcpy(to, from + j->crop.s32X, w);
			continue;
		}
		memset(to, back.y, first);
		for (uint32_t x = first; x < last; x++)
			to[x] = from[map[x]];
		memset(to + last, back.y, w - last);
	}
}

static void chroma(const struct job *j, uint8_t *u, uint8_t *v, uint32_t stride, uint32_t step)
{
	static __thread uint32_t map[MAX_WIDTH];
	uint32_t w = (j->to.width + 1) / 2, h = (j->to.height + 1) / 2, x0 = (uint32_t)j->fit.s32X / 2, y0 = (uint32_t)j->fit.s32Y / 2;
	uint32_t fw = (j->fit.u32Width + 1) / 2, fh = (j->fit.u32Height + 1) / 2;
	uint32_t first = j->mirror ? w - x0 - fw : x0, last = first + fw;
	struct ycc back = from_rgb(j->background >> 16 & 255, j->background >> 8 & 255, j->background & 255);

	map_columns(map, j, w, x0, fw, j->crop.s32X / 2, (j->crop.u32Width + 1) / 2, (j->from.width + 1) / 2, j->from.chroma_step);
	for (uint32_t y = 0; y < h; y++) {
		size_t row = (size_t)(j->flip ? h - 1 - y : y) * stride;
		bool inside = y >= y0 && y < y0 + fh && j->from.u;
		size_t from = inside
			? (size_t)source_row(j, y - y0, fh, j->crop.s32Y / 2, (j->crop.u32Height + 1) / 2, (j->from.height + 1) / 2) * j->from.chroma_stride
			: 0;

		for (uint32_t x = 0; x < w; x++) {
			bool in = inside && x >= first && x < last;

			u[row + (size_t)x * step] = in ? j->from.u[from + map[x]] : j->from.u ? back.u : 128;
			v[row + (size_t)x * step] = in ? j->from.v[from + map[x]] : j->from.u ? back.v : 128;
		}
	}
}

/* One pixel of a region, as colour and alpha 0..255. */
static struct ycc region_pixel(const struct overlay *o, uint32_t x, uint32_t y, int *alpha)
{
	const uint8_t *row = o->pixels + (size_t)y * o->stride;
	uint32_t p;

	switch (o->format) {
	case PIXEL_FORMAT_ARGB_8888:
		memcpy(&p, row + 4 * x, 4);
		*alpha = p >> 24;
		return from_rgb(p >> 16 & 255, p >> 8 & 255, p & 255);
	case PIXEL_FORMAT_ARGB_4444:
		p = row[2 * x] | (uint32_t)row[2 * x + 1] << 8;
		*alpha = (int)(p >> 12) * 17;
		return from_rgb((int)(p >> 8 & 15) * 17, (int)(p >> 4 & 15) * 17, (int)(p & 15) * 17);
	default:
		p = row[2 * x] | (uint32_t)row[2 * x + 1] << 8;
		*alpha = p & 0x8000 ? 255 : 0;
		return from_rgb((int)(p >> 10 & 31) * 255 / 31, (int)(p >> 5 & 31) * 255 / 31, (int)(p & 31) * 255 / 31);
	}
}

static void blend(const struct job *j, const struct overlay *o, uint8_t *yp, uint8_t *u, uint8_t *v, uint32_t stride, uint32_t step)
{
	for (uint32_t y = 0; y < o->height; y++)
		for (uint32_t x = 0; x < o->width; x++) {
			uint32_t tx = (uint32_t)o->x + x, ty = (uint32_t)o->y + y;
			int a;
			struct ycc c = region_pixel(o, x, y, &a);
			uint8_t *p;

			if (a == 0 || tx >= j->to.width || ty >= j->to.height)
				continue;
			if (j->mirror)
				tx = j->to.width - 1 - tx;
			if (j->flip)
				ty = j->to.height - 1 - ty;
			p = yp + (size_t)ty * j->to.stride[0] + tx;
			*p = (uint8_t)((*p * (255 - a) + c.y * a) / 255);
			if (!u || (tx | ty) & 1)
				continue;
			p = u + (size_t)(ty / 2) * stride + (size_t)(tx / 2) * step;
			*p = (uint8_t)((*p * (255 - a) + c.u * a) / 255);
			p = v + (size_t)(ty / 2) * stride + (size_t)(tx / 2) * step;
			*p = (uint8_t)((*p * (255 - a) + c.v * a) / 255);
		}
}

void vpu_draw(const struct job *j)
{
	const struct k_frame *f = &j->to;
	uint8_t *y = sim_phys(f->phys[0], f->length[0]), *u = NULL, *v = NULL;
	uint32_t step = 2;

	if (!y || f->width > MAX_WIDTH)
		return;
	luma(j, y);
	switch (f->format) {
	case PIXEL_FORMAT_NV21:
		v = sim_phys(f->phys[1], f->length[1]);
		u = v + 1;
		break;
	case PIXEL_FORMAT_NV12:
		u = sim_phys(f->phys[1], f->length[1]);
		v = u + 1;
		break;
	case PIXEL_FORMAT_YUV_PLANAR_420:
		u = sim_phys(f->phys[1], f->length[1]);
		v = sim_phys(f->phys[2], f->length[2]);
		step = 1;
		break;
	}
	if (u)
		chroma(j, u, v, f->stride[1], step);
	for (int i = 0; i < j->overlay_count; i++)
		blend(j, &j->overlays[i], y, u, v, f->stride[1], step);
}
