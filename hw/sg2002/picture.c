#include "picture.h"

#include <string.h>

#include "encoder.h"
#include "memory.h"

void program_down(struct camera *c) { pool_down(c, &c->picture_pool); }

/* Full-range BT.601 as JFIF requires, in 16-bit fixed point; chroma from the mean of four pixels. */
static void rgb_rows(const uint8_t *top, const uint8_t *bottom, uint32_t width, uint8_t *y0, uint8_t *y1, uint8_t *vu)
{
	for (uint32_t x = 0; x < width; x += 2) {
		uint32_t next = x + 1 < width ? 1 : 0;
		const uint8_t *four[4] = {top + 3 * x, top + 3 * (x + next), bottom + 3 * x, bottom + 3 * (x + next)};
		uint8_t *luma[4] = {y0 + x, y0 + x + 1, y1 + x, y1 + x + 1};
		int32_t r = 0, g = 0, b = 0;
		for (int i = 0; i < 4; i++) {
			r += four[i][0];
			g += four[i][1];
			b += four[i][2];
			*luma[i] = (uint8_t)((19595 * four[i][0] + 38470 * four[i][1] + 7471 * four[i][2] + 32768) >> 16);
		}
		/* Sums of four: two more bits of shift. 128 and the rounding are added first, which keeps the sum positive. */
		int32_t v = (32768 * r - 27439 * g - 5329 * b + (128 << 18) + (1 << 17) - 1) >> 18;
		int32_t u = (-11059 * r - 21709 * g + 32768 * b + (128 << 18) + (1 << 17) - 1) >> 18;
		vu[x] = (uint8_t)v;
		vu[x + 1] = (uint8_t)u;
	}
}

/* Copies into a block of the encoder's size; rows below the picture repeat its last one. */
static void fill(const struct camera *c, uint8_t *y, uint8_t *vu, uint32_t stride)
{
	uint32_t width = c->picture_width, height = c->picture_height, rows = ALIGN(height, 16);
	uint32_t pairs = (width + 1) / 2 * 2, half = (height + 1) / 2;
	if (c->rgb) {
		for (uint32_t row = 0; row < rows; row += 2) {
			const uint8_t *top = c->planes[0] + (size_t)(row < height ? row : height - 1) * c->strides[0];
			const uint8_t *bottom = c->planes[0] + (size_t)(row + 1 < height ? row + 1 : height - 1) * c->strides[0];
			rgb_rows(top, bottom, width, y + (size_t)row * stride, y + (size_t)(row + 1) * stride, vu + (size_t)row / 2 * stride);
		}
		return;
	}
	for (uint32_t row = 0; row < rows; row++)
		memcpy(y + (size_t)row * stride, c->planes[0] + (size_t)(row < height ? row : height - 1) * c->strides[0], width);
	for (uint32_t row = 0; row < rows / 2; row++)
		memcpy(vu + (size_t)row * stride, c->planes[1] + (size_t)(row < half ? row : half - 1) * c->strides[1], pairs);
}

static int encode_block(struct camera *c, uint64_t at, uint32_t stride, uint32_t size)
{
	uint8_t *memory = TRY(c, CVI_SYS_MmapCache, at, size);
	if (!memory) {
		call_result(c, "CVI_SYS_MmapCache", CVI_ERR_SYS_NOMEM);
		return CAMERA_FAILED;
	}
	uint32_t rows = ALIGN(c->picture_height, 16);
	pthread_mutex_lock(&c->lock); /* a caller that gave up has taken its picture back */
	bool there = !c->abandoned && c->planes[0];
	if (there)
		fill(c, memory, memory + (size_t)stride * rows, stride);
	pthread_mutex_unlock(&c->lock);
	bool flushed = CALL(c, CVI_SYS_IonFlushCache, at, memory, size);
	bool unmapped = CALL(c, CVI_SYS_Munmap, memory, size);
	if (!there)
		return CAMERA_EMPTY;
	if (!flushed || !unmapped)
		return CAMERA_FAILED;
	VIDEO_FRAME_INFO_S frame;
	memset(&frame, 0, sizeof frame);
	VIDEO_FRAME_S *f = &frame.stVFrame;
	f->u32Width = c->picture_width;
	f->u32Height = c->picture_height;
	f->enPixelFormat = PIXEL_FORMAT_NV21;
	f->u32Stride[0] = f->u32Stride[1] = stride;
	f->u64PhyAddr[0] = at;
	f->u64PhyAddr[1] = at + (uint64_t)stride * rows;
	f->u32Length[0] = stride * rows;
	f->u32Length[1] = stride * rows / 2;
	frame.u32PoolId = c->picture_pool;
	return venc_encode(c, &c->streamed, &frame);
}

int program_picture(struct camera *c)
{
	uint32_t stride = ALIGN(c->picture_width, DEFAULT_ALIGN), size = picture_size(c->picture_width, c->picture_height);
	if (c->picture_pool != VB_INVALID_POOLID && c->picture_pool_size != size)
		pool_down(c, &c->picture_pool);
	if (c->picture_pool == VB_INVALID_POOLID) {
		if (!pool_up(c, &c->picture_pool, size, 1))
			return CAMERA_FAILED;
		c->picture_pool_size = size;
	}
	uint64_t block = TRY(c, CVI_VB_GetBlock, c->picture_pool, size);
	if (block == VB_INVALID_HANDLE) {
		call_result(c, "CVI_VB_GetBlock", CVI_ERR_VB_NOBUF);
		return CAMERA_FAILED;
	}
	uint64_t at = TRY(c, CVI_VB_Handle2PhysAddr, block);
	int result = CAMERA_FAILED;
	if (at)
		result = encode_block(c, at, stride, size);
	else
		call_result(c, "CVI_VB_Handle2PhysAddr", CVI_ERR_VB_INVALID);
	struct failure failed = c->failed;
	if (!CALL(c, CVI_VB_ReleaseBlock, block) && result == CAMERA_OK)
		return CAMERA_FAILED;
	c->failed = failed;
	return result;
}
