// SPDX-License-Identifier: MIT
/* Pages into the body of a record and out of it: kinds, zeros, what is present. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"
#include "duo.h"
#include "messages.h"
#include "secmem.h"

static struct duo duo;
static struct guest *from, *to;
static struct manifest *manifest;
static struct guest_counts counts;
static uint8_t *body;
static uint32_t body_len;
static char error[GUEST_ERROR_LEN];

static void setup(void)
{
	duo_init(&duo, 64, 16);
	CU_ASSERT_EQUAL_FATAL(guest_new(fake_vm_session(&duo.source_vm), duo.source_regions, 2, false, &from, error,
					sizeof(error)), 0);
	CU_ASSERT_EQUAL_FATAL(guest_new(fake_vm_session(&duo.pager_vm), duo.pager_regions, 2, true, &to, error,
					sizeof(error)), 0);
	CU_ASSERT_EQUAL(duo.source_vm.backend.ops->freeze(&duo.source_vm.backend), 0);
	CU_ASSERT_EQUAL_FATAL(guest_survey(from, &manifest, error, sizeof(error)), 0);
	body = secmem_alloc(PAGES_BODY_MAX(BULK_MAX_RUN));
	memset(&counts, 0, sizeof(counts));
}

static void teardown(void)
{
	secmem_free(body);
	manifest_free(manifest);
	guest_free(from);
	guest_free(to);
	duo_fini(&duo);
}

static int fill(uint64_t gfn, uint32_t n)
{
	return guest_fill(to, manifest, gfn, n, body, body_len, &counts, error, sizeof(error));
}

/* GFN 0 to 31: every 3rd a hole, every 7th zero though backed. */
static void test_zero_pages_carry_no_data(void)
{
	uint32_t i, n_zero = 0;

	setup();
	CU_ASSERT_EQUAL(guest_read(from, manifest, 0, 64, body, &body_len), 0);
	for (i = 0; i < 64; i++)
		n_zero += body[i] == ATTEST_PAGE_ZERO;
	CU_ASSERT_EQUAL(body[7], ATTEST_PAGE_ZERO);
	CU_ASSERT_EQUAL(body[3], ATTEST_PAGE_ZERO);
	CU_ASSERT_EQUAL(body[1], ATTEST_PAGE_DATA);
	CU_ASSERT_EQUAL(body_len, 64 + (64 - n_zero) * FAKE_PAGE);
	CU_ASSERT_EQUAL(fill(0, 64), 0);
	CU_ASSERT_EQUAL(counts.n_new, 64);
	CU_ASSERT_EQUAL(counts.n_zero, n_zero);
	CU_ASSERT_EQUAL(memcmp(duo.source_vm.pages, duo.pager_vm.pages, 64 * FAKE_PAGE), 0);
	teardown();
}

static void test_shared_pages(void)
{
	setup();
	CU_ASSERT_EQUAL(guest_read(from, manifest, 64, 16, body, &body_len), 0);
	CU_ASSERT_EQUAL(body[0], ATTEST_PAGE_DATA | ATTEST_PAGE_SHARED);
	CU_ASSERT_EQUAL(body[6], ATTEST_PAGE_ZERO | ATTEST_PAGE_SHARED);	/* GFN 70 */
	CU_ASSERT_EQUAL(fill(64, 16), 0);
	CU_ASSERT_EQUAL(counts.n_shared, 16);
	CU_ASSERT_EQUAL(memcmp(fake_vm_page(&duo.source_vm, 64), fake_vm_page(&duo.pager_vm, 64), 16 * FAKE_PAGE), 0);
	teardown();
}

static void test_present_pages_stay(void)
{
	const uint64_t gfns[2] = { 2, 66 };
	int i;

	setup();
	for (i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(guest_read(from, manifest, gfns[i], 1, body, &body_len), 0);
		CU_ASSERT_EQUAL(fill(gfns[i], 1), 0);
		memset(fake_vm_page(&duo.pager_vm, gfns[i]), 0x42, FAKE_PAGE);	/* the guest wrote to it */
		CU_ASSERT_EQUAL(fill(gfns[i], 1), 0);
		CU_ASSERT_EQUAL(counts.n_duplicate, (uint64_t)i + 1);
		CU_ASSERT_EQUAL(fake_vm_page(&duo.pager_vm, gfns[i])[100], 0x42);
	}
	CU_ASSERT_EQUAL(counts.n_new, 2);
	CU_ASSERT_EQUAL(duo.pager_vm.n_rewritten, 0);
	teardown();
}

static void test_bodies_that_are_refused(void)
{
	setup();
	CU_ASSERT_EQUAL(guest_read(from, manifest, 0, 4, body, &body_len), 0);
	body_len--;
	CU_ASSERT_EQUAL(fill(0, 4), -EPROTO);			/* data too short */
	body_len += 2;
	CU_ASSERT_EQUAL(fill(0, 4), -EPROTO);			/* too long */
	body_len--;
	CU_ASSERT_EQUAL(fill(62, 4), -EPROTO);			/* across two regions */
	CU_ASSERT_EQUAL(fill(500, 4), -EPROTO);			/* nowhere */
	CU_ASSERT_EQUAL(fill(0, 0), -EPROTO);
	body[0] = 0;
	CU_ASSERT_EQUAL(fill(0, 4), -EPROTO);			/* no such kind */
	body[0] = ATTEST_PAGE_ZERO | ATTEST_PAGE_SHARED;
	CU_ASSERT_EQUAL(fill(0, 4), -EPROTO);			/* private in the manifest */
	body[0] = ATTEST_PAGE_DATA;
	body_len += FAKE_PAGE;
	CU_ASSERT_EQUAL(fill(0, 4), -EPROTO);			/* data for a hole */
	CHECK_CONTAINS(error, "manifest");
	CU_ASSERT_EQUAL(counts.n_new, 0);
	CU_ASSERT_EQUAL(fake_vm_count_missing(&duo.pager_vm), 80);
	teardown();
}

static void test_conversion_needs_a_running_guest(void)
{
	setup();
	fake_vm_set_private(&duo.pager_vm, 40, false);
	CU_ASSERT_EQUAL(guest_read(from, manifest, 38, 4, body, &body_len), 0);
	CU_ASSERT_EQUAL(fill(38, 4), -EINVAL);
	CHECK_CONTAINS(error, "memory attributes");
	CU_ASSERT_TRUE(fake_vm_is_missing(&duo.pager_vm, 40));
	atomic_store(&to->may_convert, true);
	CU_ASSERT_EQUAL(fill(38, 4), 0);
	CU_ASSERT_EQUAL(counts.n_converted, 1);
	CU_ASSERT_FALSE(fake_vm_is_missing(&duo.pager_vm, 40));
	CU_ASSERT_FALSE(fake_vm_is_missing(&duo.pager_vm, 41));
	/* Once more: all four are there, converted or not. */
	counts = (struct guest_counts){ 0 };
	CU_ASSERT_EQUAL(fill(38, 4), 0);
	CU_ASSERT_EQUAL(counts.n_new, 0);
	CU_ASSERT_EQUAL(counts.n_converted, 0);
	CU_ASSERT_EQUAL(counts.n_duplicate, 4);
	CU_ASSERT_EQUAL(duo.pager_vm.n_rewritten, 0);
	teardown();
}

static const struct backend_ops *real_ops;
static uint64_t next_arrival;

/* Pages arrive between two looks, as long as there are some. */
static int query_while_pages_arrive(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
				    uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing)
{
	int r = real_ops->query(backend, set, gfn, n_pages, ret_bitmap, ret_n_set, ret_n_missing);

	if (r == 0 && set == BACKEND_MISSING && next_arrival < 64 + 4)
		r = real_ops->mark_present(backend, next_arrival++, 1);
	return r;
}

/* While state is restored, pages are fetched on demand. */
static void test_pages_arrive_while_kinds_are_checked(void)
{
	struct backend_ops ops;

	setup();
	CU_ASSERT_EQUAL(guest_check_kinds(to, manifest, error, sizeof(error)), 0);
	real_ops = duo.pager_vm.backend.ops;
	ops = *real_ops;
	ops.query = query_while_pages_arrive;
	duo.pager_vm.backend.ops = &ops;
	next_arrival = 64;
	CU_ASSERT_EQUAL(guest_check_kinds(to, manifest, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(next_arrival, 64 + 4);
	/* What is missing beside the regions is found all the same. */
	to->layout->regions[1].n_pages--;
	manifest->regions[1].n_pages--;
	next_arrival = 64;
	CU_ASSERT_EQUAL(guest_check_kinds(to, manifest, error, sizeof(error)), -EINVAL);
	CHECK_CONTAINS(error, "1 GFNs outside");
	to->layout->regions[1].n_pages++;
	manifest->regions[1].n_pages++;
	duo.pager_vm.backend.ops = real_ops;
	teardown();
}

static const uint64_t taken_gfn = 66;
static bool was_held;

/* What gmem_discard() does to a shared page, in the fake VM; false: somebody is filling it. */
static bool vmm_discards(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(taken_gfn * FAKE_PAGE),
			      .l_len = FAKE_PAGE };

	if (fcntl(duo.pager_vm.memfd, F_OFD_SETLK, &lock) < 0)
		return false;
	memset(fake_vm_page(&duo.pager_vm, taken_gfn), 0, FAKE_PAGE);
	CU_ASSERT_EQUAL(real_ops->mark_present(&duo.pager_vm.backend, taken_gfn, 1), 0);
	lock.l_type = F_UNLCK;
	CU_ASSERT_EQUAL(fcntl(duo.pager_vm.memfd, F_OFD_SETLK, &lock), 0);
	memset(fake_vm_page(&duo.pager_vm, taken_gfn), 0x42, FAKE_PAGE);	/* the guest uses it at once */
	return true;
}

/* The VMM takes the page away right after the pager has seen that it is missing. */
static int query_while_vmm_discards(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
				    uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing)
{
	int r = real_ops->query(backend, set, gfn, n_pages, ret_bitmap, ret_n_set, ret_n_missing);

	if (r == 0 && set == BACKEND_MISSING && gfn == taken_gfn && !was_held)
		was_held = !vmm_discards();
	return r;
}

/* A shared page that is discarded while its old content is being written there keeps what came after the discard. */
static void test_discard_of_a_page_under_way(void)
{
	struct backend_ops ops;

	setup();
	real_ops = duo.pager_vm.backend.ops;
	ops = *real_ops;
	ops.query = query_while_vmm_discards;
	duo.pager_vm.backend.ops = &ops;
	was_held = false;
	CU_ASSERT_EQUAL(guest_read(from, manifest, 64, 16, body, &body_len), 0);
	CU_ASSERT_EQUAL(fill(64, 16), 0);
	CU_ASSERT_TRUE(was_held);
	if (was_held)
		CU_ASSERT_TRUE(vmm_discards());		/* it waited for so long */
	CU_ASSERT_EQUAL(fake_vm_page(&duo.pager_vm, taken_gfn)[100], 0x42);
	CU_ASSERT_EQUAL(fill(64, 16), 0);
	CU_ASSERT_EQUAL(fake_vm_page(&duo.pager_vm, taken_gfn)[100], 0x42);
	duo.pager_vm.backend.ops = real_ops;
	teardown();
}

struct holder {
	int fd;
	atomic_bool releases;
};

static void *release_later(void *arg)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	struct holder *holder = arg;
	const struct timespec pause = { .tv_nsec = 50000000 };

	nanosleep(&pause, NULL);
	atomic_store(&holder->releases, true);
	CU_ASSERT_EQUAL(fcntl(holder->fd, F_OFD_SETLK, &lock), 0);
	return NULL;
}

/* Who discards goes first, and the pager waits; but not for a VM that is gone. */
static void test_page_that_the_vmm_holds(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct holder holder = { .releases = false };
	pthread_t thread;

	setup();
	holder.fd = duo.pager_vm.memfd;
	CU_ASSERT_EQUAL(guest_read(from, manifest, 64, 16, body, &body_len), 0);
	CU_ASSERT_EQUAL_FATAL(fcntl(holder.fd, F_OFD_SETLK, &lock), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, release_later, &holder), 0);
	CU_ASSERT_EQUAL(fill(64, 16), 0);
	CU_ASSERT_TRUE(atomic_load(&holder.releases));
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(counts.n_shared, 16);
	CU_ASSERT_EQUAL_FATAL(fcntl(holder.fd, F_OFD_SETLK, &lock), 0);
	fake_vm_kill(&duo.pager_vm);
	CU_ASSERT_EQUAL(fill(64, 16), -ENODEV);
	teardown();
}

static const struct check checks[] = {
	{ "zero pages carry no data", test_zero_pages_carry_no_data },
	{ "shared pages", test_shared_pages },
	{ "present pages stay as they are", test_present_pages_stay },
	{ "bodies that are refused", test_bodies_that_are_refused },
	{ "a conversion needs a running guest", test_conversion_needs_a_running_guest },
	{ "pages arrive while kinds are checked", test_pages_arrive_while_kinds_are_checked },
	{ "a discard of a page that is under way", test_discard_of_a_page_under_way },
	{ "a page that the VMM holds", test_page_that_the_vmm_holds },
	{ NULL, NULL },
};

CHECK_MAIN("copy", checks)
