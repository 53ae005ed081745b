#include "overlay.h"

#include <string.h>

static const MMF_CHN_S vpss_channel = {CVI_ID_VPSS, VPSS_GRP, STREAM_CHN};

void overlay_down(struct camera *c)
{
	if (c->region_attached) { /* frees the canvas, which Destroy alone would leak */
		c->region_attached = false;
		TRY(c, CVI_RGN_DetachFromChn, RGN_HANDLE, &vpss_channel);
	}
	if (c->region) {
		c->region = false;
		TRY(c, CVI_RGN_Destroy, RGN_HANDLE);
	}
}

static bool region_up(struct camera *c)
{
	RGN_ATTR_S region;
	memset(&region, 0, sizeof region);
	region.enType = OVERLAY_RGN;
	region.unAttr.stOverlay.enPixelFormat = PIXEL_FORMAT_ARGB_4444;
	region.unAttr.stOverlay.stSize = (SIZE_S){c->bitmap_width, c->bitmap_height};
	region.unAttr.stOverlay.u32CanvasNum = 2; /* one is shown while the other is written */
	region.unAttr.stOverlay.stCompressInfo.enOSDCompressMode = OSD_COMPRESS_MODE_NONE;
	if (!CALL(c, CVI_RGN_Create, RGN_HANDLE, &region))
		return false;
	c->region = true;
	c->region_width = c->bitmap_width;
	c->region_height = c->bitmap_height;
	c->region_x = c->bitmap_x;
	c->region_y = c->bitmap_y;
	RGN_CHN_ATTR_S place;
	memset(&place, 0, sizeof place);
	place.bShow = 1;
	place.enType = OVERLAY_RGN;
	place.unChnAttr.stOverlayChn.stPoint = (POINT_S){(int32_t)c->bitmap_x, (int32_t)c->bitmap_y};
	if (!CALL(c, CVI_RGN_AttachToChn, RGN_HANDLE, &vpss_channel, &place))
		return false;
	c->region_attached = true;
	return true;
}

int overlay_set(struct camera *c)
{
	if (!c->bitmap) {
		overlay_down(c);
		return CAMERA_OK;
	}
	if (c->region &&
		(c->region_width != c->bitmap_width || c->region_height != c->bitmap_height || c->region_x != c->bitmap_x || c->region_y != c->bitmap_y))
		overlay_down(c);
	if (!c->region_attached && !region_up(c)) {
		overlay_down(c);
		return CAMERA_FAILED;
	}
	BITMAP_S bitmap;
	memset(&bitmap, 0, sizeof bitmap);
	bitmap.enPixelFormat = PIXEL_FORMAT_ARGB_4444;
	bitmap.u32Width = c->bitmap_width;
	bitmap.u32Height = c->bitmap_height;
	bitmap.pData = (void *)(uintptr_t)c->bitmap;
	return CALL(c, CVI_RGN_SetBitMap, RGN_HANDLE, &bitmap) ? CAMERA_OK : CAMERA_FAILED;
}
