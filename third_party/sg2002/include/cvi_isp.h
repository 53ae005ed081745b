/* libisp.so, libae.so, libawb.so, libcvi_bin.so: the ISP, its exposure and white balance, its tuning file. */
#ifndef MAIXSTREAM_CVI_ISP_H
#define MAIXSTREAM_CVI_ISP_H

#include "cvi_common.h"
#include "cvi_sensor.h"

#define AE_WEIGHT_ZONE_ROW 15
#define AE_WEIGHT_ZONE_COLUMN 17
#define AE_MAX_NUM 1
#define AWB_ZONE_ORIG_ROW 30
#define AWB_ZONE_ORIG_COLUMN 34
#define AF_GAMMA_NUM 256
#define AF_XOFFSET_MIN 8
#define AF_YOFFSET_MIN 2
#define AF_ZONE_ROW 15
#define AF_ZONE_COLUMN 17
#define ISP_AUTO_LV_NUM 21
#define BIN_FILE_LENGTH 256

typedef enum {
	BAYER_BGGR = 0,
	BAYER_GBRG = 1,
	BAYER_GRBG = 2,
	BAYER_RGGB = 3,
} ISP_BAYER_FORMAT_E;

typedef enum {
	OP_TYPE_AUTO = 0,
	OP_TYPE_MANUAL = 1,
} ISP_OP_TYPE_E;

typedef struct {
	int32_t sensorId;
	ALG_LIB_S stAeLib;
	ALG_LIB_S stAfLib;
	ALG_LIB_S stAwbLib;
} ISP_BIND_ATTR_S;

/* The ISP's input: the sensor mode chosen by the program. */
typedef struct {
	RECT_S stWndRect;
	SIZE_S stSnsSize;
	float f32FrameRate;
	ISP_BAYER_FORMAT_E enBayer;
	WDR_MODE_E enWDRMode;
	uint8_t u8SnsMode;
} ISP_PUB_ATTR_S;

/* ---- statistics ---- */

typedef struct {
	uint8_t bEnable;
	uint16_t u16X;
	uint16_t u16Y;
	uint16_t u16W;
	uint16_t u16H;
} ISP_AE_CROP_S;

typedef struct {
	uint8_t bEnable;
	uint16_t u16X;
	uint16_t u16Y;
	uint8_t u16W;
	uint8_t u16H;
} ISP_AE_FACE_CROP_S;

typedef struct {
	uint8_t bHisStatisticsEnable;
	ISP_AE_CROP_S stCrop[1];
	ISP_AE_FACE_CROP_S stFaceCrop[4];
	uint8_t fast2A_ena;
	uint8_t fast2A_ae_low;
	uint8_t fast2A_ae_high;
	uint16_t fast2A_awb_top;
	uint16_t fast2A_awb_bot;
	uint16_t over_exp_thr;
	uint8_t au8Weight[15][17];
} ISP_AE_STATISTICS_CFG_S;

typedef struct {
	uint8_t bEnable;
	uint16_t u16X;
	uint16_t u16Y;
	uint16_t u16W;
	uint16_t u16H;
} ISP_AWB_CROP_S;

typedef struct {
	uint32_t enAWBSwitch;
	uint16_t u16ZoneRow;
	uint16_t u16ZoneCol;
	uint16_t u16ZoneBin;
	uint16_t au16HistBinThresh[4];
	uint16_t u16WhiteLevel;
	uint16_t u16BlackLevel;
	uint16_t u16CbMax;
	uint16_t u16CbMin;
	uint16_t u16CrMax;
	uint16_t u16CrMin;
	ISP_AWB_CROP_S stCrop;
} ISP_WB_STATISTICS_CFG_S;

typedef struct {
	uint8_t PreGammaEn;
	uint8_t PreGammaTable[256];
} ISP_AF_RAW_CFG_S;

typedef struct {
	uint8_t PreFltEn;
} ISP_AF_PRE_FILTER_CFG_S;

typedef struct {
	uint8_t bEnable;
	uint16_t u16X;
	uint16_t u16Y;
	uint16_t u16W;
	uint16_t u16H;
} ISP_AF_CROP_S;

typedef struct {
	uint8_t bEnable;
	uint16_t u16Hwnd;
	uint16_t u16Vwnd;
	uint8_t u8HFltShift;
	int8_t s8HVFltLpCoeff[5];
	ISP_AF_RAW_CFG_S stRawCfg;
	ISP_AF_PRE_FILTER_CFG_S stPreFltCfg;
	ISP_AF_CROP_S stCrop;
	uint8_t H0FltCoring;
	uint8_t H1FltCoring;
	uint8_t V0FltCoring;
	uint16_t u16HighLumaTh;
	uint8_t u8ThLow;
	uint8_t u8ThHigh;
	uint8_t u8GainLow;
	uint8_t u8GainHigh;
	uint8_t u8SlopLow;
	uint8_t u8SlopHigh;
} ISP_AF_CFG_S;

typedef struct {
	int8_t s8HFltHpCoeff[5];
} ISP_AF_H_PARAM_S;

typedef struct {
	int8_t s8VFltHpCoeff[3];
} ISP_AF_V_PARAM_S;

typedef struct {
	ISP_AF_CFG_S stConfig;
	ISP_AF_H_PARAM_S stHParam_FIR0;
	ISP_AF_H_PARAM_S stHParam_FIR1;
	ISP_AF_V_PARAM_S stVParam_FIR;
} ISP_FOCUS_STATISTICS_CFG_S;

/* A set of bits, declared as masks because the layout of bit-fields depends on the compiler. */
typedef union {
	uint64_t u64Key;
} ISP_STATISTICS_CTRL_U;
#define ISP_STATISTICS_CTRL_U__bit1FEAeGloStat 0x1ULL
#define ISP_STATISTICS_CTRL_U__bit1FEAeLocStat 0x2ULL
#define ISP_STATISTICS_CTRL_U__bit1AwbStat1 0x4ULL
#define ISP_STATISTICS_CTRL_U__bit1AwbStat2 0x8ULL
#define ISP_STATISTICS_CTRL_U__bit1FEAfStat 0x10ULL

typedef struct {
	ISP_STATISTICS_CTRL_U unKey;
	ISP_AE_STATISTICS_CFG_S stAECfg;
	ISP_WB_STATISTICS_CFG_S stWBCfg;
	ISP_FOCUS_STATISTICS_CFG_S stFocusCfg;
} ISP_STATISTICS_CFG_S;

/* ---- exposure ---- */

/* Times in microseconds, gains in 1/1024. */
typedef struct {
	uint32_t u32Max;
	uint32_t u32Min;
} ISP_AE_RANGE_S;

typedef struct {
	ISP_OP_TYPE_E enExpTimeOpType;
	ISP_OP_TYPE_E enAGainOpType;
	ISP_OP_TYPE_E enDGainOpType;
	ISP_OP_TYPE_E enISPDGainOpType;
	uint32_t u32ExpTime;
	uint32_t u32AGain;
	uint32_t u32DGain;
	uint32_t u32ISPDGain;
	ISP_OP_TYPE_E enISONumOpType;
	uint32_t enGainType;
	uint32_t u32ISONum;
} ISP_ME_ATTR_S;

typedef struct {
	uint8_t bEnable;
	uint32_t enFrequency;
	uint32_t enMode;
} ISP_ANTIFLICKER_S;

typedef struct {
	uint8_t bEnable;
	uint8_t u8LumaDiff;
} ISP_SUBFLICKER_S;

typedef struct {
	uint16_t u16BlackDelayFrame;
	uint16_t u16WhiteDelayFrame;
} ISP_AE_DELAY_S;

/* stExpTimeRange.u32Max bounds the frame rate from below: an exposure longer than a frame time slows the sensor. */
typedef struct {
	ISP_AE_RANGE_S stExpTimeRange;
	ISP_AE_RANGE_S stAGainRange;
	ISP_AE_RANGE_S stDGainRange;
	ISP_AE_RANGE_S stISPDGainRange;
	ISP_AE_RANGE_S stSysGainRange;
	uint32_t u32GainThreshold;
	uint8_t u8Speed;
	uint16_t u16BlackSpeedBias;
	uint8_t u8Tolerance;
	uint8_t u8Compensation;
	uint16_t u16EVBias;
	uint32_t enAEStrategyMode;
	uint16_t u16HistRatioSlope;
	uint8_t u8MaxHistOffset;
	uint32_t enAEMode;
	ISP_ANTIFLICKER_S stAntiflicker;
	ISP_SUBFLICKER_S stSubflicker;
	ISP_AE_DELAY_S stAEDelayAttr;
	uint8_t bManualExpValue;
	uint32_t u32ExpValue;
	uint32_t enFSWDRMode;
	uint8_t bWDRQuick;
	uint16_t u16ISOCalCoef;
	uint32_t enGainType;
	ISP_AE_RANGE_S stISONumRange;
	int16_t s16IRCutOnLv;
	int16_t s16IRCutOffLv;
	uint32_t enIRCutStatus;
	uint8_t au8AdjustTargetMin[21];
	uint8_t au8AdjustTargetMax[21];
	uint16_t u16LowBinThr;
	uint16_t u16HighBinThr;
	uint8_t bEnableFaceAE;
	uint8_t u8FaceTargetLuma;
	uint8_t u8FaceWeight;
	uint8_t u8GridBvWeight;
	uint32_t au32Reserve[10];
	uint8_t u8HighLightLumaThr;
	uint8_t u8HighLightBufLumaThr;
	uint8_t u8LowLightLumaThr;
	uint8_t u8LowLightBufLumaThr;
	uint8_t bHistogramAssist;
} ISP_AE_ATTR_S;

typedef struct {
	uint8_t bByPass;
	ISP_OP_TYPE_E enOpType;
	uint8_t u8AERunInterval;
	uint8_t bHistStatAdjust;
	uint8_t bAERouteExValid;
	ISP_ME_ATTR_S stManual;
	ISP_AE_ATTR_S stAuto;
	uint8_t u8DebugMode;
	uint32_t enMeterMode;
	uint8_t bAEGainSepCfg;
} ISP_EXPOSURE_ATTR_S;

typedef enum {
	AE_TYPE_GAIN = 0,
	AE_TYPE_ISO = 1,
} ISP_AE_GAIN_TYPE_E;

typedef enum {
	AE_FREQUENCE_60HZ = 0,
	AE_FREQUENCE_50HZ = 1,
} ISP_AE_ANTIFLICKER_FREQUENCE_E;

/* The current exposure. All gains, u32AGain and the others, are in 1/1024. */
typedef struct {
	uint32_t u32IntTime;
	uint32_t u32SysGain;
	uint32_t enIrisFNO;
	uint32_t u32IrisFNOLin;
} ISP_AE_ROUTE_NODE_S;

typedef struct {
	uint32_t u32TotalNum;
	ISP_AE_ROUTE_NODE_S astRouteNode[16];
} ISP_AE_ROUTE_S;

typedef struct {
	uint32_t u32IntTime;
	uint32_t u32Again;
	uint32_t u32Dgain;
	uint32_t u32IspDgain;
	uint32_t enIrisFNO;
	uint32_t u32IrisFNOLin;
} ISP_AE_ROUTE_EX_NODE_S;

typedef struct {
	uint32_t u32TotalNum;
	ISP_AE_ROUTE_EX_NODE_S astRouteExNode[16];
} ISP_AE_ROUTE_EX_S;

typedef struct {
	uint32_t u32ExpTime;
	uint32_t u32ShortExpTime;
	uint32_t u32MedianExpTime;
	uint32_t u32LongExpTime;
	uint32_t u32AGain;
	uint32_t u32DGain;
	uint32_t u32ISPDGain;
	uint32_t u32Exposure;
	uint8_t bExposureIsMAX;
	int16_t s16HistError;
	uint32_t au32AE_Hist256Value[256];
	uint8_t u8AveLum;
	uint32_t u32LinesPer500ms;
	uint32_t u32PirisFNO;
	uint32_t u32Fps;
	uint32_t u32ISO;
	uint32_t u32ISOCalibrate;
	uint32_t u32RefExpRatio;
	uint32_t u32FirstStableTime;
	ISP_AE_ROUTE_S stAERoute;
	ISP_AE_ROUTE_EX_S stAERouteEx;
	uint8_t u8WDRShortAveLuma;
	uint32_t u32WDRExpRatio;
	uint8_t u8LEFrameAvgLuma;
	uint8_t u8SEFrameAvgLuma;
	float fLightValue;
	uint32_t u32AGainSF;
	uint32_t u32DGainSF;
	uint32_t u32ISPDGainSF;
	uint32_t u32ISOSF;
	ISP_AE_ROUTE_S stAERouteSF;
	ISP_AE_ROUTE_EX_S stAERouteSFEx;
	uint8_t bGainSepStatus;
} ISP_EXP_INFO_S;

/* ---- white balance and colour ---- */

/* Gains in 1/1024. */
typedef struct {
	uint16_t u16Rgain;
	uint16_t u16Grgain;
	uint16_t u16Gbgain;
	uint16_t u16Bgain;
} ISP_MWB_ATTR_S;

typedef struct {
	uint8_t bEnable;
	ISP_OP_TYPE_E enOpType;
	uint16_t u16HighRgLimit;
	uint16_t u16HighBgLimit;
	uint16_t u16LowRgLimit;
	uint16_t u16LowBgLimit;
} ISP_AWB_CT_LIMIT_ATTR_S;

typedef struct {
	uint8_t bEnable;
	uint16_t au16CrMax[16];
	uint16_t au16CrMin[16];
	uint16_t au16CbMax[16];
	uint16_t au16CbMin[16];
} ISP_AWB_CBCR_TRACK_ATTR_S;

typedef struct {
	uint8_t bEnable;
	ISP_OP_TYPE_E enOpType;
	uint8_t au8HistThresh[6];
	uint16_t au16HistWt[6];
} ISP_AWB_LUM_HISTGRAM_ATTR_S;

typedef struct {
	uint8_t bEnable;
	uint16_t u16RefColorTemp;
	uint16_t au16StaticWB[4];
	int32_t as32CurvePara[6];
	uint32_t enAlgType;
	uint8_t u8RGStrength;
	uint8_t u8BGStrength;
	uint16_t u16Speed;
	uint16_t u16ZoneSel;
	uint16_t u16HighColorTemp;
	uint16_t u16LowColorTemp;
	ISP_AWB_CT_LIMIT_ATTR_S stCTLimit;
	uint8_t bShiftLimitEn;
	uint16_t u16ShiftLimit[8];
	uint8_t bGainNormEn;
	uint8_t bNaturalCastEn;
	ISP_AWB_CBCR_TRACK_ATTR_S stCbCrTrack;
	ISP_AWB_LUM_HISTGRAM_ATTR_S stLumaHist;
	uint8_t bAWBZoneWtEn;
	uint8_t au8ZoneWt[1024];
} ISP_AWB_ATTR_S;

typedef struct {
	uint8_t bByPass;
	uint8_t u8AWBRunInterval;
	ISP_OP_TYPE_E enOpType;
	ISP_MWB_ATTR_S stManual;
	ISP_AWB_ATTR_S stAuto;
	uint32_t enAlgType;
	uint8_t u8DebugMode;
} ISP_WB_ATTR_S;

typedef struct {
	uint16_t u16Rgain;
	uint16_t u16Grgain;
	uint16_t u16Gbgain;
	uint16_t u16Bgain;
	uint16_t u16Saturation;
	uint16_t u16ColorTemp;
	uint16_t au16CCM[9];
	uint16_t u16LS0CT;
	uint16_t u16LS1CT;
	uint16_t u16LS0Area;
	uint16_t u16LS1Area;
	uint8_t u8MultiDegree;
	uint16_t u16ActiveShift;
	uint32_t u32FirstStableTime;
	uint32_t enInOutStatus;
	int16_t s16Bv;
} ISP_WB_INFO_S;

typedef struct {
	uint8_t Saturation;
} ISP_SATURATION_MANUAL_ATTR_S;

typedef struct {
	uint8_t Saturation[16];
} ISP_SATURATION_AUTO_ATTR_S;

typedef struct {
	ISP_OP_TYPE_E enOpType;
	ISP_SATURATION_MANUAL_ATTR_S stManual;
	ISP_SATURATION_AUTO_ATTR_S stAuto;
} ISP_SATURATION_ATTR_S;

typedef enum {
	ISP_FMW_STATE_RUN = 0,
	ISP_FMW_STATE_FREEZE = 1,
} ISP_FMW_STATE_E;

typedef enum {
	ISP_VD_FE_START = 0,
	ISP_VD_FE_END = 1,
	ISP_VD_BE_END = 2,
} ISP_VD_TYPE_E;

int32_t CVI_AE_Register(int32_t ViPipe, ALG_LIB_S *pstAeLib);
int32_t CVI_AE_UnRegister(int32_t ViPipe, ALG_LIB_S *pstAeLib);
int32_t CVI_AWB_Register(int32_t ViPipe, ALG_LIB_S *pstAeLib);
int32_t CVI_AWB_UnRegister(int32_t ViPipe, ALG_LIB_S *pstAeLib);

/* CVI_ISP_Run blocks its thread until CVI_ISP_Exit. Make no CVI_ISP_* call after Exit: it would allocate again. */
int32_t CVI_ISP_SetBindAttr(int32_t ViPipe, const ISP_BIND_ATTR_S *pstBindAttr);
int32_t CVI_ISP_MemInit(int32_t ViPipe);
int32_t CVI_ISP_SetPubAttr(int32_t ViPipe, const ISP_PUB_ATTR_S *pstPubAttr);
int32_t CVI_ISP_GetPubAttr(int32_t ViPipe, ISP_PUB_ATTR_S *pstPubAttr);
int32_t CVI_ISP_GetStatisticsConfig(int32_t ViPipe, ISP_STATISTICS_CFG_S *pstStatCfg);
int32_t CVI_ISP_SetStatisticsConfig(int32_t ViPipe, const ISP_STATISTICS_CFG_S *pstStatCfg);
int32_t CVI_ISP_Init(int32_t ViPipe);
int32_t CVI_ISP_Run(int32_t ViPipe);
int32_t CVI_ISP_Exit(int32_t ViPipe);
int32_t CVI_ISP_GetVDTimeOut(int32_t ViPipe, ISP_VD_TYPE_E enIspVDType, uint32_t u32MilliSec);
int32_t CVI_ISP_GetFMWState(int32_t ViPipe, ISP_FMW_STATE_E *penState);
int32_t CVI_ISP_SetFMWState(int32_t ViPipe, const ISP_FMW_STATE_E enState);

int32_t CVI_ISP_GetExposureAttr(int32_t ViPipe, ISP_EXPOSURE_ATTR_S *pstExpAttr);
int32_t CVI_ISP_SetExposureAttr(int32_t ViPipe, const ISP_EXPOSURE_ATTR_S *pstExpAttr);
int32_t CVI_ISP_QueryExposureInfo(int32_t ViPipe, ISP_EXP_INFO_S *pstExpInfo);
int32_t CVI_ISP_GetWBAttr(int32_t ViPipe, ISP_WB_ATTR_S *pstWBAttr);
int32_t CVI_ISP_SetWBAttr(int32_t ViPipe, const ISP_WB_ATTR_S *pstWBAttr);
int32_t CVI_ISP_QueryWBInfo(int32_t ViPipe, ISP_WB_INFO_S *pstWBInfo);
int32_t CVI_ISP_GetSaturationAttr(int32_t ViPipe, ISP_SATURATION_ATTR_S *pstSaturationAttr);
int32_t CVI_ISP_SetSaturationAttr(int32_t ViPipe, const ISP_SATURATION_ATTR_S *pstSaturationAttr);
int32_t CVI_ISP_QueryFps(int32_t ViPipe, float *pFps);
int32_t CVI_ISP_GetAntiFlicker(int32_t ViPipe, uint8_t *pEnable, uint8_t *pFrequency);
int32_t CVI_ISP_SetAntiFlicker(int32_t ViPipe, uint8_t enable, uint8_t frequency);

/* binName and buf hold BIN_FILE_LENGTH bytes. */
int32_t CVI_BIN_SetBinName(WDR_MODE_E wdrMode, const char *binName);
int32_t CVI_BIN_GetBinName(char *binName);
int32_t CVI_BIN_ImportBinData(uint8_t *pu8Buffer, uint32_t u32DataLength);

#endif
