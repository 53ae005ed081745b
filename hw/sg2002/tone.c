#include "tone.h"

#include <string.h>

static bool exposure_get(struct camera *c, struct tone *t)
{
	ISP_EXPOSURE_ATTR_S a;
	memset(&a, 0, sizeof a);
	if (!CALL(c, CVI_ISP_GetExposureAttr, VI_PIPE, &a))
		return false;
	t->manual_exposure = a.enOpType == OP_TYPE_MANUAL;
	t->exposure = a.stManual.u32ExpTime;
	t->gain = a.stManual.u32AGain;
	t->max_exposure = a.stAuto.stExpTimeRange.u32Max;
	t->max_gain = a.stAuto.stAGainRange.u32Max;
	t->bias = a.stAuto.u16EVBias;
	t->flicker = a.stAuto.stAntiflicker.bEnable ? (a.stAuto.stAntiflicker.enFrequency == AE_FREQUENCE_50HZ ? 50 : 60) : 0;
	if (t->manual_exposure)
		return true;
	ISP_EXP_INFO_S *now = &c->exposure_info;
	if (!CALL(c, CVI_ISP_QueryExposureInfo, VI_PIPE, now))
		return false;
	t->exposure = now->u32ExpTime;
	t->gain = now->u32AGain;
	return true;
}

static bool balance_get(struct camera *c, struct tone *t)
{
	ISP_WB_ATTR_S a;
	memset(&a, 0, sizeof a);
	if (!CALL(c, CVI_ISP_GetWBAttr, VI_PIPE, &a))
		return false;
	t->manual_balance = a.enOpType == OP_TYPE_MANUAL;
	t->red = a.stManual.u16Rgain;
	t->blue = a.stManual.u16Bgain;
	if (t->manual_balance)
		return true;
	ISP_WB_INFO_S now;
	memset(&now, 0, sizeof now);
	if (!CALL(c, CVI_ISP_QueryWBInfo, VI_PIPE, &now))
		return false;
	t->red = now.u16Rgain;
	t->blue = now.u16Bgain;
	return true;
}

static bool saturation_get(struct camera *c, struct tone *t)
{
	ISP_SATURATION_ATTR_S a;
	memset(&a, 0, sizeof a);
	if (!CALL(c, CVI_ISP_GetSaturationAttr, VI_PIPE, &a))
		return false;
	t->manual_saturation = a.enOpType == OP_TYPE_MANUAL;
	t->saturation = t->manual_saturation ? a.stManual.Saturation : a.stAuto.Saturation[0]; /* the first is for the lowest gain */
	return true;
}

int tone_get(struct camera *c)
{
	struct tone t;
	memset(&t, 0, sizeof t);
	if (!exposure_get(c, &t) || !balance_get(c, &t) || !saturation_get(c, &t))
		return CAMERA_FAILED;
	c->tone = t;
	return CAMERA_OK;
}

static bool exposure_set(struct camera *c, const struct tone *t)
{
	ISP_EXPOSURE_ATTR_S a;
	memset(&a, 0, sizeof a);
	if (!CALL(c, CVI_ISP_GetExposureAttr, VI_PIPE, &a))
		return false;
	a.enOpType = t->manual_exposure ? OP_TYPE_MANUAL : OP_TYPE_AUTO;
	a.stManual.enExpTimeOpType = a.stManual.enAGainOpType = a.stManual.enDGainOpType = a.stManual.enISPDGainOpType = a.enOpType;
	a.stManual.u32ExpTime = t->exposure;
	a.stManual.enGainType = AE_TYPE_GAIN;
	a.stManual.u32AGain = t->gain;
	a.stManual.u32DGain = a.stManual.u32ISPDGain = GAIN_ONE;
	a.stAuto.u16EVBias = t->bias;
	a.stAuto.stAntiflicker.bEnable = t->flicker != 0;
	if (t->flicker)
		a.stAuto.stAntiflicker.enFrequency = t->flicker == 50 ? AE_FREQUENCE_50HZ : AE_FREQUENCE_60HZ;
	return CALL(c, CVI_ISP_SetExposureAttr, VI_PIPE, &a);
}

static bool balance_set(struct camera *c, const struct tone *t)
{
	ISP_WB_ATTR_S a;
	memset(&a, 0, sizeof a);
	if (!CALL(c, CVI_ISP_GetWBAttr, VI_PIPE, &a))
		return false;
	a.enOpType = t->manual_balance ? OP_TYPE_MANUAL : OP_TYPE_AUTO;
	a.stManual.u16Rgain = t->red;
	a.stManual.u16Bgain = t->blue;
	a.stManual.u16Grgain = a.stManual.u16Gbgain = GAIN_ONE;
	return CALL(c, CVI_ISP_SetWBAttr, VI_PIPE, &a);
}

static bool saturation_set(struct camera *c, const struct tone *t)
{
	ISP_SATURATION_ATTR_S a;
	memset(&a, 0, sizeof a);
	if (!CALL(c, CVI_ISP_GetSaturationAttr, VI_PIPE, &a))
		return false;
	a.enOpType = t->manual_saturation ? OP_TYPE_MANUAL : OP_TYPE_AUTO;
	a.stManual.Saturation = t->saturation;
	return CALL(c, CVI_ISP_SetSaturationAttr, VI_PIPE, &a);
}

int tone_set(struct camera *c)
{
	const struct tone *t = &c->tone;
	if (c->tone_changes & TONE_EXPOSURE && !exposure_set(c, t))
		return CAMERA_FAILED;
	if (c->tone_changes & TONE_BALANCE && !balance_set(c, t))
		return CAMERA_FAILED;
	if (c->tone_changes & TONE_SATURATION && !saturation_set(c, t))
		return CAMERA_FAILED;
	return CAMERA_OK;
}
