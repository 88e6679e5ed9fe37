// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: what takes forever holds up its caller, not
 * the VM, and the caller can be killed.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "gmem_demand_paging_env.h"

#define FILL		0x0f
#define SLOW_PAGES	64

/* A page of the caller's memory that is not there until it is resolved. */
struct slow_page {
	int uffd;
	void *addr;
};

static int userfaultfd_open(void)
{
	return syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
}

const char *userfaultfd_absent(void)
{
	int fd = userfaultfd_open();

	if (fd < 0)
		return "no userfaultfd for faults of the kernel";
	close(fd);
	return NULL;
}

static struct slow_page slow_page_create(void)
{
	struct slow_page s = { .uffd = userfaultfd_open() };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };

	s.addr = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(s.addr != MAP_FAILED, "mmap: %s", strerror(errno));
	reg.range.start = (uintptr_t)s.addr;
	reg.range.len = 4096;
	TEST_ASSERT(s.uffd >= 0 && !ioctl(s.uffd, UFFDIO_API, &api) &&
		    !ioctl(s.uffd, UFFDIO_REGISTER, &reg),
		    "userfaultfd: %s", strerror(errno));
	return s;
}

static void slow_page_resolve(struct slow_page *s)
{
	uint8_t data[4096];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)s->addr, .src = (uintptr_t)data, .len = 4096,
	};

	memset(data, FILL, sizeof(data));
	TEST_ASSERT(!ioctl(s->uffd, UFFDIO_COPY, &copy), "UFFDIO_COPY: %s",
		    strerror(errno));
}

static void slow_page_destroy(struct slow_page *s)
{
	close(s->uffd);
	munmap(s->addr, 4096);
}

/* The VM is frozen while @request waits for memory; returns how that ends. */
static int freeze_meanwhile(struct env *e, struct slow_page *s,
			    unsigned long request, void *arg)
{
	struct call slow = { .fd = e->session, .request = request, .arg = arg };
	struct call freeze = { .fd = e->control, .request = KVM_DP_FREEZE };
	struct pollfd pfd = { .fd = s->uffd, .events = POLLIN };
	bool in_time;

	call_start(&slow);
	TEST_ASSERT(poll(&pfd, 1, LIMIT_S * 1000) == 1, "the bitmap was not touched");
	call_start(&freeze);
	in_time = join_in_time(freeze.thread);
	slow_page_resolve(s);

	TEST_ASSERT(in_time, "%#lx holds up a freeze until its bitmap is there",
		    request);
	TEST_ASSERT_EQ(freeze.ret, 0);
	TEST_ASSERT(join_in_time(slow.thread), "%#lx does not end", request);
	TEST_ASSERT_EQ(n_missing(e->session), DATA_NPAGES);
	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_THAW, 0), 0);
	return slow.ret;
}

void test_slow_bitmap(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_dp_mark m = { .n_pages = SLOW_PAGES };
	struct kvm_dp_query q = {
		.gfn = DATA_GFN, .n_pages = SLOW_PAGES, .flags = KVM_DP_QUERY_MISSING,
	};
	struct slow_page s;

	vm_mem_set_shared(e.vm, DATA_GPA, SLOW_PAGES * 4096);

	/* Both would change something, if the freeze had not come first. */
	s = slow_page_create();
	m.gfn = 1000;
	m.bitmap = (uintptr_t)s.addr;
	m.flags = KVM_DP_MARK_MISSING;
	TEST_ASSERT_EQ(freeze_meanwhile(&e, &s, KVM_DP_MARK, &m), -EBUSY);
	slow_page_destroy(&s);

	s = slow_page_create();
	m.gfn = DATA_GFN;
	m.bitmap = (uintptr_t)s.addr;
	m.flags = KVM_DP_MARK_PRESENT;
	TEST_ASSERT_EQ(freeze_meanwhile(&e, &s, KVM_DP_MARK, &m), -EBUSY);
	slow_page_destroy(&s);

	s = slow_page_create();
	q.bitmap = (uintptr_t)s.addr;
	TEST_ASSERT_EQ(freeze_meanwhile(&e, &s, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.n_set, SLOW_PAGES);
	TEST_ASSERT_EQ(*(uint64_t *)s.addr, ~0ull);
	slow_page_destroy(&s);
	env_destroy(&e);
}

/* Who copies from memory that takes forever holds up nobody else. */
void test_slow_populate(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct slow_page s = slow_page_create();
	uint8_t page[4096] = { 0x31 };
	struct kvm_dp_vec vec = {
		.gfn = DATA_GFN, .n_pages = 1, .addr = (uintptr_t)s.addr,
	}, other_vec = {
		.gfn = DATA_GFN + 1, .n_pages = 1, .addr = (uintptr_t)page,
	};
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };
	struct kvm_dp_transfer other_args = {
		.vecs = (uintptr_t)&other_vec, .n_vecs = 1,
	};
	struct call slow = {
		.fd = e.session, .request = KVM_DP_POPULATE, .arg = &args,
	}, other = {
		.fd = e.session, .request = KVM_DP_POPULATE, .arg = &other_args,
	};
	struct pollfd pfd = { .fd = s.uffd, .events = POLLIN };
	bool in_time;

	call_start(&slow);
	TEST_ASSERT(poll(&pfd, 1, LIMIT_S * 1000) == 1, "the page was not touched");
	call_start(&other);
	in_time = join_in_time(other.thread);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);
	slow_page_resolve(&s);
	TEST_ASSERT(in_time, "a page waits for the one that another brings");
	TEST_ASSERT_EQ(other.ret, 0);
	TEST_ASSERT(join_in_time(slow.thread), "KVM_DP_POPULATE does not end");
	TEST_ASSERT_EQ(slow.ret, 0);

	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, FILL);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x31);
	slow_page_destroy(&s);

	/* Nor a freeze, after which nothing is brought. */
	s = slow_page_create();
	vec = (struct kvm_dp_vec) {
		.gfn = DATA_GFN, .n_pages = 1, .addr = (uintptr_t)s.addr,
	};
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, 2, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(freeze_meanwhile(&e, &s, KVM_DP_POPULATE, &args), -EBUSY);
	slow_page_destroy(&s);
	env_destroy(&e);
}

/* What was copied out while the VM could run in between does not count. */
void test_slow_extract(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct slow_page s = slow_page_create();
	struct kvm_dp_vec vec = {
		.gfn = DATA_GFN, .n_pages = 1, .addr = (uintptr_t)s.addr,
	};
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };
	struct call extract = {
		.fd = e.session, .request = KVM_DP_EXTRACT, .arg = &args,
	};
	struct pollfd pfd = { .fd = s.uffd, .events = POLLIN };

	populate(e.session, DATA_GFN, 0x61);
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_FREEZE, 0), 0);
	call_start(&extract);
	TEST_ASSERT(poll(&pfd, 1, LIMIT_S * 1000) == 1, "the page was not touched");
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_THAW, 0), 0);
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_FREEZE, 0), 0);
	slow_page_resolve(&s);
	TEST_ASSERT(join_in_time(extract.thread), "KVM_DP_EXTRACT does not end");
	TEST_ASSERT_EQ(extract.ret, -EBUSY);
	TEST_ASSERT_EQ(vec.n_done, 0);

	/* Again, now that nobody runs it. */
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_EXTRACT, &args), 0);
	TEST_ASSERT_EQ(vec.n_done, 1);
	TEST_ASSERT_EQ(*(uint8_t *)s.addr, 0x61);
	slow_page_destroy(&s);
	env_destroy(&e);
}

const char *slow_split_absent(void)
{
	const char *why = userfaultfd_absent();

	return why ?: huge_folios_absent();
}

static int punch(int fd, uint64_t page)
{
	return fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, page << 12, 4096);
}

/* Who looks at a page of a 2M folio keeps it from being split, and all of it stays. */
void test_slow_split(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	int fd = add_huge_slot(&e);
	struct slow_page s = slow_page_create();
	struct kvm_dp_vec vec = {
		.gfn = HUGE_GFN, .n_pages = 1, .addr = (uintptr_t)s.addr,
	};
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };
	struct call extract = {
		.fd = e.session, .request = KVM_DP_EXTRACT, .arg = &args,
	};
	struct pollfd pfd = { .fd = s.uffd, .events = POLLIN };
	int i;

	TEST_ASSERT_EQ(mark(e.session, HUGE_GFN, HUGE_NPAGES, KVM_DP_MARK_MISSING), 0);
	for (i = 0; i < 3; i++)
		populate(e.session, HUGE_GFN + i, 0x50 + i);
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_FREEZE, 0), 0);
	call_start(&extract);
	TEST_ASSERT(poll(&pfd, 1, LIMIT_S * 1000) == 1, "the page was not touched");
	EXPECT_ERRNO(punch(fd, 1), EAGAIN);
	slow_page_resolve(&s);
	TEST_ASSERT(join_in_time(extract.thread), "KVM_DP_EXTRACT does not end");
	TEST_ASSERT_EQ(extract.ret, 0);
	for (i = 0; i < 3; i++)
		TEST_ASSERT_EQ(extract_byte(&e, HUGE_GFN + i), 0x50 + i);

	TEST_ASSERT_EQ(punch(fd, 1), 0);
	for (i = 0; i < 3; i++)
		TEST_ASSERT_EQ(extract_byte(&e, HUGE_GFN + i), i == 1 ? 0 : 0x50 + i);
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_THAW, 0), 0);
	slow_page_destroy(&s);
	close(fd);
	env_destroy(&e);
}

/* A signal ends a populate between two vectors, and what was done counts. */
void test_slow_signal(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct sigaction sa = { .sa_handler = on_signal };
	struct slow_page s = slow_page_create();
	uint8_t page[4096] = { 0x31 };
	struct kvm_dp_vec vecs[2] = {
		{ .gfn = DATA_GFN, .n_pages = 1, .addr = (uintptr_t)s.addr },
		{ .gfn = DATA_GFN + 1, .n_pages = 1, .addr = (uintptr_t)page },
	};
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)vecs, .n_vecs = 2 };
	struct call slow = {
		.fd = e.session, .request = KVM_DP_POPULATE, .arg = &args,
	};
	struct pollfd pfd = { .fd = s.uffd, .events = POLLIN };

	sigaction(SIGUSR1, &sa, NULL);
	call_start(&slow);
	TEST_ASSERT(poll(&pfd, 1, LIMIT_S * 1000) == 1, "the page was not touched");
	pthread_kill(slow.thread, SIGUSR1);
	slow_page_resolve(&s);
	TEST_ASSERT(join_in_time(slow.thread), "KVM_DP_POPULATE does not end");
	TEST_ASSERT_EQ(slow.ret, -EINTR);
	TEST_ASSERT_EQ(args.n_vecs_done, 1);
	TEST_ASSERT_EQ(vecs[0].n_done, 1);
	TEST_ASSERT_EQ(vecs[1].n_done, 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 1);
	slow_page_destroy(&s);
	env_destroy(&e);
}

#define ALL_GFNS	((1ull << 40) - 1)

static pid_t child_start(int fd, unsigned long request, void *arg)
{
	pid_t pid = fork();

	TEST_ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		ioctl(fd, request, arg);
		_exit(0);
	}
	/* Well into it, or it is so quick that there is nothing to test. */
	usleep(200000);
	return pid;
}

static bool child_killed_in_time(pid_t pid)
{
	int i;

	kill(pid, SIGKILL);
	for (i = 0; i < LIMIT_S * 100; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		usleep(10000);
	}
	return false;
}

static void run_long(struct env *e, const char *name, unsigned long request, void *arg)
{
	struct call freeze = { .fd = e->control, .request = KVM_DP_FREEZE };
	pid_t pid = child_start(e->session, request, arg);
	bool in_time;

	call_start(&freeze);
	in_time = join_in_time(freeze.thread);
	TEST_ASSERT(child_killed_in_time(pid), "%s of all GFNs cannot be killed", name);
	TEST_ASSERT(in_time, "%s of all GFNs holds up a freeze", name);
	TEST_ASSERT_EQ(freeze.ret, 0);
	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_THAW, 0), 0);

	/* The freeze may have ended it: once more without. */
	pid = child_start(e->session, request, arg);
	TEST_ASSERT(child_killed_in_time(pid), "%s of all GFNs cannot be killed", name);
}

void test_long_range(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_dp_collapse collapse = { .n_pages = ALL_GFNS };
	struct kvm_dp_mark present = {
		.n_pages = ALL_GFNS, .flags = KVM_DP_MARK_PRESENT,
	};
	struct kvm_dp_query query = {
		.n_pages = ALL_GFNS, .flags = KVM_DP_QUERY_MISSING,
	};
	struct call mark_all = { .request = KVM_DP_MARK };

	/* Else marking private pages present is refused soon. */
	vm_mem_set_shared(e.vm, DATA_GPA, DATA_NPAGES * 4096);

	run_long(&e, "KVM_DP_COLLAPSE", KVM_DP_COLLAPSE, &collapse);
	run_long(&e, "KVM_DP_QUERY", KVM_DP_QUERY, &query);

	/* Of what is not missing there is nothing to be marked present. */
	mark_all.arg = &present;
	mark_all.fd = e.session;
	call_start(&mark_all);
	TEST_ASSERT(join_in_time(mark_all.thread), "KVM_DP_MARK looks at every GFN");
	TEST_ASSERT_EQ(mark_all.ret, 0);
	TEST_ASSERT_EQ(present.n_changed, DATA_NPAGES);
	TEST_ASSERT_EQ(n_missing(e.session), 0);
	env_destroy(&e);
}

/* So long that it is not done before somebody else is. */
#define LONG_GFNS	BIT_ULL(34)

static void long_mark_start(struct call *call, int fd, uint64_t n)
{
	struct kvm_dp_mark *m = call->arg;

	m->n_changed = 0;
	call_start(call);
	while (n_missing(fd) <= n)
		sched_yield();
}

/* What takes pages away lets others in between, and heeds signals. */
void test_long_mark(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_dp_mark m = {
		.gfn = 1ull << 35, .n_pages = LONG_GFNS, .flags = KVM_DP_MARK_MISSING,
	};
	struct call call = { .fd = e.session, .request = KVM_DP_MARK, .arg = &m };
	struct call freeze = { .fd = e.control, .request = KVM_DP_FREEZE };

	sigaction(SIGUSR1, &sa, NULL);
	long_mark_start(&call, e.session, DATA_NPAGES);
	call_start(&freeze);
	TEST_ASSERT(join_in_time(freeze.thread), "KVM_DP_MARK holds up a freeze");
	TEST_ASSERT_EQ(freeze.ret, 0);
	TEST_ASSERT(join_in_time(call.thread), "KVM_DP_MARK goes on in a frozen VM");
	TEST_ASSERT_EQ(call.ret, -EBUSY);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES + m.n_changed);
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_THAW, 0), 0);

	m.gfn += LONG_GFNS;
	long_mark_start(&call, e.session, n_missing(e.session));
	pthread_kill(call.thread, SIGUSR1);
	TEST_ASSERT(join_in_time(call.thread), "KVM_DP_MARK does not heed a signal");
	TEST_ASSERT_EQ(call.ret, -EINTR);
	TEST_ASSERT(m.n_changed && m.n_changed < LONG_GFNS, "%llu GFNs changed", m.n_changed);
	env_destroy(&e);
}
