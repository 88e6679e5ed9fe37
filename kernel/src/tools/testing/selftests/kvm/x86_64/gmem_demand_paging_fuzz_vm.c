// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzing KVM demand paging: what concerns more than pages, i.e. sessions and
 * events, freezing the VM, memslots, signals, KVM's own accesses.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "gmem_demand_paging_fuzz.h"

int session_new(struct ctx *c, uint32_t rights)
{
	struct kvm_dp_create_session args = { .rights = rights };
	int fd = ioctl(c->control, KVM_DP_CREATE_SESSION, &args);

	if (fd < 0 && errno == ENODEV && load(&world->closing))
		_exit(0);
	CHECK(c, fd >= 0, "session with rights %#x: %s", rights, strerror(errno));
	return fd;
}

/* One with some rights can do what these say, and no more. */
void op_session(struct ctx *c, int r)
{
	static const struct {
		unsigned long request;
		uint32_t right;
	} needs[] = {
		{ KVM_DP_MARK, KVM_DP_RIGHT_MARK },
		{ KVM_DP_COLLAPSE, KVM_DP_RIGHT_MARK },
		{ KVM_DP_QUERY, KVM_DP_RIGHT_QUERY },
		{ KVM_DP_FREEZE, KVM_DP_RIGHT_FREEZE },
		{ KVM_DP_THAW, KVM_DP_RIGHT_FREEZE },
		{ KVM_DP_POPULATE, KVM_DP_RIGHT_POPULATE },
		{ KVM_DP_EXTRACT, KVM_DP_RIGHT_EXTRACT },
		{ KVM_DP_DISCARD, KVM_DP_RIGHT_DISCARD },
		{ KVM_DP_FAIL, KVM_DP_RIGHT_FAIL },
		{ KVM_DP_POISON, KVM_DP_RIGHT_FAIL },
	};
	uint32_t rights = 1 + rnd(&c->rng, ALL_RIGHTS);
	int fd, copy, i, old;

	if (one_in(&c->rng, 3)) {
		/* Another one instead of the actor's own; or the same by another number. */
		old = c->session;
		c->session = one_in(&c->rng, 2) ? dup(old) : session_new(c, OWN_RIGHTS);
		CHECK(c, c->session >= 0, "dup: %s", strerror(errno));
		close(old);
		return;
	}
	fd = session_new(c, rights);
	trace(c, OP_SESSION, rights, 0, 0, fd);
	copy = dup(fd);
	close(fd);
	for (i = 0; i < ARRAY_SIZE(needs); i++) {
		if (!(rights & needs[i].right))
			refused(c, EPERM, copy, needs[i].request, 0);
		else if (needs[i].right != KVM_DP_RIGHT_FREEZE)
			refused(c, EFAULT, copy, needs[i].request, 0);
	}
	refused(c, ENOTTY, copy, KVM_DP_CREATE_SESSION, 0);
	if (!(rights & KVM_DP_RIGHT_EVENTS))
		CHECK(c, read(copy, c->buf, PAGE) == -1 && errno == EPERM, "read");
	close(copy);
}

void check_event(struct ctx *c, const struct kvm_dp_event *event)
{
	const uint32_t flags = KVM_DP_EVENT_WRITE | KVM_DP_EVENT_EXEC |
			       KVM_DP_EVENT_PRIVATE | KVM_DP_EVENT_KVM;

	trace(c, OP_EVENT, event->flags, event->gfn - BASE_GFN, event->vcpu_id, 0);
	CHECK(c, event->gfn >= BASE_GFN && event->gfn < CLOCK_GFN + MAX_VCPUS &&
	      event->vcpu_id < world->n_vcpus && !(event->flags & ~flags),
	      "event: page %lld, flags %#x, vCPU %u", event->gfn - BASE_GFN,
	      event->flags, event->vcpu_id);
	CHECK(c, world->wait_mode, "an event in exit mode");
}

/* Reads events and drops them: they must be reported to another. */
void op_drop(struct ctx *c, int r)
{
	int fd = session_new(c, KVM_DP_RIGHT_EVENTS), n, i;
	struct kvm_dp_event events[4];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	fcntl(fd, F_SETFL, O_NONBLOCK);
	do {
		n = poll(&pfd, 1, 0);
	} while (n < 0 && errno == EINTR);
	CHECK(c, n >= 0 && !(pfd.revents & ~(POLLIN | POLLHUP)), "poll: %#x", pfd.revents);
	CHECK(c, read(fd, events, sizeof(events[0]) - 1) == -1 && errno == EINVAL,
	      "short read: %s", strerror(errno));
	if (one_in(&c->rng, 4)) {
		n = read(fd, c->buf + N_BUF * WORDS, PAGE);
		CHECK(c, n == -1 && (errno == EAGAIN || errno == EFAULT),
		      "read to nowhere: %d, %s", n, strerror(errno));
	}
	n = read(fd, events, sizeof(events) - rnd(&c->rng, 3 * sizeof(events[0])));
	CHECK(c, n > 0 ? !(n % sizeof(events[0])) : errno == EAGAIN,
	      "read: %d, %s", n, strerror(errno));
	for (i = 0; n > 0 && i < n / sizeof(events[0]); i++)
		check_event(c, &events[i]);
	close(fd);
}

/* Whatever changes or runs the VM must be refused; its memory can be read. */
static void while_frozen(struct ctx *c, int r)
{
	struct kvm_dp_mark m = {
		.gfn = BASE_GFN + world->regions[r].start, .n_pages = 1,
		.flags = one_in(&c->rng, 2) ? KVM_DP_MARK_MISSING : KVM_DP_MARK_PRESENT,
	};
	struct kvm_dp_discard d = { .gfn = m.gfn, .n_pages = 1, .flags = m.flags & 1 };
	struct kvm_dp_vec v = { .gfn = m.gfn, .n_pages = 1, .flags = KVM_DP_VEC_ZERO };
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)&v, .n_vecs = 1 };
	struct kvm_dp_poison p = {
		.gfn = m.gfn, .n_pages = 1, .flags = 1 + rnd(&c->rng, 2),
	};
	struct kvm_dp_query q = {};
	int i;

	refused(c, EALREADY, any_fd(c), KVM_DP_FREEZE, 0);
	refused(c, EBUSY, any_fd(c), KVM_DP_MARK, &m);
	refused(c, EBUSY, c->session, KVM_DP_DISCARD, &d);
	refused(c, EBUSY, c->session, KVM_DP_POPULATE, &t);
	refused(c, EBUSY, any_fd(c), KVM_DP_POISON, &p);
	CHECK(c, !v.n_done && !v.n_skipped, "populated while frozen");
	CHECK_EQ(c, "query", dp_call(c, any_fd(c), KVM_DP_QUERY, &q), 0);
	CHECK_EQ(c, "status", q.status, KVM_DP_STATUS_FROZEN);
	CHECK_EQ(c, "waiters", q.n_waiters, 0);
	if (c->vcpu)
		CHECK(c, __vcpu_run(c->vcpu) == -1 && errno == EBUSY,
		      "KVM_RUN: %s", strerror(errno));
	for (i = 0; i < 4; i++)
		extract(c, r);
	query_compare(c, r, world->regions[r].start, world->regions[r].n,
		      KVM_DP_QUERY_MISSING);
	query_compare(c, r, world->regions[r].start, world->regions[r].n,
		      KVM_DP_QUERY_POISONED);
}

static void kick(int i)
{
	pid_t thread = load(&world->vcpu_threads[i]);

	if (thread)
		syscall(SYS_tgkill, world->vmm, thread, SIGUSR1);
}

void op_freeze(struct ctx *c, int r)
{
	uint32_t zero = 0;
	int i, tries, ret = -EBUSY;

	if (!__atomic_compare_exchange_n(&world->freezer, &zero, c->actor + 1, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	/* Without asking, it works only while all happen to be out of KVM_RUN. */
	tries = one_in(&c->rng, 4) ? 1 : 10;
	store(&world->hold, tries > 1);
	add(&world->freezes_begun, 1);
	while (tries-- && ret == -EBUSY) {
		for (i = 0; load(&world->hold) && i < world->n_vcpus; i++) {
			if (i != c->actor)
				kick(i);
		}
		ret = dp_call(c, any_fd(c), KVM_DP_FREEZE, 0);
		if (ret == -EBUSY)
			usleep(200);
	}
	trace(c, OP_FREEZE, 0, 0, 0, ret);
	CHECK(c, !ret || (ret == -EBUSY && world->n_vcpus > !!c->vcpu),
	      "freeze: %d", ret);
	if (!ret) {
		while_frozen(c, r);
		CHECK_EQ(c, "thaw", dp_call(c, any_fd(c), KVM_DP_THAW, 0), 0);
	}
	add(&world->freezes_ended, 1);
	store(&world->hold, false);
	store(&world->freezer, 0);
}

static int slot_set(struct ctx *c, int slot, uint64_t gfn, int n, int gmem)
{
	int flags = gmem >= 0 ? KVM_MEM_GUEST_MEMFD : 0;

	return __vm_set_user_memory_region2(c->vm, slot, flags, gfn * PAGE, n * PAGE,
					    shared_mem + N_PAGES * WORDS,
					    gmem >= 0 ? gmem : 0, 0) ? -errno : 0;
}

/* A memslot of this actor's own comes and goes; presence does not care. */
void op_slots(struct ctx *c, int r)
{
	uint64_t gfn = SCRATCH_GFN + c->actor * (SCRATCH_PAGES * 2 + 5);
	int slot = 20 + c->actor, n = 1 + rnd(&c->rng, SCRATCH_PAGES), gmem;
	struct kvm_dp_mark m = {
		.gfn = gfn, .n_pages = n, .flags = KVM_DP_MARK_MISSING,
	};
	struct kvm_dp_vec v = { .gfn = gfn, .n_pages = n, .flags = KVM_DP_VEC_ZERO };
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)&v, .n_vecs = 1 };
	struct kvm_memory_attributes attrs = {
		.address = gfn * PAGE, .size = n * PAGE,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};

	trace(c, OP_SLOTS, slot, gfn, n, 0);
	CHECK_EQ(c, "mark", dp_call(c, any_fd(c), KVM_DP_MARK, &m), 0);
	CHECK_EQ(c, "n_changed", m.n_changed, n);
	CHECK_EQ(c, "populate", dp_call(c, c->session, KVM_DP_POPULATE, &t), -EIO);
	CHECK_EQ(c, "populate", v.result, KVM_DP_NOT_GMEM);

	if (one_in(&c->rng, 2)) {
		/* Of shared memory: cannot be moved; is not populated. */
		CHECK_EQ(c, "slot", slot_set(c, slot, gfn, n, -1), 0);
		CHECK_EQ(c, "move", slot_set(c, slot, gfn + SCRATCH_PAGES, n, -1), -EBUSY);
		CHECK_EQ(c, "populate", dp_call(c, c->session, KVM_DP_POPULATE, &t), -EIO);
		CHECK_EQ(c, "populate", v.result, KVM_DP_NOT_GMEM);
		CHECK_EQ(c, "delete", slot_set(c, slot, gfn, 0, -1), 0);
	} else {
		gmem = __vm_create_guest_memfd(c->vm, n * PAGE, 0);
		CHECK(c, gmem >= 0, "guest_memfd: %s", strerror(errno));
		CHECK_EQ(c, "slot", slot_set(c, slot, gfn, n, gmem), 0);
		CHECK_EQ(c, "attributes",
			 dp_call(c, c->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs), 0);
		m.flags = KVM_DP_MARK_PRESENT;
		CHECK_EQ(c, "present", dp_call(c, any_fd(c), KVM_DP_MARK, &m), -EINVAL);
		v.n_pages = 1 + rnd(&c->rng, n);
		CHECK_EQ(c, "populate", dp_call(c, c->session, KVM_DP_POPULATE, &t), 0);
		CHECK_EQ(c, "n_skipped", v.n_skipped, 0);
		CHECK_EQ(c, "delete", slot_set(c, slot, gfn, 0, gmem), 0);
		close(gmem);
		attrs.attributes = 0;
		CHECK_EQ(c, "attributes",
			 dp_call(c, c->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs), 0);
		n -= v.n_pages;
	}
	m.flags = KVM_DP_MARK_PRESENT;
	CHECK_EQ(c, "present", dp_call(c, any_fd(c), KVM_DP_MARK, &m), 0);
	CHECK_EQ(c, "n_changed", m.n_changed, n);
}

void op_immediate(struct ctx *c, int r)
{
	uint64_t ended = load(&world->freezes_ended);

	WRITE_ONCE(c->vcpu->run->immediate_exit, 1);
	CHECK(c, __vcpu_run(c->vcpu) == -1 &&
	      (errno == EINTR || (errno == EBUSY && load(&world->freezes_begun) != ended)),
	      "immediate exit: %s", strerror(errno));
	WRITE_ONCE(c->vcpu->run->immediate_exit, 0);
}

void op_kick(struct ctx *c, int r)
{
	kick(rnd(&c->rng, world->n_vcpus));
}

/* KVM itself writes to a page that comes and goes as well. */
void op_clock(struct ctx *c, int r)
{
	uint64_t gfn = CLOCK_GFN + c->actor;
	struct kvm_dp_discard d = {
		.gfn = gfn, .n_pages = 1, .flags = KVM_DP_DISCARD_EVICT,
	};
	struct kvm_dp_mark m = {
		.gfn = gfn, .n_pages = 1, .flags = KVM_DP_MARK_MISSING,
	};
	int what = rnd(&c->rng, 4), ret;

	trace(c, OP_CLOCK, what, gfn, 1, 0);
	if (what == 0) {
		do {
			ret = dp_call(c, c->session, KVM_DP_DISCARD, &d);
		} while (world->huge && ret == -EAGAIN);
		CHECK_EQ(c, "evict", ret, 0);
	} else if (what == 1) {
		CHECK_EQ(c, "mark", dp_call(c, any_fd(c), KVM_DP_MARK, &m), 0);
	} else {
		c->clock_on = what == 2;
		vcpu_set_msr(c->vcpu, MSR_KVM_SYSTEM_TIME_NEW,
			     gfn * PAGE + 32 * rnd(&c->rng, 8) + c->clock_on);
	}
}
