/* Between the files of libvenc.so. */
#ifndef MAIXSIM_VENC_H
#define MAIXSIM_VENC_H

#include "core.h"

struct encode_order {
	struct k_frame frame;
	uint32_t width, height, quality, restart; /* quality 0: the built-in tables */
	bool jfif;
	uint32_t index; /* of APP9 */
	const uint8_t *user;
	uint32_t user_len;
};

/* Encodes into memory of its own, valid until the next call; *len 0 on failure. For one thread. */
const uint8_t *venc_encode(const struct encode_order *order, uint32_t *len);

void venc_start(void);
void venc_signal(int channel); /* makes the channel's descriptor tell whether a stream is ready */
void venc_finish_lock(int channel);
bool venc_hangs(int channel); /* would the unit be at its picture still, however slow this machine is? */
bool venc_offer(int channel, const struct k_frame *frame);

extern int venc_fds[VENC_MAX_CHN_NUM]; /* -1: not open in this process */

#endif
