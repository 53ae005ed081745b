/*
 * H.264 without a library (ITU-T H.264, baseline profile). A key frame has as many uncoded macroblocks (I_PCM) as its bits allow, first those of
 * the frame number, and extends them over the others (intra DC without coefficients); the pictures after it renew some more and leave
 * the rest unchanged. The stream is valid for every decoder.
 */
#include <stdlib.h>
#include <string.h>

#include "h264.h"

struct bits {
	uint8_t *at;
	uint32_t zeros; /* number of zero bytes just written */
	uint32_t word;
	int left; /* bits free in word, of 8 */
};

struct coarse {
	uint32_t width, height, across, down;
	uint32_t next;        /* next macroblock to renew */
	uint32_t number, key; /* frame_num, idr_pic_id */
	uint8_t *plain;       /* per macroblock: uncoded */
	uint8_t *memory;
	uint8_t sets[2][64];
	bool begun;
};

static void put_byte(struct bits *b, uint8_t v)
{
	if (b->zeros == 2 && v <= 3) {
		*b->at++ = 3; /* emulation prevention */
		b->zeros = 0;
	}
	*b->at++ = v;
	b->zeros = v ? 0 : b->zeros + 1;
}

static void put(struct bits *b, int n, uint32_t v)
{
	while (n--) {
		b->word = b->word << 1 | (v >> n & 1);
		if (--b->left == 0) {
			put_byte(b, (uint8_t)b->word);
			b->word = 0;
			b->left = 8;
		}
	}
}

static void put_ue(struct bits *b, uint32_t v)
{
	int n = 0;

	while ((v + 1) >> (n + 1))
		n++;
	put(b, n, 0);
	put(b, n + 1, v + 1);
}

static struct bits begin(uint8_t *at, uint8_t header)
{
	*at = header;
	return (struct bits){.at = at + 1, .left = 8};
}

static uint32_t end(struct bits *b, const uint8_t *from)
{
	put(b, 1, 1);
	while (b->left != 8)
		put(b, 1, 0);
	return (uint32_t)(b->at - from);
}

static uint32_t write_sps(const struct coarse *c, uint8_t *to)
{
	uint32_t right = c->across * 16 - c->width, below = c->down * 16 - c->height;
	struct bits b = begin(to, 0x67);

	put(&b, 24, 0x42c033); /* baseline, with both constraints, level 5.1 */
	put_ue(&b, 0);
	put_ue(&b, 12); /* frame_num of 16 bits */
	put_ue(&b, 2);  /* output in coding order */
	put_ue(&b, 1);
	put(&b, 1, 0);
	put_ue(&b, c->across - 1);
	put_ue(&b, c->down - 1);
	put(&b, 2, 3);
	put(&b, 1, right || below);
	if (right || below) {
		put_ue(&b, 0);
		put_ue(&b, right / 2);
		put_ue(&b, 0);
		put_ue(&b, below / 2);
	}
	put(&b, 1, 0);
	return end(&b, to);
}

static uint32_t write_pps(uint8_t *to)
{
	struct bits b = begin(to, 0x68);

	put_ue(&b, 0);
	put_ue(&b, 0);
	put(&b, 2, 0);
	put_ue(&b, 0);
	put_ue(&b, 0);
	put_ue(&b, 0);
	put(&b, 3, 0);
	put_ue(&b, 0);
	put_ue(&b, 0);
	put_ue(&b, 0);
	put(&b, 3, 4); /* slices state whether they are deblocked */
	return end(&b, to);
}

struct coarse *coarse_new(uint32_t width, uint32_t height)
{
	struct coarse *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->width = width;
	c->height = height;
	c->across = (width + 15) / 16;
	c->down = (height + 15) / 16;
	c->plain = calloc(c->across * c->down, 1);
	c->memory = malloc((size_t)c->across * c->down * 600 + 1024); /* including every third byte for emulation prevention */
	if (!c->plain || !c->memory) {
		coarse_free(c);
		return NULL;
	}
	return c;
}

void coarse_free(struct coarse *c)
{
	if (!c)
		return;
	free(c->plain);
	free(c->memory);
	free(c);
}

/* Chooses n macroblocks: those of the number, then the next ones in turn. */
static void choose(struct coarse *c, uint32_t n)
{
	uint32_t all = c->across * c->down;

	memset(c->plain, 0, all);
	for (uint32_t y = c->height / 4 / 16; y <= (c->height / 4 + c->height / 16) / 16 && y < c->down; y++)
		for (uint32_t x = c->across / 4; x <= c->across * 3 / 4 && x < c->across && n; x++, n--)
			c->plain[y * c->across + x] = 1;
	for (uint32_t i = 0; i < n && i < all; i++) {
		c->plain[c->next] = 1;
		c->next = (c->next + 1) % all;
	}
}

static void put_plain(struct bits *b, const struct coarse *c, const struct k_frame *f, uint32_t mb_x, uint32_t mb_y)
{
	const uint8_t *y = sim_phys(f->phys[0], 1), *u = f->phys[1] ? sim_phys(f->phys[1], 1) : NULL, *v = f->phys[2] ? sim_phys(f->phys[2], 1) : u;
	uint32_t step = 1, su = f->stride[1], sv = f->stride[2];

	if (f->format == PIXEL_FORMAT_NV21 || f->format == PIXEL_FORMAT_NV12) {
		step = 2;
		sv = su;
		v = u + (f->format == PIXEL_FORMAT_NV12);
		u = u + (f->format == PIXEL_FORMAT_NV21);
	}
	while (b->left != 8)
		put(b, 1, 0);
	for (uint32_t i = 0; i < 16; i++)
		for (uint32_t j = 0; j < 16; j++) {
			uint32_t row = mb_y * 16 + i, column = mb_x * 16 + j;

			put_byte(b, y[(size_t)(row < c->height ? row : c->height - 1) * f->stride[0] + (column < c->width ? column : c->width - 1)]);
		}
	for (int plane = 0; plane < 2; plane++)
		for (uint32_t i = 0; i < 8; i++)
			for (uint32_t j = 0; j < 8; j++) {
				uint32_t row = mb_y * 8 + i, column = mb_x * 8 + j;
				const uint8_t *from = plane ? v : u;

				row = row < c->height / 2 ? row : c->height / 2 - 1;
				column = column < c->width / 2 ? column : c->width / 2 - 1;
				put_byte(b, from[(size_t)row * (plane ? sv : su) + (size_t)column * step]);
			}
}

/* The token for "no coefficients" depends on the neighbours' coefficient counts: 16 or none. */
static void put_no_coefficients(struct bits *b, const struct coarse *c, uint32_t x, uint32_t y)
{
	uint32_t at = y * c->across + x;
	bool left = x > 0 && c->plain[at - 1], above = y > 0 && c->plain[at - c->across];

	if (left || above)
		put(b, 6, 3);
	else
		put(b, 1, 1);
}

static uint32_t write_slice(struct coarse *c, const struct h264_order *o, bool key, uint8_t *to)
{
	struct bits b = begin(to, key ? 0x65 : 0x61);
	uint32_t skipped = 0;

	put_ue(&b, 0);
	put_ue(&b, key ? 7 : 5);
	put_ue(&b, 0);
	put(&b, 16, c->number);
	if (key)
		put_ue(&b, c->key);
	put(&b, key ? 2 : 3, 0); /* reference pictures as usual */
	put_ue(&b, 0);
	put_ue(&b, 1); /* not deblocked */
	for (uint32_t y = 0; y < c->down; y++)
		for (uint32_t x = 0; x < c->across; x++) {
			bool plain = c->plain[y * c->across + x];

			if (!plain && !key) {
				skipped++;
				continue;
			}
			if (!key) {
				put_ue(&b, skipped);
				skipped = 0;
			}
			if (plain) {
				put_ue(&b, key ? 25 : 30);
				put_plain(&b, c, &o->frame, x, y);
			} else {
				put_ue(&b, 3); /* intra 16x16, DC, nothing coded */
				put_ue(&b, 0);
				put_ue(&b, 0);
				put_no_coefficients(&b, c, x, y);
			}
		}
	if (skipped)
		put_ue(&b, skipped);
	return end(&b, to);
}

bool coarse_encode(struct coarse *c, const struct h264_order *o, struct h264_unit *unit)
{
	bool key = o->key || !c->begun;
	double each = o->bitrate / (o->fps > 0 ? o->fps : 30) / 8 / 400; /* number of macroblocks the picture has bits for */

	if (o->width != c->width || o->height != c->height || !sim_phys(o->frame.phys[0], 1))
		return false;
	choose(c, (uint32_t)(key ? 4 * each : each) + 4);
	unit->count = 0;
	if (key) {
		c->number = 0;
		c->key = (c->key + 1) & 0xff;
		unit->nal[0] = c->sets[0];
		unit->length[0] = write_sps(c, c->sets[0]);
		unit->nal[1] = c->sets[1];
		unit->length[1] = write_pps(c->sets[1]);
		unit->count = 2;
	} else {
		c->number = (c->number + 1) & 0xffff;
	}
	unit->nal[unit->count] = c->memory;
	unit->length[unit->count++] = write_slice(c, o, key, c->memory);
	c->begun = true;
	return true;
}
