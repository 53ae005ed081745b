#define _GNU_SOURCE
#include "encoder.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "isp.h"
#include "scaler.h"
#include "video.h"

enum { PICTURE_MS = 2000 }; /* the driver's own limit for one picture */

static MMF_CHN_S vpss_out(const struct output *o) { return (MMF_CHN_S){CVI_ID_VPSS, VPSS_GRP, o->chn}; }
static MMF_CHN_S venc_in(const struct output *o) { return (MMF_CHN_S){CVI_ID_VENC, 0, o->chn}; }

/* JFIF instead of a frame counter in APP9, which would make every picture of a still scene differ. Set before channels are created. */
bool venc_module(struct camera *c)
{
	VENC_PARAM_MOD_S module;
	memset(&module, 0, sizeof module);
	module.enVencModType = MODTYPE_JPEGE;
	if (!CALL(c, CVI_VENC_GetModParam, &module))
		return false;
	module.enVencModType = MODTYPE_JPEGE;
	module.stJpegeModParam.enJpegeFormat = JPEGE_FORMAT_TYPE_1;
	return CALL(c, CVI_VENC_SetModParam, &module);
}

bool venc_up(struct camera *c, struct output *o)
{
	uint32_t fps = c->config.fps < 1 ? 1 : (uint32_t)c->config.fps;
	VENC_CHN_ATTR_S a;
	memset(&a, 0, sizeof a);
	a.stVencAttr.enType = PT_JPEG;
	a.stVencAttr.u32MaxPicWidth = a.stVencAttr.u32PicWidth = o->width;
	a.stVencAttr.u32MaxPicHeight = a.stVencAttr.u32PicHeight = o->height;
	a.stVencAttr.u32BufSize = o->stream_buffer;
	a.stVencAttr.bByFrame = 1;
	a.stRcAttr.enRcMode = VENC_RC_MODE_MJPEGFIXQP;
	a.stRcAttr.stMjpegFixQp.u32SrcFrameRate = fps;
	a.stRcAttr.stMjpegFixQp.fr32DstFrameRate = fps;
	a.stRcAttr.stMjpegFixQp.u32Qfactor = c->config.quality;
	if (!CALL(c, CVI_VENC_CreateChn, o->chn, &a))
		return false;
	o->venc = true;
	if (venc_quality(c, o) != CAMERA_OK)
		return false;
	if (o->bound) { /* StartRecvFrame starts the encoder's thread, and only if the bind exists */
		MMF_CHN_S from = vpss_out(o), to = venc_in(o);
		if (!CALL(c, CVI_SYS_Bind, &from, &to))
			return false;
		o->venc_bound = true;
	}
	VENC_RECV_PIC_PARAM_S receive = {.s32RecvPicNum = -1};
	if (!CALL(c, CVI_VENC_StartRecvFrame, o->chn, &receive))
		return false;
	o->receiving = true;
	return true;
}

void venc_down(struct camera *c, struct output *o)
{
	if (o->venc_bound) { /* before the encoder stops: its thread would go on using freed memory */
		MMF_CHN_S from = vpss_out(o), to = venc_in(o);
		o->venc_bound = false;
		TRY(c, CVI_SYS_UnBind, &from, &to);
	}
	if (o->receiving) {
		o->receiving = false;
		TRY(c, CVI_VENC_StopRecvFrame, o->chn);
	}
	if (o->venc) {
		o->venc = false;
		TRY(c, CVI_VENC_DestroyChn, o->chn);
	}
}

int venc_quality(struct camera *c, const struct output *o)
{
	VENC_JPEG_PARAM_S p;
	memset(&p, 0, sizeof p);
	if (!CALL(c, CVI_VENC_GetJpegParam, o->chn, &p))
		return CAMERA_FAILED;
	p.u32Qfactor = c->config.quality;
	p.u32MCUPerECS = 0;
	return CALL(c, CVI_VENC_SetJpegParam, o->chn, &p) ? CAMERA_OK : CAMERA_FAILED;
}

/* Codes that mean "not now". The driver returns -1 from a wait that was interrupted before it began. */
static bool again(int32_t code)
{
	return code == CVI_FAILURE || code == CVI_ERR_VENC_BUSY || code == CVI_ERR_VENC_EMPTY_STREAM_FRAME || code == CVI_ERR_VENC_BUF_EMPTY ||
		code == CVI_ERR_VENC_BUF_FULL || code == CVI_ERR_VENC_MUTEX_ERROR;
}

static int32_t get_stream(struct camera *c, const struct output *o, int32_t wait_ms)
{
	memset(&c->stream, 0, sizeof c->stream);
	memset(c->packs, 0, sizeof c->packs);
	c->stream.pstPack = c->packs;
	return TRY(c, CVI_VENC_GetStream, o->chn, &c->stream, wait_ms);
}

/*
 * Copies the stream into the caller's buffer and releases it at once, so that a slow caller never holds the encoder's memory.
 * This is the only copy of a picture.
 */
static int take_stream(struct camera *c, const struct output *o)
{
	int result = CAMERA_OK;
	size_t size = 0;
	uint32_t packs = c->stream.u32PackCount < 8 ? c->stream.u32PackCount : 8;
	for (uint32_t i = 0; i < packs; i++) {
		const VENC_PACK_S *p = &c->packs[i];
		if (!p->pu8Addr || p->u32Len < p->u32Offset) { /* /dev/mem could not be mapped */
			call_result(c, "CVI_VENC_GetStream (mapping)", CVI_ERR_VENC_BADADDR);
			result = CAMERA_FAILED;
			break;
		}
		size += p->u32Len - p->u32Offset;
	}
	if (result == CAMERA_OK) {
		pthread_mutex_lock(&c->lock); /* a caller that gave up has taken its buffer back */
		if (c->abandoned || !c->buffer) {
			result = CAMERA_EMPTY;
		} else if (size > c->room || size == 0) {
			result = CAMERA_TOO_LARGE;
		} else {
			size_t at = 0;
			for (uint32_t i = 0; i < packs; i++) {
				const VENC_PACK_S *p = &c->packs[i];
				memcpy(c->buffer + at, p->pu8Addr + p->u32Offset, p->u32Len - p->u32Offset);
				at += p->u32Len - p->u32Offset;
			}
			c->copied++;
			c->copied_bytes += size;
		}
		pthread_mutex_unlock(&c->lock);
		c->size = size;
		if (c->packs[0].u64PTS)
			c->pts = c->packs[0].u64PTS;
	}
	/* No further picture arrives while this one is out. */
	if (!CALL(c, CVI_VENC_ReleaseStream, o->chn, &c->stream) && !CALL(c, CVI_VENC_ReleaseStream, o->chn, &c->stream))
		result = CAMERA_FAILED;
	return result;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Sends a frame and fetches its picture. Nothing else is sent on any channel in between, since the driver has one lock for all.
 * So an interrupted wait is resumed; the picture is given up as lost only after the driver's own time limit.
 */
static int send_and_take(struct camera *c, const struct output *o, const VIDEO_FRAME_INFO_S *frame)
{
	int32_t code = TRY(c, CVI_VENC_SendFrame, o->chn, frame, PICTURE_MS);
	if (code == CVI_ERR_VENC_BUSY || code == CVI_FAILURE)
		code = c->mpi->CVI_VENC_SendFrame(o->chn, frame, PICTURE_MS);
	if (code == CVI_ERR_VENC_FRC_NO_ENC)
		return CAMERA_EMPTY;
	if (!call_result(c, "CVI_VENC_SendFrame", code))
		return CAMERA_FAILED;
	int64_t until = now_ms() + PICTURE_MS;
	int tries = 0;
	do
		code = get_stream(c, o, PICTURE_MS);
	while (code != CVI_SUCCESS && again(code) && ++tries < 100 && now_ms() < until);
	if (!call_result(c, "CVI_VENC_GetStream", code))
		return CAMERA_FAILED;
	return take_stream(c, o);
}

static bool encoder_failed(const struct camera *c) { return !strncmp(c->failed.call, "CVI_VENC_", 9); }

/*
 * An encoder that refuses or loses pictures works again once its channel is recreated. This is tried once: if no picture follows,
 * the caller must bring everything up again.
 */
static int remake(struct camera *c, struct output *o, int result)
{
	if (result == CAMERA_OK || result == CAMERA_TOO_LARGE)
		o->retried = false;
	if (result != CAMERA_FAILED || o->retried || !encoder_failed(c))
		return result;
	struct failure failed = c->failed;
	o->retried = true;
	venc_down(c, o);
	if (venc_up(c, o))
		return CAMERA_EMPTY;
	venc_down(c, o);
	c->failed = failed;
	return CAMERA_FAILED;
}

/* The caller holds the frame, so the encoder may be recreated meanwhile. */
int venc_encode(struct camera *c, struct output *o, const VIDEO_FRAME_INFO_S *frame) { return remake(c, o, send_and_take(c, o, frame)); }

static int poll_picture(struct camera *c, const struct output *o)
{
	struct pollfd ready = {.fd = TRY(c, CVI_VENC_GetFd, o->chn), .events = POLLIN};
	if (ready.fd < 0) {
		call_result(c, "CVI_VENC_GetFd", ready.fd);
		return CAMERA_FAILED;
	}
	NOTE(c, "poll on the encoder");
	int n = poll(&ready, 1, c->wait_ms);
	if (n == 0 || (n < 0 && errno == EINTR))
		return CAMERA_EMPTY;
	if (n < 0) {
		call_result(c, "poll on the encoder", -errno);
		return CAMERA_FAILED;
	}
	int32_t code = get_stream(c, o, 0);
	if (call_result(c, "CVI_VENC_GetStream", code))
		return take_stream(c, o);
	return again(code) ? CAMERA_EMPTY : CAMERA_FAILED;
}

/* The rest of the frame time, for H.264, so that JPEG keeps its rate; a picture that takes longer is fetched at the next frame. */
static int32_t time_left(const struct camera *c, int64_t since)
{
	float fps = c->config.out_fps > 0 ? (float)c->config.out_fps : c->config.fps;
	int64_t left = since + (int64_t)(1000 / (fps > 1 ? fps : 1)) - 2 - now_ms();
	return left > 0 ? (int32_t)left : 0;
}

/* The hardware passes JPEG's frames on by itself; H.264 is sent one of them by handle while it has a reader. */
static int bound_picture(struct camera *c, struct output *o)
{
	VIDEO_FRAME_INFO_S frame;
	video_take(c, o, 0);
	if (!video_ready(c))
		return poll_picture(c, o);
	int result = frame_get(c, o, &frame);
	if (result != CAMERA_OK)
		return result;
	int64_t since = now_ms();
	bool kept = video_send(c, &frame);
	if (!kept && !frame_release(c, o, &frame))
		return CAMERA_FAILED;
	result = poll_picture(c, o);
	video_take(c, o, time_left(c, since));
	return result;
}

/* The frame goes to both encoders, which read it at the same time, and is released when both are done with it. */
static int sent_picture(struct camera *c, struct output *o)
{
	VIDEO_FRAME_INFO_S frame;
	video_take(c, o, 0);
	int result = frame_get(c, o, &frame);
	if (result != CAMERA_OK)
		return result;
	int64_t since = c->video.receiving ? now_ms() : 0;
	bool kept = video_send(c, &frame);
	result = venc_encode(c, o, &frame);
	c->pts = frame.stVFrame.u64PTS;
	if (kept) {
		video_take(c, o, time_left(c, since));
		return result;
	}
	return frame_release(c, o, &frame) ? result : CAMERA_FAILED;
}

int venc_picture(struct camera *c)
{
	struct output *o = &c->streamed;
	int result = o->bound ? remake(c, o, bound_picture(c, o)) : sent_picture(c, o);
	/* Frames still arrive after the ISP's thread has ended, but nothing adjusts the exposure any more. */
	return result != CAMERA_FAILED && !isp_runs(c) ? CAMERA_FAILED : result;
}

void venc_clear(struct camera *c, int32_t chn)
{
	if (TRY(c, CVI_VENC_GetFd, chn) < 0) /* without the node open these three would do nothing */
		return;
	TRY(c, CVI_VENC_StopRecvFrame, chn);
	TRY(c, CVI_VENC_ResetChn, chn);
	TRY(c, CVI_VENC_DestroyChn, chn);
}
