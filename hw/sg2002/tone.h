/* Exposure, white balance and colour of the ISP, as far as they can be changed while it runs. */
#ifndef MAIXSTREAM_SG2002_TONE_H
#define MAIXSTREAM_SG2002_TONE_H

#include "session.h"

/* Reads c->tone from the ISP. */
int tone_get(struct camera *c);

/* Sets the parts in c->tone_changes from c->tone in the ISP. If one fails, those set before it stay. */
int tone_set(struct camera *c);

#endif
