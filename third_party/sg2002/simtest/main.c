/*
 * Opens the simulator with dlopen and calls it in the board's order: correct callers must leave an empty log, incorrect ones must be detected.
 * Each scenario is a separate process. usage: simtest LIBRARIES [SCENARIO]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kill.h"
#include "mpi.h"

static const char *libraries;
static int failures, count;

/* Ends a scenario that hangs; an alarm would not, since every signal is blocked. */
static void *watchdog(void *arg)
{
	(void)arg;
	sleep(40);
	_exit(9);
}

static void child(const char *log)
{
	pthread_t thread;
	sigset_t all;

	setenv("MAIXSIM_LOG", log, 1);
	setenv("MAIXSIM_SET", "quiet=1", 1);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (pthread_create(&thread, NULL, watchdog, NULL) == 0)
		pthread_detach(thread);
}

static char *read_log(const char *path)
{
	static char text[1 << 16];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	unlink(path);
	return text;
}

/* Checks that every fault in the log is in expect, and that every part of expect, except those with a ?, is in the log. */
static const char *judge(char *log, const char *expect)
{
	static char why[512];
	char parts[512], *save = NULL, *line_save = NULL, copy[1 << 16];

	snprintf(copy, sizeof copy, "%s", log);
	for (char *l = strtok_r(copy, "\n", &line_save); l; l = strtok_r(NULL, "\n", &line_save)) {
		bool known = false;

		if (strncmp(l, "FAULT ", 6))
			continue;
		snprintf(parts, sizeof parts, "%s", expect ? expect : "");
		for (char *p = strtok_r(parts, ";", &save); p; p = strtok_r(NULL, ";", &save))
			p += *p == '?', known |= !strncmp(l + 6, p, strlen(p)) && l[6 + strlen(p)] == ':';
		if (!known) {
			snprintf(why, sizeof why, "unexpected: %.480s", l);
			return why;
		}
	}
	snprintf(parts, sizeof parts, "%s", expect ? expect : "");
	for (char *p = strtok_r(parts, ";", &save); p; p = strtok_r(NULL, ";", &save))
		if (*p != '?' && !strstr(log, p)) {
			snprintf(why, sizeof why, "not found: %s", p);
			return why;
		}
	return NULL;
}

static void verdict(const char *name, int status, char *log, const char *expect)
{
	const char *why = judge(log, expect);
	int ends = expect && strstr(expect, "CRASH ") ? 139 : 0;

	count++;
	if (WIFEXITED(status) && WEXITSTATUS(status) == ends && !why) {
		if (getenv("SIMTEST_VERBOSE"))
			printf("ok   %s\n", name);
		return;
	}
	failures++;
	if (WIFSIGNALED(status))
		printf("FAIL %s: signal %d%s\n", name, WTERMSIG(status), why ? "" : ", log as expected");
	else
		printf("FAIL %s: exit %d%s%s\n", name, WEXITSTATUS(status), why ? ": " : "", why ? why : "");
	if (*log)
		printf("     %s\n", log);
}

static void new_log(char *path)
{
	int fd;

	strcpy(path, "/tmp/simtest-XXXXXX");
	fd = mkstemp(path);
	if (fd >= 0)
		close(fd);
}

/* ---- processes, a few at a time: they mostly wait ---- */

#define AT_ONCE 4

enum kind { SCENARIO, STEP_MISSING, CALL_FAILED };

static struct job {
	pid_t pid;
	enum kind kind;
	char name[80], log[32];
	const char *expect;
} jobs[AT_ONCE];

static bool all_calls_done;

static void judge_job(struct job *j, int status)
{
	char *log = read_log(j->log);

	if (j->kind == CALL_FAILED && WIFEXITED(status) && WEXITSTATUS(status) == 7) {
		all_calls_done = true; /* the bring-up makes no more calls */
		return;
	}
	if (j->kind == STEP_MISSING) { /* the message differs, but there must be one */
		count++;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return;
		printf("FAIL %s: not detected (status 0x%x)\n", j->name, status);
		failures++;
		return;
	}
	verdict(j->name, status, log, j->expect);
}

static void collect(void)
{
	int status;
	pid_t pid = wait(&status);

	for (int i = 0; i < AT_ONCE; i++)
		if (jobs[i].pid == pid) {
			jobs[i].pid = 0;
			judge_job(&jobs[i], status);
		}
}

static void collect_all(void)
{
	for (int i = 0; i < AT_ONCE; i++)
		while (jobs[i].pid)
			collect();
}

/* Returns true in the child. */
static bool start(enum kind kind, const char *expect, const char *format, const char *what)
{
	struct job *j = NULL;

	while (!j) {
		for (int i = 0; i < AT_ONCE; i++)
			if (!jobs[i].pid)
				j = &jobs[i];
		if (!j)
			collect();
	}
	j->kind = kind;
	j->expect = expect;
	snprintf(j->name, sizeof j->name, format, what);
	new_log(j->log);
	fflush(stdout);
	j->pid = fork();
	if (j->pid)
		return false;
	child(j->log);
	return true;
}

static void run(const struct scenario *s)
{
	if (!start(SCENARIO, s->expect, "%s", s->name))
		return;
	if (!strcmp(s->name, "ION short"))
		setenv("MAIXSIM_SET", "quiet=1;ion=42991616", 1); /* 41 MiB, 22 of them the firmware's: no 12 left for VI */
	mpi_open(libraries, "libsophgo-middleware.so");
	s->run();
	if (!s->expect)
		m.report();
	_exit(0);
}

/* Each step of the bring-up left out: something must report it. */
static void every_step_missing(void)
{
	/* These may be left out: the defaults suffice. */
	static const char optional[] = " dev_num reset_grp crop attach mod_param jpeg_param bind_venc ";
	static struct jpeg picture;
	char padded[64];

	for (int i = 0; step_name(i); i++) {
		int failed, rc = -1;

		snprintf(padded, sizeof padded, " %s ", step_name(i));
		if (strstr(optional, padded) || !start(STEP_MISSING, NULL, "step %s missing", step_name(i)))
			continue;
		mpi_open(libraries, "libsophgo-middleware.so");
		frame_timeout = 300;
		failed = bring_up(step_name(i));
		if (failed < 0)
			rc = next_jpeg(&picture);
		tear_down("");
		_exit(failed >= 0 || rc != 0 || m.report() > 0 ? 0 : 4);
	}
}

/* Each call of the bring-up failed in turn: what was done until then can be undone, and nothing leaks. */
static void every_call_failed(void)
{
	char number[16], rule[48];

	for (int n = 1; n < 100 && !all_calls_done; n++) {
		snprintf(number, sizeof number, "%d", n);
		if (!start(CALL_FAILED, NULL, "call %s failed", number))
			continue;
		mpi_open(libraries, "libsophgo-middleware.so");
		snprintf(rule, sizeof rule, "fail=*:%d:-1", n);
		m.set(rule);
		bring_up("");
		m.set("fail=");
		tear_down("");
		m.report();
		_exit(m.counter("injected.failures") ? 0 : 7);
	}
}

int main(int argc, char **argv)
{
	const struct scenario *const others[] = {wrong, right_h264, wrong_h264};
	const char *only = argc > 2 ? argv[2] : NULL;

	if (argc < 2) {
		fprintf(stderr, "usage: simtest LIBRARIES [SCENARIO]\n");
		return 2;
	}
	libraries = argv[1];
	for (const struct scenario *s = right; s->name; s++)
		if (only ? !strcmp(only, s->name) : strcmp(s->name, "bench") != 0)
			run(s);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		for (const struct scenario *s = others[i]; s->name; s++)
			if (!only || !strcmp(only, s->name))
				run(s);
	if (!only || !strcmp(only, "every step missing"))
		every_step_missing();
	if (!only || !strcmp(only, "every call failed"))
		every_call_failed();
	collect_all();
	if (!only || !strcmp(only, "kill")) {
		count++;
		failures += kill_and_restart(libraries);
	}
	printf("simtest: %d of %d failed\n", failures, count);
	return failures != 0;
}
