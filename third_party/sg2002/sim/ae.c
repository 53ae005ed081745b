/* libae.so: registration and exposure. */
#include <errno.h>
#include <string.h>

#include "core.h"

/* The range that the board's own software knows of most sensors: its shortest is longer than a frame of a fast mode. */
static ISP_EXPOSURE_ATTR_S exposure = {.stAuto = {.stExpTimeRange = {.u32Min = 33333, .u32Max = 363636}}};
static uint8_t flicker_on, flicker_hz = 50;

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

int32_t CVI_AE_Register(int32_t ViPipe, ALG_LIB_S *pstAeLib)
{
	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, -ENODEV);
	CHECK(pstAeLib && !strcmp(pstAeLib->acLibName, CVI_AE_LIB_NAME) && pstAeLib->s32Id == 0, CVI_FAILURE);
	sim_isp_touch(__func__);
	sim_camera.ae = true;
	LEAVE(0);
}

int32_t CVI_AE_UnRegister(int32_t ViPipe, ALG_LIB_S *pstAeLib)
{
	ENTER(SIM_LIFE);
	CHECK(ViPipe == 0, -ENODEV);
	CHECK(pstAeLib, CVI_FAILURE);
	if (!sim_camera.ae)
		sim_fault(F_ORDER, __func__, "the library is not registered");
	sim_camera.ae = false;
	LEAVE(0);
}

/* After CVI_ISP_Exit these take memory again, like most of the interface. */
#define AFTER_INIT \
	do { \
		CHECK(ViPipe == 0, -ENODEV); \
		sim_isp_touch(__func__); \
		if (!sim_camera.isp) \
			sim_fault(F_ORDER, __func__, "only between CVI_ISP_Init and CVI_ISP_Exit"); \
	} while (0)

int32_t CVI_ISP_GetExposureAttr(int32_t ViPipe, ISP_EXPOSURE_ATTR_S *pstExpAttr)
{
	ENTER(0);
	AFTER_INIT;
	CHECK(pstExpAttr, CVI_FAILURE);
	*pstExpAttr = exposure;
	LEAVE(0);
}

int32_t CVI_ISP_SetExposureAttr(int32_t ViPipe, const ISP_EXPOSURE_ATTR_S *pstExpAttr)
{
	ENTER(0);
	AFTER_INIT;
	CHECK(pstExpAttr, CVI_FAILURE);
	CHECK(pstExpAttr->stAuto.stExpTimeRange.u32Min <= pstExpAttr->stAuto.stExpTimeRange.u32Max, CVI_FAILURE);
	exposure = *pstExpAttr;
	sim_camera.longest = exposure.stAuto.stExpTimeRange.u32Max;
	LEAVE(0);
}

int32_t CVI_ISP_QueryFps(int32_t ViPipe, float *pFps)
{
	ENTER(0);
	AFTER_INIT;
	CHECK(pFps, CVI_FAILURE);
	*pFps = sim_camera_fps();
	LEAVE(0);
}

int32_t CVI_ISP_GetAntiFlicker(int32_t ViPipe, uint8_t *pEnable, uint8_t *pFrequency)
{
	ENTER(0);
	AFTER_INIT;
	CHECK(pEnable && pFrequency, CVI_FAILURE);
	*pEnable = flicker_on;
	*pFrequency = flicker_hz;
	LEAVE(0);
}

int32_t CVI_ISP_SetAntiFlicker(int32_t ViPipe, uint8_t enable, uint8_t frequency)
{
	ENTER(0);
	AFTER_INIT;
	flicker_on = enable;
	flicker_hz = frequency;
	LEAVE(0);
}
