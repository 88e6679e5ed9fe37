/* SPDX-License-Identifier: MIT */
/* Filling 64 MiB that nobody waits for, 512 pages a call; each page for the first time. */
#include <linux/kvm_demand_paging.h>
#include <sys/mman.h>
#include <unistd.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "need.h"
#include "uffd.h"

#define N_PAGES	   16384u
#define CALL_PAGES 512u
#define CALL_LEN   (CALL_PAGES * VM_PAGE)

static uint8_t source[CALL_LEN] __attribute__((aligned(4096)));

static double per_page(uint64_t n_instructions)
{
	count_settle(20);
	return (double)n_instructions / N_PAGES;
}

static void movsq(void *to, const void *from, size_t len)
{
	size_t n = len / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static double by_memcpy(void)
{
	int fd = memfd_create("bulk", MFD_CLOEXEC);
	uint64_t n;
	uint8_t *to;

	need(fd >= 0 && !ftruncate(fd, N_PAGES * VM_PAGE), "memfd");
	to = mmap(NULL, N_PAGES * VM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(to != MAP_FAILED, "mapping the memfd");
	n = count_now();
	for (size_t i = 0; i < N_PAGES; i += CALL_PAGES)
		movsq(to + i * VM_PAGE, source, CALL_LEN);
	n = count_now() - n;
	munmap(to, N_PAGES * VM_PAGE);
	close(fd);
	return per_page(n);
}

static double by_uffdio_copy(void)
{
	struct uffd uffd;
	uint64_t n;
	uint8_t *to;

	to = mmap(NULL, N_PAGES * VM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(to != MAP_FAILED, "anonymous memory");
	uffd_register(&uffd, to, N_PAGES * VM_PAGE);
	n = count_now();
	for (size_t i = 0; i < N_PAGES; i += CALL_PAGES)
		uffd_copy(uffd.fd, to + i * VM_PAGE, source, CALL_LEN);
	n = count_now() - n;
	uffd_close(&uffd);
	munmap(to, N_PAGES * VM_PAGE);
	return per_page(n);
}

static double by_populate(void)
{
	int session_fd;
	struct vm vm;
	uint64_t n;

	vm_create(&vm, VM_GMEM, VM_PAGING_WAIT, N_PAGES, 0);
	session_fd = dp_session(&vm, KVM_DP_RIGHT_POPULATE);
	dp_mark_missing(&vm, VM_DATA_GFN, N_PAGES, NULL);
	n = count_now();
	for (size_t i = 0; i < N_PAGES; i += CALL_PAGES)
		dp_populate(session_fd, VM_DATA_GFN + i, CALL_PAGES, source);
	n = count_now() - n;
	close(session_fd);
	vm_destroy(&vm);
	return per_page(n);
}

void bulk_all(unsigned int n_vcpus)
{
	memset(source, 0x5a, sizeof(source));
	count_report("bulk_memcpy", by_memcpy());
	count_report("bulk_uffdio_copy", by_uffdio_copy());
	count_report("bulk_populate", by_populate());
}
