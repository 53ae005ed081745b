/* The parts of the board that are files. */
#define _GNU_SOURCE
#include "root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core_private.h"
#include "modules.h"

static char top[PATH_MAX];
static int failed;

static const char *full(const char *path)
{
	static char buffer[PATH_MAX + 256];

	snprintf(buffer, sizeof buffer, "%s%s", top, path);
	return buffer;
}

static void dirs(const char *path)
{
	char part[PATH_MAX + 256];

	snprintf(part, sizeof part, "%s", full(path));
	for (char *p = part + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			mkdir(part, 0777);
			*p = '/';
		}
}

static void put(const char *path, mode_t mode, const char *content)
{
	FILE *f;

	dirs(path);
	f = fopen(full(path), "we");
	if (!f || fputs(content, f) < 0 || fclose(f) != 0 || chmod(full(path), mode) < 0) {
		fprintf(stderr, "maixsim: cannot write %s: %s\n", full(path), strerror(errno));
		failed = 1;
	}
}

static void link_to(const char *target, const char *path)
{
	dirs(path);
	unlink(full(path));
	if (symlink(target, full(path)) < 0) {
		fprintf(stderr, "maixsim: cannot link %s: %s\n", full(path), strerror(errno));
		failed = 1;
	}
}

/* The libraries next to this program. */
static void libraries(const char *self)
{
	char here[PATH_MAX], target[PATH_MAX + 256], path[PATH_MAX];
	DIR *d;

	snprintf(here, sizeof here, "%s", self);
	*strrchr(here, '/') = '\0';
	d = opendir(here);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!strstr(e->d_name, ".so"))
			continue;
		snprintf(target, sizeof target, "%s/%s", here, e->d_name);
		snprintf(path, sizeof path, "%s/%s",
			strcmp(e->d_name, "libsophgo-middleware.so") ? "/mnt/system/usr/lib" : "/usr/lib/python3.11/site-packages/maix/dl_lib", e->d_name);
		link_to(target, path);
	}
	if (d)
		closedir(d);
}

static void tools(const char *self)
{
	static const char script[] = "#!/bin/sh\n# Part of the simulator: %s of the simulated kernel.\nhere=$(cd \"$(dirname \"$0\")\" && pwd)\n"
								 "MAIXSTREAM_ROOT=$(dirname \"$here\") exec \"$here/maixsim\" %s \"$@\"\n";
	char text[512];

	snprintf(text, sizeof text, script, "rmmod", "rmmod");
	put("/bin/rmmod", 0755, text);
	snprintf(text, sizeof text, script, "insmod", "insmod");
	put("/bin/insmod", 0755, text);
	link_to(self, "/bin/maixsim");
}

static void board_files(const char *board)
{
	static const char *const bins[] = {"cvi_sdr_bin", "cvi_sdr_bin.ov2685", "cvi_sdr_bin.gc02m1", "cvi_sdr_bin.os04a10", "cvi_sdr_bin_90fps.os04a10"};
	static const char *const others[] = {"/dev/mem", "/dev/i2c-4"};
	char path[256], text[128];

	put("/proc/device-tree/model", 0644, "LicheeRv Nano");
	snprintf(text, sizeof text, "id=%s\nname=simulated\n", board);
	put("/boot/board", 0644, text);
	put("/boot/boards/board.maixcam", 0644, "id=maixcam\ncam_mclk=1\n");
	put("/boot/boards/board.maixcam_pro", 0644, "id=maixcam_pro\ncam_mclk=0\ncam_flip=1\ncam_mirror=1\n");
	put("/boot/ver", 0644, "maixsim\n");
	for (size_t i = 0; i < sizeof bins / sizeof *bins; i++) {
		snprintf(path, sizeof path, "/mnt/cfg/param/%s", bins[i]);
		put(path, 0644, "CVBP of the simulator\n");
	}
	for (int i = 0; i < M_COUNT; i++) {
		snprintf(path, sizeof path, "/mnt/system/ko/%s.ko", sim_module_names[i]);
		put(path, 0644, "");
	}
	put("/usr/share/fw_vcodec/coda980.bin", 0644, "firmware of the simulator\n");
	put("/mnt/data/sensor_cfg.ini", 0644, "[sensor]\nname = GCORE_GC4653_MIPI_4M_30FPS_10BIT\nbus_id = 4\n");
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		put(others[i], 0666, "");
	put("/proc/meminfo", 0644, "MemTotal:         154624 kB\nMemFree:           61440 kB\nMemAvailable:      92160 kB\n");
	put("/proc/cvitek/vb", 0644, "");
	put("/sys/kernel/debug/ion/cvi_carveout_heap_dump/summary", 0644, "");
}

int root_make(const char *dir, const char *board)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (strcmp(board, "maixcam") && strcmp(board, "maixcam_pro") && strcmp(board, "none")) {
		fprintf(stderr, "maixsim: unknown board %s (maixcam, maixcam_pro or none)\n", board);
		return 2;
	}
	mkdir(dir, 0777);
	if (!realpath(dir, top) || n < 0) {
		fprintf(stderr, "maixsim: cannot create %s: %s\n", dir, strerror(errno));
		return 1;
	}
	self[n] = '\0';
	setenv("MAIXSTREAM_ROOT", top, 1);
	unsetenv("MAIXSIM_DIR");
	put("/proc/modules", 0644, "");
	put("/tmp/.keep", 0644, "");
	put("/dev/null.d/.keep", 0644, "");
	tools(self);
	if (strcmp(board, "none")) {
		board_files(board);
		libraries(self);
	}
	sim_lock();
	for (int m = 0; m < M_COUNT; m++) {
		if (!strcmp(board, "none"))
			K->modules[m] = 0;
		else
			sim_module_nodes((enum k_module)m);
	}
	sim_dirty();
	sim_unlock();
	return failed;
}
