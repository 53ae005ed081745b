#include "convert.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* The compiler vectorises these two at -O3. */
void mx_split(const uint8_t *restrict pairs, uint8_t *restrict a, uint8_t *restrict b, int n)
{
	for (int i = 0; i < n; i++) {
		a[i] = pairs[2 * i];
		b[i] = pairs[2 * i + 1];
	}
}

void mx_mean(const uint8_t *restrict r0, const uint8_t *restrict r1, uint8_t *restrict out, int n)
{
	for (int i = 0; i < n; i++)
		out[i] = (uint8_t)((r0[i] + r1[i] + 1) >> 1);
}

#if defined(__SSE2__)

/* 16 pixels a turn. Returns the groups done. */
static int yuyv_vector(const uint8_t *r0, const uint8_t *r1, uint8_t *y0, uint8_t *y1, uint8_t *cb, uint8_t *cr, int n)
{
	const __m128i low = _mm_set1_epi16(0x00ff);
	int i = 0;

	for (; i + 8 <= n; i += 8) {
		__m128i a = _mm_loadu_si128((const __m128i *)(r0 + 4 * i));
		__m128i b = _mm_loadu_si128((const __m128i *)(r0 + 4 * i + 16));
		__m128i c = _mm_loadu_si128((const __m128i *)(r1 + 4 * i));
		__m128i d = _mm_loadu_si128((const __m128i *)(r1 + 4 * i + 16));
		__m128i c0 = _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8));
		__m128i c1 = _mm_packus_epi16(_mm_srli_epi16(c, 8), _mm_srli_epi16(d, 8));
		__m128i mean = _mm_avg_epu8(c0, c1); /* Cb,Cr,Cb,Cr,... */

		_mm_storeu_si128((__m128i *)(y0 + 2 * i), _mm_packus_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low)));
		_mm_storeu_si128((__m128i *)(y1 + 2 * i), _mm_packus_epi16(_mm_and_si128(c, low), _mm_and_si128(d, low)));
		mean = _mm_packus_epi16(_mm_and_si128(mean, low), _mm_srli_epi16(mean, 8));
		_mm_storel_epi64((__m128i *)(cb + i), mean);
		_mm_storel_epi64((__m128i *)(cr + i), _mm_srli_si128(mean, 8));
	}
	return i;
}

#elif defined(__ARM_NEON)

/* 32 pixels a turn. */
static int yuyv_vector(const uint8_t *r0, const uint8_t *r1, uint8_t *y0, uint8_t *y1, uint8_t *cb, uint8_t *cr, int n)
{
	int i = 0;

	for (; i + 16 <= n; i += 16) {
		uint8x16x4_t a = vld4q_u8(r0 + 4 * i);
		uint8x16x4_t b = vld4q_u8(r1 + 4 * i);
		uint8x16x2_t luma0 = {{a.val[0], a.val[2]}};
		uint8x16x2_t luma1 = {{b.val[0], b.val[2]}};

		vst2q_u8(y0 + 2 * i, luma0);
		vst2q_u8(y1 + 2 * i, luma1);
		vst1q_u8(cb + i, vrhaddq_u8(a.val[1], b.val[1]));
		vst1q_u8(cr + i, vrhaddq_u8(a.val[3], b.val[3]));
	}
	return i;
}

#else

static int yuyv_vector(const uint8_t *r0, const uint8_t *r1, uint8_t *y0, uint8_t *y1, uint8_t *cb, uint8_t *cr, int n)
{
	(void)r0, (void)r1, (void)y0, (void)y1, (void)cb, (void)cr, (void)n;
	return 0;
}

#endif

void mx_yuyv(const uint8_t *r0, const uint8_t *r1, uint8_t *y0, uint8_t *y1, uint8_t *cb, uint8_t *cr, int n)
{
	for (int i = yuyv_vector(r0, r1, y0, y1, cb, cr, n); i < n; i++) {
		y0[2 * i] = r0[4 * i];
		y0[2 * i + 1] = r0[4 * i + 2];
		y1[2 * i] = r1[4 * i];
		y1[2 * i + 1] = r1[4 * i + 2];
		cb[i] = (uint8_t)((r0[4 * i + 1] + r1[4 * i + 1] + 1) >> 1);
		cr[i] = (uint8_t)((r0[4 * i + 3] + r1[4 * i + 3] + 1) >> 1);
	}
}
