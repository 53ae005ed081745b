/* libvenc.so: the encoder, used here for JPEG and H.264. */
#ifndef MAIXSTREAM_CVI_VENC_H
#define MAIXSTREAM_CVI_VENC_H

#include "cvi_common.h"

#define VENC_MAX_CHN_NUM 16
#define VENC_ALIGN_W 32
#define VENC_ALIGN_H 16
#define JPEGE_MIN_WIDTH 32
#define JPEGE_MIN_HEIGHT 32
#define JPEGE_MAX_WIDTH 8192
#define JPEGE_MAX_HEIGHT 8192

typedef enum {
	VENC_PIC_RECEIVE_SINGLE = 0,
} VENC_PIC_RECEIVE_MODE_E;

typedef struct {
	uint8_t u8LargeThumbNailNum;
	SIZE_S astLargeThumbNailSize[2];
} VENC_MPF_CFG_S;

typedef struct {
	uint8_t bSupportDCF;
	VENC_MPF_CFG_S stMPFCfg;
	VENC_PIC_RECEIVE_MODE_E enReceiveMode;
} VENC_ATTR_JPEG_S;

typedef struct {
	uint8_t bRcnRefShareBuf;
	uint8_t bSingleLumaBuf;
} VENC_ATTR_H264_S;

/*
 * u32BufSize: bytes of stream buffer in ION. JPEG: a multiple of 1024; 0 means 9 MiB. H.264: at least 135168; 0 means 4 MiB.
 * bEsBufQueueEn: pictures are queued in the buffer instead of overwriting the previous one. bIsoSendFrmEn: a kernel thread
 * fetches the picture from the core.
 */
typedef struct {
	PAYLOAD_TYPE_E enType;
	uint32_t u32MaxPicWidth;
	uint32_t u32MaxPicHeight;
	uint32_t u32BufSize;
	uint32_t u32Profile;
	uint8_t bByFrame;
	uint32_t u32PicWidth;
	uint32_t u32PicHeight;
	uint8_t bSingleCore;
	uint8_t bEsBufQueueEn;
	uint8_t bIsoSendFrmEn;
	union {
		VENC_ATTR_H264_S stAttrH264e;
		VENC_ATTR_JPEG_S stAttrJpege;
	};
} VENC_ATTR_S;

typedef enum {
	VENC_RC_MODE_H264CBR = 1,
	VENC_RC_MODE_H264VBR = 2,
	VENC_RC_MODE_H264AVBR = 3,
	VENC_RC_MODE_H264QVBR = 4,
	VENC_RC_MODE_H264FIXQP = 5,
	VENC_RC_MODE_H264QPMAP = 6,
	VENC_RC_MODE_H264UBR = 7,
	VENC_RC_MODE_MJPEGCBR = 8,
	VENC_RC_MODE_MJPEGVBR = 9,
	VENC_RC_MODE_MJPEGFIXQP = 10,
} VENC_RC_MODE_E;

/*
 * u32Gop: pictures from IDR to IDR. u32BitRate is in 1000 bit/s. Rates: frames in the low 16 bits, seconds in the high 16, where 0 means 1;
 * if the destination rate is below the source rate, SendFrame drops pictures.
 */
typedef struct {
	uint32_t u32Gop;
	uint32_t u32StatTime;
	uint32_t u32SrcFrameRate;
	uint32_t fr32DstFrameRate;
	uint32_t u32BitRate;
	uint8_t bVariFpsEn;
} VENC_H264_CBR_S;

typedef struct {
	uint32_t u32StatTime;
	uint32_t u32SrcFrameRate;
	uint32_t fr32DstFrameRate;
	uint32_t u32BitRate;
	uint8_t bVariFpsEn;
} VENC_MJPEG_CBR_S;

typedef struct {
	uint32_t u32SrcFrameRate;
	uint32_t fr32DstFrameRate;
	uint32_t u32Qfactor;
	uint8_t bVariFpsEn;
} VENC_MJPEG_FIXQP_S;

typedef struct {
	VENC_RC_MODE_E enRcMode;
	union {
		VENC_H264_CBR_S stH264Cbr;
		VENC_MJPEG_CBR_S stMjpegCbr;
		VENC_MJPEG_FIXQP_S stMjpegFixQp;
		uint32_t room_[7];
	};
} VENC_RC_ATTR_S;

typedef struct {
	int32_t s32IPQpDelta;
} VENC_GOP_NORMALP_S;

typedef enum {
	VENC_GOPMODE_NORMALP = 0,
	VENC_GOPMODE_SMARTP = 2,
} VENC_GOP_MODE_E;

typedef struct {
	VENC_GOP_MODE_E enGopMode;
	union {
		VENC_GOP_NORMALP_S stNormalP;
		uint32_t room_[3];
	};
} VENC_GOP_ATTR_S;

typedef struct {
	VENC_ATTR_S stVencAttr;
	VENC_RC_ATTR_S stRcAttr;
	VENC_GOP_ATTR_S stGopAttr;
} VENC_CHN_ATTR_S;

typedef struct {
	int32_t s32RecvPicNum; /* -1: until StopRecvFrame */
} VENC_RECV_PIC_PARAM_S;

/* u32Qfactor: 1..49 and 51..99; 50 is refused. Leave the tables zero unless custom ones are used. */
typedef struct {
	uint32_t u32Qfactor;
	uint8_t u8YQt[64];
	uint8_t u8CbQt[64];
	uint8_t u8CrQt[64];
	uint32_t u32MCUPerECS; /* restart interval in MCUs, 0: none */
} VENC_JPEG_PARAM_S;

typedef enum {
	MODTYPE_VENC = 1,
	MODTYPE_JPEGE = 4,
} VENC_MODTYPE_E;

typedef enum {
	JPEGE_FORMAT_DEFAULT = 0,
	JPEGE_FORMAT_TYPE_1 = 1,
	JPEGE_FORMAT_CUSTOM = 255,
} JPEGE_FORMAT_E;

typedef enum {
	JPEGE_MARKER_SOI = 1,
	JPEGE_MARKER_DQT = 2,
	JPEGE_MARKER_DQT_MERGE = 3,
	JPEGE_MARKER_DHT = 4,
	JPEGE_MARKER_DHT_MERGE = 5,
	JPEGE_MARKER_DRI = 6,
	JPEGE_MARKER_DRI_OPT = 7,
	JPEGE_MARKER_SOF0 = 8,
	JPEGE_MARKER_JFIF = 9,
	JPEGE_MARKER_FRAME_INDEX = 10,
	JPEGE_MARKER_ADOBE = 11,
	JPEGE_MARKER_USER_DATA = 12,
} JPEGE_MARKER_TYPE_E;

/* Shared by all JPEG channels; set before creating a channel. TYPE_1 writes JFIF APP0 and no frame counter in APP9. */
typedef struct {
	uint32_t u32OneStreamBuffer;
	uint32_t u32JpegeMiniBufMode;
	uint32_t u32JpegClearStreamBuf;
	uint8_t bSingleEsBuf;
	uint32_t u32SingleEsBufSize;
	JPEGE_FORMAT_E enJpegeFormat;
	JPEGE_MARKER_TYPE_E JpegMarkerOrder[16];
} VENC_MOD_JPEGE_S;

typedef struct {
	VENC_MODTYPE_E enVencModType;
	union {
		VENC_MOD_JPEGE_S stJpegeModParam;
	};
} VENC_PARAM_MOD_S;

typedef enum {
	JPEGE_PACK_ECS = 5,
	JPEGE_PACK_APP = 6,
	JPEGE_PACK_VDO = 7,
	JPEGE_PACK_PIC = 8,
} JPEGE_PACK_TYPE_E;

typedef enum {
	H264E_NALU_PSLICE = 1,
	H264E_NALU_ISLICE = 2,
	H264E_NALU_IDRSLICE = 5,
	H264E_NALU_SEI = 6,
	H264E_NALU_SPS = 7,
	H264E_NALU_PPS = 8,
} H264E_NALU_TYPE_E;

typedef union {
	H264E_NALU_TYPE_E enH264EType;
	JPEGE_PACK_TYPE_E enJPEGEType;
} VENC_DATA_TYPE_U;

typedef struct {
	VENC_DATA_TYPE_U u32PackType;
	uint32_t u32PackOffset;
	uint32_t u32PackLength;
} VENC_PACK_INFO_S;

/* The picture is at pu8Addr + u32Offset, u32Len - u32Offset bytes; invalid after CVI_VENC_ReleaseStream. */
typedef struct {
	uint64_t u64PhyAddr;
	uint8_t *pu8Addr;
	uint32_t u32Len;
	uint64_t u64PTS;
	uint8_t bFrameEnd;
	VENC_DATA_TYPE_U DataType;
	uint32_t u32Offset;
	uint32_t u32DataNum;
	VENC_PACK_INFO_S stPackInfo[8];
} VENC_PACK_S;

typedef struct {
	uint32_t u32PicBytesNum;
	uint32_t u32UpdateAttrCnt;
	uint32_t u32Qfactor;
} VENC_STREAM_INFO_JPEG_S;

/* pstPack is the caller's, with room for 8 packs; it must not change until ReleaseStream. */
typedef struct {
	VENC_PACK_S *pstPack;
	uint32_t u32PackCount;
	uint32_t u32Seq;
	union {
		VENC_STREAM_INFO_JPEG_S stJpegInfo;
		uint32_t room_[14];
	};
	union {
		uint64_t room_2[39];
	};
} VENC_STREAM_S;

typedef struct {
	uint32_t enRefType;
	uint32_t u32PicBytesNum;
	uint32_t u32PicCnt;
	uint32_t u32StartQp;
	uint32_t u32MeanQp;
	uint8_t bPSkip;
	uint32_t u32ResidualBitNum;
	uint32_t u32HeadBitNum;
	uint32_t u32MadiVal;
	uint32_t u32MadpVal;
	uint32_t u32MseSum;
	uint32_t u32MseLcuCnt;
	double dPSNRVal;
} VENC_STREAM_INFO_S;

/* u32CurPacks is always 1 for JPEG; u32LeftStreamFrames tells whether a picture is ready. */
typedef struct {
	uint32_t u32LeftPics;
	uint32_t u32LeftStreamBytes;
	uint32_t u32LeftStreamFrames;
	uint32_t u32CurPacks;
	uint32_t u32LeftRecvPics;
	uint32_t u32LeftEncPics;
	uint8_t bJpegSnapEnd;
	VENC_STREAM_INFO_S stVencStrmInfo;
} VENC_CHN_STATUS_S;

typedef struct {
	uint8_t bEnable;
	RECT_S stRect;
} CROP_INFO_S;

typedef struct {
	uint8_t bEnable;
	RECT_S stRect;
} VENC_CROP_INFO_S;

typedef struct {
	int32_t s32SrcFrmRate;
	int32_t s32DstFrmRate;
} VENC_FRAME_RATE_S;

typedef struct {
	uint8_t bColor2Grey;
	uint32_t u32Priority;
	uint32_t u32MaxStrmCnt;
	uint32_t u32PollWakeUpFrmCnt;
	VENC_CROP_INFO_S stCropCfg;
	VENC_FRAME_RATE_S stFrameRate;
} VENC_CHN_PARAM_S;

/* Limits on the bits per picture. The rest of the union, for other rate control modes, is room_. */
typedef struct {
	uint32_t u32MinIprop;
	uint32_t u32MaxIprop;
	uint32_t u32MaxQp;
	uint32_t u32MinQp;
	uint32_t u32MaxIQp;
	uint32_t u32MinIQp;
	int32_t s32MaxReEncodeTimes;
	uint8_t bQpMapEn;
} VENC_PARAM_H264_CBR_S;

/* Read it first: it holds the defaults. */
typedef struct {
	uint32_t u32ThrdI[16];
	uint32_t u32ThrdP[16];
	uint32_t u32ThrdB[16];
	uint32_t u32DirectionThrd;
	uint32_t u32RowQpDelta;
	int32_t s32FirstFrameStartQp;
	int32_t s32InitialDelay;
	uint32_t u32ThrdLv;
	uint8_t bBgEnhanceEn;
	int32_t s32BgDeltaQp;
	union {
		VENC_PARAM_H264_CBR_S stParamH264Cbr;
		uint32_t room_[18];
	};
} VENC_RC_PARAM_S;

typedef enum {
	H264E_ENTROPY_CAVLC = 0,
	H264E_ENTROPY_CABAC = 1,
} H264E_ENTROPY;

typedef struct {
	uint32_t u32EntropyEncModeI;
	uint32_t u32EntropyEncModeP;
	uint32_t u32EntropyEncModeB;
	uint32_t cabac_init_idc;
} VENC_H264_ENTROPY_S;

typedef struct {
	uint8_t aspect_ratio_info_present_flag;
	uint8_t aspect_ratio_idc;
	uint8_t overscan_info_present_flag;
	uint8_t overscan_appropriate_flag;
	uint16_t sar_width;
	uint16_t sar_height;
} VENC_VUI_ASPECT_RATIO_S;

typedef struct {
	uint8_t timing_info_present_flag;
	uint8_t fixed_frame_rate_flag;
	uint32_t num_units_in_tick;
	uint32_t time_scale;
} VENC_VUI_H264_TIME_INFO_S;

typedef struct {
	uint8_t video_signal_type_present_flag;
	uint8_t video_format;
	uint8_t video_full_range_flag;
	uint8_t colour_description_present_flag;
	uint8_t colour_primaries;
	uint8_t transfer_characteristics;
	uint8_t matrix_coefficients;
} VENC_VUI_VIDEO_SIGNAL_S;

typedef struct {
	uint8_t bitstream_restriction_flag;
} VENC_VUI_BITSTREAM_RESTRIC_S;

/* Code points of ITU-T H.264 annex E. */
typedef struct {
	VENC_VUI_ASPECT_RATIO_S stVuiAspectRatio;
	VENC_VUI_H264_TIME_INFO_S stVuiTimeInfo;
	VENC_VUI_VIDEO_SIGNAL_S stVuiVideoSignal;
	VENC_VUI_BITSTREAM_RESTRIC_S stVuiBitstreamRestric;
} VENC_H264_VUI_S;

int32_t CVI_VENC_CreateChn(int32_t VeChn, const VENC_CHN_ATTR_S *pstAttr);
int32_t CVI_VENC_DestroyChn(int32_t VeChn);
int32_t CVI_VENC_ResetChn(int32_t VeChn);
int32_t CVI_VENC_StartRecvFrame(int32_t VeChn, const VENC_RECV_PIC_PARAM_S *pstRecvParam);
int32_t CVI_VENC_StopRecvFrame(int32_t VeChn);
int32_t CVI_VENC_QueryStatus(int32_t VeChn, VENC_CHN_STATUS_S *pstStatus);
int32_t CVI_VENC_GetFd(int32_t VeChn);
int32_t CVI_VENC_CloseFd(int32_t VeChn);

int32_t CVI_VENC_SendFrame(int32_t VeChn, const VIDEO_FRAME_INFO_S *pstFrame, int32_t s32MilliSec);
int32_t CVI_VENC_GetStream(int32_t VeChn, VENC_STREAM_S *pstStream, int32_t S32MilliSec);
int32_t CVI_VENC_ReleaseStream(int32_t VeChn, VENC_STREAM_S *pstStream);

int32_t CVI_VENC_SetChnAttr(int32_t VeChn, const VENC_CHN_ATTR_S *pstChnAttr);
int32_t CVI_VENC_GetChnAttr(int32_t VeChn, VENC_CHN_ATTR_S *pstChnAttr);
int32_t CVI_VENC_SetChnParam(int32_t VeChn, const VENC_CHN_PARAM_S *pstChnParam);
int32_t CVI_VENC_GetChnParam(int32_t VeChn, VENC_CHN_PARAM_S *pstChnParam);
int32_t CVI_VENC_SetModParam(const VENC_PARAM_MOD_S *pstModParam);
int32_t CVI_VENC_GetModParam(VENC_PARAM_MOD_S *pstModParam);
int32_t CVI_VENC_SetJpegParam(int32_t VeChn, const VENC_JPEG_PARAM_S *pstJpegParam);
int32_t CVI_VENC_GetJpegParam(int32_t VeChn, VENC_JPEG_PARAM_S *pstJpegParam);
int32_t CVI_VENC_GetRcParam(int32_t VeChn, VENC_RC_PARAM_S *pstRcParam);
int32_t CVI_VENC_SetRcParam(int32_t VeChn, const VENC_RC_PARAM_S *pstRcParam);
int32_t CVI_VENC_GetH264Entropy(int32_t VeChn, VENC_H264_ENTROPY_S *pstH264EntropyEnc);
int32_t CVI_VENC_SetH264Entropy(int32_t VeChn, const VENC_H264_ENTROPY_S *pstH264EntropyEnc);
int32_t CVI_VENC_GetH264Vui(int32_t VeChn, VENC_H264_VUI_S *pstH264Vui);
int32_t CVI_VENC_SetH264Vui(int32_t VeChn, const VENC_H264_VUI_S *pstH264Vui);
int32_t CVI_VENC_RequestIDR(int32_t VeChn, uint8_t bInstant);
int32_t CVI_VENC_InsertUserData(int32_t VeChn, uint8_t *pu8Data, uint32_t u32Len);

#endif
