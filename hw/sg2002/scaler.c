#include "scaler.h"

#include <string.h>

#include "input.h"
#include "memory.h"

static const MMF_CHN_S vi_end = {CVI_ID_VI, VI_DEV, VI_CHN}, vpss_in = {CVI_ID_VPSS, VPSS_GRP, 0};

void group_clear(struct camera *c)
{
	/* A group that is destroyed with channels enabled keeps their old queues, so disable those first. */
	for (int32_t i = 0; i < VPSS_MAX_CHN_NUM; i++)
		TRY(c, CVI_VPSS_DisableChn, VPSS_GRP, i);
	TRY(c, CVI_VPSS_StopGrp, VPSS_GRP);
	TRY(c, CVI_VPSS_DestroyGrp, VPSS_GRP);
}

bool group_up(struct camera *c)
{
	VPSS_GRP_ATTR_S group;
	memset(&group, 0, sizeof group);
	group.u32MaxW = c->config.width;
	group.u32MaxH = c->config.height;
	group.enPixelFormat = input_format(c);
	group.stFrameRate = (FRAME_RATE_CTRL_S){-1, -1};
	if (!CALL(c, CVI_VPSS_CreateGrp, VPSS_GRP, &group)) {
		if (c->failed.code != CVI_ERR_VPSS_EXIST)
			return false;
		group_clear(c); /* left by a dead process */
		if (!CALL(c, CVI_VPSS_CreateGrp, VPSS_GRP, &group))
			return false;
	}
	c->group = true;
	if (!CALL(c, CVI_VPSS_ResetGrp, VPSS_GRP) || !CALL(c, CVI_VPSS_StartGrp, VPSS_GRP))
		return false;
	c->group_started = true;
	return true;
}

bool group_bind(struct camera *c)
{
	c->vi_bound = CALL(c, CVI_SYS_Bind, &vi_end, &vpss_in);
	return c->vi_bound;
}

void group_unbind(struct camera *c) { UNDO(c, vi_bound, CVI_SYS_UnBind, &vi_end, &vpss_in); }

void group_down(struct camera *c)
{
	UNDO(c, group_started, CVI_VPSS_StopGrp, VPSS_GRP);
	UNDO(c, group, CVI_VPSS_DestroyGrp, VPSS_GRP);
}

static void vpss_attributes(const struct camera *c, const struct output *o, VPSS_CHN_ATTR_S *a)
{
	const struct camera_config *k = &c->config;
	memset(a, 0, sizeof *a); /* including the padding: the driver compares whole structs */
	a->u32Width = o->width;
	a->u32Height = o->height;
	a->enVideoFormat = VIDEO_FORMAT_LINEAR;
	a->enPixelFormat = PIXEL_FORMAT_NV21;
	/* Rate control works only if 0 < dst < src. */
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

/* Start of the part of a length whose centre is at a position from 0 to 1, as far as the edges allow; even, for the chroma. */
static int32_t begin(float middle, uint64_t part, uint64_t whole)
{
	int64_t at = (int64_t)(middle * (float)whole) - (int64_t)(part / 2), last = (int64_t)(whole - part);
	return (int32_t)(at < 0 ? 0 : at > last ? last : at) & ~1;
}

/* The visible part of the sensor's picture: its centre, or what zoom selects, in the output's aspect ratio if fit is crop. */
static VPSS_CROP_INFO_S crop(const struct camera *c, const struct output *o)
{
	const struct camera_config *k = &c->config;
	uint64_t w = k->width, h = k->height;
	VPSS_CROP_INFO_S info = {.bEnable = 1, .enCropCoordinate = VPSS_CROP_ABS_COOR};
	if (o->fit == FIT_CROP) {
		if (w * o->height > h * o->width)
			w = h * o->width / o->height;
		else
			h = w * o->height / o->width;
	}
	float x = 0.5f, y = 0.5f;
	if (k->zoom > 1) {
		w = (uint64_t)((float)w / k->zoom);
		h = (uint64_t)((float)h / k->zoom);
		x = k->mirror ? 1 - k->pan_x : k->pan_x; /* VPSS crops before it mirrors and flips; the position refers to the picture as seen */
		y = k->flip ? 1 - k->pan_y : k->pan_y;
	}
	w &= ~(uint64_t)1;
	h &= ~(uint64_t)1;
	info.stCropRect = (RECT_S){begin(x, w, k->width), begin(y, h, k->height), (uint32_t)w, (uint32_t)h};
	return info;
}

bool channel_crop(struct camera *c, const struct output *o)
{
	VPSS_CROP_INFO_S part = crop(c, o);
	return CALL(c, CVI_VPSS_SetChnCrop, VPSS_GRP, o->chn, &part);
}

bool channel_set(struct camera *c, const struct output *o)
{
	VPSS_CHN_ATTR_S a;
	vpss_attributes(c, o, &a);
	return CALL(c, CVI_VPSS_SetChnAttr, VPSS_GRP, o->chn, &a);
}

bool channel_up(struct camera *c, struct output *o)
{
	VPSS_CHN_ATTR_S a;
	vpss_attributes(c, o, &a);
	if (!pool_up(c, &o->pool, picture_size(o->width, o->height), o->blocks))
		return false;
	if ((o->fit == FIT_CROP || c->config.zoom > 1) && !channel_crop(c, o))
		return false;
	return CALL(c, CVI_VPSS_SetChnAttr, VPSS_GRP, o->chn, &a) && CALL(c, CVI_VPSS_AttachVbPool, VPSS_GRP, o->chn, o->pool);
}

void channel_down(struct camera *c, struct output *o)
{
	if (o->channel) {
		o->channel = false;
		TRY(c, CVI_VPSS_DisableChn, VPSS_GRP, o->chn);
	}
	if (o->pool != VB_INVALID_POOLID) {
		TRY(c, CVI_VPSS_DetachVbPool, VPSS_GRP, o->chn);
	}
}

int frame_get(struct camera *c, const struct output *o, VIDEO_FRAME_INFO_S *frame)
{
	memset(frame, 0, sizeof *frame);
	int32_t code = TRY(c, CVI_VPSS_GetChnFrame, VPSS_GRP, o->chn, frame, c->wait_ms);
	if (code == CVI_SUCCESS)
		return CAMERA_OK;
	memset(frame, 0, sizeof *frame);
	if (code == CVI_ERR_VPSS_BUF_EMPTY)
		return CAMERA_EMPTY;
	call_result(c, "CVI_VPSS_GetChnFrame", code);
	return CAMERA_FAILED;
}

bool frame_release(struct camera *c, const struct output *o, const VIDEO_FRAME_INFO_S *frame)
{
	struct failure before = c->failed;
	/* A block that is not released is lost until the end, so the call is repeated once. */
	if (!CALL(c, CVI_VPSS_ReleaseChnFrame, VPSS_GRP, o->chn, frame) && !CALL(c, CVI_VPSS_ReleaseChnFrame, VPSS_GRP, o->chn, frame))
		return false;
	c->failed = before;
	return true;
}
