#include "input.h"

#include <string.h>
#include <unistd.h>

#include "isp.h"

/* Calls the sensor's driver. */
#define SENSOR(name, ...) (NOTE(c, "sensor " #name), call_result(c, "sensor " #name, s->name(__VA_ARGS__)))

PIXEL_FORMAT_E input_format(const struct camera *c) { return c->config.yuv ? PIXEL_FORMAT_UYVY : PIXEL_FORMAT_NV21; }

/* Without room for its shared buffer libisp crashes during registration, so try an allocation first: not every board has the kernel's summary. */
static bool room_for_isp(struct camera *c)
{
	uint64_t at = 0;
	void *memory = NULL;
	if (!CALL(c, CVI_SYS_IonAlloc, &at, &memory, "maixstream", ISP_BUFFER))
		return false;
	return CALL(c, CVI_SYS_IonFree, at, memory) || CALL(c, CVI_SYS_IonFree, at, memory);
}

bool sensor_up(struct camera *c)
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
	ALG_LIB_S ae = isp_ae(), awb = isp_awb();
	if (!SENSOR(pfnPatchRxAttr, &rx) || !SENSOR(pfnSetInit, VI_PIPE, &init) || !SENSOR(pfnSetBusInfo, VI_PIPE, bus))
		return false;
	if (s->pfnPatchI2cAddr) {
		NOTE(c, "sensor pfnPatchI2cAddr");
		s->pfnPatchI2cAddr(-1); /* keep the built-in address */
	}
	if (!c->mpi->isp_buffer && !room_for_isp(c))
		return false;
	c->mpi->isp_buffer = true;
	if (!SENSOR(pfnRegisterCallback, VI_PIPE, &ae, &awb))
		return false;
	c->sensor_registered = true;
	ISP_SENSOR_EXP_FUNC_S functions;
	memset(&functions, 0, sizeof functions);
	if (!SENSOR(pfnExpSensorCb, &functions))
		return false;
	ISP_CMOS_SENSOR_IMAGE_MODE_S mode = {.u16Width = (uint16_t)k->width, .u16Height = (uint16_t)k->height, .f32Fps = k->fps};
	NOTE(c, "sensor set_image_mode");
	if (!call_result(c, "sensor set_image_mode", functions.pfn_cmos_set_image_mode(VI_PIPE, &mode)))
		return false;
	NOTE(c, "sensor set_wdr_mode");
	return call_result(c, "sensor set_wdr_mode", functions.pfn_cmos_set_wdr_mode(VI_PIPE, WDR_MODE_NONE));
}

bool device_up(struct camera *c)
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
	if (!CALL(c, CVI_MIPI_SetSensorReset, devno, 1) || !CALL(c, CVI_MIPI_SetMipiReset, devno, 1) || !CALL(c, CVI_MIPI_SetMipiAttr, VI_PIPE, &rx) ||
		!CALL(c, CVI_MIPI_SetSensorClock, devno, 1))
		return false;
	usleep(100); /* the sensor needs its clock 20 us before reset is released */
	if (!CALL(c, CVI_MIPI_SetSensorReset, devno, 0))
		return false;
	if (s->pfnSnsProbe && !SENSOR(pfnSnsProbe, VI_PIPE)) /* the only call that notices a missing sensor */
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

bool input_up(struct camera *c)
{
	const struct camera_config *k = &c->config;
	VI_CHN_ATTR_S chn;
	memset(&chn, 0, sizeof chn);
	chn.stSize = (SIZE_S){k->width, k->height};
	chn.enPixelFormat = input_format(c);
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
	c->exposure_result = isp_exposure(c);
	return true;
}

void sensor_down(struct camera *c)
{
	ALG_LIB_S ae = isp_ae(), awb = isp_awb();
	if (!c->sensor_registered)
		return;
	c->sensor_registered = false;
	NOTE(c, "sensor pfnUnRegisterCallback");
	c->config.sensor->pfnUnRegisterCallback(VI_PIPE, &ae, &awb);
}

void input_down(struct camera *c)
{
	UNDO(c, vi_chn, CVI_VI_DisableChn, VI_PIPE, VI_CHN);
	UNDO(c, vi_pipe_started, CVI_VI_StopPipe, VI_PIPE);
	UNDO(c, vi_pipe, CVI_VI_DestroyPipe, VI_PIPE);
	UNDO(c, vi_dev, CVI_VI_DisableDev, VI_DEV);
	UNDO(c, flip_callback, CVI_VI_UnRegChnFlipMirrorCallBack, VI_PIPE, VI_DEV);
}
