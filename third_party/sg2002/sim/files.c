/* The files that the board's kernel writes, kept below MAIXSTREAM_ROOT: modules loaded, pools held, memory free. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core_private.h"
#include "modules.h"

static bool dirty;

/* For pools, buffers, modules and owners; not for blocks, which change with every frame. */
void sim_dirty(void) { dirty = true; }

const char *const sim_module_names[M_COUNT] = {"soph_sys", "soph_base", "soph_rtos_cmdqu", "soph_fast_image", "soph_mipi_rx", "soph_snsr_i2c",
	"soph_vi", "soph_vpss", "soph_dwa", "soph_vo", "soph_rgn", "soph_vc_driver", "soph_ive"};

static FILE *start(const char *path, char *temporary, size_t size)
{
	snprintf(temporary, size, "%s%s.%d", sim_root(), path, getpid());
	return fopen(temporary, "we");
}

/* Written atomically, so that a reader never sees half a file. */
static void finish(FILE *f, const char *path, const char *temporary)
{
	char final[PATH_MAX + 128];

	snprintf(final, sizeof final, "%s%s", sim_root(), path);
	if (fclose(f) != 0 || rename(temporary, final) < 0)
		fprintf(stderr, "maixsim: cannot write %s: %s\n", final, strerror(errno));
}

static void write_vb(FILE *f)
{
	fprintf(f,
		"\nModule: [VB], Build Time[maixsim]\n"
		"-----VB PUB CONFIG-----------------------------------------------------------\n"
		"%10s(%3d), %10s(%3d)\n",
		"MaxPoolCnt", K_POOLS, "MaxBlkCnt", K_BLOCKS);
	if (!K->modules[M_BASE] || K->vb_refs == 0) {
		fprintf(f, "vb_pool has not inited yet\n");
		return;
	}
	fprintf(f, "\n-----COMMON POOL CONFIG------------------------------------------------------\n");
	for (int i = 0; i < K_POOLS; i++)
		if (K->pools[i].used)
			fprintf(f, "%10s(%3d)\t%10s(%12u)\t%10s(%3u)\n", "PoolId", i, "Size", K->pools[i].blk_size, "Count", K->pools[i].blk_count);
	fprintf(f, "\n-----------------------------------------------------------------------------\n");
	for (int i = 0; i < K_POOLS; i++) {
		struct k_pool *p = &K->pools[i];
		uint32_t free = 0;

		if (!p->used)
			continue;
		for (uint32_t b = 0; b < p->blk_count; b++)
			free += sim_block_refs(i, (int)b) == 0;
		fprintf(f, "%-10s: %s\n%-10s: %d\n%-10s: 0x%llx\n%-10s: 0x0\n%-10s: %d\n%-10s: %d\n%-10s: %u\n%-10s: %u\n%-10s: %u\n%-10s: %u\n\n",
			"PoolName", p->name, "PoolId", i, "PhysAddr", (unsigned long long)p->phys, "VirtAddr", "IsComm", p->common, "Owner", -1, "BlkSz",
			p->blk_size, "BlkCnt", p->blk_count, "Free", free, "MinFree", p->min_free);
	}
}

static void write_modules(FILE *f)
{
	int processes = 0;

	for (int i = 0; i < K_PROCS; i++)
		processes += K->procs[i].pid && K->procs[i].sys;
	for (int m = M_COUNT - 1; m >= 0; m--) {
		int uses = 0;

		if (!K->modules[m])
			continue;
		if (m == M_VI)
			for (int i = 0; i < K_PROCS; i++)
				uses += K->procs[i].pid && K->procs[i].vi;
		else if (m == M_VO)
			uses = (int)sim_setting("vo_user", 0);
		if (m == M_SYS || m == M_BASE)
			uses = processes + sim_module_users(m);
		fprintf(f, "%s %d %d - Live 0x%016x (O)\n", sim_module_names[m], 40960 + 4096 * m, uses, 0);
	}
}

static void write_ion(FILE *f)
{
	fprintf(f,
		"Summary:\n[0] carveout heap size:%llu bytes, used:%llu bytes\nusage rate:%llu%%, memory usage peak %llu bytes\n\n"
		"Details:\nheap_id     alloc_buf_size   phy_addr       kmap_cnt   buffer name\n",
		(unsigned long long)K->ion_size, (unsigned long long)K->ion_used, (unsigned long long)(K->ion_used * 100 / K->ion_size),
		(unsigned long long)K->ion_peak);
	for (int i = 0; i < K_IONS; i++)
		if (K->ions[i].used)
			fprintf(f, "%7d %18u %12llx %14d      %s\n", 0, K->ions[i].size, (unsigned long long)K->ions[i].phys, 0, K->ions[i].name);
}

static void write_file(const char *path, void (*content)(FILE *))
{
	char temporary[PATH_MAX + 160];
	FILE *f = start(path, temporary, sizeof temporary);

	if (!f)
		return; /* the root has no such file: it is not a MaixCAM's */
	content(f);
	finish(f, path, temporary);
}

void sim_files(void)
{
	char path[PATH_MAX + 32];
	FILE *f;

	if (!dirty)
		return;
	dirty = false;
	snprintf(path, sizeof path, "%s/counters", sim_dir());
	if (!sim_private() && !sim_is_tool && (f = fopen(path, "we"))) {
		sim_write_counters(f);
		fclose(f);
	}
	if (!*sim_root())
		return;
	write_file("/proc/cvitek/vb", write_vb);
	write_file("/proc/modules", write_modules);
	write_file("/sys/kernel/debug/ion/cvi_carveout_heap_dump/summary", write_ion);
}

/* ---- device nodes ---- */

static const struct {
	const char *node;
	enum k_module module;
} nodes[] = {
	{"/dev/cvi-base", M_BASE},
	{"/dev/cvi-sys", M_SYS},
	{"/dev/cvi-vi", M_VI},
	{"/dev/cvi-vpss", M_VPSS},
	{"/dev/cvi-rgn", M_RGN},
	{"/dev/cvi-mipi-rx", M_MIPI_RX},
	{"/dev/cvi-vo", M_VO},
	{"/dev/cvi-dwa", M_DWA},
	{"/dev/cvi-rtos-cmdqu", M_RTOS},
};

bool sim_node(const char *path)
{
	char full[PATH_MAX + 64];
	int n;

	if (sim_listed("missing", path))
		return false;
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		if (!strcmp(nodes[i].node, path) && !K->modules[nodes[i].module])
			return false;
	if (sscanf(path, "/dev/cvi_vc_enc%d", &n) == 1 && (!K->modules[M_VC] || n >= K->venc_nodes))
		return false;
	if (!*sim_root())
		return true;
	snprintf(full, sizeof full, "%s%s", sim_root(), path);
	return access(full, R_OK | W_OK) == 0;
}

void sim_hold_vi(bool hold)
{
	static int fd = -1;
	char full[PATH_MAX + 64];

	if (fd >= 0)
		close(fd);
	fd = -1;
	if (!hold || !*sim_root())
		return;
	snprintf(full, sizeof full, "%s/dev/cvi-vi", sim_root());
	fd = open(full, O_RDWR | O_CLOEXEC);
}

/* Creates and removes a module's nodes in the simulated root. */
void sim_module_nodes(enum k_module module)
{
	char full[PATH_MAX + 64], name[64];
	int fd;

	if (!*sim_root())
		return;
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		if (nodes[i].module != module)
			continue;
		snprintf(full, sizeof full, "%s%s", sim_root(), nodes[i].node);
		if (!K->modules[module])
			unlink(full);
		else if ((fd = open(full, O_CREAT | O_RDWR | O_CLOEXEC, 0666)) >= 0)
			close(fd);
	}
	if (module != M_VC)
		return;
	for (int i = 0; i < VENC_MAX_CHN_NUM; i++) {
		snprintf(name, sizeof name, "/dev/cvi_vc_enc%d", i);
		snprintf(full, sizeof full, "%s%s", sim_root(), name);
		if (!K->modules[M_VC] || i >= K->venc_nodes)
			unlink(full);
		else if ((fd = open(full, O_CREAT | O_RDWR | O_CLOEXEC, 0666)) >= 0)
			close(fd);
	}
}
