#include "memory.h"

bool pool_up(struct camera *c, uint32_t *pool, uint32_t size, uint32_t count)
{
	VB_POOL_CONFIG_S config = {.u32BlkSize = size, .u32BlkCnt = count, .enRemapMode = VB_REMAP_MODE_CACHED};
	uint32_t id = TRY(c, CVI_VB_CreatePool, &config);
	if (id >= 512) /* error codes are returned as pool ids */
		return call_result(c, "CVI_VB_CreatePool", id == VB_INVALID_POOLID ? CVI_ERR_VB_NOMEM : (int32_t)id);
	*pool = id;
	return true;
}

void pool_down(struct camera *c, uint32_t *pool)
{
	if (*pool == VB_INVALID_POOLID)
		return;
	TRY(c, CVI_VB_DestroyPool, *pool);
	*pool = VB_INVALID_POOLID;
}
