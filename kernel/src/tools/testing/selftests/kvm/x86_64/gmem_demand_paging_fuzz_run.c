// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzing KVM demand paging: the guest and what it finds, pages that everybody
 * may touch, and the choice of what comes next.
 */
#include "gmem_demand_paging_fuzz.h"

void guest_code(struct command *command)
{
	volatile uint64_t *p;
	struct access *a;
	uint64_t i, word;

	for (;;) {
		for (i = READ_ONCE(command->done); i < READ_ONCE(command->n); i++) {
			uint64_t k;

			a = &command->access[i];
			p = (void *)(a->gfn << 12);
			if (a->write) {
				for (k = 0; k < WORDS; k++)
					p[k] = a->write + k;
				WRITE_ONCE(command->done, i + 1);
				continue;
			}
			a->bad = 0;
			a->word = p[0];
			for (k = a->step; k < WORDS; k += a->step) {
				word = p[k];
				if (word == (a->word ? a->word + k : 0))
					continue;
				a->bad = k;
				a->bad_word = word;
				break;
			}
			WRITE_ONCE(command->done, i + 1);
		}
		asm volatile("outb %%al, $0x80" : : "a"(0) : "memory");
	}
}

/* Free for all: known is who may have written a word, and whether it may be zero. */
static void check_word(struct ctx *c, int i, uint64_t word, uint64_t k)
{
	struct page *p = page_at(i);
	uint32_t gen = word_gen(word), none = 0;

	if (p->region == REGION_CHAOS && !word && world->zeros)
		return;
	CHECK(c, gen && gen <= load(&p->issued) && word == page_word(i, gen, k),
	      "page %d, word %ld: %#lx, generation %u of %u", i, k, word, gen, p->issued);
	if (p->region == REGION_ONCE &&
	    !__atomic_compare_exchange_n(&p->once, &none, gen, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		CHECK(c, none == gen, "page %d came once as generation %u, now is %u", i,
		      none, gen);
}

/* Populate some pages of a region without locks; from page @i on if not -1. */
static void bring_free(struct ctx *c, int r, int i)
{
	struct region *g = &world->regions[r];
	bool zero = r == REGION_CHAOS && world->zeros && one_in(&c->rng, 4);
	struct kvm_dp_vec v = {};
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)&v, .n_vecs = 1 };
	uint32_t gens[16];
	int n, j, ret;

	if (i < 0)
		i = g->start + rnd(&c->rng, g->n);
	n = 1 + (!world->unhelped && one_in(&c->rng, 2) ? rnd(&c->rng, ARRAY_SIZE(gens)) : 0);
	n = min(n, g->start + g->n - i);
	for (j = 0; j < n; j++) {
		gens[j] = issue(i + j);
		page_fill(c->buf + j * WORDS, i + j, gens[j]);
	}
	v.gfn = BASE_GFN + i;
	v.n_pages = n;
	v.addr = zero ? 0 : (uintptr_t)c->buf;
	v.flags = zero ? KVM_DP_VEC_ZERO : 0;
	ret = dp_call(c, c->session, KVM_DP_POPULATE, &t);
	trace(c, OP_ONCE, r, i, n, ret);
	CHECK(c, v.n_done <= n && v.n_skipped <= v.n_done &&
	      (ret ? ret == -EIO && r == REGION_CHAOS &&
		     ((v.result == KVM_DP_KIND_CHANGED && world->kinds) ||
		      (v.result == KVM_DP_POISONED && world->poison)) : v.n_done == n),
	      "populate: %d, result %u, done %lld of %d, skipped %lld", ret, v.result,
	      v.n_done, n, v.n_skipped);
	/* All of it was this one's doing. */
	for (j = 0; r == REGION_ONCE && !v.n_skipped && j < n; j++)
		check_word(c, i + j, page_word(i + j, gens[j], 0), 0);
}

static void mark_free(struct ctx *c, int i, int n, uint32_t flags)
{
	struct kvm_dp_mark m = { .gfn = BASE_GFN + i, .n_pages = n, .flags = flags };
	int ret = dp_call(c, c->session, KVM_DP_MARK, &m);

	trace(c, OP_CHAOS, flags, i, n, ret);
	CHECK(c, !ret || (flags == KVM_DP_MARK_PRESENT &&
			  (ret == -EINVAL || (ret == -EHWPOISON && world->poison))),
	      "mark %u: %d", flags, ret);
	CHECK(c, m.n_changed <= n, "n_changed %lld of %d", m.n_changed, n);
}

static void evict_free(struct ctx *c, struct kvm_dp_discard *d)
{
	int ret;

	do {
		ret = dp_call(c, c->session, KVM_DP_DISCARD, d);
	} while (world->huge && ret == -EAGAIN);
	trace(c, OP_CHAOS, d->flags, d->gfn - BASE_GFN, d->n_pages, ret);
	CHECK(c, !ret || (ret == -EINVAL && world->kinds) ||
	      (ret == -EHWPOISON && world->poison && !d->flags), "discard: %d", ret);
}

/* Set on one page, cleared on all. */
static void poison_free(struct ctx *c, int i)
{
	struct region *g = &world->regions[REGION_CHAOS];
	struct kvm_dp_poison args = {
		.gfn = BASE_GFN + i, .n_pages = 1, .flags = KVM_DP_POISON_SET,
	};
	int ret;

	if (one_in(&c->rng, 2)) {
		args.gfn = BASE_GFN + g->start;
		args.n_pages = g->n;
		args.flags = KVM_DP_POISON_CLEAR;
	}
	ret = dp_call(c, c->session, KVM_DP_POISON, &args);
	trace(c, OP_CHAOS, args.flags << 8, args.gfn - BASE_GFN, args.n_pages, ret);
	CHECK(c, !ret && args.n_changed <= args.n_pages, "poison: %d, %lld of %lld", ret,
	      args.n_changed, args.n_pages);
}

/* Shared pages of chaos get contents through the mapping at any time. */
static void fill_free(int i, int n)
{
	for (; n--; i++)
		page_fill(shared_mem + i * WORDS, i, issue(i));
}

static void bring_page(struct ctx *c, int i)
{
	bring_free(c, page_at(i)->region, i);
	if (page_at(i)->region == REGION_CHAOS && world->kinds) {
		fill_free(i, 1);
		mark_free(c, i, 1, KVM_DP_MARK_PRESENT);
	}
}

void chaos_step(struct ctx *c)
{
	struct region *g = &world->regions[REGION_CHAOS];
	int i = g->start + rnd(&c->rng, g->n), ret;
	int n = 1 + (one_in(&c->rng, 3) ? rnd(&c->rng, g->start + g->n - i) : 0);
	struct kvm_dp_discard d = {
		.gfn = BASE_GFN + i, .n_pages = n, .flags = KVM_DP_DISCARD_EVICT,
	};
	struct kvm_memory_attributes attrs = {
		.address = (BASE_GFN + i) * PAGE, .size = n * PAGE,
	};
	int what = rnd(&c->rng, 10);

	if (world->unhelped) {
		/* Only takes away: part of the time as one step, part by a mark. */
		if (!one_in(&c->rng, 4))
			mark_free(c, i, 1, KVM_DP_MARK_MISSING);
		else
			evict_free(c, &d);
	} else if (world->poison && one_in(&c->rng, 8)) {
		poison_free(c, i);
	} else if (what < 4) {
		bring_free(c, REGION_CHAOS, -1);
	} else if (what < 5) {
		mark_free(c, i, n, KVM_DP_MARK_MISSING);
	} else if (what < 8) {
		if (world->zeros && one_in(&c->rng, 2))
			d.flags = 0;
		evict_free(c, &d);
	} else if (what < 9 && world->kinds) {
		fill_free(i, n);
		mark_free(c, i, n, KVM_DP_MARK_PRESENT);
	} else if (c->vm && world->zeros && one_in(&c->rng, 2)) {
		punch(c, i, n);
	} else if (c->vm && world->kinds) {
		if (!one_in(&c->rng, 3))
			attrs.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE;
		ret = dp_call(c, c->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
		CHECK(c, !ret, "attributes: %d", ret);
	}
}

void op_chaos(struct ctx *c, int r)
{
	chaos_step(c);
}

void op_once(struct ctx *c, int r)
{
	bring_free(c, REGION_ONCE, -1);
}

/* A lane's page that a vCPU waits for, and maybe more. */
static void bring_lane(struct ctx *c, int r, int i)
{
	struct kvm_dp_mark m = {
		.gfn = BASE_GFN + i, .n_pages = 1, .flags = KVM_DP_MARK_PRESENT,
	};

	if (page_at(i)->private) {
		populate(c, r, i);
		return;
	}
	shared_fill(i);
	CHECK_EQ(c, "mark present", dp_call(c, any_fd(c), KVM_DP_MARK, &m), 0);
	CHECK_EQ(c, "n_changed", m.n_changed, 1);
	arrive_shared(i);
}

static void bring_clock(struct ctx *c, uint64_t gfn)
{
	struct kvm_dp_vec v = { .gfn = gfn, .n_pages = 1, .flags = KVM_DP_VEC_ZERO };
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)&v, .n_vecs = 1 };

	CHECK_EQ(c, "populate", dp_call(c, c->session, KVM_DP_POPULATE, &t), 0);
}

/* What a pager does with an event. */
void handle_event(struct ctx *c, const struct kvm_dp_event *event)
{
	int i = event->gfn - BASE_GFN, r;

	check_event(c, event);
	add(&world->counts[OP_EVENT], 1);
	if (i >= N_PAGES) {
		bring_clock(c, event->gfn);
		return;
	}
	r = page_at(i)->region;
	if (r >= MAX_LANES) {
		bring_page(c, i);
		return;
	}
	lane_lock(r);
	/* Arguments may be wrong on purpose: again, nobody else will. */
	while (page_at(i)->missing && !page_at(i)->poisoned)
		bring_lane(c, r, i);
	lane_unlock(r);
}

/* The guest has made accesses [@from, @to): is that what it should have found? */
static void check_accesses(struct ctx *c, int r, int from, int to)
{
	struct access *a;
	struct page *p;
	uint64_t word;
	uint32_t gen;
	int i;

	for (; from < to; from++) {
		a = &c->command->access[from];
		i = a->gfn - BASE_GFN;
		p = page_at(i);
		add(&world->n_accesses, 1);
		if (r >= MAX_LANES) {
			if (a->write)
				continue;
			check_word(c, i, a->word, 0);
			if (a->bad)
				check_word(c, i, a->bad_word, a->bad);
			continue;
		}
		trace(c, OP_GUEST, !!a->write, i, 1, 0);
		CHECK(c, !p->missing, "the guest got at page %d, which is missing", i);
		if (p->private)
			p->backed = true;
		if (a->write) {
			gen = word_gen(a->write);
			if (p->private)
				p->gen = gen;
			else
				p->shared_gen = gen;
			continue;
		}
		word = page_word(i, visible_gen(p), 0);
		CHECK(c, a->word == word, "page %d (%s): expected %#lx, the guest sees %#lx",
		      i, p->private ? "private" : "shared", word, a->word);
		CHECK(c, !a->bad, "page %d (%s), word %ld: expected %#lx, the guest sees %#lx",
		      i, p->private ? "private" : "shared", a->bad,
		      page_word(i, visible_gen(p), a->bad), a->bad_word);
	}
}

static void command_make(struct ctx *c, int r, bool present_only)
{
	struct region *g = &world->regions[r];
	int n = 1 + rnd(&c->rng, MAX_ACCESSES), i, tries;
	static const int steps[] = { 1, 1, 7, 61, 511 };

	c->command->n = 0;
	for (tries = 0; c->command->n < n && tries < 4 * n; tries++) {
		struct access *a = &c->command->access[c->command->n];

		i = g->start + rnd(&c->rng, g->n);
		if (present_only && page_at(i)->missing)
			continue;
		a->gfn = BASE_GFN + i;
		a->write = 0;
		a->step = steps[rnd(&c->rng, ARRAY_SIZE(steps))];
		if (r != REGION_ONCE && one_in(&c->rng, 3))
			a->write = page_word(i, issue(i), 0);
		c->command->n++;
	}
	c->command->done = 0;
}

/*
 * KVM_RUN said that a page is missing, or will not come.  Was it, and what page?
 * Only the owner of a lane poisons its pages, between one KVM_RUN and the next.
 */
static void check_exit(struct ctx *c, int r, int ret)
{
	struct kvm_run *run = c->vcpu->run;
	uint64_t flags = run->memory_fault.flags, gfn = run->memory_fault.gpa / PAGE;
	const uint64_t known = KVM_MEMORY_EXIT_FLAG_MISSING | KVM_MEMORY_EXIT_FLAG_PRIVATE |
			       KVM_MEMORY_EXIT_FLAG_FAILED;
	bool missing = flags & KVM_MEMORY_EXIT_FLAG_MISSING;
	bool failed = flags & KVM_MEMORY_EXIT_FLAG_FAILED;
	struct page *p;

	add(&world->n_exits, 1);
	CHECK(c, run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	      run->memory_fault.size == PAGE && !(run->memory_fault.gpa % PAGE) &&
	      !(flags & ~known) && (missing || (r == REGION_CHAOS && world->kinds)),
	      "exit %u, flags %#lx, gpa %#llx", run->exit_reason, flags,
	      run->memory_fault.gpa);
	/* Converted between the guest's access and KVM's look at it. */
	CHECK(c, !failed || missing, "flags %#lx", flags);
	if (!missing)
		return;
	CHECK(c, failed || !world->wait_mode || !world->keep,
	      "exit in wait mode");
	CHECK(c, failed || ret == -EFAULT, "poisoned, and flags %#lx", flags);
	if (failed && ret == -EFAULT) {
		/* A waiter that was poisoned meanwhile is not counted by KVM_DP_FAIL. */
		CHECK(c, world->wait_mode, "a failed exit in exit mode");
		add(&world->n_failed_exits, 1);
	}
	if (gfn == CLOCK_GFN + c->actor && c->clock_on) {
		bring_clock(c, gfn);
		return;
	}
	CHECK(c, c->command->done < c->command->n &&
	      gfn == c->command->access[c->command->done].gfn,
	      "missing is page %ld, accessed was %ld", gfn - BASE_GFN,
	      c->command->access[c->command->done].gfn - BASE_GFN);
	if (r >= MAX_LANES) {
		bring_page(c, gfn - BASE_GFN);
		return;
	}
	p = page_at(gfn - BASE_GFN);
	CHECK(c, p->poisoned == (ret == -EHWPOISON), "page %ld is%s poisoned: %d",
	      gfn - BASE_GFN, p->poisoned ? "" : " not", ret);
	CHECK(c, p->missing || world->wait_mode, "page %ld is not missing", gfn - BASE_GFN);
	CHECK(c, !(flags & KVM_MEMORY_EXIT_FLAG_PRIVATE) == !p->private,
	      "page %ld: flags %#lx", gfn - BASE_GFN, flags);
}

/*
 * Let the guest make the accesses.  @r is a region without lock, or a lane whose
 * lock is held; the lock of the actor's own is dropped while the guest runs, for
 * a pager may have to bring a page.
 *
 * When the guest is stopped at a page of the lane that is missing, it has not
 * touched that page since it became so.  Then anything may happen to the lane,
 * and the rest of the accesses may be left undone.
 */
static void command_run(struct ctx *c, int r)
{
	bool own = r == c->region;
	struct kvm_run *run = c->vcpu->run;
	int ret, checked = 0, done, n = c->command->n, i;
	uint64_t ended;

	if (own)
		world->regions[r].busy = true;
	for (;;) {
		if (own)
			lane_unlock(r);
		while (load(&world->hold))
			usleep(100);
		ended = load(&world->freezes_ended);
		store(&world->actors[c->actor].in_run, true);
		ret = __vcpu_run(c->vcpu) ? -errno : 0;
		add(&world->n_calls, 1);
		store(&world->actors[c->actor].in_run, false);
		if (own)
			lane_lock(r);

		done = READ_ONCE(c->command->done);
		CHECK(c, done <= n, "done %d of %d", done, n);
		check_accesses(c, r, checked, done);
		checked = done;
		if (!ret) {
			CHECK(c, run->exit_reason == KVM_EXIT_IO && run->io.port == 0x80,
			      "exit %s", exit_reason_str(run->exit_reason));
			CHECK_EQ(c, "accesses done", done, n);
			break;
		}
		if (ret == -EFAULT || ret == -EHWPOISON)
			check_exit(c, r, ret);
		else if (ret == -EBUSY)
			CHECK(c, load(&world->freezes_begun) != ended,
			      "KVM_RUN is refused without a freeze");
		else
			CHECK(c, ret == -EINTR, "KVM_RUN: %s", strerror(-ret));

		if (r >= MAX_LANES) {
			if (!one_in(&c->rng, 16))
				continue;
			vcpu_regs_set(c->vcpu, &c->start);
			break;
		}
		if (!own || done == n)
			continue;
		i = c->command->access[done].gfn - BASE_GFN;
		if (!page_at(i)->missing)
			continue;
		if (one_in(&c->rng, 8)) {
			vcpu_regs_set(c->vcpu, &c->start);
			break;
		}
		while (!one_in(&c->rng, 2))
			step(c, true);
		if (ret == -EFAULT && page_at(i)->missing && !page_at(i)->poisoned &&
		    one_in(&c->rng, 2))
			bring_lane(c, r, i);
	}
	if (own)
		world->regions[r].busy = false;
}

/* Another's lane: only what is present, for nobody might bring the rest. */
static void visit(struct ctx *c)
{
	int r = rnd(&c->rng, world->n_vcpus + world->n_remotes);

	if (r == c->region || !lane_trylock(r))
		return;
	if (!world->regions[r].busy) {
		command_make(c, r, true);
		if (c->command->n)
			command_run(c, r);
	}
	lane_unlock(r);
}

void op_guest(struct ctx *c, int r)
{
	int where = rnd(&c->rng, 10);

	if (where == 0) {
		lane_unlock(r);
		visit(c);
		lane_lock(r);
	} else if (where < 4) {
		lane_unlock(r);
		command_make(c, where < 2 ? REGION_ONCE : REGION_CHAOS, false);
		command_run(c, where < 2 ? REGION_ONCE : REGION_CHAOS);
		lane_lock(r);
	} else {
		command_make(c, r, false);
		command_run(c, r);
	}
}

const char * const op_names[N_OPS] = {
	[OP_GUEST] = "guest",
	[OP_POPULATE] = "populate",
	[OP_MARK] = "mark",
	[OP_ATTR] = "attr",
	[OP_PRESENT] = "present",
	[OP_DISCARD] = "discard",
	[OP_PUNCH] = "punch",
	[OP_QUERY] = "query",
	[OP_INVALID] = "invalid",
	[OP_SESSION] = "session",
	[OP_DROP] = "drop",
	[OP_PREFAULT] = "prefault",
	[OP_FREEZE] = "freeze",
	[OP_SLOTS] = "slots",
	[OP_IMMEDIATE] = "immediate",
	[OP_KICK] = "kick",
	[OP_CLOCK] = "clock",
	[OP_COLLAPSE] = "collapse",
	[OP_FAIL] = "fail",
	[OP_POISON] = "poison",
	[OP_ONCE] = "once",
	[OP_CHAOS] = "chaos",
	[OP_EVENT] = "event",
};

static void (* const ops[N_OPS])(struct ctx *c, int r) = {
	[OP_GUEST] = op_guest,
	[OP_POPULATE] = op_populate,
	[OP_MARK] = op_mark,
	[OP_ATTR] = op_attr,
	[OP_PRESENT] = op_present,
	[OP_DISCARD] = op_discard,
	[OP_PUNCH] = op_punch,
	[OP_QUERY] = op_query,
	[OP_INVALID] = op_invalid,
	[OP_SESSION] = op_session,
	[OP_DROP] = op_drop,
	[OP_PREFAULT] = op_prefault,
	[OP_FREEZE] = op_freeze,
	[OP_SLOTS] = op_slots,
	[OP_IMMEDIATE] = op_immediate,
	[OP_KICK] = op_kick,
	[OP_CLOCK] = op_clock,
	[OP_COLLAPSE] = op_collapse,
	[OP_FAIL] = op_fail,
	[OP_POISON] = op_poison,
	[OP_ONCE] = op_once,
	[OP_CHAOS] = op_chaos,
};

static bool op_is_possible(struct ctx *c, int op, bool nested)
{
	switch (op) {
	case OP_GUEST:
		return c->vm && !nested;
	case OP_ATTR:
	case OP_PUNCH:
	case OP_PREFAULT:
	case OP_SLOTS:
	case OP_IMMEDIATE:
	case OP_KICK:
	case OP_CLOCK:
		return c->vm;
	default:
		return op < OP_EVENT;
	}
}

/* One operation, with the lock of the actor's lane. */
void step(struct ctx *c, bool nested)
{
	struct actor *a = &world->actors[c->actor];
	int op, left, sum = 0;

	for (op = 0; op < N_OPS; op++)
		sum += op_is_possible(c, op, nested) ? world->weight[op] : 0;
	left = rnd(&c->rng, sum);
	for (op = 0; ; op++) {
		if (!op_is_possible(c, op, nested))
			continue;
		left -= world->weight[op];
		if (left < 0)
			break;
	}
	store(&a->op, op);
	add(&a->beat, 1);
	ops[op](c, c->region);
	add(&world->counts[op], 1);
}

/* The VM is at rest: everything that is known exactly. */
void check_all(struct ctx *c)
{
	struct kvm_dp_query q = {
		.gfn = BASE_GFN, .n_pages = N_PAGES + MAX_VCPUS,
		.flags = KVM_DP_QUERY_MISSING,
	};
	int r, what;

	for (r = 0; r < world->n_vcpus + world->n_remotes; r++) {
		lane_lock(r);
		for (what = 0; what < 4; what++)
			query_compare(c, r, 0, N_PAGES, 1 << what);
		lane_unlock(r);
	}
	CHECK_EQ(c, "query", dp_call(c, c->control, KVM_DP_QUERY, &q), 0);
	CHECK_EQ(c, "waiters", q.n_waiters, 0);
	CHECK_EQ(c, "status", q.status, 0);
	CHECK_EQ(c, "n_missing", q.n_missing, q.n_set);
	q.flags = KVM_DP_QUERY_POISONED;
	CHECK_EQ(c, "query", dp_call(c, c->control, KVM_DP_QUERY, &q), 0);
	CHECK_EQ(c, "n_poisoned", q.n_poisoned, q.n_set);

	/* Who was killed has counted nothing; a poisoned waiter is none of these. */
	if (!world->kills && !world->poison)
		CHECK_EQ(c, "failed", world->n_failed_exits, world->n_failed);
}
