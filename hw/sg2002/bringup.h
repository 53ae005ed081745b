/* Bringing a whole session up and down, in the order of docs/hardware.md. */
#ifndef MAIXSTREAM_SG2002_BRINGUP_H
#define MAIXSTREAM_SG2002_BRINGUP_H

#include "session.h"

/* The minimum of ION memory that camera_up takes with this configuration, in bytes; VI's own buffer comes on top. */
int64_t camera_memory(const struct camera_config *config);

/* Brings up everything from SYS to the first frame; if a call fails, what is up already is taken down again. */
int camera_up(struct camera *c);

/* Takes down everything that is up, in reverse order. */
void camera_down(struct camera *c);

/* Releases by library calls what a dead process left: encoder channels and group. Pools stay; see docs/hardware.md. */
int camera_recover(struct camera *c);

#endif
