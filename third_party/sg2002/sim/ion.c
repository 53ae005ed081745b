/* The carveout's allocations, and the CPU's mappings of it, with a cache that can really be stale. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../include/cvi_errors.h"
#include "core_private.h"

#define PAGE 4096ull
#define MAPPINGS 512
#define GUARDS 32
#define STALE 0xA5 /* content of a cached mapping before it is invalidated */

uint64_t sim_ion_alloc(const char *name, uint32_t size)
{
	uint64_t at = K_ION_BASE, end = K_ION_BASE + K->ion_size;
	struct k_ion *slot = NULL;
	uint32_t rounded = sim_align(size, PAGE);
	bool moved;

	if (!size)
		return 0;
	do { /* first fit: step over whatever is in the way */
		moved = false;
		for (int i = 0; i < K_IONS; i++) {
			struct k_ion *b = &K->ions[i];

			if (!b->used) {
				slot = b;
			} else if (b->phys < at + rounded && at < b->phys + sim_align(b->size, PAGE)) {
				at = b->phys + sim_align(b->size, PAGE);
				moved = true;
			}
		}
	} while (moved && at + rounded <= end);
	if (at + rounded > end || !slot) {
		sim_note(
			"ION exhausted: no %u bytes for %s (%llu of %llu in use)", size, name, (unsigned long long)K->ion_used, (unsigned long long)K->ion_size);
		return 0;
	}
	*slot = (struct k_ion){.used = 1, .pid = getpid(), .size = size, .phys = at};
	snprintf(slot->name, sizeof slot->name, "%s", name);
	K->ion_used += rounded;
	if (K->ion_used > K->ion_peak)
		K->ion_peak = K->ion_used;
	sim_dirty();
	return at;
}

struct k_ion *sim_ion_find(uint64_t phys)
{
	for (int i = 0; i < K_IONS; i++)
		if (K->ions[i].used && phys >= K->ions[i].phys && phys < K->ions[i].phys + K->ions[i].size)
			return &K->ions[i];
	return NULL;
}

bool sim_ion_free(uint64_t phys)
{
	struct k_ion *b = sim_ion_find(phys);

	if (!b || b->phys != phys || b->fixed)
		return false;
	K->ion_used -= sim_align(b->size, PAGE);
	memset(b, 0, sizeof *b);
	sim_dirty();
	return true;
}

void *sim_phys(uint64_t phys, uint64_t size)
{
	if (phys < K_ION_BASE || phys + size > K_ION_BASE + K->ion_size || phys + size < phys)
		return NULL;
	return sim_ion + (phys - K_ION_BASE);
}

/* ---- mappings of this process ---- */

static struct mapping {
	uint8_t *base, *address; /* base is page-aligned, address is the caller's */
	size_t length;           /* of the mapping from base */
	uint32_t size;
	uint64_t phys;
	int cache; /* memfd holding the cache's view; -1: uncached */
	enum sim_purpose purpose;
} mappings[MAPPINGS];

/* Unmapped address ranges stay reserved for a while, so that a late access faults instead of hitting new memory. */
static struct {
	void *base;
	size_t length;
} guards[GUARDS];
static int next_guard;

static const char *const prefixes[P_KINDS] = {"raw", "jpeg", "h264", "canvas", "other"};

static void count(enum sim_purpose purpose, const char *what, uint64_t bytes)
{
	char name[32];

	snprintf(name, sizeof name, "%s.%s", prefixes[purpose], what);
	sim_count(name, (int64_t)bytes);
}

/*
 * How much of a mapping the program read or wrote: the pages in its page table. The kernel maps up to 16 neighbours along with
 * a page that is read, so the figure may be too high, but 0 is exactly 0.
 */
static uint64_t touched(const struct mapping *m)
{
	uint64_t entries[256], pages = 0, bytes;
	size_t total = m->length / PAGE;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return m->size;
	for (size_t done = 0; done < total;) {
		size_t n = total - done < 256 ? total - done : 256;
		ssize_t got = pread(fd, entries, n * 8, (off_t)(((uintptr_t)m->base / PAGE + done) * 8));

		if (got != (ssize_t)(n * 8)) {
			close(fd);
			return m->size;
		}
		for (size_t i = 0; i < n; i++)
			pages += entries[i] >> 62 != 0; /* present or swapped */
		done += n;
	}
	close(fd);
	bytes = pages * PAGE;
	return bytes < m->size ? bytes : m->size;
}

void *sim_map(uint64_t phys, uint32_t size, bool cached, enum sim_purpose purpose)
{
	uint64_t start = phys / PAGE * PAGE;
	struct mapping *m = NULL;
	bool stream = purpose == P_JPEG || purpose == P_H264;
	int protection = PROT_READ | (stream ? 0 : PROT_WRITE), pool, block;

	if (!size || !sim_phys(phys, size))
		return NULL;
	for (int i = 0; i < MAPPINGS && !m; i++)
		if (!mappings[i].base)
			m = &mappings[i];
	if (!m) {
		sim_fault(F_LEAK, "mmap", "more than %d mappings", MAPPINGS);
		return NULL;
	}
	*m = (struct mapping){.size = size, .phys = phys, .cache = -1, .purpose = purpose};
	m->length = sim_align((uint32_t)(phys - start) + size, PAGE);
	/* The library invalidates a stream before the program gets it: it needs no separate cache view. */
	if (cached && !stream) {
		uint8_t poison[4096];

		memset(poison, STALE, sizeof poison);
		m->cache = memfd_create("maixsim-cache", MFD_CLOEXEC);
		for (size_t at = 0; m->cache >= 0 && at < m->length; at += sizeof poison)
			if (pwrite(m->cache, poison, sizeof poison, (off_t)at) < 0)
				break;
		m->base = mmap(NULL, m->length, protection, MAP_SHARED, m->cache, 0);
	} else {
		m->base = mmap(NULL, m->length, protection, MAP_SHARED, sim_ion_fd, (off_t)(start - K_ION_BASE));
	}
	if (m->base == MAP_FAILED) {
		if (m->cache >= 0)
			close(m->cache);
		m->base = NULL;
		return NULL;
	}
	m->address = m->base + (phys - start);
	count(purpose, "mapped", size);
	count(purpose, "maps", 1);
	if (purpose == P_RAW && sim_block_at(phys, &pool, &block) && sim_block_refs(pool, block) == 0)
		sim_fault(F_USE_AFTER_RELEASE, "mmap", "block %d of VB pool %d is mapped while free", block, pool);
	return m->address;
}

static struct mapping *find(const void *address)
{
	for (int i = 0; i < MAPPINGS; i++)
		if (mappings[i].base && (const uint8_t *)address >= mappings[i].base && (const uint8_t *)address < mappings[i].base + mappings[i].length)
			return &mappings[i];
	return NULL;
}

bool sim_unmap(void *address, const char *call)
{
	struct mapping *m = find(address);

	if (!m || m->address != address) {
		sim_fault(F_BAD_HANDLE, call, "%p is not a mapping", address);
		return false;
	}
	count(m->purpose, "touched", touched(m));
	/* Replaced, not removed: otherwise another thread's memory could be mapped there in between. */
	mmap(m->base, m->length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	if (guards[next_guard].base)
		munmap(guards[next_guard].base, guards[next_guard].length);
	guards[next_guard].base = m->base;
	guards[next_guard].length = m->length;
	next_guard = (next_guard + 1) % GUARDS;
	if (m->cache >= 0)
		close(m->cache);
	memset(m, 0, sizeof *m);
	return true;
}

int sim_mappings(enum sim_purpose purpose)
{
	int n = 0;

	for (int i = 0; i < MAPPINGS; i++)
		n += mappings[i].base && mappings[i].purpose == purpose;
	return n;
}

/* Only the block's whole pages: neighbours may share the first and the last. */
void sim_protect(uint64_t phys, uint64_t size, bool accessible)
{
	for (int i = 0; i < MAPPINGS; i++) {
		struct mapping *m = &mappings[i];
		uint64_t start, end, base = m->phys / PAGE * PAGE;

		if (!m->base || m->purpose != P_RAW)
			continue;
		start = phys > base ? phys : base;
		end = phys + size < base + m->length ? phys + size : base + m->length;
		start = (start + PAGE - 1) / PAGE * PAGE;
		end = end / PAGE * PAGE;
		if (start < end)
			mprotect(m->base + (start - base), end - start, accessible ? PROT_READ | PROT_WRITE : PROT_NONE);
	}
}

/* Copies between the cache's view and memory: from the view on flush, into it on invalidate. */
static int32_t sync_cache(const char *call, uint64_t phys, void *address, uint32_t size, bool flush)
{
	struct mapping *m = find(address);
	uint8_t *memory;
	off_t at;

	if (!address)
		return CVI_ERR_SYS_NULL_PTR;
	if (!m || (uint8_t *)address + size > m->base + m->length) {
		sim_fault(F_BAD_HANDLE, call, "%p, %u bytes, is not within a mapping", address, size);
		return 0;
	}
	if (phys != m->phys + (uint64_t)((uint8_t *)address - m->address)) {
		sim_fault(F_BAD_HANDLE, call, "physical address 0x%llx does not belong to %p", (unsigned long long)phys, address);
		return 0;
	}
	count(m->purpose, flush ? "flushed" : "invalidated", size);
	if (m->cache < 0)
		return 0;
	memory = sim_phys(phys, size);
	at = (off_t)((uint8_t *)address - m->base);
	if (!memory)
		return 0;
	if (flush ? pread(m->cache, memory, size, at) < 0 : pwrite(m->cache, memory, size, at) < 0)
		return CVI_FAILURE;
	return 0;
}

int32_t CVI_SYS_IonFlushCache(uint64_t u64PhyAddr, void *pVirAddr, uint32_t u32Len)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, SIM_QUIET))
		return (int32_t)c.result;
	return (int32_t)sim_leave(&c, sync_cache(__func__, u64PhyAddr, pVirAddr, u32Len, true));
}

int32_t CVI_SYS_IonInvalidateCache(uint64_t u64PhyAddr, void *pVirAddr, uint32_t u32Len)
{
	struct sim_call c;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, SIM_QUIET))
		return (int32_t)c.result;
	return (int32_t)sim_leave(&c, sync_cache(__func__, u64PhyAddr, pVirAddr, u32Len, false));
}

/* ---- the calls ---- */

static void *map_call(const char *name, uint64_t phys, uint32_t size, bool cached)
{
	struct sim_call c;
	struct k_ion *ion;
	void *p;

	if (!sim_enter(&c, name, CVI_ID_SYS, -1, SIM_QUIET))
		return NULL;
	ion = sim_ion_find(phys);
	p = sim_node("/dev/mem") ? sim_map(phys, size, cached, ion && !strcmp(ion->name, "VbPool") ? P_RAW : P_OTHER) : NULL;
	if (p && !ion)
		sim_fault(F_BAD_HANDLE, name, "0x%llx is not allocated", (unsigned long long)phys);
	sim_leave(&c, p != NULL);
	return p;
}

void *CVI_SYS_Mmap(uint64_t u64PhyAddr, uint32_t u32Size) { return map_call(__func__, u64PhyAddr, u32Size, false); }

void *CVI_SYS_MmapCache(uint64_t u64PhyAddr, uint32_t u32Size) { return map_call(__func__, u64PhyAddr, u32Size, true); }

int32_t CVI_SYS_Munmap(void *pVirAddr, uint32_t u32Size)
{
	struct sim_call c;
	struct mapping *m;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, SIM_QUIET))
		return (int32_t)c.result;
	m = find(pVirAddr);
	if (m && m->address == pVirAddr && m->size != u32Size)
		sim_fault(F_BAD_HANDLE, __func__, "%u bytes were mapped, but %u are unmapped", m->size, u32Size);
	sim_unmap(pVirAddr, __func__);
	return (int32_t)sim_leave(&c, 0);
}

static int32_t alloc_call(const char *call, uint64_t *phys, void **address, const char *name, uint32_t size, bool cached)
{
	struct sim_call c;

	if (!sim_enter(&c, call, CVI_ID_SYS, -1, 0))
		return (int32_t)c.result;
	if (!phys || !address)
		return (int32_t)sim_leave(&c, CVI_ERR_SYS_NULL_PTR);
	*phys = sim_ion_alloc(name ? name : "anonymous", size);
	if (!*phys)
		return (int32_t)sim_leave(&c, CVI_ERR_SYS_NOMEM);
	*address = sim_map(*phys, size, cached, P_OTHER);
	return (int32_t)sim_leave(&c, 0);
}

int32_t CVI_SYS_IonAlloc(uint64_t *pu64PhyAddr, void **ppVirAddr, const char *strName, uint32_t u32Len)
{
	return alloc_call(__func__, pu64PhyAddr, ppVirAddr, strName, u32Len, false);
}

int32_t CVI_SYS_IonAlloc_Cached(uint64_t *pu64PhyAddr, void **ppVirAddr, const char *strName, uint32_t u32Len)
{
	return alloc_call(__func__, pu64PhyAddr, ppVirAddr, strName, u32Len, true);
}

int32_t CVI_SYS_IonFree(uint64_t u64PhyAddr, void *pVirAddr)
{
	struct sim_call c;
	struct k_ion *ion;

	if (!sim_enter(&c, __func__, CVI_ID_SYS, -1, 0))
		return (int32_t)c.result;
	ion = sim_ion_find(u64PhyAddr);
	if (!ion || ion->phys != u64PhyAddr) {
		sim_fault(F_BAD_HANDLE, __func__, "0x%llx is not an ION buffer", (unsigned long long)u64PhyAddr);
		return (int32_t)sim_leave(&c, CVI_ERR_SYS_ILLEGAL_PARAM);
	}
	if (!strcmp(ion->name, "VbPool") || !strncmp(ion->name, "JPEG_", 5) || !strncmp(ion->name, "VENC_", 5) || u64PhyAddr == K->vi.dma ||
		(sim_camera.shared && u64PhyAddr == sim_camera.shared) || (ion->pid != getpid() && sim_alive(ion->pid, 0)))
		sim_fault(F_USE_AFTER_RELEASE, __func__, "%s is still in use", ion->name);
	if (pVirAddr)
		sim_unmap(pVirAddr, __func__);
	if (!sim_ion_free(u64PhyAddr))
		return (int32_t)sim_leave(&c, CVI_ERR_SYS_ILLEGAL_PARAM);
	return (int32_t)sim_leave(&c, 0);
}
