#include "output.h"

#include "encoder.h"
#include "memory.h"
#include "picture.h"
#include "scaler.h"

/* Sets up the stream's output from the configuration. */
static void follow(struct camera *c)
{
	const struct camera_config *k = &c->config;
	struct output *o = &c->streamed;
	o->chn = STREAM_CHN;
	o->width = k->out_width;
	o->height = k->out_height;
	o->stream_buffer = k->stream_buffer;
	o->fit = k->fit;
	o->fps = k->out_fps;
	o->depth = k->bound ? 0 : PARKED;
	o->blocks = POOL_BLOCKS;
	o->bound = k->bound;
}

static void all_down(struct camera *c, struct output *o)
{
	venc_down(c, o);
	channel_down(c, o);
	pool_down(c, &o->pool);
}

/* Takes down what came up before a call failed, and keeps that call's name and code. */
static int undo(struct camera *c, struct output *o)
{
	struct failure failed = c->failed;
	all_down(c, o);
	c->failed = failed;
	return CAMERA_FAILED;
}

int output_up(struct camera *c)
{
	struct output *o = &c->streamed;
	follow(c);
	if (!channel_up(c, o) || !CALL(c, CVI_VPSS_EnableChn, VPSS_GRP, o->chn))
		return undo(c, o);
	o->channel = true;
	return venc_up(c, o) ? CAMERA_OK : undo(c, o);
}

void output_down(struct camera *c)
{
	program_down(c);
	all_down(c, &c->streamed);
}

/* The pools go last: the driver silently fails to destroy a pool while the group holds one of its blocks. */
void outputs_down(struct camera *c)
{
	struct output *outputs[] = {&c->streamed, c->config.still ? &c->still : NULL};
	for (int i = 0; i < 2; i++)
		if (outputs[i])
			venc_down(c, outputs[i]);
	group_unbind(c);
	for (int i = 0; i < 2; i++)
		if (outputs[i])
			channel_down(c, outputs[i]);
	group_down(c);
	for (int i = 0; i < 2; i++)
		if (outputs[i])
			pool_down(c, &outputs[i]->pool);
	program_down(c);
}

int outputs_set(struct camera *c)
{
	struct output *outputs[] = {&c->streamed, c->config.still ? &c->still : NULL};
	follow(c);
	for (int i = 0; i < 2; i++) {
		if (outputs[i] && !channel_set(c, outputs[i]))
			return CAMERA_FAILED;
	}
	if (c->config.zoom > 1 && !channel_crop(c, &c->streamed)) /* when mirrored, a different part of the sensor is seen at the same place */
		return CAMERA_FAILED;
	return CAMERA_OK;
}

int outputs_view(struct camera *c) { return channel_crop(c, &c->streamed) ? CAMERA_OK : CAMERA_FAILED; }

/*
 * Pictures of the sensor's size beside the stream. Memory and encoder are always kept, so that a still is never refused for lack of
 * them; the VPSS channel is enabled only for the duration of a frame, since it costs bandwidth and would stop the stream, too,
 * when it runs out of blocks.
 */
int still_up(struct camera *c)
{
	struct output *o = &c->still;
	if (!c->config.still)
		return CAMERA_OK;
	o->chn = STILL_CHN;
	o->width = c->config.width;
	o->height = c->config.height;
	o->stream_buffer = c->config.still_buffer;
	o->fit = FIT_STRETCH; /* it has the sensor's aspect ratio */
	o->blocks = STILL_BLOCKS;
	return channel_up(c, o) && venc_up(c, o) ? CAMERA_OK : undo(c, o);
}

int still_picture(struct camera *c)
{
	struct output *o = &c->still;
	VIDEO_FRAME_INFO_S frame;
	if (venc_quality(c, o) != CAMERA_OK || !CALL(c, CVI_VPSS_EnableChn, VPSS_GRP, o->chn))
		return CAMERA_FAILED;
	o->channel = true;
	int result = frame_get(c, o, &frame);
	struct failure failed = c->failed;
	bool disabled = CALL(c, CVI_VPSS_DisableChn, VPSS_GRP, o->chn) || CALL(c, CVI_VPSS_DisableChn, VPSS_GRP, o->chn);
	o->channel = !disabled;
	if (result == CAMERA_FAILED)
		c->failed = failed;
	if (result != CAMERA_OK)
		return disabled ? result : CAMERA_FAILED;
	result = disabled ? venc_encode(c, o, &frame) : CAMERA_FAILED;
	c->pts = frame.stVFrame.u64PTS;
	return frame_release(c, o, &frame) ? result : CAMERA_FAILED;
}
