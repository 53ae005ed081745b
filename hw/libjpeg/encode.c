#include "encode.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
/* jerror.h needs jpeglib.h before it. */
#include <jerror.h>

#include "convert.h"

enum { MCU = 16, CHROMA = MCU / 2 }; /* rows of a 4:2:0 MCU: luma, chroma */

struct mx_encoder {
	struct jpeg_compress_struct cinfo; /* first: libjpeg's callbacks get a pointer to it */
	struct jpeg_error_mgr error;
	struct jpeg_destination_mgr dest;
	jmp_buf jump;
	int code;
	char message[JMSG_LENGTH_MAX];
	/* libjpeg asks for more as soon as a buffer is full, even behind the last byte: what comes then goes here, and is an error. */
	uint8_t spill[256];
	int spilled;

	int created, format, width, height, quality; /* what the compressor is set up for; format 0: nothing */
	uint8_t *rows;                               /* 16 rows of luma, 8 of Cb, 8 of Cr, each a whole number of MCUs wide */
	size_t rows_size;
};

static void on_error(j_common_ptr cinfo)
{
	mx_encoder *e = (mx_encoder *)cinfo;

	e->code = MX_FAILED;
	e->error.format_message(cinfo, e->message);
	longjmp(e->jump, 1);
}

/* Warnings: an encoder has none that matter, and a library does not print. */
static void on_message(j_common_ptr cinfo, int level) { (void)cinfo, (void)level; }

static void on_output(j_common_ptr cinfo) { (void)cinfo; }

static void dest_start(j_compress_ptr cinfo) { (void)cinfo; /* set by mx_encode */ }

static _Noreturn void too_large(mx_encoder *e)
{
	e->code = MX_TOO_LARGE;
	longjmp(e->jump, 1);
}

static boolean dest_full(j_compress_ptr cinfo)
{
	mx_encoder *e = (mx_encoder *)cinfo;

	if (e->spilled)
		too_large(e);
	e->spilled = 1;
	e->dest.next_output_byte = e->spill;
	e->dest.free_in_buffer = sizeof(e->spill);
	return TRUE;
}

static void dest_end(j_compress_ptr cinfo)
{
	mx_encoder *e = (mx_encoder *)cinfo;

	if (e->spilled && e->dest.free_in_buffer < sizeof(e->spill))
		too_large(e);
}

/* On its own, because a function that calls setjmp must not have changed its variables by the time of the jump. */
static int create(mx_encoder *e)
{
	if (setjmp(e->jump))
		return 0;
	jpeg_create_compress(&e->cinfo);
	e->created = 1;
	return 1;
}

mx_encoder *mx_encoder_new(void)
{
	mx_encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->cinfo.err = jpeg_std_error(&e->error);
	e->error.error_exit = on_error;
	e->error.emit_message = on_message;
	e->error.output_message = on_output;
	if (!create(e)) {
		mx_encoder_free(e);
		return NULL;
	}
	e->dest.init_destination = dest_start;
	e->dest.empty_output_buffer = dest_full;
	e->dest.term_destination = dest_end;
	e->cinfo.dest = &e->dest;
	return e;
}

void mx_encoder_free(mx_encoder *e)
{
	if (!e)
		return;
	if (e->created)
		jpeg_destroy_compress(&e->cinfo);
	free(e->rows);
	free(e);
}

const char *mx_encoder_message(const mx_encoder *e) { return e->message; }

static void configure(mx_encoder *e, int format, int width, int height, int quality)
{
	j_compress_ptr c = &e->cinfo;

	e->format = 0;
	c->image_width = (JDIMENSION)width;
	c->image_height = (JDIMENSION)height;
	c->input_components = 3;
	c->raw_data_in = FALSE;
	switch (format) {
	case MX_GREY:
		c->input_components = 1;
		c->in_color_space = JCS_GRAYSCALE;
		break;
	case MX_RGB: c->in_color_space = JCS_EXT_RGB; break;
	case MX_BGR: c->in_color_space = JCS_EXT_BGR; break;
	case MX_RGBA:
		c->input_components = 4;
		c->in_color_space = JCS_EXT_RGBX;
		break;
	default: c->in_color_space = JCS_YCbCr;
	}
	jpeg_set_defaults(c); /* JFIF header, 4:2:0, standard Huffman tables; resets raw_data_in */
	c->raw_data_in = c->in_color_space == JCS_YCbCr;
	c->optimize_coding = FALSE;
	c->dct_method = quality < 96 ? JDCT_IFAST : JDCT_ISLOW;
	jpeg_set_quality(c, quality, TRUE);
	e->format = format;
	e->width = width;
	e->height = height;
	e->quality = quality;
}

/* Repeats the last sample of a row of n up to the next whole block. */
static inline void pad_row(uint8_t *row, int n)
{
	int end = (n + DCTSIZE - 1) & ~(DCTSIZE - 1);

	if (end > n)
		memset(row + n, row[n - 1], (size_t)(end - n));
}

struct picture {
	const uint8_t *plane[3];
	size_t stride[3];
};

static inline int clamp(int y, int rows) { return y < rows ? y : rows - 1; }

/* Pictures up to this width are encoded where they lie. The DCT reads eight bytes each of eight rows, and from rows that lie further apart
 * this costs more than copying all rows first (measured: copying loses 7 % at 640x480, nothing at 1280x720, and wins 2 % at 1920x1080). */
enum { NEAR = 1280 };

/* Points at n rows of a plane of width x height samples from row y on, or at padded copies of them. */
static void take_rows(
	JSAMPROW *rows, int n, const struct picture *p, int plane, int y, int width, int height, int near, uint8_t *copy, size_t copy_stride)
{
	const int in_place = near && width % DCTSIZE == 0;

	for (int i = 0; i < n; i++) {
		const uint8_t *row = p->plane[plane] + p->stride[plane] * (size_t)clamp(y + i, height);

		if (in_place) {
			rows[i] = (JSAMPROW)(uintptr_t)row; /* libjpeg only reads */
		} else if (i > 0 && y + i >= height) {  /* below the picture: the last row once more */
			rows[i] = rows[i - 1];
		} else {
			rows[i] = copy + copy_stride * (size_t)i;
			memcpy(rows[i], row, (size_t)width);
			pad_row(rows[i], width);
		}
	}
}

static void write_raw(mx_encoder *e, const struct picture *p)
{
	const int w = e->width, h = e->height, cw = (w + 1) / 2, ch = (h + 1) / 2, near = w <= NEAR;
	const size_t ystride = ((size_t)w + MCU - 1) & ~(size_t)(MCU - 1), cstride = ystride / 2;
	uint8_t *const ybuf = e->rows, *const cbbuf = ybuf + ystride * MCU, *const crbuf = cbbuf + cstride * CHROMA;
	JSAMPROW yrows[MCU], cbrows[CHROMA], crrows[CHROMA];
	JSAMPARRAY image[3] = {yrows, cbrows, crrows};

	for (int y = 0; y < h; y += MCU) {
		const int cy = y / 2;

		if (e->format != MX_YUYV)
			take_rows(yrows, MCU, p, 0, y, w, h, near, ybuf, ystride);
		if (e->format == MX_YUV420) {
			take_rows(cbrows, CHROMA, p, 1, cy, cw, ch, near, cbbuf, cstride);
			take_rows(crrows, CHROMA, p, 2, cy, cw, ch, near, crbuf, cstride);
			jpeg_write_raw_data(&e->cinfo, image, MCU);
			continue;
		}
		for (int i = 0; i < CHROMA; i++) {
			uint8_t *cb = cbrows[i] = cbbuf + cstride * (size_t)i;
			uint8_t *cr = crrows[i] = crbuf + cstride * (size_t)i;
			const size_t r0 = (size_t)clamp(y + 2 * i, h), r1 = (size_t)clamp(y + 2 * i + 1, h);
			const uint8_t *c = NULL;

			switch (e->format) {
			case MX_NV21:
			case MX_NV12:
				c = p->plane[1] + p->stride[1] * (size_t)clamp(cy + i, ch);
				mx_split(c, e->format == MX_NV12 ? cb : cr, e->format == MX_NV12 ? cr : cb, cw);
				break;
			case MX_YUV422:
				mx_mean(p->plane[1] + p->stride[1] * r0, p->plane[1] + p->stride[1] * r1, cb, cw);
				mx_mean(p->plane[2] + p->stride[2] * r0, p->plane[2] + p->stride[2] * r1, cr, cw);
				break;
			default: /* MX_YUYV */
				yrows[2 * i] = ybuf + ystride * (size_t)(2 * i);
				yrows[2 * i + 1] = yrows[2 * i] + ystride;
				mx_yuyv(p->plane[0] + p->stride[0] * r0, p->plane[0] + p->stride[0] * r1, yrows[2 * i], yrows[2 * i + 1], cb, cr, cw);
				pad_row(yrows[2 * i], w);
				pad_row(yrows[2 * i + 1], w);
			}
			pad_row(cb, cw);
			pad_row(cr, cw);
		}
		jpeg_write_raw_data(&e->cinfo, image, MCU);
	}
}

static void write_rows(mx_encoder *e, const struct picture *p)
{
	JSAMPROW rows[MCU];

	while (e->cinfo.next_scanline < e->cinfo.image_height) {
		JDIMENSION y = e->cinfo.next_scanline, n = e->cinfo.image_height - y;

		if (n > MCU)
			n = MCU;
		for (JDIMENSION i = 0; i < n; i++)
			rows[i] = (JSAMPROW)(uintptr_t)(p->plane[0] + p->stride[0] * (y + i));
		jpeg_write_scanlines(&e->cinfo, rows, n);
	}
}

long mx_encode(mx_encoder *e, int format, int width, int height, int quality, const uint8_t *p0, int stride0, const uint8_t *p1, int stride1,
	const uint8_t *p2, int stride2, uint8_t *dst, size_t cap)
{
	const struct picture p = {{p0, p1, p2}, {(size_t)stride0, (size_t)stride1, (size_t)stride2}};
	const size_t need = (((size_t)width + MCU - 1) & ~(size_t)(MCU - 1)) * (MCU + CHROMA);

	if (e->rows_size < need) {
		free(e->rows);
		e->rows_size = 0;
		e->rows = aligned_alloc(64, (need + 63) & ~(size_t)63);
		if (!e->rows)
			return MX_NO_MEMORY;
		e->rows_size = need;
	}
	if (setjmp(e->jump)) {
		jpeg_abort_compress(&e->cinfo);
		return e->code;
	}
	if (e->format != format || e->width != width || e->height != height || e->quality != quality)
		configure(e, format, width, height, quality);
	e->dest.next_output_byte = dst;
	e->dest.free_in_buffer = cap;
	e->spilled = 0;
	if (!cap)
		dest_full(&e->cinfo);
	jpeg_start_compress(&e->cinfo, TRUE);
	if (e->cinfo.raw_data_in)
		write_raw(e, &p);
	else
		write_rows(e, &p);
	jpeg_finish_compress(&e->cinfo);
	return (long)(e->spilled ? cap : cap - e->dest.free_in_buffer);
}
