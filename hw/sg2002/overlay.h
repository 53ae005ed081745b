/* Text over the pictures: a region that VPSS blends. */
#ifndef MAIXSTREAM_SG2002_OVERLAY_H
#define MAIXSTREAM_SG2002_OVERLAY_H

#include "session.h"

/* Shows c->bitmap, or removes the region if it is NULL. */
int overlay_set(struct camera *c);
void overlay_down(struct camera *c);

#endif
