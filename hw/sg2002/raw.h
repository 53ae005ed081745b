/* Raw frames for programs: kept, mapped, drawn on, encoded by handle. There is one at a time, c->frame. */
#ifndef MAIXSTREAM_SG2002_RAW_H
#define MAIXSTREAM_SG2002_RAW_H

#include "session.h"

int raw_get(struct camera *c);
int raw_release(struct camera *c);

/* Map the frame for the CPU as c->mapped, and flush to the hardware what the CPU wrote. */
int raw_map(struct camera *c);
int raw_flush(struct camera *c);

/* Encodes the frame into c->buffer. */
int raw_encode(struct camera *c);

#endif
