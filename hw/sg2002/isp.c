#define _GNU_SOURCE
#include "isp.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

ALG_LIB_S isp_ae(void) { return (ALG_LIB_S){.s32Id = 0, .acLibName = CVI_AE_LIB_NAME}; }
ALG_LIB_S isp_awb(void) { return (ALG_LIB_S){.s32Id = 0, .acLibName = CVI_AWB_LIB_NAME}; }

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
	af->stCrop = (ISP_AF_CROP_S){.bEnable = 0,
		.u16X = AF_XOFFSET_MIN,
		.u16Y = AF_YOFFSET_MIN,
		.u16W = (uint16_t)(w - 2 * AF_XOFFSET_MIN),
		.u16H = (uint16_t)(h - 2 * AF_YOFFSET_MIN)};
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
	s->unKey.u64Key |= ISP_STATISTICS_CTRL_U__bit1FEAeGloStat | ISP_STATISTICS_CTRL_U__bit1FEAeLocStat | ISP_STATISTICS_CTRL_U__bit1AwbStat1 |
		ISP_STATISTICS_CTRL_U__bit1AwbStat2 | ISP_STATISTICS_CTRL_U__bit1FEAfStat;
}

/* The tuning file improves the picture, but the stream works without it. */
static void tune(struct camera *c)
{
	char name[BIN_FILE_LENGTH] = {0};
	if (c->config.untuned || TRY(c, CVI_BIN_GetBinName, name) != CVI_SUCCESS)
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
	c->isp_result = c->mpi->CVI_ISP_Run(VI_PIPE); /* returns after CVI_ISP_Exit */
	__atomic_store_n(&c->isp_ended, true, __ATOMIC_RELEASE);
	return NULL;
}

bool isp_runs(struct camera *c)
{
	if (!__atomic_load_n(&c->isp_ended, __ATOMIC_ACQUIRE))
		return true;
	return call_result(c, "CVI_ISP_Run", c->isp_result ? c->isp_result : CVI_FAILURE);
}

bool isp_up(struct camera *c)
{
	const struct camera_config *k = &c->config;
	ALG_LIB_S ae = isp_ae(), awb = isp_awb();
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
	c->isp_ready = true;
	tune(c);

	/* The vendor runs it with real-time priority 80, so that exposure keeps up with the sensor. Without the privilege, run it at normal priority. */
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
	/* Frames captured before CVI_ISP_Run have no exposure set, so wait for the thread to start; the call follows at once. */
	pthread_mutex_lock(&c->lock);
	while (!c->isp_thread_started)
		pthread_cond_wait(&c->isp_started, &c->lock);
	c->isp_thread_started = false;
	pthread_mutex_unlock(&c->lock);
	usleep(5000);
	return isp_runs(c);
}

int32_t isp_exposure(struct camera *c)
{
	ISP_EXPOSURE_ATTR_S exposure;
	memset(&exposure, 0, sizeof exposure);
	int32_t code = TRY(c, CVI_ISP_GetExposureAttr, VI_PIPE, &exposure);
	if (code != CVI_SUCCESS)
		return code;
	ISP_AE_RANGE_S *range = &exposure.stAuto.stExpTimeRange;
	range->u32Max = c->config.exposure_max;
	if (range->u32Min > range->u32Max) /* a driver's range may start at the longest frame of its slowest mode */
		range->u32Min = range->u32Max;
	return TRY(c, CVI_ISP_SetExposureAttr, VI_PIPE, &exposure);
}

/* The ISP thread ends within 500 ms of Exit; if it does not, it is abandoned. */
static void join_isp(struct camera *c)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 3;
	if (pthread_timedjoin_np(c->isp_thread, NULL, &until))
		pthread_detach(c->isp_thread);
}

void isp_down(struct camera *c)
{
	/* Until Init has succeeded, Exit writes through a context that only Init creates: SIGSEGV in isp_sts_ctrl_exit. */
	if (c->isp_ready) {
		c->isp_ready = false;
		TRY(c, CVI_ISP_Exit, VI_PIPE);
		c->mpi->isp_buffer = false;
	}
	if (c->isp_thread_runs) {
		c->isp_thread_runs = false;
		NOTE(c, "joining CVI_ISP_Run");
		join_isp(c);
	}
}

void isp_unregister(struct camera *c)
{
	ALG_LIB_S ae = isp_ae(), awb = isp_awb();
	UNDO(c, ae, CVI_AE_UnRegister, VI_PIPE, &ae);
	UNDO(c, awb, CVI_AWB_UnRegister, VI_PIPE, &awb);
}
