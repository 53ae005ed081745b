/* The fault log, the counters, and the list of what is still held. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core_private.h"

#define COUNTERS 96
#define SAME_FAULT 8 /* a fault that repeats with every frame is logged this often, then only counted */

static struct {
	char name[32];
	int64_t value;
} counters[COUNTERS];

static struct {
	const char *format;
	int times;
} seen[128];

static int faults;

int sim_faults(void) { return faults; }

static void write_line(const char *line)
{
	char path[PATH_MAX + 16] = "";
	const char *env = getenv("MAIXSIM_LOG");
	int fd;

	if (env && *env)
		snprintf(path, sizeof path, "%s", env);
	else if (!sim_private())
		snprintf(path, sizeof path, "%s/faults.log", sim_dir());
	if (*path) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		if (fd >= 0) {
			if (write(fd, line, strlen(line)) < 0)
				fprintf(stderr, "maixsim: cannot write %s\n", path);
			close(fd);
		}
	}
	if (!sim_setting("quiet", 0))
		fprintf(stderr, "maixsim: %s", line);
}

static int times_seen(const char *format)
{
	for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
		if (!seen[i].format)
			seen[i].format = format;
		if (seen[i].format == format)
			return ++seen[i].times;
	}
	return 0;
}

void sim_fault(const char *class, const char *call, const char *format, ...)
{
	char text[512], line[768];
	va_list args;
	int times;

	if (sim_listed("allow", class))
		return;
	faults++;
	K->faults++;
	sim_count("faults", 1);
	times = times_seen(format);
	if (times > SAME_FAULT)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	snprintf(line, sizeof line, "FAULT %s %s: %s [pid %d]%s\n", class, call, text, getpid(), times == SAME_FAULT ? " (repeats are not logged)" : "");
	write_line(line);
}

void sim_crash(const char *call, const char *rule)
{
	if (sim_listed("allow", F_CRASH))
		sim_note("CRASH %s: %s: the real library dies here", call, rule);
	else
		sim_fault(F_CRASH, call, "%s: the real library dies here", rule);
	sim_dirty();
	sim_files(); /* the lock ends with the process */
	_exit(139);
}

void sim_note(const char *format, ...)
{
	char text[512], line[560];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	snprintf(line, sizeof line, "%s\n", text);
	write_line(line);
}

void sim_count(const char *name, int64_t add)
{
	for (int i = 0; i < COUNTERS; i++) {
		if (!counters[i].name[0])
			snprintf(counters[i].name, sizeof counters[i].name, "%s", name);
		if (!strcmp(counters[i].name, name)) {
			counters[i].value += add;
			return;
		}
	}
}

int64_t maixsim_counter(const char *name)
{
	int64_t value = -1;

	sim_lock();
	if (!strcmp(name, "ion.used"))
		value = (int64_t)K->ion_used;
	else if (!strcmp(name, "ion.free"))
		value = (int64_t)(K->ion_size - K->ion_used);
	else if (!strncmp(name, "raw.", 4) || !strncmp(name, "jpeg.", 5) || !strncmp(name, "h264.", 5) || !strcmp(name, "faults") ||
		!strncmp(name, "injected.", 9))
		value = 0; /* known, but maybe never counted */
	for (int i = 0; i < COUNTERS && value <= 0; i++)
		if (!strcmp(counters[i].name, name))
			value = counters[i].value;
	sim_unlock();
	return value;
}

/* ---- what is still held ---- */

static int found;
static bool only_show; /* print only, without logging again */

/* Whose things are counted: pid's; everybody's for 0; those of dead processes for -1. */
static bool counts(int32_t owner, int32_t pid) { return pid == 0 || (pid < 0 ? !sim_alive(owner, 0) : owner == pid); }

/* For a live process it is a fault; for a dead one only a remark, since the test killed it. */
static void held(bool fault, int32_t pid, const char *format, ...)
{
	char text[256];
	va_list args;

	found++;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (fault)
		sim_fault(F_LEAK, "report", "%s", text);
	else if (only_show)
		printf("LEFT by pid %d: %s\n", pid, text);
	else
		sim_note("LEFT by pid %d: %s", pid, text);
}

static const char *const holder_names[H_KINDS] = {
	"the program (GetBlock)", "the program (GetChnFrame)", "the queue of a VPSS channel", "VI", "VPSS", "VENC"};

static void held_pools(int32_t pid, bool fault)
{
	for (int i = 0; i < K_POOLS; i++) {
		struct k_pool *p = &K->pools[i];

		if (!p->used || !counts(p->pid, pid))
			continue;
		held(fault, p->pid, "VB pool %d, %u x %u bytes%s", i, p->blk_count, p->blk_size, p->common ? ", common" : "");
		for (uint32_t b = 0; b < p->blk_count; b++)
			for (int h = 0; h < H_KINDS; h++)
				if (p->refs[b][h])
					held(fault, p->pid, "block %u of VB pool %d, held %d times by %s", b, i, p->refs[b][h], holder_names[h]);
	}
}

/* The library keeps its buffer if a start fails before CVI_ISP_Init, and uses it again at the next registration. */
static bool kept_by_libisp(const struct k_ion *b) { return b->phys == sim_camera.shared && !sim_camera.isp && !sim_camera.exited; }

static int account(int32_t pid, bool fault)
{
	found = 0;
	if (K->vi.chn && counts(K->vi.pid, pid))
		held(fault, K->vi.pid, "VI channel 0 enabled");
	for (int i = 0; i < K_BINDS; i++)
		if (K->binds[i].used && fault)
			held(fault, pid, "bind from module %d to module %d", (int)K->binds[i].src.enModId, (int)K->binds[i].dst.enModId);
	for (int i = 0; i < VENC_MAX_CHN_NUM; i++)
		if (K->vencs[i].created && counts(K->vencs[i].pid, pid))
			held(fault, K->vencs[i].pid, "VENC channel %d%s%s", i, K->vencs[i].receiving ? ", receiving" : "",
				K->vencs[i].stream == STREAM_OUT ? ", a stream not released" : "");
	if (K->jpeg.held && counts(K->jpeg.pid, pid))
		held(fault, K->jpeg.pid, "the JPEG lock, by channel %d", K->jpeg.chn);
	if (K->vcodec.held && counts(K->vcodec.pid, pid))
		held(fault, K->vcodec.pid, "the codec lock, by channel %d", K->vcodec.chn);
	for (int i = 0; i < VPSS_MAX_GRP_NUM; i++)
		if (K->grps[i].created && counts(K->grps[i].pid, pid))
			held(fault, K->grps[i].pid, "VPSS group %d", i);
	for (int i = 0; i < RGN_MAX_NUM; i++)
		if (K->rgns[i].used && counts(K->rgns[i].pid, pid))
			held(fault, K->rgns[i].pid, "region %d%s", i, K->rgns[i].attached ? ", attached" : "");
	held_pools(pid, fault);
	for (int i = 0; i < K_IONS; i++)
		if (K->ions[i].used && !K->ions[i].fixed && counts(K->ions[i].pid, pid) && strcmp(K->ions[i].name, "VbPool") &&
			!(fault && (K->ions[i].lost || kept_by_libisp(&K->ions[i]))))
			held(fault, K->ions[i].pid, "ION buffer %s, %u bytes at 0x%llx", K->ions[i].name, K->ions[i].size, (unsigned long long)K->ions[i].phys);
	return found;
}

int sim_left(int32_t pid)
{
	only_show = pid < 0;
	return account(pid, false);
}

void sim_write_counters(FILE *f)
{
	for (int i = 0; i < COUNTERS && counters[i].name[0]; i++)
		fprintf(f, "%s %lld\n", counters[i].name, (long long)counters[i].value);
}

int32_t maixsim_report(void)
{
	static const char *const purposes[P_KINDS] = {"a raw picture", "a JPEG stream", "an H.264 stream", "a canvas", "physical memory"};
	int n;

	sim_lock();
	account(getpid(), true);
	for (int p = 0; p < P_KINDS; p++) {
		n = sim_mappings((enum sim_purpose)p);
		if (n)
			sim_fault(F_LEAK, "report", "%d mappings of %s left", n, purposes[p]);
	}
	if (sim_camera.registered)
		sim_fault(F_LEAK, "report", "the sensor's callbacks are still registered");
	if (sim_camera.runs)
		sim_fault(F_LEAK, "report", "%d threads are still in CVI_ISP_Run", sim_camera.runs);
	n = faults;
	sim_unlock();
	return n;
}

/* For programs that end by exit(); the watcher handles the others. */
__attribute__((destructor)) static void unloaded(void)
{
	bool ours = false;

	if (!K)
		return;
	sim_lock();
	for (int i = 0; i < K_PROCS; i++)
		ours |= K->procs[i].pid == getpid();
	sim_unlock();
	if (ours && sim_private())
		maixsim_report();
}
