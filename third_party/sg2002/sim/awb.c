/* libawb.so: registration and white balance. */
#include <errno.h>
#include <string.h>

#include "core.h"

int32_t CVI_AWB_Register(int32_t ViPipe, ALG_LIB_S *pstAwbLib)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_ISP, -1, SIM_LIFE))
		return (int32_t)c.result;
	if (ViPipe != 0)
		return (int32_t)sim_leave(&c, -ENODEV);
	if (!pstAwbLib || strcmp(pstAwbLib->acLibName, CVI_AWB_LIB_NAME) || pstAwbLib->s32Id != 0)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	sim_isp_touch(__func__);
	sim_camera.awb = true;
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_AWB_UnRegister(int32_t ViPipe, ALG_LIB_S *pstAwbLib)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_ISP, -1, SIM_LIFE))
		return (int32_t)c.result;
	if (ViPipe != 0)
		return (int32_t)sim_leave(&c, -ENODEV);
	if (!pstAwbLib)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	if (!sim_camera.awb)
		sim_fault(F_ORDER, __func__, "the library is not registered");
	sim_camera.awb = false;
	return (int32_t)sim_leave(&c, 0);
}

/* After CVI_ISP_Exit these allocate memory again, like most of the interface. */
static bool enter(struct sim_call *c, const char *call, int32_t pipe)
{
	if (!sim_enter(c, call, CVI_ID_ISP, -1, 0))
		return false;
	if (pipe != 0) {
		sim_leave(c, -ENODEV);
		return false;
	}
	sim_isp_touch(call);
	if (!sim_camera.isp)
		sim_fault(F_ORDER, call, "only between CVI_ISP_Init and CVI_ISP_Exit");
	return true;
}

static ISP_WB_ATTR_S balance = {.stManual = {.u16Rgain = 1024, .u16Grgain = 1024, .u16Gbgain = 1024, .u16Bgain = 1024}};

int32_t CVI_ISP_GetWBAttr(int32_t ViPipe, ISP_WB_ATTR_S *pstWBAttr)
{
	struct sim_call c;

	if (!enter(&c, __func__, ViPipe))
		return (int32_t)c.result;
	if (!pstWBAttr)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	*pstWBAttr = balance;
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_ISP_SetWBAttr(int32_t ViPipe, const ISP_WB_ATTR_S *pstWBAttr)
{
	struct sim_call c;

	if (!enter(&c, __func__, ViPipe))
		return (int32_t)c.result;
	if (!pstWBAttr || pstWBAttr->enOpType > OP_TYPE_MANUAL || pstWBAttr->stManual.u16Rgain == 0 || pstWBAttr->stManual.u16Rgain > 0x3fff ||
		pstWBAttr->stManual.u16Bgain == 0 || pstWBAttr->stManual.u16Bgain > 0x3fff)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	balance = *pstWBAttr;
	sim_camera.tone.manual_balance = balance.enOpType == OP_TYPE_MANUAL;
	sim_camera.tone.red = balance.stManual.u16Rgain;
	sim_camera.tone.blue = balance.stManual.u16Bgain;
	return (int32_t)sim_leave(&c, 0);
}
