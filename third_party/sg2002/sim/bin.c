/* libcvi_bin.so: the tuning file. Its content is ignored; a file is valid if it starts with "CVBP". */
#include <stdio.h>
#include <string.h>

#include "core.h"

static char name[BIN_FILE_LENGTH] = "/mnt/cfg/param/cvi_sdr_bin";

int32_t CVI_BIN_SetBinName(WDR_MODE_E wdrMode, const char *binName)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_ISP, -1, 0))
		return (int32_t)c.result;
	if (!binName || wdrMode != WDR_MODE_NONE)
		return (int32_t)sim_leave(&c, (int32_t)CVI_BIN_NULL_POINT);
	if (strlen(binName) >= sizeof name)
		return (int32_t)sim_leave(&c, (int32_t)CVI_BIN_SIZE_ERR);
	snprintf(name, sizeof name, "%s", binName);
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_BIN_GetBinName(char *binName)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_ISP, -1, 0))
		return (int32_t)c.result;
	if (!binName)
		return (int32_t)sim_leave(&c, (int32_t)CVI_BIN_NULL_POINT);
	memcpy(binName, name, sizeof name);
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_BIN_ImportBinData(uint8_t *pu8Buffer, uint32_t u32DataLength)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_ISP, -1, 0))
		return (int32_t)c.result;
	if (!pu8Buffer)
		return (int32_t)sim_leave(&c, (int32_t)CVI_BIN_NULL_POINT);
	if (!u32DataLength)
		return (int32_t)sim_leave(&c, (int32_t)CVI_BIN_SIZE_ERR);
	if (!sim_camera.isp)
		sim_fault(F_ORDER, __func__, "CVI_ISP_Init must come first");
	if (u32DataLength < 4 || memcmp(pu8Buffer, "CVBP", 4))
		return (int32_t)sim_leave(&c, (int32_t)CVI_BIN_FILE_ERROR);
	sim_count("bin.imports", 1);
	return (int32_t)sim_leave(&c, 0);
}
