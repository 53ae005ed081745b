/* libae.so: registration and exposure. */
#include <errno.h>
#include <string.h>

#include "core.h"

/* The range that the board's own software uses for most sensors: its shortest time is longer than a frame of a fast mode. */
static ISP_EXPOSURE_ATTR_S exposure = {
	.stManual = {.u32ExpTime = SIM_EXPOSURE, .u32AGain = SIM_GAIN, .u32DGain = SIM_GAIN, .u32ISPDGain = SIM_GAIN},
	.stAuto = {.stExpTimeRange = {.u32Min = 33333, .u32Max = 363636},
		.stAGainRange = {.u32Min = SIM_GAIN, .u32Max = 32 * SIM_GAIN},
		.u16EVBias = 1024},
};
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

/* After CVI_ISP_Exit these allocate memory again, like most of the interface. */
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
	CHECK(pstExpAttr->enOpType <= OP_TYPE_MANUAL && pstExpAttr->stAuto.stAntiflicker.enFrequency <= AE_FREQUENCE_50HZ, CVI_FAILURE);
	if (pstExpAttr->enOpType == OP_TYPE_MANUAL)
		CHECK(pstExpAttr->stManual.u32ExpTime > 0 && pstExpAttr->stManual.u32AGain >= SIM_GAIN && pstExpAttr->stManual.u32DGain >= SIM_GAIN &&
				pstExpAttr->stManual.u32ISPDGain >= SIM_GAIN,
			CVI_FAILURE);
	exposure = *pstExpAttr;
	sim_camera.longest = exposure.stAuto.stExpTimeRange.u32Max;
	sim_camera.tone.manual_exposure = exposure.enOpType == OP_TYPE_MANUAL;
	sim_camera.tone.exposure = exposure.stManual.u32ExpTime;
	sim_camera.tone.gain = exposure.stManual.u32AGain;
	sim_camera.tone.bias = exposure.stAuto.u16EVBias;
	LEAVE(0);
}

int32_t CVI_ISP_QueryExposureInfo(int32_t ViPipe, ISP_EXP_INFO_S *pstExpInfo)
{
	ENTER(0);
	AFTER_INIT;
	CHECK(pstExpInfo, CVI_FAILURE);
	memset(pstExpInfo, 0, sizeof *pstExpInfo);
	pstExpInfo->u32ExpTime = sim_camera.tone.manual_exposure ? sim_camera.tone.exposure : SIM_EXPOSURE;
	pstExpInfo->u32AGain = sim_camera.tone.manual_exposure ? sim_camera.tone.gain : SIM_GAIN;
	pstExpInfo->u32DGain = pstExpInfo->u32ISPDGain = SIM_GAIN;
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
