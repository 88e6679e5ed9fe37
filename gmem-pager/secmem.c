// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <sodium.h>

#include "secmem.h"

void secmem_harden_process(void)
{
	const struct rlimit no_core = { 0, 0 };
	struct rlimit lock;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &no_core);
	if (getrlimit(RLIMIT_MEMLOCK, &lock) == 0) {
		lock.rlim_cur = lock.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &lock);
	}
}

/* syscalls: madvise mlock mmap mprotect munlock munmap */
/* sodium_malloc() locks too, but does not say when it could not. */
void *secmem_alloc(size_t len)
{
	void *memory = sodium_malloc(len == 0 ? 1 : len);
	int saved;

	if (memory == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	if (mlock(memory, len) < 0) {
		saved = errno;
		sodium_free(memory);
		errno = saved;
		return NULL;
	}
	return memory;
}

void secmem_free(void *memory)
{
	sodium_free(memory);
}
