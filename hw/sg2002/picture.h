/* Pictures that a program made, through the hardware encoder. */
#ifndef MAIXSTREAM_SG2002_PICTURE_H
#define MAIXSTREAM_SG2002_PICTURE_H

#include "session.h"

/* A picture of what c->planes hold, into c->buffer. */
int program_picture(struct camera *c);

/* Gives back the pool that such pictures lie in; the encoder must have let go of it. */
void program_down(struct camera *c);

#endif
