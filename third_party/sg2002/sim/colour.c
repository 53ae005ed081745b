/* libisp.so: current white balance, and saturation. */
#include <errno.h>
#include <string.h>

#include "core.h"

static ISP_SATURATION_ATTR_S saturation = {
	.stManual = {SIM_SATURATION}, .stAuto = {{SIM_SATURATION, SIM_SATURATION, SIM_SATURATION, SIM_SATURATION}}};

#define ENTER \
	struct sim_call c; \
	if (!sim_enter(&c, __func__, CVI_ID_ISP, -1, 0)) \
		return (int32_t)c.result; \
	if (ViPipe != 0) \
		return (int32_t)sim_leave(&c, -ENODEV); \
	sim_isp_touch(__func__); \
	if (!sim_camera.isp) \
	sim_fault(F_ORDER, __func__, "only between CVI_ISP_Init and CVI_ISP_Exit")
#define LEAVE(result) return (int32_t)sim_leave(&c, result)

int32_t CVI_ISP_QueryWBInfo(int32_t ViPipe, ISP_WB_INFO_S *pstWBInfo)
{
	ENTER;
	if (!pstWBInfo)
		LEAVE(CVI_FAILURE);
	memset(pstWBInfo, 0, sizeof *pstWBInfo);
	pstWBInfo->u16Rgain = (uint16_t)(sim_camera.tone.manual_balance ? sim_camera.tone.red : 1024);
	pstWBInfo->u16Bgain = (uint16_t)(sim_camera.tone.manual_balance ? sim_camera.tone.blue : 1024);
	pstWBInfo->u16Grgain = pstWBInfo->u16Gbgain = 1024;
	LEAVE(0);
}

int32_t CVI_ISP_GetSaturationAttr(int32_t ViPipe, ISP_SATURATION_ATTR_S *pstSaturationAttr)
{
	ENTER;
	if (!pstSaturationAttr)
		LEAVE(CVI_FAILURE);
	*pstSaturationAttr = saturation;
	LEAVE(0);
}

int32_t CVI_ISP_SetSaturationAttr(int32_t ViPipe, const ISP_SATURATION_ATTR_S *pstSaturationAttr)
{
	ENTER;
	if (!pstSaturationAttr || pstSaturationAttr->enOpType > OP_TYPE_MANUAL)
		LEAVE(CVI_FAILURE);
	saturation = *pstSaturationAttr;
	sim_camera.tone.manual_saturation = saturation.enOpType == OP_TYPE_MANUAL;
	sim_camera.tone.saturation = saturation.stManual.Saturation;
	LEAVE(0);
}
