#define _GNU_SOURCE
#include "video.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scaler.h"

enum {
	SEND_MS = 50,     /* the codec's lock is normally free: the last picture is done */
	LATE_MS = 1000,   /* after which a picture counts as lost */
	LAST_MS = 1000,   /* the same at the end */
	READER_MS = 3000, /* that a reader may take to copy a unit */
	BUSY_FRAMES = 3,  /* refused in a row before the encoder is recreated */
	INITIAL_QP = 35,  /* these four are what products with this chip use */
	MIN_QP = 20,
	MAX_QP = 51,
	MAX_KEY_SHARE = 10, /* a key frame's size, in average pictures: smaller means less delay on a slow link */
	STATISTICS_S = 2,
	KEY_QP_DELTA = 2,
	UNSPECIFIED_FORMAT = 5, /* ITU-T H.264 table E-2 */
	BT601 = 6,              /* SMPTE 170M in tables E-3, E-4 and E-5 */
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void set_rates(VENC_CHN_ATTR_S *a, const struct video_config *k)
{
	a->stRcAttr.stH264Cbr.u32SrcFrameRate = k->rate; /* the actual rate: with a higher one the driver would drop pictures */
	a->stRcAttr.stH264Cbr.fr32DstFrameRate = k->rate;
	a->stRcAttr.stH264Cbr.u32BitRate = k->kilobits;
}

/* Fine settings of the stream, before the start: later they have no effect. Refusals are only recorded, since it streams without them. */
static void shape(struct camera *c)
{
	struct failure before = c->failed;
	VENC_H264_ENTROPY_S cavlc;
	memset(&cavlc, 0, sizeof cavlc); /* without it baseline becomes main */
	bool ok = CALL(c, CVI_VENC_SetH264Entropy, VIDEO_CHN, &cavlc);
	VENC_RC_PARAM_S rc;
	memset(&rc, 0, sizeof rc);
	if (CALL(c, CVI_VENC_GetRcParam, VIDEO_CHN, &rc)) {
		VENC_PARAM_H264_CBR_S *limits = &rc.stParamH264Cbr;
		rc.s32FirstFrameStartQp = INITIAL_QP;
		limits->u32MinIprop = 1;
		limits->u32MaxIprop = MAX_KEY_SHARE;
		limits->u32MinQp = limits->u32MinIQp = MIN_QP;
		limits->u32MaxQp = limits->u32MaxIQp = MAX_QP;
		ok = CALL(c, CVI_VENC_SetRcParam, VIDEO_CHN, &rc) && ok;
	} else {
		ok = false;
	}
	VENC_H264_VUI_S vui; /* the same colours as JPEG; without it players assume limited range */
	memset(&vui, 0, sizeof vui);
	if (CALL(c, CVI_VENC_GetH264Vui, VIDEO_CHN, &vui)) {
		VENC_VUI_VIDEO_SIGNAL_S *signal = &vui.stVuiVideoSignal;
		signal->video_signal_type_present_flag = signal->video_full_range_flag = signal->colour_description_present_flag = 1;
		signal->video_format = UNSPECIFIED_FORMAT;
		signal->colour_primaries = signal->transfer_characteristics = signal->matrix_coefficients = BT601;
		ok = CALL(c, CVI_VENC_SetH264Vui, VIDEO_CHN, &vui) && ok;
	} else {
		ok = false;
	}
	c->video.shaped = ok ? (struct failure){NULL, 0} : c->failed;
	c->failed = before;
}

static bool up(struct camera *c)
{
	const struct camera_config *k = &c->config;
	struct video *v = &c->video;
	VENC_CHN_ATTR_S a;
	memset(&a, 0, sizeof a);
	a.stVencAttr.enType = PT_H264;
	a.stVencAttr.u32MaxPicWidth = a.stVencAttr.u32PicWidth = k->out_width;
	a.stVencAttr.u32MaxPicHeight = a.stVencAttr.u32PicHeight = k->out_height;
	a.stVencAttr.u32BufSize = k->coding.buffer;
	a.stVencAttr.u32Profile = 0; /* baseline */
	a.stVencAttr.bByFrame = 1;
	a.stVencAttr.bEsBufQueueEn = 1;
	a.stVencAttr.bIsoSendFrmEn = 1; /* otherwise the codec's lock is held until the stream is fetched, even by a process that dies */
	a.stRcAttr.enRcMode = VENC_RC_MODE_H264CBR;
	a.stRcAttr.stH264Cbr.u32Gop = k->coding.gop;
	a.stRcAttr.stH264Cbr.u32StatTime = STATISTICS_S;
	set_rates(&a, &k->coding);
	a.stGopAttr.enGopMode = VENC_GOPMODE_NORMALP;
	a.stGopAttr.stNormalP.s32IPQpDelta = KEY_QP_DELTA;
	if (!CALL(c, CVI_VENC_CreateChn, VIDEO_CHN, &a))
		return false;
	v->channel = true;
	shape(c);
	VENC_RECV_PIC_PARAM_S receive = {.s32RecvPicNum = -1};
	if (!CALL(c, CVI_VENC_StartRecvFrame, VIDEO_CHN, &receive))
		return false;
	v->receiving = true;
	v->current = k->coding;
	v->busy = 0;
	v->key_asked = false;
	__atomic_store_n(&c->gate->key, 0, __ATOMIC_RELAXED); /* the first picture is one anyway */
	return true;
}

static bool release_stream(struct camera *c)
{
	struct video *v = &c->video;
	v->out = false;
	return CALL(c, CVI_VENC_ReleaseStream, VIDEO_CHN, &v->stream) || CALL(c, CVI_VENC_ReleaseStream, VIDEO_CHN, &v->stream);
}

static int32_t get_stream(struct camera *c, int32_t wait_ms)
{
	struct video *v = &c->video;
	memset(&v->stream, 0, sizeof v->stream);
	memset(v->packs, 0, sizeof v->packs);
	v->stream.pstPack = v->packs;
	int32_t code = TRY(c, CVI_VENC_GetStream, VIDEO_CHN, &v->stream, wait_ms);
	v->out = code == CVI_SUCCESS;
	return code;
}

/* Takes the unit back, so that nothing reads it any more. false: its reader does not release it. */
static bool take_unit_back(struct camera *c)
{
	int64_t until = now_ms() + READER_MS;
	for (;;) {
		uint32_t state = UNIT_READY;
		if (__atomic_compare_exchange_n(&c->gate->unit, &state, UNIT_NONE, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) || state != UNIT_TAKEN) {
			__atomic_store_n(&c->gate->unit, UNIT_NONE, __ATOMIC_RELEASE);
			return true;
		}
		if (now_ms() >= until)
			return false;
		usleep(1000);
	}
}

/* Destroys the channel; the caller keeps or releases whatever else is out. */
static void channel_end(struct camera *c)
{
	struct video *v = &c->video;
	if (v->receiving) {
		v->receiving = false;
		if (!CALL(c, CVI_VENC_StopRecvFrame, VIDEO_CHN))
			TRY(c, CVI_VENC_StopRecvFrame, VIDEO_CHN);
	}
	if (v->channel) {
		v->channel = false;
		/* Creating it over an existing one would leak its memory and thread, each time. */
		if (!CALL(c, CVI_VENC_DestroyChn, VIDEO_CHN) && !CALL(c, CVI_VENC_DestroyChn, VIDEO_CHN))
			v->stuck = true;
		/* The library counts channels; upset by a dead process's, it may have closed /dev/mem, which the others need: this opens it again. */
		if (c->streamed.venc)
			TRY(c, CVI_VENC_GetFd, c->streamed.chn);
		if (c->still.venc)
			TRY(c, CVI_VENC_GetFd, c->still.chn);
	}
}

/* wait_ms: for a picture being encoded, twice. false: a reader keeps a unit, and with it the channel. */
static bool end(struct camera *c, int32_t wait_ms)
{
	struct video *v = &c->video;
	if (!v->stuck && v->channel && !take_unit_back(c))
		v->stuck = true;
	if (v->stuck)
		return call_result(c, "CVI_VENC_DestroyChn (the previous channel still exists)", CVI_ERR_VENC_EXIST);
	if (!v->channel)
		return true;
	if (v->out)
		release_stream(c);
	if (v->sent) { /* the core reads the frame until the stream has arrived */
		int32_t code = get_stream(c, wait_ms);
		if (code != CVI_SUCCESS && wait_ms > 0)
			code = get_stream(c, wait_ms);
		if (code == CVI_SUCCESS)
			release_stream(c);
	}
	channel_end(c);
	if (v->sent) {
		v->sent = false;
		frame_release(c, &c->streamed, &v->frame);
	}
	return !v->stuck;
}

void video_down(struct camera *c)
{
	struct failure before = c->failed;
	end(c, LAST_MS);
	c->failed = before;
}

/* Gives H.264 up, for the recorded reason. */
static void give_up(struct camera *c)
{
	c->video.failed = c->failed;
	c->config.video = false;
	__atomic_store_n(&c->gate->failed, 1, __ATOMIC_RELEASE);
	static const uint64_t one = 1;
	ssize_t n = write(c->unit, &one, sizeof one);
	(void)n; /* the reader also polls */
}

/* Recreates, once, an encoder that refuses or loses pictures; if no picture follows, it is given up. */
static void remake(struct camera *c)
{
	struct video *v = &c->video;
	struct failure why = c->failed;
	bool again = !v->retried;
	v->retried = true;
	bool ended = end(c, 0);
	if (again && ended && up(c)) {
		v->recreated++;
		return;
	}
	end(c, 0);
	c->failed = why;
	give_up(c);
}

static bool fresh(struct camera *c)
{
	if (c->video.stuck)
		return end(c, 0);
	c->video.retried = c->video.ignores_requests = false;
	if (up(c))
		return true;
	struct failure failed = c->failed;
	end(c, 0);
	c->failed = failed;
	return false;
}

/* Bitrate and rate are changed in place and apply from the next regular key frame on; the rest needs a new channel. No picture is in progress. */
static bool change(struct camera *c)
{
	struct video *v = &c->video;
	VENC_CHN_ATTR_S a;
	if (c->config.coding.gop != v->current.gop || c->config.coding.buffer != v->current.buffer) {
		return end(c, LAST_MS) && fresh(c);
	}
	if (!memcmp(&v->current, &c->config.coding, sizeof v->current))
		return true;
	memset(&a, 0, sizeof a);
	if (!CALL(c, CVI_VENC_GetChnAttr, VIDEO_CHN, &a))
		return false;
	set_rates(&a, &c->config.coding);
	if (!CALL(c, CVI_VENC_SetChnAttr, VIDEO_CHN, &a))
		return false;
	v->current = c->config.coding;
	return true;
}

int video_set(struct camera *c)
{
	struct video *v = &c->video;
	if (!c->config.video) {
		video_down(c);
		return CAMERA_OK;
	}
	if (v->channel || fresh(c)) /* changes are applied with the next frame: a unit may be out */
		return CAMERA_OK;
	c->config.video = false;
	return CAMERA_FAILED;
}

void video_restore(struct camera *c)
{
	struct failure before = c->failed;
	if (c->config.video && !c->video.channel && !fresh(c))
		give_up(c);
	c->failed = before;
}

/* Releases the last unit's stream if its reader is done with it. */
bool video_ready(struct camera *c)
{
	struct video *v = &c->video;
	if (!v->receiving || v->stuck || v->sent)
		return false;
	if (!v->out)
		return true;
	if (__atomic_load_n(&c->gate->unit, __ATOMIC_ACQUIRE) != UNIT_DONE)
		return false;
	struct failure before = c->failed;
	__atomic_store_n(&c->gate->unit, UNIT_NONE, __ATOMIC_RELAXED);
	if (!release_stream(c))
		remake(c);
	c->failed = before;
	return v->receiving;
}

/* A request makes the next picture sent a key frame; where that has turned out not to work, a restart does. */
static bool ask_for_key(struct camera *c)
{
	struct video *v = &c->video;
	VENC_RECV_PIC_PARAM_S receive = {.s32RecvPicNum = -1};
	v->key_asked = true;
	if (!v->ignores_requests)
		return CALL(c, CVI_VENC_RequestIDR, VIDEO_CHN, 1);
	v->restarted++;
	return CALL(c, CVI_VENC_StopRecvFrame, VIDEO_CHN) && CALL(c, CVI_VENC_StartRecvFrame, VIDEO_CHN, &receive);
}

static bool send(struct camera *c, const VIDEO_FRAME_INFO_S *frame)
{
	struct video *v = &c->video;
	v->frames++;
	if (!video_ready(c)) {
		v->skipped++;
		return false;
	}
	if (!change(c) || (__atomic_exchange_n(&c->gate->key, 0, __ATOMIC_RELAXED) && !ask_for_key(c))) {
		remake(c);
		return false;
	}
	int32_t code = TRY(c, CVI_VENC_SendFrame, VIDEO_CHN, frame, SEND_MS);
	if (code == CVI_SUCCESS) {
		v->sent = true;
		v->busy = 0;
		v->frame = *frame;
		v->number = v->frames;
		v->sent_at = now_ms();
		return true;
	}
	v->skipped++;
	if (code == CVI_ERR_VENC_FRC_NO_ENC)
		return false;
	call_result(c, "CVI_VENC_SendFrame", code);
	if (code != CVI_ERR_VENC_BUSY || ++v->busy >= BUSY_FRAMES)
		remake(c);
	return false;
}

bool video_send(struct camera *c, const VIDEO_FRAME_INFO_S *frame)
{
	if (!c->video.receiving)
		return false;
	struct failure before = c->failed;
	bool kept = send(c, frame);
	c->failed = before;
	return kept;
}

/* Passes the fetched stream to the reader; false if that is impossible. */
static bool show(struct camera *c)
{
	struct video *v = &c->video;
	uint64_t bytes = 0;
	v->key = false;
	v->pts = v->frame.stVFrame.u64PTS;
	if (v->stream.u32PackCount > sizeof v->packs / sizeof *v->packs)
		return call_result(c, "CVI_VENC_GetStream (packs)", CVI_ERR_VENC_SIZE_NOT_ENOUGH);
	for (uint32_t i = 0; i < v->stream.u32PackCount; i++) {
		const VENC_PACK_S *p = &v->packs[i];
		if (!p->pu8Addr || p->u32Len < p->u32Offset) /* /dev/mem could not be mapped */
			return call_result(c, "CVI_VENC_GetStream (mapping)", CVI_ERR_VENC_BADADDR);
		v->key = v->key || p->DataType.enH264EType == H264E_NALU_IDRSLICE;
		bytes += p->u32Len - p->u32Offset;
	}
	if (v->key_asked && !v->key) {
		v->ignores_requests = true;
		__atomic_store_n(&c->gate->key, 1, __ATOMIC_RELAXED);
	}
	v->key_asked = false;
	if (v->stream.u32PackCount == 0) /* the driver dropped the picture */
		return release_stream(c);
	v->retried = false;
	v->units++;
	v->bytes += bytes;
	__atomic_store_n(&c->gate->unit, UNIT_READY, __ATOMIC_RELEASE);
	static const uint64_t one = 1;
	ssize_t n = write(c->unit, &one, sizeof one);
	(void)n; /* the reader also polls */
	return true;
}

static void take(struct camera *c, const struct output *o, int32_t wait_ms)
{
	struct video *v = &c->video;
	int32_t code = get_stream(c, wait_ms);
	if (code == CVI_SUCCESS) {
		v->sent = false;
		bool released = frame_release(c, o, &v->frame);
		if (!show(c) || !released)
			remake(c);
		return;
	}
	bool wait = code == CVI_ERR_VENC_BUSY || code == CVI_FAILURE || code == CVI_ERR_VENC_EMPTY_STREAM_FRAME || code == CVI_ERR_VENC_BUF_EMPTY ||
		code == CVI_ERR_VENC_MUTEX_ERROR;
	if (wait && now_ms() - v->sent_at < LATE_MS)
		return;
	v->lost++;
	call_result(c, "CVI_VENC_GetStream", code);
	remake(c);
}

void video_take(struct camera *c, const struct output *o, int32_t wait_ms)
{
	if (!c->video.sent)
		return;
	struct failure before = c->failed;
	take(c, o, wait_ms);
	c->failed = before;
}
