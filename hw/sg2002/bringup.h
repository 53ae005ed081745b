/* The way up and down of a whole session, in the order of docs/hardware.md. */
#ifndef MAIXSTREAM_SG2002_BRINGUP_H
#define MAIXSTREAM_SG2002_BRINGUP_H

#include "session.h"

/* The least ION memory that camera_up takes with this configuration, in bytes; VI's own buffer comes on top. */
int64_t camera_memory(const struct camera_config *config);

/* Everything from SYS to the first frame on its way; what is up when a call fails is taken down again. */
int camera_up(struct camera *c);

/* All that is up, in the reverse order. */
void camera_down(struct camera *c);

/* Gives back by calls what a dead process has left: encoder channels and group. Pools stay; see docs/hardware.md. */
int camera_recover(struct camera *c);

#endif
