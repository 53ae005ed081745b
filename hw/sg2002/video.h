/* The H.264 encoder, beside JPEG's: the same frames by their handle, one at a time. Whatever it does, pictures go on. */
#ifndef MAIXSTREAM_SG2002_VIDEO_H
#define MAIXSTREAM_SG2002_VIDEO_H

#include "session.h"

/* Makes it or takes it down, as the configuration has it now; how it codes is changed with the next frame. CAMERA_FAILED: it is down. */
int video_set(struct camera *c);

/* Takes it down. The configuration stays. */
void video_down(struct camera *c);

/* Makes it again behind a change of the pictures, if the configuration wants it; a failure is the reader's to know. */
void video_again(struct camera *c);

/* Would it take a frame now? */
bool video_ready(struct camera *c);

/* Sends a frame of the stream. If true, the frame is kept until the picture's stream has come; if not, it is the caller's still. */
bool video_send(struct camera *c, const VIDEO_FRAME_INFO_S *frame);

/* Looks for the stream of the picture that was sent, for wait_ms at most, and gives its frame back when it has come. */
void video_take(struct camera *c, const struct output *o, int32_t wait_ms);

#endif
