/* Encoding a program's own pictures in hardware. */
#ifndef MAIXSTREAM_SG2002_PICTURE_H
#define MAIXSTREAM_SG2002_PICTURE_H

#include "session.h"

/* Encodes the picture in c->planes into c->buffer. */
int program_picture(struct camera *c);

/* Destroys the pool for such pictures; the encoder must have released it. */
void program_down(struct camera *c);

#endif
