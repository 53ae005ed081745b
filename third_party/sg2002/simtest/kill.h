#ifndef SIMTEST_KILL_H
#define SIMTEST_KILL_H

/* Kills streaming processes at random moments, and checks that the next one can start. Returns the number of failures. */
int kill_and_restart(const char *libraries);

#endif
