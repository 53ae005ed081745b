/* libvpu.so, VPSS: scales, crops, mirrors and overlays. A group has one input and four output channels. */
#ifndef MAIXSTREAM_CVI_VPSS_H
#define MAIXSTREAM_CVI_VPSS_H

#include "cvi_common.h"

#define VPSS_MAX_GRP_NUM 16
#define VPSS_MAX_CHN_NUM 4
#define VPSS_MAX_IMAGE_WIDTH 2880
#define VPSS_MAX_IMAGE_HEIGHT 4096
#define VPSS_MIN_IMAGE_WIDTH 32
#define VPSS_INVALID_FRMRATE (-1)

typedef struct {
	uint32_t u32MaxW;
	uint32_t u32MaxH;
	PIXEL_FORMAT_E enPixelFormat;
	FRAME_RATE_CTRL_S stFrameRate;
	uint8_t u8VpssDev;
} VPSS_GRP_ATTR_S;

typedef enum {
	VPSS_ROUNDING_TO_EVEN = 0,
} VPSS_ROUNDING_E;

typedef struct {
	uint8_t bEnable;
	float factor[3];
	float mean[3];
	VPSS_ROUNDING_E rounding;
} VPSS_NORMALIZE_S;

/* Zero it, including the padding: the driver compares whole structs. */
typedef struct {
	uint32_t u32Width;
	uint32_t u32Height;
	VIDEO_FORMAT_E enVideoFormat;
	PIXEL_FORMAT_E enPixelFormat;
	FRAME_RATE_CTRL_S stFrameRate;
	uint8_t bMirror;   /* left and right swapped */
	uint8_t bFlip;     /* top and bottom swapped */
	uint32_t u32Depth; /* frames queued for GetChnFrame; the oldest is dropped */
	ASPECT_RATIO_S stAspectRatio;
	VPSS_NORMALIZE_S stNormalize;
} VPSS_CHN_ATTR_S;

typedef enum {
	VPSS_CROP_RATIO_COOR = 0,
	VPSS_CROP_ABS_COOR = 1,
} VPSS_CROP_COORDINATE_E;

typedef struct {
	uint8_t bEnable;
	VPSS_CROP_COORDINATE_E enCropCoordinate;
	RECT_S stCropRect;
} VPSS_CROP_INFO_S;

typedef enum {
	VPSS_SCALE_COEF_BICUBIC = 0,
	VPSS_SCALE_COEF_BILINEAR = 1,
	VPSS_SCALE_COEF_NEAREST = 2,
} VPSS_SCALE_COEF_E;

int32_t CVI_VPSS_CreateGrp(int32_t VpssGrp, const VPSS_GRP_ATTR_S *pstGrpAttr);
int32_t CVI_VPSS_DestroyGrp(int32_t VpssGrp);
int32_t CVI_VPSS_ResetGrp(int32_t VpssGrp);
int32_t CVI_VPSS_StartGrp(int32_t VpssGrp);
int32_t CVI_VPSS_StopGrp(int32_t VpssGrp);
int32_t CVI_VPSS_SetGrpAttr(int32_t VpssGrp, const VPSS_GRP_ATTR_S *pstGrpAttr);
int32_t CVI_VPSS_GetGrpAttr(int32_t VpssGrp, VPSS_GRP_ATTR_S *pstGrpAttr);
int32_t CVI_VPSS_SetGrpCrop(int32_t VpssGrp, const VPSS_CROP_INFO_S *pstCropInfo);
int32_t CVI_VPSS_GetGrpCrop(int32_t VpssGrp, VPSS_CROP_INFO_S *pstCropInfo);
int32_t CVI_VPSS_GetAvailableGrp(void);

int32_t CVI_VPSS_SetChnAttr(int32_t VpssGrp, int32_t VpssChn, const VPSS_CHN_ATTR_S *pstChnAttr);
int32_t CVI_VPSS_GetChnAttr(int32_t VpssGrp, int32_t VpssChn, VPSS_CHN_ATTR_S *pstChnAttr);
int32_t CVI_VPSS_EnableChn(int32_t VpssGrp, int32_t VpssChn);
int32_t CVI_VPSS_DisableChn(int32_t VpssGrp, int32_t VpssChn);
int32_t CVI_VPSS_SetChnCrop(int32_t VpssGrp, int32_t VpssChn, const VPSS_CROP_INFO_S *pstCropInfo);
int32_t CVI_VPSS_GetChnCrop(int32_t VpssGrp, int32_t VpssChn, VPSS_CROP_INFO_S *pstCropInfo);
int32_t CVI_VPSS_SetChnRotation(int32_t VpssGrp, int32_t VpssChn, ROTATION_E enRotation);
int32_t CVI_VPSS_GetChnRotation(int32_t VpssGrp, int32_t VpssChn, ROTATION_E *penRotation);
int32_t CVI_VPSS_SetChnAlign(int32_t VpssGrp, int32_t VpssChn, uint32_t u32Align);
int32_t CVI_VPSS_GetChnAlign(int32_t VpssGrp, int32_t VpssChn, uint32_t *pu32Align);
int32_t CVI_VPSS_SetChnScaleCoefLevel(int32_t VpssGrp, int32_t VpssChn, VPSS_SCALE_COEF_E enCoef);
int32_t CVI_VPSS_AttachVbPool(int32_t VpssGrp, int32_t VpssChn, uint32_t hVbPool);
int32_t CVI_VPSS_DetachVbPool(int32_t VpssGrp, int32_t VpssChn);

/*
 * s32MilliSec: below 0 waits for ever, 0 not at all. SendFrame ignores it. A frame from GetChnFrame holds one reference to its
 * block until ReleaseChnFrame, which looks only at u64PhyAddr[0].
 */
int32_t CVI_VPSS_GetChnFrame(int32_t VpssGrp, int32_t VpssChn, VIDEO_FRAME_INFO_S *pstVideoFrame, int32_t s32MilliSec);
int32_t CVI_VPSS_ReleaseChnFrame(int32_t VpssGrp, int32_t VpssChn, const VIDEO_FRAME_INFO_S *pstVideoFrame);
int32_t CVI_VPSS_SendFrame(int32_t VpssGrp, const VIDEO_FRAME_INFO_S *pstVideoFrame, int32_t s32MilliSec);
int32_t CVI_VPSS_SendChnFrame(int32_t VpssGrp, int32_t VpssChn, const VIDEO_FRAME_INFO_S *pstVideoFrame, int32_t s32MilliSec);
int32_t CVI_VPSS_GetChnFd(int32_t VpssGrp, int32_t VpssChn);
int32_t CVI_VPSS_CloseFd(void);

#endif
