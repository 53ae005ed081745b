/* VPSS: its group, its channels, and the frames they deliver. */
#ifndef MAIXSTREAM_SG2002_SCALER_H
#define MAIXSTREAM_SG2002_SCALER_H

#include "session.h"

bool group_up(struct camera *c);
void group_down(struct camera *c);

/* Destroys, by library calls alone, a group that a dead process left. */
void group_clear(struct camera *c);

/* Bind the group to VI, and unbind it. */
bool group_bind(struct camera *c);
void group_unbind(struct camera *c);

/* A channel with its pool. It delivers frames only after CVI_VPSS_EnableChn; the pool outlives channel_down. */
bool channel_up(struct camera *c, struct output *o);
void channel_down(struct camera *c, struct output *o);

/* Sets the channel's size, rate, orientation and fit. */
bool channel_set(struct camera *c, const struct output *o);

/* Sets which part of the sensor's picture the channel shows. */
bool channel_crop(struct camera *c, const struct output *o);

/* Waits at most c->wait_ms for the channel's next frame: CAMERA_OK, CAMERA_EMPTY or CAMERA_FAILED. The frame is zero if there is none. */
int frame_get(struct camera *c, const struct output *o, VIDEO_FRAME_INFO_S *frame);

/* Releases a frame of a channel. It does not overwrite a failure recorded before. */
bool frame_release(struct camera *c, const struct output *o, const VIDEO_FRAME_INFO_S *frame);

#endif
