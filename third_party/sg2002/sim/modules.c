/* Unloading and loading kernel modules: the only thing that frees what they hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_private.h"
#include "modules.h"

static int find(const char *name)
{
	for (int i = 0; i < M_COUNT; i++)
		if (!strcmp(sim_module_names[i], name))
			return i;
	return -1;
}

/* soph_sys is the base of all; soph_base of all but soph_sys, the sensor bus and the mailbox. */
static bool uses(int module, int other)
{
	if (module == other || module == M_SYS)
		return false;
	if (other == M_SYS)
		return true;
	if (other == M_BASE)
		return module != M_SNSR_I2C && module != M_RTOS;
	if (other == M_MIPI_RX || other == M_SNSR_I2C)
		return module == M_VI && other == M_MIPI_RX;
	return false;
}

int sim_module_users(int module)
{
	int n = 0;

	for (int i = 0; i < M_COUNT; i++)
		n += K->modules[i] && uses(i, module);
	return n;
}

static bool opened(int module)
{
	for (int i = 0; i < K_PROCS; i++)
		if (K->procs[i].pid && (K->procs[i].sys || K->procs[i].vb) && module != M_VO)
			return true;
	return (module == M_VO && sim_setting("vo_user", 0));
}

static void clear(int module)
{
	switch (module) {
	case M_BASE: sim_pools_clear(); break;
	case M_VI:
		memset(&K->vi, 0, sizeof K->vi);
		for (int i = 0; i < CVI_VI_CHN_0_BUF; i++)
			K->vi.hw_pool[i] = -1;
		break;
	case M_VPSS: memset(K->grps, 0, sizeof K->grps); break;
	case M_RGN:
		for (int i = 0; i < RGN_MAX_NUM; i++)
			for (int c = 0; c < 2; c++)
				if (K->rgns[i].canvas[c])
					sim_ion_free(K->rgns[i].canvas[c]);
		memset(K->rgns, 0, sizeof K->rgns);
		break;
	case M_VC:
		for (int i = 0; i < VENC_MAX_CHN_NUM; i++) {
			if (K->vencs[i].phys)
				sim_ion_free(K->vencs[i].phys);
			if (K->vencs[i].big_phys)
				sim_ion_free(K->vencs[i].big_phys);
		}
		for (int i = 0; i < K_IONS; i++) /* buffers of channels that were created twice */
			if (K->ions[i].used &&
				(!strncmp(K->ions[i].name, "JPEG_", 5) || !strncmp(K->ions[i].name, "VENC_", 5) || !strncmp(K->ions[i].name, "VCODEC_", 7))) {
				K->ions[i].fixed = 0; /* the core's firmware */
				sim_ion_free(K->ions[i].phys);
			}
		memset(K->vencs, 0, sizeof K->vencs);
		memset(&K->jpeg, 0, sizeof K->jpeg);
		memset(&K->vcodec, 0, sizeof K->vcodec);
		memset(&K->jpege, 0, sizeof K->jpege);
		break;
	case M_MIPI_RX: memset(&K->mipi, 0, sizeof K->mipi); break;
	}
}

int sim_module_remove(const char *name, char *reason, size_t size)
{
	int m = find(name), users;

	sim_reap();
	if (m < 0 || !K->modules[m]) {
		snprintf(reason, size, "rmmod: can't unload module '%s': No such file or directory", name);
		return -ENOENT;
	}
	users = sim_module_users(m);
	if (users || opened(m) || sim_listed("rmmod_fails", name)) {
		snprintf(reason, size, "rmmod: can't unload module '%s': Resource temporarily unavailable", name);
		return -EAGAIN;
	}
	clear(m);
	K->modules[m] = 0;
	sim_module_nodes((enum k_module)m);
	sim_dirty();
	return 0;
}

int sim_module_insert(const char *path, const char *parameters, char *reason, size_t size)
{
	const char *base = strrchr(path, '/');
	char name[64];
	int m;

	snprintf(name, sizeof name, "%s", base ? base + 1 : path);
	if (strlen(name) > 3 && !strcmp(name + strlen(name) - 3, ".ko"))
		name[strlen(name) - 3] = '\0';
	m = find(name);
	if (m < 0 || sim_listed("insmod_fails", name)) {
		snprintf(reason, size, "insmod: can't insert '%s': No such file or directory", path);
		return -ENOENT;
	}
	if (K->modules[m]) {
		snprintf(reason, size, "insmod: can't insert '%s': File exists", path);
		return -EEXIST;
	}
	for (int i = 0; i < M_COUNT; i++)
		if (uses(m, i) && !K->modules[i]) {
			snprintf(reason, size, "insmod: can't insert '%s': unknown symbol in module, or unknown parameter", path);
			return -ENOENT;
		}
	K->modules[m] = 1;
	if (m == M_VC) {
		const char *p = strstr(parameters, "MaxVencChnNum=");

		K->venc_nodes = p ? atoi(p + strlen("MaxVencChnNum=")) : VENC_MAX_CHN_NUM;
	}
	sim_module_nodes((enum k_module)m);
	sim_dirty();
	return 0;
}
