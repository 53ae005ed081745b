/* CVI_RGN_*: pictures that VPSS blends onto a channel. The real library replaces most of the driver's codes by -1. */
#include <string.h>
#include <unistd.h>

#include "vpu.h"

#define ENTER(handle, flags) \
	struct sim_call c; \
	struct k_rgn *r; \
	if (!sim_enter(&c, __func__, CVI_ID_RGN, -1, flags)) \
		return (int32_t)c.result; \
	r = (handle) < RGN_MAX_NUM ? &K->rgns[handle] : NULL; \
	(void)r
#define LEAVE(result) return (int32_t)sim_leave(&c, result)
#define CHECK(test, code) \
	do { \
		if (!(test)) \
			LEAVE(code); \
	} while (0)
#define EXISTS CHECK(r && r->used, CVI_FAILURE)

static uint32_t bytes_per_pixel(PIXEL_FORMAT_E format) { return format == PIXEL_FORMAT_ARGB_8888 ? 4 : 2; }

static bool overlay_format(PIXEL_FORMAT_E format)
{
	return format == PIXEL_FORMAT_ARGB_8888 || format == PIXEL_FORMAT_ARGB_4444 || format == PIXEL_FORMAT_ARGB_1555;
}

static uint32_t canvas_size(const struct k_rgn *r) { return r->stride * r->attr.unAttr.stOverlay.stSize.u32Height; }

static void free_canvases(struct k_rgn *r)
{
	for (int i = 0; i < RGN_MAX_BUF_NUM; i++) {
		if (r->canvas[i])
			sim_ion_free(r->canvas[i]);
		r->canvas[i] = 0;
	}
}

int vpu_overlays(int group, int channel, struct overlay *overlays)
{
	int n = 0;

	for (int i = 0; i < RGN_MAX_NUM && n < RGN_MAX_NUM_VPSS; i++) {
		const struct k_rgn *r = &K->rgns[i];
		const OVERLAY_ATTR_S *o = &r->attr.unAttr.stOverlay;

		if (!r->used || !r->attached || r->stale || !r->display.bShow || r->chn.enModId != CVI_ID_VPSS || r->chn.s32DevId != group ||
			r->chn.s32ChnId != channel)
			continue;
		overlays[n++] = (struct overlay){.pixels = sim_phys(r->canvas[r->current], canvas_size(r)),
			.stride = r->stride,
			.format = o->enPixelFormat,
			.width = o->stSize.u32Width,
			.height = o->stSize.u32Height,
			.x = r->display.unChnAttr.stOverlayChn.stPoint.s32X,
			.y = r->display.unChnAttr.stOverlayChn.stPoint.s32Y};
	}
	return n;
}

void vpu_regions_gone(int group)
{
	for (int i = 0; i < RGN_MAX_NUM; i++)
		if (K->rgns[i].used && K->rgns[i].attached && (group < 0 || K->rgns[i].chn.s32DevId == group))
			K->rgns[i].stale = 1;
}

int32_t CVI_RGN_Create(uint32_t Handle, const RGN_ATTR_S *pstRegion)
{
	const OVERLAY_ATTR_S *o;

	ENTER(Handle, SIM_LIFE);
	CHECK(r && pstRegion && !r->used && sim_node("/dev/cvi-rgn"), CVI_FAILURE);
	o = &pstRegion->unAttr.stOverlay;
	CHECK(pstRegion->enType == OVERLAY_RGN && overlay_format(o->enPixelFormat), CVI_FAILURE); /* other types: not simulated */
	CHECK(o->u32CanvasNum >= 1 && o->u32CanvasNum <= RGN_MAX_BUF_NUM, CVI_FAILURE);
	CHECK(o->stSize.u32Width >= RGN_MIN_WIDTH && o->stSize.u32Height >= RGN_MIN_HEIGHT && o->stSize.u32Width <= RGN_OVERLAY_MAX_WIDTH &&
			o->stSize.u32Height <= RGN_OVERLAY_MAX_HEIGHT,
		CVI_FAILURE);
	*r = (struct k_rgn){.used = 1, .pid = getpid(), .attr = *pstRegion};
	r->stride = sim_align(o->stSize.u32Width * bytes_per_pixel(o->enPixelFormat), 32);
	LEAVE(0);
}

int32_t CVI_RGN_Destroy(uint32_t Handle)
{
	ENTER(Handle, SIM_LIFE);
	EXISTS;
	if (r->attached)
		sim_fault(F_LEAK, __func__, "region %u is attached: its canvases stay allocated", Handle);
	if (r->got)
		sim_fault(F_ORDER, __func__, "the canvas of region %u has not been returned", Handle);
	memset(r, 0, sizeof *r);
	LEAVE(0);
}

int32_t CVI_RGN_GetAttr(uint32_t Handle, RGN_ATTR_S *pstRegion)
{
	ENTER(Handle, 0);
	EXISTS;
	CHECK(pstRegion, CVI_FAILURE);
	*pstRegion = r->attr;
	LEAVE(0);
}

int32_t CVI_RGN_SetAttr(uint32_t Handle, const RGN_ATTR_S *pstRegion)
{
	ENTER(Handle, 0);
	EXISTS;
	CHECK(pstRegion && pstRegion->enType == OVERLAY_RGN && !r->attached, CVI_FAILURE);
	r->attr = *pstRegion;
	r->stride = sim_align(r->attr.unAttr.stOverlay.stSize.u32Width * bytes_per_pixel(r->attr.unAttr.stOverlay.enPixelFormat), 32);
	LEAVE(0);
}

static RECT_S place(const struct k_rgn *r, const RGN_CHN_ATTR_S *a)
{
	return (RECT_S){a->unChnAttr.stOverlayChn.stPoint.s32X, a->unChnAttr.stOverlayChn.stPoint.s32Y, r->attr.unAttr.stOverlay.stSize.u32Width,
		r->attr.unAttr.stOverlay.stSize.u32Height};
}

static bool apart(RECT_S a, RECT_S b)
{
	return a.s32X + (int64_t)a.u32Width <= b.s32X || b.s32X + (int64_t)b.u32Width <= a.s32X || a.s32Y + (int64_t)a.u32Height <= b.s32Y ||
		b.s32Y + (int64_t)b.u32Height <= a.s32Y;
}

static bool fits(const struct k_rgn *r, const MMF_CHN_S *chn, const RGN_CHN_ATTR_S *a)
{
	const VPSS_CHN_ATTR_S *v;
	RECT_S p = place(r, a);
	int others = 0;

	if (chn->enModId != CVI_ID_VPSS || chn->s32DevId < 0 || chn->s32DevId >= VPSS_MAX_GRP_NUM || chn->s32ChnId < 0 ||
		chn->s32ChnId >= VPSS_MAX_CHN_NUM || !K->grps[chn->s32DevId].created || !K->grps[chn->s32DevId].chn[chn->s32ChnId].has_attr)
		return false;
	v = &K->grps[chn->s32DevId].chn[chn->s32ChnId].attr;
	if (a->enType != OVERLAY_RGN || p.s32X < 0 || p.s32Y < 0 || (uint64_t)p.s32X + p.u32Width > v->u32Width ||
		(uint64_t)p.s32Y + p.u32Height > v->u32Height)
		return false;
	for (int i = 0; i < RGN_MAX_NUM; i++) {
		const struct k_rgn *o = &K->rgns[i];

		if (o == r || !o->used || !o->attached || o->stale || o->chn.s32DevId != chn->s32DevId || o->chn.s32ChnId != chn->s32ChnId)
			continue;
		if (++others >= RGN_MAX_NUM_VPSS || !apart(p, place(o, &o->display)))
			return false;
	}
	return true;
}

static void fill(struct k_rgn *r, uint8_t *canvas)
{
	const OVERLAY_ATTR_S *o = &r->attr.unAttr.stOverlay;
	uint32_t bpp = bytes_per_pixel(o->enPixelFormat);

	for (uint32_t y = 0; y < o->stSize.u32Height; y++)
		for (uint32_t x = 0; x < o->stSize.u32Width; x++)
			memcpy(canvas + (size_t)y * r->stride + (size_t)x * bpp, &o->u32BgColor, bpp);
}

int32_t CVI_RGN_AttachToChn(uint32_t Handle, const MMF_CHN_S *pstChn, const RGN_CHN_ATTR_S *pstChnAttr)
{
	ENTER(Handle, SIM_LIFE);
	EXISTS;
	CHECK(pstChn && pstChnAttr && !r->attached && fits(r, pstChn, pstChnAttr), CVI_FAILURE);
	for (uint32_t i = 0; i < r->attr.unAttr.stOverlay.u32CanvasNum; i++) {
		r->canvas[i] = sim_ion_alloc("RGN_CANVAS", canvas_size(r));
		if (!r->canvas[i]) {
			free_canvases(r);
			LEAVE(CVI_FAILURE);
		}
		fill(r, sim_phys(r->canvas[i], canvas_size(r)));
	}
	r->chn = *pstChn;
	r->display = *pstChnAttr;
	r->attached = 1;
	r->current = 0;
	LEAVE(0);
}

int32_t CVI_RGN_DetachFromChn(uint32_t Handle, const MMF_CHN_S *pstChn)
{
	ENTER(Handle, SIM_LIFE);
	EXISTS;
	CHECK(pstChn && r->attached, CVI_FAILURE);
	vpu_engine_idle(-1);
	if (r->stale)
		sim_fault(F_ORDER, __func__, "the group of region %u was already reset or destroyed", Handle);
	if (r->got)
		sim_fault(F_ORDER, __func__, "the canvas of region %u has not been returned", Handle);
	free_canvases(r);
	r->attached = 0;
	LEAVE(r->stale ? (r->stale = 0, CVI_FAILURE) : 0);
}

int32_t CVI_RGN_SetDisplayAttr(uint32_t Handle, const MMF_CHN_S *pstChn, const RGN_CHN_ATTR_S *pstChnAttr)
{
	ENTER(Handle, 0);
	EXISTS;
	CHECK(pstChn && pstChnAttr && r->attached && fits(r, pstChn, pstChnAttr), CVI_FAILURE);
	r->display = *pstChnAttr;
	LEAVE(0);
}

int32_t CVI_RGN_GetDisplayAttr(uint32_t Handle, const MMF_CHN_S *pstChn, RGN_CHN_ATTR_S *pstChnAttr)
{
	ENTER(Handle, 0);
	EXISTS;
	CHECK(pstChn && pstChnAttr && r->attached, CVI_FAILURE);
	*pstChnAttr = r->display;
	LEAVE(0);
}

static void *mapped[RGN_MAX_NUM];

static uint32_t next_canvas(const struct k_rgn *r) { return r->attr.unAttr.stOverlay.u32CanvasNum > 1 ? 1 - r->current : 0; }

int32_t CVI_RGN_GetCanvasInfo(uint32_t Handle, RGN_CANVAS_INFO_S *pstCanvasInfo)
{
	ENTER(Handle, 0);
	EXISTS;
	CHECK(pstCanvasInfo, CVI_ERR_RGN_NULL_PTR);
	CHECK(r->attached, CVI_ERR_RGN_NOT_CONFIG);
	CHECK(!r->got, CVI_ERR_RGN_NOT_PERM);
	memset(pstCanvasInfo, 0, sizeof *pstCanvasInfo);
	pstCanvasInfo->u64PhyAddr = r->canvas[next_canvas(r)];
	mapped[Handle] = sim_map(pstCanvasInfo->u64PhyAddr, canvas_size(r), false, P_CANVAS);
	CHECK(mapped[Handle], CVI_ERR_RGN_NOMEM);
	pstCanvasInfo->pu8VirtAddr = mapped[Handle];
	pstCanvasInfo->stSize = r->attr.unAttr.stOverlay.stSize;
	pstCanvasInfo->u32Stride = r->stride;
	pstCanvasInfo->enPixelFormat = r->attr.unAttr.stOverlay.enPixelFormat;
	r->got = 1;
	LEAVE(0);
}

int32_t CVI_RGN_UpdateCanvas(uint32_t Handle)
{
	ENTER(Handle, 0);
	EXISTS;
	CHECK(r->attached && r->got, CVI_FAILURE);
	sim_unmap(mapped[Handle], __func__);
	r->current = next_canvas(r);
	r->got = 0;
	LEAVE(0);
}

int32_t CVI_RGN_SetBitMap(uint32_t Handle, const BITMAP_S *pstBitmap)
{
	const OVERLAY_ATTR_S *o;
	uint8_t *to;
	uint32_t row;

	ENTER(Handle, 0);
	CHECK(r && r->used, CVI_ERR_RGN_UNEXIST);
	CHECK(pstBitmap && pstBitmap->pData, CVI_ERR_RGN_NULL_PTR);
	CHECK(r->attached, CVI_ERR_RGN_NOT_CONFIG);
	o = &r->attr.unAttr.stOverlay;
	CHECK(pstBitmap->enPixelFormat == o->enPixelFormat && pstBitmap->u32Width == o->stSize.u32Width && pstBitmap->u32Height == o->stSize.u32Height,
		CVI_ERR_RGN_ILLEGAL_PARAM);
	CHECK(!r->got, CVI_ERR_RGN_NOT_PERM);
	row = o->stSize.u32Width * bytes_per_pixel(o->enPixelFormat);
	to = sim_phys(r->canvas[next_canvas(r)], canvas_size(r));
	for (uint32_t y = 0; y < o->stSize.u32Height; y++)
		memcpy(to + (size_t)y * r->stride, (const uint8_t *)pstBitmap->pData + (size_t)y * row, row);
	r->current = next_canvas(r);
	LEAVE(0);
}
