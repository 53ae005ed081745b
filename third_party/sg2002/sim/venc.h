/* Shared by the files of libvenc.so. */
#ifndef MAIXSIM_VENC_H
#define MAIXSIM_VENC_H

#include "core.h"

struct encode_order {
	struct k_frame frame;
	uint32_t width, height, quality, restart; /* quality 0: the built-in tables */
	bool jfif;
	uint32_t index; /* for APP9 */
	const uint8_t *user;
	uint32_t user_len;
};

/* Encodes into its own memory, valid until the next call; *len is 0 on failure. Single-threaded. */
const uint8_t *venc_encode(const struct encode_order *order, uint32_t *len);

void venc_start(void);
void venc_signal(int channel); /* makes the channel's descriptor show whether a stream is ready */
void venc_finish_lock(int channel);
bool venc_hangs(int channel); /* would the real unit still be busy with its picture, regardless of this machine's speed? */
bool venc_offer(int channel, const struct k_frame *frame);

extern int venc_fds[VENC_MAX_CHN_NUM];   /* -1: not open in this process */
extern bool venc_busy[VENC_MAX_CHN_NUM]; /* the driver admits one call per channel at a time */
extern bool venc_memory;                 /* the library has /dev/mem open */

void venc_check_frame(const struct k_frame *frame);

/* ---- H.264 (venc_h264.c) ---- */

static inline bool is_h264(const struct k_venc *v) { return v->attr.stVencAttr.enType == PT_H264; }

int32_t h264_check(const VENC_CHN_ATTR_S *attr);
int32_t h264_create(int channel);
int32_t h264_start(int channel);
void h264_stop(int channel);
void h264_destroy(int channel);
int32_t h264_set(int channel, const VENC_CHN_ATTR_S *attr);
int32_t h264_send(int channel, const VIDEO_FRAME_INFO_S *frame, int32_t milliseconds);
int32_t h264_get(int channel, VENC_STREAM_S *stream, int32_t milliseconds);
int32_t h264_release(int channel, const VENC_STREAM_S *stream);

/* ---- common parts of the calls ---- */

#define ENTER(ch, flags) \
	struct sim_call c; \
	struct k_venc *v; \
	if (!sim_enter(&c, __func__, CVI_ID_VENC, ch, flags)) \
		return (int32_t)c.result; \
	if ((ch) < 0 || (ch) >= VENC_MAX_CHN_NUM) \
		return (int32_t)sim_leave(&c, CVI_ERR_VENC_INVALID_CHNID); \
	v = &K->vencs[ch]; \
	(void)v; \
	while (venc_busy[ch]) \
		sim_wait(0); \
	venc_busy[ch] = true
#define LEAVE(ch, result) \
	do { \
		venc_busy[ch] = false; \
		return (int32_t)sim_leave(&c, result); \
	} while (0)
#define CHECK(ch, test, code) \
	do { \
		if (!(test)) \
			LEAVE(ch, code); \
	} while (0)
/* Required by all calls except those that open the node themselves. */
#define OPEN(ch) \
	CHECK(ch, venc_fds[ch] >= 0, CVI_FAILURE); \
	CHECK(ch, v->created, CVI_ERR_VENC_UNEXIST)

#endif
