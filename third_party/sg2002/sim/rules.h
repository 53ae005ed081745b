#ifndef MAIXSIM_RULES_H
#define MAIXSIM_RULES_H

#include <stdbool.h>
#include <stdint.h>

#define RULES 64

/*
 * kind: 'F' the call returns value, 'W' it first stalls for value milliseconds, 'S' its wait ends as if interrupted by a signal, 'R' a request of
 * that name is refused.
 */
struct sim_rule {
	char kind;
	bool stale;
	char call[48], text[128];
	long from, count, seen;
	int64_t value;
};

/* Counts a call and returns the rule that applies to it, or NULL. */
struct sim_rule *sim_rule(char kind, const char *call);

#endif
