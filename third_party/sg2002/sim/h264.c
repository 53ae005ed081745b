/* libopenh264 as the simulated core's encoder, through the code that encodes on a PC. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "h264.h"

#define LIBRARY "libopenh264.so.7"

struct h264_stream {
	mx_h264 *library;
	struct mx_h264_config config;
	struct coarse *coarse;
};

/* Opened for the first picture; reports once if the library is missing. */
static bool have_library(void)
{
	static int tried; /* 1: available, -1: missing */
	char why[256];

	if (!tried) {
		tried = mx_h264_open(LIBRARY, why, sizeof why) == 0 ? 1 : -1;
		if (tried < 0)
			sim_note("%s cannot be opened (%s): using the simulator's own coarse H.264 encoder", LIBRARY, why);
	}
	return tried > 0;
}

struct h264_stream *h264_new(void) { return calloc(1, sizeof(struct h264_stream)); }

void h264_free(struct h264_stream *s)
{
	if (!s)
		return;
	mx_h264_free(s->library);
	coarse_free(s->coarse);
	free(s);
}

static int format_of(uint32_t format)
{
	switch (format) {
	case PIXEL_FORMAT_NV21: return MX_H264_NV21;
	case PIXEL_FORMAT_NV12: return MX_H264_NV12;
	}
	return MX_H264_YUV420; /* the driver, too, reads every other format like this */
}

static bool by_library(struct h264_stream *s, const struct h264_order *o, struct h264_unit *unit)
{
	struct mx_h264_config c = {.width = (int)o->width, .height = (int)o->height, .bitrate = (int)o->bitrate, .fps = (float)o->fps};
	const struct k_frame *f = &o->frame;
	struct mx_h264_unit coded;
	int detail = 0;

	if (!s->library && mx_h264_new(&c, &s->library, &detail) != 0) {
		sim_note("libopenh264 refuses %ux%u at %u bit/s (%d)", o->width, o->height, o->bitrate, detail);
		return false;
	}
	if (s->config.width && memcmp(&s->config, &c, sizeof c) != 0)
		mx_h264_configure(s->library, &c, &detail);
	s->config = c;
	if (mx_h264_encode(s->library, format_of(f->format), sim_phys(f->phys[0], 1), (int)f->stride[0], f->phys[1] ? sim_phys(f->phys[1], 1) : NULL,
			(int)f->stride[1], f->phys[2] ? sim_phys(f->phys[2], 1) : NULL, (int)f->stride[2], (long long)(f->pts / 1000), o->key, &coded,
			&detail) != 0)
		return false;
	unit->count = coded.count;
	for (int i = 0; i < coded.count; i++) {
		unit->nal[i] = coded.nal[i];
		unit->length[i] = (uint32_t)coded.length[i];
	}
	return coded.count > 0;
}

bool h264_encode(struct h264_stream *s, const struct h264_order *o, struct h264_unit *unit)
{
	if (strcmp(sim_text("h264", ""), "coarse") && have_library())
		return by_library(s, o, unit);
	if (!s->coarse)
		s->coarse = coarse_new(o->width, o->height);
	return s->coarse && coarse_encode(s->coarse, o, unit);
}
