// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: what the cases have in common. */
#include <poll.h>
#include <sys/mman.h>
#include <time.h>

#include "gmem_demand_paging_env.h"

const struct vm_shape shape = {
	.mode = VM_MODE_DEFAULT,
	.type = KVM_X86_SW_PROTECTED_VM,
};

int enable(struct kvm_vm *vm, uint64_t mode)
{
	return __vm_enable_cap(vm, KVM_CAP_DEMAND_PAGING, mode);
}

int session_new(int control, uint32_t rights)
{
	struct kvm_dp_create_session args = { .rights = rights };

	return ioctl(control, KVM_DP_CREATE_SESSION, &args);
}

int mark(int fd, uint64_t gfn, uint64_t n, uint32_t flags)
{
	struct kvm_dp_mark args = { .gfn = gfn, .n_pages = n, .flags = flags };

	return ioctl(fd, KVM_DP_MARK, &args);
}

uint64_t n_missing(int fd)
{
	struct kvm_dp_query args = {};

	TEST_ASSERT_EQ(ioctl(fd, KVM_DP_QUERY, &args), 0);
	return args.n_missing;
}

int transfer(int fd, unsigned long op, struct kvm_dp_vec *vec)
{
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)vec, .n_vecs = 1 };

	return ioctl(fd, op, &args);
}

/* Populate one page with a byte; returns the vec, for its counters. */
struct kvm_dp_vec populate(int fd, uint64_t gfn, uint8_t byte)
{
	static uint8_t page[4096] __aligned(4096);
	struct kvm_dp_vec vec = {
		.gfn = gfn, .n_pages = 1, .addr = (uintptr_t)page,
	};

	memset(page, byte, sizeof(page));
	TEST_ASSERT_EQ(transfer(fd, KVM_DP_POPULATE, &vec), 0);
	return vec;
}

struct kvm_dp_event read_event(int fd)
{
	struct kvm_dp_event event;

	TEST_ASSERT_EQ(read(fd, &event, sizeof(event)), (ssize_t)sizeof(event));
	return event;
}

bool has_event(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

struct env env_create(uint64_t mode, void *guest_code)
{
	struct env e;

	e.vm = __vm_create(shape, 1, 0);
	TEST_ASSERT_EQ(enable(e.vm, KVM_DP_ENABLE | KVM_DP_ALLOW_EXTRACT | mode), 0);
	e.vcpu = vm_vcpu_add(e.vm, 0, guest_code);
	vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS, DATA_GPA, DATA_SLOT,
				    DATA_NPAGES, KVM_MEM_GUEST_MEMFD);
	virt_map(e.vm, DATA_GVA, DATA_GPA, DATA_NPAGES);
	vm_mem_set_private(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	e.control = __vm_ioctl(e.vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	TEST_ASSERT(e.control >= 0, "KVM_CREATE_DEMAND_PAGING: %s", strerror(errno));
	e.session = session_new(e.control, ALL_RIGHTS);
	TEST_ASSERT(e.session >= 0, "KVM_DP_CREATE_SESSION: %s", strerror(errno));
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, DATA_NPAGES, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	return e;
}

void env_destroy(struct env *e)
{
	if (e->session >= 0)
		close(e->session);
	close(e->control);
	kvm_vm_free(e->vm);
}

int add_huge_slot(struct env *e)
{
	size_t size = HUGE_NPAGES * 4096;
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = vm_create_guest_memfd(e->vm, size, GUEST_MEMFD_FLAG_HUGE_2M);

	TEST_ASSERT(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	vm_set_user_memory_region2(e->vm, HUGE_SLOT, KVM_MEM_GUEST_MEMFD, HUGE_GPA, size,
				   mem, fd, 0);
	vm_mem_set_private(e->vm, HUGE_GPA, size);
	return fd;
}

const char *huge_folios_absent(void)
{
	return kvm_check_cap(KVM_CAP_GUEST_MEMFD_FLAGS) & GUEST_MEMFD_FLAG_HUGE_2M ?
		NULL : "guest_memfd has no 2M folios";
}

/* The first byte of a private page of a frozen VM. */
uint8_t extract_byte(struct env *e, uint64_t gfn)
{
	static uint8_t page[4096] __aligned(4096);
	struct kvm_dp_vec vec = {
		.gfn = gfn, .n_pages = 1, .addr = (uintptr_t)page,
	};

	TEST_ASSERT_EQ(transfer(e->session, KVM_DP_EXTRACT, &vec), 0);
	return page[0];
}

void *run_thread(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	int r = __vcpu_run(vcpu);

	return (void *)(intptr_t)(r ? -errno : 0);
}

pthread_t run_start(struct kvm_vcpu *vcpu)
{
	pthread_t thread;

	TEST_ASSERT_EQ(pthread_create(&thread, NULL, run_thread, vcpu), 0);
	return thread;
}

int run_join(pthread_t thread)
{
	void *ret;

	TEST_ASSERT_EQ(pthread_join(thread, &ret), 0);
	return (intptr_t)ret;
}

static void assert_exit(struct kvm_vcpu *vcpu, int r, int error, uint64_t flags,
			uint64_t gfn)
{
	TEST_ASSERT_EQ(r, error);
	TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	TEST_ASSERT_EQ(vcpu->run->memory_fault.flags,
		       KVM_MEMORY_EXIT_FLAG_MISSING | flags);
	TEST_ASSERT_EQ(vcpu->run->memory_fault.gpa, gfn << 12);
	TEST_ASSERT_EQ(vcpu->run->memory_fault.size, 4096);
}

void assert_missing_exit(struct kvm_vcpu *vcpu, int r, uint64_t gfn)
{
	assert_exit(vcpu, r, -EFAULT, KVM_MEMORY_EXIT_FLAG_PRIVATE, gfn);
}

void assert_failed_exit(struct kvm_vcpu *vcpu, int r, int error, uint64_t gfn)
{
	assert_exit(vcpu, r, error, KVM_MEMORY_EXIT_FLAG_PRIVATE |
		    KVM_MEMORY_EXIT_FLAG_FAILED, gfn);
}

/* KVM has written kvmclock to the page, which was brought as zeros. */
void assert_clock_written(struct env *e, uint64_t gfn)
{
	static uint8_t page[4096] __aligned(4096);
	struct kvm_dp_vec vec = {
		.gfn = gfn, .n_pages = 1, .addr = (uintptr_t)page,
	};

	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_FREEZE, 0), 0);
	TEST_ASSERT_EQ(transfer(e->session, KVM_DP_EXTRACT, &vec), 0);
	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_THAW, 0), 0);
	TEST_ASSERT(*(uint32_t *)page, "kvmclock was not written");
}

void assert_sync(struct kvm_vcpu *vcpu, uint64_t value)
{
	struct ucall uc;

	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	TEST_ASSERT_EQ(uc.args[1], value);
}

/* Reads page after page, and tells what it found in the first byte. */
void guest_reader(void)
{
	volatile uint8_t *p = (void *)DATA_GVA;
	int i;

	for (i = 0; ; i++)
		GUEST_SYNC(p[i * 4096]);
}

void guest_reread(void)
{
	volatile uint8_t *p = (void *)DATA_GVA;

	for (;;)
		GUEST_SYNC(p[0]);
}

/* Unlike vm_get_stat(), fails if there is no such stat. */
uint64_t stat_get(int fd, const char *name)
{
	struct kvm_stats_desc *descs, *desc;
	struct kvm_stats_header header;
	uint64_t value;
	int i;

	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		if (strcmp(desc->name, name))
			continue;
		read_stat_data(fd, &header, desc, &value, 1);
		free(descs);
		return value;
	}
	TEST_FAIL("no binary stat '%s'", name);
}

/* Whether the thread ended before it must be said to be held up. */
bool join_in_time(pthread_t thread)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += LIMIT_S;
	return !pthread_timedjoin_np(thread, NULL, &limit);
}

static void *call_thread(void *arg)
{
	struct call *call = arg;

	call->ret = ioctl(call->fd, call->request, call->arg) ? -errno : 0;
	return NULL;
}

void call_start(struct call *call)
{
	TEST_ASSERT_EQ(pthread_create(&call->thread, NULL, call_thread, call), 0);
}

/* Until the thread that stores its id there sleeps in what it does next. */
void wait_asleep(pid_t *tid)
{
	char path[64], line[256];
	FILE *f;

	while (!READ_ONCE(*tid))
		usleep(1000);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", READ_ONCE(*tid));
	do {
		usleep(1000);
		f = fopen(path, "r");
		TEST_ASSERT(f && fgets(line, sizeof(line), f), "%s", path);
		fclose(f);
	} while (strncmp(strrchr(line, ')'), ") S", 3));
}

void on_signal(int sig)
{
}
