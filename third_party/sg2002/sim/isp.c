/* libisp.so: CVI_MIPI_* and CVI_ISP_*. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define ENTER(flags) \
	struct sim_call c; \
	if (!sim_enter(&c, __func__, CVI_ID_ISP, -1, flags)) \
	return (int32_t)c.result
#define LEAVE(result) return (int32_t)sim_leave(&c, result)
#define CHECK(test, code) \
	do { \
		if (!(test)) \
			LEAVE(code); \
	} while (0)

#ifdef __riscv
/* The real library has this one from libgcc_s; where that is missing, the program must provide it. */
extern uint8_t fetch_and_add(volatile void *p, uint8_t v) __asm__("__sync_fetch_and_add_1");
#endif

static ISP_PUB_ATTR_S pub;
static ISP_STATISTICS_CFG_S statistics;
static ISP_FMW_STATE_E state;

static bool mipi(void) { return sim_node("/dev/cvi-mipi-rx"); }

int32_t CVI_MIPI_SetSensorReset(int32_t devno, uint32_t reset)
{
	ENTER(0);
	CHECK(mipi(), CVI_FAILURE);
	CHECK(devno >= 0 && devno < 3, EINVAL);
	K->mipi.reset = reset != 0;
	LEAVE(0);
}

int32_t CVI_MIPI_SetMipiReset(int32_t devno, uint32_t reset)
{
	ENTER(0);
	CHECK(mipi(), CVI_FAILURE);
	CHECK(devno >= 0 && devno < 3, EINVAL);
	if (reset) {
		K->mipi.mipi_reset = 1;
		K->mipi.has_attr = 0;
	}
	LEAVE(0);
}

int32_t CVI_MIPI_SetMipiAttr(int32_t ViPipe, const void *devAttr)
{
	const SNS_COMBO_DEV_ATTR_S *a = devAttr;

	ENTER(0);
	CHECK(mipi(), CVI_FAILURE);
	CHECK(a && ViPipe == 0 && a->input_mode == INPUT_MODE_MIPI && a->mipi_attr.lane_id[0] >= 0 && a->mipi_attr.lane_id[1] >= 0 &&
			a->mipi_attr.lane_id[0] != a->mipi_attr.lane_id[1],
		EINVAL);
	if (!K->mipi.mipi_reset)
		sim_fault(F_ORDER, __func__, "CVI_MIPI_SetMipiReset(devno, 1) must come first");
	if (!K->mipi.reset)
		sim_fault(F_ORDER, __func__, "the sensor must be in reset (CVI_MIPI_SetSensorReset(devno, 1))");
	K->mipi.has_attr = 1;
	K->mipi.devno = a->devno;
	LEAVE(0);
}

int32_t CVI_MIPI_SetSensorClock(int32_t devno, uint32_t enable)
{
	ENTER(0);
	CHECK(mipi(), CVI_FAILURE);
	CHECK(devno >= 0 && devno < 3, EINVAL);
	K->mipi.clock = enable != 0;
	LEAVE(0);
}

int32_t CVI_MIPI_SetSnsMclk(SNS_MCLK_S *mclk)
{
	ENTER(0);
	CHECK(mipi(), CVI_FAILURE);
	CHECK(mclk, EINVAL);
	LEAVE(0);
}

#define PIPE CHECK(ViPipe == 0, -ENODEV)
/* Before the registration and after Exit every call allocates the shared buffer; the real one may crash there. */
#define TOUCH \
	do { \
		PIPE; \
		if (!sim_camera.registered) \
			sim_fault(F_ORDER, __func__, "the sensor's callbacks are not registered"); \
		sim_isp_touch(__func__); \
	} while (0)

/* Calls that use the memory allocated by CVI_ISP_MemInit. */
#define MEMORY \
	do { \
		if (!sim_camera.memory) { \
			sim_fault(F_ORDER, __func__, "CVI_ISP_MemInit is missing"); \
			LEAVE(CVI_FAILURE); \
		} \
	} while (0)

int32_t CVI_ISP_SetBindAttr(int32_t ViPipe, const ISP_BIND_ATTR_S *pstBindAttr)
{
	ENTER(0);
	TOUCH;
	CHECK(pstBindAttr && !strcmp(pstBindAttr->stAeLib.acLibName, CVI_AE_LIB_NAME) && !strcmp(pstBindAttr->stAwbLib.acLibName, CVI_AWB_LIB_NAME),
		CVI_FAILURE);
	sim_camera.bound = true;
	LEAVE(0);
}

int32_t CVI_ISP_MemInit(int32_t ViPipe)
{
	ENTER(SIM_LIFE);
	TOUCH;
	if (sim_camera.runs)
		sim_fault(F_ORDER, __func__, "the thread of CVI_ISP_Run was not joined");
	sim_request("SYS_CACHE_INVLD"); /* its result is ignored */
	sim_camera.exited = false;
	sim_camera.memory = true;
	LEAVE(0);
}

int32_t CVI_ISP_SetPubAttr(int32_t ViPipe, const ISP_PUB_ATTR_S *pstPubAttr)
{
	ENTER(0);
	TOUCH;
	CHECK(pstPubAttr, CVI_FAILURE);
	MEMORY;
	pub = *pstPubAttr;
	sim_camera.published = true;
	/* The sensor follows the ISP's rate, within its mode. */
	if (sim_camera.imaged && pub.f32FrameRate > 0 && pub.f32FrameRate < sim_camera.fps)
		sim_camera.fps = pub.f32FrameRate;
	LEAVE(0);
}

int32_t CVI_ISP_GetPubAttr(int32_t ViPipe, ISP_PUB_ATTR_S *pstPubAttr)
{
	ENTER(0);
	TOUCH;
	CHECK(pstPubAttr, CVI_FAILURE);
	*pstPubAttr = pub;
	LEAVE(0);
}

int32_t CVI_ISP_GetStatisticsConfig(int32_t ViPipe, ISP_STATISTICS_CFG_S *pstStatCfg)
{
	ENTER(0);
	TOUCH;
	CHECK(pstStatCfg, CVI_FAILURE);
	MEMORY;
	*pstStatCfg = statistics;
	LEAVE(0);
}

int32_t CVI_ISP_SetStatisticsConfig(int32_t ViPipe, const ISP_STATISTICS_CFG_S *pstStatCfg)
{
	ENTER(0);
	TOUCH;
	CHECK(pstStatCfg, CVI_FAILURE);
	MEMORY;
	statistics = *pstStatCfg;
	sim_camera.statistics = true;
	LEAVE(0);
}

int32_t CVI_ISP_Init(int32_t ViPipe)
{
	ENTER(SIM_LIFE);
	TOUCH;
	if (!sim_camera.memory || !sim_camera.published || !sim_camera.bound)
		sim_fault(F_ORDER, __func__, "SetBindAttr, MemInit and SetPubAttr must come first");
	if (!sim_camera.ae || !sim_camera.awb)
		sim_fault(F_ORDER, __func__, "CVI_AE_Register and CVI_AWB_Register must come first");
	if (!K->vi.started)
		sim_fault(F_ORDER, __func__, "VI's pipe was not started");
	if (!sim_request("VI_IOCTL_GET_TUN_ADDR"))
		sim_crash(__func__, "VI_IOCTL_GET_TUN_ADDR is refused, but the tuning's memory is used anyway");
	sim_request("VI_SDK_SET_SNR_INFO");
	sim_request("VI_SDK_DISABLE_DIS");
#ifdef __riscv
	fetch_and_add(&(uint8_t){0}, 1);
#endif
	sim_camera.isp = true;
	sim_camera.leaving = sim_camera.run_failed = false;
	LEAVE(0);
}

int32_t CVI_ISP_Run(int32_t ViPipe)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_ISP, -1, SIM_QUIET | SIM_WAITS)) {
		sim_lock();
		sim_camera.run_failed = true;
		sim_wake();
		sim_unlock();
		return (int32_t)c.result;
	}
	CHECK(ViPipe == 0, 0);
	TOUCH;
	CHECK(K->vi.dev, -EBADF);
	if (!sim_camera.isp) {
		sim_fault(F_ORDER, __func__, "CVI_ISP_Init is missing");
		sim_camera.run_failed = true;
		LEAVE(CVI_FAILURE);
	}
	if (!sim_request("VI_IOCTL_DQEVENT")) {
		sim_camera.run_failed = true;
		LEAVE(CVI_FAILURE);
	}
	sim_camera.runs++;
	while (!sim_camera.leaving)
		sim_wait(sim_now() + 500000);
	sim_camera.runs--;
	LEAVE(0);
}

int32_t CVI_ISP_Exit(int32_t ViPipe)
{
	ENTER(SIM_LIFE);
	PIPE;
	if (!sim_camera.isp)
		sim_crash(__func__, "before CVI_ISP_Init has succeeded this writes through a context that only Init creates");
	sim_camera.leaving = true;
	sim_camera.isp = sim_camera.memory = sim_camera.published = sim_camera.statistics = sim_camera.bound = false;
	if (sim_camera.shared)
		sim_ion_free(sim_camera.shared);
	sim_camera.shared = 0;
	sim_camera.exited = true;
	LEAVE(0);
}

int32_t CVI_ISP_GetVDTimeOut(int32_t ViPipe, ISP_VD_TYPE_E enIspVDType, uint32_t u32MilliSec)
{
	uint32_t seen;
	uint64_t deadline = sim_deadline((int32_t)u32MilliSec);

	ENTER(SIM_QUIET | SIM_WAITS);
	(void)enIspVDType;
	TOUCH;
	seen = K->vi.frames;
	while (K->vi.frames == seen && sim_wait(deadline))
		;
	LEAVE(K->vi.frames == seen ? CVI_FAILURE : 0);
}

int32_t CVI_ISP_GetFMWState(int32_t ViPipe, ISP_FMW_STATE_E *penState)
{
	ENTER(0);
	TOUCH;
	CHECK(penState, CVI_FAILURE);
	*penState = state;
	LEAVE(0);
}

int32_t CVI_ISP_SetFMWState(int32_t ViPipe, const ISP_FMW_STATE_E enState)
{
	ENTER(0);
	TOUCH;
	state = enState;
	LEAVE(0);
}
