#ifndef MAIXSTREAM_LIBJPEG_CONVERT_H
#define MAIXSTREAM_LIBJPEG_CONVERT_H

#include <stdint.h>

/* Splits n pairs a,b,a,b,... */
void mx_split(const uint8_t *restrict pairs, uint8_t *restrict a, uint8_t *restrict b, int n);

/* out = mean of two rows of n samples, rounded up at one half. */
void mx_mean(const uint8_t *restrict r0, const uint8_t *restrict r1, uint8_t *restrict out, int n);

/* Two rows of n groups Y0,Cb,Y1,Cr become two rows of 2n luma samples and one row each of n chroma samples, the rows' mean as in
 * mx_mean. r1 may be r0 and y1 may be y0. */
void mx_yuyv(const uint8_t *r0, const uint8_t *r1, uint8_t *y0, uint8_t *y1, uint8_t *cb, uint8_t *cr, int n);

#endif
