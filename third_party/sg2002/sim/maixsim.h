/*
 * The simulator's functions beyond the MPI. Only libsys.so exports them; a program finds them with dlsym and must also work
 * without them, since the real libsys.so has none.
 */
#ifndef MAIXSTREAM_MAIXSIM_H
#define MAIXSTREAM_MAIXSIM_H

#include <stdint.h>

/* ---- hooks: parts of the board that are not reached through the MPI; used if MAIXSTREAM_ROOT is set ---- */

/*
 * One i2c transfer on /dev/i2c-<bus> with the device at the 7-bit address addr: writes out_len bytes, then reads in_len bytes
 * (either may be 0; both 0 is a probe). Returns 0 if the device acknowledged, -6 (ENXIO) if there is none, -19 (ENODEV)
 * if there is no such bus. Replaces ioctl(I2C_RDWR).
 */
int32_t maixsim_i2c_transfer(int32_t bus, int32_t addr, const uint8_t *out, int32_t out_len, uint8_t *in, int32_t in_len);

/* 32-bit access to a register by physical address, as through /dev/mem. Returns 0, or -14 (EFAULT) outside the pin multiplexer. */
int32_t maixsim_poke(uint64_t addr, uint32_t value);
int32_t maixsim_peek(uint64_t addr, uint32_t *value);

/* ---- for tests ---- */

/* Logs a LEAK for everything that this process holds now, and returns the number of faults logged since the start. */
int32_t maixsim_report(void);

/* Counters of this process since it loaded the libraries; -1 for an unknown name. The names are in ../README.md. */
int64_t maixsim_counter(const char *name);

/* Settings, in the control file's format ("unplug=1\nfail=..."), in addition to those already set. Returns 0 or -22 (EINVAL). */
int32_t maixsim_set(const char *settings);

#endif
