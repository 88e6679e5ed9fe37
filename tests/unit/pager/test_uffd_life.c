// SPDX-License-Identifier: MIT
/* The backend for stock kernels, against a real userfaultfd: faults, processes that end, the end of a move. */
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "uffd_rig.h"

static void test_faults(void)
{
	struct backend_event events[BACKEND_EVENTS_MAX];
	struct toucher touchers[3];
	const uint64_t one = 1;
	uint64_t seen[2];
	struct rig rig;
	size_t n = 1;
	int i;

	rig_init(&rig);
	touch_begin(&touchers[0], &rig.vm, 42);
	touch_begin(&touchers[1], &rig.vm, SECOND + 3);
	for (i = 0; i < 2; i++)
		seen[i] = next_event(&rig);
	CU_ASSERT_TRUE((seen[0] == 42 && seen[1] == SECOND + 3) || (seen[1] == 42 && seen[0] == SECOND + 3));
	CU_ASSERT_FALSE(atomic_load(&touchers[0].done) || atomic_load(&touchers[1].done));
	CU_ASSERT_EQUAL(populate(&rig, 40, 10, data, NULL), 0);
	CU_ASSERT_EQUAL(touch_end(&touchers[0]), data[2 * UFFD_VM_PAGE]);
	CU_ASSERT_EQUAL(populate(&rig, SECOND, 10, NULL, NULL), 0);
	CU_ASSERT_EQUAL(touch_end(&touchers[1]), 0);
	/* Brought before its event is read: nobody has to be asked. */
	touch_begin(&touchers[2], &rig.vm, 100);
	CU_ASSERT_TRUE(poll(&(struct pollfd){ .fd = rig.vm.uffd, .events = POLLIN }, 1, WAIT_MS) == 1);
	CU_ASSERT_EQUAL(populate(&rig, 100, 1, data, NULL), 0);
	CU_ASSERT_EQUAL(touch_end(&touchers[2]), data[0]);
	CU_ASSERT_EQUAL(write(rig.stop_fd, &one, sizeof(one)), (ssize_t)sizeof(one));
	CU_ASSERT_EQUAL(rig.backend->ops->wait_events(rig.backend, rig.stop_fd, events, BACKEND_EVENTS_MAX, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	rig_fini(&rig);
}

/* What the VMM takes away again reads as zero, is not asked for, and is not brought back by a record that comes late. */
static void test_taken_away_again(void)
{
	struct backend_event event;
	struct backend_run run;
	struct toucher toucher;
	struct rig rig;
	size_t n = 0;
	int i;

	rig_init(&rig);
	CU_ASSERT_EQUAL(populate(&rig, 9, 2, data, NULL), 0);
	CU_ASSERT_EQUAL(madvise(uffd_vm_at(&rig.vm, 9), 2 * UFFD_VM_PAGE, MADV_REMOVE), 0);
	CU_ASSERT_EQUAL(populate(&rig, 9, 2, data, &run), 0);
	CU_ASSERT_EQUAL(run.n_skipped, 2);
	CU_ASSERT_FALSE(uffd_vm_has(&rig.vm, 9));
	touch_begin(&toucher, &rig.vm, 9);
	for (i = 0; i < WAIT_MS / 1000 && !atomic_load(&toucher.done) && n == 0; i++)
		CU_ASSERT_EQUAL(rig.backend->ops->wait_events(rig.backend, rig.stop_fd, &event, 1, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(touch_end(&toucher), 0);
	CU_ASSERT_EQUAL(missing(&rig, 9, 2), 0);
	rig_fini(&rig);
}

/* The process goes: who waits goes on waiting, the next one hears of him and knows what is there. */
static void test_restart(void)
{
	struct toucher toucher;
	struct rig rig;

	rig_init(&rig);
	CU_ASSERT_EQUAL(populate(&rig, 0, 130, data, NULL), 0);
	CU_ASSERT_EQUAL(populate(&rig, SECOND + 5, 1, NULL, NULL), 0);
	touch_begin(&toucher, &rig.vm, 150);
	CU_ASSERT_EQUAL(next_event(&rig), 150);
	rig.backend->ops->close(rig.backend);
	CU_ASSERT_EQUAL(uffd_vm_session(&rig.vm, true, false, &rig.backend, error, sizeof(error)), -EEXIST);
	CHECK_CONTAINS(error, "pages already");
	CU_ASSERT_EQUAL_FATAL(uffd_vm_session(&rig.vm, true, true, &rig.backend, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_FIRST + N_SECOND - 131);
	CU_ASSERT_EQUAL(missing(&rig, 0, 131), 1);
	CU_ASSERT_EQUAL(missing(&rig, SECOND, 7), 6);
	CU_ASSERT_FALSE(atomic_load(&toucher.done));
	CU_ASSERT_EQUAL(next_event(&rig), 150);
	CU_ASSERT_EQUAL(populate(&rig, 150, 1, data, NULL), 0);
	CU_ASSERT_EQUAL(touch_end(&toucher), data[0]);
	rig_fini(&rig);
}

/*
 * Why libgmem keeps a duplicate: as long as one is open a missing page is waited for, and the end of the last one
 * is a page of zeros.  If that ever fails, the kernel has become better than what is written of it here.
 */
static void test_the_last_one_lets_go(void)
{
	struct toucher toucher;
	struct rig rig;

	rig_init(&rig);
	touch_begin(&toucher, &rig.vm, 20);
	CU_ASSERT_EQUAL(next_event(&rig), 20);
	rig.backend->ops->close(rig.backend);
	rig.backend = NULL;
	usleep(200000);
	CU_ASSERT_FALSE(atomic_load(&toucher.done));
	close(rig.vm.uffd);
	CU_ASSERT_EQUAL(touch_end(&toucher), 0);
	CU_ASSERT_TRUE(uffd_vm_has(&rig.vm, 20));
	rig.vm.uffd = -1;
	rig_fini(&rig);
}

/* Complete, nobody is held any more: a balloon may take pages, whoever keeps the descriptor. */
static void test_complete_is_disarmed(void)
{
	struct rig rig;

	rig_init(&rig);
	CU_ASSERT_EQUAL(populate(&rig, 0, N_FIRST, data, NULL), 0);
	CU_ASSERT_EQUAL(populate(&rig, SECOND, N_SECOND, data, NULL), 0);
	CU_ASSERT_EQUAL(missing_in_all(&rig), 0);
	rig.backend->ops->close(rig.backend);
	rig.backend = NULL;
	CU_ASSERT_EQUAL(uffd_vm_touch(&rig.vm, 3), data[3 * UFFD_VM_PAGE]);
	CU_ASSERT_EQUAL(madvise(uffd_vm_at(&rig.vm, 3), UFFD_VM_PAGE, MADV_REMOVE), 0);
	CU_ASSERT_EQUAL(uffd_vm_touch(&rig.vm, 3), 0);
	rig_fini(&rig);
}

/* The child is the VMM: its userfaultfd and memfd come to us, and it waits for a page until it is killed. */
static pid_t begin_vmm(struct uffd_vm *vm)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { vm, sizeof(*vm) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int fds[2], socks[2];
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (uffd_vm_init(vm, N_FIRST, 0, 0) < 0)
			_exit(1);
		memcpy(fds, (int[]){ vm->uffd, vm->memfd }, sizeof(fds));
		*cmsg = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fds)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
		if (sendmsg(socks[1], &msg, 0) < 0 || recv(socks[1], fds, 1, 0) != 1)
			_exit(1);
		for (;;)
			(void)uffd_vm_touch(vm, 77);
	}
	CU_ASSERT_EQUAL_FATAL(recvmsg(socks[0], &msg, MSG_CMSG_CLOEXEC), (ssize_t)sizeof(*vm));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds));
	vm->uffd = fds[0];
	vm->memfd = vm->regions[0].shared_fd = fds[1];
	close(socks[1]);
	vm->regions[1].shared_fd = socks[0];	/* to let it go on */
	return pid;
}

static void test_vmm_in_another_process(void)
{
	struct backend_event event;
	struct rig rig = { .stop_fd = eventfd(0, EFD_CLOEXEC) };
	pid_t pid = begin_vmm(&rig.vm);
	size_t n = 0;
	int i, r = 0;

	CU_ASSERT_EQUAL_FATAL(uffd_vm_session(&rig.vm, true, false, &rig.backend, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(send(rig.vm.regions[1].shared_fd, "", 1, 0), 1);
	CU_ASSERT_EQUAL(next_event(&rig), 77);
	CU_ASSERT_EQUAL(populate(&rig, 0, 64, data, NULL), 0);
	CU_ASSERT_TRUE(has_bytes(&rig, 63, data + 63 * UFFD_VM_PAGE));
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_FIRST - 64);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT_EQUAL(populate(&rig, 64, 1, data, NULL), -ENODEV);
	CU_ASSERT_EQUAL(populate(&rig, 64, 1, NULL, NULL), -ENODEV);
	CU_ASSERT_EQUAL(rig.backend->ops->query(rig.backend, BACKEND_MISSING, 0, 1, NULL, NULL, NULL), -ENODEV);
	for (i = 0; i < 20 && r == 0; i++)
		r = rig.backend->ops->wait_events(rig.backend, rig.stop_fd, &event, 1, &n);
	CU_ASSERT_EQUAL(r, -ENODEV);
	rig.backend->ops->close(rig.backend);
	close(rig.vm.regions[1].shared_fd);
	close(rig.vm.memfd);
	close(rig.vm.uffd);
	close(rig.stop_fd);
}

static const struct check checks[] = {
	{ "faults", test_faults },
	{ "taken away again by the VMM", test_taken_away_again },
	{ "another process in its place", test_restart },
	{ "the last descriptor lets go", test_the_last_one_lets_go },
	{ "complete, nobody is held", test_complete_is_disarmed },
	{ "a VMM in another process, killed", test_vmm_in_another_process },
	{ NULL, NULL },
};

UFFD_MAIN("userfaultfd: life", checks)
