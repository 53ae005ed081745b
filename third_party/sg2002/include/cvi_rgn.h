/* libvpu.so, RGN: pictures with alpha that VPSS blends onto a channel. */
#ifndef MAIXSTREAM_CVI_RGN_H
#define MAIXSTREAM_CVI_RGN_H

#include "cvi_common.h"

#define RGN_MAX_NUM 108
#define RGN_MAX_NUM_VPSS 8
#define RGN_MIN_WIDTH 2
#define RGN_MIN_HEIGHT 2
#define RGN_OVERLAY_MAX_WIDTH 2880
#define RGN_OVERLAY_MAX_HEIGHT 4096
#define RGN_MAX_BUF_NUM 2

typedef enum {
	OVERLAY_RGN = 0,
	COVER_RGN = 1,
	COVEREX_RGN = 2,
	OVERLAYEX_RGN = 3,
	MOSAIC_RGN = 4,
} RGN_TYPE_E;

typedef enum {
	OSD_COMPRESS_MODE_NONE = 0,
} OSD_COMPRESS_MODE_E;

typedef struct {
	OSD_COMPRESS_MODE_E enOSDCompressMode;
	uint32_t u32EstCompressedSize;
	uint32_t u32CompressedSize;
} OSD_COMPRESS_INFO_S;

typedef struct {
	PIXEL_FORMAT_E enPixelFormat;
	uint32_t u32BgColor;
	SIZE_S stSize;
	uint32_t u32CanvasNum; /* 1 or 2; with 2, each update shows the other canvas */
	OSD_COMPRESS_INFO_S stCompressInfo;
} OVERLAY_ATTR_S;

typedef union {
	OVERLAY_ATTR_S stOverlay;
} RGN_ATTR_U;

typedef struct {
	RGN_TYPE_E enType;
	RGN_ATTR_U unAttr;
} RGN_ATTR_S;

typedef struct {
	SIZE_S stInvColArea;
	uint32_t u32LumThresh;
	uint32_t enChgMod;
	uint8_t bInvColEn;
} OVERLAY_INVERT_COLOR_S;

/* Position in the channel's picture before mirror and flip. */
typedef struct {
	POINT_S stPoint;
	uint32_t u32Layer;
	OVERLAY_INVERT_COLOR_S stInvertColor;
} OVERLAY_CHN_ATTR_S;

typedef union {
	OVERLAY_CHN_ATTR_S stOverlayChn;
	uint32_t room_[14];
} RGN_CHN_ATTR_U;

typedef struct {
	uint8_t bShow;
	RGN_TYPE_E enType;
	RGN_CHN_ATTR_U unChnAttr;
} RGN_CHN_ATTR_S;

typedef struct RGN_CANVAS_CMPR_ATTR_S RGN_CANVAS_CMPR_ATTR_S;
typedef struct RGN_CMPR_OBJ_ATTR_S RGN_CMPR_OBJ_ATTR_S;

/* pu8VirtAddr is an uncached mapping that CVI_RGN_UpdateCanvas removes. */
typedef struct {
	uint64_t u64PhyAddr;
	uint8_t *pu8VirtAddr;
	SIZE_S stSize;
	uint32_t u32Stride; /* 32-byte aligned */
	PIXEL_FORMAT_E enPixelFormat;
	uint8_t bCompressed;
	uint32_t u32CompressedSize;
	OSD_COMPRESS_MODE_E enOSDCompressMode;
	RGN_CANVAS_CMPR_ATTR_S *pstCanvasCmprAttr;
	RGN_CMPR_OBJ_ATTR_S *pstObjAttr;
} RGN_CANVAS_INFO_S;

/* Rows are contiguous, without a stride. The struct itself is packed: pData is at offset 12. */
typedef struct __attribute__((packed, aligned(4))) {
	PIXEL_FORMAT_E enPixelFormat;
	uint32_t u32Width;
	uint32_t u32Height;
	void *pData;
} BITMAP_S;

int32_t CVI_RGN_Create(uint32_t Handle, const RGN_ATTR_S *pstRegion);
int32_t CVI_RGN_Destroy(uint32_t Handle);
int32_t CVI_RGN_GetAttr(uint32_t Handle, RGN_ATTR_S *pstRegion);
int32_t CVI_RGN_SetAttr(uint32_t Handle, const RGN_ATTR_S *pstRegion);
int32_t CVI_RGN_SetBitMap(uint32_t Handle, const BITMAP_S *pstBitmap);
int32_t CVI_RGN_AttachToChn(uint32_t Handle, const MMF_CHN_S *pstChn, const RGN_CHN_ATTR_S *pstChnAttr);
int32_t CVI_RGN_DetachFromChn(uint32_t Handle, const MMF_CHN_S *pstChn);
int32_t CVI_RGN_SetDisplayAttr(uint32_t Handle, const MMF_CHN_S *pstChn, const RGN_CHN_ATTR_S *pstChnAttr);
int32_t CVI_RGN_GetDisplayAttr(uint32_t Handle, const MMF_CHN_S *pstChn, RGN_CHN_ATTR_S *pstChnAttr);
int32_t CVI_RGN_GetCanvasInfo(uint32_t Handle, RGN_CANVAS_INFO_S *pstCanvasInfo);
int32_t CVI_RGN_UpdateCanvas(uint32_t Handle);

#endif
