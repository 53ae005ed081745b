/* What the pictures come out of: a channel of VPSS with its pool, and the encoder behind it. */
#ifndef MAIXSTREAM_SG2002_OUTPUT_H
#define MAIXSTREAM_SG2002_OUTPUT_H

#include "session.h"

/* The stream's, made anew as the configuration has it now. What a program's pictures lie in goes with it. */
int output_up(struct camera *c);
void output_down(struct camera *c);

/* The full-size stills', if the configuration wants them, and one such picture, into c->buffer. */
int still_up(struct camera *c);
int still_picture(struct camera *c);

/* Tells VPSS rate and orientation anew. */
int outputs_set(struct camera *c);

/* Tells VPSS which part of the sensor's picture is streamed; stills stay whole. */
int outputs_view(struct camera *c);

/* Takes everything down from the encoders to the group of VPSS. */
void outputs_down(struct camera *c);

#endif
