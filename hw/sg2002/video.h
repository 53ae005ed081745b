/* The H.264 encoder beside JPEG's: it gets the same frames by handle, one at a time. Its failures never stop the JPEG pictures. */
#ifndef MAIXSTREAM_SG2002_VIDEO_H
#define MAIXSTREAM_SG2002_VIDEO_H

#include "session.h"

/* Applies the configuration: creates or destroys the channel; coding parameters change with the next frame. On CAMERA_FAILED it is down. */
int video_set(struct camera *c);

/* Destroys the channel. The configuration stays. */
void video_down(struct camera *c);

/* Recreates it after a change of the pictures, if configured; a failure is reported to the reader. */
void video_restore(struct camera *c);

/* Whether it would accept a frame now. */
bool video_ready(struct camera *c);

/* Sends a frame of the stream. If true, the frame is kept until its stream has arrived; otherwise it still belongs to the caller. */
bool video_send(struct camera *c, const VIDEO_FRAME_INFO_S *frame);

/* Waits at most wait_ms for the stream of the picture that was sent, and then releases its frame. */
void video_take(struct camera *c, const struct output *o, int32_t wait_ms);

#endif
