/* VB pools: the blocks that hold pictures. */
#ifndef MAIXSTREAM_SG2002_MEMORY_H
#define MAIXSTREAM_SG2002_MEMORY_H

#include "session.h"

/* Bytes of an NV21 picture. The encoder rounds the height up to 16 and reads those rows too; a block that ends with the picture would be overrun. */
static inline uint32_t picture_size(uint32_t width, uint32_t height) { return ALIGN(width, DEFAULT_ALIGN) * ALIGN(height, 16) * 3 / 2; }

/* Create a pool of count blocks of size bytes, and destroy it; *pool is VB_INVALID_POOLID if there is none. */
bool pool_up(struct camera *c, uint32_t *pool, uint32_t size, uint32_t count);
void pool_down(struct camera *c, uint32_t *pool);

#endif
