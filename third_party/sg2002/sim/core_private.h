/* Shared by the files of libsys.so (and of the tool maixsim, which includes them). */
#ifndef MAIXSIM_CORE_PRIVATE_H
#define MAIXSIM_CORE_PRIVATE_H

#include <stdio.h>

#include "core.h"

extern int sim_ion_fd;
extern bool sim_is_tool; /* not a program under test: it counts nothing */

/* Makes the driver requests of a call that passes their errors on: false if one was refused; call->result is then the return value. */
bool sim_requests(struct sim_call *call);
void sim_settings_load(void);
int sim_settings_add(const char *text);
void sim_settings_poll(void);
/* Records what the dead process pid still holds in the kernel; returns the number of things. pid -1: all dead processes. */
int sim_left(int32_t pid);
int sim_faults(void);
void sim_write_counters(FILE *f);
/* Opens or closes the camera's node in the simulated root: the camera's owner is found by its open files, as on the board. */
void sim_hold_vi(bool hold);

#endif
