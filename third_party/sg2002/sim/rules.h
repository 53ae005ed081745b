#ifndef MAIXSIM_RULES_H
#define MAIXSIM_RULES_H

#include <stdbool.h>
#include <stdint.h>

#define RULES 64

/* kind: 'F' the call returns value, 'W' it stalls value milliseconds first, 'S' its wait is cut short as by a signal; 'R' a request of that name is refused. */
struct sim_rule {
	char kind;
	bool stale;
	char call[48], text[128];
	long from, count, seen;
	int64_t value;
};

/* Counts a call and returns the rule that it falls under, if any. */
struct sim_rule *sim_rule(char kind, const char *call);

#endif
