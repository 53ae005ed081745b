/* libawb.so: registration of the white balance. */
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
