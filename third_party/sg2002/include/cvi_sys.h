/* libsys.so: initialisation, binds, mappings of physical memory, pools of picture blocks (VB), log levels. */
#ifndef MAIXSTREAM_CVI_SYS_H
#define MAIXSTREAM_CVI_SYS_H

#include "cvi_common.h"

#define VERSION_NAME_MAXLEN 128
#define BIND_DEST_MAXNUM 32
#define BIND_NODE_MAXNUM 64

typedef struct {
	char version[128];
} MMF_VERSION_S;

typedef struct {
	uint32_t u32Num;
	MMF_CHN_S astMmfChn[32];
} MMF_BIND_DEST_S;

typedef enum {
	VI_OFFLINE_VPSS_OFFLINE = 0,
	VI_OFFLINE_VPSS_ONLINE = 1,
	VI_ONLINE_VPSS_OFFLINE = 2,
	VI_ONLINE_VPSS_ONLINE = 3,
} VI_VPSS_MODE_E;

#define VI_MAX_PIPE_NUM 6

/* One mode per VI pipe. All offline is the libraries' default, which maixstream keeps. */
typedef struct {
	VI_VPSS_MODE_E aenMode[6];
} VI_VPSS_MODE_S;

typedef enum {
	VPSS_MODE_SINGLE = 0,
	VPSS_MODE_DUAL = 1,
	VPSS_MODE_RGNEX = 2,
} VPSS_MODE_E;

typedef struct {
	MOD_ID_E enModId;
	int32_t s32Level;
	char cModName[16];
} LOG_LEVEL_CONF_S;

int32_t CVI_SYS_Init(void);
int32_t CVI_SYS_Exit(void);
int32_t CVI_SYS_GetVersion(MMF_VERSION_S *pstVersion);
int32_t CVI_SYS_GetChipId(uint32_t *pu32ChipId);
int32_t CVI_SYS_GetChipVersion(uint32_t *pu32ChipVersion);
int32_t CVI_SYS_GetCurPTS(uint64_t *pu64CurPTS);

int32_t CVI_SYS_Bind(const MMF_CHN_S *pstSrcChn, const MMF_CHN_S *pstDestChn);
int32_t CVI_SYS_UnBind(const MMF_CHN_S *pstSrcChn, const MMF_CHN_S *pstDestChn);
int32_t CVI_SYS_GetBindbyDest(const MMF_CHN_S *pstDestChn, MMF_CHN_S *pstSrcChn);
int32_t CVI_SYS_GetBindbySrc(const MMF_CHN_S *pstSrcChn, MMF_BIND_DEST_S *pstBindDest);
int32_t CVI_SYS_SetVIVPSSMode(const VI_VPSS_MODE_S *pstVIVPSSMode);
int32_t CVI_SYS_GetVIVPSSMode(VI_VPSS_MODE_S *pstVIVPSSMode);
int32_t CVI_SYS_SetVPSSMode(VPSS_MODE_E enVPSSMode);
VPSS_MODE_E CVI_SYS_GetVPSSMode(void);

/* The callback runs on a thread of the library when the chip is hot; CVI_ISP_Run's thread registers it. */
void CVI_SYS_RegisterThermalCallback(void (*setFPS)(int32_t));

/*
 * Mappings. Mmap is uncached. MmapCache needs IonInvalidateCache before the CPU reads what the hardware wrote, and
 * IonFlushCache after the CPU wrote what the hardware will read. Pass the mapped size to Munmap.
 */
void *CVI_SYS_Mmap(uint64_t u64PhyAddr, uint32_t u32Size);
void *CVI_SYS_MmapCache(uint64_t u64PhyAddr, uint32_t u32Size);
int32_t CVI_SYS_Munmap(void *pVirAddr, uint32_t u32Size);
int32_t CVI_SYS_IonFlushCache(uint64_t u64PhyAddr, void *pVirAddr, uint32_t u32Len);
int32_t CVI_SYS_IonInvalidateCache(uint64_t u64PhyAddr, void *pVirAddr, uint32_t u32Len);

/* ION memory by physical address; IonFree also frees a dead process's buffer (ppVirAddr is NULL then). */
int32_t CVI_SYS_IonAlloc(uint64_t *pu64PhyAddr, void **ppVirAddr, const char *strName, uint32_t u32Len);
int32_t CVI_SYS_IonAlloc_Cached(uint64_t *pu64PhyAddr, void **ppVirAddr, const char *strName, uint32_t u32Len);
int32_t CVI_SYS_IonFree(uint64_t u64PhyAddr, void *pVirAddr);

int32_t CVI_LOG_SetLevelConf(LOG_LEVEL_CONF_S *pstConf);
int32_t CVI_LOG_GetLevelConf(LOG_LEVEL_CONF_S *pstConf);

/* ---- VB: pools of equally sized blocks ---- */

#define VB_MAX_COMM_POOLS 16
#define VB_POOL_MAX_BLK 64
#define MAX_VB_POOL_NAME_LEN 32
#define VB_INVALID_POOLID 0xFFFFFFFFU

/* A handle is a 64-bit kernel pointer; the invalid handle is a 32-bit -1 without sign extension. */
#define VB_INVALID_HANDLE 0xFFFFFFFFU

typedef enum {
	VB_REMAP_MODE_NONE = 0,
	VB_REMAP_MODE_NOCACHE = 1,
	VB_REMAP_MODE_CACHED = 2,
} VB_REMAP_MODE_E;

typedef struct {
	uint32_t u32BlkSize;
	uint32_t u32BlkCnt;
	VB_REMAP_MODE_E enRemapMode;
	char acName[32];
} VB_POOL_CONFIG_S;

/* The common pools. Only the configuration of the first process in the system that starts VB is used. */
typedef struct {
	uint32_t u32MaxPoolCnt;
	VB_POOL_CONFIG_S astCommPool[16];
} VB_CONFIG_S;

int32_t CVI_VB_SetConfig(const VB_CONFIG_S *pstVbConfig);
int32_t CVI_VB_GetConfig(VB_CONFIG_S *pstVbConfig);
int32_t CVI_VB_Init(void);
int32_t CVI_VB_Exit(void);

/* A result >= 512 of CreatePool is a failure: error codes are returned as pool ids. */
uint32_t CVI_VB_CreatePool(VB_POOL_CONFIG_S *pstVbPoolCfg);
int32_t CVI_VB_DestroyPool(uint32_t Pool);
uint64_t CVI_VB_GetBlock(uint32_t Pool, uint32_t u32BlkSize);
int32_t CVI_VB_ReleaseBlock(uint64_t Block);
uint64_t CVI_VB_PhysAddr2Handle(uint64_t u64PhyAddr);
uint64_t CVI_VB_Handle2PhysAddr(uint64_t Block);
uint32_t CVI_VB_Handle2PoolId(uint64_t Block);
int32_t CVI_VB_InquireUserCnt(uint64_t Block, uint32_t *pCnt);

#endif
