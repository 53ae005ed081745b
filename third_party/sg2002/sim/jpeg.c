/* A JPEG as the chip writes it: its order of segments, its counter in APP9 or JFIF, libjpeg's quality scale. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <setjmp.h>

#include "venc.h"

struct failure {
	struct jpeg_error_mgr base;
	jmp_buf jump;
};

static void fail(j_common_ptr c)
{
	char text[JMSG_LENGTH_MAX];

	c->err->format_message(c, text);
	fprintf(stderr, "maixsim: libjpeg: %s\n", text);
	longjmp(((struct failure *)c->err)->jump, 1);
}

static uint8_t *raw, *final;
static unsigned long raw_size;
static size_t final_size;

static uint32_t copy_segments(const uint8_t *in, uint32_t end, uint8_t *out, uint8_t first, uint8_t last)
{
	uint32_t n = 0;

	for (uint32_t at = 2; at + 4 <= end;) {
		uint32_t len = 2 + ((uint32_t)in[at + 2] << 8 | in[at + 3]);

		if (in[at + 1] >= first && in[at + 1] <= last) {
			memcpy(out + n, in + at, len);
			n += len;
		}
		at += len;
	}
	return n;
}

/* SOI, APPn, DRI, DQT, DHT, SOF0, SOS: libjpeg has SOF0 before DHT and DRI. */
static uint32_t reorder(const uint8_t *in, uint32_t len)
{
	static const uint8_t order[][2] = {{0xe0, 0xef}, {0xdd, 0xdd}, {0xdb, 0xdb}, {0xc4, 0xc4}, {0xc0, 0xc0}};
	uint32_t at = 2, n = 2;

	while (at + 4 <= len && in[at + 1] != 0xda)
		at += 2 + ((uint32_t)in[at + 2] << 8 | in[at + 3]);
	if (final_size < len) {
		free(final);
		final = malloc(len);
		final_size = final ? len : 0;
	}
	if (!final || at + 4 > len)
		return 0;
	memcpy(final, in, 2);
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		n += copy_segments(in, at, final + n, order[i][0], order[i][1]);
	memcpy(final + n, in + at, len - at);
	return n + len - at;
}

struct rows {
	const uint8_t *y, *u, *v;
	uint32_t y_rows, c_rows, step;
	uint8_t *u_row[16], *v_row[16];
};

/* Luma rows per chroma row. */
static int halves(const struct encode_order *o) { return o->frame.format == PIXEL_FORMAT_YUV_PLANAR_422 ? 1 : 2; }

static void write_rows(struct jpeg_compress_struct *c, const struct encode_order *o, struct rows *r)
{
	const int vertical = halves(o);
	JSAMPROW y[16], u[16], v[16];
	JSAMPARRAY planes[3] = {y, u, v};
	uint32_t cw = sim_align(o->width, 16) / 2, have = (o->width + 1) / 2;
	const int chroma_rows = 8, luma_rows = 8 * vertical;

	for (uint32_t line = 0; line < sim_align(o->height, (uint32_t)luma_rows); line += (uint32_t)luma_rows) {
		for (int i = 0; i < luma_rows; i++) {
			uint32_t at = line + (uint32_t)i < r->y_rows ? line + (uint32_t)i : r->y_rows - 1;

			y[i] = (JSAMPROW)(uintptr_t)(r->y + (size_t)at * o->frame.stride[0]);
		}
		for (int i = 0; i < chroma_rows; i++) {
			uint32_t at = line / (uint32_t)vertical + (uint32_t)i;

			if (at >= r->c_rows)
				at = r->c_rows - 1;
			u[i] = r->u_row[i];
			v[i] = r->v_row[i];
			for (uint32_t x = 0; x < cw; x++) {
				size_t from = (size_t)at * o->frame.stride[1] + (size_t)(x < have ? x : have - 1) * r->step;

				u[i][x] = r->u ? r->u[from] : 128;
				v[i][x] = r->v ? r->v[from] : 128;
			}
		}
		jpeg_write_raw_data(c, planes, (JDIMENSION)luma_rows);
	}
}

static bool find_planes(const struct encode_order *o, struct rows *r)
{
	const struct k_frame *f = &o->frame;
	uint32_t format = f->format;

	r->y = sim_phys(f->phys[0], (uint64_t)f->stride[0] * o->height);
	r->y_rows = o->height;
	r->c_rows = format == PIXEL_FORMAT_YUV_PLANAR_422 ? o->height : (o->height + 1) / 2;
	r->step = 1;
	if (format == PIXEL_FORMAT_NV21 || format == PIXEL_FORMAT_NV12) {
		const uint8_t *c = sim_phys(f->phys[1], (uint64_t)f->stride[1] * r->c_rows);

		r->step = 2;
		r->u = c ? c + (format == PIXEL_FORMAT_NV21) : NULL;
		r->v = c ? c + (format == PIXEL_FORMAT_NV12) : NULL;
	} else if (f->phys[2]) {
		r->u = sim_phys(f->phys[1], (uint64_t)f->stride[1] * r->c_rows);
		r->v = sim_phys(f->phys[2], (uint64_t)f->stride[2] * r->c_rows);
	}
	return r->y != NULL;
}

const uint8_t *venc_encode(const struct encode_order *o, uint32_t *len)
{
	struct jpeg_compress_struct c;
	struct failure failure;
	static uint8_t *chroma;
	static uint32_t chroma_width;
	struct rows rows = {0};
	uint32_t cw = sim_align(o->width, 16) / 2;

	*len = 0;
	if (!find_planes(o, &rows))
		return NULL;
	if (chroma_width < cw) {
		free(chroma);
		chroma = malloc((size_t)cw * 32);
		chroma_width = cw;
		if (!chroma)
			abort();
	}
	for (int i = 0; i < 16; i++) {
		rows.u_row[i] = chroma + (size_t)i * cw;
		rows.v_row[i] = chroma + (size_t)(16 + i) * cw;
	}
	memset(&c, 0, sizeof c);
	c.err = jpeg_std_error(&failure.base);
	failure.base.error_exit = fail;
	free(raw);
	raw = NULL;
	raw_size = 0;
	if (setjmp(failure.jump)) {
		jpeg_destroy_compress(&c);
		return NULL;
	}
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &raw, &raw_size);
	c.image_width = o->width;
	c.image_height = o->height;
	c.input_components = 3;
	c.in_color_space = JCS_YCbCr;
	jpeg_set_defaults(&c);
	jpeg_set_colorspace(&c, JCS_YCbCr);
	jpeg_set_quality(&c, o->quality ? (int)o->quality : 75, TRUE);
	c.raw_data_in = TRUE;
	c.dct_method = JDCT_FASTEST;
	c.comp_info[0].h_samp_factor = 2;
	c.comp_info[0].v_samp_factor = halves(o);
	for (int i = 1; i < 3; i++)
		c.comp_info[i].h_samp_factor = c.comp_info[i].v_samp_factor = 1;
	c.restart_interval = o->restart;
	c.write_JFIF_header = o->jfif;
	c.write_Adobe_marker = FALSE;
	jpeg_start_compress(&c, TRUE);
	if (!o->jfif) {
		uint8_t counter[4] = {(uint8_t)(o->index >> 24), (uint8_t)(o->index >> 16), (uint8_t)(o->index >> 8), (uint8_t)o->index};

		jpeg_write_marker(&c, JPEG_APP0 + 9, counter, sizeof counter);
	}
	if (o->user_len)
		jpeg_write_marker(&c, JPEG_APP0 + 15, o->user, o->user_len);
	write_rows(&c, o, &rows);
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	*len = reorder(raw, (uint32_t)raw_size);
	return final;
}
