// SPDX-License-Identifier: MIT
/*
 * KVM demand paging from both sides: a VM whose private memory is all missing when it
 * starts, and who brings it.  In wait mode that is a process of its own, which is given a
 * session and holds nothing else of the VM; in exit mode the vCPU's thread brings what its
 * exits name.  docs/kernel-abi.md explains it.
 *
 * Exit code 0: all was right.  77: this machine cannot do it.  1: something is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_demand_paging.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	     4096u
#define GUEST_GPA    0x200000u
#define GUEST_GFN    (GUEST_GPA / PAGE)
#define GUEST_PAGES  1024u	/* 4 MiB: one page of code, then data */
#define GUEST_LEN    ((size_t)GUEST_PAGES * PAGE)
#define WINDOW	     4u		/* pages that arrive together, the last of them zero */
#define SUM_PORT     0x10
#define EXIT_CANNOT  77
#define NEEDED_CAPS  (KVM_DP_CAP_EXIT | KVM_DP_CAP_WAIT | KVM_DP_CAP_MARK | KVM_DP_CAP_POPULATE | KVM_DP_CAP_QUERY)

static _Noreturn void fail(const char *what, int error)
{
	fprintf(stderr, "kernel_abi: %s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");
	exit(EXIT_FAILURE);
}

/* For what sets errno. */
static void need(bool ok, const char *what)
{
	if (!ok)
		fail(what, errno);
}

/*
 * The guest: 32-bit code, paging off.  ESI and EDI are the first byte of its data and
 * the byte after.  It adds up the first word of each page.
 */
static const uint8_t guest_code[] = {
	0x31, 0xc0,				/*     xor  %eax, %eax */
	0x03, 0x06,				/* 1:  add  (%esi), %eax */
	0x81, 0xc6, 0x00, 0x10, 0x00, 0x00,	/*     add  $0x1000, %esi */
	0x39, 0xfe,				/*     cmp  %edi, %esi */
	0x72, 0xf4,				/*     jb   1b */
	0xe7, SUM_PORT,				/*     out  %eax, $SUM_PORT */
	0xf4,					/*     hlt */
};

/* The first word of a page of data; the rest is zero. */
static uint32_t page_word(uint64_t page)
{
	return page % WINDOW == WINDOW - 1 ? 0 : (uint32_t)page * 2654435761u;
}

static void page_fill(uint64_t page, uint8_t *ret_bytes)
{
	uint32_t word = page_word(page);

	memset(ret_bytes, 0, PAGE);
	memcpy(ret_bytes, &word, sizeof(word));
	if (page == 0)
		memcpy(ret_bytes, guest_code, sizeof(guest_code));
}

static uint32_t expected_sum(void)
{
	uint32_t sum = 0;

	for (uint64_t page = 1; page < GUEST_PAGES; page++)
		sum += page_word(page);
	return sum;
}

/* Bring the window around @gfn.  What is present already the kernel skips. */
static void populate_window(int session_fd, uint64_t gfn)
{
	static uint8_t data[(WINDOW - 1) * PAGE];
	uint64_t first = (gfn - GUEST_GFN) / WINDOW * WINDOW;
	struct kvm_dp_vec vecs[] = {
		{ .gfn = GUEST_GFN + first, .n_pages = WINDOW - 1, .addr = (uintptr_t)data },
		{ .gfn = GUEST_GFN + first + WINDOW - 1, .n_pages = 1, .flags = KVM_DP_VEC_ZERO },
	};
	struct kvm_dp_transfer transfer = { .vecs = (uintptr_t)vecs, .n_vecs = 2 };

	for (uint64_t i = 0; i < WINDOW - 1; i++)
		page_fill(first + i, data + i * PAGE);
	while (ioctl(session_fd, KVM_DP_POPULATE, &transfer)) {
		if (errno == EIO) {
			const struct kvm_dp_vec *vec = &vecs[transfer.n_vecs_done];

			fprintf(stderr, "kernel_abi: GFN 0x%llx cannot be populated: result %u\n",
				(unsigned long long)(vec->gfn + vec->n_done), vec->result);
			exit(EXIT_FAILURE);
		}
		/* The array says how far it came: the same call goes on from there. */
		need(errno == EINTR, "KVM_DP_POPULATE");
	}
}

/* A file descriptor through a unix socket, with the one byte that has to go with it. */
union fd_message {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void fd_send(int sock, int fd)
{
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union fd_message control = { .buf = { 0 } };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	need(sendmsg(sock, &msg, MSG_NOSIGNAL) == 1, "sending the session");
}

static int fd_receive(int sock)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union fd_message control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int fd;

	need(n >= 0, "receiving the session");
	if (n == 0)
		exit(EXIT_FAILURE);	/* the VMM ended first, and has said why */
	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		fail("no session in the message", 0);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* The pager.  Until the VM is gone: which GFN is wanted, and here it is. */
static void pager_serve(int session_fd)
{
	struct kvm_dp_event events[16];
	unsigned int n_events = 0;
	ssize_t len;

	for (;;) {
		len = read(session_fd, events, sizeof(events));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENODEV)
			break;
		need(len > 0, "reading events");
		for (size_t i = 0; i < (size_t)len / sizeof(events[0]); i++, n_events++)
			populate_window(session_fd, events[i].gfn);
	}
	printf("pager: the VM is gone, %u events answered\n", n_events);
}

/* Started before anything of the VM exists, so that it inherits nothing of it. */
static pid_t pager_start(int *ret_sock)
{
	int socks[2];
	pid_t pid;

	need(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), "socket pair");
	pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0) {
		close(socks[0]);
		pager_serve(fd_receive(socks[1]));
		exit(EXIT_SUCCESS);
	}
	close(socks[1]);
	*ret_sock = socks[0];
	return pid;
}

struct vm {
	int vm_fd, control_fd, gmem_fd, vcpu_fd;
	void *shared;		/* address range of the memslot; nothing is there */
	struct kvm_run *run;
	size_t run_len;
};

/* Demand paging is switched on before the first vCPU. */
static void vm_enable_paging(struct vm *vm, uint64_t mode)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DEMAND_PAGING, .args = { KVM_DP_ENABLE | mode } };

	need(!ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap), "KVM_CAP_DEMAND_PAGING");
	vm->control_fd = ioctl(vm->vm_fd, KVM_CREATE_DEMAND_PAGING, 0);
	need(vm->control_fd >= 0, "KVM_CREATE_DEMAND_PAGING");
}

/* All of the guest's memory: guest_memfd, private, missing. */
static void vm_add_memory(struct vm *vm)
{
	struct kvm_create_guest_memfd create = { .size = GUEST_LEN };
	struct kvm_userspace_memory_region2 region = {
		.slot = 0, .flags = KVM_MEM_GUEST_MEMFD, .guest_phys_addr = GUEST_GPA, .memory_size = GUEST_LEN,
	};
	struct kvm_memory_attributes private = {
		.address = GUEST_GPA, .size = GUEST_LEN, .attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};
	struct kvm_dp_mark mark = { .gfn = 0, .n_pages = ~0ull, .flags = KVM_DP_MARK_MISSING };

	vm->shared = mmap(NULL, GUEST_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	need(vm->shared != MAP_FAILED, "address range of the memslot");
	vm->gmem_fd = ioctl(vm->vm_fd, KVM_CREATE_GUEST_MEMFD, &create);
	need(vm->gmem_fd >= 0, "KVM_CREATE_GUEST_MEMFD");

	region.userspace_addr = (uintptr_t)vm->shared;
	region.guest_memfd = (uint32_t)vm->gmem_fd;
	need(!ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION2, &region), "KVM_SET_USER_MEMORY_REGION2");
	need(!ioctl(vm->vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &private), "KVM_SET_MEMORY_ATTRIBUTES");
	need(!ioctl(vm->control_fd, KVM_DP_MARK, &mark), "KVM_DP_MARK");
	if (mark.n_changed != GUEST_PAGES)
		fail("KVM_DP_MARK: not every page became missing", 0);
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1, .db = 1,
	};
}

static void vm_add_vcpu(struct vm *vm, int kvm_fd)
{
	struct kvm_regs regs = {
		.rip = GUEST_GPA, .rflags = 2, .rsi = GUEST_GPA + PAGE, .rdi = GUEST_GPA + GUEST_LEN,
	};
	struct kvm_sregs sregs;

	vm->vcpu_fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, 0);
	need(vm->vcpu_fd >= 0, "KVM_CREATE_VCPU");
	vm->run_len = (size_t)ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->run = mmap(NULL, vm->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd, 0);
	need(vm->run != MAP_FAILED, "mapping of the vCPU");

	need(!ioctl(vm->vcpu_fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = flat_segment(8, 0xb);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat_segment(16, 0x3);
	sregs.cr0 = 0x11;	/* PE, ET */
	need(!ioctl(vm->vcpu_fd, KVM_SET_SREGS, &sregs) && !ioctl(vm->vcpu_fd, KVM_SET_REGS, &regs), "registers");
}

static void vm_create(struct vm *vm, int kvm_fd, uint64_t mode)
{
	*vm = (struct vm){ .vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM) };
	need(vm->vm_fd >= 0, "KVM_CREATE_VM");
	vm_enable_paging(vm, mode);
	vm_add_memory(vm);
	vm_add_vcpu(vm, kvm_fd);
}

/* The VM is gone when the last of its fds and mappings is; sessions do not keep it. */
static void vm_destroy(struct vm *vm)
{
	munmap(vm->run, vm->run_len);
	close(vm->vcpu_fd);
	close(vm->gmem_fd);
	close(vm->control_fd);
	close(vm->vm_fd);
	munmap(vm->shared, GUEST_LEN);
}

static int vm_create_session(const struct vm *vm, uint32_t rights)
{
	struct kvm_dp_create_session create = { .rights = rights };
	int fd = ioctl(vm->control_fd, KVM_DP_CREATE_SESSION, &create);

	need(fd >= 0, "KVM_DP_CREATE_SESSION");
	return fd;
}

static uint64_t vm_count_missing(const struct vm *vm)
{
	struct kvm_dp_query query = { 0 };	/* no range: only the counters */

	need(!ioctl(vm->control_fd, KVM_DP_QUERY, &query), "KVM_DP_QUERY");
	return query.n_missing;
}

/*
 * Run the guest to its end.  @session_fd: where the vCPU's thread brings missing pages
 * itself, or -1 if that is the business of somebody else.
 */
static void vm_run(const struct vm *vm, int session_fd, const char *name)
{
	const struct kvm_run *run = vm->run;
	unsigned int n_exits = 0;
	uint32_t sum = 0;
	int r;

	for (;;) {
		r = ioctl(vm->vcpu_fd, KVM_RUN, 0);
		if (r && errno == EINTR)
			continue;
		if (r) {
			need(errno == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
			     run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_MISSING, "KVM_RUN");
			if (session_fd < 0)
				fail("a page is missing and no pager is attached: guest stopped", 0);
			populate_window(session_fd, run->memory_fault.gpa / PAGE);
			n_exits++;
		} else if (run->exit_reason == KVM_EXIT_IO && run->io.port == SUM_PORT) {
			memcpy(&sum, (const uint8_t *)run + run->io.data_offset, sizeof(sum));
		} else if (run->exit_reason == KVM_EXIT_HLT) {
			break;
		} else {
			fprintf(stderr, "kernel_abi: unexpected exit %u\n", run->exit_reason);
			exit(EXIT_FAILURE);
		}
	}
	if (sum != expected_sum())
		fail("the guest found other contents than it should", 0);
	if (vm_count_missing(vm))
		fail("the guest has read every page, and some are missing", 0);
	printf("ok: %s mode: sum 0x%08x over %u pages, %u exits for missing ones, none missing now\n", name, sum,
	       GUEST_PAGES - 1, n_exits);
}

static void wait_mode(int kvm_fd, pid_t pager, int sock)
{
	int session_fd, status;
	struct vm vm;

	vm_create(&vm, kvm_fd, KVM_DP_MODE_WAIT);
	session_fd = vm_create_session(&vm, KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE);
	fd_send(sock, session_fd);
	close(session_fd);	/* now the pager's alone: if it dies, KVM_RUN says so */

	vm_run(&vm, -1, "wait");
	vm_destroy(&vm);	/* the pager's read() fails with ENODEV */
	if (waitpid(pager, &status, 0) != pager || status)
		fail("the pager failed", 0);
}

static void exit_mode(int kvm_fd)
{
	int session_fd;
	struct vm vm;

	vm_create(&vm, kvm_fd, KVM_DP_MODE_EXIT);
	session_fd = vm_create_session(&vm, KVM_DP_RIGHT_POPULATE);
	vm_run(&vm, session_fd, "exit");
	close(session_fd);
	vm_destroy(&vm);
}

/* NULL, or why this machine cannot run the example. */
static const char *what_is_lacking(int kvm_fd)
{
	int caps = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_DEMAND_PAGING);
	int types = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);

	if (kvm_fd < 0)
		return "no access to /dev/kvm";
	if (caps < 0 || (caps & NEEDED_CAPS) != NEEDED_CAPS)
		return "KVM of this kernel has no demand paging: boot a kernel with the series";
	if (types < 0 || !(types & 1 << KVM_X86_SW_PROTECTED_VM))
		return "KVM has no software-protected VMs (CONFIG_KVM_SW_PROTECTED_VM, TDP MMU)";
	return NULL;
}

int main(void)
{
	int sock;
	pid_t pager = pager_start(&sock);
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const char *lacking = what_is_lacking(kvm_fd);

	if (lacking) {
		fprintf(stderr, "kernel_abi: %s\n", lacking);
		return EXIT_CANNOT;
	}
	wait_mode(kvm_fd, pager, sock);
	exit_mode(kvm_fd);
	return EXIT_SUCCESS;
}
