/* Between the files of libsys.so (and of the tool maixsim, which has them inside). */
#ifndef MAIXSIM_CORE_PRIVATE_H
#define MAIXSIM_CORE_PRIVATE_H

#include <stdio.h>

#include "core.h"

extern int sim_ion_fd;
extern bool sim_is_tool; /* no program of its own: it counts nothing */

/* Makes the requests of a call that passes their errors up: false when one was refused, and call->result is what it returns. */
bool sim_requests(struct sim_call *call);
void sim_settings_load(void);
int sim_settings_add(const char *text);
void sim_settings_poll(void);
/* Notes what the dead process pid still holds in the kernel; returns how many things. pid -1: of all that are dead. */
int sim_left(int32_t pid);
int sim_faults(void);
void sim_write_counters(FILE *f);
/* Opens or closes the camera's node in the fake root: who has the camera is found by its open files, as on the board. */
void sim_hold_vi(bool hold);

#endif
