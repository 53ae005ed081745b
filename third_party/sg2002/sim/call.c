/* Common to all MPI calls: counting, threads, signals, stalls, failures, the trace. */
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../include/cvi_errors.h"
#include "core_private.h"
#include "rules.h"

#define ACTIVE 64

static struct {
	pthread_t thread;
	bool used, life;
	int module, object;
	const char *name;
} active[ACTIVE];

static uint64_t random_state = 88172645463325252ull;

static bool one_in(int64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return n > 0 && random_state % (uint64_t)n == 0;
}

/* The real libraries keep unlocked tables: calls that create or destroy must have their module to themselves. */
static void check_threads(const struct sim_call *call)
{
	bool by_object = call->module == CVI_ID_VPSS || !strcmp(sim_text("threads", "module"), "object");

	for (int i = 0; i < ACTIVE; i++) {
		if (!active[i].used || active[i].module != call->module || pthread_equal(active[i].thread, pthread_self()))
			continue;
		if (!active[i].life && !(call->flags & SIM_LIFE))
			continue;
		if (by_object && active[i].object >= 0 && call->object >= 0 && active[i].object != call->object)
			continue;
		sim_fault(F_THREAD, call->name, "runs while another thread is in %s", active[i].name);
		return;
	}
}

static void enlist(const struct sim_call *call)
{
	for (int i = 0; i < ACTIVE; i++) {
		if (active[i].used)
			continue;
		active[i].used = true;
		active[i].thread = pthread_self();
		active[i].life = call->flags & SIM_LIFE;
		active[i].module = call->module;
		active[i].object = call->object;
		active[i].name = call->name;
		return;
	}
}

static void discharge(const struct sim_call *call)
{
	for (int i = 0; i < ACTIVE; i++)
		if (active[i].used && active[i].name == call->name && pthread_equal(active[i].thread, pthread_self())) {
			active[i].used = false;
			return;
		}
}

/* Synchronous faults cannot be blocked, and the C library reserves two or three signals for itself. */
static bool may_stay_open(int sig)
{
	switch (sig) {
	case SIGKILL:
	case SIGSTOP:
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGSYS: return true;
	}
	return sig > 31 && sig < 35;
}

/* A user-mode emulator reserves some for itself, and a program cannot block those. */
static bool can_be_blocked(int sig)
{
	sigset_t one, before, after;

	sigemptyset(&one);
	sigaddset(&one, sig);
	pthread_sigmask(SIG_BLOCK, &one, &before);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return sigismember(&after, sig);
}

static void check_signals(const char *name)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < 64; s++)
		if (!may_stay_open(s) && !sigismember(&mask, s) && can_be_blocked(s)) {
			sim_fault(F_SIGNAL_UNSAFE, name, "waits on a thread on which signal %d is not blocked", s);
			return;
		}
}

static void trace(const struct sim_call *call, const char *verb, int64_t result)
{
	static FILE *file;
	char path[PATH_MAX + 16];

	if (!sim_setting("trace", 0))
		return;
	if (!file) {
		snprintf(path, sizeof path, "%s/trace.log", sim_dir());
		file = sim_private() ? stderr : fopen(path, "ae");
		if (!file)
			return;
	}
	if (call->object >= 0)
		fprintf(file, "%d %llu.%06llu %s(%d) %s 0x%llx\n", getpid(), (unsigned long long)(sim_now() / 1000000),
			(unsigned long long)(sim_now() % 1000000), call->name, call->object, verb, (unsigned long long)result);
	else
		fprintf(file, "%d %llu.%06llu %s %s 0x%llx\n", getpid(), (unsigned long long)(sim_now() / 1000000), (unsigned long long)(sim_now() % 1000000),
			call->name, verb, (unsigned long long)result);
	fflush(file);
}

static int64_t retryable(const struct sim_call *call)
{
	if (call->module == CVI_ID_VPSS)
		return strstr(call->name, "Send") ? CVI_ERR_VPSS_BUSY : CVI_ERR_VPSS_BUF_EMPTY;
	return CVI_ERR_VENC_BUSY;
}

/* A rule matches calls by name, or those on one group or channel: NAME(2). */
static struct sim_rule *rule_of(char kind, const struct sim_call *call)
{
	struct sim_rule *rule = sim_rule(kind, call->name);
	char own[64];

	if (rule || call->object < 0)
		return rule;
	snprintf(own, sizeof own, "%s(%d)", call->name, call->object);
	return sim_rule(kind, own);
}

bool sim_enter(struct sim_call *call, const char *name, int module, int object, int flags)
{
	struct sim_rule *rule;
	long stall;

	*call = (struct sim_call){.name = name, .module = module, .object = object, .flags = flags};
	sim_lock();
	sim_self();
	sim_settings_poll();
	sim_count("calls", 1);
	if (!(flags & SIM_QUIET)) {
		check_threads(call);
		enlist(call);
	}
	if (flags & SIM_WAITS)
		check_signals(name);
	rule = rule_of('W', call);
	stall = rule ? (long)rule->value : 0;
	if (stall > 0) {
		sim_count("injected.stalls", 1);
		sim_unlock();
		usleep((useconds_t)stall * 1000);
		sim_lock();
	}
	if (flags & SIM_WAITS) {
		rule = rule_of('S', call);
		if (rule || one_in(sim_setting("sprinkle", 0))) {
			/* As if a signal or the timeout ended the wait: VENC returns -1 after a signal, VPSS that there is no frame. */
			sim_count("injected.waits", 1);
			call->result = rule && module == CVI_ID_VENC ? -1 : retryable(call);
			call->interrupted = true;
			trace(call, "was interrupted", call->result);
			sim_leave(call, call->result);
			return false;
		}
	}
	rule = rule_of('F', call);
	if (rule) {
		sim_count("injected.failures", 1);
		call->result = rule->value;
	}
	if (rule || !sim_requests(call)) {
		trace(call, "is made to fail:", call->result);
		sim_leave(call, call->result);
		return false;
	}
	return true;
}

int64_t sim_leave(struct sim_call *call, int64_t result)
{
	if (!(call->flags & SIM_QUIET))
		discharge(call);
	trace(call, "=", result);
	sim_wake();
	sim_unlock();
	return result;
}
