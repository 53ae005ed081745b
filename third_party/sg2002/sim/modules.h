#ifndef MAIXSIM_MODULES_H
#define MAIXSIM_MODULES_H

#include "kernel.h"

extern const char *const sim_module_names[M_COUNT];

/* The number of other modules that use this one. */
int sim_module_users(int module);
void sim_module_nodes(enum k_module module);

/* rmmod and insmod: 0, or a negative errno with the message that the kernel's tools would print. */
int sim_module_remove(const char *name, char *reason, size_t size);
int sim_module_insert(const char *path, const char *parameters, char *reason, size_t size);

#endif
