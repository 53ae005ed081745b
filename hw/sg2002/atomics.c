/*
 * libsys.so and libisp.so call three GCC helpers from libatomic.so.1 and libgcc_s.so.1. Some images lack those two files, so
 * the program provides the helpers itself, as weak symbols: where the libraries exist, either version will do.
 */
#include <stdbool.h>
#include <stdint.h>

/* The word around a byte is always mapped, but AddressSanitizer checks single bytes. */
#define WHOLE_WORDS __attribute__((no_sanitize_address))
#define EXPORT __attribute__((visibility("default"), weak, used)) WHOLE_WORDS

bool maixstream_compare_exchange_1(volatile void *at, void *expected, uint8_t wanted, int success, int failure) __asm__(
	"__atomic_compare_exchange_1") EXPORT;
bool maixstream_compare_exchange_1(volatile void *at, void *expected, uint8_t wanted, int success, int failure)
{
	(void)success;
	(void)failure;
	/* A word around the byte, because a byte-sized exchange would compile into a call of this very function. */
	uintptr_t address = (uintptr_t)at;
	volatile uint32_t *word = (volatile uint32_t *)(address & ~(uintptr_t)3);
	unsigned shift = (unsigned)(address & 3) * 8;
	uint32_t mask = (uint32_t)0xff << shift;
	uint8_t *want_old = expected;
	uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	for (;;) {
		uint8_t now = (uint8_t)((old & mask) >> shift);
		if (now != *want_old) {
			*want_old = now;
			return false;
		}
		uint32_t new = (old & ~mask) | (uint32_t)wanted << shift;
		if (__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	}
}

WHOLE_WORDS static uint8_t change(volatile void *at, uint8_t operand, bool add)
{
	uintptr_t address = (uintptr_t)at;
	volatile uint32_t *word = (volatile uint32_t *)(address & ~(uintptr_t)3);
	unsigned shift = (unsigned)(address & 3) * 8;
	uint32_t mask = (uint32_t)0xff << shift;
	uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	for (;;) {
		uint8_t now = (uint8_t)((old & mask) >> shift);
		uint8_t next = add ? (uint8_t)(now + operand) : (uint8_t)(now & operand);
		uint32_t new = (old & ~mask) | (uint32_t)next << shift;
		if (__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return now;
	}
}

uint8_t maixstream_fetch_and_add_1(volatile void *at, uint8_t operand) __asm__("__sync_fetch_and_add_1") EXPORT;
uint8_t maixstream_fetch_and_add_1(volatile void *at, uint8_t operand) { return change(at, operand, true); }

uint8_t maixstream_fetch_and_and_1(volatile void *at, uint8_t operand) __asm__("__sync_fetch_and_and_1") EXPORT;
uint8_t maixstream_fetch_and_and_1(volatile void *at, uint8_t operand) { return change(at, operand, false); }
