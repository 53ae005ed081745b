#define _GNU_SOURCE
#include "mpi.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

/* Each user of the declarations checks them against the facts at compile time, in one C file. */
#include "abi/check.h"

void *mpi_open(const char *path, char *error, size_t error_size)
{
	void *handle = dlopen(path, RTLD_LAZY | RTLD_GLOBAL);
	if (!handle) {
		const char *why = dlerror();
		snprintf(error, error_size, "%s", why ? why : "unknown error");
	}
	return handle;
}

const char *mpi_resolve(struct mpi *mpi, const char **library)
{
#define X(name, lib) \
	if (!(mpi->name = (__typeof__(name) *)dlsym(RTLD_DEFAULT, #name))) { \
		*library = lib; \
		return #name; \
	}
	MPI_CALLS(X)
#undef X
	*(void **)&mpi->i2c_transfer = dlsym(RTLD_DEFAULT, "maixsim_i2c_transfer");
	*(void **)&mpi->poke = dlsym(RTLD_DEFAULT, "maixsim_poke");
	*(void **)&mpi->report = dlsym(RTLD_DEFAULT, "maixsim_report");
	*(void **)&mpi->counter = dlsym(RTLD_DEFAULT, "maixsim_counter");
	*(void **)&mpi->set = dlsym(RTLD_DEFAULT, "maixsim_set");
	return NULL;
}

#ifndef __GLIBC__
/* musl's loader has no dladdr1: the symbol's size is read from the library's own symbol table, found through its program headers. */
struct search {
	const void *address;
	size_t size;
};

static int find_size(struct dl_phdr_info *info, size_t size_of_info, void *data)
{
	struct search *search = data;
	const ElfW(Sym) *symbols = NULL;
	const char *strings = NULL;
	(void)size_of_info;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		const ElfW(Dyn) *entry = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
		for (; entry->d_tag != DT_NULL; entry++) {
			const void *at = (const void *)(info->dlpi_addr + entry->d_un.d_ptr);
			if (entry->d_tag == DT_SYMTAB)
				symbols = at;
			else if (entry->d_tag == DT_STRTAB)
				strings = at;
		}
	}
	/* Linkers put the strings directly after the symbols; DT_HASH, which has their number, is often left out. */
	for (; symbols && (const void *)(symbols + 1) <= (const void *)strings; symbols++)
		if (symbols->st_size && (const void *)(info->dlpi_addr + symbols->st_value) == search->address) {
			search->size = symbols->st_size;
			return 1;
		}
	return 0;
}
#endif

ISP_SNS_OBJ_S *mpi_sensor(void *handle, const char *symbol, size_t *size)
{
	void *object = dlsym(handle, symbol);
	*size = 0;
	if (!object)
		return NULL;
#ifdef __GLIBC__
	Dl_info info;
	ElfW(Sym) *found = NULL;
	if (dladdr1(object, &info, (void **)&found, RTLD_DL_SYMENT) && found)
		*size = found->st_size;
#else
	struct search search = {object, 0};
	dl_iterate_phdr(find_size, &search);
	*size = search.size;
#endif
	return object;
}

const char *mpi_file_of(const void *address)
{
	Dl_info info;
	return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "";
}
