#include "bringup.h"

#include "encoder.h"
#include "input.h"
#include "isp.h"
#include "memory.h"
#include "output.h"
#include "overlay.h"
#include "raw.h"
#include "scaler.h"
#include "video.h"

static uint32_t nv21_size(uint32_t width, uint32_t height) { return ALIGN(width, DEFAULT_ALIGN) * ALIGN(height, 2) * 3 / 2; }

enum { SENSOR_BLOCKS = 3 }; /* two in VI, one in VPSS */

/* Bytes of a sensor frame. */
static uint32_t sensor_block(const struct camera_config *k)
{
	uint32_t upright = nv21_size(k->width, k->height), turned = nv21_size(k->height, k->width);
	if (k->yuv)
		return ALIGN(2 * k->width, DEFAULT_ALIGN) * k->height;
	return upright > turned ? upright : turned;
}

int64_t camera_memory(const struct camera_config *k)
{
	int64_t need = (int64_t)SENSOR_BLOCKS * sensor_block(k) + ISP_BUFFER + POOL_BLOCKS * (int64_t)picture_size(k->out_width, k->out_height) +
		k->stream_buffer;
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
	/* After a failed Init, a second one in this process would falsely report success unless Exit is called first. */
	if (!CALL(c, CVI_VB_Init)) {
		TRY(c, CVI_VB_Exit);
		return false;
	}
	c->vb = true;
	if (!CALL(c, CVI_SYS_Init))
		return false;
	c->sys = true;
	for (int i = 0; i < c->config.orphan_count; i++) /* a failure only leaves less room */
		TRY(c, CVI_SYS_IonFree, c->config.orphans[i], NULL);
	c->config.orphan_count = 0;
	return CALL(c, CVI_VI_SetDevNum, 1);
}

int camera_up(struct camera *c)
{
	bool ok = system_up(c) && sensor_up(c) && device_up(c) && isp_up(c) && input_up(c) && group_up(c) && venc_module(c) &&
		output_up(c) == CAMERA_OK && still_up(c) == CAMERA_OK && group_bind(c);
	if (ok) {
		video_restore(c);
		return CAMERA_OK;
	}
	struct failure failed = c->failed;
	camera_down(c);
	c->failed = failed;
	return CAMERA_FAILED;
}

void camera_down(struct camera *c)
{
	overlay_down(c);
	raw_release(c);
	video_down(c);
	outputs_down(c);
	isp_down(c);
	sensor_down(c);
	isp_unregister(c);
	input_down(c);
	UNDO(c, sys, CVI_SYS_Exit);
	UNDO(c, vb, CVI_VB_Exit);
}

int camera_recover(struct camera *c)
{
	if (!CALL(c, CVI_VB_Init))
		return CAMERA_FAILED;
	if (!CALL(c, CVI_SYS_Init)) {
		TRY(c, CVI_VB_Exit);
		return CAMERA_FAILED;
	}
	group_clear(c);
	for (int32_t i = STREAM_CHN; i <= VIDEO_CHN; i++)
		venc_clear(c, i);
	bool ok = CALL(c, CVI_SYS_Exit);
	return CALL(c, CVI_VB_Exit) && ok ? CAMERA_OK : CAMERA_FAILED;
}
