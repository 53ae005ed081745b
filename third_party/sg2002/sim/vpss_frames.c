/* CVI_VPSS_*: the calls that pass frames. */
#include <string.h>
#include <unistd.h>

#include "vpu.h"

#define LEAVE(result) return (int32_t)sim_leave(&c, result)
#define CHECK(test, code) \
	do { \
		if (!(test)) \
			LEAVE(code); \
	} while (0)

static bool ready(int32_t g, int32_t n) { return K->grps[g].created && K->grps[g].started && K->grps[g].chn[n].enabled; }

static int32_t check_ids(int32_t g, int32_t n)
{
	if (g < 0 || g >= VPSS_MAX_GRP_NUM || n < 0 || n >= VPSS_MAX_CHN_NUM)
		return CVI_ERR_VPSS_ILLEGAL_PARAM;
	return K->grps[g].created ? 0 : CVI_ERR_VPSS_UNEXIST;
}

int32_t CVI_VPSS_GetChnFrame(int32_t VpssGrp, int32_t VpssChn, VIDEO_FRAME_INFO_S *pstVideoFrame, int32_t s32MilliSec)
{
	struct sim_call c;
	struct k_vpss_chn *ch;
	uint64_t deadline = sim_deadline(s32MilliSec);
	int32_t rc;

	if (pstVideoFrame) /* the library always clears it */
		memset(pstVideoFrame, 0, sizeof *pstVideoFrame);
	if (!sim_enter(&c, __func__, CVI_ID_VPSS, VpssGrp, SIM_WAITS))
		return (int32_t)c.result;
	CHECK(pstVideoFrame, CVI_ERR_VPSS_NULL_PTR);
	rc = check_ids(VpssGrp, VpssChn);
	CHECK(rc == 0, rc);
	CHECK(ready(VpssGrp, VpssChn), CVI_ERR_VPSS_NOTREADY);
	ch = &K->grps[VpssGrp].chn[VpssChn];
	ch->waiters++;
	while (!ch->queued && ready(VpssGrp, VpssChn) && s32MilliSec != 0)
		if (!sim_wait(deadline)) {
			if (!vpu_engine_works(VpssGrp))
				break;
			deadline = sim_now() + 10000; /* the real chip would be done: this machine is slow */
		}
	ch->waiters--;
	CHECK(ready(VpssGrp, VpssChn), CVI_ERR_VPSS_NOTREADY);
	CHECK(ch->queued, CVI_ERR_VPSS_BUF_EMPTY);
	sim_frame_out(&ch->queue[0], pstVideoFrame);
	sim_hold(ch->queue[0].pool, ch->queue[0].block, H_FRAME);
	sim_drop(ch->queue[0].pool, ch->queue[0].block, H_QUEUE);
	memmove(&ch->queue[0], &ch->queue[1], sizeof ch->queue[0] * (size_t)(--ch->queued));
	LEAVE(0);
}

/* Whether hardware is using the block; releasing it then lets the next picture overwrite it. For H.264, only GetStream shows that it is done. */
static bool being_encoded(int pool, int block)
{
	for (int i = 0; i < VENC_MAX_CHN_NUM; i++) {
		const struct k_venc *v = &K->vencs[i];
		bool waits = v->stream == STREAM_BUSY || (v->attr.stVencAttr.enType == PT_H264 && v->stream == STREAM_READY);

		if (v->created && v->from_send && waits && v->frame.pool == pool && v->frame.block == block)
			return true;
	}
	return false;
}

int32_t CVI_VPSS_ReleaseChnFrame(int32_t VpssGrp, int32_t VpssChn, const VIDEO_FRAME_INFO_S *pstVideoFrame)
{
	struct sim_call c;
	int pool, block;
	int32_t rc;

	if (!sim_enter(&c, __func__, CVI_ID_VPSS, VpssGrp, 0))
		return (int32_t)c.result;
	CHECK(pstVideoFrame, CVI_ERR_VPSS_NULL_PTR);
	rc = check_ids(VpssGrp, VpssChn);
	CHECK(rc == 0, rc);
	if (!sim_block_at(pstVideoFrame->stVFrame.u64PhyAddr[0], &pool, &block)) {
		sim_fault(F_BAD_HANDLE, __func__, "0x%llx is not a block%s", (unsigned long long)pstVideoFrame->stVFrame.u64PhyAddr[0],
			pstVideoFrame->stVFrame.pPrivateData ? ": the real driver dereferences pPrivateData now" : "");
		LEAVE(CVI_ERR_VPSS_ILLEGAL_PARAM);
	}
	if (K->pools[pool].refs[block][H_FRAME] == 1 && being_encoded(pool, block))
		sim_fault(F_USE_AFTER_RELEASE, __func__, "the encoder still reads block %d of VB pool %d", block, pool);
	if (!sim_drop(pool, block, H_FRAME))
		sim_fault(F_DOUBLE_RELEASE, __func__, "block %d of VB pool %d is not held by the program", block, pool);
	LEAVE(0);
}

static bool good_input(const VIDEO_FRAME_S *v, const VPSS_GRP_ATTR_S *attr)
{
	struct k_frame f;

	if (v->u32Width != attr->u32MaxW || v->u32Height != attr->u32MaxH || v->enPixelFormat != attr->enPixelFormat)
		return false;
	if (!sim_layout(&f, v->enPixelFormat, v->u32Width, v->u32Height, v->u64PhyAddr[0]))
		return false;
	for (int p = 0; p < 3; p++) {
		if (!f.length[p])
			continue;
		if (v->u64PhyAddr[p] % DEFAULT_ALIGN || v->u32Stride[p] % DEFAULT_ALIGN ||
			v->u32Stride[p] < f.stride[p] / (p && f.stride[p] > f.stride[0] ? 2 : 1) || v->u32Length[p] < f.length[p] ||
			!sim_phys(v->u64PhyAddr[p], v->u32Length[p]))
			return false;
	}
	return true;
}

int32_t CVI_VPSS_SendFrame(int32_t VpssGrp, const VIDEO_FRAME_INFO_S *pstVideoFrame, int32_t s32MilliSec)
{
	struct sim_call c;
	struct k_grp *g;
	const VIDEO_FRAME_S *v;
	struct k_frame *f;
	int32_t rc;

	(void)s32MilliSec; /* the driver ignores it */
	if (!sim_enter(&c, __func__, CVI_ID_VPSS, VpssGrp, SIM_WAITS))
		return (int32_t)c.result;
	CHECK(pstVideoFrame, CVI_ERR_VPSS_NULL_PTR);
	rc = check_ids(VpssGrp, 0);
	CHECK(rc == 0, rc);
	g = &K->grps[VpssGrp];
	v = &pstVideoFrame->stVFrame;
	CHECK(g->started, CVI_ERR_VPSS_NOTREADY);
	CHECK(good_input(v, &g->attr), CVI_ERR_VPSS_ILLEGAL_PARAM);
	CHECK(!g->has_input, CVI_ERR_VPSS_BUSY);
	f = &g->input;
	*f = (struct k_frame){
		.width = v->u32Width, .height = v->u32Height, .format = v->enPixelFormat, .pts = v->u64PTS, .seq = v->u32TimeRef, .pool = -1, .block = -1};
	for (int p = 0; p < 3; p++) {
		f->phys[p] = v->u64PhyAddr[p];
		f->stride[p] = v->u32Stride[p];
		f->length[p] = v->u32Length[p];
	}
	if (sim_block_at(f->phys[0], &f->pool, &f->block)) {
		if (!sim_block_refs(f->pool, f->block))
			sim_fault(F_USE_AFTER_RELEASE, __func__, "block %d of VB pool %d is free", f->block, f->pool);
		sim_hold(f->pool, f->block, H_VPSS);
	} else {
		f->pool = f->block = -1;
		sim_fault(F_BAD_HANDLE, __func__, "0x%llx is not a block", (unsigned long long)f->phys[0]);
	}
	g->has_input = 1;
	vpu_engine_start();
	LEAVE(0);
}

/* Functions that maixstream does not use. */
int32_t CVI_VPSS_SendChnFrame(int32_t VpssGrp, int32_t VpssChn, const VIDEO_FRAME_INFO_S *pstVideoFrame, int32_t s32MilliSec)
{
	struct sim_call c;

	(void)VpssChn, (void)pstVideoFrame, (void)s32MilliSec;
	if (!sim_enter(&c, __func__, CVI_ID_VPSS, VpssGrp, 0))
		return (int32_t)c.result;
	LEAVE(CVI_ERR_VPSS_NOT_SUPPORT);
}

int32_t CVI_VPSS_GetChnFd(int32_t VpssGrp, int32_t VpssChn)
{
	struct sim_call c;

	(void)VpssChn;
	if (!sim_enter(&c, __func__, CVI_ID_VPSS, VpssGrp, 0))
		return (int32_t)c.result;
	LEAVE(CVI_FAILURE);
}

int32_t CVI_VPSS_CloseFd(void)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_VPSS, -1, 0))
		return (int32_t)c.result;
	LEAVE(0);
}
