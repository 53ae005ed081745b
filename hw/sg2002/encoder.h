/* The JPEG encoder: its channels, and the one way that a picture takes out of it; and past it, to the H.264 encoder (video.h). */
#ifndef MAIXSTREAM_SG2002_ENCODER_H
#define MAIXSTREAM_SG2002_ENCODER_H

#include "session.h"

/* What holds for every JPEG channel; it comes before the first. */
bool venc_module(struct camera *c);

/* The encoder behind a channel of VPSS, bound to it if the output says so. */
bool venc_up(struct camera *c, struct output *o);
void venc_down(struct camera *c, struct output *o);

/* Takes the configuration's quality over, from the next picture on. */
int venc_quality(struct camera *c, const struct output *o);

/* The stream's next picture, into c->buffer. */
int venc_picture(struct camera *c);

/* A picture of a frame that the caller holds, into c->buffer. */
int venc_encode(struct camera *c, struct output *o, const VIDEO_FRAME_INFO_S *frame);

/* Gives back by calls what a dead process has left of channel chn. */
void venc_clear(struct camera *c, int32_t chn);

#endif
