/* CVI_VB_*: pools of blocks. Every reference to a block has a holder, so that a double release is detected. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../include/cvi_errors.h"
#include "core_private.h"

/*
 * The real library changes its init flag with this helper, which comes from libatomic.so.1 or from the program itself. It
 * is called here to detect when neither provides it.
 */
extern bool byte_compare_exchange(void *p, void *expected, uint8_t desired, int success, int failure) __asm__("__atomic_compare_exchange_1");

static bool have_config;
static VB_CONFIG_S wanted;

static uint64_t handle_of(int pool, int block) { return K_HANDLE_BASE | (uint64_t)(pool + 1) << 20 | (uint64_t)block << 8 | 0x40; }

static bool block_of(uint64_t handle, int *pool, int *block)
{
	*pool = (int)((handle >> 20) & 0xfff) - 1;
	*block = (int)((handle >> 8) & 0xfff);
	return *pool >= 0 && *pool < K_POOLS && K->pools[*pool].used && *block < (int)K->pools[*pool].blk_count && handle == handle_of(*pool, *block);
}

uint64_t sim_block_phys(int pool, int block) { return K->pools[pool].phys + (uint64_t)block * K->pools[pool].blk_size; }

int sim_block_refs(int pool, int block)
{
	int n = 0;

	for (int h = 0; h < H_KINDS; h++)
		n += K->pools[pool].refs[block][h];
	return n;
}

bool sim_block_at(uint64_t phys, int *pool, int *block)
{
	for (int i = 0; i < K_POOLS; i++) {
		struct k_pool *p = &K->pools[i];

		if (!p->used || phys < p->phys || phys >= p->phys + (uint64_t)p->blk_size * p->blk_count)
			continue;
		*pool = i;
		*block = (int)((phys - p->phys) / p->blk_size);
		return sim_block_phys(*pool, *block) == phys;
	}
	return false;
}

void sim_hold(int pool, int block, enum k_holder holder)
{
	struct k_pool *p = &K->pools[pool];
	uint32_t free = 0;

	if (p->refs[block][holder] < 255)
		p->refs[block][holder]++;
	if (sim_block_refs(pool, block) > 1)
		return;
	sim_protect(sim_block_phys(pool, block), p->blk_size, true);
	for (uint32_t b = 0; b < p->blk_count; b++)
		free += sim_block_refs(pool, (int)b) == 0;
	if (free < p->min_free)
		p->min_free = free;
}

bool sim_drop(int pool, int block, enum k_holder holder)
{
	struct k_pool *p;

	if (pool < 0 || block < 0)
		return false;
	p = &K->pools[pool];
	if (!p->used || !p->refs[block][holder])
		return false;
	p->refs[block][holder]--;
	if (sim_block_refs(pool, block) == 0)
		sim_protect(sim_block_phys(pool, block), p->blk_size, false);
	return true;
}

static int free_block(int pool, uint32_t size)
{
	struct k_pool *p = &K->pools[pool];

	if (!p->used || p->blk_size < size)
		return -1;
	for (uint32_t b = 0; b < p->blk_count; b++)
		if (sim_block_refs(pool, (int)b) == 0)
			return (int)b;
	return -1;
}

/* VB_INVALID_POOLID stands for the best-fitting common pool with a free block. */
static int pool_for(uint32_t pool, uint32_t size)
{
	int best = -1;

	if (pool != VB_INVALID_POOLID)
		return pool < K_POOLS && free_block((int)pool, size) >= 0 ? (int)pool : -1;
	for (int i = 0; i < K_POOLS; i++)
		if (K->pools[i].used && K->pools[i].common && free_block(i, size) >= 0 && (best < 0 || K->pools[i].blk_size < K->pools[best].blk_size))
			best = i;
	return best;
}

bool sim_pool_has(uint32_t pool, uint32_t size) { return pool_for(pool, size) >= 0; }

int sim_pool_take(uint32_t pool, uint32_t size, enum k_holder holder, int *block)
{
	int p = pool_for(pool, size);

	if (p < 0)
		return -1;
	*block = free_block(p, size);
	sim_hold(p, *block, holder);
	return p;
}

static int create_pool(uint32_t size, uint32_t count, const char *name, bool common)
{
	uint64_t bytes = (uint64_t)size * count;
	uint64_t phys;

	for (int i = 0; i < K_POOLS; i++) {
		if (K->pools[i].used)
			continue;
		phys = bytes < UINT32_MAX ? sim_ion_alloc("VbPool", (uint32_t)bytes) : 0;
		if (!phys)
			return -1;
		K->pools[i] = (struct k_pool){
			.used = 1, .common = common, .pid = getpid(), .blk_size = size, .blk_count = count, .min_free = count, .phys = phys};
		snprintf(K->pools[i].name, sizeof K->pools[i].name, "%s", name);
		sim_dirty();
		return i;
	}
	return -1;
}

static void destroy_pool(int i)
{
	sim_protect(K->pools[i].phys, (uint64_t)K->pools[i].blk_size * K->pools[i].blk_count, false);
	sim_ion_free(K->pools[i].phys);
	memset(&K->pools[i], 0, sizeof K->pools[i]);
	sim_dirty();
}

void sim_pools_clear(void)
{
	for (int i = 0; i < K_POOLS; i++)
		if (K->pools[i].used)
			destroy_pool(i);
	K->vb_refs = 0;
	K->vb_configured = 0;
	sim_dirty();
}

int32_t CVI_VB_SetConfig(const VB_CONFIG_S *pstVbConfig)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, SIM_LIFE))
		return (int32_t)c.result;
	if (!pstVbConfig)
		return (int32_t)sim_leave(&c, CVI_ERR_VB_NULL_PTR);
	if (!pstVbConfig->u32MaxPoolCnt || pstVbConfig->u32MaxPoolCnt > VB_MAX_COMM_POOLS)
		return (int32_t)sim_leave(&c, CVI_ERR_VB_ILLEGAL_PARAM);
	for (uint32_t i = 0; i < pstVbConfig->u32MaxPoolCnt; i++) {
		const VB_POOL_CONFIG_S *p = &pstVbConfig->astCommPool[i];

		if (!p->u32BlkSize || !p->u32BlkCnt || p->u32BlkCnt > VB_POOL_MAX_BLK)
			return (int32_t)sim_leave(&c, CVI_FAILURE);
	}
	if (K->vb_refs > 0)
		sim_fault(F_LEAK, __func__, "ignored: VB is already running with an earlier process's configuration");
	wanted = *pstVbConfig;
	have_config = true;
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_VB_GetConfig(VB_CONFIG_S *pstVbConfig)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, 0))
		return (int32_t)c.result;
	if (!pstVbConfig)
		return (int32_t)sim_leave(&c, CVI_ERR_VB_NULL_PTR);
	*pstVbConfig = K->vb_refs > 0 ? K->vb_config : wanted;
	return (int32_t)sim_leave(&c, have_config || K->vb_refs > 0 ? 0 : CVI_FAILURE);
}

int32_t CVI_VB_Init(void)
{
	static bool tried; /* like the library, which does not ask the driver a second time, even if the first time failed */
	struct sim_call c;
	uint8_t flag = 0, none = 0;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, SIM_LIFE))
		return (int32_t)c.result;
	byte_compare_exchange(&flag, &none, 1, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	if (sim_self()->vb)
		return (int32_t)sim_leave(&c, 0);
	if (!sim_node("/dev/cvi-base"))
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	if (!sim_request("VB_IOCTL_INIT"))
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	if (tried && !K->vb_refs && !have_config) {
		sim_fault(F_ORDER, __func__, "retried without CVI_VB_Exit after a failure: the library returns 0 and does nothing");
		return (int32_t)sim_leave(&c, 0);
	}
	if (K->vb_refs == 0) {
		if (!have_config)
			return (int32_t)sim_leave(&c, CVI_FAILURE);
		for (uint32_t i = 0; i < wanted.u32MaxPoolCnt; i++)
			if (create_pool(wanted.astCommPool[i].u32BlkSize, wanted.astCommPool[i].u32BlkCnt, "vbpool", true) < 0) {
				tried = true;
				have_config = false;
				sim_pools_clear();
				return (int32_t)sim_leave(&c, CVI_FAILURE);
			}
		K->vb_config = wanted;
		K->vb_configured = 1;
	}
	tried = false;
	K->vb_refs++;
	sim_self()->vb = 1;
	sim_dirty();
	return (int32_t)sim_leave(&c, 0);
}

/* Lists what still uses VB when the last process leaves it: the driver frees it anyway. */
static void check_exit(const char *call)
{
	for (int i = 0; i < K_POOLS; i++) {
		struct k_pool *p = &K->pools[i];

		if (!p->used)
			continue;
		if (!p->common)
			sim_fault(F_LEAK, call, "VB pool %d was not destroyed", i);
		for (uint32_t b = 0; b < p->blk_count; b++) {
			if (p->refs[b][H_USER] + p->refs[b][H_FRAME])
				sim_fault(F_LEAK, call, "block %u of VB pool %d was not released", b, i);
			if (p->refs[b][H_VI] + p->refs[b][H_VPSS] + p->refs[b][H_VENC] + p->refs[b][H_QUEUE])
				sim_fault(F_BAD_HANDLE, call, "hardware still uses block %u of VB pool %d", b, i);
		}
	}
}

int32_t CVI_VB_Exit(void)
{
	struct sim_call c;
	uint8_t flag = 1, one = 1;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, SIM_LIFE))
		return (int32_t)c.result;
	byte_compare_exchange(&flag, &one, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	have_config = false;
	if (!sim_self()->vb)
		return (int32_t)sim_leave(&c, 0);
	sim_self()->vb = 0;
	if (--K->vb_refs <= 0) {
		check_exit(__func__);
		sim_pools_clear();
	}
	sim_dirty();
	return (int32_t)sim_leave(&c, 0);
}

uint32_t CVI_VB_CreatePool(VB_POOL_CONFIG_S *pstVbPoolCfg)
{
	struct sim_call c;
	int pool;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, SIM_LIFE))
		return (uint32_t)c.result;
	if (!pstVbPoolCfg)
		return (uint32_t)sim_leave(&c, CVI_ERR_VB_NULL_PTR);
	if (!sim_self()->base && !sim_self()->vb)
		return (uint32_t)sim_leave(&c, CVI_ERR_VB_NOTREADY);
	if (!K->vb_refs || !pstVbPoolCfg->u32BlkSize || !pstVbPoolCfg->u32BlkCnt || pstVbPoolCfg->u32BlkCnt > VB_POOL_MAX_BLK)
		return (uint32_t)sim_leave(&c, VB_INVALID_POOLID);
	pool = create_pool(pstVbPoolCfg->u32BlkSize, pstVbPoolCfg->u32BlkCnt, pstVbPoolCfg->acName[0] ? pstVbPoolCfg->acName : "vbpool", false);
	return (uint32_t)sim_leave(&c, pool < 0 ? VB_INVALID_POOLID : (uint32_t)pool);
}

int32_t CVI_VB_DestroyPool(uint32_t Pool)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, SIM_LIFE))
		return (int32_t)c.result;
	if (Pool >= K_POOLS || !K->pools[Pool].used)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	for (uint32_t b = 0; b < K->pools[Pool].blk_count; b++)
		if (sim_block_refs((int)Pool, (int)b)) {
			sim_fault(F_LEAK, __func__, "block %u of VB pool %u is in use: nothing is destroyed, although 0 is returned", b, Pool);
			return (int32_t)sim_leave(&c, 0);
		}
	destroy_pool((int)Pool);
	return (int32_t)sim_leave(&c, 0);
}

uint64_t CVI_VB_GetBlock(uint32_t Pool, uint32_t u32BlkSize)
{
	struct sim_call c;
	int pool, block;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, 0))
		return c.result == -1 ? VB_INVALID_HANDLE : (uint64_t)c.result;
	pool = sim_pool_take(Pool, u32BlkSize, H_USER, &block);
	return (uint64_t)sim_leave(&c, pool < 0 ? VB_INVALID_HANDLE : (int64_t)handle_of(pool, block));
}

int32_t CVI_VB_ReleaseBlock(uint64_t Block)
{
	struct sim_call c;
	int pool, block;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, 0))
		return (int32_t)c.result;
	if (!block_of(Block, &pool, &block)) {
		sim_fault(F_BAD_HANDLE, __func__, "0x%llx is not a block: the real driver dereferences it", (unsigned long long)Block);
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	}
	if (sim_drop(pool, block, H_USER))
		return (int32_t)sim_leave(&c, 0);
	/* A dead process's block can be released by its address; nothing else holds it any more. */
	if (!sim_alive(K->pools[pool].pid, 0))
		for (int h = 0; h < H_KINDS; h++)
			if (sim_drop(pool, block, (enum k_holder)h))
				return (int32_t)sim_leave(&c, 0);
	sim_fault(F_DOUBLE_RELEASE, __func__, "block %d of VB pool %d is not held by the program%s", block, pool,
		sim_block_refs(pool, block) ? "; this drops someone else's reference" : "");
	return (int32_t)sim_leave(&c, 0);
}

uint64_t CVI_VB_PhysAddr2Handle(uint64_t u64PhyAddr)
{
	struct sim_call c;
	int pool, block;
	uint64_t handle = VB_INVALID_HANDLE;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, 0))
		return VB_INVALID_HANDLE;
	if (sim_block_at(u64PhyAddr, &pool, &block))
		handle = handle_of(pool, block);
	return (uint64_t)sim_leave(&c, (int64_t)handle);
}

uint64_t CVI_VB_Handle2PhysAddr(uint64_t Block)
{
	struct sim_call c;
	int pool, block;
	uint64_t phys = 0;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, 0))
		return 0;
	if (block_of(Block, &pool, &block))
		phys = sim_block_phys(pool, block);
	return (uint64_t)sim_leave(&c, (int64_t)phys);
}

uint32_t CVI_VB_Handle2PoolId(uint64_t Block)
{
	struct sim_call c;
	int pool, block;
	uint32_t id = VB_INVALID_POOLID;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, 0))
		return VB_INVALID_POOLID;
	if (block_of(Block, &pool, &block))
		id = (uint32_t)pool;
	return (uint32_t)sim_leave(&c, id);
}

int32_t CVI_VB_InquireUserCnt(uint64_t Block, uint32_t *pCnt)
{
	struct sim_call c;
	int pool, block;

	if (!sim_enter(&c, __func__, CVI_ID_VB, -1, 0))
		return (int32_t)c.result;
	if (!pCnt || !block_of(Block, &pool, &block))
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	*pCnt = (uint32_t)sim_block_refs(pool, block);
	return (int32_t)sim_leave(&c, 0);
}
