// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on each backing: pages arrive through the pager's own mapping
 * of the same memory or, in guest_memfd, are populated one by one.  Blocks are
 * mapped with 4K pages until they are complete and, where the backing has huge
 * pages, with huge pages from then on.  A 4K page that is poisoned is missed, its
 * neighbours are not.
 */
#include <fcntl.h>
#include <linux/kvm_demand_paging.h>
#include <linux/memfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#define DATA_GPA	BIT_ULL(32)
#define DATA_GVA	DATA_GPA
#define DATA_GFN	(DATA_GPA >> 12)
#define DATA_SLOT	10
#define BLOCK		512ull
#define MAPPED_PAGES	(4 * BLOCK)	/* that the guest can address */

#define SZ_2M_		(BLOCK << 12)
#define SZ_1G_		(BLOCK * SZ_2M_)

struct backing {
	const char *name;
	size_t size;			/* of the memslot */
	size_t huge;			/* what it is mapped with once complete */
	unsigned int memfd;		/* flags; 0 with !is_file is anonymous */
	bool is_file;
	bool thp;
	bool is_gmem;
	uint64_t gmem_flags;
	const char *pool;		/* sysfs file with the number of pages */
};

static const struct backing backings[] = {
	{ .name = "anonymous", .size = 4 * SZ_2M_ },
	{ .name = "anonymous THP", .size = 4 * SZ_2M_, .huge = SZ_2M_, .thp = true },
	{ .name = "tmpfs", .size = 4 * SZ_2M_, .is_file = true },
	{ .name = "tmpfs THP", .size = 4 * SZ_2M_, .huge = SZ_2M_, .is_file = true,
	  .thp = true },
	{ .name = "HugeTLB 2M", .size = 4 * SZ_2M_, .huge = SZ_2M_, .is_file = true,
	  .memfd = MFD_HUGETLB | MFD_HUGE_2MB,
	  .pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages" },
	{ .name = "HugeTLB 1G", .size = SZ_1G_, .huge = SZ_1G_, .is_file = true,
	  .memfd = MFD_HUGETLB | MFD_HUGE_1GB,
	  .pool = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages" },
	{ .name = "guest_memfd", .size = 4 * SZ_2M_, .is_gmem = true },
	{ .name = "guest_memfd 2M", .size = 4 * SZ_2M_, .huge = SZ_2M_,
	  .is_gmem = true, .gmem_flags = GUEST_MEMFD_FLAG_HUGE_2M },
};

#define SHMEM_ENABLED	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* What the guest does next; it is told through these. */
static uint64_t first_page, end_page, spin;

/* It says here that it spins. */
static uint64_t n_spins;

static uint64_t word_of(uint64_t page)
{
	return (DATA_GFN + page) * 0x9e3779b97f4a7c15ull;
}

/* Not a word that guest_code() looks at. */
static uint64_t spin_word(uint64_t page)
{
	return (page + 1) % 512;
}

static void guest_code(void)
{
	volatile uint64_t *word;
	uint64_t page;

	for (;;) {
		word = (void *)(DATA_GVA + (first_page << 12));
		while (READ_ONCE(spin)) {
			word[spin_word(first_page)]++;
			WRITE_ONCE(n_spins, n_spins + 1);
		}
		for (page = first_page; page < end_page; page++) {
			word = (void *)(DATA_GVA + (page << 12));
			GUEST_ASSERT_EQ(word[page % 512], word_of(page));
			word[page % 512] = word_of(page);
		}
		GUEST_SYNC(0);
	}
}

struct env {
	const struct backing *b;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	void *vmm_mem, *pager_mem;
	int fd, control, session;
	int stop[2];
	pthread_t pager;
	pthread_mutex_t bringing;	/* the pager's, while it brings a page */
	uint64_t n_events;
	uint64_t base_2m;
};

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		pr_debug("%s: %s\n", path, strerror(errno));
	close(fd);
}

static long read_number(const char *path)
{
	FILE *f = fopen(path, "r");
	long n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%ld", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* An address range, aligned to what may be mapped huge. */
static void *reserve(size_t size)
{
	size_t align = max_t(size_t, size, SZ_2M_);
	char *p = mmap(NULL, size + align, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	TEST_ASSERT(p != MAP_FAILED, "mmap: %s", strerror(errno));
	return (void *)(((uintptr_t)p + align - 1) & ~(align - 1));
}

static void *map(const struct backing *b, int fd)
{
	int flags = MAP_FIXED | (b->is_file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	void *p = reserve(b->size);

	TEST_ASSERT(mmap(p, b->size, PROT_READ | PROT_WRITE, flags, fd, 0) == p,
		    "%s: mmap: %s", b->name, strerror(errno));
	if (!b->pool)
		TEST_ASSERT_EQ(madvise(p, b->size,
				       b->thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE), 0);
	return p;
}

static int mark(int fd, uint64_t page, uint64_t n, uint32_t flags)
{
	struct kvm_dp_mark args = {
		.gfn = DATA_GFN + page, .n_pages = n, .flags = flags,
	};

	return ioctl(fd, KVM_DP_MARK, &args);
}

static void populate(struct env *e, uint64_t page, uint64_t n)
{
	struct kvm_dp_vec vec = {
		.gfn = DATA_GFN + page, .n_pages = n,
		.addr = (uintptr_t)e->pager_mem + (page << 12),
	};
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };
	uint64_t i;

	for (i = page; i < page + n; i++)
		((uint64_t *)(e->pager_mem + (i << 12)))[i % 512] = word_of(i);
	TEST_ASSERT_EQ(ioctl(e->session, KVM_DP_POPULATE, &args), 0);
	TEST_ASSERT_EQ(vec.n_done, n);
}

/* The pager's part: contents through its own mapping, then presence. */
static void bring(struct env *e, uint64_t page, uint64_t n)
{
	uint64_t i;

	if (e->b->is_gmem) {
		populate(e, page, n);
		return;
	}
	for (i = page; i < page + n; i++)
		((uint64_t *)(e->pager_mem + (i << 12)))[i % 512] = word_of(i);
	TEST_ASSERT_EQ(mark(e->session, page, n, KVM_DP_MARK_PRESENT), 0);
}

static void *pager_main(void *arg)
{
	struct env *e = arg;
	struct kvm_dp_event event;
	struct pollfd pfds[2] = {
		{ .fd = e->session, .events = POLLIN },
		{ .fd = e->stop[0], .events = POLLIN },
	};

	for (;;) {
		TEST_ASSERT(poll(pfds, 2, -1) > 0, "poll");
		if (pfds[1].revents)
			return NULL;
		TEST_ASSERT_EQ(read(e->session, &event, sizeof(event)),
			       (ssize_t)sizeof(event));
		TEST_ASSERT_EQ(!!(event.flags & KVM_DP_EVENT_PRIVATE), e->b->is_gmem);
		e->n_events++;
		pthread_mutex_lock(&e->bringing);
		bring(e, event.gfn - DATA_GFN, 1);
		pthread_mutex_unlock(&e->bringing);
	}
}

static struct env *env_create(const struct backing *b)
{
	struct kvm_dp_create_session args = {
		.rights = KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_MARK |
			  KVM_DP_RIGHT_QUERY | KVM_DP_RIGHT_POPULATE |
			  KVM_DP_RIGHT_DISCARD,
	};
	struct vm_shape shape = VM_SHAPE_DEFAULT;
	struct env *e = calloc(1, sizeof(*e));

	TEST_ASSERT(e, "no memory");
	pthread_mutex_init(&e->bringing, NULL);
	e->b = b;
	e->fd = -1;
	if (b->is_file) {
		e->fd = memfd_create("guest", b->memfd);
		TEST_ASSERT(e->fd >= 0, "memfd_create: %s", strerror(errno));
		TEST_ASSERT_EQ(ftruncate(e->fd, b->size), 0);
	}
	e->vmm_mem = map(b, e->fd);
	e->pager_mem = b->is_file ? map(b, e->fd) : e->vmm_mem;

	if (b->is_gmem)
		shape.type = KVM_X86_SW_PROTECTED_VM;
	e->vm = __vm_create(shape, 1, MAPPED_PAGES / 512 + 16);
	TEST_ASSERT_EQ(__vm_enable_cap(e->vm, KVM_CAP_DEMAND_PAGING,
				       KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	e->vcpu = vm_vcpu_add(e->vm, 0, guest_code);
	if (b->is_gmem) {
		e->fd = vm_create_guest_memfd(e->vm, b->size, b->gmem_flags);
		vm_set_user_memory_region2(e->vm, DATA_SLOT, KVM_MEM_GUEST_MEMFD,
					   DATA_GPA, b->size, e->vmm_mem, e->fd, 0);
		vm_mem_set_private(e->vm, DATA_GPA, b->size);
	} else {
		vm_set_user_memory_region(e->vm, DATA_SLOT, 0, DATA_GPA, b->size,
					  e->vmm_mem);
	}
	virt_map(e->vm, DATA_GVA, DATA_GPA, MAPPED_PAGES);
	e->control = __vm_ioctl(e->vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	TEST_ASSERT(e->control >= 0, "control fd: %s", strerror(errno));
	e->session = ioctl(e->control, KVM_DP_CREATE_SESSION, &args);
	TEST_ASSERT(e->session >= 0, "session: %s", strerror(errno));
	TEST_ASSERT_EQ(mark(e->session, 0, b->size >> 12, KVM_DP_MARK_MISSING), 0);

	TEST_ASSERT_EQ(pipe(e->stop), 0);
	TEST_ASSERT_EQ(pthread_create(&e->pager, NULL, pager_main, e), 0);
	e->base_2m = vm_get_stat(e->vm, "pages_2m");
	return e;
}

static void env_destroy(struct env *e)
{
	TEST_ASSERT_EQ(write(e->stop[1], "", 1), 1);
	pthread_join(e->pager, NULL);
	close(e->stop[0]);
	close(e->stop[1]);
	close(e->session);
	close(e->control);
	kvm_vm_free(e->vm);
	munmap(e->vmm_mem, e->b->size);
	if (e->b->is_file)
		munmap(e->pager_mem, e->b->size);
	if (e->fd >= 0)
		close(e->fd);
	free(e);
}

/* The guest reads, checks and writes pages [@page, @page + @n). */
static void touch(struct env *e, uint64_t page, uint64_t n)
{
	struct ucall uc;

	first_page = page;
	end_page = page + n;
	sync_global_to_guest(e->vm, first_page);
	sync_global_to_guest(e->vm, end_page);
	vcpu_run(e->vcpu);
	if (get_ucall(e->vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_SYNC);
}

/*
 * The vCPU runs again as soon as its page is there; the block is collapsed, and
 * that counted, before the pager's call returns.
 */
static uint64_t n_mapped(struct env *e, const char *stat)
{
	pthread_mutex_lock(&e->bringing);
	pthread_mutex_unlock(&e->bringing);
	return vm_get_stat(e->vm, stat);
}

static uint64_t n_2m(struct env *e)
{
	return n_mapped(e, "pages_2m") - e->base_2m;
}

static uint64_t n_events(struct env *e)
{
	uint64_t n = e->n_events;

	e->n_events = 0;
	return n;
}

static int poison(struct env *e, uint64_t page, uint32_t flags)
{
	struct kvm_dp_poison args = {
		.gfn = DATA_GFN + page, .n_pages = 1, .flags = flags,
	};
	int r = ioctl(e->control, KVM_DP_POISON, &args);

	TEST_ASSERT_EQ(args.n_changed, 1);
	return r;
}

static void assert_poisoned_exit(struct env *e, int r, int error, uint64_t page)
{
	struct kvm_run *run = e->vcpu->run;

	TEST_ASSERT(r == -1 && error == EHWPOISON, "KVM_RUN: %d, %s", r, strerror(error));
	TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	TEST_ASSERT_EQ(run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_MISSING |
		       KVM_MEMORY_EXIT_FLAG_FAILED);
	TEST_ASSERT_EQ(run->memory_fault.gpa, DATA_GPA + (page << 12));
	TEST_ASSERT_EQ(run->memory_fault.size, 4096);
}

/* All is present and mapped as large as it can be.  So it is afterwards. */
static void test_poison(struct env *e)
{
	const uint64_t page = BLOCK + 7;
	uint64_t mapped = n_2m(e);
	int r;

	TEST_ASSERT_EQ(poison(e, page, KVM_DP_POISON_SET), 0);
	if (e->b->huge == SZ_1G_)
		TEST_ASSERT_EQ(n_mapped(e, "pages_1g"), 0);
	else
		TEST_ASSERT_EQ(n_2m(e), mapped - !!e->b->huge);
	TEST_ASSERT(mark(e->session, BLOCK, BLOCK, KVM_DP_MARK_PRESENT) &&
		    errno == EHWPOISON, "a poisoned page was marked present");

	/* Its neighbours, at first up to it. */
	touch(e, BLOCK, 7);
	touch(e, page + 1, BLOCK - 8);
	TEST_ASSERT_EQ(n_2m(e), e->b->huge == SZ_1G_ ? 0 : mapped - !!e->b->huge);
	touch(e, 2 * BLOCK, BLOCK);
	first_page = BLOCK;
	end_page = 2 * BLOCK;
	sync_global_to_guest(e->vm, first_page);
	sync_global_to_guest(e->vm, end_page);
	r = __vcpu_run(e->vcpu);
	assert_poisoned_exit(e, r, errno, page);
	r = __vcpu_run(e->vcpu);
	assert_poisoned_exit(e, r, errno, page);
	TEST_ASSERT_EQ(n_events(e), 0);

	/* Missing as any other, then. */
	TEST_ASSERT_EQ(poison(e, page, KVM_DP_POISON_CLEAR), 0);
	vcpu_run(e->vcpu);
	TEST_ASSERT_EQ(n_events(e), 1);
	touch(e, 0, MAPPED_PAGES);
	TEST_ASSERT_EQ(n_events(e), 0);
	TEST_ASSERT_EQ(n_2m(e), mapped);
}

struct run {
	struct kvm_vcpu *vcpu;
	int ret, error;
};

static void *run_main(void *arg)
{
	struct run *run = arg;

	run->ret = __vcpu_run(run->vcpu);
	run->error = errno;
	return NULL;
}

#define N_ROUNDS	20

/*
 * The guest counts in a page, which is taken from it: once it is poisoned, the
 * count stands still.
 */
static void test_poison_running(struct env *e)
{
	const uint64_t page = BLOCK + 7;
	volatile uint64_t *count;
	struct run run = { .vcpu = e->vcpu };
	pthread_t thread;
	uint64_t before, seen;
	int i;

	count = (uint64_t *)(e->pager_mem + (page << 12)) + spin_word(page);
	first_page = page;
	end_page = page + 1;
	spin = 1;
	sync_global_to_guest(e->vm, first_page);
	sync_global_to_guest(e->vm, end_page);
	sync_global_to_guest(e->vm, spin);

	for (i = 0; i < N_ROUNDS; i++) {
		before = *count;
		TEST_ASSERT_EQ(pthread_create(&thread, NULL, run_main, &run), 0);
		while (*count == before)
			usleep(100);
		TEST_ASSERT_EQ(poison(e, page, KVM_DP_POISON_SET), 0);
		seen = *count;
		pthread_join(thread, NULL);
		TEST_ASSERT_EQ(*count, seen);
		assert_poisoned_exit(e, run.ret, run.error, page);
		TEST_ASSERT_EQ(poison(e, page, KVM_DP_POISON_CLEAR), 0);
		bring(e, page, 1);
	}
	spin = 0;
	sync_global_to_guest(e->vm, spin);
	vcpu_run(e->vcpu);
	TEST_ASSERT_EQ(n_events(e), 0);
	touch(e, 0, MAPPED_PAGES);
}

static void test_refusals(struct env *e)
{
	struct kvm_dp_collapse args = { .gfn = DATA_GFN, .n_pages = 1, .flags = 1 };

	TEST_ASSERT(ioctl(e->session, KVM_DP_COLLAPSE, &args) && errno == EINVAL,
		    "an unknown flag was taken");
	args = (struct kvm_dp_collapse) { .gfn = DATA_GFN };
	TEST_ASSERT(ioctl(e->session, KVM_DP_COLLAPSE, &args) && errno == EINVAL,
		    "an empty range was taken");
	args = (struct kvm_dp_collapse) { .gfn = ~0ull, .n_pages = 2 };
	TEST_ASSERT(ioctl(e->session, KVM_DP_COLLAPSE, &args) && errno == EINVAL,
		    "a range that wraps was taken");
	args = (struct kvm_dp_collapse) {
		.gfn = DATA_GFN, .n_pages = 1, .reserved = { 0, 0, 1 },
	};
	TEST_ASSERT(ioctl(e->session, KVM_DP_COLLAPSE, &args) && errno == EINVAL,
		    "a reserved field was taken");
}

static void punch(struct env *e, uint64_t page, uint64_t n)
{
	TEST_ASSERT_EQ(fallocate(e->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
				 page << 12, n << 12), 0);
}

static int bind_at(struct env *e, int fd, uint64_t offset, uint64_t gpa, uint64_t size)
{
	return __vm_set_user_memory_region2(e->vm, DATA_SLOT + 1, KVM_MEM_GUEST_MEMFD,
					    gpa, size, e->vmm_mem, fd, offset);
}

/*
 * A page of a block goes while the guest uses another, which must not be mapped with
 * the 2M folio again in the middle of that.
 */
static void test_neighbour_running(struct env *e, uint64_t page, bool convert)
{
	struct kvm_dp_collapse block = { .gfn = DATA_GFN + page, .n_pages = BLOCK };
	uint64_t *spins = addr_gva2hva(e->vm, (uintptr_t)&n_spins);
	struct run run = { .vcpu = e->vcpu };
	uint64_t mapped, before;
	pthread_t thread;

	TEST_ASSERT_EQ(ioctl(e->session, KVM_DP_COLLAPSE, &block), 0);
	touch(e, page, BLOCK);
	mapped = n_2m(e);
	TEST_ASSERT_EQ(mapped, 2);
	first_page = page;
	end_page = page + 1;
	spin = 1;
	sync_global_to_guest(e->vm, first_page);
	sync_global_to_guest(e->vm, end_page);
	sync_global_to_guest(e->vm, spin);
	before = READ_ONCE(*spins);
	TEST_ASSERT_EQ(pthread_create(&thread, NULL, run_main, &run), 0);
	while (READ_ONCE(*spins) == before)
		usleep(100);
	if (convert)
		vm_mem_set_shared(e->vm, DATA_GPA + ((page + 3) << 12), 1 << 12);
	else
		punch(e, page + 3, 1);
	TEST_ASSERT_EQ(n_2m(e), mapped - 1);

	spin = 0;
	sync_global_to_guest(e->vm, spin);
	TEST_ASSERT_EQ(pthread_join(thread, NULL), 0);
	TEST_ASSERT_EQ(run.ret, 0);
	TEST_ASSERT_EQ(n_2m(e), mapped - 1);
	if (convert)
		vm_mem_set_private(e->vm, DATA_GPA + ((page + 3) << 12), 1 << 12);
}

/* What takes a part of a 2M folio leaves the other pages as they are. */
static void test_huge_folio(struct env *e)
{
	struct kvm_dp_discard evict = {
		.gfn = DATA_GFN + BLOCK + 9, .n_pages = 1, .flags = KVM_DP_DISCARD_EVICT,
	};
	struct kvm_memory_attributes missing = {
		.address = DATA_GPA + (5 << 12), .size = 4096,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE | KVM_MEMORY_ATTRIBUTE_MISSING,
	};
	uint64_t gpa = DATA_GPA + SZ_1G_;
	int fd;

	touch(e, 0, MAPPED_PAGES);
	n_events(e);
	TEST_ASSERT_EQ(n_2m(e), 4);

	/* The attribute takes presence alone: what is private stays so. */
	vm_ioctl(e->vm, KVM_SET_MEMORY_ATTRIBUTES, &missing);
	TEST_ASSERT_EQ(n_2m(e), 3);
	touch(e, 0, BLOCK);
	TEST_ASSERT_EQ(n_events(e), 1);
	touch(e, 0, BLOCK);
	TEST_ASSERT_EQ(n_2m(e), 4);

	/* Punched: block 0 is split, the page reads as zero. */
	punch(e, 5, 1);
	TEST_ASSERT_EQ(n_2m(e), 3);
	touch(e, 0, 5);
	touch(e, 6, MAPPED_PAGES - 6);
	TEST_ASSERT_EQ(n_2m(e), 3);
	TEST_ASSERT_EQ(n_events(e), 0);

	/* Evicted: it comes again. */
	TEST_ASSERT_EQ(ioctl(e->session, KVM_DP_DISCARD, &evict), 0);
	TEST_ASSERT_EQ(n_2m(e), 2);
	touch(e, BLOCK, BLOCK);
	TEST_ASSERT_EQ(n_events(e), 1);

	/* Converted and back: no page of the block is mapped huge meanwhile. */
	vm_mem_set_shared(e->vm, DATA_GPA + 2 * SZ_2M_ + (3 << 12), 1 << 12);
	TEST_ASSERT_EQ(n_2m(e), 1);
	touch(e, 2 * BLOCK, 3);
	touch(e, 2 * BLOCK + 4, BLOCK - 4);
	TEST_ASSERT_EQ(n_2m(e), 1);
	vm_mem_set_private(e->vm, DATA_GPA + 2 * SZ_2M_ + (3 << 12), 1 << 12);
	test_neighbour_running(e, 2 * BLOCK, true);
	test_neighbour_running(e, 2 * BLOCK, false);

	/* Across two blocks, of which one is whole. */
	punch(e, 2 * BLOCK + 100, 2 * BLOCK - 100);
	TEST_ASSERT_EQ(n_2m(e), 0);
	touch(e, 2 * BLOCK, 3);
	touch(e, 2 * BLOCK + 4, 96);

	/* GFN, offset and size have to agree, and the file to have whole folios. */
	TEST_ASSERT(__vm_create_guest_memfd(e->vm, SZ_2M_ + 4096, e->b->gmem_flags) < 0 &&
		    errno == EINVAL, "half a folio was taken");
	TEST_ASSERT(__vm_create_guest_memfd(e->vm, SZ_2M_, e->b->gmem_flags | BIT_ULL(63)) < 0 &&
		    errno == EINVAL, "an unknown flag was taken");
	fd = vm_create_guest_memfd(e->vm, 4 * SZ_2M_, e->b->gmem_flags);
	TEST_ASSERT(bind_at(e, fd, 4096, gpa, SZ_2M_) && errno == EINVAL,
		    "an offset within a folio was taken");
	TEST_ASSERT(bind_at(e, fd, 0, gpa + 4096, SZ_2M_) && errno == EINVAL,
		    "a GFN within a huge page was taken");
	TEST_ASSERT(bind_at(e, fd, 0, gpa, SZ_2M_ + 4096) && errno == EINVAL,
		    "half a folio was bound");
	TEST_ASSERT_EQ(bind_at(e, fd, SZ_2M_, gpa, 2 * SZ_2M_), 0);
	close(fd);
}

static void test_backing(const struct backing *b)
{
	struct env *e = env_create(b);
	struct kvm_dp_collapse all = {
		.gfn = DATA_GFN, .n_pages = b->size >> 12,
	};
	uint64_t one = b->huge ? 1 : 0;		/* huge pages per block */

	test_refusals(e);

	/* Block 0 comes page by page, all but its last page. */
	touch(e, 0, BLOCK - 1);
	TEST_ASSERT_EQ(n_events(e), BLOCK - 1);
	TEST_ASSERT_EQ(n_2m(e), 0);

	/* Block 1 comes in one piece, while block 0 is not complete. */
	bring(e, BLOCK, BLOCK);
	touch(e, BLOCK, BLOCK);
	TEST_ASSERT_EQ(n_events(e), 0);
	TEST_ASSERT_EQ(n_2m(e), one);

	/* Collapsing what is not complete changes nothing. */
	TEST_ASSERT_EQ(ioctl(e->session, KVM_DP_COLLAPSE, &all), 0);
	touch(e, 0, BLOCK - 1);
	TEST_ASSERT_EQ(n_events(e), 0);
	touch(e, BLOCK, BLOCK);
	TEST_ASSERT_EQ(n_2m(e), one);

	/* The last page: block 0 is mapped anew, its neighbour stays mapped. */
	bring(e, BLOCK - 1, 1);
	TEST_ASSERT_EQ(n_2m(e), one);
	touch(e, 0, BLOCK);
	TEST_ASSERT_EQ(n_2m(e), 2 * one);

	/* A 4K page goes: only its own block is split. */
	TEST_ASSERT_EQ(mark(e->session, BLOCK + 7, 1, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(n_2m(e), one);
	touch(e, BLOCK, 7);
	TEST_ASSERT_EQ(n_events(e), 0);
	touch(e, BLOCK, BLOCK);
	TEST_ASSERT_EQ(n_events(e), 1);

	/* Its return completes the block again. */
	touch(e, BLOCK, BLOCK);
	TEST_ASSERT_EQ(n_2m(e), 2 * one);

	/* The rest, and no fault in a second pass. */
	bring(e, 2 * BLOCK, (b->size >> 12) - 2 * BLOCK);
	touch(e, 0, MAPPED_PAGES);
	if (b->huge == SZ_1G_) {
		TEST_ASSERT_EQ(n_mapped(e, "pages_1g"), 1);
		TEST_ASSERT_EQ(n_2m(e), 0);
	} else {
		TEST_ASSERT_EQ(n_2m(e), 4 * one);
	}
	TEST_ASSERT_EQ(n_events(e), 0);

	/* One GFN of the 1G page goes, and comes back. */
	if (b->huge == SZ_1G_) {
		TEST_ASSERT_EQ(mark(e->session, 3, 1, KVM_DP_MARK_MISSING), 0);
		TEST_ASSERT_EQ(n_mapped(e, "pages_1g"), 0);
		touch(e, BLOCK, MAPPED_PAGES - BLOCK);
		TEST_ASSERT_EQ(n_2m(e), 3);
		touch(e, 0, MAPPED_PAGES);
		TEST_ASSERT_EQ(n_events(e), 1);
		touch(e, 0, MAPPED_PAGES);
		TEST_ASSERT_EQ(n_mapped(e, "pages_1g"), 1);
	}
	/* Of guest_memfd: gmem_demand_paging_test. */
	if (!b->is_gmem) {
		test_poison(e);
		test_poison_running(e);
	}
	if (b->gmem_flags)
		test_huge_folio(e);
	env_destroy(e);
}

/* NULL, or why this backing is not there. */
static const char *prepare(const struct backing *b)
{
	char text[32];
	long want;

	if (b->pool) {
		want = read_number(b->pool);
		if (want < (long)(b->size / b->huge)) {
			snprintf(text, sizeof(text), "%ld", (long)(b->size / b->huge));
			write_file(b->pool, text);
		}
		if (read_number(b->pool) < (long)(b->size / b->huge))
			return "no huge pages of that size";
	}
	if (b->gmem_flags & ~kvm_check_cap(KVM_CAP_GUEST_MEMFD_FLAGS))
		return "no such flag";
	if (b->thp && b->is_file)
		write_file(SHMEM_ENABLED, "advise");
	return NULL;
}

int main(int argc, char *argv[])
{
	const char *why;
	int i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_DEMAND_PAGING));

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(backings));
	for (i = 0; i < ARRAY_SIZE(backings); i++) {
		why = prepare(&backings[i]);
		if (why) {
			ksft_test_result_skip("%s: %s\n", backings[i].name, why);
			continue;
		}
		test_backing(&backings[i]);
		ksft_test_result_pass("%s\n", backings[i].name);
	}
	ksft_finished();
}
