/*
 * maixsim: controls the simulated kernel from outside. Lays out a simulated root, detects the death of processes, unloads and
 * loads modules, reports faults, and acts as another program that has the camera open or died with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core_private.h"
#include "modules.h"
#include "root.h"

/* libatomic's helper, which libsys.so needs; nothing here depends on it. */
bool tool_compare_exchange(uint8_t *p, uint8_t *expected, uint8_t desired, int success, int failure) __asm__("__atomic_compare_exchange_1");
bool tool_compare_exchange(uint8_t *p, uint8_t *expected, uint8_t desired, int success, int failure)
{
	bool equal = *p == *expected;

	(void)success, (void)failure;
	*(equal ? p : expected) = equal ? desired : *p;
	return equal;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: maixsim root DIR [--board maixcam|maixcam_pro|none]   lay out a board's files\n"
		"       maixsim report [DIR] [--allow-left]   list faults and leftovers; exit 1 if there are any\n"
		"       maixsim reset [DIR]                   forget everything, as after a reboot\n"
		"       maixsim settle [DIR]                  clean up now after dead processes, as a kernel does\n"
		"       maixsim rmmod NAME... | insmod FILE [k=v]\n"
		"       maixsim hold [DIR]                    act as another program that has the camera, until killed\n"
		"       maixsim leak [DIR] [--jpeg-lock]      act as a program that died with the camera open\n"
		"DIR is a root or a state directory; default: MAIXSTREAM_ROOT or MAIXSIM_DIR.\n");
	return 2;
}

/* A root contains its state. */
static void choose(const char *dir)
{
	char inner[PATH_MAX];

	if (!dir)
		return;
	snprintf(inner, sizeof inner, "%s/proc", dir);
	if (access(inner, F_OK) == 0) {
		setenv("MAIXSTREAM_ROOT", dir, 1);
		unsetenv("MAIXSIM_DIR");
	} else {
		setenv("MAIXSIM_DIR", dir, 1);
	}
}

static int watch(const char *dir, const char *pid)
{
	char path[PATH_MAX];
	int fd;

	if (fork() != 0)
		return 0;
	setsid();
	snprintf(path, sizeof path, "%s/alive.%s", dir, pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
			;
		close(fd);
	}
	sim_lock();
	sim_reap();
	sim_dirty();
	sim_unlock();
	return 0;
}

static int report(bool allow_left)
{
	int left;
	uint64_t faults;

	sim_lock();
	sim_reap();
	left = sim_left(-1);
	faults = K->faults;
	printf("faults: %llu\nleft by dead processes: %d\nION in use: %llu of %llu bytes, at most %llu\n", (unsigned long long)faults, left,
		(unsigned long long)K->ion_used, (unsigned long long)K->ion_size, (unsigned long long)K->ion_peak);
	sim_dirty();
	sim_unlock();
	return faults || (left && !allow_left);
}

static int reset(void)
{
	static const char *const files[] = {"kernel", "faults.log", "trace.log", "control", "counters"};
	char path[PATH_MAX + 32];

	sim_lock();
	if (sim_private()) {
		sim_unlock();
		return usage();
	}
	K->magic = 0; /* the next process to attach boots */
	sim_unlock();
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", sim_dir(), files[i]);
		unlink(path);
	}
	return 0;
}

static int modules(bool insert, int argc, char **argv)
{
	char reason[PATH_MAX + 128] = "", parameters[512] = "";
	int rc = 0;

	sim_lock();
	if (insert) {
		for (int i = 1; i < argc; i++)
			snprintf(parameters + strlen(parameters), sizeof parameters - strlen(parameters), "%s ", argv[i]);
		rc = sim_module_insert(argv[0], parameters, reason, sizeof reason);
		if (rc < 0)
			fprintf(stderr, "%s\n", reason);
	} else {
		for (int i = 0; i < argc; i++) {
			int one = sim_module_remove(argv[i], reason, sizeof reason);

			if (one < 0)
				fprintf(stderr, "%s\n", reason);
			rc = one < 0 ? one : rc;
		}
	}
	sim_unlock();
	return rc < 0;
}

/* The kernel state of a streaming program. */
static void take(bool jpeg_lock)
{
	VB_CONFIG_S config = {.u32MaxPoolCnt = 1, .astCommPool = {{.u32BlkSize = 5652480, .u32BlkCnt = 3, .enRemapMode = VB_REMAP_MODE_CACHED}}};
	struct k_proc *self;
	int block;

	CVI_VB_SetConfig(&config);
	CVI_VB_Init();
	sim_lock();
	self = sim_self();
	self->sys = self->vi = self->base = 1;
	sim_hold_vi(true);
	K->vi.pid = getpid();
	K->vi.chn = K->vi.has_chn = K->vi.dev = K->vi.has_dev = 1;
	K->vi.pool = VB_INVALID_POOLID;
	K->vi.dma = sim_ion_alloc("VI_DMA_BUF", 12 << 20);
	sim_ion_alloc("ISP_SHARED_BUFFER_0", 291424);
	K->grps[0].created = K->grps[0].started = K->grps[0].chn[0].enabled = 1;
	K->grps[0].chn[0].pool = VB_INVALID_POOLID;
	K->grps[0].pid = getpid();
	sim_pool_take(VB_INVALID_POOLID, 1382400, H_FRAME, &block);
	K->vencs[0].created = K->vencs[0].receiving = 1;
	K->vencs[0].pid = getpid();
	K->vencs[0].phys = sim_ion_alloc("JPEG_ES", 0x900000);
	if (jpeg_lock) {
		K->jpeg.held = 1;
		K->jpeg.pid = getpid();
	}
	sim_dirty();
	sim_unlock();
}

_Noreturn static void hold(void)
{
	take(false);
	printf("holding the camera as pid %d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}

static bool flag(int *argc, char **argv, const char *name)
{
	for (int i = 0; i < *argc; i++)
		if (!strcmp(argv[i], name)) {
			memmove(&argv[i], &argv[i + 1], sizeof *argv * (size_t)(*argc - i));
			(*argc)--;
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	bool allow_left, jpeg_lock;

	sim_is_tool = true;
	argc -= 2;
	argv += 2;
	if (!strcmp(verb, "root") && argc >= 1)
		return root_make(argv[0], argc > 2 && !strcmp(argv[1], "--board") ? argv[2] : "maixcam");
	if (!strcmp(verb, "watch") && argc == 2)
		return watch(argv[0], argv[1]);
	if (!strcmp(verb, "rmmod") && argc >= 1)
		return modules(false, argc, argv);
	if (!strcmp(verb, "insmod") && argc >= 1)
		return modules(true, argc, argv);
	allow_left = flag(&argc, argv, "--allow-left");
	jpeg_lock = flag(&argc, argv, "--jpeg-lock");
	if (argc > 1 || argc < 0)
		return usage();
	choose(argc == 1 ? argv[0] : NULL);
	if (!strcmp(verb, "report"))
		return report(allow_left);
	if (!strcmp(verb, "reset"))
		return reset();
	if (!strcmp(verb, "hold"))
		hold();
	if (!strcmp(verb, "leak"))
		return take(jpeg_lock), _exit(0), 0;
	if (!strcmp(verb, "settle")) {
		sim_lock();
		sim_reap();
		sim_dirty();
		sim_unlock();
		return 0;
	}
	return usage();
}
