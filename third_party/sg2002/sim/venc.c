/* CVI_VENC_*: channels of all types, JPEG's calls, and the descriptors that the user library keeps for them in this process. */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "venc.h"

#define DEFAULT_BUFFER 0x900000u
#define JPEG_INSTANCES 8

int venc_fds[VENC_MAX_CHN_NUM] = {[0 ... VENC_MAX_CHN_NUM - 1] = -1};

static int created; /* the library's channel count; at 0 it closes /dev/mem */
bool venc_memory;
bool venc_busy[VENC_MAX_CHN_NUM];
static const VENC_PACK_S *out_pack[VENC_MAX_CHN_NUM];
static void *out_address[VENC_MAX_CHN_NUM];

static bool open_node(int ch)
{
	char node[32];

	if (venc_fds[ch] >= 0)
		return true;
	snprintf(node, sizeof node, "/dev/cvi_vc_enc%d", ch);
	if (!sim_node(node))
		return false;
	venc_fds[ch] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return venc_fds[ch] >= 0;
}

static bool bound(int ch)
{
	for (int i = 0; i < K_BINDS; i++)
		if (K->binds[i].used && K->binds[i].dst.enModId == CVI_ID_VENC && K->binds[i].dst.s32ChnId == ch)
			return true;
	return false;
}

static int32_t check_attr(const VENC_CHN_ATTR_S *a)
{
	const VENC_ATTR_S *e = &a->stVencAttr;
	VENC_RC_MODE_E rc = a->stRcAttr.enRcMode;
	int instances = 0;

	if (e->enType == PT_H264)
		return h264_check(a);
	if (e->enType != PT_JPEG && e->enType != PT_MJPEG)
		return CVI_ERR_VENC_NOT_SUPPORT; /* the other codecs are not simulated */
	if (e->u32BufSize % 1024)
		return CVI_ERR_VENC_NOT_SUPPORT;
	if (e->enType == PT_MJPEG && rc != VENC_RC_MODE_MJPEGCBR && rc != VENC_RC_MODE_MJPEGFIXQP)
		return CVI_ERR_VENC_NOT_SUPPORT;
	if (e->u32PicWidth < 16 || e->u32PicHeight < 16 || e->u32PicWidth > e->u32MaxPicWidth || e->u32PicHeight > e->u32MaxPicHeight)
		return CVI_ERR_VENC_ILLEGAL_PARAM;
	for (int i = 0; i < VENC_MAX_CHN_NUM; i++)
		instances += K->vencs[i].created && !is_h264(&K->vencs[i]);
	return instances >= JPEG_INSTANCES ? CVI_FAILURE : 0;
}

int32_t CVI_VENC_CreateChn(int32_t VeChn, const VENC_CHN_ATTR_S *pstAttr)
{
	uint32_t size;
	uint64_t phys = 0, until, made;
	int32_t rc, holder;
	const uint8_t *held;

	ENTER(VeChn, SIM_LIFE);
	CHECK(VeChn, pstAttr, CVI_ERR_VENC_NULL_PTR);
	CHECK(VeChn, open_node(VeChn), CVI_FAILURE);
	if (!sim_self()->sys)
		sim_fault(F_ORDER, __func__, "CVI_SYS_Init is missing");
	held = pstAttr->stVencAttr.enType == PT_H264 ? &K->vcodec.held : &K->jpeg.held;
	holder = pstAttr->stVencAttr.enType == PT_H264 ? K->vcodec.pid : K->jpeg.pid;
	if (*held && holder != getpid() && !sim_alive(holder, 0)) {
		sim_fault(F_ORDER, __func__, "hangs: a process died holding the %s lock; only reloading soph_vc_driver helps",
			pstAttr->stVencAttr.enType == PT_H264 ? "codec" : "JPEG");
		for (until = sim_now() + (uint64_t)sim_setting("hang_ms", 5000) * 1000; *held && sim_wait(until);)
			;
		CHECK(VeChn, !*held, CVI_FAILURE);
	}
	rc = check_attr(pstAttr);
	CHECK(VeChn, rc == 0, rc);
	if (v->created)
		sim_fault(F_LEAK, __func__, "channel %d exists: its handle and buffer leak", VeChn);
	size = pstAttr->stVencAttr.u32BufSize ? pstAttr->stVencAttr.u32BufSize : DEFAULT_BUFFER;
	made = v->made;
	if (pstAttr->stVencAttr.enType == PT_H264) {
		rc = h264_create(VeChn);
		CHECK(VeChn, rc == 0, rc);
	} else {
		phys = sim_ion_alloc("JPEG_ES", size);
		CHECK(VeChn, phys, CVI_ERR_VENC_NOMEM);
	}
	memset(v, 0, sizeof *v);
	v->created = 1;
	v->made = made + 1;
	v->pid = getpid();
	v->attr = *pstAttr;
	h264_set(VeChn, pstAttr);
	v->jpeg.u32Qfactor = pstAttr->stRcAttr.enRcMode == VENC_RC_MODE_MJPEGFIXQP ? pstAttr->stRcAttr.stMjpegFixQp.u32Qfactor : 60;
	v->phys = phys;
	v->buf_size = size;
	created++;
	venc_memory = sim_node("/dev/mem");
	venc_start();
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_DestroyChn(int32_t VeChn)
{
	uint64_t made;

	ENTER(VeChn, SIM_LIFE);
	if (venc_fds[VeChn] < 0) {
		created--;
		sim_fault(F_ORDER, __func__, "channel %d is not open in this process: nothing is destroyed, although 0 is returned", VeChn);
		LEAVE(VeChn, 0);
	}
	CHECK(VeChn, v->created, CVI_ERR_VENC_UNEXIST); /* the descriptor stays open, and the library's count unchanged */
	created--;
	{
		bool leaked = v->pid != getpid();

		if (v->receiving)
			sim_fault(F_ORDER, __func__, "channel %d is still receiving", VeChn);
		if (bound(VeChn))
			sim_fault(F_ORDER, __func__, "channel %d is still bound", VeChn);
		if (v->stream == STREAM_OUT && !leaked) {
			sim_fault(F_LEAK, __func__, "a stream of channel %d was not released", VeChn);
			if (out_address[VeChn])
				sim_unmap(out_address[VeChn], __func__);
		}
		if (v->from_send && (v->stream == STREAM_BUSY || v->stream == STREAM_READY) && !leaked && !is_h264(v))
			sim_fault(F_ORDER, __func__, "a frame of channel %d was sent and never fetched", VeChn);
		if (v->waiting || (leaked && v->stream == STREAM_BUSY))
			sim_drop(v->frame.pool, v->frame.block, H_VENC);
		if (is_h264(v))
			h264_destroy(VeChn);
		if (v->phys)
			sim_ion_free(v->phys);
		if (v->big_phys)
			sim_ion_free(v->big_phys);
		if (!leaked)
			venc_finish_lock(VeChn);
		made = v->made;
		memset(v, 0, sizeof *v);
		v->made = made;
	}
	out_address[VeChn] = NULL;
	close(venc_fds[VeChn]);
	venc_fds[VeChn] = -1;
	if (created == 0)
		venc_memory = false;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_ResetChn(int32_t VeChn)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, !v->receiving, CVI_ERR_VENC_BUSY);
	v->index = 0;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_StartRecvFrame(int32_t VeChn, const VENC_RECV_PIC_PARAM_S *pstRecvParam)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstRecvParam, CVI_ERR_VENC_NULL_PTR);
	if (is_h264(v)) {
		int32_t rc = h264_start(VeChn);

		CHECK(VeChn, rc == 0, rc);
	}
	v->left = pstRecvParam->s32RecvPicNum;
	v->receiving = 1;
	v->thread = bound(VeChn);
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_StopRecvFrame(int32_t VeChn)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	if (v->receiving && bound(VeChn))
		sim_fault(F_ORDER, __func__, "channel %d is still bound: its thread keeps running", VeChn);
	v->receiving = v->thread = 0;
	if (v->waiting)
		sim_drop(v->frame.pool, v->frame.block, H_VENC);
	v->waiting = 0;
	if (is_h264(v) && v->pid == getpid())
		h264_stop(VeChn);
	while (v->stream == STREAM_BUSY && !v->from_send && v->pid == getpid())
		sim_wait(0);
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_QueryStatus(int32_t VeChn, VENC_CHN_STATUS_S *pstStatus)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstStatus, CVI_ERR_VENC_NULL_PTR);
	memset(pstStatus, 0, sizeof *pstStatus);
	pstStatus->u32CurPacks = 1;
	pstStatus->u32LeftPics = v->waiting;
	pstStatus->u32LeftStreamFrames = v->stream == STREAM_READY;
	pstStatus->u32LeftStreamBytes = v->stream == STREAM_READY ? v->len : 0;
	if (is_h264(v)) { /* a constant, and the number sent: neither shows whether a picture is ready */
		pstStatus->u32CurPacks = K_PACKS;
		pstStatus->u32LeftStreamFrames = v->h264.left;
	}
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_GetFd(int32_t VeChn)
{
	ENTER(VeChn, 0);
	CHECK(VeChn, open_node(VeChn), CVI_FAILURE);
	venc_memory = sim_node("/dev/mem"); /* reopened after the last destruction closed it */
	LEAVE(VeChn, venc_fds[VeChn]);
}

int32_t CVI_VENC_CloseFd(int32_t VeChn)
{
	ENTER(VeChn, 0);
	LEAVE(VeChn, 0);
}

/* Whether n rows of a plane can be read at phys. Rows beyond the picture are encoded too. */
static void check_padding(const struct k_frame *f)
{
	uint32_t rows = sim_align(f->height, 16);
	uint64_t end = sim_block_phys(f->pool, f->block) + K->pools[f->pool].blk_size;

	if (!K->pools[f->pool].refs[f->block][H_USER] || rows == f->height)
		return;
	if ((f->phys[1] && f->phys[1] - f->phys[0] < (uint64_t)f->stride[0] * rows) ||
		f->phys[f->phys[1] != 0] + (uint64_t)f->stride[f->phys[1] != 0] * (f->phys[1] ? rows / 2 : rows) > end)
		sim_fault(F_UNPADDED, "CVI_VENC_SendFrame", "%u rows, but the encoder reads %u", f->height, rows);
}

void venc_check_frame(const struct k_frame *f)
{
	struct k_frame whole;

	if (f->pool < 0) {
		sim_fault(F_BAD_HANDLE, "CVI_VENC_SendFrame", "0x%llx is not a block", (unsigned long long)f->phys[0]);
		return;
	}
	if (!K->pools[f->pool].refs[f->block][H_USER] && !K->pools[f->pool].refs[f->block][H_FRAME])
		sim_fault(F_USE_AFTER_RELEASE, "CVI_VENC_SendFrame", "the program does not hold block %d of VB pool %d", f->block, f->pool);
	if (f->format == PIXEL_FORMAT_YUV_PLANAR_420 && f->stride[1] * 2 != f->stride[0])
		sim_fault(F_OVERRUN, "CVI_VENC_SendFrame", "the chroma stride must be half of the luma stride");
	if (f->format != PIXEL_FORMAT_NV21 && f->format != PIXEL_FORMAT_NV12 && f->format != PIXEL_FORMAT_YUV_PLANAR_420 &&
		f->format != PIXEL_FORMAT_YUV_PLANAR_422)
		sim_fault(F_OVERRUN, "CVI_VENC_SendFrame", "format %u is encoded as if it were planar 4:2:0", f->format);
	if (f->phys[0] + sim_layout(&whole, f->format, f->width, f->height, f->phys[0]) > sim_block_phys(f->pool, f->block) + K->pools[f->pool].blk_size)
		sim_fault(F_OVERRUN, "CVI_VENC_SendFrame", "%ux%u does not fit into its block", f->width, f->height);
	check_padding(f);
}

/* MJPEG's rate control, for channels of that type. */
static bool rate_drops(struct k_venc *v)
{
	uint32_t src = v->attr.stRcAttr.stMjpegFixQp.u32SrcFrameRate, dst = v->attr.stRcAttr.stMjpegFixQp.fr32DstFrameRate;

	if (v->attr.stVencAttr.enType != PT_MJPEG || v->attr.stRcAttr.enRcMode != VENC_RC_MODE_MJPEGFIXQP || !dst || dst >= src)
		return false;
	v->frc += dst;
	if (v->frc < src)
		return true;
	v->frc -= src;
	return false;
}

int32_t CVI_VENC_SendFrame(int32_t VeChn, const VIDEO_FRAME_INFO_S *pstFrame, int32_t s32MilliSec)
{
	uint64_t deadline = sim_deadline(s32MilliSec);
	const VIDEO_FRAME_S *f;

	ENTER(VeChn, SIM_WAITS);
	OPEN(VeChn);
	CHECK(VeChn, pstFrame, CVI_ERR_VENC_NULL_PTR);
	CHECK(VeChn, v->receiving && v->left != 0, CVI_ERR_VENC_INIT);
	if (is_h264(v))
		LEAVE(VeChn, h264_send(VeChn, pstFrame, s32MilliSec));
	CHECK(VeChn, v->stream != STREAM_FAILED, CVI_ERR_VENC_BUSY); /* the instance is closed; only a new channel helps */
	CHECK(VeChn, !rate_drops(v), CVI_ERR_VENC_FRC_NO_ENC);
	if (bound(VeChn))
		sim_fault(F_ORDER, __func__, "channel %d is bound", VeChn);
	if (K->jpeg.held && K->jpeg.pid == getpid() && K->vencs[K->jpeg.chn].from_send) {
		sim_fault(F_ORDER, __func__, "the frame sent to channel %d was not fetched yet: this call waits for it", K->jpeg.chn);
		if (K->jpeg.thread == (uint64_t)(uintptr_t)pthread_self() && s32MilliSec < 0)
			CHECK(VeChn, false, CVI_ERR_VENC_BUSY); /* the real one would deadlock */
	}
	while (K->jpeg.held && s32MilliSec != 0 && sim_wait(deadline))
		;
	CHECK(VeChn, !K->jpeg.held, CVI_ERR_VENC_BUSY);
	f = &pstFrame->stVFrame;
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
	K->jpeg.held = 1;
	K->jpeg.chn = VeChn;
	K->jpeg.pid = getpid();
	K->jpeg.thread = (uint64_t)(uintptr_t)pthread_self();
	v->from_send = 1;
	v->stream = STREAM_BUSY;
	if (v->left > 0)
		v->left--;
	LEAVE(VeChn, 0);
}

static void hand_out(int ch, struct k_venc *v, VENC_STREAM_S *s)
{
	VENC_PACK_S *p = s->pstPack;
	uint64_t phys = v->len > v->buf_size ? v->big_phys : v->phys;

	memset(p, 0, sizeof *p);
	p->u64PhyAddr = phys;
	p->pu8Addr = venc_memory ? sim_map(phys, v->len, true, P_JPEG) : NULL;
	if (!p->pu8Addr)
		sim_fault(F_ORDER, "CVI_VENC_GetStream", "pu8Addr is NULL: the library closed /dev/mem with its last channel");
	p->u32Len = v->len;
	p->u64PTS = v->pts;
	p->bFrameEnd = 1;
	p->DataType.enJPEGEType = JPEGE_PACK_PIC;
	s->u32PackCount = 1;
	s->u32Seq = v->seq;
	s->stJpegInfo.u32PicBytesNum = v->len;
	s->stJpegInfo.u32Qfactor = v->jpeg.u32Qfactor;
	out_pack[ch] = p;
	out_address[ch] = p->pu8Addr;
	v->stream = STREAM_OUT;
	venc_signal(ch);
}

int32_t CVI_VENC_GetStream(int32_t VeChn, VENC_STREAM_S *pstStream, int32_t S32MilliSec)
{
	uint64_t deadline;

	ENTER(VeChn, SIM_WAITS);
	OPEN(VeChn);
	CHECK(VeChn, pstStream, CVI_ERR_VENC_NULL_PTR);
	if (!pstStream->pstPack)
		sim_fault(F_BAD_HANDLE, __func__, "pstPack is NULL: the real library may crash");
	CHECK(VeChn, pstStream->pstPack, CVI_FAILURE);
	if (is_h264(v))
		LEAVE(VeChn, h264_get(VeChn, pstStream, S32MilliSec));
	if (v->from_send || (!v->thread && v->stream == STREAM_NONE)) {
		CHECK(VeChn, v->stream == STREAM_BUSY || v->stream == STREAM_READY || v->stream == STREAM_FAILED, CVI_ERR_VENC_EMPTY_STREAM_FRAME);
		/* The caller's timeout is ignored: the driver waits 2 s for the unit, and then resets it. */
		for (deadline = sim_now() + 2000000; v->stream == STREAM_BUSY;)
			if (!sim_wait(deadline)) {
				if (venc_hangs(VeChn))
					break;
				deadline = sim_now() + 10000; /* the real unit would be done: this machine is slow */
			}
		venc_finish_lock(VeChn);
		if (v->stream != STREAM_READY)
			v->stream = STREAM_FAILED;
		CHECK(VeChn, v->stream == STREAM_READY, CVI_ERR_VENC_BUSY);
	} else {
		for (deadline = sim_deadline(S32MilliSec); v->stream != STREAM_READY && S32MilliSec != 0 && sim_wait(deadline);)
			;
		CHECK(VeChn, v->stream == STREAM_READY, CVI_ERR_VENC_BUSY);
	}
	hand_out(VeChn, v, pstStream);
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_ReleaseStream(int32_t VeChn, VENC_STREAM_S *pstStream)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	if (!pstStream || !pstStream->pstPack) {
		sim_fault(F_BAD_HANDLE, __func__, "no stream or no packs: the real library unmaps garbage");
		LEAVE(VeChn, CVI_FAILURE);
	}
	if (is_h264(v))
		LEAVE(VeChn, h264_release(VeChn, pstStream));
	if (v->stream != STREAM_OUT) {
		sim_fault(F_DOUBLE_RELEASE, __func__, "channel %d has no stream to release", VeChn);
		LEAVE(VeChn, 0);
	}
	if (pstStream->pstPack != out_pack[VeChn] || pstStream->pstPack[0].pu8Addr != out_address[VeChn] || pstStream->u32PackCount != 1)
		sim_fault(F_BAD_HANDLE, __func__, "not the struct that CVI_VENC_GetStream filled: the real library unmaps garbage");
	if (out_address[VeChn])
		sim_unmap(out_address[VeChn], __func__);
	out_address[VeChn] = NULL;
	v->stream = STREAM_NONE;
	v->from_send = 0;
	LEAVE(VeChn, 0);
}

/* ---- settings ---- */

int32_t CVI_VENC_SetChnAttr(int32_t VeChn, const VENC_CHN_ATTR_S *pstChnAttr)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstChnAttr, CVI_ERR_VENC_NULL_PTR);
	CHECK(VeChn, pstChnAttr->stVencAttr.enType == v->attr.stVencAttr.enType, CVI_ERR_VENC_NOT_SUPPORT);
	if (is_h264(v))
		LEAVE(VeChn, h264_set(VeChn, pstChnAttr));
	v->attr.stRcAttr = pstChnAttr->stRcAttr;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_GetChnAttr(int32_t VeChn, VENC_CHN_ATTR_S *pstChnAttr)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstChnAttr, CVI_ERR_VENC_NULL_PTR);
	*pstChnAttr = v->attr;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_SetChnParam(int32_t VeChn, const VENC_CHN_PARAM_S *pstChnParam)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstChnParam, CVI_ERR_VENC_NULL_PTR);
	v->param = *pstChnParam;
	v->param.stCropCfg.stRect.s32X &= ~15;
	v->param.stCropCfg.stRect.s32Y &= ~15;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_GetChnParam(int32_t VeChn, VENC_CHN_PARAM_S *pstChnParam)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstChnParam, CVI_ERR_VENC_NULL_PTR);
	*pstChnParam = v->param;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_SetJpegParam(int32_t VeChn, const VENC_JPEG_PARAM_S *pstJpegParam)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstJpegParam, CVI_ERR_VENC_NULL_PTR);
	CHECK(VeChn, pstJpegParam->u32Qfactor <= 99, CVI_ERR_VENC_ILLEGAL_PARAM);
	CHECK(VeChn, pstJpegParam->u32Qfactor != 50, CVI_ERR_VENC_NOT_SUPPORT);
	v->jpeg = *pstJpegParam;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_GetJpegParam(int32_t VeChn, VENC_JPEG_PARAM_S *pstJpegParam)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pstJpegParam, CVI_ERR_VENC_NULL_PTR);
	*pstJpegParam = v->jpeg;
	LEAVE(VeChn, 0);
}

int32_t CVI_VENC_SetModParam(const VENC_PARAM_MOD_S *pstModParam)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_VENC, -1, 0))
		return (int32_t)c.result;
	if (!pstModParam)
		return (int32_t)sim_leave(&c, CVI_ERR_VENC_NULL_PTR);
	if (!sim_node("/dev/cvi_vc_enc0"))
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	if (pstModParam->enVencModType == MODTYPE_JPEGE) {
		for (int i = 0; i < VENC_MAX_CHN_NUM; i++)
			if (K->vencs[i].created && K->vencs[i].pid == getpid())
				sim_fault(F_ORDER, __func__, "channel %d exists already: the change may not apply to it", i);
		K->jpege = pstModParam->stJpegeModParam;
	}
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_VENC_GetModParam(VENC_PARAM_MOD_S *pstModParam)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_VENC, -1, 0))
		return (int32_t)c.result;
	if (!pstModParam)
		return (int32_t)sim_leave(&c, CVI_ERR_VENC_NULL_PTR);
	if (!sim_node("/dev/cvi_vc_enc0"))
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	if (pstModParam->enVencModType == MODTYPE_JPEGE)
		pstModParam->stJpegeModParam = K->jpege;
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_VENC_InsertUserData(int32_t VeChn, uint8_t *pu8Data, uint32_t u32Len)
{
	ENTER(VeChn, 0);
	OPEN(VeChn);
	CHECK(VeChn, pu8Data && u32Len, CVI_ERR_VENC_NULL_PTR);
	CHECK(VeChn, v->user_len + u32Len <= sizeof v->user, CVI_ERR_VENC_ILLEGAL_PARAM);
	memcpy(v->user + v->user_len, pu8Data, u32Len);
	v->user_len += u32Len;
	LEAVE(VeChn, 0);
}
