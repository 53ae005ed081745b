/* CVI_VI_*: the state machine of device, pipe and channel 0. */
#include <string.h>
#include <unistd.h>

#include "vpu.h"

static uint32_t dev_num = 1;

static bool taken(void) { return K->vi.pid && K->vi.pid != getpid() && sim_alive(K->vi.pid, 0); }

#define ENTER(flags) \
	struct sim_call c; \
	if (!sim_enter(&c, __func__, CVI_ID_VI, -1, flags)) \
		return (int32_t)c.result; \
	if (taken()) \
	return (int32_t)sim_leave(&c, CVI_ERR_VI_BUSY)
#define LEAVE(result) return (int32_t)sim_leave(&c, result)
#define CHECK(test, code) \
	do { \
		if (!(test)) \
			LEAVE(code); \
	} while (0)

int32_t CVI_VI_SetDevNum(uint32_t devNum)
{
	ENTER(0);
	dev_num = devNum;
	LEAVE(0);
}

int32_t CVI_VI_GetDevNum(uint32_t *devNum)
{
	ENTER(0);
	CHECK(devNum, CVI_ERR_VI_INVALID_NULL_PTR);
	*devNum = dev_num;
	LEAVE(0);
}

int32_t CVI_VI_SetDevAttr(int32_t ViDev, const VI_DEV_ATTR_S *pstDevAttr)
{
	ENTER(SIM_LIFE);
	CHECK(ViDev == 0, CVI_ERR_VI_INVALID_DEVID);
	CHECK(pstDevAttr, CVI_ERR_VI_INVALID_NULL_PTR);
	CHECK(sim_node("/dev/cvi-vi"), CVI_ERR_VI_SYS_NOTREADY);
	if (!sim_self()->sys)
		sim_fault(F_ORDER, __func__, "CVI_SYS_Init is missing");
	if (K->vi.dev || K->vi.chn)
		sim_fault(F_ORDER, __func__, "resets the state of an enabled device");
	if (!sim_camera.registered)
		sim_fault(F_ORDER, __func__, "the sensor's callbacks are not registered yet");
	K->vi.pid = getpid();
	K->vi.pool = VB_INVALID_POOLID;
	K->vi.dev_attr = *pstDevAttr;
	K->vi.has_dev = 1;
	sim_camera.deaf = !sim_request("VI_SDK_SET_DEV_ATTR"); /* and 0 is returned anyway */
	sim_dirty();
	LEAVE(0);
}

int32_t CVI_VI_GetDevAttr(int32_t ViDev, VI_DEV_ATTR_S *pstDevAttr)
{
	ENTER(0);
	CHECK(ViDev == 0 && K->vi.has_dev, CVI_ERR_VI_FAILED_NOTCONFIG);
	*pstDevAttr = K->vi.dev_attr;
	LEAVE(0);
}

int32_t CVI_VI_EnableDev(int32_t ViDev)
{
	ENTER(SIM_LIFE);
	CHECK(ViDev == 0, CVI_ERR_VI_INVALID_DEVID);
	CHECK(K->vi.has_dev && K->vi.dev_attr.stSize.u32Width && K->vi.dev_attr.stSize.u32Height, CVI_ERR_VI_FAILED_NOTCONFIG);
	K->vi.dev = 1;
	sim_camera.deaf |= !sim_request("VI_SDK_ENABLE_DEV"); /* and 0 is returned anyway */
	LEAVE(0);
}

int32_t CVI_VI_DisableDev(int32_t ViDev)
{
	ENTER(SIM_LIFE);
	CHECK(ViDev == 0, CVI_ERR_VI_INVALID_DEVID);
	if (K->vi.chn)
		sim_fault(F_ORDER, __func__, "channel 0 is still enabled");
	K->vi.dev = 0;
	K->vi.has_dev = 0;
	if (!K->vi.chn)
		K->vi.pid = 0;
	sim_dirty();
	LEAVE(0);
}

int32_t CVI_VI_CreatePipe(int32_t ViPipe, const VI_PIPE_ATTR_S *pstPipeAttr)
{
	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, CVI_ERR_VI_INVALID_PIPEID);
	CHECK(pstPipeAttr, CVI_ERR_VI_INVALID_NULL_PTR);
	CHECK(!K->vi.pipe, CVI_ERR_VI_PIPE_EXIST);
	CHECK(sim_node("/dev/cvi-vi"), CVI_ERR_VI_FAILED_NOT_ENABLED);
	if (!K->vi.dev)
		sim_fault(F_ORDER, __func__, "the device is not enabled");
	K->vi.pipe_attr = *pstPipeAttr;
	K->vi.pipe = 1;
	LEAVE(0);
}

int32_t CVI_VI_DestroyPipe(int32_t ViPipe)
{
	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, CVI_ERR_VI_INVALID_PIPEID);
	if (K->vi.chn)
		sim_fault(F_ORDER, __func__, "channel 0 is still enabled");
	K->vi.pipe = K->vi.started = 0;
	LEAVE(0);
}

int32_t CVI_VI_StartPipe(int32_t ViPipe)
{
	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, CVI_ERR_VI_INVALID_PIPEID);
	CHECK(K->vi.pipe, CVI_ERR_VI_FAILED_NOT_ENABLED);
	K->vi.started = 1;
	LEAVE(0);
}

int32_t CVI_VI_StopPipe(int32_t ViPipe)
{
	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, CVI_ERR_VI_INVALID_PIPEID);
	K->vi.started = 0;
	LEAVE(0);
}

int32_t CVI_VI_SetChnAttr(int32_t ViPipe, int32_t ViChn, VI_CHN_ATTR_S *pstChnAttr)
{
	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, CVI_ERR_VI_INVALID_PIPEID);
	CHECK(ViChn == 0, CVI_ERR_VI_INVALID_CHNID);
	CHECK(pstChnAttr, CVI_ERR_VI_INVALID_NULL_PTR);
	K->vi.chn_attr = *pstChnAttr;
	K->vi.has_chn = 1;
	LEAVE(0);
}

int32_t CVI_VI_GetChnAttr(int32_t ViPipe, int32_t ViChn, VI_CHN_ATTR_S *pstChnAttr)
{
	ENTER(0);
	CHECK(ViPipe == 0 && ViChn == 0 && K->vi.has_chn, CVI_ERR_VI_FAILED_NOTCONFIG);
	*pstChnAttr = K->vi.chn_attr;
	LEAVE(0);
}

/* Estimates: the driver decides the real sizes, which are unknown. */
static uint32_t dma_size(const SIZE_S *s)
{
	if (s->u32Width * s->u32Height >= 2560 * 1440)
		return 12 << 20;
	return s->u32Width * s->u32Height >= 1920 * 1080 ? 6 << 20 : 3 << 20;
}

static void give_back(void)
{
	for (int i = 0; i < CVI_VI_CHN_0_BUF; i++) {
		sim_drop(K->vi.hw_pool[i], K->vi.hw_block[i], H_VI);
		K->vi.hw_pool[i] = -1;
	}
	if (K->vi.dma)
		sim_ion_free(K->vi.dma);
	K->vi.dma = 0;
}

int32_t CVI_VI_EnableChn(int32_t ViPipe, int32_t ViChn)
{
	char missing[512];
	struct k_frame f;
	uint32_t size;
	uint64_t patience = sim_now() + 5000000;

	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, CVI_ERR_VI_INVALID_PIPEID);
	CHECK(ViChn == 0, CVI_ERR_VI_INVALID_CHNID);
	CHECK(!K->vi.chn, CVI_ERR_VI_FAILED_NOT_DISABLED);
	CHECK(sim_node("/dev/cvi-vi"), CVI_ERR_VI_SYS_NOTREADY);
	CHECK(K->vi.has_chn, CVI_ERR_VI_FAILED_NOTCONFIG);
	K->vi.pid = getpid();
	sim_request("VI_SDK_GET_PIPE_ATTR");
	sim_request("VI_SDK_GET_DEV_ATTR");
	if (!sim_request("VI_IOCTL_GET_BUF_SIZE"))
		sim_camera.deaf = true;
	K->vi.dma = sim_request("SYS_ION_ALLOC") ? sim_ion_alloc("VI_DMA_BUF", dma_size(&K->vi.chn_attr.stSize)) : 0;
	CHECK(K->vi.dma, CVI_ERR_SYS_NOMEM);
	sim_camera.deaf |= !sim_request("VI_IOCTL_SET_DMA_BUF_INFO"); /* and the channel is enabled anyway */
	if (!sim_request("VI_SDK_ENABLE_CHN")) {
		sim_ion_find(K->vi.dma)->lost = 1; /* it stays in ION */
		K->vi.dma = 0;
		LEAVE(CVI_FAILURE);
	}
	size = sim_layout(&f, PIXEL_FORMAT_NV21, K->vi.chn_attr.stSize.u32Width, K->vi.chn_attr.stSize.u32Height, 0);
	for (int i = 0; i < CVI_VI_CHN_0_BUF; i++) {
		K->vi.hw_pool[i] = sim_pool_take(K->vi.pool, size, H_VI, &K->vi.hw_block[i]);
		if (K->vi.hw_pool[i] < 0) {
			give_back();
			LEAVE(CVI_FAILURE);
		}
	}
	sim_camera_missing(missing, sizeof missing);
	if (missing[0])
		sim_fault(F_ORDER, __func__, "succeeds, but no frames will arrive without: %s", missing);
	else if (sim_camera.driver->probes && !sim_camera.probed)
		sim_fault(F_ORDER, __func__, "the sensor was not probed: nothing else detects a missing one");
	/* Its thread has only just been started and may not have got there yet on a busy machine. */
	while (!sim_camera.runs && !sim_camera.run_failed && sim_camera.isp && sim_wait(patience))
		;
	if (!sim_camera.runs && !sim_camera.run_failed)
		sim_fault(F_ORDER, __func__, "no thread is in CVI_ISP_Run: the exposure never changes");
	K->vi.chn = 1;
	K->vi.frames = K->vi.lost = 0;
	sim_dirty();
	vpu_engine_start();
	LEAVE(0);
}

int32_t CVI_VI_DisableChn(int32_t ViPipe, int32_t ViChn)
{
	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, CVI_ERR_VI_INVALID_PIPEID);
	CHECK(ViChn == 0, CVI_ERR_VI_INVALID_CHNID);
	if (!K->vi.chn)
		LEAVE(0);
	for (int i = 0; i < K_BINDS; i++)
		if (K->binds[i].used && K->binds[i].src.enModId == CVI_ID_VI)
			sim_fault(F_ORDER, __func__, "VI is still bound to VPSS group %d", K->binds[i].dst.s32DevId);
	vpu_engine_idle(-1);
	give_back();
	K->vi.chn = K->vi.has_chn = 0;
	sim_dirty();
	LEAVE(0);
}

int32_t CVI_VI_AttachVbPool(int32_t ViPipe, int32_t ViChn, uint32_t VbPool)
{
	struct k_frame f;

	ENTER(0);
	CHECK(ViPipe == 0 && ViChn == 0, CVI_ERR_VI_INVALID_CHNID);
	if (VbPool >= K_POOLS || !K->pools[VbPool].used)
		sim_fault(F_BAD_HANDLE, __func__, "no VB pool %u", VbPool);
	else if (K->vi.has_chn &&
		K->pools[VbPool].blk_size < sim_layout(&f, PIXEL_FORMAT_NV21, K->vi.chn_attr.stSize.u32Width, K->vi.chn_attr.stSize.u32Height, 0))
		sim_fault(F_ORDER, __func__, "the blocks of VB pool %u are too small for a frame", VbPool);
	K->vi.pool = VbPool;
	LEAVE(0);
}

int32_t CVI_VI_DetachVbPool(int32_t ViPipe, int32_t ViChn)
{
	ENTER(0);
	CHECK(ViPipe == 0 && ViChn == 0, CVI_ERR_VI_INVALID_CHNID);
	K->vi.pool = VB_INVALID_POOLID;
	LEAVE(0);
}

int32_t CVI_VI_QueryChnStatus(int32_t ViPipe, int32_t ViChn, VI_CHN_STATUS_S *pstChnStatus)
{
	ENTER(SIM_QUIET);
	CHECK(ViPipe == 0 && ViChn == 0, CVI_ERR_VI_INVALID_CHNID);
	CHECK(pstChnStatus, CVI_ERR_VI_INVALID_NULL_PTR);
	memset(pstChnStatus, 0, sizeof *pstChnStatus);
	pstChnStatus->bEnable = K->vi.chn;
	pstChnStatus->u32FrameRate = (uint32_t)(sim_camera_fps() + 0.5f);
	pstChnStatus->u32FrameNum = pstChnStatus->u32IntCnt = K->vi.frames;
	pstChnStatus->u32LostFrame = pstChnStatus->u32VbFail = K->vi.lost;
	pstChnStatus->u32RecvPic = K->vi.frames - K->vi.lost;
	pstChnStatus->stSize = K->vi.chn_attr.stSize;
	LEAVE(0);
}

int32_t CVI_VI_CloseFd(void)
{
	ENTER(0);
	LEAVE(0);
}

/* The callbacks are for suspend and resume, and for a flip that maixstream does in VPSS. */
int32_t CVI_VI_RegChnFlipMirrorCallBack(int32_t ViPipe, int32_t ViDev, void *pvData)
{
	ENTER(0);
	(void)pvData;
	CHECK(ViPipe == 0 && ViDev == 0, CVI_ERR_VI_INVALID_DEVID);
	LEAVE(0);
}

int32_t CVI_VI_UnRegChnFlipMirrorCallBack(int32_t ViPipe, int32_t ViDev)
{
	ENTER(0);
	CHECK(ViPipe == 0 && ViDev == 0, CVI_ERR_VI_INVALID_DEVID);
	LEAVE(0);
}

int32_t CVI_VI_RegPmCallBack(int32_t ViDev, VI_PM_OPS_S *pstPmOps, void *pvData)
{
	ENTER(0);
	(void)pvData;
	CHECK(ViDev == 0, CVI_ERR_VI_INVALID_DEVID);
	CHECK(pstPmOps, CVI_ERR_VI_INVALID_NULL_PTR);
	LEAVE(0);
}

int32_t CVI_VI_UnRegPmCallBack(int32_t ViDev)
{
	ENTER(0);
	CHECK(ViDev == 0, CVI_ERR_VI_INVALID_DEVID);
	LEAVE(0);
}
