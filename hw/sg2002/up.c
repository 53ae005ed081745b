/* The way up and down of what lies before the pictures: SYS, VB, sensor, MIPI, VI, ISP. docs/hardware.md has each step with its reason. */
#define _GNU_SOURCE
#include "camera.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint32_t nv21_size(uint32_t width, uint32_t height)
{
	return ALIGN(width, DEFAULT_ALIGN) * ALIGN(height, 2) * 3 / 2;
}

static ALG_LIB_S ae_library(void) { return (ALG_LIB_S){.s32Id = 0, .acLibName = CVI_AE_LIB_NAME}; }
static ALG_LIB_S awb_library(void) { return (ALG_LIB_S){.s32Id = 0, .acLibName = CVI_AWB_LIB_NAME}; }

static PIXEL_FORMAT_E vi_format(const struct camera *c) { return c->config.yuv ? PIXEL_FORMAT_UYVY : PIXEL_FORMAT_NV21; }

enum { SENSOR_BLOCKS = 3 }; /* two with VI, one with VPSS */

/* Of a frame of the sensor, in bytes. */
static uint32_t sensor_block(const struct camera_config *k)
{
	uint32_t upright = nv21_size(k->width, k->height), turned = nv21_size(k->height, k->width);
	if (k->yuv)
		return ALIGN(2 * k->width, DEFAULT_ALIGN) * k->height;
	return upright > turned ? upright : turned;
}

int64_t camera_memory(const struct camera_config *k)
{
	const int64_t isp_shared = 291424; /* libisp.so's ISP_SHARED_BUFFER_0 */
	int64_t need = (int64_t)SENSOR_BLOCKS * sensor_block(k) + isp_shared + POOL_BLOCKS * (int64_t)picture_size(k->out_width, k->out_height) + k->stream_buffer;
	if (k->still)
		need += STILL_BLOCKS * (int64_t)picture_size(k->width, k->height) + k->still_buffer;
	return need;
}

static bool system_up(struct camera *c)
{
	TRY(c, CVI_SYS_Exit);
	TRY(c, CVI_VB_Exit);
	VB_CONFIG_S vb = {.u32MaxPoolCnt = 1};
	vb.astCommPool[0] = (VB_POOL_CONFIG_S){.u32BlkSize = sensor_block(&c->config), .u32BlkCnt = SENSOR_BLOCKS, .enRemapMode = VB_REMAP_MODE_CACHED};
	if (!CALL(c, CVI_VB_SetConfig, &vb))
		return false;
	/* After a failed Init a second one in this process would claim success; Exit makes it honest again. */
	if (!CALL(c, CVI_VB_Init)) {
		TRY(c, CVI_VB_Exit);
		return false;
	}
	c->vb = true;
	if (!CALL(c, CVI_SYS_Init))
		return false;
	c->sys = true;
	for (int i = 0; i < c->config.orphan_count; i++) /* if it cannot be freed there is less room, no more */
		TRY(c, CVI_SYS_IonFree, c->config.orphans[i], NULL);
	c->config.orphan_count = 0;
	return CALL(c, CVI_VI_SetDevNum, 1);
}

static bool sensor_up(struct camera *c)
{
	const struct camera_config *k = &c->config;
	ISP_SNS_OBJ_S *s = k->sensor;
	if (k->tuning[0]) {
		char name[BIN_FILE_LENGTH] = {0};
		memcpy(name, k->tuning, sizeof name - 1);
		if (!CALL(c, CVI_BIN_SetBinName, WDR_MODE_NONE, name))
			return false;
	}
	RX_INIT_ATTR_S rx = {.MipiDev = 0, .stMclkAttr = {.u8Mclk = k->mclk, .bMclkEn = k->mclk_enable}};
	memcpy(rx.as16LaneId, k->lanes, sizeof rx.as16LaneId);
	memcpy(rx.as8PNSwap, k->swaps, sizeof rx.as8PNSwap);
	ISP_INIT_ATTR_S init = {.enGainMode = SNS_GAIN_MODE_SHARE};
	ISP_SNS_COMMBUS_U bus = {.s8I2cDev = k->i2c_bus};
	ALG_LIB_S ae = ae_library(), awb = awb_library();
#define SENSOR(name, ...) (c->doing = "sensor " #name, call_result(c, "sensor " #name, s->name(__VA_ARGS__)))
	if (!SENSOR(pfnPatchRxAttr, &rx) || !SENSOR(pfnSetInit, VI_PIPE, &init) || !SENSOR(pfnSetBusInfo, VI_PIPE, bus))
		return false;
	if (s->pfnPatchI2cAddr) {
		c->doing = "sensor pfnPatchI2cAddr";
		s->pfnPatchI2cAddr(-1); /* keeps the built-in address */
	}
	if (!SENSOR(pfnRegisterCallback, VI_PIPE, &ae, &awb))
		return false;
	c->sensor_registered = true;
	c->isp_ready = true; /* the registration took the ISP's shared memory, and only Exit gives it back */
	ISP_SENSOR_EXP_FUNC_S functions;
	memset(&functions, 0, sizeof functions);
	if (!SENSOR(pfnExpSensorCb, &functions))
		return false;
	ISP_CMOS_SENSOR_IMAGE_MODE_S mode = {.u16Width = (uint16_t)k->width, .u16Height = (uint16_t)k->height, .f32Fps = k->fps};
	c->doing = "sensor set_image_mode";
	if (!call_result(c, "sensor set_image_mode", functions.pfn_cmos_set_image_mode(VI_PIPE, &mode)))
		return false;
	c->doing = "sensor set_wdr_mode";
	return call_result(c, "sensor set_wdr_mode", functions.pfn_cmos_set_wdr_mode(VI_PIPE, WDR_MODE_NONE));
}

static bool device_up(struct camera *c)
{
	const struct camera_config *k = &c->config;
	VI_DEV_ATTR_S dev;
	memset(&dev, 0, sizeof dev);
	dev.enIntfMode = k->yuv ? VI_MODE_MIPI_YUV422 : VI_MODE_MIPI;
	dev.enWorkMode = VI_WORK_MODE_1Multiplex;
	dev.enScanMode = VI_SCAN_PROGRESSIVE;
	for (int i = 0; i < VI_MAX_ADCHN_NUM; i++)
		dev.as32AdChnId[i] = -1;
	dev.enDataSeq = k->yuv ? VI_DATA_SEQ_UYVY : VI_DATA_SEQ_YUYV;
	dev.stSynCfg.enVsync = VI_VSYNC_PULSE;
	dev.stSynCfg.enVsyncNeg = VI_VSYNC_NEG_LOW;
	dev.stSynCfg.enVsyncValid = VI_VSYNC_VALID_SIGNAL;
	dev.stSynCfg.stTimingBlank.u32HsyncAct = 1920;
	dev.stSynCfg.stTimingBlank.u32VsyncVact = 1080;
	dev.enInputDataType = k->yuv ? VI_DATA_TYPE_YUV : VI_DATA_TYPE_RGB;
	dev.stSize = (SIZE_S){k->width, k->height};
	dev.stWDRAttr = (VI_WDR_ATTR_S){.enWDRMode = WDR_MODE_NONE, .u32CacheLine = k->height};
	dev.enBayerFormat = k->dev_bayer;
	dev.snrFps = (uint32_t)k->fps;
	if (!CALL(c, CVI_VI_SetDevAttr, VI_DEV, &dev) || !CALL(c, CVI_VI_EnableDev, VI_DEV))
		return false;
	c->vi_dev = true;

	SNS_COMBO_DEV_ATTR_S rx;
	memset(&rx, 0, sizeof rx);
	ISP_SNS_OBJ_S *s = k->sensor;
	if (!SENSOR(pfnGetRxAttr, VI_PIPE, &rx))
		return false;
	int32_t devno = (int32_t)rx.devno;
	if (!CALL(c, CVI_MIPI_SetSensorReset, devno, 1) || !CALL(c, CVI_MIPI_SetMipiReset, devno, 1) ||
	    !CALL(c, CVI_MIPI_SetMipiAttr, VI_PIPE, &rx) || !CALL(c, CVI_MIPI_SetSensorClock, devno, 1))
		return false;
	usleep(100); /* the sensor wants its clock 20 us before its reset ends */
	if (!CALL(c, CVI_MIPI_SetSensorReset, devno, 0))
		return false;
	if (s->pfnSnsProbe && !SENSOR(pfnSnsProbe, VI_PIPE)) /* the only call that notices an absent sensor */
		return false;

	VI_PIPE_ATTR_S pipe;
	memset(&pipe, 0, sizeof pipe);
	pipe.u32MaxW = k->width;
	pipe.u32MaxH = k->height;
	pipe.enPixFmt = PIXEL_FORMAT_RGB_BAYER_12BPP;
	pipe.enBitWidth = DATA_BITWIDTH_12;
	pipe.stFrameRate = (FRAME_RATE_CTRL_S){-1, -1};
	pipe.bNrEn = 1;
	pipe.enCompressMode = COMPRESS_MODE_TILE;
	if (!CALL(c, CVI_VI_CreatePipe, VI_PIPE, &pipe))
		return false;
	c->vi_pipe = true;
	if (!CALL(c, CVI_VI_StartPipe, VI_PIPE))
		return false;
	c->vi_pipe_started = true;
	return true;
}

static void statistics(const struct camera *c, ISP_STATISTICS_CFG_S *s)
{
	uint16_t w = (uint16_t)c->config.width, h = (uint16_t)c->config.height;
	s->stAECfg.stCrop[0] = (ISP_AE_CROP_S){.bEnable = 0, .u16X = 0, .u16Y = 0, .u16W = w, .u16H = h};
	memset(s->stAECfg.au8Weight, 1, sizeof s->stAECfg.au8Weight);
	s->stWBCfg.u16ZoneRow = AWB_ZONE_ORIG_ROW;
	s->stWBCfg.u16ZoneCol = AWB_ZONE_ORIG_COLUMN;
	s->stWBCfg.stCrop = (ISP_AWB_CROP_S){.bEnable = 0, .u16X = 0, .u16Y = 0, .u16W = w, .u16H = h};
	s->stWBCfg.u16BlackLevel = 0;
	s->stWBCfg.u16WhiteLevel = 4095;
	ISP_AF_CFG_S *af = &s->stFocusCfg.stConfig;
	af->bEnable = 1;
	af->u8HFltShift = 1;
	static const int8_t low_pass[5] = {1, 2, 3, 5, 10};
	memcpy(af->s8HVFltLpCoeff, low_pass, sizeof low_pass);
	af->stRawCfg.PreGammaEn = 0;
	af->stPreFltCfg.PreFltEn = 1;
	af->u16Hwnd = AF_ZONE_COLUMN;
	af->u16Vwnd = AF_ZONE_ROW;
	af->stCrop = (ISP_AF_CROP_S){.bEnable = 0, .u16X = AF_XOFFSET_MIN, .u16Y = AF_YOFFSET_MIN,
		.u16W = (uint16_t)(w - 2 * AF_XOFFSET_MIN), .u16H = (uint16_t)(h - 2 * AF_YOFFSET_MIN)};
	af->u8ThLow = 0;
	af->u8ThHigh = 255;
	af->u8GainLow = 30;
	af->u8GainHigh = 20;
	af->u8SlopLow = 8;
	af->u8SlopHigh = 15;
	static const int8_t fir0[5] = {0, 0, 13, 24, 0}, fir1[5] = {1, 2, 4, 8, 0}, vertical[3] = {13, 24, 0};
	memcpy(s->stFocusCfg.stHParam_FIR0.s8HFltHpCoeff, fir0, sizeof fir0);
	memcpy(s->stFocusCfg.stHParam_FIR1.s8HFltHpCoeff, fir1, sizeof fir1);
	memcpy(s->stFocusCfg.stVParam_FIR.s8VFltHpCoeff, vertical, sizeof vertical);
	s->unKey.u64Key |= ISP_STATISTICS_CTRL_U__bit1FEAeGloStat | ISP_STATISTICS_CTRL_U__bit1FEAeLocStat |
		ISP_STATISTICS_CTRL_U__bit1AwbStat1 | ISP_STATISTICS_CTRL_U__bit1AwbStat2 | ISP_STATISTICS_CTRL_U__bit1FEAfStat;
}

/* The tuning file makes the picture good; without it there is one all the same. */
static void tune(struct camera *c)
{
	char name[BIN_FILE_LENGTH] = {0};
	if (TRY(c, CVI_BIN_GetBinName, name) != CVI_SUCCESS)
		return;
	char path[sizeof c->config.tuning_file + sizeof name];
	snprintf(path, sizeof path, "%s%s", c->config.tuning_file, name); /* tuning_file is the root's prefix, "" on a board */
	FILE *file = fopen(path, "rb");
	if (!file)
		return;
	uint8_t *bytes = NULL;
	long length = 0;
	if (!fseek(file, 0, SEEK_END) && (length = ftell(file)) > 0 && length < 16 << 20 && !fseek(file, 0, SEEK_SET) &&
	    (bytes = malloc((size_t)length)) && fread(bytes, 1, (size_t)length, file) == (size_t)length) {
		TRY(c, CVI_BIN_ImportBinData, bytes, (uint32_t)length);
	}
	free(bytes);
	fclose(file);
}

static void *run_isp(void *argument)
{
	struct camera *c = argument;
	pthread_mutex_lock(&c->lock);
	c->isp_thread_started = true;
	pthread_cond_broadcast(&c->isp_started);
	pthread_mutex_unlock(&c->lock);
	c->isp_result = c->mpi->CVI_ISP_Run(VI_PIPE); /* until CVI_ISP_Exit */
	__atomic_store_n(&c->isp_ended, true, __ATOMIC_RELEASE);
	return NULL;
}

bool isp_runs(struct camera *c)
{
	if (!__atomic_load_n(&c->isp_ended, __ATOMIC_ACQUIRE))
		return true;
	return call_result(c, "CVI_ISP_Run", c->isp_result ? c->isp_result : CVI_FAILURE);
}

static bool isp_up(struct camera *c)
{
	const struct camera_config *k = &c->config;
	ALG_LIB_S ae = ae_library(), awb = awb_library();
	if (!CALL(c, CVI_AE_Register, VI_PIPE, &ae))
		return false;
	c->ae = true;
	if (!CALL(c, CVI_AWB_Register, VI_PIPE, &awb))
		return false;
	c->awb = true;
	ISP_BIND_ATTR_S bind;
	memset(&bind, 0, sizeof bind);
	bind.stAeLib = ae;
	bind.stAwbLib = awb;
	if (!CALL(c, CVI_ISP_SetBindAttr, VI_PIPE, &bind))
		return false;
	if (!CALL(c, CVI_ISP_MemInit, VI_PIPE))
		return false;
	ISP_PUB_ATTR_S pub;
	memset(&pub, 0, sizeof pub);
	pub.stWndRect = (RECT_S){0, 0, k->width, k->height};
	pub.stSnsSize = (SIZE_S){k->width, k->height};
	pub.f32FrameRate = k->fps;
	pub.enBayer = k->isp_bayer;
	if (!CALL(c, CVI_ISP_SetPubAttr, VI_PIPE, &pub))
		return false;
	ISP_STATISTICS_CFG_S stat;
	memset(&stat, 0, sizeof stat);
	if (!CALL(c, CVI_ISP_GetStatisticsConfig, VI_PIPE, &stat))
		return false;
	statistics(c, &stat);
	if (!CALL(c, CVI_ISP_SetStatisticsConfig, VI_PIPE, &stat) || !CALL(c, CVI_ISP_Init, VI_PIPE))
		return false;
	tune(c);

	/* The vendor runs it with real-time priority 80, so that exposure keeps up with the sensor. Without the right to that, without. */
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 20);
	c->isp_ended = false;
	struct sched_param priority = {.sched_priority = 80};
	pthread_attr_setschedpolicy(&attr, SCHED_RR);
	pthread_attr_setschedparam(&attr, &priority);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	int error = pthread_create(&c->isp_thread, &attr, run_isp, c);
	if (error == EPERM) {
		pthread_attr_setinheritsched(&attr, PTHREAD_INHERIT_SCHED);
		error = pthread_create(&c->isp_thread, &attr, run_isp, c);
	}
	pthread_attr_destroy(&attr);
	if (error)
		return call_result(c, "start the ISP thread", error);
	pthread_setname_np(c->isp_thread, "ISP0_RUN");
	c->isp_thread_runs = true;
	/* Frames that come before it runs have no exposure set. It is on its way once it has started. */
	pthread_mutex_lock(&c->lock);
	while (!c->isp_thread_started)
		pthread_cond_wait(&c->isp_started, &c->lock);
	c->isp_thread_started = false;
	pthread_mutex_unlock(&c->lock);
	usleep(5000);
	return isp_runs(c);
}

static int32_t longest_exposure(struct camera *c)
{
	ISP_EXPOSURE_ATTR_S exposure;
	memset(&exposure, 0, sizeof exposure);
	int32_t code = TRY(c, CVI_ISP_GetExposureAttr, VI_PIPE, &exposure);
	if (code != CVI_SUCCESS)
		return code;
	ISP_AE_RANGE_S *range = &exposure.stAuto.stExpTimeRange;
	range->u32Max = c->config.exposure_max;
	if (range->u32Min > range->u32Max) /* a driver's own range may begin with the longest frame of its slowest mode */
		range->u32Min = range->u32Max;
	return TRY(c, CVI_ISP_SetExposureAttr, VI_PIPE, &exposure);
}

static bool channel_up(struct camera *c)
{
	const struct camera_config *k = &c->config;
	VI_CHN_ATTR_S chn;
	memset(&chn, 0, sizeof chn);
	chn.stSize = (SIZE_S){k->width, k->height};
	chn.enPixelFormat = vi_format(c);
	chn.enDynamicRange = DYNAMIC_RANGE_SDR8;
	chn.enVideoFormat = VIDEO_FORMAT_LINEAR;
	chn.enCompressMode = COMPRESS_MODE_TILE;
	chn.stFrameRate = (FRAME_RATE_CTRL_S){-1, -1};
	chn.u32BindVbPool = VB_INVALID_POOLID;
	if (!CALL(c, CVI_VI_SetChnAttr, VI_PIPE, VI_CHN, &chn))
		return false;
	if (k->sensor->pfnMirrorFlip) {
		if (!CALL(c, CVI_VI_RegChnFlipMirrorCallBack, VI_PIPE, VI_DEV, (void *)k->sensor->pfnMirrorFlip))
			return false;
		c->flip_callback = true;
	}
	if (!CALL(c, CVI_VI_EnableChn, VI_PIPE, VI_CHN))
		return false;
	c->vi_chn = true;
	c->exposure_result = longest_exposure(c);
	return true;
}

static bool group_up(struct camera *c)
{
	VPSS_GRP_ATTR_S group;
	memset(&group, 0, sizeof group);
	group.u32MaxW = c->config.width;
	group.u32MaxH = c->config.height;
	group.enPixelFormat = vi_format(c);
	group.stFrameRate = (FRAME_RATE_CTRL_S){-1, -1};
	if (!CALL(c, CVI_VPSS_CreateGrp, VPSS_GRP, &group)) {
		if (c->failed_code != CVI_ERR_VPSS_EXIST)
			return false;
		/* Left by a process that died. A destroyed group with enabled channels would keep its old queues, so they go first. */
		for (int32_t i = 0; i < VPSS_MAX_CHN_NUM; i++)
			TRY(c, CVI_VPSS_DisableChn, VPSS_GRP, i);
		TRY(c, CVI_VPSS_StopGrp, VPSS_GRP);
		TRY(c, CVI_VPSS_DestroyGrp, VPSS_GRP);
		if (!CALL(c, CVI_VPSS_CreateGrp, VPSS_GRP, &group))
			return false;
	}
	c->group = true;
	if (!CALL(c, CVI_VPSS_ResetGrp, VPSS_GRP) || !CALL(c, CVI_VPSS_StartGrp, VPSS_GRP))
		return false;
	c->group_started = true;
	return true;
}

static const MMF_CHN_S vi_end = {CVI_ID_VI, VI_DEV, VI_CHN}, vpss_in = {CVI_ID_VPSS, VPSS_GRP, 0};

int camera_up(struct camera *c)
{
	bool ok = system_up(c) && sensor_up(c) && device_up(c) && isp_up(c) && channel_up(c) && group_up(c) && venc_module(c) &&
		output_up(c) == CAMERA_OK && still_up(c) == CAMERA_OK;
	if (ok) {
		ok = CALL(c, CVI_SYS_Bind, &vi_end, &vpss_in);
		c->vi_bound = ok;
	}
	if (ok)
		return CAMERA_OK;
	const char *call = c->failed_call;
	int32_t code = c->failed_code;
	camera_down(c);
	c->failed_call = call;
	c->failed_code = code;
	return CAMERA_FAILED;
}

/* The ISP thread ends within 500 ms of Exit; one that does not is left behind. */
static void join_isp(struct camera *c)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 3;
	if (pthread_timedjoin_np(c->isp_thread, NULL, &until))
		pthread_detach(c->isp_thread);
}

#define UNDO(c, flag, name, ...) \
	do { \
		if ((c)->flag) { \
			(c)->flag = false; \
			TRY(c, name, __VA_ARGS__); \
		} \
	} while (0)

void input_unbind(struct camera *c) { UNDO(c, vi_bound, CVI_SYS_UnBind, &vi_end, &vpss_in); }

void group_down(struct camera *c)
{
	UNDO(c, group_started, CVI_VPSS_StopGrp, VPSS_GRP);
	UNDO(c, group, CVI_VPSS_DestroyGrp, VPSS_GRP);
}

void camera_down(struct camera *c)
{
	ALG_LIB_S ae = ae_library(), awb = awb_library();
	overlay_down(c);
	raw_release(c);
	outputs_down(c);
	/* After Exit no other function of the ISP may be called: it would allocate again. The three that follow are safe. */
	UNDO(c, isp_ready, CVI_ISP_Exit, VI_PIPE);
	if (c->isp_thread_runs) {
		c->isp_thread_runs = false;
		c->doing = "joining CVI_ISP_Run";
		join_isp(c);
	}
	if (c->sensor_registered) {
		c->sensor_registered = false;
		c->doing = "sensor pfnUnRegisterCallback";
		c->config.sensor->pfnUnRegisterCallback(VI_PIPE, &ae, &awb);
	}
	UNDO(c, ae, CVI_AE_UnRegister, VI_PIPE, &ae);
	UNDO(c, awb, CVI_AWB_UnRegister, VI_PIPE, &awb);
	UNDO(c, vi_chn, CVI_VI_DisableChn, VI_PIPE, VI_CHN);
	UNDO(c, vi_pipe_started, CVI_VI_StopPipe, VI_PIPE);
	UNDO(c, vi_pipe, CVI_VI_DestroyPipe, VI_PIPE);
	UNDO(c, vi_dev, CVI_VI_DisableDev, VI_DEV);
	UNDO(c, flip_callback, CVI_VI_UnRegChnFlipMirrorCallBack, VI_PIPE, VI_DEV);
	UNDO(c, sys, CVI_SYS_Exit);
	UNDO(c, vb, CVI_VB_Exit);
	c->doing = NULL;
}

/* Gives back by calls what a dead process has left: encoder channel and group. Pools stay; see docs/hardware.md. */
int camera_recover(struct camera *c)
{
	if (!CALL(c, CVI_VB_Init))
		return CAMERA_FAILED;
	if (!CALL(c, CVI_SYS_Init)) {
		TRY(c, CVI_VB_Exit);
		return CAMERA_FAILED;
	}
	for (int32_t i = 0; i < VPSS_MAX_CHN_NUM; i++)
		TRY(c, CVI_VPSS_DisableChn, VPSS_GRP, i);
	TRY(c, CVI_VPSS_StopGrp, VPSS_GRP);
	TRY(c, CVI_VPSS_DestroyGrp, VPSS_GRP);
	for (int32_t i = STREAM_CHN; i <= STILL_CHN; i++) {
		if (TRY(c, CVI_VENC_GetFd, i) < 0) /* without the node open the three would do nothing */
			continue;
		TRY(c, CVI_VENC_StopRecvFrame, i);
		TRY(c, CVI_VENC_ResetChn, i);
		TRY(c, CVI_VENC_DestroyChn, i);
	}
	bool ok = CALL(c, CVI_SYS_Exit);
	return CALL(c, CVI_VB_Exit) && ok ? CAMERA_OK : CAMERA_FAILED;
}
