/* Shared by the files of libvpu.so: VI, VPSS, RGN, and the hardware beneath them. */
#ifndef MAIXSIM_VPU_H
#define MAIXSIM_VPU_H

#include "core.h"

/* A picture to scale from. Semi-planar: v and u alternate in one plane, at step 2. */
struct picture {
	const uint8_t *y, *u, *v; /* u NULL: grey */
	uint32_t stride, chroma_stride, chroma_step;
	uint32_t width, height;
	bool turned; /* rotated by 180 degrees */
};

/* A region, ready for blending. */
struct overlay {
	const uint8_t *pixels;
	uint32_t stride, format, width, height;
	int32_t x, y;
};

struct job {
	struct picture from;
	RECT_S crop; /* within from */
	struct k_frame to;
	RECT_S fit; /* within to; the rest is background */
	uint32_t background;
	bool mirror, flip;
	struct overlay overlays[RGN_MAX_NUM_VPSS];
	int overlay_count;
};

void vpu_draw(const struct job *job);

/* The scene in front of the sensor at frame number n. Valid until the next call; single-threaded. */
struct picture vpu_scene(uint32_t width, uint32_t height, uint32_t n);

/*
 * Starts the thread that moves frames, if it is not running; reports whether it is working on group (-1: any); waits until it is
 * not, for one frame at most.
 */
void vpu_engine_start(void);
bool vpu_engine_works(int group);
void vpu_engine_idle(int group);

int vpu_overlays(int group, int channel, struct overlay *overlays);
void vpu_regions_gone(int group); /* -1: all groups */
bool vpu_picture(const struct k_frame *f, struct picture *p);

#endif
