/* CVI_SYS_* and CVI_LOG_*: start, end, binds, modes; and the memory layout of pictures. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core_private.h"

static VI_VPSS_MODE_S vi_vpss_mode;
static VPSS_MODE_E vpss_mode = VPSS_MODE_SINGLE;

int32_t CVI_SYS_Init(void)
{
	static bool shelled;
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, SIM_LIFE))
		return (int32_t)c.result;
	if (!sim_node("/dev/cvi-base") || !sim_node("/dev/cvi-sys") || !sim_node("/dev/mem"))
		return (int32_t)sim_leave(&c, CVI_ERR_SYS_NOTREADY);
	if (!sim_self()->vb)
		sim_fault(F_ORDER, __func__, "CVI_VB_Init must come first");
	if (!shelled) { /* the real one runs 27 shell commands */
		sim_unlock();
		usleep(30000);
		sim_lock();
		shelled = true;
	}
	/* The library ignores their results. */
	sim_request("SYS_SET_VIVPSSMODE");
	sim_request("SYS_SET_VPSSMODE_EX");
	sim_request("SYS_SET_SYS_INIT");
	sim_self()->sys = 1;
	sim_self()->base = 1;
	sim_self()->vi = sim_node("/dev/cvi-vi");
	sim_hold_vi(sim_self()->vi);
	sim_dirty();
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_SYS_Exit(void)
{
	static const char *const purposes[P_KINDS] = {"a raw picture", "a JPEG stream", "an H.264 stream", "a canvas", "physical memory"};
	struct sim_call c;
	bool others = false;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, SIM_LIFE))
		return (int32_t)c.result;
	if (!sim_self()->sys)
		return (int32_t)sim_leave(&c, 0);
	if (K->vi.chn && K->vi.pid == getpid())
		sim_fault(F_ORDER, __func__, "VI still streams");
	for (int i = 0; i < VPSS_MAX_GRP_NUM; i++)
		if (K->grps[i].created && K->grps[i].pid == getpid())
			sim_fault(F_LEAK, __func__, "VPSS group %d was not destroyed", i);
	for (int i = 0; i < VENC_MAX_CHN_NUM; i++)
		if (K->vencs[i].created && K->vencs[i].pid == getpid())
			sim_fault(F_LEAK, __func__, "VENC channel %d was not destroyed", i);
	for (int i = 0; i < RGN_MAX_NUM; i++)
		if (K->rgns[i].used && K->rgns[i].pid == getpid())
			sim_fault(F_LEAK, __func__, "region %d was not destroyed", i);
	for (int p = 0; p < P_KINDS; p++)
		if (sim_mappings((enum sim_purpose)p))
			sim_fault(F_LEAK, __func__, "%d mappings of %s left", sim_mappings((enum sim_purpose)p), purposes[p]);
	if (sim_camera.registered)
		sim_fault(F_LEAK, __func__, "the sensor's callbacks are still registered");
	if (sim_camera.runs)
		sim_fault(F_ORDER, __func__, "CVI_ISP_Run has not returned");
	sim_self()->sys = 0;
	sim_self()->vi = 0;
	sim_hold_vi(false);
	for (int i = 0; i < K_PROCS; i++)
		others |= K->procs[i].pid && K->procs[i].sys;
	for (int i = 0; i < K_BINDS && !others; i++) {
		if (K->binds[i].used)
			sim_fault(F_LEAK, __func__, "module %d is still bound to module %d", (int)K->binds[i].src.enModId, (int)K->binds[i].dst.enModId);
		K->binds[i].used = 0;
	}
	sim_dirty();
	return (int32_t)sim_leave(&c, 0);
}

static bool same(const MMF_CHN_S *a, const MMF_CHN_S *b)
{
	return a->enModId == b->enModId && a->s32DevId == b->s32DevId && a->s32ChnId == b->s32ChnId;
}

static const char *absent(const MMF_CHN_S *end, bool source)
{
	switch ((int)end->enModId) {
	case CVI_ID_VI: return source && K->vi.has_chn ? NULL : "VI has no channel";
	case CVI_ID_VPSS:
		if (end->s32DevId < 0 || end->s32DevId >= VPSS_MAX_GRP_NUM || !K->grps[end->s32DevId].created)
			return "the VPSS group does not exist";
		if (source && (end->s32ChnId < 0 || end->s32ChnId >= VPSS_MAX_CHN_NUM || !K->grps[end->s32DevId].chn[end->s32ChnId].enabled))
			return "the VPSS channel is not enabled";
		return NULL;
	case CVI_ID_VENC:
		if (end->s32ChnId < 0 || end->s32ChnId >= VENC_MAX_CHN_NUM || !K->vencs[end->s32ChnId].created)
			return "the VENC channel does not exist";
		if (K->vencs[end->s32ChnId].attr.stVencAttr.enType == PT_H264)
			return "binds of H.264 are not simulated";
		if (K->vencs[end->s32ChnId].receiving)
			return "the VENC channel is already receiving: it has no thread for a bind and encodes nothing";
		return NULL;
	}
	return "module not simulated";
}

int32_t CVI_SYS_Bind(const MMF_CHN_S *pstSrcChn, const MMF_CHN_S *pstDestChn)
{
	struct sim_call c;
	int slot = -1, dests = 0;
	const char *why;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, 0))
		return (int32_t)c.result;
	if (!pstSrcChn || !pstDestChn)
		return (int32_t)sim_leave(&c, CVI_ERR_SYS_NULL_PTR);
	if (!sim_self()->sys)
		sim_fault(F_ORDER, __func__, "CVI_SYS_Init is missing");
	why = absent(pstSrcChn, true);
	if (!why)
		why = absent(pstDestChn, false);
	if (why)
		sim_fault(F_ORDER, __func__, "%s", why);
	for (int i = 0; i < K_BINDS; i++) {
		if (!K->binds[i].used) {
			if (slot < 0)
				slot = i;
			continue;
		}
		dests += same(&K->binds[i].src, pstSrcChn);
		if (same(&K->binds[i].dst, pstDestChn))
			return (int32_t)sim_leave(&c, CVI_FAILURE);
	}
	if (slot < 0 || dests >= BIND_DEST_MAXNUM)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	K->binds[slot] = (struct k_bind){.used = 1, .src = *pstSrcChn, .dst = *pstDestChn};
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_SYS_UnBind(const MMF_CHN_S *pstSrcChn, const MMF_CHN_S *pstDestChn)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, 0))
		return (int32_t)c.result;
	if (!pstSrcChn || !pstDestChn)
		return (int32_t)sim_leave(&c, CVI_ERR_SYS_NULL_PTR);
	for (int i = 0; i < K_BINDS; i++)
		if (K->binds[i].used && same(&K->binds[i].src, pstSrcChn) && same(&K->binds[i].dst, pstDestChn)) {
			K->binds[i].used = 0;
			return (int32_t)sim_leave(&c, 0);
		}
	sim_fault(F_ORDER, __func__, "no such bind");
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_SYS_GetBindbyDest(const MMF_CHN_S *pstDestChn, MMF_CHN_S *pstSrcChn)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, 0))
		return (int32_t)c.result;
	for (int i = 0; i < K_BINDS; i++)
		if (K->binds[i].used && same(&K->binds[i].dst, pstDestChn)) {
			*pstSrcChn = K->binds[i].src;
			return (int32_t)sim_leave(&c, 0);
		}
	return (int32_t)sim_leave(&c, CVI_FAILURE);
}

int32_t CVI_SYS_GetBindbySrc(const MMF_CHN_S *pstSrcChn, MMF_BIND_DEST_S *pstBindDest)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, 0))
		return (int32_t)c.result;
	memset(pstBindDest, 0, sizeof *pstBindDest);
	for (int i = 0; i < K_BINDS; i++)
		if (K->binds[i].used && same(&K->binds[i].src, pstSrcChn) && pstBindDest->u32Num < BIND_DEST_MAXNUM)
			pstBindDest->astMmfChn[pstBindDest->u32Num++] = K->binds[i].dst;
	return (int32_t)sim_leave(&c, pstBindDest->u32Num ? 0 : CVI_FAILURE);
}

/* Calls that store one value. */
#define KEEP(call, type, value, test) \
	int32_t call(type p) \
	{ \
		struct sim_call c; \
		if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, 0)) \
			return (int32_t)c.result; \
		if (!(test)) \
			return (int32_t)sim_leave(&c, CVI_ERR_SYS_NULL_PTR); \
		value; \
		return (int32_t)sim_leave(&c, 0); \
	}

KEEP(CVI_SYS_SetVIVPSSMode, const VI_VPSS_MODE_S *, vi_vpss_mode = *p, p)
KEEP(CVI_SYS_GetVIVPSSMode, VI_VPSS_MODE_S *, *p = vi_vpss_mode, p)
KEEP(CVI_SYS_SetVPSSMode, VPSS_MODE_E, vpss_mode = p, p <= VPSS_MODE_RGNEX)
KEEP(CVI_SYS_GetCurPTS, uint64_t *, *p = sim_now(), p)
KEEP(CVI_SYS_GetChipId, uint32_t *, *p = 0x1810C, p)
KEEP(CVI_SYS_GetChipVersion, uint32_t *, *p = 1, p)
KEEP(CVI_LOG_SetLevelConf, LOG_LEVEL_CONF_S *, (void)p, p)
KEEP(CVI_LOG_GetLevelConf, LOG_LEVEL_CONF_S *, p->s32Level = 4, p)

VPSS_MODE_E CVI_SYS_GetVPSSMode(void) { return vpss_mode; }

int32_t CVI_SYS_GetVersion(MMF_VERSION_S *pstVersion)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, 0))
		return (int32_t)c.result;
	if (!pstVersion)
		return (int32_t)sim_leave(&c, CVI_ERR_SYS_NULL_PTR);
	snprintf(pstVersion->version, sizeof pstVersion->version, "maixsim, a simulator");
	return (int32_t)sim_leave(&c, 0);
}

void CVI_SYS_RegisterThermalCallback(void (*setFPS)(int32_t))
{
	struct sim_call c;

	(void)setFPS; /* the simulator never gets hot */
	if (sim_enter(&c, __func__, CVI_ID_SYS, -1, SIM_QUIET))
		sim_leave(&c, 0);
}

/* ---- pictures ---- */

uint32_t sim_layout(struct k_frame *f, uint32_t format, uint32_t width, uint32_t height, uint64_t phys)
{
	uint32_t even = sim_align(height, 2), stride = sim_align(width, DEFAULT_ALIGN), chroma;

	*f = (struct k_frame){.width = width, .height = height, .format = format, .pool = -1, .block = -1};
	f->phys[0] = phys;
	f->stride[0] = stride;
	switch (format) {
	case PIXEL_FORMAT_NV21:
	case PIXEL_FORMAT_NV12:
		f->length[0] = stride * even;
		f->stride[1] = stride;
		f->length[1] = stride * even / 2;
		f->phys[1] = phys + sim_align(f->length[0], DEFAULT_ALIGN);
		return sim_align(f->length[0], DEFAULT_ALIGN) + f->length[1];
	case PIXEL_FORMAT_YUV_PLANAR_420:
	case PIXEL_FORMAT_YUV_PLANAR_422:
		chroma = sim_align((width + 1) / 2, DEFAULT_ALIGN);
		f->stride[0] = 2 * chroma;
		f->stride[1] = f->stride[2] = chroma;
		f->length[0] = f->stride[0] * even;
		f->length[1] = f->length[2] = chroma * (format == PIXEL_FORMAT_YUV_PLANAR_420 ? even / 2 : even);
		f->phys[1] = phys + f->length[0];
		f->phys[2] = f->phys[1] + f->length[1];
		return f->length[0] + 2 * f->length[1];
	case PIXEL_FORMAT_YUV_400: f->length[0] = stride * height; return f->length[0];
	case PIXEL_FORMAT_YUYV:
	case PIXEL_FORMAT_UYVY:
	case PIXEL_FORMAT_YVYU:
	case PIXEL_FORMAT_VYUY:
		f->stride[0] = sim_align(2 * width, DEFAULT_ALIGN);
		f->length[0] = f->stride[0] * height;
		return f->length[0];
	case PIXEL_FORMAT_RGB_888:
	case PIXEL_FORMAT_BGR_888:
		f->stride[0] = sim_align(3 * width, DEFAULT_ALIGN);
		f->length[0] = f->stride[0] * height;
		return f->length[0];
	}
	return 0;
}

void sim_frame_out(const struct k_frame *f, VIDEO_FRAME_INFO_S *out)
{
	memset(out, 0, sizeof *out);
	out->stVFrame.u32Width = f->width;
	out->stVFrame.u32Height = f->height;
	out->stVFrame.enPixelFormat = (PIXEL_FORMAT_E)f->format;
	for (int i = 0; i < 3; i++) {
		out->stVFrame.u32Stride[i] = f->stride[i];
		out->stVFrame.u32Length[i] = f->length[i];
		out->stVFrame.u64PhyAddr[i] = f->phys[i];
	}
	out->stVFrame.u32TimeRef = f->seq;
	out->stVFrame.u64PTS = f->pts;
	out->stVFrame.pPrivateData = (void *)(uintptr_t)(K_HANDLE_BASE | 0x80000000u | f->seq << 8);
}
