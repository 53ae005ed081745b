#define _GNU_SOURCE
#include "kill.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mpi.h"

#define ROUNDS 12

static char root[64], tool[4200];

static int command(const char *format, const char *a)
{
	char line[8600];

	snprintf(line, sizeof line, format, tool, a);
	return system(line);
}

static bool contains(const char *path, const char *text)
{
	char full[256], content[1 << 16];
	int fd;
	ssize_t n;

	snprintf(full, sizeof full, "%s%s", root, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, content, sizeof content - 1);
	if (fd >= 0)
		close(fd);
	content[n > 0 ? n : 0] = '\0';
	return strstr(content, text) != NULL;
}

static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

/* ION buffers that belong to no module. */
static void free_leaked_ion(void)
{
	char path[256], line[256], name[64];
	unsigned long size, phys;
	int id, maps;
	FILE *f;

	snprintf(path, sizeof path, "%s/sys/kernel/debug/ion/cvi_carveout_heap_dump/summary", root);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%d %lu %lx %d %63s", &id, &size, &phys, &maps, name) == 5 &&
			(!strcmp(name, "VI_DMA_BUF") || !strcmp(name, "ISP_SHARED_BUFFER_0")))
			m.CVI_SYS_IonFree(phys, NULL);
	if (f)
		fclose(f);
}

static void streamer(const char *libraries, int frames)
{
	static struct jpeg j;

	block_signals();
	mpi_open(libraries, "libsophgo-middleware.so");
	free_leaked_ion();
	setup.bind = frames > 0 && frames % 2;
	CHECK(bring_up("") < 0, "no bring-up after a kill");
	for (int i = 0; i < frames || frames < 0; i++)
		CHECK(next_jpeg(&j) == 0, "no picture after a kill");
	tear_down("");
	_exit(m.report() ? 5 : 0);
}

static int reload(void)
{
	char line[1024];

	/* One module per call, as a script would; soph_sys stays. */
	snprintf(line, sizeof line,
		"for m in soph_ive soph_vc_driver soph_rgn soph_dwa soph_vo soph_vpss soph_vi soph_snsr_i2c soph_mipi_rx soph_fast_image "
		"soph_rtos_cmdqu soph_base; do %s/bin/rmmod $m || exit 1; done;"
		"for m in soph_base soph_rtos_cmdqu soph_fast_image soph_mipi_rx soph_snsr_i2c soph_vi soph_vpss soph_vo soph_dwa soph_rgn "
		"soph_vc_driver soph_ive; do %s/bin/insmod /mnt/system/ko/$m.ko || exit 1; done",
		root, root);
	return system(line);
}

static int fail(int round, const char *why)
{
	printf("FAIL kill %d: %s\n", round, why);
	return 1;
}

static int one_round(int round, const char *libraries)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		streamer(libraries, -1);
	usleep((useconds_t)(5000 + rand() % 250000));
	/* A live owner is visible, and keeps its modules loaded. */
	if (contains("/proc/modules", "soph_vi 65536 1 ") && command("MAIXSIM_SET=quiet=1 %s rmmod %s 2>/dev/null", "soph_vi") == 0)
		return kill(pid, SIGKILL), fail(round, "soph_vi could be removed under a live process");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	command("MAIXSIM_SET=quiet=1 %s settle %s", root);
	if (contains("/proc/modules", "soph_vi 65536 1 "))
		return fail(round, "a dead process still holds soph_vi");
	if (contains("/proc/cvitek/vb", "PoolId(") && reload() != 0)
		return fail(round, "the modules cannot be reloaded");
	if (contains("/proc/cvitek/vb", "PoolId("))
		return fail(round, "the pools survived the reload");
	if (round % 4)
		return 0;
	pid = fork();
	if (pid == 0)
		streamer(libraries, 3 + round % 2);
	waitpid(pid, &status, 0);
	return status ? fail(round, "the next process cannot stream, or leaks") : 0;
}

int kill_and_restart(const char *libraries)
{
	int failures = 0, left;

	strcpy(root, "/tmp/simkill-XXXXXX");
	if (!mkdtemp(root))
		return 1;
	snprintf(tool, sizeof tool, "%s/maixsim", libraries);
	if (command("%s root %s", root) != 0)
		return fail(0, "no root");
	setenv("MAIXSTREAM_ROOT", root, 1);
	setenv("MAIXSIM_SET", "quiet=1", 1);
	srand(20260101);
	for (int i = 0; i < ROUNDS && !failures; i++)
		failures += one_round(i, libraries);
	if (!failures) { /* the last victim's buffers */
		pid_t pid = fork();

		if (pid == 0)
			streamer(libraries, 2);
		waitpid(pid, &left, 0);
		left |= command("%s report %s", root);
		failures += left ? fail(ROUNDS, "leftovers") : 0;
	}
	if (!failures)
		command("true %s; rm -rf %s", root);
	return failures;
}
