/*
 * What the sensor sees: a texture that moves 4 pixels per frame, four coloured squares that show which way is up, and the
 * frame number, as a row of 32 cells for machines and in digits for people. Positions are in ../README.md.
 */
#include <stdlib.h>
#include <string.h>

#include "vpu.h"

#define PERIOD 256 /* the texture repeats, so that moving it only changes the start */

static struct {
	uint32_t width, height, stride;
	uint8_t *y, *c, *clean_y, *clean_c;
} scene;

static struct {
	uint32_t x, y, w, h;
} stamped[128];
static int stamps;

static struct sim_tone shown; /* the tone the scene was rendered with */

static uint8_t limited(int64_t v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

/* The tone's effect on a pixel; the machine-readable marks are stamped over it. */
static uint8_t luma(uint32_t v)
{
	uint64_t light = (uint64_t)v * 1024;

	if (shown.manual_exposure)
		light = (uint64_t)v * shown.exposure / SIM_EXPOSURE * shown.gain;
	else
		light = (uint64_t)v * shown.bias;
	return limited((int64_t)(light / 1024));
}

static uint8_t chroma(uint32_t v, uint32_t gain)
{
	int64_t c = (int64_t)v - 128;

	if (shown.manual_balance)
		c += ((int64_t)gain - 1024) / 16;
	if (shown.manual_saturation)
		c = c * shown.saturation / SIM_SATURATION;
	return limited(c + 128);
}

static void render(void)
{
	shown = sim_camera.tone;
	for (uint32_t y = 0; y < scene.height; y++) {
		uint8_t *row = scene.clean_y + (size_t)y * scene.stride;

		for (uint32_t x = 0; x < scene.stride; x++) {
			uint32_t p = x % PERIOD, wave = p < 128 ? p : 255 - p;

			row[x] = luma(60 + wave / 2 + ((x / 32 + y / 32) % 2) * 24 + y * 40 / scene.height + (x * 7 + y * 13) % 5);
		}
	}
	for (uint32_t y = 0; y < scene.height / 2; y++) {
		uint8_t *row = scene.clean_c + (size_t)y * scene.stride;

		for (uint32_t x = 0; x < scene.stride / 2; x++) {
			uint32_t p = x % (PERIOD / 2);

			row[2 * x] = chroma(100 + y * 56 / scene.height, shown.red);           /* V */
			row[2 * x + 1] = chroma(112 + (p < 64 ? p : 127 - p) / 2, shown.blue); /* U */
		}
	}
	memcpy(scene.y, scene.clean_y, (size_t)scene.stride * scene.height);
	memcpy(scene.c, scene.clean_c, (size_t)scene.stride * scene.height / 2);
}

static void resize(uint32_t width, uint32_t height)
{
	size_t size;

	if (scene.width == width && scene.height == height)
		return;
	free(scene.y);
	free(scene.clean_y);
	scene.width = width;
	scene.height = height;
	scene.stride = width + PERIOD;
	size = (size_t)scene.stride * height;
	scene.y = malloc(size * 3 / 2);
	scene.clean_y = malloc(size * 3 / 2);
	if (!scene.y || !scene.clean_y)
		abort();
	scene.c = scene.y + size;
	scene.clean_c = scene.clean_y + size;
	render();
	stamps = 0;
}

static void stamp(uint32_t shift, uint32_t x, uint32_t y, uint32_t w, uint32_t h, uint8_t luma, uint8_t u, uint8_t v)
{
	x = (x + shift) & ~1u;
	y &= ~1u;
	w = (w + 1) & ~1u;
	h = (h + 1) & ~1u;
	for (uint32_t r = 0; r < h; r++)
		memset(scene.y + (size_t)(y + r) * scene.stride + x, luma, w);
	for (uint32_t r = 0; r < h / 2; r++) {
		uint8_t *c = scene.c + (size_t)(y / 2 + r) * scene.stride + x;

		for (uint32_t i = 0; i < w; i += 2) {
			c[i] = v;
			c[i + 1] = u;
		}
	}
	if (stamps < (int)(sizeof stamped / sizeof *stamped)) {
		stamped[stamps].x = x;
		stamped[stamps].y = y;
		stamped[stamps].w = w;
		stamped[stamps].h = h;
		stamps++;
	}
}

static void wipe(void)
{
	for (int i = 0; i < stamps; i++) {
		uint32_t x = stamped[i].x, y = stamped[i].y;

		for (uint32_t r = 0; r < stamped[i].h; r++)
			memcpy(scene.y + (size_t)(y + r) * scene.stride + x, scene.clean_y + (size_t)(y + r) * scene.stride + x, stamped[i].w);
		for (uint32_t r = 0; r < stamped[i].h / 2; r++)
			memcpy(scene.c + (size_t)(y / 2 + r) * scene.stride + x, scene.clean_c + (size_t)(y / 2 + r) * scene.stride + x, stamped[i].w);
	}
	stamps = 0;
}

/* 4 cells 1011, 24 cells number, 4 cells exclusive or of its six nibbles; most significant first, white is 1. */
static void cells(uint32_t shift, uint32_t n)
{
	uint32_t check = 0, word, w = scene.width / 64, h = scene.height / 16;

	n &= 0xffffff;
	for (int i = 0; i < 6; i++)
		check ^= n >> (4 * i) & 15;
	word = 0xb0000000u | n << 4 | check;
	for (uint32_t i = 0; i < 32; i++)
		stamp(shift, scene.width / 4 + i * w, scene.height / 4, w, h, word >> (31 - i) & 1 ? 235 : 16, 128, 128);
}

static void digits(uint32_t shift, uint32_t n)
{
	static const uint8_t segments[10] = {0x77, 0x24, 0x5d, 0x6d, 0x2e, 0x6b, 0x7b, 0x25, 0x7f, 0x6f};
	uint32_t h = scene.height / 12, w = h / 2, t = h / 8 + 1, y = scene.height * 3 / 8;

	for (int i = 0; i < 6; i++, n /= 10) {
		uint32_t x = scene.width / 2 + (uint32_t)(3 - i) * (w + 2 * t) - w, s = segments[n % 10];

		if (s & 1)
			stamp(shift, x, y, w, t, 235, 128, 128);
		if (s & 2)
			stamp(shift, x, y, t, h / 2, 235, 128, 128);
		if (s & 4)
			stamp(shift, x + w - t, y, t, h / 2, 235, 128, 128);
		if (s & 8)
			stamp(shift, x, y + h / 2, w, t, 235, 128, 128);
		if (s & 16)
			stamp(shift, x, y + h / 2, t, h / 2, 235, 128, 128);
		if (s & 32)
			stamp(shift, x + w - t, y + h / 2, t, h / 2, 235, 128, 128);
		if (s & 64)
			stamp(shift, x, y + h - t, w, t, 235, 128, 128);
	}
}

struct picture vpu_scene(uint32_t width, uint32_t height, uint32_t n)
{
	uint32_t shift = n * 4 % PERIOD, s = height / 12;

	resize(width, height);
	if (memcmp(&shown, &sim_camera.tone, sizeof shown)) {
		render();
		stamps = 0;
	}
	wipe();
	/* Red and green above, blue and white below: red and blue on the left, green and white on the right. */
	stamp(shift, width * 3 / 16, height / 8, s, s, 81, 90, 240);
	stamp(shift, width * 13 / 16 - s, height / 8, s, s, 145, 54, 34);
	stamp(shift, width * 3 / 16, height * 7 / 8 - s, s, s, 41, 240, 110);
	stamp(shift, width * 13 / 16 - s, height * 7 / 8 - s, s, s, 235, 128, 128);
	cells(shift, n);
	digits(shift, n);
	return (struct picture){.y = scene.y + shift,
		.v = scene.c + shift,
		.u = scene.c + shift + 1,
		.stride = scene.stride,
		.chroma_stride = scene.stride,
		.chroma_step = 2,
		.width = width,
		.height = height,
		.turned = sim_mount() == 180};
}
