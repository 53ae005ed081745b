/*
 * The driver requests that the libraries make below their calls, and the effect of refusing one: "refuse=REQUEST:N[:COUNT]". Some
 * errors are passed on, many are ignored, and two kill the process.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core_private.h"
#include "rules.h"

#define EIO_POSITIVE 5 /* CVI_MIPI_* return a positive errno */

/* Calls that make one request and return an error if it is refused. */
static const struct {
	const char *call, *request;
	int64_t code;
} passed[] = {
	{"CVI_VB_SetConfig", "VB_IOCTL_SET_CONFIG", CVI_FAILURE},
	{"CVI_VB_CreatePool", "VB_IOCTL_CREATE_POOL", VB_INVALID_POOLID},
	{"CVI_SYS_Bind", "SYS_SET_BINDCFG", CVI_FAILURE},
	{"CVI_SYS_IonAlloc", "SYS_ION_ALLOC", CVI_ERR_SYS_NOMEM},
	{"CVI_SYS_IonFree", "SYS_ION_FREE", CVI_FAILURE},
	{"CVI_MIPI_SetSensorReset", "CVI_MIPI_RESET_SENSOR", EIO_POSITIVE},
	{"CVI_MIPI_SetMipiReset", "CVI_MIPI_RESET_MIPI", EIO_POSITIVE},
	{"CVI_MIPI_SetMipiAttr", "CVI_MIPI_SET_DEV_ATTR", EIO_POSITIVE},
	{"CVI_MIPI_SetSensorClock", "CVI_MIPI_ENABLE_SENSOR_CLOCK", EIO_POSITIVE},
	{"CVI_VI_CreatePipe", "VI_SDK_CREATE_PIPE", CVI_ERR_VI_FAILED_NOT_ENABLED},
	{"CVI_VI_StartPipe", "VI_SDK_START_PIPE", CVI_ERR_VI_FAILED_NOT_ENABLED},
	{"CVI_VI_SetChnAttr", "VI_SDK_SET_CHN_ATTR", CVI_FAILURE},
	{"CVI_VPSS_CreateGrp", "VPSS_CREATE_GROUP", CVI_FAILURE},
	{"CVI_VPSS_ResetGrp", "VPSS_RESET_GROUP", CVI_FAILURE},
	{"CVI_VPSS_StartGrp", "VPSS_START_GROUP", CVI_FAILURE},
	{"CVI_VPSS_SetChnAttr", "VPSS_SET_CHN_ATTR", CVI_FAILURE},
	{"CVI_VPSS_SetChnCrop", "VPSS_SET_CHN_CROP", CVI_FAILURE},
	{"CVI_VPSS_AttachVbPool", "VPSS_ATTACH_VB_POOL", CVI_FAILURE},
	{"CVI_VPSS_EnableChn", "VPSS_ENABLE_CHN", CVI_FAILURE},
	{"CVI_VPSS_GetChnFrame", "VPSS_GET_CHN_FRAME", CVI_FAILURE},
	{"CVI_VPSS_ReleaseChnFrame", "VPSS_RELEASE_CHN_FRAME", CVI_FAILURE},
	{"CVI_VENC_GetModParam", "CVI_VC_VENC_GET_MODPARAM", CVI_FAILURE},
	{"CVI_VENC_SetModParam", "CVI_VC_VENC_SET_MODPARAM", CVI_FAILURE},
	{"CVI_VENC_CreateChn", "CVI_VC_VENC_CREATE_CHN", CVI_FAILURE},
	{"CVI_VENC_GetJpegParam", "CVI_VC_VENC_GET_JPEG_PARAM", CVI_FAILURE},
	{"CVI_VENC_SetJpegParam", "CVI_VC_VENC_SET_JPEG_PARAM", CVI_FAILURE},
	{"CVI_VENC_GetChnAttr", "CVI_VC_VENC_GET_CHN_ATTR", CVI_FAILURE},
	{"CVI_VENC_SetChnAttr", "CVI_VC_VENC_SET_CHN_ATTR", CVI_FAILURE},
	{"CVI_VENC_GetRcParam", "CVI_VC_VENC_GET_RC_PARAM", CVI_FAILURE},
	{"CVI_VENC_SetRcParam", "CVI_VC_VENC_SET_RC_PARAM", CVI_FAILURE},
	{"CVI_VENC_SetH264Entropy", "CVI_VC_VENC_SET_H264_ENTROPY", CVI_FAILURE},
	{"CVI_VENC_GetH264Vui", "CVI_VC_VENC_GET_H264_VUI", CVI_FAILURE},
	{"CVI_VENC_SetH264Vui", "CVI_VC_VENC_SET_H264_VUI", CVI_FAILURE},
	{"CVI_VENC_RequestIDR", "CVI_VC_VENC_REQUEST_IDR", CVI_FAILURE},
	{"CVI_VENC_StartRecvFrame", "CVI_VC_VENC_START_RECV_FRAME", CVI_FAILURE},
	{"CVI_VENC_SendFrame", "CVI_VC_VENC_SEND_FRAME", CVI_FAILURE},
	{"CVI_VENC_GetStream", "CVI_VC_VENC_GET_STREAM", CVI_FAILURE},
	{"CVI_VENC_ReleaseStream", "CVI_VC_VENC_RELEASE_STREAM", CVI_FAILURE},
	{"CVI_RGN_Create", "RGN_SDK_CREATE", CVI_FAILURE},
	{"CVI_RGN_AttachToChn", "RGN_SDK_ATTACH_TO_CHN", CVI_FAILURE},
	{"CVI_RGN_SetBitMap", "RGN_SDK_SET_BIT_MAP", CVI_FAILURE},
};

static void trace(const char *name)
{
	static FILE *file;
	char path[PATH_MAX + 16];

	if (!sim_setting("requests", 0) || sim_private())
		return;
	if (!file) {
		snprintf(path, sizeof path, "%s/requests.log", sim_dir());
		file = fopen(path, "ae");
	}
	if (file) {
		fprintf(file, "%s\n", name);
		fflush(file);
	}
}

bool sim_request(const char *name)
{
	trace(name);
	if (!sim_rule('R', name))
		return true;
	sim_count("injected.refusals", 1);
	return false;
}

bool sim_requests(struct sim_call *call)
{
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		if (!strcmp(passed[i].call, call->name) && !sim_request(passed[i].request)) {
			call->result = passed[i].code;
			return false;
		}
	return true;
}
