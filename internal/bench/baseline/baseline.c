#define _GNU_SOURCE
#include "baseline.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jpeglib.h>

struct straight {
	struct jpeg_compress_struct c; /* first: on_error gets a pointer to it */
	struct jpeg_error_mgr error;
	jmp_buf jump;
	char *message;
};

static int64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void on_error(j_common_ptr c)
{
	struct straight *s = (struct straight *)c;
	char text[JMSG_LENGTH_MAX];

	s->error.format_message(c, text);
	snprintf(s->message, 200, "%s", text);
	longjmp(s->jump, 1);
}

/* Compresses one picture from existing planes like cjpeg or TurboJPEG. */
static void compress(j_compress_ptr c, const uint8_t *const planes[3], const int strides[3], int width, int height, int quality)
{
	int padded = (height + 15) / 16 * 16;

	c->image_width = (JDIMENSION)width;
	c->image_height = (JDIMENSION)height;
	c->input_components = 3;
	c->in_color_space = JCS_YCbCr;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, quality, TRUE);
	c->raw_data_in = TRUE;
	jpeg_start_compress(c, TRUE);
	for (int y = 0; y < padded; y += 16) {
		JSAMPROW rows[3][16];
		JSAMPARRAY data[3] = {rows[0], rows[1], rows[2]};

		for (int p = 0; p < 3; p++)
			for (int i = 0; i < (p ? 8 : 16); i++) {
				int last = (p ? (height + 1) / 2 : height) - 1, row = (p ? y / 2 : y) + i;

				rows[p][i] = (JSAMPROW)(uintptr_t)(planes[p] + (size_t)(row < last ? row : last) * (size_t)strides[p]);
			}
		jpeg_write_raw_data(c, data, 16);
	}
	jpeg_finish_compress(c);
}

long mx_straight(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int ystride, int cstride, int width, int height, int quality, int n,
	int64_t *cpu_ns, char message[200])
{
	const uint8_t *const planes[3] = {y, cb, cr};
	const int strides[3] = {ystride, cstride, cstride};
	struct straight s = {.message = message};
	unsigned char *memory = NULL;
	unsigned long cap = (unsigned long)width * (unsigned long)height * 3 + 4096, size = cap;
	int64_t start;

	snprintf(message, 200, "out of memory");
	if (width % 16 || ystride < width || cstride < width / 2) {
		snprintf(message, 200, "%d pixels wide: must be a multiple of 16", width); /* or else the last blocks would need copied rows */
		return -1;
	}
	memory = malloc(cap);
	if (!memory)
		return -1;
	s.c.err = jpeg_std_error(&s.error);
	s.error.error_exit = on_error;
	if (setjmp(s.jump)) {
		jpeg_destroy_compress(&s.c);
		free(memory);
		return -1;
	}
	jpeg_create_compress(&s.c);
	start = cpu_now();
	for (int i = 0; i < n; i++) {
		unsigned char *out = memory;

		size = cap;
		jpeg_mem_dest(&s.c, &out, &size);
		compress(&s.c, planes, strides, width, height, quality);
		if (out != memory) { /* it was reallocated: impossible with this much room */
			free(out);
			snprintf(message, 200, "a picture larger than its bound");
			n = 0;
			size = 0;
		}
	}
	*cpu_ns = cpu_now() - start;
	jpeg_destroy_compress(&s.c);
	free(memory);
	return size ? (long)size : -1;
}
