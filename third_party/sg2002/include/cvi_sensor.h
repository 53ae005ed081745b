/*
 * The sensor object: a table of functions exported as data (stSnsGc4653_Obj, ...) by libsophgo-middleware.so or
 * libsns_*.so. Check the symbol's size before calling a pointer in it: newer SDKs have one more pointer before pfnExpAeCb.
 */
#ifndef MAIXSTREAM_CVI_SENSOR_H
#define MAIXSTREAM_CVI_SENSOR_H

#include "cvi_common.h"
#include "cvi_mipi.h"

#define ALG_LIB_NAME_SIZE_MAX 20
#define CVI_AE_LIB_NAME "cvi_ae_lib"
#define CVI_AWB_LIB_NAME "cvi_awb_lib"
#define CVI_AF_LIB_NAME "cvi_af_lib"
#define VI_MAX_DEV_NUM 5

/* Identifies an algorithm library: "cvi_ae_lib" or "cvi_awb_lib", id 0. */
typedef struct {
	int32_t s32Id;
	char acLibName[20];
} ALG_LIB_S;

typedef struct {
	uint8_t u8Mclk;
	uint8_t bMclkEn;
} MCLK_ATTR_S;

/* Lanes and polarities are used only if MipiDev < VI_MAX_DEV_NUM. */
typedef struct {
	uint32_t MipiDev;
	int16_t as16LaneId[5];
	int8_t as8PNSwap[5];
	MCLK_ATTR_S stMclkAttr;
} RX_INIT_ATTR_S;

typedef enum {
	SNS_GAIN_MODE_SHARE = 0,
} ISP_SNS_GAIN_MODE_E;

typedef enum {
	SNS_L2S_MODE_AUTO = 0,
} ISP_SNS_INTTIME_MODE_E;

typedef enum {
	SNS_BDG_MUX_NONE = 0,
} SNS_BDG_MUX_MODE_E;

typedef struct {
	uint32_t u32ExpTime;
	uint32_t u32AGain;
	uint32_t u32DGain;
	uint32_t u32ISPDGain;
	uint32_t u32Exposure;
	uint32_t u32LinesPer500ms;
	uint32_t u32PirisFNO;
	uint16_t u16WBRgain;
	uint16_t u16WBGgain;
	uint16_t u16WBBgain;
	uint16_t u16SampleRgain;
	uint16_t u16SampleBgain;
	uint16_t u16UseHwSync;
	ISP_SNS_GAIN_MODE_E enGainMode;
	ISP_SNS_INTTIME_MODE_E enL2SMode;
	SNS_BDG_MUX_MODE_E enSnsBdgMuxMode;
} ISP_INIT_ATTR_S;

/* Passed by value. */
typedef union {
	int8_t s8I2cDev;
} ISP_SNS_COMMBUS_U;

typedef enum {
	ISP_SNS_NORMAL = 0,
	ISP_SNS_MIRROR = 1,
	ISP_SNS_FLIP = 2,
	ISP_SNS_MIRROR_FLIP = 3,
} ISP_SNS_MIRRORFLIP_TYPE_E;

/* A sensor mode; it is refused unless the driver supports the size and the fps is in its range. */
typedef struct {
	uint16_t u16Width;
	uint16_t u16Height;
	float f32Fps;
	uint8_t u8SnsMode;
} ISP_CMOS_SENSOR_IMAGE_MODE_S;

/* Only the ISP uses their contents. */
typedef struct ISP_CMOS_DEFAULT_S ISP_CMOS_DEFAULT_S;
typedef struct ISP_CMOS_BLACK_LEVEL_S ISP_CMOS_BLACK_LEVEL_S;
typedef struct ISP_SNS_SYNC_INFO_S ISP_SNS_SYNC_INFO_S;
typedef struct AE_SENSOR_EXP_FUNC_S AE_SENSOR_EXP_FUNC_S;

typedef struct {
	void (*pfn_cmos_sensor_init)(int32_t);
	void (*pfn_cmos_sensor_exit)(int32_t);
	void (*pfn_cmos_sensor_global_init)(int32_t);
	int32_t (*pfn_cmos_set_image_mode)(int32_t, ISP_CMOS_SENSOR_IMAGE_MODE_S *);
	int32_t (*pfn_cmos_set_wdr_mode)(int32_t, uint8_t);
	int32_t (*pfn_cmos_get_isp_default)(int32_t, ISP_CMOS_DEFAULT_S *);
	int32_t (*pfn_cmos_get_isp_black_level)(int32_t, ISP_CMOS_BLACK_LEVEL_S *);
	int32_t (*pfn_cmos_get_sns_reg_info)(int32_t, ISP_SNS_SYNC_INFO_S *);
} ISP_SENSOR_EXP_FUNC_S;

/* Any pointer may be NULL (os04a10 has no pfnSnsProbe). */
typedef struct {
	int32_t (*pfnRegisterCallback)(int32_t, ALG_LIB_S *, ALG_LIB_S *);
	int32_t (*pfnUnRegisterCallback)(int32_t, ALG_LIB_S *, ALG_LIB_S *);
	int32_t (*pfnSetBusInfo)(int32_t, ISP_SNS_COMMBUS_U);
	void (*pfnStandby)(int32_t);
	void (*pfnRestart)(int32_t);
	void (*pfnMirrorFlip)(int32_t, ISP_SNS_MIRRORFLIP_TYPE_E);
	int32_t (*pfnWriteReg)(int32_t, int32_t, int32_t);
	int32_t (*pfnReadReg)(int32_t, int32_t);
	int32_t (*pfnSetInit)(int32_t, ISP_INIT_ATTR_S *);
	int32_t (*pfnPatchRxAttr)(RX_INIT_ATTR_S *);
	void (*pfnPatchI2cAddr)(int32_t);
	int32_t (*pfnGetRxAttr)(int32_t, SNS_COMBO_DEV_ATTR_S *);
	int32_t (*pfnExpSensorCb)(ISP_SENSOR_EXP_FUNC_S *);
	int32_t (*pfnExpAeCb)(AE_SENSOR_EXP_FUNC_S *);
	int32_t (*pfnSnsProbe)(int32_t);
} ISP_SNS_OBJ_S;

#endif
