/*
 * A plugin for QEMU's user emulation that counts the instructions executed by each thread of the emulated program.
 *   qemu-riscv64 -plugin libcount.so,out=FILE program
 * FILE is then an array of `struct thread`, one for each thread that ever ran, which may be read at any time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The part of QEMU's plugin interface, version 1, used here (its manual, "TCG Plugins"; Debian has no package with the header). */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef struct qemu_info_t qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned));
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), enum qemu_plugin_cb_flags, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { THREADS = 4096 };

struct thread {
	uint64_t id;           /* the kernel's, as in /proc/PID/task */
	uint64_t instructions; /* executed so far */
};

static struct thread *threads;

static void executed(unsigned cpu, void *instructions)
{
	if (cpu >= THREADS)
		return;
	if (threads[cpu].id == 0)
		threads[cpu].id = (uint64_t)syscall(SYS_gettid);
	threads[cpu].instructions += (uintptr_t)instructions; /* written only by its own thread */
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int fd;

	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) != 0) {
		fprintf(stderr, "libcount.so: out=FILE is missing\n");
		return -1;
	}
	fd = open(argv[0] + 4, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, THREADS * sizeof(*threads)) < 0) {
		perror(argv[0] + 4);
		return -1;
	}
	threads = mmap(NULL, THREADS * sizeof(*threads), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (threads == MAP_FAILED) {
		perror("mmap");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
