/* What the pictures come out of: the VPSS channel with its pool, and the encoder. */
#define _GNU_SOURCE
#include "camera.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define ALIGN(n, to) (((n) + (to) - 1) / (to) * (to))

static const MMF_CHN_S vpss_out = {CVI_ID_VPSS, VPSS_GRP, VPSS_CHN}, venc_in = {CVI_ID_VENC, 0, VENC_CHN};

/* The encoder rounds the height up to 16 and reads those rows, too; a block that ends with the picture would be overrun. */
static uint32_t block_size(const struct camera *c)
{
	return ALIGN(c->config.out_width, DEFAULT_ALIGN) * ALIGN(c->config.out_height, 16) * 3 / 2;
}

/* 1..49 and 51..99 exist; 0 would be the built-in tables. */
static uint32_t real_quality(uint32_t quality)
{
	if (quality == 50)
		return 51;
	return quality > 99 ? 99 : quality < 1 ? 1 : quality;
}

static PIXEL_FORMAT_E out_format(void) { return PIXEL_FORMAT_NV21; }

static void vpss_attributes(const struct camera *c, VPSS_CHN_ATTR_S *a)
{
	const struct camera_config *k = &c->config;
	memset(a, 0, sizeof *a); /* padding too: the driver compares whole structs */
	a->u32Width = k->out_width;
	a->u32Height = k->out_height;
	a->enVideoFormat = VIDEO_FORMAT_LINEAR;
	a->enPixelFormat = out_format();
	/* Rate control works only when 0 < dst < src. */
	if (k->out_fps > 0 && k->out_fps < (int32_t)k->fps)
		a->stFrameRate = (FRAME_RATE_CTRL_S){(int32_t)k->fps, k->out_fps};
	else
		a->stFrameRate = (FRAME_RATE_CTRL_S){-1, -1};
	a->bMirror = k->mirror;
	a->bFlip = k->flip;
	a->u32Depth = k->bound ? 0 : PARKED;
	a->stAspectRatio.enMode = k->fit == FIT_PAD ? ASPECT_RATIO_AUTO : ASPECT_RATIO_NONE;
	a->stAspectRatio.bEnableBgColor = k->fit == FIT_PAD;
}

/* The middle of the sensor's picture in the shape of the output. */
static VPSS_CROP_INFO_S crop(const struct camera *c)
{
	const struct camera_config *k = &c->config;
	uint64_t w = k->width, h = k->height;
	VPSS_CROP_INFO_S info = {.bEnable = 1, .enCropCoordinate = VPSS_CROP_ABS_COOR};
	if (w * k->out_height > h * k->out_width)
		w = h * k->out_width / k->out_height;
	else
		h = w * k->out_height / k->out_width;
	w &= ~(uint64_t)1;
	h &= ~(uint64_t)1;
	info.stCropRect = (RECT_S){(int32_t)((k->width - w) / 2) & ~1, (int32_t)((k->height - h) / 2) & ~1, (uint32_t)w, (uint32_t)h};
	return info;
}

static bool make_pool(struct camera *c, uint32_t *pool, uint32_t size, uint32_t count)
{
	VB_POOL_CONFIG_S config = {.u32BlkSize = size, .u32BlkCnt = count, .enRemapMode = VB_REMAP_MODE_CACHED};
	c->doing = "CVI_VB_CreatePool";
	uint32_t id = c->mpi->CVI_VB_CreatePool(&config);
	if (id >= 512) /* error codes come back as pool ids */
		return call_result(c, "CVI_VB_CreatePool", id == VB_INVALID_POOLID ? CVI_ERR_VB_NOMEM : (int32_t)id);
	*pool = id;
	return true;
}

static bool venc_up(struct camera *c)
{
	const struct camera_config *k = &c->config;
	/* JFIF instead of a frame counter in APP9, which would make every picture of a still scene differ. All JPEG channels have it. */
	VENC_PARAM_MOD_S module;
	memset(&module, 0, sizeof module);
	module.enVencModType = MODTYPE_JPEGE;
	if (!CALL(c, CVI_VENC_GetModParam, &module))
		return false;
	module.enVencModType = MODTYPE_JPEGE;
	module.stJpegeModParam.enJpegeFormat = JPEGE_FORMAT_TYPE_1;
	if (!CALL(c, CVI_VENC_SetModParam, &module))
		return false;

	uint32_t fps = k->fps < 1 ? 1 : (uint32_t)k->fps;
	VENC_CHN_ATTR_S a;
	memset(&a, 0, sizeof a);
	a.stVencAttr.enType = PT_JPEG;
	a.stVencAttr.u32MaxPicWidth = a.stVencAttr.u32PicWidth = k->out_width;
	a.stVencAttr.u32MaxPicHeight = a.stVencAttr.u32PicHeight = k->out_height;
	a.stVencAttr.u32BufSize = k->stream_buffer;
	a.stVencAttr.bByFrame = 1;
	a.stRcAttr.enRcMode = VENC_RC_MODE_MJPEGFIXQP;
	a.stRcAttr.stMjpegFixQp.u32SrcFrameRate = fps;
	a.stRcAttr.stMjpegFixQp.fr32DstFrameRate = fps;
	a.stRcAttr.stMjpegFixQp.u32Qfactor = real_quality(k->quality);
	if (!CALL(c, CVI_VENC_CreateChn, VENC_CHN, &a))
		return false;
	c->venc = true;
	if (output_quality(c) != CAMERA_OK)
		return false;
	if (k->bound) { /* the encoder's thread is made by StartRecvFrame, and only if the bind is there */
		if (!CALL(c, CVI_SYS_Bind, &vpss_out, &venc_in))
			return false;
		c->venc_bound = true;
	}
	VENC_RECV_PIC_PARAM_S receive = {.s32RecvPicNum = -1};
	if (!CALL(c, CVI_VENC_StartRecvFrame, VENC_CHN, &receive))
		return false;
	c->receiving = true;
	return true;
}

int output_up(struct camera *c)
{
	VPSS_CHN_ATTR_S a;
	vpss_attributes(c, &a);
	bool ok = make_pool(c, &c->pool, block_size(c), POOL_BLOCKS);
	if (ok && c->config.fit == FIT_CROP) {
		VPSS_CROP_INFO_S middle = crop(c);
		ok = CALL(c, CVI_VPSS_SetChnCrop, VPSS_GRP, VPSS_CHN, &middle);
	}
	ok = ok && CALL(c, CVI_VPSS_SetChnAttr, VPSS_GRP, VPSS_CHN, &a) && CALL(c, CVI_VPSS_AttachVbPool, VPSS_GRP, VPSS_CHN, c->pool);
	if (ok && CALL(c, CVI_VPSS_EnableChn, VPSS_GRP, VPSS_CHN))
		c->channel = true;
	ok = ok && c->channel && venc_up(c);
	if (ok)
		return CAMERA_OK;
	const char *call = c->failed_call;
	int32_t code = c->failed_code;
	output_down(c);
	c->failed_call = call;
	c->failed_code = code;
	return CAMERA_FAILED;
}

void output_down(struct camera *c)
{
	const struct mpi *m = c->mpi;
	if (c->venc_bound) { /* before the encoder stops: its thread would live on with memory that is gone */
		c->venc_bound = false;
		c->doing = "CVI_SYS_UnBind";
		m->CVI_SYS_UnBind(&vpss_out, &venc_in);
	}
	if (c->receiving) {
		c->receiving = false;
		c->doing = "CVI_VENC_StopRecvFrame";
		m->CVI_VENC_StopRecvFrame(VENC_CHN);
	}
	if (c->venc) {
		c->venc = false;
		c->doing = "CVI_VENC_DestroyChn";
		m->CVI_VENC_DestroyChn(VENC_CHN);
	}
	if (c->channel) {
		c->channel = false;
		c->doing = "CVI_VPSS_DisableChn";
		m->CVI_VPSS_DisableChn(VPSS_GRP, VPSS_CHN);
	}
	if (c->pool != VB_INVALID_POOLID) {
		c->doing = "CVI_VB_DestroyPool";
		m->CVI_VPSS_DetachVbPool(VPSS_GRP, VPSS_CHN);
		m->CVI_VB_DestroyPool(c->pool);
		c->pool = VB_INVALID_POOLID;
	}
	if (c->picture_pool != VB_INVALID_POOLID) {
		c->doing = "CVI_VB_DestroyPool";
		m->CVI_VB_DestroyPool(c->picture_pool);
		c->picture_pool = VB_INVALID_POOLID;
	}
}

int output_quality(struct camera *c)
{
	VENC_JPEG_PARAM_S p;
	memset(&p, 0, sizeof p);
	if (!CALL(c, CVI_VENC_GetJpegParam, VENC_CHN, &p))
		return CAMERA_FAILED;
	p.u32Qfactor = real_quality(c->config.quality);
	p.u32MCUPerECS = 0;
	return CALL(c, CVI_VENC_SetJpegParam, VENC_CHN, &p) ? CAMERA_OK : CAMERA_FAILED;
}

int output_vpss(struct camera *c)
{
	VPSS_CHN_ATTR_S a;
	vpss_attributes(c, &a);
	return CALL(c, CVI_VPSS_SetChnAttr, VPSS_GRP, VPSS_CHN, &a) ? CAMERA_OK : CAMERA_FAILED;
}

static bool again(int32_t code)
{
	return code == CVI_ERR_VENC_BUSY || code == CVI_ERR_VENC_EMPTY_STREAM_FRAME || code == CVI_ERR_VENC_BUF_EMPTY ||
		code == CVI_ERR_VENC_BUF_FULL || code == CVI_ERR_VENC_MUTEX_ERROR;
}

/*
 * Takes the stream that is ready, copies it into the caller's buffer, and gives it back at once: nobody who is slow ever holds
 * the encoder's memory. This is the one copy of a picture.
 */
static int take_stream(struct camera *c, int32_t wait_ms)
{
	memset(&c->stream, 0, sizeof c->stream);
	memset(c->packs, 0, sizeof c->packs);
	c->stream.pstPack = c->packs;
	c->doing = "CVI_VENC_GetStream";
	int32_t code = c->mpi->CVI_VENC_GetStream(VENC_CHN, &c->stream, wait_ms);
	if (code == CVI_ERR_VENC_MUTEX_ERROR)
		code = c->mpi->CVI_VENC_GetStream(VENC_CHN, &c->stream, wait_ms);
	if (code != CVI_SUCCESS) {
		call_result(c, "CVI_VENC_GetStream", code);
		return again(code) ? CAMERA_EMPTY : CAMERA_FAILED;
	}
	int result = CAMERA_OK;
	size_t size = 0;
	uint32_t packs = c->stream.u32PackCount < 8 ? c->stream.u32PackCount : 8;
	for (uint32_t i = 0; i < packs; i++) {
		const VENC_PACK_S *p = &c->packs[i];
		if (!p->pu8Addr || p->u32Len < p->u32Offset) { /* /dev/mem could not be mapped */
			call_result(c, "CVI_VENC_GetStream (mapping)", CVI_ERR_VENC_BADADDR);
			result = CAMERA_FAILED;
			break;
		}
		size += p->u32Len - p->u32Offset;
	}
	if (result == CAMERA_OK) {
		pthread_mutex_lock(&c->lock); /* a caller that gave up has taken its buffer back */
		if (c->abandoned || !c->buffer) {
			result = CAMERA_EMPTY;
		} else if (size > c->room || size == 0) {
			result = CAMERA_TOO_LARGE;
		} else {
			size_t at = 0;
			for (uint32_t i = 0; i < packs; i++) {
				const VENC_PACK_S *p = &c->packs[i];
				memcpy(c->buffer + at, p->pu8Addr + p->u32Offset, p->u32Len - p->u32Offset);
				at += p->u32Len - p->u32Offset;
			}
			c->copied++;
			c->copied_bytes += size;
		}
		pthread_mutex_unlock(&c->lock);
		c->size = size;
		if (c->packs[0].u64PTS)
			c->pts = c->packs[0].u64PTS;
	}
	if (!CALL(c, CVI_VENC_ReleaseStream, VENC_CHN, &c->stream))
		result = CAMERA_FAILED;
	return result;
}

/* Sends a frame and takes its picture: nothing else is sent on any channel in between, for the driver has one lock for all. */
static int encode(struct camera *c, const VIDEO_FRAME_INFO_S *frame)
{
	const int32_t wait = 2000; /* ms: the driver's own limit for one picture */
	c->doing = "CVI_VENC_SendFrame";
	int32_t code = c->mpi->CVI_VENC_SendFrame(VENC_CHN, frame, wait);
	if (code == CVI_ERR_VENC_BUSY)
		code = c->mpi->CVI_VENC_SendFrame(VENC_CHN, frame, wait);
	if (code == CVI_ERR_VENC_FRC_NO_ENC)
		return CAMERA_EMPTY;
	if (!call_result(c, "CVI_VENC_SendFrame", code))
		return CAMERA_FAILED;
	int result = take_stream(c, wait);
	if (result == CAMERA_EMPTY)
		result = CAMERA_FAILED; /* it was sent and did not come back: the channel must be made again */
	return result;
}

static int get_frame(struct camera *c, VIDEO_FRAME_INFO_S *frame)
{
	memset(frame, 0, sizeof *frame);
	c->doing = "CVI_VPSS_GetChnFrame";
	int32_t code = c->mpi->CVI_VPSS_GetChnFrame(VPSS_GRP, VPSS_CHN, frame, c->wait_ms);
	if (code == CVI_ERR_VPSS_BUF_EMPTY)
		return CAMERA_EMPTY;
	return call_result(c, "CVI_VPSS_GetChnFrame", code) ? CAMERA_OK : CAMERA_FAILED;
}

static int bound_picture(struct camera *c)
{
	c->doing = "CVI_VENC_GetFd";
	struct pollfd ready = {.fd = c->mpi->CVI_VENC_GetFd(VENC_CHN), .events = POLLIN};
	if (ready.fd < 0)
		return call_result(c, "CVI_VENC_GetFd", ready.fd) ? CAMERA_OK : CAMERA_FAILED;
	c->doing = "poll on the encoder";
	int n = poll(&ready, 1, c->wait_ms);
	if (n == 0 || (n < 0 && errno == EINTR))
		return CAMERA_EMPTY;
	if (n < 0) {
		call_result(c, "poll on the encoder", -errno);
		return CAMERA_FAILED;
	}
	return take_stream(c, 0);
}

int output_encode_raw(struct camera *c) { return encode(c, &c->frame); }

/* A program's picture: into a block of the encoder's size, whose rows below the picture repeat its last one. */
int output_encode_picture(struct camera *c)
{
	uint32_t width = c->picture_width, height = c->picture_height;
	uint32_t stride = ALIGN(width, DEFAULT_ALIGN), rows = ALIGN(height, 16);
	uint32_t size = stride * rows * 3 / 2;
	if (c->picture_pool != VB_INVALID_POOLID && c->picture_pool_size != size) {
		c->mpi->CVI_VB_DestroyPool(c->picture_pool);
		c->picture_pool = VB_INVALID_POOLID;
	}
	if (c->picture_pool == VB_INVALID_POOLID) {
		if (!make_pool(c, &c->picture_pool, size, 1))
			return CAMERA_FAILED;
		c->picture_pool_size = size;
	}
	c->doing = "CVI_VB_GetBlock";
	uint64_t block = c->mpi->CVI_VB_GetBlock(c->picture_pool, size);
	if (block == VB_INVALID_HANDLE) {
		call_result(c, "CVI_VB_GetBlock", CVI_ERR_VB_NOBUF);
		return CAMERA_FAILED;
	}
	uint64_t at = c->mpi->CVI_VB_Handle2PhysAddr(block);
	int result = CAMERA_FAILED;
	c->doing = "CVI_SYS_MmapCache";
	uint8_t *memory = at ? c->mpi->CVI_SYS_MmapCache(at, size) : NULL;
	if (!memory) {
		call_result(c, "CVI_SYS_MmapCache", CVI_ERR_SYS_NOMEM);
	} else {
		uint8_t *y = memory, *vu = memory + (size_t)stride * rows;
		for (uint32_t row = 0; row < rows; row++)
			memcpy(y + (size_t)row * stride, c->planes[0] + (size_t)(row < height ? row : height - 1) * c->strides[0], width);
		uint32_t pairs = (width + 1) / 2 * 2, half = (height + 1) / 2;
		for (uint32_t row = 0; row < rows / 2; row++)
			memcpy(vu + (size_t)row * stride, c->planes[1] + (size_t)(row < half ? row : half - 1) * c->strides[1], pairs);
		bool flushed = CALL(c, CVI_SYS_IonFlushCache, at, memory, size);
		c->mpi->CVI_SYS_Munmap(memory, size);
		if (flushed) {
			VIDEO_FRAME_INFO_S frame;
			memset(&frame, 0, sizeof frame);
			VIDEO_FRAME_S *f = &frame.stVFrame;
			f->u32Width = width;
			f->u32Height = height;
			f->enPixelFormat = PIXEL_FORMAT_NV21;
			f->u32Stride[0] = f->u32Stride[1] = stride;
			f->u64PhyAddr[0] = at;
			f->u64PhyAddr[1] = at + (uint64_t)stride * rows;
			f->u32Length[0] = stride * rows;
			f->u32Length[1] = stride * rows / 2;
			frame.u32PoolId = c->picture_pool;
			result = encode(c, &frame);
		}
	}
	const char *call = c->failed_call;
	int32_t code = c->failed_code;
	if (!CALL(c, CVI_VB_ReleaseBlock, block) && result == CAMERA_OK)
		return CAMERA_FAILED;
	c->failed_call = call;
	c->failed_code = code;
	return result;
}

int output_picture(struct camera *c)
{
	if (c->config.bound)
		return bound_picture(c);
	VIDEO_FRAME_INFO_S frame;
	int result = get_frame(c, &frame);
	if (result != CAMERA_OK)
		return result;
	c->pts = frame.stVFrame.u64PTS;
	result = encode(c, &frame);
	c->pts = frame.stVFrame.u64PTS;
	const char *call = c->failed_call;
	int32_t code = c->failed_code;
	if (!CALL(c, CVI_VPSS_ReleaseChnFrame, VPSS_GRP, VPSS_CHN, &frame)) {
		if (result == CAMERA_OK)
			return CAMERA_FAILED;
		c->failed_call = call;
		c->failed_code = code;
	}
	return result;
}
