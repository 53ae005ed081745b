#include "raw.h"

#include <string.h>

#include "encoder.h"
#include "scaler.h"

int raw_get(struct camera *c)
{
	int result = raw_release(c);
	if (result != CAMERA_OK)
		return result;
	return frame_get(c, &c->streamed, &c->frame);
}

int raw_release(struct camera *c)
{
	if (c->mapped) {
		TRY(c, CVI_SYS_Munmap, c->mapped, c->mapped_size);
		c->mapped = NULL;
	}
	if (!c->frame.stVFrame.u64PhyAddr[0])
		return CAMERA_OK;
	bool ok = frame_release(c, &c->streamed, &c->frame);
	memset(&c->frame, 0, sizeof c->frame);
	return ok ? CAMERA_OK : CAMERA_FAILED;
}

int raw_map(struct camera *c)
{
	const VIDEO_FRAME_S *f = &c->frame.stVFrame;
	if (c->mapped)
		return CAMERA_OK;
	c->mapped_size = f->u32Length[0] + f->u32Length[1] + f->u32Length[2]; /* the planes are contiguous */
	c->mapped = TRY(c, CVI_SYS_MmapCache, f->u64PhyAddr[0], c->mapped_size);
	if (!c->mapped) {
		call_result(c, "CVI_SYS_MmapCache", CVI_ERR_SYS_NOMEM);
		return CAMERA_FAILED;
	}
	/* The CPU's cache does not have what the hardware wrote yet, or has something older. */
	return CALL(c, CVI_SYS_IonInvalidateCache, f->u64PhyAddr[0], c->mapped, c->mapped_size) ? CAMERA_OK : CAMERA_FAILED;
}

int raw_flush(struct camera *c)
{
	if (!c->mapped)
		return CAMERA_OK;
	return CALL(c, CVI_SYS_IonFlushCache, c->frame.stVFrame.u64PhyAddr[0], c->mapped, c->mapped_size) ? CAMERA_OK : CAMERA_FAILED;
}

int raw_encode(struct camera *c) { return venc_encode(c, &c->streamed, &c->frame); }
