/* The JPEG encoder: its channels, and the only path by which pictures leave it; it also feeds the H.264 encoder (video.h). */
#ifndef MAIXSTREAM_SG2002_ENCODER_H
#define MAIXSTREAM_SG2002_ENCODER_H

#include "session.h"

/* Settings shared by all JPEG channels; call it before creating the first. */
bool venc_module(struct camera *c);

/* Creates the encoder for a VPSS channel, bound to it if the output says so. */
bool venc_up(struct camera *c, struct output *o);
void venc_down(struct camera *c, struct output *o);

/* Applies the configuration's quality, from the next picture on. */
int venc_quality(struct camera *c, const struct output *o);

/* Writes the stream's next picture into c->buffer. */
int venc_picture(struct camera *c);

/* Encodes a frame held by the caller into c->buffer. */
int venc_encode(struct camera *c, struct output *o, const VIDEO_FRAME_INFO_S *frame);

/* Releases by library calls what a dead process left of channel chn. */
void venc_clear(struct camera *c, int32_t chn);

#endif
