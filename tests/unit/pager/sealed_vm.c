// SPDX-License-Identifier: MIT
/*
 * A fake VM for gmem-pager and gmem-source as they are installed, in place of a KVM session, which no program gets
 * outside of a test host.  Everything that needs a file is opened before main(), so that nothing is added to what a
 * sealed process may do.
 *
 * GMEM_TEST_VM: a file with the private pages; empty pages mean that all of the VM is missing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_vm.h"

#define N_SHARED 32u

int __wrap_backend_kvm_new(int session_fd, struct backend **ret_backend);

static struct fake_vm vm;

__attribute__((constructor)) static void init(void)
{
	const char *path = getenv("GMEM_TEST_VM");
	const int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	struct stat st;

	if (path == NULL)
		return;		/* --help */
	if (fd < 0 || fstat(fd, &st) < 0 || fake_vm_init(&vm, (uint64_t)st.st_size / FAKE_PAGE, N_SHARED) < 0)
		abort();
	free(vm.pages);
	vm.pages = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vm.pages == MAP_FAILED)
		abort();
	if (vm.pages[FAKE_PAGE] == 0)	/* nothing there */
		fake_vm_empty(&vm);
	close(fd);
}

int __wrap_backend_kvm_new(int session_fd, struct backend **ret_backend)
{
	close(session_fd);
	*ret_backend = fake_vm_session(&vm);
	return 0;
}
