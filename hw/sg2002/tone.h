/* What the image processor makes of the light, as it can be changed while it runs: exposure, white balance, colour. */
#ifndef MAIXSTREAM_SG2002_TONE_H
#define MAIXSTREAM_SG2002_TONE_H

#include "session.h"

/* Asks the ISP for c->tone. */
int tone_get(struct camera *c);

/* Gives the ISP what c->tone_changes names of c->tone. After a failure what was given before it stays. */
int tone_set(struct camera *c);

#endif
