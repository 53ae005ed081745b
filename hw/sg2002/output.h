/* Where pictures leave: a VPSS channel with its pool, and the encoder fed by it. */
#ifndef MAIXSTREAM_SG2002_OUTPUT_H
#define MAIXSTREAM_SG2002_OUTPUT_H

#include "session.h"

/* Recreates the stream's output according to the configuration. The pool for a program's pictures is destroyed with it. */
int output_up(struct camera *c);
void output_down(struct camera *c);

/* The output for full-size stills, if configured, and one such picture, into c->buffer. */
int still_up(struct camera *c);
int still_picture(struct camera *c);

/* Sets rate and orientation in VPSS. */
int outputs_set(struct camera *c);

/* Sets which part of the sensor's picture is streamed; stills stay whole. */
int outputs_view(struct camera *c);

/* Takes everything down from the encoders to the VPSS group. */
void outputs_down(struct camera *c);

#endif
