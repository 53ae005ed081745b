/*
 * Declarations shared by all MPI modules: module numbers, sizes, picture formats and the picture itself.
 *
 * These headers are maixstream's own declarations of the binary interface of the MPI libraries for SG2002. The names are
 * the vendor's, because the linker and every log use them; the rest was written for this project. Every size, offset,
 * type, constant and prototype here is compared at compile time with the facts in ../abi/facts.h.
 *
 * Rules of these files, which the checker relies on:
 *  - only what maixstream uses; an enumeration may be a subset, but every value in it is correct;
 *  - a field whose enumeration we do not use has that enumeration's plain integer type;
 *  - a numeric byte is uint8_t or int8_t, never char: the vendor built with unsigned char, and the signedness of plain char
 *    depends on the target. Text is char;
 *  - a member called room_ or room_2 stands for union members that we never use; it is the only thing that is not a fact.
 */
#ifndef MAIXSTREAM_CVI_COMMON_H
#define MAIXSTREAM_CVI_COMMON_H

#include <stdint.h>

#define CVI_SUCCESS 0
#define CVI_FAILURE (-1)

/* Module numbers, used in MMF_CHN_S and in bits 23..16 of an error code. */
typedef enum {
	CVI_ID_VB = 1,
	CVI_ID_SYS = 2,
	CVI_ID_RGN = 3,
	CVI_ID_VPSS = 6,
	CVI_ID_VENC = 7,
	CVI_ID_VO = 13,
	CVI_ID_VI = 14,
	CVI_ID_ISP = 24,
	CVI_ID_LOG = 28,
} MOD_ID_E;

/* One end of a bind. For VPSS s32DevId is the group; for VENC it is 0 and s32ChnId is the channel. */
typedef struct {
	MOD_ID_E enModId;
	int32_t s32DevId;
	int32_t s32ChnId;
} MMF_CHN_S;

typedef struct {
	uint32_t u32Width;
	uint32_t u32Height;
} SIZE_S;

typedef struct {
	int32_t s32X;
	int32_t s32Y;
} POINT_S;

typedef struct {
	int32_t s32X;
	int32_t s32Y;
	uint32_t u32Width;
	uint32_t u32Height;
} RECT_S;

/* -1/-1: no rate control. Otherwise dst of every src frames are kept; dst must be less than src. */
typedef struct {
	int32_t s32SrcFrameRate;
	int32_t s32DstFrameRate;
} FRAME_RATE_CTRL_S;

typedef enum {
	PIXEL_FORMAT_RGB_888 = 0,
	PIXEL_FORMAT_BGR_888 = 1,
	PIXEL_FORMAT_RGB_888_PLANAR = 2,
	PIXEL_FORMAT_BGR_888_PLANAR = 3,
	PIXEL_FORMAT_ARGB_1555 = 4,
	PIXEL_FORMAT_ARGB_4444 = 5,
	PIXEL_FORMAT_ARGB_8888 = 6,
	PIXEL_FORMAT_RGB_BAYER_12BPP = 9,
	PIXEL_FORMAT_YUV_PLANAR_422 = 12,
	PIXEL_FORMAT_YUV_PLANAR_420 = 13,
	PIXEL_FORMAT_YUV_PLANAR_444 = 14,
	PIXEL_FORMAT_YUV_400 = 15,
	PIXEL_FORMAT_NV12 = 18,
	PIXEL_FORMAT_NV21 = 19,
	PIXEL_FORMAT_NV16 = 20,
	PIXEL_FORMAT_NV61 = 21,
	PIXEL_FORMAT_YUYV = 22,
	PIXEL_FORMAT_UYVY = 23,
	PIXEL_FORMAT_YVYU = 24,
	PIXEL_FORMAT_VYUY = 25,
	PIXEL_FORMAT_MAX = 49,
} PIXEL_FORMAT_E;

typedef enum {
	VIDEO_FORMAT_LINEAR = 0,
} VIDEO_FORMAT_E;

typedef enum {
	COMPRESS_MODE_NONE = 0,
	COMPRESS_MODE_TILE = 1,
} COMPRESS_MODE_E;

typedef enum {
	DYNAMIC_RANGE_SDR8 = 0,
} DYNAMIC_RANGE_E;

typedef enum {
	BAYER_FORMAT_BG = 0,
	BAYER_FORMAT_GB = 1,
	BAYER_FORMAT_GR = 2,
	BAYER_FORMAT_RG = 3,
} BAYER_FORMAT_E;

typedef enum {
	COLOR_GAMUT_BT601 = 0,
	COLOR_GAMUT_BT709 = 1,
} COLOR_GAMUT_E;

typedef enum {
	DATA_BITWIDTH_8 = 0,
	DATA_BITWIDTH_10 = 1,
	DATA_BITWIDTH_12 = 2,
} DATA_BITWIDTH_E;

typedef enum {
	ROTATION_0 = 0,
	ROTATION_90 = 1,
	ROTATION_180 = 2,
	ROTATION_270 = 3,
} ROTATION_E;

typedef enum {
	ASPECT_RATIO_NONE = 0,
	ASPECT_RATIO_AUTO = 1,
	ASPECT_RATIO_MANUAL = 2,
} ASPECT_RATIO_E;

typedef enum {
	WDR_MODE_NONE = 0,
} WDR_MODE_E;

typedef enum {
	PT_JPEG = 26,
	PT_H264 = 96,
	PT_MJPEG = 1002,
} PAYLOAD_TYPE_E;

/* How a picture is fitted into a channel of another aspect ratio; AUTO keeps the ratio and fills with u32BgColor. */
typedef struct {
	ASPECT_RATIO_E enMode;
	uint8_t bEnableBgColor;
	uint32_t u32BgColor;
	RECT_S stVideoRect;
} ASPECT_RATIO_S;

/*
 * A raw picture. It owns nothing: the memory belongs to a VB block, identified by u64PhyAddr[0]. VPSS fills only formats,
 * sizes, time, physical addresses, lengths, strides and pPrivateData; pu8VirAddr is NULL until it is mapped.
 */
typedef struct {
	uint32_t u32Width;
	uint32_t u32Height;
	PIXEL_FORMAT_E enPixelFormat;
	BAYER_FORMAT_E enBayerFormat;
	VIDEO_FORMAT_E enVideoFormat;
	COMPRESS_MODE_E enCompressMode;
	DYNAMIC_RANGE_E enDynamicRange;
	COLOR_GAMUT_E enColorGamut;
	uint32_t u32Stride[3]; /* bytes per row, by plane */
	uint64_t u64PhyAddr[3];
	uint8_t *pu8VirAddr[3];
	uint32_t u32Length[3]; /* bytes, by plane */
	int16_t s16OffsetTop;
	int16_t s16OffsetBottom;
	int16_t s16OffsetLeft;
	int16_t s16OffsetRight;
	uint32_t u32TimeRef;
	uint64_t u64PTS;    /* microseconds, CLOCK_MONOTONIC */
	void *pPrivateData; /* the driver's; must be returned unchanged */
	uint32_t u32FrameFlag;
} VIDEO_FRAME_S;

/* u32PoolId is 0 in frames from VPSS: do not rely on it there. */
typedef struct {
	VIDEO_FRAME_S stVFrame;
	uint32_t u32PoolId;
} VIDEO_FRAME_INFO_S;

#define DEFAULT_ALIGN 64
#define MAX_ALIGN 1024

#endif
