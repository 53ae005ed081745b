/*
 * What the simulator has beyond the MPI. All of it is exported by libsys.so only; a program finds it with dlsym and must work
 * when it is not there, for the real libsys.so has none of it.
 */
#ifndef MAIXSTREAM_MAIXSIM_H
#define MAIXSTREAM_MAIXSIM_H

#include <stdint.h>

/* ---- seams: parts of the board that are reached without the MPI; used when MAIXSTREAM_ROOT is set ---- */

/*
 * One i2c transfer on /dev/i2c-<bus> with the device at the 7-bit address addr: writes out_len bytes, then reads in_len bytes
 * (either may be 0; both 0 is a probe). Returns 0 when the device acknowledged, -6 (ENXIO) when none is there, -19 (ENODEV)
 * when there is no such bus. Stands for ioctl(I2C_RDWR).
 */
int32_t maixsim_i2c_transfer(int32_t bus, int32_t addr, const uint8_t *out, int32_t out_len, uint8_t *in, int32_t in_len);

/* 32-bit access to a register by physical address, as through /dev/mem. 0, or -14 (EFAULT) outside of the pin multiplexer. */
int32_t maixsim_poke(uint64_t addr, uint32_t value);
int32_t maixsim_peek(uint64_t addr, uint32_t *value);

/* ---- for tests ---- */

/* Logs a LEAK for everything that this process holds right now, and returns the number of faults logged since the start. */
int32_t maixsim_report(void);

/* Figures of this process since it loaded the libraries; -1 for an unknown name. The names are in ../README.md. */
int64_t maixsim_counter(const char *name);

/* Settings, written as in the control file ("unplug=1\nfail=..."); they come on top of what is set. 0, or -22 (EINVAL). */
int32_t maixsim_set(const char *settings);

#endif
