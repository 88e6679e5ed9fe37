// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzing KVM demand paging: the operations, each with what it must do.
 *
 * Those on a lane are called with the lane's lock, and change the model as the
 * kernel is expected to change presence and contents.
 */
#include <fcntl.h>

#include "gmem_demand_paging_fuzz.h"

/*
 * 0 or -errno.  A signal or somebody's freeze delays, and what was done so far is
 * in the arguments; but without a freeze there must be no -EBUSY.
 */
int dp_call(struct ctx *c, int fd, unsigned long request, void *arg)
{
	uint64_t ended;
	int r;

	for (;;) {
		ended = load(&world->freezes_ended);
		r = ioctl(fd, request, arg) ? -errno : 0;
		add(&world->n_calls, 1);
		/* The files of guest_memfd are closed before the VM goes. */
		if ((r == -ENODEV || (r && (request == KVM_DP_POPULATE ||
					    request == KVM_DP_DISCARD))) &&
		    load(&world->closing))
			_exit(0);
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r != -EBUSY || load(&world->freezer) == c->actor + 1)
			return r;
		CHECK(c, load(&world->freezes_begun) != ended,
		      "-EBUSY without a freeze");
		usleep(100);
	}
}

/* A range of region @r: often one page, now and then a whole block, or all. */
static void pick(struct ctx *c, int r, int max, int *ret_i, int *ret_n)
{
	struct region *g = &world->regions[r];
	int first_block = roundup(g->start, BLOCK);
	int n = 1, edge;

	switch (rnd(&c->rng, 32)) {
	case 0:
		n = g->n;
		if (first_block + BLOCK <= g->start + g->n && max >= BLOCK &&
		    !one_in(&c->rng, 4)) {
			*ret_i = first_block;
			*ret_n = BLOCK;
			return;
		}
		break;
	case 1 ... 2:
		n += rnd(&c->rng, 80);
		break;
	case 3 ... 13:
		n += rnd(&c->rng, 8);
		break;
	case 14 ... 15:
		/* Across the end of a memslot, or of a block. */
		edge = one_in(&c->rng, 2) ? SPLIT : first_block;
		if (edge <= g->start || edge >= g->start + g->n || max < 2)
			break;
		n = min(max, g->n);
		n = min(n, 2 + (int)rnd(&c->rng, 24));
		*ret_i = max(edge - 1 - (int)rnd(&c->rng, n - 1), g->start);
		*ret_n = min(n, g->start + g->n - *ret_i);
		return;
	}
	n = min(min(n, max), g->n);
	*ret_i = g->start + rnd(&c->rng, g->n - n + 1);
	*ret_n = n;
}

/* The rights of a session and of the control fd are the same for these. */
int any_fd(struct ctx *c)
{
	return one_in(&c->rng, 3) ? c->control : c->session;
}

static bool model_bit(int i, uint32_t what)
{
	struct page *p = page_at(i);

	if (what == KVM_DP_QUERY_MISSING)
		return p->missing;
	if (what == KVM_DP_QUERY_POISONED)
		return p->poisoned;
	return p->private && (what == KVM_DP_QUERY_PRIVATE || p->backed);
}

static bool test_bit64(const uint64_t *bits, int i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

/* Ask about [@i, @i + @n), compare what is of region @r. */
void query_compare(struct ctx *c, int r, int i, int n, uint32_t what)
{
	uint64_t bits[N_PAGES / 64 + 1];
	struct kvm_dp_query q = {
		.gfn = BASE_GFN + i, .n_pages = n, .bitmap = (uintptr_t)bits,
		.flags = what,
	};
	int words = (n + 63) / 64, j, n_set = 0;

	memset(bits, 0xa5, sizeof(bits));
	CHECK_EQ(c, "query", dp_call(c, any_fd(c), KVM_DP_QUERY, &q), 0);
	for (j = 0; j < n; j++) {
		n_set += test_bit64(bits, j);
		if (page_at(i + j)->region != r)
			continue;
		/* A 2M folio brings pages that nobody has asked for. */
		if (world->huge && what == KVM_DP_QUERY_BACKED && test_bit64(bits, j) &&
		    page_at(i + j)->private)
			continue;
		CHECK(c, test_bit64(bits, j) == model_bit(i + j, what),
		      "query %u of page %d: expected %d", what, i + j,
		      model_bit(i + j, what));
	}
	for (j = n; j < words * 64; j++)
		CHECK(c, !test_bit64(bits, j), "query: bit %d of %d is set", j, n);
	CHECK_EQ(c, "word after the bitmap", bits[words], 0xa5a5a5a5a5a5a5a5ull);
	CHECK_EQ(c, "n_set", q.n_set, n_set);
}

void op_query(struct ctx *c, int r)
{
	int before = rnd(&c->rng, 150), after = rnd(&c->rng, 150), i, n;

	pick(c, r, N_PAGES, &i, &n);
	before = min(before, i);
	after = min(after, N_PAGES - i - n);
	query_compare(c, r, i - before, before + n + after, 1 << rnd(&c->rng, 4));
}

/* Also what was refused must have changed nothing. */
static void check_range(struct ctx *c, int r, int i, int n)
{
	query_compare(c, r, i, n, KVM_DP_QUERY_MISSING);
	query_compare(c, r, i, n, KVM_DP_QUERY_BACKED);
	query_compare(c, r, i, n, KVM_DP_QUERY_POISONED);
}

void op_mark(struct ctx *c, int r)
{
	uint64_t bits[N_PAGES / 64];
	struct kvm_dp_mark m = { .flags = KVM_DP_MARK_MISSING };
	bool sparse = one_in(&c->rng, 3);
	int i, n, j, ret;
	uint64_t want = 0;

	pick(c, r, N_PAGES, &i, &n);
	for (j = 0; j < ARRAY_SIZE(bits); j++)
		bits[j] = rng_next(&c->rng) & rng_next(&c->rng);
	for (j = 0; j < n; j++) {
		if (sparse && !test_bit64(bits, j))
			continue;
		want += !page_at(i + j)->missing;
		if (!lie(c, INJECT_PRESENCE))
			page_at(i + j)->missing = true;
	}
	m.gfn = BASE_GFN + i;
	m.n_pages = n;
	m.bitmap = sparse ? (uintptr_t)bits : 0;
	ret = dp_call(c, any_fd(c), KVM_DP_MARK, &m);
	trace(c, OP_MARK, sparse, i, n, ret);
	CHECK_EQ(c, "mark missing", ret, 0);
	CHECK_EQ(c, "n_changed", m.n_changed, want + lie(c, INJECT_COUNT));
}

/* Private and shared; MISSING is set as well, now and then. */
void op_attr(struct ctx *c, int r)
{
	bool private = !one_in(&c->rng, 3), missing = one_in(&c->rng, 3);
	struct kvm_memory_attributes attrs = {};
	int i, n, j, ret;

	pick(c, r, 64, &i, &n);
	attrs.address = (BASE_GFN + i) * PAGE;
	attrs.size = n * PAGE;
	attrs.attributes = (private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0) |
			   (missing ? KVM_MEMORY_ATTRIBUTE_MISSING : 0);
	for (j = i; j < i + n; j++) {
		page_at(j)->private = private;
		page_at(j)->missing |= missing;
	}
	ret = dp_call(c, c->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	trace(c, OP_ATTR, private | missing << 1, i, n, ret);
	CHECK_EQ(c, "attributes", ret, 0);
}

/* Fill a shared page through the mapping, as a pager does. */
void shared_fill(int i)
{
	page_at(i)->shared_gen = issue(i);
	page_fill(shared_mem + i * WORDS, i, page_at(i)->shared_gen);
}

/* What guest_memfd has for it is old by then, and goes. */
void arrive_shared(int i)
{
	page_at(i)->missing = false;
	page_at(i)->gen = 0;
}

void op_present(struct ctx *c, int r)
{
	uint64_t bits[N_PAGES / 64];
	struct kvm_dp_mark m = { .flags = KVM_DP_MARK_PRESENT };
	bool sparse = one_in(&c->rng, 2);
	int i, n, j, ret, refused = 0;
	uint64_t want = 0;

	pick(c, r, N_PAGES, &i, &n);
	memset(bits, sparse ? 0 : 0xff, sizeof(bits));
	for (j = 0; j < n; j++) {
		struct page *p = page_at(i + j);

		/* Sparse: mostly those that may be marked. */
		if (sparse && ((p->missing && (p->private || p->poisoned) &&
				!one_in(&c->rng, 100)) ||
			       one_in(&c->rng, 4)))
			continue;
		bits[j / 64] |= 1ull << (j % 64);
		if (!refused && p->missing && (p->private || p->poisoned))
			refused = p->private ? EINVAL : EHWPOISON;
		want += p->missing;
		if (p->missing && !p->private)
			shared_fill(i + j);
	}
	m.gfn = BASE_GFN + i;
	m.n_pages = n;
	m.bitmap = sparse ? (uintptr_t)bits : 0;
	ret = dp_call(c, any_fd(c), KVM_DP_MARK, &m);
	trace(c, OP_PRESENT, sparse, i, n, ret);
	CHECK_EQ(c, "mark present", ret, -refused);
	for (j = 0; !refused && j < n; j++) {
		if (test_bit64(bits, j) && page_at(i + j)->missing)
			arrive_shared(i + j);
	}
	if (refused)
		check_range(c, r, i, n);
	else
		CHECK_EQ(c, "n_changed", m.n_changed, want);
}

/* One run of a populate as it should go; @bad: the first page without data. */
static void model_populate(struct kvm_dp_vec *v, const uint32_t *gens, int bad)
{
	bool zero = v->flags & KVM_DP_VEC_ZERO;
	struct page *p;

	for (v->result = KVM_DP_OK; v->n_done < v->n_pages; v->n_done++) {
		p = page_at(v->gfn - BASE_GFN + v->n_done);
		if (v->n_done >= bad) {
			v->result = KVM_DP_FAULT;
			return;
		}
		if (!p->missing) {
			v->n_skipped++;
			continue;
		}
		if (!p->private) {
			v->result = KVM_DP_KIND_CHANGED;
			return;
		}
		if (p->poisoned) {
			v->result = KVM_DP_POISONED;
			return;
		}
		p->missing = false;
		p->gen = zero ? 0 : gens[v->n_done];
		p->backed |= !zero;
	}
}

#define MAX_VECS	4

static void compare_vecs(struct ctx *c, const char *what, int op, int ret,
			 const struct kvm_dp_transfer *t, int want_ret, int want_done,
			 const struct kvm_dp_vec *seen, const struct kvm_dp_vec *want)
{
	int i;

	for (i = 0; i < t->n_vecs; i++)
		trace(c, op, want[i].flags | want[i].result << 8,
		      want[i].gfn - BASE_GFN, want[i].n_pages, ret);
	/* In this order: result, n_done, n_skipped. */
	for (i = 0; i < t->n_vecs; i++)
		CHECK(c, !memcmp(&seen[i], &want[i], sizeof(want[i])),
		      "%s %d of %d, %lld+%lld, flags %u: expected %u, %lld, %lld; seen %u, %lld, %lld",
		      what, i, t->n_vecs, want[i].gfn - BASE_GFN, want[i].n_pages,
		      want[i].flags, want[i].result, want[i].n_done, want[i].n_skipped,
		      seen[i].result, seen[i].n_done, seen[i].n_skipped);
	CHECK_EQ(c, what, ret, want_ret);
	CHECK_EQ(c, "n_vecs_done", t->n_vecs_done, want_done);
}

/* Several runs; the first begins at page @i if that is not -1. */
void populate(struct ctx *c, int r, int i)
{
	int n_vecs = one_in(&c->rng, 2) ? 1 : 1 + rnd(&c->rng, MAX_VECS);
	struct kvm_dp_vec vecs[MAX_VECS] = {}, want[MAX_VECS];
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)vecs, .n_vecs = n_vecs };
	int bad_vec = one_in(&c->rng, 12) ? rnd(&c->rng, n_vecs) : -1;
	int wrong_vec = one_in(&c->rng, 40) ? rnd(&c->rng, n_vecs) : -1;
	int v, j, n, used = 0, ret, want_ret = 0, want_done = 0;
	uint32_t gens[MAX_RUN];

	for (v = 0; v < n_vecs; v++) {
		struct kvm_dp_vec *vec = &vecs[v];
		bool zero = one_in(&c->rng, 5);
		int bad = zero ? N_PAGES : MAX_RUN;

		if (v || i < 0)
			pick(c, r, zero ? N_PAGES : MAX_RUN - used - (n_vecs - v - 1),
			     &i, &n);
		else
			n = 1;
		vec->gfn = BASE_GFN + i;
		vec->n_pages = n;
		vec->n_done = one_in(&c->rng, 8) ? rnd(&c->rng, n + 1) : 0;
		vec->n_skipped = one_in(&c->rng, 8) ? rnd(&c->rng, 100) : 0;
		if (zero) {
			vec->flags = KVM_DP_VEC_ZERO;
		} else if (v == bad_vec) {
			bad = rnd(&c->rng, min(n, MAX_BAD));
			vec->addr = (uintptr_t)(c->buf + (N_BUF - bad) * WORDS);
		} else {
			vec->addr = (uintptr_t)(c->buf + used * WORDS);
			used += n;
		}
		for (j = 0; !zero && j < min(n, bad); j++) {
			gens[j] = issue(i + j);
			page_fill((uint64_t *)vec->addr + j * WORDS, i + j, gens[j]);
			if (lie(c, INJECT_CONTENTS))
				gens[j] ^= 1;
		}
		if (v == wrong_vec)
			vec->flags |= 1u << (1 + rnd(&c->rng, 31));

		want[v] = *vec;
		if (want_ret)
			continue;
		if (v == wrong_vec) {
			want_ret = -EINVAL;
			continue;
		}
		model_populate(&want[v], gens, bad);
		if (want[v].result)
			want_ret = -EIO;
		else
			want_done++;
	}
	ret = dp_call(c, c->session, KVM_DP_POPULATE, &t);
	compare_vecs(c, "populate", OP_POPULATE, ret, &t,
		     lie(c, INJECT_ERRNO) ? -EIO : want_ret, want_done, vecs, want);
}

void op_populate(struct ctx *c, int r)
{
	populate(c, r, -1);
}

void op_discard(struct ctx *c, int r)
{
	struct kvm_dp_discard d = {};
	struct page *p;
	int refused = 0;
	int i, n, j, ret;

	pick(c, r, N_PAGES, &i, &n);
	d.gfn = BASE_GFN + i;
	d.n_pages = n;
	d.flags = one_in(&c->rng, 2) ? KVM_DP_DISCARD_EVICT : 0;
	for (j = i; !d.flags && j < i + n; j++) {
		if (page_at(j)->poisoned)
			refused = EHWPOISON;
	}
	for (j = i; j < i + n; j++) {
		if (!page_at(j)->private)
			refused = EINVAL;
	}
	for (j = i; !refused && j < i + n; j++) {
		p = page_at(j);
		p->missing = d.flags;
		p->backed = false;
		p->gen = 0;
	}
	do {
		ret = dp_call(c, c->session, KVM_DP_DISCARD, &d);
	} while (world->huge && ret == -EAGAIN);
	trace(c, OP_DISCARD, d.flags, i, n, ret);
	CHECK_EQ(c, "discard", ret, -refused);
	if (refused)
		check_range(c, r, i, n);
}

/* The plain one: contents go, presence stays. */
void punch(struct ctx *c, int i, int n)
{
	int first = min(n, max(0, SPLIT - i)), ret;
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	do {
		ret = 0;
		if (first)
			ret = fallocate(gmem_fds[0], mode, i * PAGE, first * PAGE);
		if (!ret && n > first)
			ret = fallocate(gmem_fds[1], mode,
					(i + first - SPLIT + SPLIT_PGOFF) * PAGE,
					(n - first) * PAGE);
	} while (world->huge && ret && errno == EAGAIN);
	trace(c, OP_PUNCH, 0, i, n, ret);
	CHECK(c, !ret, "PUNCH_HOLE: %s", strerror(errno));
}

void op_punch(struct ctx *c, int r)
{
	int i, n, j;

	pick(c, r, N_PAGES, &i, &n);
	for (j = i; j < i + n; j++) {
		page_at(j)->gen = 0;
		page_at(j)->backed = false;
	}
	punch(c, i, n);
}

void refused(struct ctx *c, int error, int fd, unsigned long request, void *arg)
{
	int ret = dp_call(c, fd, request, arg);

	CHECK(c, ret == -error, "request %#lx: expected %s, seen %d", request,
	      strerror(error), ret);
}

/* Changes nothing that anybody sees. */
void op_collapse(struct ctx *c, int r)
{
	struct kvm_dp_collapse args = {};
	int i, n, ret;

	pick(c, r, N_PAGES, &i, &n);
	args.gfn = BASE_GFN + i;
	args.n_pages = n;
	if (one_in(&c->rng, 8)) {
		args.reserved[rnd(&c->rng, 3)] = 1;
		refused(c, EINVAL, any_fd(c), KVM_DP_COLLAPSE, &args);
		return;
	}
	ret = dp_call(c, any_fd(c), KVM_DP_COLLAPSE, &args);
	trace(c, OP_COLLAPSE, 0, i, n, ret);
	CHECK_EQ(c, "collapse", ret, 0);
}

/* Anywhere: who waits there exits, nothing else happens. */
void op_fail(struct ctx *c, int r)
{
	struct kvm_dp_fail f = { .n_pages = 1 };
	int i = rnd(&c->rng, N_PAGES + MAX_VCPUS), ret;

	if (one_in(&c->rng, 2))
		f.n_pages += rnd(&c->rng, N_PAGES + MAX_VCPUS - i);
	f.gfn = BASE_GFN + i;
	ret = dp_call(c, any_fd(c), KVM_DP_FAIL, &f);
	trace(c, OP_FAIL, f.n_failed, i, f.n_pages, ret);
	CHECK_EQ(c, "fail", ret, 0);
	CHECK(c, f.n_failed <= (world->wait_mode ? world->n_vcpus : 0),
	      "%lld vCPUs were failed", f.n_failed);
	add(&world->n_failed, f.n_failed);
}

/* Of one's own lane: nobody waits there. */
void op_poison(struct ctx *c, int r)
{
	struct kvm_dp_poison args = { .flags = KVM_DP_POISON_CLEAR };
	bool set = one_in(&c->rng, 2);
	int i, n, j, ret;
	uint64_t want = 0;

	pick(c, r, set ? 64 : N_PAGES, &i, &n);
	if (set) {
		args.flags = KVM_DP_POISON_SET;
	} else if (one_in(&c->rng, 2)) {
		/* Else there is little left to use. */
		i = world->regions[r].start;
		n = world->regions[r].n;
	}
	for (j = i; j < i + n; j++) {
		want += page_at(j)->poisoned != set;
		page_at(j)->poisoned = set;
		page_at(j)->missing |= set;
	}
	args.gfn = BASE_GFN + i;
	args.n_pages = n;
	ret = dp_call(c, any_fd(c), KVM_DP_POISON, &args);
	trace(c, OP_POISON, set, i, n, ret);
	CHECK_EQ(c, "poison", ret, 0);
	CHECK_EQ(c, "n_changed", args.n_changed, want + lie(c, INJECT_COUNT));
}

/* A range, and what to put in the place of something right. */
struct invalid {
	int i, n;
	uint64_t gfn;
	uint64_t huge;		/* no GFN, and no number of them */
	void *nowhere;
	int fd;
};

static void invalid_mark(struct ctx *c, const struct invalid *v, int what)
{
	struct kvm_dp_mark m = {
		.gfn = v->gfn, .n_pages = v->n, .flags = KVM_DP_MARK_MISSING,
	};
	void *arg = &m;
	int error = EINVAL;

	switch (what) {
	case 0:
		m.flags = 1u << (2 + rnd(&c->rng, 30)) | (one_in(&c->rng, 2) ? 1 : 0);
		break;
	case 1:
		m.flags = one_in(&c->rng, 2) ? 0 : 3;
		break;
	case 2:
		m.pad = 1u << rnd(&c->rng, 32);
		break;
	case 3:
		m.reserved[rnd(&c->rng, 2)] = 1ull << rnd(&c->rng, 64);
		break;
	case 4:
		m.n_pages = one_in(&c->rng, 2) ? 0 : -v->gfn + rnd(&c->rng, 9);
		break;
	case 5:
		m.gfn = v->huge;
		break;
	case 6:
		m.bitmap = (uintptr_t)v->nowhere;
		error = EFAULT;
		break;
	default:
		arg = v->nowhere;
		error = EFAULT;
	}
	refused(c, error, v->fd, KVM_DP_MARK, arg);
}

static void invalid_query(struct ctx *c, const struct invalid *v, int what)
{
	struct kvm_dp_query q = {
		.gfn = v->gfn, .n_pages = v->n, .flags = KVM_DP_QUERY_MISSING,
	};
	int error = EINVAL;

	switch (what) {
	case 0:
		q.flags = one_in(&c->rng, 2) ? 3 : 1u << (4 + rnd(&c->rng, 28));
		break;
	case 1:
		q.n_pages = 0;
		break;
	case 2:
		q.n_pages = v->huge;
		break;
	default:
		q.bitmap = (uintptr_t)v->nowhere;
		error = EFAULT;
	}
	refused(c, error, v->fd, KVM_DP_QUERY, &q);
}

static void invalid_discard(struct ctx *c, const struct invalid *v, int what)
{
	struct kvm_dp_discard d = { .gfn = v->gfn, .n_pages = v->n };

	switch (what) {
	case 0:
		d.flags = 1u << (1 + rnd(&c->rng, 31)) | one_in(&c->rng, 2);
		break;
	case 1:
		d.n_pages = one_in(&c->rng, 2) ? 0 : ~0ull - rnd(&c->rng, v->gfn);
		break;
	case 2:
		d.pad = 1;
		break;
	default:
		/* To the end of all memslots and beyond. */
		d.n_pages = N_PAGES + MAX_VCPUS - v->i + 1;
	}
	refused(c, EINVAL, c->session, KVM_DP_DISCARD, &d);
}

static void invalid_populate(struct ctx *c, const struct invalid *v, int what)
{
	struct kvm_dp_vec vec = {
		.gfn = v->gfn, .n_pages = 1, .addr = (uintptr_t)c->buf,
	};
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };
	int error = EINVAL;

	switch (what) {
	case 0:
		t.n_vecs = one_in(&c->rng, 2) ? 0 : KVM_DP_MAX_VECS + 1;
		break;
	case 1:
		t.flags = 1u << rnd(&c->rng, 32);
		break;
	case 2:
		t.reserved = 1;
		break;
	case 3:
		t.vecs = (uintptr_t)v->nowhere;
		error = EFAULT;
		break;
	case 4:
		vec.n_pages = one_in(&c->rng, 2) ? v->huge : -v->gfn;
		break;
	case 5:
		vec.n_done = 2;
		break;
	default:
		vec.addr = one_in(&c->rng, 2) ? ~0ull << 47 : ~0ull << 12;
	}
	refused(c, error, c->session, KVM_DP_POPULATE, &t);
}

static void invalid_extract(struct ctx *c, const struct invalid *v, int what)
{
	struct kvm_dp_vec vec = {
		.gfn = v->gfn, .n_pages = 1, .addr = (uintptr_t)c->buf,
	};
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };
	uint64_t ended;
	int error;

	if (load(&world->freezer))
		return;
	do {
		ended = load(&world->freezes_ended);
		error = ioctl(c->session, KVM_DP_EXTRACT, &t) ? errno : 0;
	} while (error == EINTR);
	CHECK(c, error == EBUSY || load(&world->freezes_begun) != ended,
	      "extract from a VM that runs: %d", error);
}

static void invalid_fail(struct ctx *c, const struct invalid *v, int what)
{
	struct kvm_dp_fail f = { .gfn = v->gfn, .n_pages = v->n };

	switch (what) {
	case 0:
		f.flags = 1u << rnd(&c->rng, 32);
		break;
	case 1:
		f.reserved[rnd(&c->rng, 2)] = 1ull << rnd(&c->rng, 64);
		break;
	default:
		f.n_pages = one_in(&c->rng, 2) ? 0 : v->huge;
	}
	refused(c, EINVAL, v->fd, KVM_DP_FAIL, &f);
}

static void invalid_poison(struct ctx *c, const struct invalid *v, int what)
{
	struct kvm_dp_poison p = {
		.gfn = v->gfn, .n_pages = v->n, .flags = 1 + rnd(&c->rng, 2),
	};
	int error = EINVAL;

	switch (what) {
	case 0:
		p.flags = one_in(&c->rng, 2) ? 0 : 3;
		break;
	case 1:
		p.flags |= 1u << (2 + rnd(&c->rng, 30));
		break;
	case 2:
		p.pad = 1u << rnd(&c->rng, 32);
		break;
	case 3:
		p.gfn = v->huge;
		break;
	default:
		p.flags = KVM_DP_POISON_SET;
		p.n_pages = KVM_DP_MAX_POISONED + 1 + rnd(&c->rng, 9999);
		error = ENOSPC;
	}
	refused(c, error, v->fd, KVM_DP_POISON, &p);
}

static void invalid_session(struct ctx *c, const struct invalid *v, int what)
{
	struct kvm_dp_create_session s = { .rights = KVM_DP_RIGHT_QUERY };

	if (!what) {
		s.rights = one_in(&c->rng, 2) ? 0 : 1u << (8 + rnd(&c->rng, 24));
		refused(c, EINVAL, c->control, KVM_DP_CREATE_SESSION, &s);
		return;
	}
	s.reserved[rnd(&c->rng, 3)] = 1;
	refused(c, EINVAL, c->control, KVM_DP_CREATE_SESSION, &s);
	refused(c, EINVAL, v->fd, KVM_DP_THAW, (void *)1);
	refused(c, EINVAL, v->fd, KVM_DP_FREEZE, (void *)1);
	refused(c, ENOTTY, v->fd, KVM_RUN, 0);
}

static const struct {
	void (*call)(struct ctx *c, const struct invalid *v, int what);
	int n;
} invalid_calls[] = {
	{ invalid_mark, 8 },
	{ invalid_query, 4 },
	{ invalid_discard, 4 },
	{ invalid_populate, 7 },
	{ invalid_extract, 1 },
	{ invalid_fail, 3 },
	{ invalid_poison, 5 },
	{ invalid_session, 2 },
};

#define N_INVALID	34	/* the sum of the above */

/* One argument in many is wrong: refused, and nothing has changed. */
void op_invalid(struct ctx *c, int r)
{
	struct invalid v = {
		.huge = 1ull << (40 + rnd(&c->rng, 24)),
		.nowhere = c->buf + N_BUF * WORDS,
	};
	int what = rnd(&c->rng, N_INVALID), k;

	v.fd = any_fd(c);
	pick(c, r, N_PAGES, &v.i, &v.n);
	v.gfn = BASE_GFN + v.i;
	trace(c, OP_INVALID, what, v.i, v.n, 0);

	for (k = 0; what >= invalid_calls[k].n; k++)
		what -= invalid_calls[k].n;
	invalid_calls[k].call(c, &v, what);
	check_range(c, r, v.i, v.n);
}

void op_prefault(struct ctx *c, int r)
{
	struct kvm_pre_fault_memory range = {};
	int i, n, j, ret;
	uint64_t ended;

	pick(c, r, 64, &i, &n);
	for (j = i; j < i + n && !page_at(j)->missing; j++)
		page_at(j)->backed |= page_at(j)->private;
	range.gpa = (BASE_GFN + i) * PAGE;
	range.size = n * PAGE;
	do {
		ended = load(&world->freezes_ended);
		ret = __vcpu_ioctl(c->vcpu, KVM_PRE_FAULT_MEMORY, &range) ? -errno : 0;
		CHECK(c, ret != -EBUSY || load(&world->freezes_begun) != ended,
		      "pre-fault is refused without a freeze");
		if (ret == -EBUSY)
			usleep(100);
	} while (ret ? ret == -EINTR || ret == -EBUSY : range.size);
	trace(c, OP_PREFAULT, j, i, n, ret);
	CHECK_EQ(c, "pre-faulted up to", range.gpa / PAGE - BASE_GFN, j);
	CHECK_EQ(c, "pre-fault", ret, j == i + n ? 0 :
		 page_at(j)->poisoned ? -EHWPOISON : -EAGAIN);
}

/* What extract should say about one run, page by page. */
static void model_extract(struct kvm_dp_vec *v, int bad)
{
	struct page *p;

	for (; v->n_done < v->n_pages; v->n_done++) {
		p = page_at(v->gfn - BASE_GFN + v->n_done);
		if (!p->private || p->missing) {
			v->result = !p->private ? KVM_DP_KIND_CHANGED :
				    p->poisoned ? KVM_DP_POISONED : KVM_DP_MISSING;
			return;
		}
		if (v->n_done >= bad) {
			v->result = KVM_DP_FAULT;
			return;
		}
		v->n_skipped += !p->backed;
	}
}

/* Some pages of a frozen VM. */
void extract(struct ctx *c, int r)
{
	struct kvm_dp_vec vec = { .addr = (uintptr_t)c->buf }, want;
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };
	int i, n, j, k, bad, ret;
	uint64_t *seen, expected;

	pick(c, r, MAX_RUN, &i, &n);
	vec.gfn = BASE_GFN + i;
	vec.n_pages = n;
	bad = one_in(&c->rng, 10) ? rnd(&c->rng, min(n, MAX_BAD)) : n;

	if (bad < n)
		vec.addr = (uintptr_t)(c->buf + (N_BUF - bad) * WORDS);
	want = vec;
	model_extract(&want, bad);
	ret = dp_call(c, c->session, KVM_DP_EXTRACT, &t);
	/* Nor can it be told which holes of one are left. */
	if (world->huge && vec.n_skipped < want.n_skipped)
		want.n_skipped = vec.n_skipped;
	compare_vecs(c, "extract", OP_FREEZE, ret, &t, want.result ? -EIO : 0,
		     !want.result, &vec, &want);
	for (j = 0; j < want.n_done; j++) {
		seen = (uint64_t *)vec.addr + j * WORDS;
		for (k = 0; k < WORDS; k++) {
			expected = page_word(i + j, page_at(i + j)->gen, k);
			CHECK(c, seen[k] == expected,
			      "page %d extracted, word %d: expected %#lx, seen %#lx",
			      i + j, k, expected, seen[k]);
		}
	}
}
