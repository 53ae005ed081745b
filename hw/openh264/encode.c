#include "encode.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "convert.h"
#include "library.h"

struct mx_h264_library mx_h264_library;

struct mx_h264 {
	struct oh_encoder *encoder;
	int initialized;
	int width, height;
	uint8_t *planes; /* for pictures that must be converted to planar 4:2:0; NULL before the first */
	union {
		struct oh_parameters parameters;
		char spare[sizeof(struct oh_parameters) + MX_H264_SPARE];
	} p;
	union {
		struct oh_unit unit;
		char spare[sizeof(struct oh_unit) + MX_H264_SPARE];
	} u;
};

int mx_h264_open(const char *file, char *error, size_t error_size)
{
	/* Never closed: encoders may exist until the process ends. */
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		const char *why = dlerror();
		snprintf(error, error_size, "%s", why ? why : "unknown error");
		return MX_H264_MISSING;
	}
	struct mx_h264_library found;
	struct {
		const char *name;
		void **to;
	} functions[] = {
		{"WelsCreateSVCEncoder", (void **)&found.create},
		{"WelsDestroySVCEncoder", (void **)&found.destroy},
		{"WelsCreateDecoder", (void **)&found.create_decoder},
		{"WelsDestroyDecoder", (void **)&found.destroy_decoder},
	};
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		if (!(*functions[i].to = dlsym(handle, functions[i].name))) {
			snprintf(error, error_size, "%s has no %s", file, functions[i].name);
			return MX_H264_MISSING;
		}
	}
	mx_h264_library = found;
	return 0;
}

static void fill(struct oh_parameters *p, const struct mx_h264_config *c)
{
	struct oh_layer *layer = &p->layer[0];

	p->usage = OH_USAGE_CAMERA_REAL_TIME;
	p->width = c->width;
	p->height = c->height;
	p->bitrate = c->bitrate;
	p->rate_control = OH_RC_BITRATE;
	p->max_fps = c->fps;
	p->temporal_layers = 1;
	p->spatial_layers = 1;
	p->intra_period = (unsigned)c->gop;
	p->reference_frames = 1;
	p->id_strategy = OH_ID_CONSTANT; /* an MP4 file cannot have parameter sets that change with each key frame */
	p->cabac = 0;
	p->frame_skip = false;
	p->scene_change = false; /* key frames on request, not when the light is switched on */
	p->threads = 1;
	layer->width = c->width;
	layer->height = c->height;
	layer->fps = c->fps;
	layer->bitrate = c->bitrate;
	layer->profile = OH_PROFILE_BASELINE;
	layer->slices.mode = OH_SLICE_SINGLE;
	layer->signal_present = true;
	layer->video_format = OH_COLOUR_UNSPECIFIED;
	layer->full_range = true;
	layer->colour_present = true;
	layer->primaries = layer->transfer = layer->matrix = OH_COLOUR_BT601;
}

int mx_h264_new(const struct mx_h264_config *c, mx_h264 **out, int *detail)
{
	mx_h264 *e = calloc(1, sizeof *e);
	int quiet = OH_LOG_QUIET, format = OH_FORMAT_I420;

	*out = NULL;
	*detail = 0;
	if (!e)
		return MX_H264_NO_MEMORY;
	e->width = c->width;
	e->height = c->height;
	if ((*detail = mx_h264_library.create(&e->encoder)) || !e->encoder) {
		mx_h264_free(e);
		return MX_H264_NO_MEMORY;
	}
	e->encoder->calls->set_option(e->encoder, OH_OPTION_TRACE_LEVEL, &quiet);
	if ((*detail = e->encoder->calls->defaults(e->encoder, &e->p.parameters))) {
		mx_h264_free(e);
		return MX_H264_REFUSED;
	}
	fill(&e->p.parameters, c);
	if ((*detail = e->encoder->calls->initialize_ext(e->encoder, &e->p.parameters))) {
		mx_h264_free(e);
		return MX_H264_REFUSED;
	}
	e->initialized = 1;
	if ((*detail = e->encoder->calls->set_option(e->encoder, OH_OPTION_FORMAT, &format))) {
		mx_h264_free(e);
		return MX_H264_REFUSED;
	}
	*out = e;
	return 0;
}

void mx_h264_free(mx_h264 *e)
{
	if (!e)
		return;
	if (e->initialized)
		e->encoder->calls->uninitialize(e->encoder);
	if (e->encoder)
		mx_h264_library.destroy(e->encoder);
	free(e->planes);
	free(e);
}

int mx_h264_configure(mx_h264 *e, const struct mx_h264_config *c, int *detail)
{
	struct oh_bitrate bitrate = {OH_LAYERS_ALL, c->bitrate};
	float fps = c->fps;
	int gop = c->gop;
	const struct oh_calls *calls = e->encoder->calls;

	if ((*detail = calls->set_option(e->encoder, OH_OPTION_FRAME_RATE, &fps)) ||
		(*detail = calls->set_option(e->encoder, OH_OPTION_BITRATE, &bitrate)) ||
		(*detail = calls->set_option(e->encoder, OH_OPTION_IDR_INTERVAL, &gop)))
		return MX_H264_REFUSED;
	return 0;
}

/* Returns the length of the start code at the beginning of n bytes. */
static int start_code(const uint8_t *b, int n)
{
	int zeros = 0;

	while (zeros < n && b[zeros] == 0)
		zeros++;
	return zeros >= 2 && zeros < n && b[zeros] == 1 ? zeros + 1 : 0;
}

static int split(const struct oh_unit *from, struct mx_h264_unit *to)
{
	to->count = 0;
	to->key = from->frame_type == OH_FRAME_IDR;
	if (from->frame_type == OH_FRAME_SKIP)
		return 0;
	for (int l = 0; l < from->count; l++) {
		const struct oh_nals *nals = &from->layer[l];
		const uint8_t *at = nals->bytes;
		for (int i = 0; i < nals->count; i++) {
			int length = nals->lengths[i], code = start_code(at, length);
			if (to->count == MX_H264_NALS)
				return MX_H264_TOO_MANY;
			to->nal[to->count] = at + code;
			to->length[to->count++] = length - code;
			at += length;
		}
	}
	return 0;
}

int mx_h264_encode(mx_h264 *e, int format, const uint8_t *p0, int stride0, const uint8_t *p1, int stride1, const uint8_t *p2, int stride2,
	long long ms, int key, struct mx_h264_unit *unit, int *detail)
{
	int w = e->width, h = e->height;
	struct oh_picture picture = {.format = OH_FORMAT_I420, .width = w, .height = h, .time = ms};

	*detail = 0;
	if (format == MX_H264_YUV420) {
		/* The library's API lacks const: it copies the picture and does not modify it. */
		picture.plane[0] = (uint8_t *)p0;
		picture.plane[1] = (uint8_t *)p1;
		picture.plane[2] = (uint8_t *)p2;
		picture.stride[0] = stride0;
		picture.stride[1] = stride1;
		picture.stride[2] = stride2;
	} else {
		size_t luma = (size_t)w * h;
		if (!e->planes && !(e->planes = malloc(luma + luma / 2)))
			return MX_H264_NO_MEMORY;
		picture.plane[0] = e->planes;
		picture.plane[1] = e->planes + luma;
		picture.plane[2] = e->planes + luma + luma / 4;
		picture.stride[0] = w;
		picture.stride[1] = picture.stride[2] = w / 2;
		mx_h264_convert(format, p0, stride0, p1, stride1, p2, stride2, picture.plane[0], picture.plane[1], picture.plane[2], w, h);
	}
	if (key && (*detail = e->encoder->calls->force_intra(e->encoder, true, -1)))
		return MX_H264_FAILED;
	if ((*detail = e->encoder->calls->encode(e->encoder, &picture, &e->u.unit)))
		return MX_H264_FAILED;
	return split(&e->u.unit, unit);
}
