/* VPSS: its group, its channels, and the frames that come out of them. */
#ifndef MAIXSTREAM_SG2002_SCALER_H
#define MAIXSTREAM_SG2002_SCALER_H

#include "session.h"

bool group_up(struct camera *c);
void group_down(struct camera *c);

/* Takes away, by calls alone, a group that a dead process left. */
void group_clear(struct camera *c);

/* Binds the group to VI, and takes the bind away. */
bool group_bind(struct camera *c);
void group_unbind(struct camera *c);

/* A channel with its pool. It gives no frames before CVI_VPSS_EnableChn; the pool outlives channel_down. */
bool channel_up(struct camera *c, struct output *o);
void channel_down(struct camera *c, struct output *o);

/* Tells the channel its size, rate, orientation and shape anew. */
bool channel_set(struct camera *c, const struct output *o);

/* Tells the channel which part of the sensor's picture it shows. */
bool channel_crop(struct camera *c, const struct output *o);

/* The channel's next frame, for which it waits c->wait_ms: CAMERA_OK, CAMERA_EMPTY or CAMERA_FAILED. It is zero when there is none. */
int frame_get(struct camera *c, const struct output *o, VIDEO_FRAME_INFO_S *frame);

/* Gives a frame of a channel back. A failure that was noted before stays noted. */
bool frame_release(struct camera *c, const struct output *o, const VIDEO_FRAME_INFO_S *frame);

#endif
