/* libvpu.so, VI: writes the sensor's pictures to memory. Device 0, pipe 0, channel 0. */
#ifndef MAIXSTREAM_CVI_VI_H
#define MAIXSTREAM_CVI_VI_H

#include "cvi_common.h"

#define VI_MAX_ADCHN_NUM 4
#define CVI_VI_CHN_0_BUF 2

typedef enum {
	VI_MODE_MIPI = 5,
	VI_MODE_MIPI_YUV422 = 8,
} VI_INTF_MODE_E;

typedef enum {
	VI_WORK_MODE_1Multiplex = 0,
} VI_WORK_MODE_E;

typedef enum {
	VI_SCAN_INTERLACED = 0,
	VI_SCAN_PROGRESSIVE = 1,
} VI_SCAN_MODE_E;

typedef enum {
	VI_DATA_SEQ_UYVY = 2,
	VI_DATA_SEQ_YUYV = 4,
} VI_YUV_DATA_SEQ_E;

typedef enum {
	VI_DATA_TYPE_YUV = 0,
	VI_DATA_TYPE_RGB = 1,
} VI_DATA_TYPE_E;

typedef enum {
	VI_VSYNC_FIELD = 0,
	VI_VSYNC_PULSE = 1,
} VI_VSYNC_E;

typedef enum {
	VI_VSYNC_NEG_HIGH = 0,
	VI_VSYNC_NEG_LOW = 1,
} VI_VSYNC_NEG_E;

typedef enum {
	VI_HSYNC_VALID_SINGNAL = 0,
	VI_HSYNC_PULSE = 1,
} VI_HSYNC_E;

typedef enum {
	VI_HSYNC_NEG_HIGH = 0,
	VI_HSYNC_NEG_LOW = 1,
} VI_HSYNC_NEG_E;

typedef enum {
	VI_VSYNC_NORM_PULSE = 0,
	VI_VSYNC_VALID_SIGNAL = 1,
} VI_VSYNC_VALID_E;

typedef enum {
	VI_VSYNC_VALID_NEG_HIGH = 0,
	VI_VSYNC_VALID_NEG_LOW = 1,
} VI_VSYNC_VALID_NEG_E;

typedef struct {
	uint32_t u32HsyncHfb;
	uint32_t u32HsyncAct;
	uint32_t u32HsyncHbb;
	uint32_t u32VsyncVfb;
	uint32_t u32VsyncVact;
	uint32_t u32VsyncVbb;
	uint32_t u32VsyncVbfb;
	uint32_t u32VsyncVbact;
	uint32_t u32VsyncVbbb;
} VI_TIMING_BLANK_S;

typedef struct {
	VI_VSYNC_E enVsync;
	VI_VSYNC_NEG_E enVsyncNeg;
	VI_HSYNC_E enHsync;
	VI_HSYNC_NEG_E enHsyncNeg;
	VI_VSYNC_VALID_E enVsyncValid;
	VI_VSYNC_VALID_NEG_E enVsyncValidNeg;
	VI_TIMING_BLANK_S stTimingBlank;
} VI_SYNC_CFG_S;

typedef struct {
	WDR_MODE_E enWDRMode;
	uint32_t u32CacheLine;
	uint8_t bSyntheticWDR;
} VI_WDR_ATTR_S;

typedef struct {
	VI_INTF_MODE_E enIntfMode;
	VI_WORK_MODE_E enWorkMode;
	VI_SCAN_MODE_E enScanMode;
	int32_t as32AdChnId[4];
	VI_YUV_DATA_SEQ_E enDataSeq;
	VI_SYNC_CFG_S stSynCfg;
	VI_DATA_TYPE_E enInputDataType;
	SIZE_S stSize;
	VI_WDR_ATTR_S stWDRAttr;
	BAYER_FORMAT_E enBayerFormat;
	uint32_t chn_num;
	uint32_t snrFps;
	uint8_t isMux;
	uint32_t switchGpioPin;
	uint8_t switchGPioPol;
} VI_DEV_ATTR_S;

typedef struct {
	uint32_t enPipeBypassMode;
	uint8_t bYuvSkip;
	uint8_t bIspBypass;
	uint32_t u32MaxW;
	uint32_t u32MaxH;
	PIXEL_FORMAT_E enPixFmt;
	COMPRESS_MODE_E enCompressMode;
	DATA_BITWIDTH_E enBitWidth;
	uint8_t bNrEn;
	uint8_t bSharpenEn;
	FRAME_RATE_CTRL_S stFrameRate;
	uint8_t bDiscardProPic;
	uint8_t bYuvBypassPath;
} VI_PIPE_ATTR_S;

typedef struct {
	SIZE_S stSize;
	PIXEL_FORMAT_E enPixelFormat;
	DYNAMIC_RANGE_E enDynamicRange;
	VIDEO_FORMAT_E enVideoFormat;
	COMPRESS_MODE_E enCompressMode;
	uint8_t bMirror;
	uint8_t bFlip;
	uint32_t u32Depth;
	FRAME_RATE_CTRL_S stFrameRate;
	uint32_t u32BindVbPool;
} VI_CHN_ATTR_S;

typedef struct {
	uint8_t bEnable;
	uint32_t u32FrameRate;
	uint64_t u64PrevTime;
	uint32_t u32FrameNum;
	uint32_t u32LostFrame;
	uint32_t u32VbFail;
	uint32_t u32IntCnt;
	uint32_t u32RecvPic;
	uint32_t u32TotalMemByte;
	SIZE_S stSize;
} VI_CHN_STATUS_S;

/* For suspend and resume only. */
typedef struct {
	int32_t (*pfnSnsSuspend)(void *);
	int32_t (*pfnSnsResume)(void *);
	int32_t (*pfnMipiSuspend)(void *);
	int32_t (*pfnMipiResume)(void *);
} VI_PM_OPS_S;

int32_t CVI_VI_SetDevNum(uint32_t devNum);
int32_t CVI_VI_GetDevNum(uint32_t *devNum);
int32_t CVI_VI_SetDevAttr(int32_t ViDev, const VI_DEV_ATTR_S *pstDevAttr);
int32_t CVI_VI_GetDevAttr(int32_t ViDev, VI_DEV_ATTR_S *pstDevAttr);
int32_t CVI_VI_EnableDev(int32_t ViDev);
int32_t CVI_VI_DisableDev(int32_t ViDev);
int32_t CVI_VI_CreatePipe(int32_t ViPipe, const VI_PIPE_ATTR_S *pstPipeAttr);
int32_t CVI_VI_DestroyPipe(int32_t ViPipe);
int32_t CVI_VI_StartPipe(int32_t ViPipe);
int32_t CVI_VI_StopPipe(int32_t ViPipe);
int32_t CVI_VI_SetChnAttr(int32_t ViPipe, int32_t ViChn, VI_CHN_ATTR_S *pstChnAttr);
int32_t CVI_VI_GetChnAttr(int32_t ViPipe, int32_t ViChn, VI_CHN_ATTR_S *pstChnAttr);
int32_t CVI_VI_EnableChn(int32_t ViPipe, int32_t ViChn);
int32_t CVI_VI_DisableChn(int32_t ViPipe, int32_t ViChn);
int32_t CVI_VI_AttachVbPool(int32_t ViPipe, int32_t ViChn, uint32_t VbPool);
int32_t CVI_VI_DetachVbPool(int32_t ViPipe, int32_t ViChn);
int32_t CVI_VI_QueryChnStatus(int32_t ViPipe, int32_t ViChn, VI_CHN_STATUS_S *pstChnStatus);
int32_t CVI_VI_CloseFd(void);
int32_t CVI_VI_RegChnFlipMirrorCallBack(int32_t ViPipe, int32_t ViDev, void *pvData);
int32_t CVI_VI_UnRegChnFlipMirrorCallBack(int32_t ViPipe, int32_t ViDev);
int32_t CVI_VI_RegPmCallBack(int32_t ViDev, VI_PM_OPS_S *pstPmOps, void *pvData);
int32_t CVI_VI_UnRegPmCallBack(int32_t ViDev);

#endif
