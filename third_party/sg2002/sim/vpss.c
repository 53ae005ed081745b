/* CVI_VPSS_*: groups and channels. Frames are moved in engine.c. */
#include <string.h>
#include <unistd.h>

#include "vpu.h"

static struct k_grp *grp(int32_t g) { return &K->grps[g]; }

#define ENTER(g, flags) \
	struct sim_call c; \
	if (!sim_enter(&c, __func__, CVI_ID_VPSS, g, flags)) \
		return (int32_t)c.result; \
	if ((g) < 0 || (g) >= VPSS_MAX_GRP_NUM) \
	return (int32_t)sim_leave(&c, CVI_ERR_VPSS_ILLEGAL_PARAM)
#define LEAVE(result) return (int32_t)sim_leave(&c, result)
#define CHECK(test, code) \
	do { \
		if (!(test)) \
			LEAVE(code); \
	} while (0)
#define EXISTS(g) CHECK(grp(g)->created, CVI_ERR_VPSS_UNEXIST)
#define CHANNEL(n) CHECK((n) >= 0 && (n) < VPSS_MAX_CHN_NUM, CVI_ERR_VPSS_ILLEGAL_PARAM)
#define POINTER(p) CHECK(p, CVI_ERR_VPSS_NULL_PTR)

static bool good_picture(uint32_t w, uint32_t h, PIXEL_FORMAT_E format)
{
	struct k_frame f;

	if (w < VPSS_MIN_IMAGE_WIDTH || h < 2 || w > VPSS_MAX_IMAGE_WIDTH || h > VPSS_MAX_IMAGE_HEIGHT)
		return false;
	if ((format == PIXEL_FORMAT_NV21 || format == PIXEL_FORMAT_NV12 || format == PIXEL_FORMAT_YUV_PLANAR_420) && ((w | h) & 1))
		return false;
	return sim_layout(&f, format, w, h, 0) > 0;
}

static void empty_queue(struct k_vpss_chn *ch)
{
	for (int i = 0; i < ch->queued; i++)
		sim_drop(ch->queue[i].pool, ch->queue[i].block, H_QUEUE);
	ch->queued = 0;
}

static void reset_channel(struct k_vpss_chn *ch)
{
	empty_queue(ch);
	memset(ch, 0, sizeof *ch);
	ch->pool = VB_INVALID_POOLID;
}

int32_t CVI_VPSS_CreateGrp(int32_t VpssGrp, const VPSS_GRP_ATTR_S *pstGrpAttr)
{
	ENTER(VpssGrp, SIM_LIFE);
	POINTER(pstGrpAttr);
	CHECK(sim_node("/dev/cvi-vpss"), CVI_ERR_VPSS_NOTREADY);
	CHECK(!grp(VpssGrp)->created, CVI_ERR_VPSS_EXIST);
	CHECK(good_picture(pstGrpAttr->u32MaxW, pstGrpAttr->u32MaxH, pstGrpAttr->enPixelFormat), CVI_ERR_VPSS_ILLEGAL_PARAM);
	if (!sim_self()->sys)
		sim_fault(F_ORDER, __func__, "CVI_SYS_Init is missing");
	for (int i = 0; i < VPSS_MAX_CHN_NUM; i++)
		if (grp(VpssGrp)->chn[i].enabled)
			sim_fault(F_LEAK, __func__, "channel %d still has the previous group's queue", i);
	memset(grp(VpssGrp), 0, sizeof *grp(VpssGrp));
	for (int i = 0; i < VPSS_MAX_CHN_NUM; i++)
		grp(VpssGrp)->chn[i].pool = VB_INVALID_POOLID;
	grp(VpssGrp)->created = 1;
	grp(VpssGrp)->pid = getpid();
	grp(VpssGrp)->attr = *pstGrpAttr;
	LEAVE(0);
}

int32_t CVI_VPSS_DestroyGrp(int32_t VpssGrp)
{
	ENTER(VpssGrp, SIM_LIFE);
	vpu_engine_idle(VpssGrp);
	if (!grp(VpssGrp)->created)
		LEAVE(0);
	for (int i = 0; i < VPSS_MAX_CHN_NUM; i++) {
		if (grp(VpssGrp)->chn[i].enabled)
			sim_fault(F_LEAK, __func__, "channel %d is enabled: its queue leaks", i);
		else
			empty_queue(&grp(VpssGrp)->chn[i]);
	}
	for (int i = 0; i < K_BINDS; i++)
		if (K->binds[i].used &&
			((K->binds[i].src.enModId == CVI_ID_VPSS && K->binds[i].src.s32DevId == VpssGrp) ||
				(K->binds[i].dst.enModId == CVI_ID_VPSS && K->binds[i].dst.s32DevId == VpssGrp)))
			sim_fault(F_ORDER, __func__, "the group is still bound");
	vpu_regions_gone(VpssGrp);
	grp(VpssGrp)->created = grp(VpssGrp)->started = 0;
	LEAVE(0);
}

int32_t CVI_VPSS_ResetGrp(int32_t VpssGrp)
{
	ENTER(VpssGrp, SIM_LIFE);
	EXISTS(VpssGrp);
	vpu_engine_idle(VpssGrp);
	for (int i = 0; i < VPSS_MAX_CHN_NUM; i++) {
		if (grp(VpssGrp)->chn[i].enabled)
			sim_fault(F_ORDER, __func__, "channel %d is enabled", i);
		reset_channel(&grp(VpssGrp)->chn[i]);
	}
	memset(&grp(VpssGrp)->crop, 0, sizeof grp(VpssGrp)->crop);
	vpu_regions_gone(VpssGrp);
	grp(VpssGrp)->started = 0;
	LEAVE(0);
}

int32_t CVI_VPSS_StartGrp(int32_t VpssGrp)
{
	ENTER(VpssGrp, 0);
	EXISTS(VpssGrp);
	grp(VpssGrp)->started = 1;
	LEAVE(0);
}

int32_t CVI_VPSS_StopGrp(int32_t VpssGrp)
{
	ENTER(VpssGrp, 0);
	EXISTS(VpssGrp);
	vpu_engine_idle(VpssGrp);
	grp(VpssGrp)->started = 0;
	LEAVE(0);
}

int32_t CVI_VPSS_SetGrpAttr(int32_t VpssGrp, const VPSS_GRP_ATTR_S *pstGrpAttr)
{
	ENTER(VpssGrp, 0);
	POINTER(pstGrpAttr);
	EXISTS(VpssGrp);
	CHECK(good_picture(pstGrpAttr->u32MaxW, pstGrpAttr->u32MaxH, pstGrpAttr->enPixelFormat), CVI_ERR_VPSS_ILLEGAL_PARAM);
	grp(VpssGrp)->attr = *pstGrpAttr;
	LEAVE(0);
}

int32_t CVI_VPSS_GetGrpAttr(int32_t VpssGrp, VPSS_GRP_ATTR_S *pstGrpAttr)
{
	ENTER(VpssGrp, 0);
	POINTER(pstGrpAttr);
	EXISTS(VpssGrp);
	*pstGrpAttr = grp(VpssGrp)->attr;
	LEAVE(0);
}

int32_t CVI_VPSS_SetGrpCrop(int32_t VpssGrp, const VPSS_CROP_INFO_S *pstCropInfo)
{
	const RECT_S *r;

	ENTER(VpssGrp, 0);
	POINTER(pstCropInfo);
	EXISTS(VpssGrp);
	r = &pstCropInfo->stCropRect;
	if (pstCropInfo->bEnable)
		CHECK(r->s32X >= 0 && r->s32Y >= 0 && r->u32Width >= 4 && r->u32Height >= 1 &&
				(uint64_t)r->s32X + r->u32Width <= grp(VpssGrp)->attr.u32MaxW && (uint64_t)r->s32Y + r->u32Height <= grp(VpssGrp)->attr.u32MaxH,
			CVI_ERR_VPSS_ILLEGAL_PARAM);
	grp(VpssGrp)->crop = *pstCropInfo;
	grp(VpssGrp)->crop.stCropRect.u32Width &= ~1u;
	grp(VpssGrp)->crop.stCropRect.u32Height &= ~1u;
	LEAVE(0);
}

int32_t CVI_VPSS_GetGrpCrop(int32_t VpssGrp, VPSS_CROP_INFO_S *pstCropInfo)
{
	ENTER(VpssGrp, 0);
	POINTER(pstCropInfo);
	EXISTS(VpssGrp);
	*pstCropInfo = grp(VpssGrp)->crop;
	LEAVE(0);
}

int32_t CVI_VPSS_GetAvailableGrp(void)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_VPSS, -1, SIM_QUIET))
		return (int32_t)c.result;
	for (int i = 0; i < VPSS_MAX_GRP_NUM; i++)
		if (!grp(i)->created)
			LEAVE(i);
	LEAVE(VPSS_MAX_GRP_NUM);
}

/* The driver accepts any pool; if its blocks are too small no frames arrive. */
static void check_pool(const char *call, int32_t channel, const struct k_vpss_chn *ch)
{
	struct k_frame f;

	if (ch->pool == VB_INVALID_POOLID || !ch->has_attr)
		return;
	if (ch->pool >= K_POOLS || !K->pools[ch->pool].used)
		sim_fault(F_BAD_HANDLE, call, "no VB pool %u", ch->pool);
	else if (K->pools[ch->pool].blk_size < sim_layout(&f, ch->attr.enPixelFormat, ch->attr.u32Width, ch->attr.u32Height, 0))
		sim_fault(F_ORDER, call, "the blocks of VB pool %u are too small for channel %d: no frames will arrive", ch->pool, channel);
}

int32_t CVI_VPSS_SetChnAttr(int32_t VpssGrp, int32_t VpssChn, const VPSS_CHN_ATTR_S *pstChnAttr)
{
	const RECT_S *r;
	const FRAME_RATE_CTRL_S *rate;

	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	POINTER(pstChnAttr);
	EXISTS(VpssGrp);
	r = &pstChnAttr->stAspectRatio.stVideoRect;
	rate = &pstChnAttr->stFrameRate;
	CHECK(good_picture(pstChnAttr->u32Width, pstChnAttr->u32Height, pstChnAttr->enPixelFormat), CVI_ERR_VPSS_ILLEGAL_PARAM);
	CHECK(rate->s32SrcFrameRate >= rate->s32DstFrameRate, CVI_ERR_VPSS_ILLEGAL_PARAM);
	if (pstChnAttr->stAspectRatio.enMode == ASPECT_RATIO_MANUAL)
		CHECK(r->s32X >= 0 && r->s32Y >= 0 && r->u32Width >= 4 && r->u32Height >= 2 && r->s32X % 2 == 0 &&
				(uint64_t)r->s32X + r->u32Width <= pstChnAttr->u32Width && (uint64_t)r->s32Y + r->u32Height <= pstChnAttr->u32Height,
			CVI_ERR_VPSS_ILLEGAL_PARAM);
	vpu_engine_idle(VpssGrp);
	grp(VpssGrp)->chn[VpssChn].attr = *pstChnAttr;
	grp(VpssGrp)->chn[VpssChn].has_attr = 1;
	grp(VpssGrp)->chn[VpssChn].frc = 0;
	if (grp(VpssGrp)->chn[VpssChn].enabled)
		check_pool(__func__, VpssChn, &grp(VpssGrp)->chn[VpssChn]);
	LEAVE(0);
}

int32_t CVI_VPSS_GetChnAttr(int32_t VpssGrp, int32_t VpssChn, VPSS_CHN_ATTR_S *pstChnAttr)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	POINTER(pstChnAttr);
	EXISTS(VpssGrp);
	*pstChnAttr = grp(VpssGrp)->chn[VpssChn].attr;
	LEAVE(0);
}

int32_t CVI_VPSS_EnableChn(int32_t VpssGrp, int32_t VpssChn)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	EXISTS(VpssGrp);
	CHECK(grp(VpssGrp)->chn[VpssChn].has_attr, CVI_ERR_VPSS_ILLEGAL_PARAM);
	check_pool(__func__, VpssChn, &grp(VpssGrp)->chn[VpssChn]);
	grp(VpssGrp)->chn[VpssChn].enabled = 1;
	LEAVE(0);
}

int32_t CVI_VPSS_DisableChn(int32_t VpssGrp, int32_t VpssChn)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	EXISTS(VpssGrp);
	vpu_engine_idle(VpssGrp);
	grp(VpssGrp)->chn[VpssChn].enabled = 0;
	empty_queue(&grp(VpssGrp)->chn[VpssChn]);
	LEAVE(0);
}

int32_t CVI_VPSS_SetChnCrop(int32_t VpssGrp, int32_t VpssChn, const VPSS_CROP_INFO_S *pstCropInfo)
{
	const RECT_S *r;

	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	POINTER(pstCropInfo);
	EXISTS(VpssGrp);
	r = &pstCropInfo->stCropRect;
	if (pstCropInfo->bEnable)
		CHECK(r->u32Width >= 4 && r->u32Height >= 1 && r->s32X < (int64_t)grp(VpssGrp)->attr.u32MaxW &&
				r->s32Y < (int64_t)grp(VpssGrp)->attr.u32MaxH && (int64_t)r->s32X + r->u32Width > 0 && (int64_t)r->s32Y + r->u32Height > 0,
			CVI_ERR_VPSS_ILLEGAL_PARAM);
	grp(VpssGrp)->chn[VpssChn].crop = *pstCropInfo;
	LEAVE(0);
}

int32_t CVI_VPSS_GetChnCrop(int32_t VpssGrp, int32_t VpssChn, VPSS_CROP_INFO_S *pstCropInfo)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	POINTER(pstCropInfo);
	EXISTS(VpssGrp);
	*pstCropInfo = grp(VpssGrp)->chn[VpssChn].crop;
	LEAVE(0);
}

/* Rotation by 90 degrees needs another unit (DWA) and another pool; untested on a board, so not simulated. */
int32_t CVI_VPSS_SetChnRotation(int32_t VpssGrp, int32_t VpssChn, ROTATION_E enRotation)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	EXISTS(VpssGrp);
	LEAVE(enRotation == ROTATION_0 ? 0 : CVI_ERR_VPSS_NOT_SUPPORT);
}

int32_t CVI_VPSS_GetChnRotation(int32_t VpssGrp, int32_t VpssChn, ROTATION_E *penRotation)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	POINTER(penRotation);
	EXISTS(VpssGrp);
	*penRotation = ROTATION_0;
	LEAVE(0);
}

int32_t CVI_VPSS_SetChnAlign(int32_t VpssGrp, int32_t VpssChn, uint32_t u32Align)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	EXISTS(VpssGrp);
	CHECK(u32Align <= DEFAULT_ALIGN, CVI_ERR_VPSS_NOT_SUPPORT); /* larger ones are not simulated */
	grp(VpssGrp)->chn[VpssChn].align = u32Align;
	LEAVE(0);
}

int32_t CVI_VPSS_GetChnAlign(int32_t VpssGrp, int32_t VpssChn, uint32_t *pu32Align)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	POINTER(pu32Align);
	EXISTS(VpssGrp);
	*pu32Align = grp(VpssGrp)->chn[VpssChn].align;
	LEAVE(0);
}

int32_t CVI_VPSS_SetChnScaleCoefLevel(int32_t VpssGrp, int32_t VpssChn, VPSS_SCALE_COEF_E enCoef)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	EXISTS(VpssGrp);
	CHECK(enCoef < 7, CVI_ERR_VPSS_ILLEGAL_PARAM);
	LEAVE(0);
}

int32_t CVI_VPSS_AttachVbPool(int32_t VpssGrp, int32_t VpssChn, uint32_t hVbPool)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	EXISTS(VpssGrp);
	if (hVbPool >= K_POOLS || !K->pools[hVbPool].used)
		sim_fault(F_BAD_HANDLE, __func__, "no VB pool %u", hVbPool);
	grp(VpssGrp)->chn[VpssChn].pool = hVbPool;
	check_pool(__func__, VpssChn, &grp(VpssGrp)->chn[VpssChn]);
	LEAVE(0);
}

int32_t CVI_VPSS_DetachVbPool(int32_t VpssGrp, int32_t VpssChn)
{
	ENTER(VpssGrp, 0);
	CHANNEL(VpssChn);
	EXISTS(VpssGrp);
	grp(VpssGrp)->chn[VpssChn].pool = VB_INVALID_POOLID;
	LEAVE(0);
}
