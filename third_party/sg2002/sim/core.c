/* Attaching to the kernel's state, its lock, the process table, and cleaning up when a process has died. */
#define _GNU_SOURCE
#include "core.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core_private.h"

struct kernel *K;
uint8_t *sim_ion;
struct sim_hooks sim_hook;
int sim_ion_fd = -1;
bool sim_is_tool;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static int kernel_fd = -1, alive_fd = -1;
static char dir[PATH_MAX], root[PATH_MAX];
static bool watched;

uint64_t sim_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t sim_deadline(int32_t milliseconds) { return milliseconds < 0 ? 0 : sim_now() + (uint64_t)milliseconds * 1000 + 1; }

const char *sim_dir(void) { return dir; }
const char *sim_root(void) { return root; }
bool sim_private(void) { return dir[0] == '\0'; }

static void die(const char *what, const char *path)
{
	fprintf(stderr, "maixsim: cannot %s %s: %s\n", what, path, strerror(errno));
	abort();
}

static void make_dirs(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof part, "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(part, 0777);
		*p = '/';
	}
	mkdir(part, 0777);
}

/* A freshly booted kernel: all modules loaded, nothing configured, the firmware's share of the carveout in use. */
static void boot(void)
{
	uint64_t fixed;

	memset(K, 0, sizeof *K);
	K->magic = K_MAGIC;
	K->size = sizeof *K;
	for (int i = 0; i < M_COUNT; i++)
		K->modules[i] = 1;
	K->venc_nodes = 9;
	K->ion_size = (uint64_t)sim_setting("ion", 105 << 20);
	fixed = (uint64_t)sim_setting("ion_fixed", 22 << 20);
	K->ions[0] = (struct k_ion){.used = 1, .fixed = 1, .size = (uint32_t)fixed, .phys = K_ION_BASE, .name = "firmware"};
	K->ion_used = K->ion_peak = fixed;
	K->pads[0] = 3;
	K->pads[1] = 5;
	K->jpege.enJpegeFormat = JPEGE_FORMAT_DEFAULT;
	for (int i = 0; i < CVI_VI_CHN_0_BUF; i++)
		K->vi.hw_pool[i] = -1;
}

static void attach(void)
{
	char path[PATH_MAX + 32];
	const char *env;
	pthread_condattr_t attr;

	env = getenv("MAIXSTREAM_ROOT");
	snprintf(root, sizeof root, "%s", env ? env : "");
	env = getenv("MAIXSIM_DIR");
	if (env && *env)
		snprintf(dir, sizeof dir, "%s", env);
	else if (*root && strlen(root) + 6 < sizeof dir)
		snprintf(dir, sizeof dir, "%.*s/.sim", (int)(sizeof dir - 6), root);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attr);

	if (sim_private()) {
		K = mmap(NULL, sizeof *K, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	} else {
		make_dirs(dir);
		snprintf(path, sizeof path, "%s/kernel", dir);
		kernel_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		if (kernel_fd < 0 || flock(kernel_fd, LOCK_EX) < 0 || ftruncate(kernel_fd, sizeof *K) < 0)
			die("open", path);
		K = mmap(NULL, sizeof *K, PROT_READ | PROT_WRITE, MAP_SHARED, kernel_fd, 0);
	}
	if (K == MAP_FAILED)
		die("map", "kernel state");
	sim_settings_load();
	if (K->magic != K_MAGIC || K->size != sizeof *K) {
		boot();
		sim_dirty();
	}
	/* Only the carveout's bookkeeping outlives a process; its content need not. */
	sim_ion_fd = memfd_create("maixsim-ion", MFD_CLOEXEC);
	if (sim_ion_fd < 0 || ftruncate(sim_ion_fd, (off_t)K->ion_size) < 0)
		die("create", "carveout");
	sim_ion = mmap(NULL, K->ion_size, PROT_READ | PROT_WRITE, MAP_SHARED, sim_ion_fd, 0);
	if (sim_ion == MAP_FAILED)
		die("map", "carveout");
	/* So that these counters read 0 instead of being unknown. */
	sim_count("raw.mapped", 0);
	sim_count("raw.touched", 0);
	sim_count("raw.invalidated", 0);
	sim_count("raw.flushed", 0);
	if (kernel_fd >= 0)
		flock(kernel_fd, LOCK_UN);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

void sim_lock(void)
{
	pthread_once(&once, attach);
	pthread_mutex_lock(&mutex);
	if (kernel_fd >= 0)
		while (flock(kernel_fd, LOCK_EX) < 0 && errno == EINTR)
			;
}

void sim_unlock(void)
{
	sim_files();
	if (kernel_fd >= 0)
		flock(kernel_fd, LOCK_UN);
	pthread_mutex_unlock(&mutex);
}

void sim_wake(void) { pthread_cond_broadcast(&changed); }

bool sim_wait(uint64_t deadline)
{
	/* We may be waiting for another process, which cannot signal our condition: check at least this often. */
	uint64_t until = sim_now() + 200000;
	struct timespec t;

	if (deadline && sim_now() >= deadline)
		return false;
	if (deadline && deadline < until)
		until = deadline;
	t.tv_sec = (time_t)(until / 1000000);
	t.tv_nsec = (long)(until % 1000000) * 1000;
	sim_files();
	if (kernel_fd >= 0)
		flock(kernel_fd, LOCK_UN);
	pthread_cond_timedwait(&changed, &mutex, &t);
	if (kernel_fd >= 0)
		while (flock(kernel_fd, LOCK_EX) < 0 && errno == EINTR)
			;
	return true;
}

int sim_thread(pthread_t *thread, void *(*run)(void *), void *arg, const char *name)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc == 0)
		pthread_setname_np(*thread, name);
	return rc;
}

/* ---- processes ---- */

static void alive_path(char *path, size_t size, int32_t pid) { snprintf(path, size, "%s/alive.%d", dir, pid); }

/* A process holds a lock on its own file for its lifetime; so a reused pid is never mistaken for it. */
bool sim_alive(int32_t pid, uint64_t start)
{
	char path[PATH_MAX + 32];
	int fd;
	bool alive;

	(void)start;
	if (pid == getpid())
		return true;
	if (sim_private())
		return false;
	alive_path(path, sizeof path, pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	alive = flock(fd, LOCK_EX | LOCK_NB) < 0;
	if (!alive)
		unlink(path);
	close(fd);
	return alive;
}

/* The watcher outlives us and does what a kernel does when a process dies, however it dies. */
static void watch(void)
{
	char tool[PATH_MAX], pid[16], *args[5];
	const char *env = getenv("MAIXSIM_TOOL");
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t child;
	Dl_info info;

	if (watched || sim_private())
		return;
	watched = true;
	if (env) {
		snprintf(tool, sizeof tool, "%s", env);
	} else {
		const char *slash;

		if (!dladdr(&K, &info) || !(slash = strrchr(info.dli_fname, '/')))
			return;
		snprintf(tool, sizeof tool, "%.*s/maixsim", (int)(slash - info.dli_fname), info.dli_fname);
	}
	if (access(tool, X_OK) < 0)
		return;
	snprintf(pid, sizeof pid, "%d", getpid());
	args[0] = tool;
	args[1] = (char *)"watch";
	args[2] = dir;
	args[3] = pid;
	args[4] = NULL;
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&child, tool, &files, &attr, args, environ) == 0)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
}

struct k_proc *sim_self(void)
{
	struct k_proc *empty = NULL;
	char path[PATH_MAX + 32];

	for (int i = 0; i < K_PROCS; i++) {
		struct k_proc *p = &K->procs[i];

		if (p->pid == getpid()) {
			if (p->instance != (uint64_t)(uintptr_t)&K)
				sim_fault(F_BAD_HANDLE, "libsys.so", "a second copy is loaded in this process");
			return p;
		}
		if (!p->pid && !empty)
			empty = p;
	}
	if (!empty) {
		fprintf(stderr, "maixsim: more than %d processes use %s\n", K_PROCS, dir);
		abort();
	}
	*empty = (struct k_proc){.pid = getpid(), .instance = (uint64_t)(uintptr_t)&K};
	if (!sim_private()) {
		alive_path(path, sizeof path, getpid());
		if (alive_fd >= 0)
			close(alive_fd);
		alive_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		if (alive_fd < 0 || flock(alive_fd, LOCK_EX) < 0)
			die("lock", path);
		watch();
	}
	return empty;
}

static bool anybody_has_sys(void)
{
	for (int i = 0; i < K_PROCS; i++)
		if (K->procs[i].pid && K->procs[i].sys)
			return true;
	return false;
}

/* A dead process's open devices are closed; everything else stays as it left it. */
void sim_reap(void)
{
	for (int i = 0; i < K_PROCS; i++) {
		struct k_proc *p = &K->procs[i];

		if (!p->pid || sim_alive(p->pid, p->start))
			continue;
		if (K->vi.pid == p->pid) {
			for (int b = 0; b < CVI_VI_CHN_0_BUF; b++)
				if (K->vi.hw_pool[b] >= 0)
					sim_drop(K->vi.hw_pool[b], K->vi.hw_block[b], H_VI);
			memset(&K->vi, 0, sizeof K->vi);
			for (int b = 0; b < CVI_VI_CHN_0_BUF; b++)
				K->vi.hw_pool[b] = -1;
		}
		for (int v = 0; v < VENC_MAX_CHN_NUM; v++) /* its encoder threads hang in the driver; nothing feeds them any more */
			if (K->vencs[v].created && K->vencs[v].pid == p->pid)
				K->vencs[v].thread = 0;
		sim_left(p->pid);
		memset(p, 0, sizeof *p);
		if (!anybody_has_sys())
			memset(K->binds, 0, sizeof K->binds);
		sim_dirty();
	}
}
