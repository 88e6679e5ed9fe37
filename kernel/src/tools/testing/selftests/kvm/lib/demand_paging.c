// SPDX-License-Identifier: GPL-2.0-only
/*
 * Demand paging of the VMs of any test, if the environment asks for it.
 *
 * Shared memory is in its place already, in the test's mapping, and memory of
 * guest_memfd is zero, so the pager needs no contents from the test.  It is one
 * process for all VMs, and older than they are: one that is forked from a test
 * that has a VM would keep the files and mappings of its vCPUs.  The sessions are
 * sent to it.  It ends with the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/compiler.h>
#include <linux/kvm_demand_paging.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demand_paging.h"
#include "kvm_util.h"
#include "test_util.h"

#define CAPS_NEEDED	(KVM_DP_CAP_WAIT | KVM_DP_CAP_MARK | KVM_DP_CAP_QUERY)
#define SESSION_RIGHTS	(KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE |	\
			 KVM_DP_RIGHT_MARK)
#define GFN_SHIFT	12

struct paged_slot {
	uint64_t gpa;
	uint64_t size;
};

struct demand_paging {
	int control;
	int caps;			/* KVM_DP_CAP_* */
	pthread_mutex_t lock;		/* of @slots */
	struct paged_slot *slots;	/* of address space 0 */
	uint32_t nr_slots;
};

/* The pager, if there is one. */
static struct {
	pid_t owner;
	pid_t pid;
	int sock;
	uint64_t nr_around;
	uint64_t *nr_served;		/* shared with the pager */
} pager;

static int mark(int fd, uint64_t gfn, uint64_t nr_pages, uint32_t flags,
		uint64_t *nr_changed)
{
	struct kvm_dp_mark args = {
		.gfn = gfn,
		.n_pages = nr_pages,
		.flags = flags,
	};
	int r = ioctl(fd, KVM_DP_MARK, &args) ? -errno : 0;

	*nr_changed += args.n_changed;
	return r;
}

/*
 * The pager's side
 */

static int mark_present(int session, uint64_t gfn, uint64_t nr_pages)
{
	return mark(session, gfn, nr_pages, KVM_DP_MARK_PRESENT, pager.nr_served);
}

/* Returns -EIO if one of the GFNs is not private. */
static int populate_zero(int session, uint64_t gfn, uint64_t nr_pages)
{
	struct kvm_dp_vec vec = {
		.gfn = gfn,
		.n_pages = nr_pages,
		.flags = KVM_DP_VEC_ZERO,
	};
	struct kvm_dp_transfer args = {
		.vecs = (uintptr_t)&vec,
		.n_vecs = 1,
	};
	int r;

	do {
		r = ioctl(session, KVM_DP_POPULATE, &args) ? -errno : 0;
	} while (r == -EINTR || r == -EAGAIN);

	*pager.nr_served += vec.n_done - vec.n_skipped;
	return r;
}

/*
 * The event says of which kind the GFN was, not of which it is: each of the two
 * operations refuses GFNs that are for the other one.
 */
static int bring(int session, uint64_t gfn, uint64_t nr_pages, bool is_private)
{
	int i, r = 0;

	for (i = 0; i < 100; i++, is_private = !is_private) {
		r = is_private ? populate_zero(session, gfn, nr_pages) :
				 mark_present(session, gfn, nr_pages);
		if (r != (is_private ? -EIO : -EINVAL))
			break;
	}
	return r;
}

static void serve(int session, const struct kvm_dp_event *event)
{
	bool is_private = event->flags & KVM_DP_EVENT_PRIVATE;
	uint64_t first = event->gfn & ~(pager.nr_around - 1);
	int r;

	/* What is around may be of both kinds.  It is not needed. */
	if (is_private)
		populate_zero(session, first, pager.nr_around);
	else if (!mark_present(session, first, pager.nr_around))
		return;

	r = bring(session, event->gfn, 1, is_private);
	TEST_ASSERT(!r || r == -ENODEV, "GFN 0x%llx, flags 0x%x: %s",
		    event->gfn, event->flags, strerror(-r));
}

/* Returns false if the VM is gone. */
static bool serve_all(int session)
{
	struct kvm_dp_event events[32];
	ssize_t r, i;

	r = read(session, events, sizeof(events));
	if (r < 0)
		return errno == EAGAIN || errno == EINTR;
	for (i = 0; i < r / (ssize_t)sizeof(*events); i++)
		serve(session, &events[i]);
	return true;
}

static int session_receive(int sock)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void epoll_watch(int epfd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	TEST_ASSERT(!epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event),
		    __KVM_SYSCALL_ERROR("epoll_ctl()", -1));
}

static void __noreturn pager_main(int sock)
{
	struct epoll_event event;
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	int fd;

	epoll_watch(epfd, sock);
	for (;;) {
		if (epoll_wait(epfd, &event, 1, -1) != 1)
			continue;

		fd = event.data.fd;
		if (fd != sock) {
			if (!serve_all(fd))
				close(fd);
			continue;
		}

		fd = session_receive(sock);
		if (fd < 0)
			_exit(0);
		epoll_watch(epfd, fd);
	}
}

/*
 * The test's side
 */

static void pager_start(uint64_t nr_around)
{
	int socks[2];

	pager.nr_around = nr_around;
	pager.nr_served = mmap(NULL, sizeof(*pager.nr_served),
			       PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(pager.nr_served != MAP_FAILED,
		    __KVM_SYSCALL_ERROR("mmap()", -1));
	TEST_ASSERT(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks),
		    __KVM_SYSCALL_ERROR("socketpair()", -1));

	pager.owner = getpid();
	pager.pid = fork();
	TEST_ASSERT(pager.pid >= 0, __KVM_SYSCALL_ERROR("fork()", pager.pid));
	if (!pager.pid) {
		close(socks[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != pager.owner)
			_exit(0);
		pager_main(socks[1]);
	}
	close(socks[1]);
	pager.sock = socks[0];
}

void demand_paging_init(void)
{
	const char *value = getenv("KVM_SELFTEST_DEMAND_PAGING");
	int nr_around;

	if (!value || !strcmp(value, "0"))
		return;

	nr_around = atoi_positive("KVM_SELFTEST_DEMAND_PAGING", value);
	TEST_ASSERT(!(nr_around & (nr_around - 1)),
		    "KVM_SELFTEST_DEMAND_PAGING is not a power of two: %s", value);
	pager_start(nr_around);
}

/* Whoever wants to be sure that the test was paged, looks for this line. */
static void __attribute__((destructor)) pager_stop(void)
{
	if (!pager.pid || getpid() != pager.owner)
		return;

	kill(pager.pid, SIGKILL);
	waitpid(pager.pid, NULL, 0);
	fprintf(stderr, "demand paging: %lu pages served\n", *pager.nr_served);
}

static void session_send(int session)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(session));
	memcpy(CMSG_DATA(cmsg), &session, sizeof(session));
	TEST_ASSERT(sendmsg(pager.sock, &msg, MSG_NOSIGNAL) == 1,
		    __KVM_SYSCALL_ERROR("sendmsg()", -1));
}

void demand_paging_vm_open(struct kvm_vm *vm)
{
	struct kvm_dp_create_session args = { .rights = SESSION_RIGHTS };
	struct demand_paging *dp;
	int session, caps;

	if (!pager.pid)
		return;
	caps = vm_check_cap(vm, KVM_CAP_DEMAND_PAGING);
	if ((caps & CAPS_NEEDED) != CAPS_NEEDED)
		return;

	dp = calloc(1, sizeof(*dp));
	TEST_ASSERT(dp, "Insufficient Memory");
	dp->caps = caps;
	dp->nr_slots = vm_check_cap(vm, KVM_CAP_NR_MEMSLOTS);
	dp->slots = calloc(dp->nr_slots, sizeof(*dp->slots));
	TEST_ASSERT(dp->slots, "Insufficient Memory");
	pthread_mutex_init(&dp->lock, NULL);

	vm_enable_cap(vm, KVM_CAP_DEMAND_PAGING, KVM_DP_ENABLE | KVM_DP_MODE_WAIT);
	dp->control = __vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, NULL);
	TEST_ASSERT(dp->control >= 0,
		    KVM_IOCTL_ERROR(KVM_CREATE_DEMAND_PAGING, dp->control));

	session = ioctl(dp->control, KVM_DP_CREATE_SESSION, &args);
	TEST_ASSERT(session >= 0, KVM_IOCTL_ERROR(KVM_DP_CREATE_SESSION, session));
	fcntl(session, F_SETFL, O_NONBLOCK);
	session_send(session);
	close(session);
	vm->demand_paging = dp;
}

void demand_paging_vm_close(struct kvm_vm *vm)
{
	struct demand_paging *dp = vm->demand_paging;

	if (!dp)
		return;

	close(dp->control);
	pthread_mutex_destroy(&dp->lock);
	free(dp->slots);
	free(dp);
	vm->demand_paging = NULL;
}

/* Whether the slot's guest_memfd has contents, which the pager does not have. */
static bool is_backed(struct demand_paging *dp,
		      const struct kvm_userspace_memory_region *region)
{
	struct kvm_dp_query args = {
		.gfn = region->guest_phys_addr >> GFN_SHIFT,
		.n_pages = region->memory_size >> GFN_SHIFT,
		.flags = KVM_DP_QUERY_BACKED,
	};
	int r = ioctl(dp->control, KVM_DP_QUERY, &args);

	TEST_ASSERT(!r, KVM_IOCTL_ERROR(KVM_DP_QUERY, r));
	return args.n_set;
}

static void slot_added(struct demand_paging *dp,
		       const struct kvm_userspace_memory_region *region)
{
	uint64_t nr_changed = 0;
	int r;

	if ((region->flags & KVM_MEM_GUEST_MEMFD) &&
	    (!(dp->caps & KVM_DP_CAP_POPULATE) || is_backed(dp, region)))
		return;

	r = mark(dp->control, region->guest_phys_addr >> GFN_SHIFT,
		 region->memory_size >> GFN_SHIFT, KVM_DP_MARK_MISSING, &nr_changed);
	TEST_ASSERT(!r, "KVM_DP_MARK failed: %s", strerror(-r));
}

int demand_paging_set_region(struct kvm_vm *vm, unsigned long cmd, void *arg)
{
	/* struct kvm_userspace_memory_region2 begins with the same members. */
	const struct kvm_userspace_memory_region *region = arg;
	struct demand_paging *dp = vm->demand_paging;
	uint64_t nr_changed = 0;
	struct paged_slot *slot;
	bool moves;
	int ret;

	if (!dp || region->slot >= dp->nr_slots)
		return ioctl(vm->fd, cmd, arg);

	pthread_mutex_lock(&dp->lock);
	slot = &dp->slots[region->slot];
	moves = slot->size && slot->gpa != region->guest_phys_addr;
	/* A memslot that is to be moved must have arrived. */
	if (moves)
		mark(dp->control, slot->gpa >> GFN_SHIFT, slot->size >> GFN_SHIFT,
		     KVM_DP_MARK_PRESENT, &nr_changed);

	ret = ioctl(vm->fd, cmd, arg);
	if (!ret) {
		if (region->memory_size && (!slot->size || moves))
			slot_added(dp, region);
		slot->gpa = region->guest_phys_addr;
		slot->size = region->memory_size;
	}
	pthread_mutex_unlock(&dp->lock);
	return ret;
}
