/* What the pictures come out of: channels of VPSS, each with a pool of its own. */
#include "camera.h"

#include <string.h>

static void vpss_attributes(const struct camera *c, const struct output *o, VPSS_CHN_ATTR_S *a)
{
	const struct camera_config *k = &c->config;
	memset(a, 0, sizeof *a); /* padding too: the driver compares whole structs */
	a->u32Width = o->width;
	a->u32Height = o->height;
	a->enVideoFormat = VIDEO_FORMAT_LINEAR;
	a->enPixelFormat = PIXEL_FORMAT_NV21;
	/* Rate control works only when 0 < dst < src. */
	if (o->fps > 0 && o->fps < (int32_t)k->fps)
		a->stFrameRate = (FRAME_RATE_CTRL_S){(int32_t)k->fps, o->fps};
	else
		a->stFrameRate = (FRAME_RATE_CTRL_S){-1, -1};
	a->bMirror = k->mirror;
	a->bFlip = k->flip;
	a->u32Depth = o->depth;
	a->stAspectRatio.enMode = o->fit == FIT_PAD ? ASPECT_RATIO_AUTO : ASPECT_RATIO_NONE;
	a->stAspectRatio.bEnableBgColor = o->fit == FIT_PAD;
}

/* The middle of the sensor's picture in the shape of the output. */
static VPSS_CROP_INFO_S crop(const struct camera *c, const struct output *o)
{
	const struct camera_config *k = &c->config;
	uint64_t w = k->width, h = k->height;
	VPSS_CROP_INFO_S info = {.bEnable = 1, .enCropCoordinate = VPSS_CROP_ABS_COOR};
	if (w * o->height > h * o->width)
		w = h * o->width / o->height;
	else
		h = w * o->height / o->width;
	w &= ~(uint64_t)1;
	h &= ~(uint64_t)1;
	info.stCropRect = (RECT_S){(int32_t)((k->width - w) / 2) & ~1, (int32_t)((k->height - h) / 2) & ~1, (uint32_t)w, (uint32_t)h};
	return info;
}

bool pool_up(struct camera *c, uint32_t *pool, uint32_t size, uint32_t count)
{
	VB_POOL_CONFIG_S config = {.u32BlkSize = size, .u32BlkCnt = count, .enRemapMode = VB_REMAP_MODE_CACHED};
	uint32_t id = TRY(c, CVI_VB_CreatePool, &config);
	if (id >= 512) /* error codes come back as pool ids */
		return call_result(c, "CVI_VB_CreatePool", id == VB_INVALID_POOLID ? CVI_ERR_VB_NOMEM : (int32_t)id);
	*pool = id;
	return true;
}

void pool_down(struct camera *c, uint32_t *pool)
{
	if (*pool == VB_INVALID_POOLID)
		return;
	TRY(c, CVI_VB_DestroyPool, *pool);
	*pool = VB_INVALID_POOLID;
}

/* The stream's output as the configuration has it now. */
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

static bool channel_up(struct camera *c, struct output *o)
{
	VPSS_CHN_ATTR_S a;
	vpss_attributes(c, o, &a);
	if (!pool_up(c, &o->pool, picture_size(o->width, o->height), o->blocks))
		return false;
	if (o->fit == FIT_CROP) {
		VPSS_CROP_INFO_S middle = crop(c, o);
		if (!CALL(c, CVI_VPSS_SetChnCrop, VPSS_GRP, o->chn, &middle))
			return false;
	}
	return CALL(c, CVI_VPSS_SetChnAttr, VPSS_GRP, o->chn, &a) && CALL(c, CVI_VPSS_AttachVbPool, VPSS_GRP, o->chn, o->pool);
}

static void channel_down(struct camera *c, struct output *o)
{
	if (o->channel) {
		o->channel = false;
		TRY(c, CVI_VPSS_DisableChn, VPSS_GRP, o->chn);
	}
	if (o->pool != VB_INVALID_POOLID) {
		TRY(c, CVI_VPSS_DetachVbPool, VPSS_GRP, o->chn);
	}
}

static void all_down(struct camera *c, struct output *o)
{
	venc_down(c, o);
	channel_down(c, o);
	pool_down(c, &o->pool);
}

/* Ends what came up before a call failed, and keeps that call's name and code. */
static int undo(struct camera *c, struct output *o)
{
	const char *call = c->failed_call;
	int32_t code = c->failed_code;
	all_down(c, o);
	c->failed_call = call;
	c->failed_code = code;
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

/* The pools go last: the driver does not destroy, and does not say so, while the group has a block of theirs. */
void outputs_down(struct camera *c)
{
	struct output *outputs[] = {&c->streamed, c->config.still ? &c->still : NULL};
	for (int i = 0; i < 2; i++)
		if (outputs[i])
			venc_down(c, outputs[i]);
	input_unbind(c);
	for (int i = 0; i < 2; i++)
		if (outputs[i])
			channel_down(c, outputs[i]);
	group_down(c);
	for (int i = 0; i < 2; i++)
		if (outputs[i])
			pool_down(c, &outputs[i]->pool);
	program_down(c);
}

int output_vpss(struct camera *c)
{
	struct output *outputs[] = {&c->streamed, c->config.still ? &c->still : NULL};
	follow(c);
	for (int i = 0; i < 2; i++) {
		VPSS_CHN_ATTR_S a;
		if (!outputs[i])
			continue;
		vpss_attributes(c, outputs[i], &a);
		if (!CALL(c, CVI_VPSS_SetChnAttr, VPSS_GRP, outputs[i]->chn, &a))
			return CAMERA_FAILED;
	}
	return CAMERA_OK;
}

/*
 * Pictures of the sensor's size beside the stream. Memory and encoder are there all the time, so that one is never refused for
 * want of them; the channel of VPSS is enabled only for as long as a frame takes, for it costs bandwidth, and without free
 * blocks it would stop the stream, too.
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
	o->fit = FIT_STRETCH; /* it has the sensor's shape */
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
	memset(&frame, 0, sizeof frame);
	int32_t code = TRY(c, CVI_VPSS_GetChnFrame, VPSS_GRP, o->chn, &frame, c->wait_ms);
	bool disabled = CALL(c, CVI_VPSS_DisableChn, VPSS_GRP, o->chn) || CALL(c, CVI_VPSS_DisableChn, VPSS_GRP, o->chn);
	o->channel = !disabled;
	if (code == CVI_ERR_VPSS_BUF_EMPTY)
		return disabled ? CAMERA_EMPTY : CAMERA_FAILED;
	if (!call_result(c, "CVI_VPSS_GetChnFrame", code))
		return CAMERA_FAILED;
	int result = disabled ? venc_encode(c, o, &frame) : CAMERA_FAILED;
	c->pts = frame.stVFrame.u64PTS;
	return frame_release(c, o, &frame) ? result : CAMERA_FAILED;
}
