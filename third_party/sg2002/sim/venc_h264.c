/* H.264 channels: what the driver accepts and when, and its core, which works beside JPEG's unit. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "h264.h"
#include "venc.h"

#define FIRMWARE "/usr/share/fw_vcodec/coda980.bin"
#define FIRMWARE_BUFFER "VCODEC_H264_FW_Buffer"
#define FIRMWARE_SIZE 786432u
#define WORK_SIZE 81920u
#define DEFAULT_SIZE 0x400000u
#define HELD_BACK 4096u /* part of the stream buffer for the parameter sets, which really are in the kernel's own memory */
#define LEAST_SIZE (131072u + HELD_BACK)
#define MOST_KILOBITS 524288u
#define GRANULE 16384u

static const VENC_PACK_S *out_pack[VENC_MAX_CHN_NUM];
static void *out_address[VENC_MAX_CHN_NUM][K_PACKS];
static uint64_t done_at[VENC_MAX_CHN_NUM]; /* when the core finishes the channel's picture, at its own speed */
static bool running;

/* ---- attributes ---- */

/* Frames per second of a rate: frames in the low half, seconds in the high half. 0: not given. */
static double fps_of(uint32_t fr32)
{
	uint32_t seconds = fr32 >> 16;

	return (double)(fr32 & 0xffff) / (seconds ? seconds : 1);
}

static bool rates(const VENC_RC_ATTR_S *rc, double *src, double *dst)
{
	*dst = fps_of(rc->stH264Cbr.fr32DstFrameRate);
	if (*dst == 0)
		*dst = 30;
	*src = fps_of(rc->stH264Cbr.u32SrcFrameRate);
	if (*src == 0)
		*src = *dst;
	if (*dst > *src)
		*dst = *src;
	return *src > 0 && *src <= 240 && *dst > 0 && *dst <= 60;
}

static int32_t check_gop(const VENC_CHN_ATTR_S *a)
{
	if (a->stRcAttr.stH264Cbr.u32Gop == 0)
		return CVI_ERR_VENC_RC_PARAM;
	if (a->stGopAttr.enGopMode != VENC_GOPMODE_NORMALP || a->stGopAttr.stNormalP.s32IPQpDelta < -10 || a->stGopAttr.stNormalP.s32IPQpDelta > 30)
		return CVI_ERR_VENC_GOP_ATTR;
	return 0;
}

int32_t h264_check(const VENC_CHN_ATTR_S *a)
{
	VENC_RC_MODE_E rc = a->stRcAttr.enRcMode;
	double src, dst;

	if (rc != VENC_RC_MODE_H264CBR && rc != VENC_RC_MODE_H264VBR && rc != VENC_RC_MODE_H264AVBR && rc != VENC_RC_MODE_H264UBR)
		return CVI_ERR_VENC_NOT_SUPPORT;
	if (!rates(&a->stRcAttr, &src, &dst) || a->stVencAttr.u32Profile > 2)
		return CVI_ERR_VENC_NOT_SUPPORT;
	return check_gop(a);
}

/* The core's firmware is loaded when the first channel is created, and stays. */
int32_t h264_create(int ch)
{
	char path[4096 + sizeof FIRMWARE];
	uint64_t phys;

	(void)ch;
	snprintf(path, sizeof path, "%s%s", sim_root(), FIRMWARE);
	if (sim_listed("missing", FIRMWARE) || (*sim_root() && access(path, R_OK) != 0)) {
		sim_note("no firmware: %s", path);
		return CVI_ERR_VENC_NULL_PTR;
	}
	for (int i = 0; i < K_IONS; i++)
		if (K->ions[i].used && !strcmp(K->ions[i].name, FIRMWARE_BUFFER))
			return 0;
	phys = sim_ion_alloc(FIRMWARE_BUFFER, FIRMWARE_SIZE);
	if (!phys)
		return CVI_ERR_VENC_NULL_PTR;
	sim_ion_find(phys)->fixed = 1;
	return 0;
}

/* For CreateChn and SetChnAttr: the second cannot change what the encoder was opened with. */
int32_t h264_set(int ch, const VENC_CHN_ATTR_S *a)
{
	struct k_venc *v = &K->vencs[ch];
	struct k_h264 *h = &v->h264;

	if (!is_h264(v))
		return 0;
	h->bad_gop = check_gop(a) != 0;
	v->attr.stRcAttr = a->stRcAttr;
	v->attr.stGopAttr = a->stGopAttr;
	if (h->instance)
		return 0;
	h->rc = (VENC_RC_PARAM_S){.u32RowQpDelta = 1, .s32FirstFrameStartQp = 32, .s32InitialDelay = 1000, .u32ThrdLv = 2};
	h->rc.stParamH264Cbr = (VENC_PARAM_H264_CBR_S){
		.u32MinIprop = 1, .u32MaxIprop = 100, .u32MinQp = 1, .u32MaxQp = 51, .u32MinIQp = 1, .u32MaxIQp = 51};
	h->entropy = (VENC_H264_ENTROPY_S){H264E_ENTROPY_CABAC, H264E_ENTROPY_CABAC, H264E_ENTROPY_CABAC, 0};
	return 0;
}

/* Stream parameters are read when the encoder is opened: set later they have no effect, and the real driver does not report it. */
static void early(const struct k_venc *v, int ch, const char *call)
{
	if (v->h264.instance)
		sim_fault(F_ORDER, call, "channel %d was already started: no effect", ch);
}

int32_t CVI_VENC_GetRcParam(int32_t VeChn, VENC_RC_PARAM_S *pstRcParam)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstRcParam, CVI_ERR_VENC_NULL_PTR);
	*pstRcParam = v->h264.rc;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_SetRcParam(int32_t VeChn, const VENC_RC_PARAM_S *pstRcParam)
{
	const VENC_PARAM_H264_CBR_S *b;

	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstRcParam, CVI_ERR_VENC_NULL_PTR);
	CHECK(VeChn, is_h264(v), CVI_ERR_VENC_NOT_SUPPORT);
	b = &pstRcParam->stParamH264Cbr;
	CHECK(VeChn,
		pstRcParam->s32FirstFrameStartQp >= 0 && pstRcParam->s32FirstFrameStartQp <= 51 && pstRcParam->s32InitialDelay >= 10 &&
			pstRcParam->s32InitialDelay <= 3000 && pstRcParam->u32ThrdLv <= 4 && pstRcParam->u32RowQpDelta <= 10 && pstRcParam->s32BgDeltaQp >= -8 &&
			pstRcParam->s32BgDeltaQp <= 8,
		CVI_ERR_VENC_RC_PARAM);
	if (v->attr.stRcAttr.enRcMode == VENC_RC_MODE_H264CBR)
		CHECK(VeChn,
			b->u32MinIprop >= 1 && b->u32MinIprop <= b->u32MaxIprop && b->u32MaxIprop <= 100 && b->u32MinQp <= b->u32MaxQp && b->u32MaxQp <= 51 &&
				b->u32MinIQp <= b->u32MaxIQp && b->u32MaxIQp <= 51,
			CVI_ERR_VENC_RC_PARAM);
	early(v, VeChn, __func__);
	v->h264.rc = *pstRcParam;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_GetH264Entropy(int32_t VeChn, VENC_H264_ENTROPY_S *pstH264EntropyEnc)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstH264EntropyEnc, CVI_ERR_VENC_NULL_PTR);
	*pstH264EntropyEnc = v->h264.entropy;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_SetH264Entropy(int32_t VeChn, const VENC_H264_ENTROPY_S *pstH264EntropyEnc)
{
	const VENC_H264_ENTROPY_S *e = pstH264EntropyEnc;

	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, e, CVI_ERR_VENC_NULL_PTR);
	CHECK(VeChn, is_h264(v), CVI_ERR_VENC_NOT_SUPPORT);
	CHECK(VeChn, v->attr.stVencAttr.u32Profile != H264E_ENTROPY_CAVLC || (e->u32EntropyEncModeI == 0 && e->u32EntropyEncModeP == 0),
		CVI_ERR_VENC_NOT_SUPPORT);
	early(v, VeChn, __func__);
	v->h264.entropy = *e;
	v->h264.cavlc = e->u32EntropyEncModeI == H264E_ENTROPY_CAVLC && e->u32EntropyEncModeP == H264E_ENTROPY_CAVLC;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_GetH264Vui(int32_t VeChn, VENC_H264_VUI_S *pstH264Vui)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstH264Vui, CVI_ERR_VENC_NULL_PTR);
	*pstH264Vui = v->h264.vui;
	LEAVE(VeChn, 0);
}

/* It shows in the next key frame's parameter set, so it may be set at any time. */
int32_t CVI_VENC_SetH264Vui(int32_t VeChn, const VENC_H264_VUI_S *pstH264Vui)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstH264Vui, CVI_ERR_VENC_NULL_PTR);
	CHECK(VeChn, is_h264(v), CVI_ERR_VENC_NOT_SUPPORT);
	CHECK(VeChn, pstH264Vui->stVuiVideoSignal.video_format <= 7, CVI_ERR_VENC_H264_VUI);
	v->h264.vui = *pstH264Vui;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_RequestIDR(int32_t VeChn, uint8_t bInstant)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, is_h264(v), CVI_ERR_VENC_NOT_SUPPORT);
	sim_count("h264.requests", 1);
	if (!sim_setting("h264_deaf", 0)) { /* as if the firmware made another kind of picture instead */
		v->h264.idr = 1;
		v->h264.instant |= bInstant != 0;
	}
	LEAVE(VeChn, 0);
}

/* ---- life ---- */

static void finish_lock(int ch)
{
	if (K->vcodec.held && K->vcodec.chn == ch && K->vcodec.pid == getpid() && !K->vencs[ch].h264.dead)
		memset(&K->vcodec, 0, sizeof K->vcodec);
	sim_wake();
}

static void *core(void *arg);

static void start_core(void)
{
	pthread_t thread;

	if (running)
		return;
	running = sim_thread(&thread, core, NULL, "sim-h264") == 0;
	if (running)
		pthread_detach(thread);
}

int32_t h264_start(int ch)
{
	struct k_venc *v = &K->vencs[ch];
	struct k_h264 *h = &v->h264;
	const VENC_ATTR_S *e = &v->attr.stVencAttr;
	char name[32];
	double src, dst;

	rates(&v->attr.stRcAttr, &src, &dst);
	if (!h->instance) { /* none of these is checked earlier */
		uint32_t size = e->u32BufSize ? e->u32BufSize : DEFAULT_SIZE;

		if (e->u32PicWidth < 96 || e->u32PicWidth > 4096 || e->u32PicHeight < 16 || e->u32PicHeight > 2304 || e->u32PicWidth % 2 ||
			e->u32PicHeight % 2 || v->attr.stRcAttr.stH264Cbr.u32BitRate > MOST_KILOBITS || size < LEAST_SIZE)
			return CVI_FAILURE;
		snprintf(name, sizeof name, "VENC_%d_BitStreamBuffer", ch);
		v->phys = sim_ion_alloc(name, size);
		v->buf_size = size;
		snprintf(name, sizeof name, "VENC_%d_H264_WorkBuffer", ch);
		h->work = v->phys ? sim_ion_alloc(name, WORK_SIZE) : 0;
		if (!h->work) {
			if (v->phys)
				sim_ion_free(v->phys);
			v->phys = 0;
			return CVI_FAILURE;
		}
	}
	h->instance++;
	h->gop = v->attr.stRcAttr.stH264Cbr.u32Gop;
	h->kilobits = v->attr.stRcAttr.stH264Cbr.u32BitRate;
	h->rate = v->attr.stRcAttr.stH264Cbr.fr32DstFrameRate;
	h->at = h->offset = 0;
	h->idr = h->instant = 0;
	start_core();
	return 0;
}

/* Waits for the picture in the core, and discards what is ready. */
void h264_stop(int ch)
{
	struct k_venc *v = &K->vencs[ch];

	while (v->stream == STREAM_BUSY)
		sim_wait(0);
	if (v->stream == STREAM_READY) {
		v->stream = STREAM_NONE;
		v->from_send = 0;
		v->h264.left = 0;
	}
	venc_signal(ch);
}

void h264_destroy(int ch)
{
	struct k_venc *v = &K->vencs[ch];
	struct k_h264 *h = &v->h264;

	for (int i = 0; i < K_PACKS; i++) {
		if (v->stream == STREAM_OUT && v->pid == getpid() && out_address[ch][i])
			sim_unmap(out_address[ch][i], "CVI_VENC_DestroyChn");
		out_address[ch][i] = NULL;
	}
	if (h->work)
		sim_ion_free(h->work);
	for (int i = 0; i < 2; i++)
		if (h->recon[i])
			sim_ion_free(h->recon[i]);
	if (K->vcodec.held && K->vcodec.chn == ch)
		memset(&K->vcodec, 0, sizeof K->vcodec);
}

/* ---- a picture's way in ---- */

/* The encoder's reference pictures: two, allocated when the first frame arrives. */
static bool references(int ch)
{
	struct k_venc *v = &K->vencs[ch];
	uint32_t w = sim_align(v->attr.stVencAttr.u32PicWidth, 16), h = sim_align(v->attr.stVencAttr.u32PicHeight, 32);
	uint32_t luma = sim_align(sim_align(w, 32) * h, GRANULE), chroma = sim_align(sim_align(w, 32) * h / 4, GRANULE);
	char name[32];

	snprintf(name, sizeof name, "VENC_%d_ReconFrameBuf", ch);
	for (int i = 0; i < 2; i++)
		if (!v->h264.recon[i] && !(v->h264.recon[i] = sim_ion_alloc(name, luma + 2 * chroma)))
			return false;
	return true;
}

static bool rate_drops(struct k_venc *v)
{
	double src, dst;

	rates(&v->attr.stRcAttr, &src, &dst);
	if (dst >= src)
		return false;
	v->frc += (uint32_t)(dst * 1000);
	if (v->frc < (uint32_t)(src * 1000))
		return true;
	v->frc -= (uint32_t)(src * 1000);
	return false;
}

static void check_input(int ch, const VIDEO_FRAME_INFO_S *frame)
{
	struct k_venc *v = &K->vencs[ch];
	const VIDEO_FRAME_S *f = &frame->stVFrame;
	VIDEO_FRAME_INFO_S own;
	struct k_frame same = {.seq = f->u32TimeRef};

	sim_frame_out(&same, &own);
	if (f->pPrivateData && f->pPrivateData != own.stVFrame.pPrivateData)
		sim_crash("CVI_VENC_SendFrame", "pPrivateData is neither NULL nor CVI_VPSS_GetChnFrame's: the driver dereferences it");
	if (f->u32Width != v->attr.stVencAttr.u32PicWidth || f->u32Height != v->attr.stVencAttr.u32PicHeight)
		sim_fault(F_OVERRUN, "CVI_VENC_SendFrame", "channel %d is set up for %ux%u but gets %ux%u, which the driver does not check", ch,
			v->attr.stVencAttr.u32PicWidth, v->attr.stVencAttr.u32PicHeight, f->u32Width, f->u32Height);
	if (v->stream == STREAM_OUT || v->stream == STREAM_READY || v->stream == STREAM_BUSY)
		sim_fault(
			F_ORDER, "CVI_VENC_SendFrame", "the stream of channel %d's last picture was not released: after eight packs pictures are discarded", ch);
	if (v->h264.dead)
		sim_fault(F_ORDER, "CVI_VENC_SendFrame", "the driver's thread of channel %d has ended: the codec's lock is never released", ch);
}

static uint64_t core_time(const struct k_venc *v)
{
	return (uint64_t)sim_setting("h264_us_per_mpixel", 6500) * v->attr.stVencAttr.u32PicWidth * v->attr.stVencAttr.u32PicHeight / 1000000;
}

int32_t h264_send(int ch, const VIDEO_FRAME_INFO_S *frame, int32_t milliseconds)
{
	struct k_venc *v = &K->vencs[ch];
	struct k_h264 *h = &v->h264;
	const VIDEO_FRAME_S *f = &frame->stVFrame;
	uint64_t deadline = sim_deadline(milliseconds);
	int32_t rc = check_gop(&v->attr);

	if (h->bad_gop)
		return rc;
	if (milliseconds < 0)
		sim_fault(F_SIGNAL_UNSAFE, "CVI_VENC_SendFrame", "waits without a timeout: a signal makes the driver continue without its lock");
	check_input(ch, frame);
	if (v->stream == STREAM_OUT || v->stream == STREAM_READY || v->stream == STREAM_BUSY)
		return CVI_ERR_VENC_BUSY;
	if (h->format && h->format != f->enPixelFormat + 1)
		return CVI_ERR_VENC_ILLEGAL_PARAM;
	if (rate_drops(v))
		return CVI_ERR_VENC_FRC_NO_ENC;
	while (K->vcodec.held && milliseconds != 0 && sim_wait(deadline))
		;
	if (K->vcodec.held)
		return CVI_ERR_VENC_BUSY;
	if (!references(ch)) {
		errno = EAGAIN; /* the codec layer's -11 */
		return CVI_FAILURE;
	}
	h->format = f->enPixelFormat + 1;
	v->frame = (struct k_frame){.width = f->u32Width, .height = f->u32Height, .format = f->enPixelFormat, .pts = f->u64PTS, .pool = -1, .block = -1};
	for (int p = 0; p < 3; p++) {
		v->frame.phys[p] = f->u64PhyAddr[p];
		v->frame.stride[p] = f->u32Stride[p];
		v->frame.length[p] = f->u32Length[p];
	}
	if (!sim_block_at(v->frame.phys[0], &v->frame.pool, &v->frame.block))
		v->frame.pool = v->frame.block = -1;
	venc_check_frame(&v->frame);
	if (v->frame.pool >= 0)
		sim_hold(v->frame.pool, v->frame.block, H_VENC);
	K->vcodec.held = 1;
	K->vcodec.chn = ch;
	K->vcodec.pid = getpid();
	v->from_send = 1;
	v->stream = STREAM_BUSY;
	h->left++;
	h->refused = 0;
	done_at[ch] = sim_now() + core_time(v);
	venc_signal(ch); /* readable from here on, although nothing is ready */
	sim_wake();
	return 0;
}

/* ---- the core ---- */

static struct {
	struct h264_stream *stream;
	uint64_t made, instance;
} have[VENC_MAX_CHN_NUM];

static int next_channel(void)
{
	for (int i = 0; i < VENC_MAX_CHN_NUM; i++)
		if (K->vencs[i].created && K->vencs[i].pid == getpid() && is_h264(&K->vencs[i]) && K->vencs[i].stream == STREAM_BUSY)
			return i;
	return -1;
}

/* SETTING=PICTURE[:MS]: whether it applies to this picture. */
static bool turn(const char *setting, unsigned long picture, unsigned long *ms)
{
	unsigned long at = 0;

	return sscanf(sim_text(setting, ""), "%lu:%lu", &at, ms) >= 1 && at == picture;
}

/* A picture is contiguous: its beginning is moved if the rest of the buffer is too short. */
static bool store(int ch, struct h264_unit *u)
{
	struct k_venc *v = &K->vencs[ch];
	struct k_h264 *h = &v->h264;
	uint32_t usable = v->buf_size - HELD_BACK, slices = 0, aside = usable;

	h->parts = 0;
	for (int i = 0; i < u->count; i++) {
		uint32_t type = u->nal[i][0] & 0x1f;

		if (type == H264E_NALU_PSLICE || type == H264E_NALU_IDRSLICE)
			slices += u->length[i] + 4;
	}
	if (slices > usable)
		return false;
	if (!v->attr.stVencAttr.bEsBufQueueEn || h->offset + slices > usable)
		h->offset = 0;
	v->len = 0;
	for (int i = 0; i < u->count && h->parts < K_PACKS; i++) {
		static const uint8_t code[4] = {0, 0, 0, 1};
		uint32_t type = u->nal[i][0] & 0x1f, *at = type == H264E_NALU_PSLICE || type == H264E_NALU_IDRSLICE ? &h->offset : &aside,
				 len = u->length[i] + 4;
		uint8_t *to = *at + len <= v->buf_size ? sim_phys(v->phys + *at, len) : NULL;

		if (!to)
			return false;
		memcpy(to, code, 4);
		memcpy(to + 4, u->nal[i], u->length[i]);
		if (type == H264E_NALU_SPS && !(v->attr.stVencAttr.u32Profile == 0 && h->cavlc)) {
			to[5] = 77; /* with CABAC the core is opened as Main, whatever profile was requested */
			to[6] &= 0x7f;
		}
		h->pack[h->parts].phys = v->phys + *at;
		h->pack[h->parts].len = len;
		h->pack[h->parts++].type = type;
		*at += len;
		v->len += len;
	}
	return true;
}

static bool wanted_still(const struct k_venc *v, uint64_t made) { return v->created && v->made == made && v->stream == STREAM_BUSY; }

static void wait_until(struct k_venc *v, uint64_t made, uint64_t end)
{
	for (uint64_t now = sim_now(); now < end && wanted_still(v, made); now = sim_now()) {
		sim_unlock();
		usleep((useconds_t)(end - now > 50000 ? 50000 : end - now));
		sim_lock();
	}
}

/* The picture is lost: no stream arrives, and the count of expected streams stays too high. */
static void lose(int ch)
{
	struct k_venc *v = &K->vencs[ch];

	sim_count("h264.lost", 1);
	v->stream = STREAM_NONE;
	v->from_send = 0;
	v->h264.idr = 1;
}

static void encode(int ch)
{
	static unsigned long pictures;
	struct k_venc *v = &K->vencs[ch];
	struct k_h264 *h = &v->h264;
	struct h264_order o = {.frame = v->frame, .width = v->attr.stVencAttr.u32PicWidth, .height = v->attr.stVencAttr.u32PicHeight};
	uint64_t made = v->made, start = sim_now();
	unsigned long ms = 0;
	struct h264_unit unit;
	bool ok, regular;

	pictures++;
	if (h->idr && h->instant)
		h->at = 0;
	regular = h->at % h->gop == 0 && !h->idr;
	o.key = h->idr || regular;
	if (regular) { /* new rates are applied only here */
		h->kilobits = v->attr.stRcAttr.stH264Cbr.u32BitRate;
		h->rate = v->attr.stRcAttr.stH264Cbr.fr32DstFrameRate;
	}
	h->at++;
	h->idr = h->instant = 0;
	o.bitrate = h->kilobits * 1000;
	if (h->half && o.key) {
		o.bitrate = o.bitrate / 2 > 100000 ? o.bitrate / 2 : 100000;
		h->half = 0;
	}
	o.fps = fps_of(h->rate) > 0 ? fps_of(h->rate) : 30;
	done_at[ch] = start + core_time(v);
	if (turn("h264_late", pictures, &ms))
		done_at[ch] = start + ms * 1000;
	if (have[ch].made != v->made || have[ch].instance != h->instance) {
		h264_free(have[ch].stream);
		have[ch].stream = h264_new();
		have[ch].made = v->made;
		have[ch].instance = h->instance;
	}
	sim_unlock();
	ok = have[ch].stream && h264_encode(have[ch].stream, &o, &unit);
	sim_lock();
	wait_until(v, made, done_at[ch]);
	sim_drop(o.frame.pool, o.frame.block, H_VENC);
	if (!wanted_still(v, made))
		return;
	if (turn("h264_dead", pictures, &ms)) {
		finish_lock(ch);
		h->dead = 1;
		lose(ch);
	} else if (!ok || turn("h264_drop", pictures, &ms) || !store(ch, &unit)) {
		sim_count("h264.overflows", 1);
		h->half = 1;
		lose(ch);
	} else {
		v->pts = o.frame.pts;
		v->stream = STREAM_READY;
		sim_count("h264.frames", 1);
		sim_count("h264.bytes", v->len);
		sim_count("h264.keys", o.key);
	}
	v->seq++;
	if (v->attr.stVencAttr.bIsoSendFrmEn)
		finish_lock(ch);
	sim_wake();
}

static void *core(void *arg)
{
	(void)arg;
	sim_lock();
	for (;;) {
		int ch = next_channel();

		if (ch >= 0)
			encode(ch);
		else
			sim_wait(0);
	}
	return NULL;
}

/* ---- a picture's way out ---- */

static void hand_out(int ch, VENC_STREAM_S *s)
{
	struct k_venc *v = &K->vencs[ch];
	struct k_h264 *h = &v->h264;

	memset(s->pstPack, 0xee, K_PACKS * sizeof *s->pstPack); /* the library writes that many, whatever the array's size */
	for (uint32_t i = 0; i < h->parts; i++) {
		VENC_PACK_S *p = &s->pstPack[i];

		memset(p, 0, sizeof *p);
		p->u64PhyAddr = h->pack[i].phys;
		p->pu8Addr = venc_memory ? sim_map(h->pack[i].phys, h->pack[i].len, true, P_H264) : NULL;
		if (!p->pu8Addr)
			sim_fault(F_ORDER, "CVI_VENC_GetStream", "pu8Addr is NULL: the library closed /dev/mem with its last channel");
		p->u32Len = h->pack[i].len;
		p->u64PTS = v->pts;
		p->DataType.enH264EType = (H264E_NALU_TYPE_E)h->pack[i].type;
		out_address[ch][i] = p->pu8Addr;
	}
	s->u32PackCount = h->parts;
	s->u32Seq = v->seq;
	out_pack[ch] = s->pstPack;
	v->stream = STREAM_OUT;
	h->got = 1;
	h->refused = 0;
	h->left--;
	venc_signal(ch);
}

int32_t h264_get(int ch, VENC_STREAM_S *stream, int32_t milliseconds)
{
	struct k_venc *v = &K->vencs[ch];
	uint64_t deadline = sim_deadline(milliseconds);

	if (!v->h264.instance)
		sim_crash("CVI_VENC_GetStream", "the H.264 channel was never started: the driver waits on an uninitialised object");
	if (milliseconds < 0)
		sim_fault(F_ORDER, "CVI_VENC_GetStream", "waits without a timeout");
	if (v->stream == STREAM_OUT)
		sim_fault(F_ORDER, "CVI_VENC_GetStream", "the stream of channel %d's last picture was not released", ch);
	while (v->stream != STREAM_READY && milliseconds != 0)
		if (!sim_wait(deadline)) {
			if (v->stream != STREAM_BUSY || sim_now() < done_at[ch])
				break;
			deadline = sim_now() + 10000; /* the real core would be done: this machine is slow */
		}
	if (v->stream != STREAM_READY) {
		v->h264.refused++;
		return CVI_ERR_VENC_BUSY;
	}
	finish_lock(ch);
	hand_out(ch, stream);
	return 0;
}

int32_t h264_release(int ch, const VENC_STREAM_S *stream)
{
	struct k_venc *v = &K->vencs[ch];

	if (!v->h264.got)
		sim_crash("CVI_VENC_ReleaseStream", "before any stream was fetched: the driver dereferences a null pointer");
	if (v->stream != STREAM_OUT) {
		sim_fault(F_DOUBLE_RELEASE, "CVI_VENC_ReleaseStream", "channel %d has no stream to release", ch);
		return 0;
	}
	if (stream->pstPack != out_pack[ch] || stream->u32PackCount != v->h264.parts)
		sim_fault(F_BAD_HANDLE, "CVI_VENC_ReleaseStream", "not the struct that CVI_VENC_GetStream filled: the real library unmaps garbage");
	for (uint32_t i = 0; i < v->h264.parts; i++) {
		if (i < stream->u32PackCount && stream->pstPack[i].pu8Addr != out_address[ch][i])
			sim_fault(F_BAD_HANDLE, "CVI_VENC_ReleaseStream", "pack %u was changed", i);
		if (out_address[ch][i])
			sim_unmap(out_address[ch][i], "CVI_VENC_ReleaseStream");
		out_address[ch][i] = NULL;
	}
	v->stream = STREAM_NONE;
	v->from_send = 0;
	return 0;
}
