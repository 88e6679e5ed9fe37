/* SPDX-License-Identifier: MIT */
/*
 * Kernel memory that presence takes: slab pages, from /proc/meminfo, before and
 * after marking GFNs of a memslot with no memory behind it.
 */
#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "need.h"

#define FULL_PAGES  (128ull << 20)	/* 512 GiB, for what takes little */
#define MIXED_PAGES (8ull << 20)	/* 32 GiB, for blocks that are partly missing */
#define RCU_MS	    600u		/* 10 callbacks a tick, and some hundred of them */
#define PIECE_PAGES (256u * 1024u)	/* marked by one call with a bitmap */

static uint64_t bits[PIECE_PAGES / 64];

/* Give back the empty slabs that the allocator keeps, or the next user looks free of charge. */
static void shrink_slabs(void)
{
	glob_t paths;

	count_settle(RCU_MS);
	need(!glob("/sys/kernel/slab/*/shrink", 0, NULL, &paths), "/sys/kernel/slab");
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		int fd = open(paths.gl_pathv[i], O_WRONLY | O_CLOEXEC);

		need(fd >= 0 && write(fd, "1", 1) == 1, paths.gl_pathv[i]);
		close(fd);
	}
	globfree(&paths);
}

static double slab_bytes(void)
{
	unsigned long kb = 0;
	char line[128];
	int refresh;
	FILE *f;

	/* Else the last pages still stand in a counter of the CPU. */
	refresh = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	need(refresh >= 0 && write(refresh, "1", 1) == 1, "/proc/sys/vm/stat_refresh");
	close(refresh);
	f = fopen("/proc/meminfo", "re");
	need(f, "/proc/meminfo");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Slab: %lu kB", &kb) == 1)
			break;
	}
	fclose(f);
	need(kb, "Slab in /proc/meminfo");
	return (double)kb * 1024;
}

static void mark_pieces(const struct vm *vm, uint64_t word, unsigned int stride)
{
	memset(bits, 0, sizeof(bits));
	for (unsigned int i = 0; i < PIECE_PAGES / 64; i += stride)
		bits[i] = word;
	for (uint64_t i = 0; i < MIXED_PAGES; i += PIECE_PAGES)
		dp_mark_missing(vm, VM_DATA_GFN + i, PIECE_PAGES, bits);
}

/* Bytes per GFN of the range. */
static double measure(void (*mark)(const struct vm *vm), uint64_t n_pages)
{
	double before, after;
	struct vm vm;

	vm_create(&vm, VM_GMEM_BARE, VM_PAGING_WAIT, n_pages, 0);
	shrink_slabs();
	before = slab_bytes();
	mark(&vm);
	shrink_slabs();
	after = slab_bytes();
	vm_destroy(&vm);
	return (after - before) / (double)n_pages;
}

static void every_other(const struct vm *vm)
{
	mark_pieces(vm, 0x5555555555555555ull, 1);
}

static void one_per_block(const struct vm *vm)
{
	mark_pieces(vm, 1, 512 / 64);
}

static void all_missing(const struct vm *vm)
{
	dp_mark_missing(vm, VM_DATA_GFN, vm->n_pages, NULL);
}

/* What is left when the last page has arrived. */
static void all_present(const struct vm *vm)
{
	dp_mark_missing(vm, VM_DATA_GFN, vm->n_pages, NULL);
	dp_mark_present(vm, VM_DATA_GFN, vm->n_pages);
}

void store_all(unsigned int n_vcpus)
{
	count_report("bytes_missing", measure(all_missing, FULL_PAGES));
	count_report("bytes_present", measure(all_present, FULL_PAGES));
	count_report("bytes_one_per_block", measure(one_per_block, MIXED_PAGES));
	count_report("bytes_every_other", measure(every_other, MIXED_PAGES));
}
