/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzing KVM demand paging: what all actors share, the model of presence and
 * contents, and how a divergence is told.
 */
#ifndef SELFTEST_KVM_GMEM_DEMAND_PAGING_FUZZ_H
#define SELFTEST_KVM_GMEM_DEMAND_PAGING_FUZZ_H

#include <linux/kvm_demand_paging.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdnoreturn.h>
#include <time.h>

#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#define PAGE		4096ul
#define WORDS		(PAGE / sizeof(uint64_t))
#define BLOCK		512
#define BASE_GFN	0xc0000ul	/* aligned to a block */
#define N_PAGES		1536		/* all that is modelled */

/* First page of the second memslot, and its place in its guest_memfd. */
#define SPLIT		(world->huge ? 512 : 700)
#define SPLIT_PGOFF	(world->huge ? 1024 : 5)
#define SCRATCH_GFN	0xe0003ul	/* for memslots that come and go */
#define SCRATCH_PAGES	16

#define MAX_VCPUS	4
#define MAX_REMOTES	2
#define MAX_LANES	(MAX_VCPUS + MAX_REMOTES)
#define MAX_PAGERS	3
#define MAX_CHAOS	2
#define MAX_ACTORS	(MAX_LANES + MAX_PAGERS + MAX_CHAOS + 1)
#define MAIN_ACTOR	(MAX_ACTORS - 1)
#define TRACE_LEN	32
#define MAX_ACCESSES	8

#define load(p)		__atomic_load_n(p, __ATOMIC_SEQ_CST)
#define store(p, v)	__atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define add(p, v)	__atomic_add_fetch(p, v, __ATOMIC_SEQ_CST)

enum op {
	OP_GUEST, OP_POPULATE, OP_MARK, OP_ATTR, OP_PRESENT, OP_DISCARD,
	OP_PUNCH, OP_QUERY, OP_INVALID, OP_SESSION, OP_DROP, OP_PREFAULT,
	OP_FREEZE, OP_SLOTS, OP_IMMEDIATE, OP_KICK, OP_CLOCK, OP_COLLAPSE,
	OP_FAIL, OP_POISON, OP_ONCE, OP_CHAOS,
	OP_EVENT,		/* a pager's */
	N_OPS,
};

extern const char * const op_names[N_OPS];

enum inject {
	INJECT_NONE,
	INJECT_PRESENCE,
	INJECT_CONTENTS,
	INJECT_COUNT,
	INJECT_ERRNO,
};

/*
 * A page of generation gen says in each word which page, generation and word it
 * is.  A generation is given out once per page, to whoever is about to write
 * it, so contents name their origin.  Generation 0 is a page of zeros.
 */
static inline uint64_t page_word(uint64_t page, uint32_t gen, uint64_t i)
{
	return gen ? 0x67ull << 56 | page << 40 | (uint64_t)gen << 16 | i : 0;
}

static inline void page_fill(uint64_t *to, uint64_t page, uint32_t gen)
{
	const uint64_t word = page_word(page, gen, 0), step = !!gen;
	int i;

	for (i = 0; i < WORDS; i++)
		to[i] = word + i * step;
}

static inline uint32_t word_gen(uint64_t word)
{
	return (word >> 16) & 0xffffff;
}

/* What the guest is told to do, and what it found; in memory of slot 0. */
struct access {
	uint64_t gfn;
	uint64_t write;		/* 0: read; else word 0 of what to write */
	uint64_t step;		/* read: compare each how many-th word */
	uint64_t word;		/* out, read: word 0 */
	uint64_t bad;		/* out, read: the first that does not fit, or 0 */
	uint64_t bad_word;	/* out: that one */
};

struct command {
	uint64_t n;
	uint64_t done;
	struct access access[MAX_ACCESSES];
};

/*
 * Each page belongs to one region.  A *lane* has one owner, a vCPU's thread or
 * a process, and what happens there is predicted exactly, under the lane's
 * lock: return values, counts, presence, contents.  A pager that brings a
 * page to a lane does that under the lock too.
 *
 * The other two are free for all, without locks, so that less is known:
 * ONCE:  every page becomes present once, by one of many populates at a time.
 *	  All readers see one and the same generation; no populate but that
 *	  one may say that it did it.
 * CHAOS: pages come and go, and in some VMs are poisoned.  Each word is of a
 *	  generation that was given out for that page; it is zero only if the
 *	  VM's mix has operations that make zeros.  In some VMs nothing makes
 *	  such a page present, or a vCPU ask again, but the answer to an event:
 *	  one that is lost is noticed.
 */
enum { REGION_ONCE = MAX_LANES, REGION_CHAOS, N_REGIONS };

struct region {
	uint32_t lock;
	int start;
	int n;
	bool busy;		/* the owner's guest is in the middle of a command */
};

struct page {
	uint32_t issued;	/* the last generation given out */
	uint32_t gen;		/* contents in guest_memfd */
	uint32_t shared_gen;	/* contents in the memslot's mapping */
	uint32_t once;		/* REGION_ONCE: the generation that won */
	uint8_t region;
	bool missing;
	bool private;
	bool backed;		/* there is a page in guest_memfd */
	bool poisoned;
};

struct trace {
	uint8_t op;
	int32_t ret;
	uint64_t what, gfn, n;
};

struct actor {
	uint64_t beat;
	uint64_t op;
	uint64_t n_traced;
	struct trace trace[TRACE_LEN];
	pid_t pid;
	uint32_t n_ops;			/* survives its process */
	bool in_run;
	bool done;
};

/* Shared by all processes; all but what is said is made anew for each VM. */
struct world {
	uint64_t seed;			/* the VM's */
	int n_vcpus, n_remotes, n_pagers, n_chaos;
	bool wait_mode;
	bool huge;			/* guest_memfd has 2M folios */
	bool keep;			/* one session with events is always open */
	bool zeros;			/* chaos: zeros may be seen */
	bool kinds;			/* chaos: private and shared */
	bool poison;			/* chaos: poisoned as well */
	bool kills;			/* processes are killed */
	bool unhelped;			/* only who read the event brings a page of CHAOS */
	int weight[N_OPS];
	uint32_t n_ops;			/* each lane's, then the VM ends */
	pid_t vmm, vcpu_threads[MAX_VCPUS];
	bool stop;			/* time is up */
	bool resting;			/* all lanes are done */
	bool closing;			/* the VM goes */
	uint64_t freezes_begun, freezes_ended;
	uint32_t freezer;
	bool hold;			/* vCPUs are asked to stay out of KVM_RUN */
	uint64_t n_failed;		/* vCPUs, says KVM_DP_FAIL; and exits that say it */
	uint64_t n_failed_exits;
	struct region regions[N_REGIONS];
	struct page pages[N_PAGES];
	struct actor actors[MAX_ACTORS];

	/* For the whole run. */
	enum inject inject;
	uint64_t counts[N_OPS];
	uint64_t n_calls, n_accesses, n_reads, n_exits, n_kills, n_vms;
	uint32_t failed;
	int failed_actor;
	char message[1024];
};

extern struct world *world;

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* 0 to @n - 1 */
static inline uint64_t rnd(struct rng *rng, uint64_t n)
{
	return rng_next(rng) % n;
}

/* Once in @n */
static inline bool one_in(struct rng *rng, uint64_t n)
{
	return !rnd(rng, n);
}

/* One who acts: a thread or a process. */
struct ctx {
	struct rng rng;
	int actor;
	int region;			/* its lane, or -1 */
	int control, session;
	uint64_t *buf;			/* N_BUF pages, and then MAX_RUN without access */

	/* Threads of the VMM only */
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_regs start;
	struct command *command;
	bool clock_on;
};

#define MAX_RUN		128
#define MAX_BAD		8	/* pages before one that is not there */
#define N_BUF		(MAX_RUN + MAX_BAD)
#define CLOCK_GFN	(BASE_GFN + N_PAGES)	/* one for each vCPU */
#define ALL_RIGHTS	(KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE |		\
			 KVM_DP_RIGHT_MARK | KVM_DP_RIGHT_DISCARD |		\
			 KVM_DP_RIGHT_EXTRACT | KVM_DP_RIGHT_QUERY |		\
			 KVM_DP_RIGHT_FREEZE | KVM_DP_RIGHT_FAIL)
#define OWN_RIGHTS	(ALL_RIGHTS & ~KVM_DP_RIGHT_EVENTS)

/* What threads share and processes do not need. */
extern int gmem_fds[2];
extern uint64_t *shared_mem;		/* the memslots' mapping */

/* gmem_demand_paging_fuzz_ops.c */
int dp_call(struct ctx *c, int fd, unsigned long request, void *arg);
int any_fd(struct ctx *c);
void query_compare(struct ctx *c, int r, int i, int n, uint32_t what);
void shared_fill(int i);
void arrive_shared(int i);
void populate(struct ctx *c, int r, int i);
void punch(struct ctx *c, int i, int n);

void op_mark(struct ctx *c, int r);
void op_attr(struct ctx *c, int r);
void op_present(struct ctx *c, int r);
void op_populate(struct ctx *c, int r);
void op_discard(struct ctx *c, int r);
void op_punch(struct ctx *c, int r);
void op_query(struct ctx *c, int r);
void op_invalid(struct ctx *c, int r);
void op_collapse(struct ctx *c, int r);
void op_fail(struct ctx *c, int r);
void op_poison(struct ctx *c, int r);
void op_prefault(struct ctx *c, int r);
void extract(struct ctx *c, int r);
void refused(struct ctx *c, int error, int fd, unsigned long request, void *arg);

/* gmem_demand_paging_fuzz_vm.c */
int session_new(struct ctx *c, uint32_t rights);
void op_session(struct ctx *c, int r);
void op_drop(struct ctx *c, int r);
void op_freeze(struct ctx *c, int r);
void op_slots(struct ctx *c, int r);
void op_immediate(struct ctx *c, int r);
void op_kick(struct ctx *c, int r);
void op_clock(struct ctx *c, int r);
void check_event(struct ctx *c, const struct kvm_dp_event *event);

/* gmem_demand_paging_fuzz_run.c */
void op_guest(struct ctx *c, int r);
void op_once(struct ctx *c, int r);
void op_chaos(struct ctx *c, int r);
void step(struct ctx *c, bool nested);
void handle_event(struct ctx *c, const struct kvm_dp_event *event);
void chaos_step(struct ctx *c);
void check_all(struct ctx *c);
void guest_code(struct command *command);

noreturn void diverged(struct ctx *c, const char *fmt, ...)
	__printf(2, 3);

#define CHECK(c, cond, fmt, ...)						\
do {										\
	if (!(cond))								\
		diverged(c, "line %d: " fmt, __LINE__, ##__VA_ARGS__);		\
} while (0)

#define CHECK_EQ(c, what, seen, expected)					\
do {										\
	int64_t __s = (seen), __e = (expected);					\
	CHECK(c, __s == __e, "%s: expected %ld, seen %ld", what, __e, __s);	\
} while (0)

/* The model is made wrong on purpose, now and then. */
static inline bool lie(struct ctx *c, enum inject what)
{
	return world->inject == what && one_in(&c->rng, 64);
}

static inline void trace(struct ctx *c, int op, uint64_t what, uint64_t gfn,
			 uint64_t n, int ret)
{
	struct actor *a = &world->actors[c->actor];

	a->trace[a->n_traced % TRACE_LEN] = (struct trace) {
		.op = op, .ret = ret, .what = what, .gfn = gfn, .n = n,
	};
	a->n_traced++;
}

static inline struct page *page_at(int i)
{
	return &world->pages[i];
}

static inline uint32_t issue(int i)
{
	return add(&page_at(i)->issued, 1);
}

static inline uint32_t visible_gen(const struct page *p)
{
	return p->private ? p->gen : p->shared_gen;
}

static inline bool lane_trylock(int r)
{
	uint32_t zero = 0;

	return __atomic_compare_exchange_n(&world->regions[r].lock, &zero, 1, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Held over system calls: do not spin. */
static inline void lane_lock(int r)
{
	while (!lane_trylock(r))
		usleep(50);
}

static inline void lane_unlock(int r)
{
	store(&world->regions[r].lock, 0);
}

#endif /* SELFTEST_KVM_GMEM_DEMAND_PAGING_FUZZ_H */
