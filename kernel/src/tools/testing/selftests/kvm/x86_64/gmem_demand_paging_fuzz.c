// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzing KVM demand paging against a model.
 *
 *	gmem_demand_paging_fuzz [--seconds N] [--seed N] [--inject WHAT]
 *
 * VM after VM, each made from a seed of its own that is the last one plus 1: how
 * many vCPUs, processes and pagers, exit or wait mode, which operations and how
 * often, which GFNs are whose.  Each actor draws what it does from the VM's
 * seed, so --seed with the seed that a divergence names makes the same VM and
 * the same actors again; how they interleave is up to the scheduler.
 *
 * --inject makes the model wrong now and then (presence, contents, count, errno):
 * the program must fail with it.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "gmem_demand_paging_fuzz.h"

#ifndef STUCK_S
#define STUCK_S		150		/* of silence; the hosts of tests may be slow */
#endif
#define SHARED_PAGES	(N_PAGES + MAX_VCPUS + SCRATCH_PAGES)
#define BLOCK		512

struct world *world;
int gmem_fds[2];
uint64_t *shared_mem;

static pthread_t vcpu_threads[MAX_VCPUS];
static pthread_t chaos_thread;
static struct ctx ctxs[MAX_ACTORS];
static uint32_t incarnations;
static time_t deadline;

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static noreturn void report(void)
{
	struct actor *a;
	struct trace *t;
	uint64_t k, n;
	int i;

	for (i = 0; i < MAX_ACTORS; i++) {
		a = &world->actors[i];
		if (a->pid > 0)
			kill(a->pid, SIGKILL);
		n = i == world->failed_actor ? TRACE_LEN : 8;
		n = min(n, a->n_traced);
		if (!n && !a->beat)
			continue;
		ksft_print_msg("actor %d%s, operation %s%s:\n", i,
			       i == world->failed_actor ? " (this one)" : "",
			       op_names[a->op], a->in_run ? ", in KVM_RUN" : "");
		for (k = a->n_traced - n; k < a->n_traced; k++) {
			t = &a->trace[k % TRACE_LEN];
			ksft_print_msg("  %-9s %#lx page %ld+%ld: %d\n",
				       op_names[t->op], t->what, t->gfn, t->n, t->ret);
		}
	}
	ksft_print_msg("VM %ld: %s mode%s; %d vCPUs, %d processes, %d pagers, %d chaos\n",
		       world->n_vms, world->wait_mode ? "wait" : "exit",
		       world->unhelped ? " (unhelped)" : "", world->n_vcpus,
		       world->n_remotes, world->n_pagers, world->n_chaos);
	ksft_print_msg("DIVERGENCE with --seed %ld: actor %d, %s: %s\n", world->seed,
		       world->failed_actor, op_names[world->actors[world->failed_actor].op],
		       world->message);
	ksft_test_result_fail("fuzz --seed %ld\n", world->seed);
	ksft_finished();
}

/* The first one is told; main() does that, whoever found it. */
noreturn void diverged(struct ctx *c, const char *fmt, ...)
{
	uint32_t zero = 0;
	va_list args;

	if (__atomic_compare_exchange_n(&world->failed, &zero, 1, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		va_start(args, fmt);
		vsnprintf(world->message, sizeof(world->message), fmt, args);
		va_end(args);
		world->failed_actor = c->actor;
		store(&world->failed, 2);
	}
	if (c->actor == MAIN_ACTOR)
		report();
	for (;;)
		pause();
}

static void on_signal(int sig)
{
}

static void ctx_init(struct ctx *c, int actor, uint32_t incarnation)
{
	struct rng rng = { .state = world->seed };
	size_t size = N_BUF * PAGE;

	*c = (struct ctx) { .actor = actor, .region = -1, .control = c->control };
	c->rng.state = rng_next(&rng) ^ ((uint64_t)incarnation << 32 | actor << 8);
	c->buf = mmap(NULL, size + MAX_RUN * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(c->buf != MAP_FAILED && !mprotect(c->buf, size, PROT_READ | PROT_WRITE),
		    "mmap: %s", strerror(errno));
}

static void ctx_fini(struct ctx *c)
{
	munmap(c->buf, (N_BUF + MAX_RUN) * PAGE);
	if (c->session > 0)
		close(c->session);
}

/* Who owns a lane acts until it has had its share. */
static void lane_main(struct ctx *c)
{
	struct actor *a = &world->actors[c->actor];

	while (a->n_ops < world->n_ops && !load(&world->stop) && !load(&world->failed)) {
		lane_lock(c->region);
		step(c, false);
		lane_unlock(c->region);
		a->n_ops++;
		if (!c->vm && world->kills && one_in(&c->rng, 200))
			kill(getpid(), SIGKILL);
	}
	store(&a->done, true);
}

static void *vcpu_main(void *arg)
{
	struct ctx *c = arg;

	store(&world->vcpu_threads[c->actor], (pid_t)syscall(SYS_gettid));
	lane_main(c);
	store(&world->vcpu_threads[c->actor], 0);
	return NULL;
}

static void *chaos_main(void *arg)
{
	struct ctx *c = arg;

	while (!load(&world->resting) && !load(&world->failed)) {
		add(&world->actors[c->actor].beat, 1);
		if (one_in(&c->rng, 4))
			op_once(c, 0);
		else
			chaos_step(c);
		add(&world->counts[OP_CHAOS], 1);
		if (one_in(&c->rng, world->unhelped ? 64 : 16))
			usleep(rnd(&c->rng, 2000));
	}
	return NULL;
}

static noreturn void pager_main(struct ctx *c)
{
	struct pollfd pfd = { .events = POLLIN };
	struct kvm_dp_event events[4];
	bool nonblock = one_in(&c->rng, 2);
	int n, i, fd;

	if (nonblock)
		fcntl(c->session, F_SETFL, O_NONBLOCK);
	for (;;) {
		pfd.fd = c->session;
		if (nonblock && poll(&pfd, 1, -1) < 0)
			continue;
		n = read(c->session, events, sizeof(events[0]) * (1 + rnd(&c->rng, 4)));
		if (n < 0 && errno == ENODEV && load(&world->closing))
			_exit(0);
		if (n < 0 && (errno == EINTR || (errno == EAGAIN && nonblock)))
			continue;
		CHECK(c, n > 0 && !(n % sizeof(events[0])), "read: %d, %s", n,
		      strerror(errno));
		add(&world->n_reads, 1);
		for (i = 0; i < n / sizeof(events[0]); i++) {
			if (world->kills && one_in(&c->rng, 60))
				kill(getpid(), SIGKILL);
			add(&world->actors[c->actor].beat, 1);
			handle_event(c, &events[i]);
		}
		if (!world->unhelped && one_in(&c->rng, 40)) {
			fd = one_in(&c->rng, 2) ? dup(c->session) : session_new(c, ALL_RIGHTS);
			close(c->session);
			c->session = fd;
			if (nonblock)
				fcntl(fd, F_SETFL, O_NONBLOCK);
		}
	}
}

static bool is_pager(int actor)
{
	return actor >= MAX_LANES && actor < MAX_LANES + MAX_PAGERS;
}

/* A process has the control fd, maybe a session, and nothing else of the VM. */
static void process_start(int actor)
{
	struct ctx *c = &ctxs[actor];
	uint32_t incarnation = ++incarnations;
	int control = ctxs[MAIN_ACTOR].control, session = -1, max;
	struct rng rng = { .state = world->seed + incarnation };
	pid_t parent = getpid(), pid;

	if (one_in(&rng, 2))
		session = session_new(&ctxs[MAIN_ACTOR], is_pager(actor) ? ALL_RIGHTS :
								OWN_RIGHTS);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (pid) {
		world->actors[actor].pid = pid;
		if (session >= 0)
			close(session);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	max = max(control, session);
	close_range(3, min(control, session < 0 ? control : session) - 1, 0);
	if (session >= 0 && abs(control - session) > 1)
		close_range(min(control, session) + 1, max - 1, 0);
	close_range(max + 1, ~0u, 0);

	c->control = control;
	ctx_init(c, actor, incarnation);
	c->session = session >= 0 ? session :
		     session_new(c, is_pager(actor) ? ALL_RIGHTS : OWN_RIGHTS);
	if (is_pager(actor))
		pager_main(c);
	if (actor < MAX_LANES) {
		c->region = actor;
		lane_main(c);
	} else {
		chaos_main(c);
	}
	_exit(0);
}

/* Reap; who was killed comes again. */
static void processes_reap(struct ctx *c, bool restart)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < MAX_ACTORS && world->actors[i].pid != pid; i++)
			;
		CHECK(c, i < MAX_ACTORS, "process %d is unknown", pid);
		world->actors[i].pid = 0;
		if (load(&world->failed))
			continue;
		CHECK(c, WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL :
		      !WEXITSTATUS(status), "actor %d ended with status %#x", i, status);
		world->n_kills += WIFSIGNALED(status);
		if (restart && WIFSIGNALED(status) && !world->actors[i].done)
			process_start(i);
	}
}

static bool any_process(void)
{
	int i;

	for (i = 0; i < MAX_ACTORS; i++) {
		if (world->actors[i].pid)
			return true;
	}
	return false;
}

/* Sizes at random; one lane gets what is left over. */
static void regions_cut(struct rng *rng, int n_lanes)
{
	int order[N_REGIONS], n = 0, i, j, start = 0, rest = N_PAGES;
	struct region *g;

	for (i = 0; i < N_REGIONS; i++) {
		world->regions[i].n = 0;
		if (i >= n_lanes && i < MAX_LANES)
			continue;
		j = rnd(rng, n + 1);
		order[n++] = order[j];
		order[j] = i;
		world->regions[i].n = 8 + rnd(rng, i < MAX_LANES ? 150 : 60);
		if (i == REGION_CHAOS && world->unhelped)
			world->regions[i].n = 1 + rnd(rng, 4);
		rest -= world->regions[i].n;
	}
	world->regions[rnd(rng, n_lanes)].n += rest;
	for (i = 0; i < n; i++) {
		g = &world->regions[order[i]];
		g->start = start;
		start += g->n;
		for (j = g->start; j < start; j++)
			world->pages[j].region = order[i];
	}
}

static void world_make(uint64_t seed)
{
	static const int base[N_OPS] = {
		[OP_GUEST] = 12, [OP_POPULATE] = 10, [OP_MARK] = 4, [OP_ATTR] = 4,
		[OP_PRESENT] = 4, [OP_DISCARD] = 5, [OP_PUNCH] = 2, [OP_QUERY] = 4,
		[OP_INVALID] = 4, [OP_SESSION] = 2, [OP_DROP] = 2, [OP_PREFAULT] = 3,
		[OP_FREEZE] = 1, [OP_SLOTS] = 1, [OP_IMMEDIATE] = 2, [OP_KICK] = 2,
		[OP_CLOCK] = 1, [OP_COLLAPSE] = 1, [OP_FAIL] = 2, [OP_POISON] = 2,
		[OP_ONCE] = 3, [OP_CHAOS] = 3,
	};
	struct rng rng = { .state = seed };
	int i;

	memset(world, 0, offsetof(struct world, inject));
	world->seed = seed;
	world->vmm = getpid();
	world->n_vcpus = 1 + rnd(&rng, MAX_VCPUS);
	world->n_remotes = rnd(&rng, MAX_REMOTES + 1);
	world->wait_mode = !one_in(&rng, 3);
	world->huge = one_in(&rng, 3) && kvm_check_cap(KVM_CAP_GUEST_MEMFD_FLAGS) &
					 GUEST_MEMFD_FLAG_HUGE_2M;
	world->n_pagers = world->wait_mode ? 1 + rnd(&rng, MAX_PAGERS) : 0;
	world->n_chaos = rnd(&rng, MAX_CHAOS + 1);
	world->keep = !one_in(&rng, 3);
	world->zeros = one_in(&rng, 2);
	world->kinds = world->zeros && one_in(&rng, 2);
	world->kills = one_in(&rng, 2);
	world->n_ops = 100 + rnd(&rng, 900);
	for (i = 0; i < N_OPS; i++)
		world->weight[i] = base[i] * (one_in(&rng, 4) ? 0 : 1 + rnd(&rng, 4));
	world->weight[OP_GUEST] += 4;
	world->weight[OP_POPULATE] += 2;
	world->unhelped = world->wait_mode && one_in(&rng, 3);
	world->poison = !world->unhelped && one_in(&rng, 2);
	if (world->unhelped) {
		world->keep = true;
		world->kills = false;
		world->n_chaos = max(world->n_chaos, 1);
		world->weight[OP_KICK] = 0;
		world->weight[OP_FAIL] = 0;
		world->weight[OP_FREEZE] = 0;
		world->weight[OP_DROP] = 0;
	}
	regions_cut(&rng, world->n_vcpus + world->n_remotes);
	for (i = 0; i < N_PAGES; i++) {
		page_at(i)->private = true;
		page_at(i)->missing = true;
	}
	/* Lanes of processes come after those of vCPUs, whose numbers they share. */
	for (i = world->n_vcpus + world->n_remotes; i < MAX_LANES; i++)
		world->actors[i].done = true;
	memset(shared_mem, 0, SHARED_PAGES * PAGE);
}

static void slot_add(struct kvm_vm *vm, int slot, int i, int n, int gmem, int pgoff)
{
	vm_set_user_memory_region2(vm, slot, KVM_MEM_GUEST_MEMFD, (BASE_GFN + i) * PAGE,
				   n * PAGE, shared_mem + i * WORDS, gmem, pgoff * PAGE);
}

static struct kvm_vm *vm_make(struct ctx *c)
{
	static const struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT, .type = KVM_X86_SW_PROTECTED_VM,
	};
	struct kvm_vm *vm = __vm_create(shape, world->n_vcpus, 64);
	struct kvm_dp_mark m = {
		.gfn = BASE_GFN, .n_pages = ~0ull, .flags = KVM_DP_MARK_MISSING,
	};
	/* With 2M folios the second memslot goes on to the end of one. */
	const int used = N_PAGES + MAX_VCPUS;
	const int n = world->huge ? (used + BLOCK - 1) / BLOCK * BLOCK : used;
	uint64_t flags = world->huge ? GUEST_MEMFD_FLAG_HUGE_2M : 0;
	struct ctx *v;
	vm_vaddr_t gva;
	int i, size;

	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	vm_enable_cap(vm, KVM_CAP_DEMAND_PAGING, KVM_DP_ENABLE | KVM_DP_ALLOW_EXTRACT |
		      (world->wait_mode ? KVM_DP_MODE_WAIT : KVM_DP_MODE_EXIT));
	gmem_fds[0] = vm_create_guest_memfd(vm, SPLIT * PAGE, flags);
	gmem_fds[1] = vm_create_guest_memfd(vm, (n - SPLIT + SPLIT_PGOFF) * PAGE, flags);
	slot_add(vm, 10, 0, SPLIT, gmem_fds[0], 0);
	slot_add(vm, 11, SPLIT, n - SPLIT, gmem_fds[1], SPLIT_PGOFF);
	virt_map(vm, BASE_GFN * PAGE, BASE_GFN * PAGE, used);
	vm_mem_set_private(vm, BASE_GFN * PAGE, used * PAGE);

	c->control = __vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, NULL);
	TEST_ASSERT(c->control >= 0, "KVM_CREATE_DEMAND_PAGING: %s", strerror(errno));
	CHECK_EQ(c, "mark all", dp_call(c, c->control, KVM_DP_MARK, &m), 0);
	CHECK_EQ(c, "n_changed", m.n_changed, n);
	if (n > used) {
		m = (struct kvm_dp_mark) {
			.gfn = BASE_GFN + used, .n_pages = n - used,
			.flags = KVM_DP_MARK_PRESENT,
		};
		CHECK_EQ(c, "mark rest", dp_call(c, c->control, KVM_DP_MARK, &m), 0);
	}
	c->session = session_new(c, world->keep ? ALL_RIGHTS : OWN_RIGHTS);

	for (i = 0; i < world->n_vcpus; i++) {
		v = &ctxs[i];
		v->control = c->control;
		ctx_init(v, i, 0);
		v->region = i;
		v->session = session_new(v, OWN_RIGHTS);
		v->vm = vm;
		v->vcpu = vm_vcpu_add(vm, i, guest_code);
		/* A process that has it would keep the VM. */
		madvise(v->vcpu->run, size, MADV_DONTFORK);
		gva = vm_vaddr_alloc_page(vm);
		v->command = addr_gva2hva(vm, gva);
		vcpu_args_set(v->vcpu, 1, gva);
		vcpu_regs_get(v->vcpu, &v->start);
	}
	return vm;
}

static void actors_start(struct kvm_vm *vm)
{
	struct ctx *c;
	int i;

	for (i = 0; i < world->n_remotes; i++)
		process_start(world->n_vcpus + i);
	for (i = 0; i < world->n_pagers; i++)
		process_start(MAX_LANES + i);
	for (i = 1; i < world->n_chaos; i++)
		process_start(MAX_LANES + MAX_PAGERS + i);

	c = &ctxs[MAX_LANES + MAX_PAGERS];
	c->control = ctxs[MAIN_ACTOR].control;
	ctx_init(c, c - ctxs, 0);
	c->session = session_new(c, OWN_RIGHTS);
	c->vm = vm;
	if (world->n_chaos)
		pthread_create(&chaos_thread, NULL, chaos_main, c);
	for (i = 0; i < world->n_vcpus; i++)
		pthread_create(&vcpu_threads[i], NULL, vcpu_main, &ctxs[i]);
}

/* Where the guest of a vCPU's actor is. */
static int current_page(int actor)
{
	struct command *command = ctxs[actor].command;

	if (actor >= world->n_vcpus || command->done >= min_t(int, command->n, MAX_ACCESSES))
		return -1;
	return command->access[command->done].gfn - BASE_GFN;
}

/* Nobody may be silent for long: a vCPU may have slept through its page. */
static void watch(struct ctx *c, uint64_t *beats, time_t *since)
{
	struct kvm_dp_query q = {};
	uint64_t beat;
	int i, page;

	while (load(&world->failed) == 1)
		sched_yield();
	if (load(&world->failed))
		report();
	for (i = 0; i < MAX_LANES; i++) {
		beat = load(&world->actors[i].beat);
		if (beat != beats[i] || load(&world->actors[i].done)) {
			beats[i] = beat;
			since[i] = now();
			continue;
		}
		if (now() - since[i] < STUCK_S)
			continue;
		ioctl(c->control, KVM_DP_QUERY, &q);
		page = current_page(i);
		diverged(c, "actor %d is stuck%s; %d wait, %lld missing; at page %d, %s",
			 i, world->actors[i].in_run ? " in KVM_RUN" : "",
			 q.n_waiters, q.n_missing, page,
			 page >= 0 && page_at(page)->missing ? "missing" : "present");
	}
}

static bool lanes_done(void)
{
	int i;

	for (i = 0; i < MAX_LANES; i++) {
		if (!load(&world->actors[i].done))
			return false;
	}
	return true;
}

static void actors_wait(struct ctx *c)
{
	uint64_t beats[MAX_LANES] = {};
	time_t since[MAX_LANES];
	int i, last_chaos = MAX_LANES + MAX_PAGERS + MAX_CHAOS - 1;

	for (i = 0; i < MAX_LANES; i++)
		since[i] = now();
	while (!lanes_done()) {
		usleep(2000);
		processes_reap(c, true);
		if (world->kills && world->actors[last_chaos].pid > 0 && one_in(&c->rng, 50))
			kill(world->actors[last_chaos].pid, SIGKILL);
		if (now() >= deadline)
			store(&world->stop, true);
		watch(c, beats, since);
	}
	store(&world->resting, true);
	for (i = 0; i < world->n_vcpus; i++)
		pthread_join(vcpu_threads[i], NULL);
	if (world->n_chaos)
		pthread_join(chaos_thread, NULL);
}

/* The VM goes first or last; who still holds a session is told. */
static void vm_end(struct ctx *c, struct kvm_vm *vm)
{
	struct kvm_dp_query q = {};
	time_t start = now();
	int i;

	store(&world->closing, true);
	close(gmem_fds[0]);
	close(gmem_fds[1]);
	for (i = 0; i < world->n_vcpus; i++)
		ctx_fini(&ctxs[i]);
	ctx_fini(&ctxs[MAX_LANES + MAX_PAGERS]);
	if (one_in(&c->rng, 4)) {
		for (i = 0; i < MAX_ACTORS; i++) {
			if (world->actors[i].pid)
				kill(world->actors[i].pid, SIGKILL);
		}
	}
	kvm_vm_free(vm);
	while (any_process()) {
		processes_reap(c, false);
		usleep(500);
		CHECK(c, now() - start < STUCK_S, "a process does not see the VM's end");
	}
	CHECK(c, ioctl(c->control, KVM_DP_QUERY, &q) == -1 && errno == ENODEV,
	      "query without a VM: %s", strerror(errno));
	CHECK(c, ioctl(c->session, KVM_DP_FREEZE, 0) == -1 && errno == ENODEV,
	      "freeze without a VM: %s", strerror(errno));
	close(c->control);
	ctx_fini(c);
}

static void vm_fuzz(uint64_t seed)
{
	struct ctx *c = &ctxs[MAIN_ACTOR];
	struct kvm_vm *vm;

	world_make(seed);
	ctx_init(c, MAIN_ACTOR, 0);
	vm = vm_make(c);
	actors_start(vm);
	actors_wait(c);
	check_all(c);
	vm_end(c, vm);
	world->n_vms++;
}

static void print_counts(time_t seconds)
{
	uint64_t total = 0;
	int i;

	for (i = 0; i < N_OPS; i++)
		total += world->counts[i];
	if (!seconds)
		seconds = 1;
	ksft_print_msg("%ld operations in %ld s, %ld/s, in %ld calls, %ld/s; %ld VMs\n",
		       total, seconds, total / seconds, world->n_calls,
		       world->n_calls / seconds, world->n_vms);
	ksft_print_msg("guest: %ld accesses, %ld exits; pagers: %ld reads; %ld killed\n",
		       world->n_accesses, world->n_exits, world->n_reads, world->n_kills);
	for (i = 0; i < N_OPS; i++)
		ksft_print_msg("%-9s %ld\n", op_names[i], world->counts[i]);
}

static enum inject inject_parse(const char *name)
{
	static const char * const names[] = { "none", "presence", "contents", "count", "errno" };
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(name, names[i]))
			return i;
	}
	TEST_FAIL("--inject presence|contents|count|errno");
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'r' },
		{ "inject", required_argument, NULL, 'i' },
		{}
	};
	struct sigaction sa = { .sa_handler = on_signal };
	uint64_t seed = time(NULL);
	time_t start, seconds = 20;
	int o, fd;

	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SW_PROTECTED_VM));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_DEMAND_PAGING));

	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(world != MAP_FAILED, "mmap: %s", strerror(errno));
	fd = memfd_create("shared", 0);
	TEST_ASSERT(fd >= 0 && !ftruncate(fd, SHARED_PAGES * PAGE), "memfd: %s",
		    strerror(errno));
	/* Congruent with the GFNs, or KVM maps nothing huge. */
	shared_mem = mmap((void *)(BASE_GFN * PAGE), SHARED_PAGES * PAGE,
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	TEST_ASSERT(shared_mem != MAP_FAILED, "mmap: %s", strerror(errno));

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 's')
			seconds = atoi_positive("seconds", optarg);
		else if (o == 'r')
			seed = strtoull(optarg, NULL, 0);
		else if (o == 'i')
			world->inject = inject_parse(optarg);
		else
			return KSFT_FAIL;
	}
	sigaction(SIGUSR1, &sa, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(1);
	ksft_print_msg("--seed %ld\n", seed);

	start = now();
	deadline = start + seconds;
	while (now() < deadline)
		vm_fuzz(seed + world->n_vms);
	print_counts(now() - start);
	ksft_test_result_pass("fuzz\n");
	ksft_finished();
}
