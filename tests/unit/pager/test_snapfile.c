// SPDX-License-Identifier: MIT
/* A snapshot file: written, read, and altered in every way that is found here. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "check.h"
#include "snapfile_rig.h"

static void expect_refusal(struct snapfile_rig *rig, int status, const char *sentence)
{
	struct snapfile_reader *reader = NULL;
	const int r = snapfile_rig_open(rig, &reader);

	if (r != status)
		fprintf(stderr, "\n    %d and not %d: %s", r, status, rig->error);
	CU_ASSERT_EQUAL(r, status);
	CU_ASSERT_EQUAL(reader == NULL, status < 0);
	snapfile_reader_free(reader);
	if (r < 0)
		CHECK_CONTAINS(rig->error, sentence);
}

static void test_round_trip(void)
{
	uint8_t page[GMEM_PAGE_SIZE], *read = malloc(100 * GMEM_PAGE_SIZE);
	struct snapfile_reader *reader = NULL;
	struct snapfile_rig rig;
	uint64_t i, k;
	struct stat st;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	CU_ASSERT_FALSE(snapfile_rig_exists(&rig, FILE_PARTIAL));
	CU_ASSERT_EQUAL(stat(rig.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL_FATAL(snapfile_rig_open(&rig, &reader), 0);
	CU_ASSERT_EQUAL(memcmp(snapfile_reader_root(reader), rig.root, SNAPFILE_ROOT_LEN), 0);
	CU_ASSERT_FALSE(snapfile_reader_may_be_old(reader));
	CU_ASSERT_TRUE(states_equal(snapfile_reader_states(reader), &rig.states));
	CU_ASSERT_TRUE(manifest_same_regions(snapfile_reader_manifest(reader), rig.manifest));
	for (i = 0; i < RIG_PAGES; i++)
		if (manifest_kind(snapfile_reader_manifest(reader), i) != manifest_kind(rig.manifest, i))
			CU_FAIL("a kind differs");
	/* Runs that cross chunks, then page by page from the end: each slot is used again and again. */
	for (i = 0; i + 100 <= RIG_PAGES; i += 37) {
		CU_ASSERT_EQUAL(snapfile_reader_pages(reader, i, 100, read, rig.error), 0);
		for (k = 0; k < 100; k++) {
			snapfile_rig_page(i + k, page);
			if (memcmp(page, read + k * GMEM_PAGE_SIZE, GMEM_PAGE_SIZE) != 0)
				CU_FAIL("a page differs");
		}
	}
	for (i = RIG_PAGES; i-- > 0; ) {
		snapfile_rig_page(i, page);
		if (snapfile_reader_pages(reader, i, 1, read, rig.error) != 0 || memcmp(page, read, sizeof(page)) != 0)
			CU_FAIL("a page differs");
	}
	CU_ASSERT_EQUAL(snapfile_reader_pages(reader, RIG_PAGES, 1, read, rig.error), -EINVAL);
	CU_ASSERT_EQUAL(snapfile_reader_pages(reader, RIG_PAGES - 1, 2, read, rig.error), -EINVAL);
	snapfile_reader_free(reader);
	snapfile_rig_fini(&rig);
	free(read);
}

/* No plaintext of pages or states is in the file, and two files of one VM have nothing in common but the header. */
static void test_sealed(void)
{
	uint8_t page[GMEM_PAGE_SIZE], *one, *two, state[64];
	struct snapfile_rig rig;
	size_t len, len_two, i, n_same = 0;
	uint64_t index;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	one = snapfile_rig_load(&rig, &len);
	for (index = 0; index < RIG_PAGES; index++)
		if (snapfile_rig_page(index, page))
			CU_ASSERT_PTR_NULL(memmem(one, len, page, 32));
	memset(state, 5, sizeof(state));
	CU_ASSERT_PTR_NULL(memmem(one, len, state, sizeof(state)));
	CU_ASSERT_PTR_NULL(memmem(one, len, "vcpu0.regs", 10));
	snapfile_rig_write(&rig);
	two = snapfile_rig_load(&rig, &len_two);
	CU_ASSERT_EQUAL_FATAL(len, len_two);
	for (i = SNAPFILE_HEADER_LEN; i < len - SNAPFILE_TRAILER_LEN; i++)
		n_same += one[i] == two[i];
	CU_ASSERT_TRUE(n_same < len / 100);	/* 1 of 256 is by chance */
	free(one);
	free(two);
	snapfile_rig_fini(&rig);
}

static void test_whose(void)
{
	struct attest_keypair *other = NULL;
	struct snapfile_rig rig;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&other), 0);
	rig.wanted.recipient = other;
	expect_refusal(&rig, -EACCES, "is for another recipient than this host's --key");
	rig.wanted.recipient = rig.recipient_key;
	rig.wanted.writer[0] ^= 1;
	expect_refusal(&rig, -EACCES, "was written by another host than --snapshot-writer names");
	rig.wanted.writer[0] ^= 1;
	rig.wanted.vm_id[31] ^= 1;
	expect_refusal(&rig, -EACCES, "is of another VM than --vm-id or the ticket names");
	rig.wanted.vm_id[31] ^= 1;
	expect_refusal(&rig, 0, "");
	attest_keypair_free(other);
	snapfile_rig_fini(&rig);
}

/* Somebody who has the recipient's public key and no secret one writes in the writer's name. */
static void test_forged_writer(void)
{
	struct snapfile_rig rig;
	size_t len;
	uint8_t *bytes;

	snapfile_rig_init(&rig);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&rig.writer_key), 0);	/* wanted.writer stays the first one */
	snapfile_rig_write(&rig);
	expect_refusal(&rig, -EACCES, "was written by another host");
	bytes = snapfile_rig_load(&rig, &len);
	memcpy(bytes + 88, rig.wanted.writer, ATTEST_KEY_LEN);
	snapfile_rig_store(&rig, bytes, len);
	expect_refusal(&rig, -EBADMSG, "was altered: its header is not what its writer wrote");
	free(bytes);
	snapfile_rig_fini(&rig);
}

static void test_rollback(void)
{
	struct snapfile_reader *reader = NULL;
	struct snapfile_rig rig;

	snapfile_rig_init(&rig);
	rig.header.incarnation = 7;
	snapfile_rig_write(&rig);
	rig.wanted.root[0] ^= 1;
	expect_refusal(&rig, -EACCES, "is not the one that --snapshot-root names");
	rig.wanted.allow_rollback = true;	/* a root that was named counts all the same */
	expect_refusal(&rig, -EACCES, "is not the one that --snapshot-root names");
	rig.wanted.allow_rollback = rig.wanted.has_root = false;
	expect_refusal(&rig, -EACCES, "may be an older one than the last: name it with --snapshot-root");
	rig.wanted.incarnation = 7;
	expect_refusal(&rig, -EACCES, "the ticket's incarnation does not follow the snapshot's by 1");
	rig.wanted.incarnation = 9;
	expect_refusal(&rig, -EACCES, "the ticket's incarnation does not follow the snapshot's by 1");
	rig.wanted.incarnation = 8;
	CU_ASSERT_EQUAL_FATAL(snapfile_rig_open(&rig, &reader), 0);
	CU_ASSERT_FALSE(snapfile_reader_may_be_old(reader));
	snapfile_reader_free(reader);
	rig.wanted.incarnation = 9;
	rig.wanted.allow_rollback = true;
	CU_ASSERT_EQUAL_FATAL(snapfile_rig_open(&rig, &reader), 0);
	CU_ASSERT_TRUE(snapfile_reader_may_be_old(reader));
	snapfile_reader_free(reader);
	snapfile_rig_fini(&rig);
}

static void test_header_fields(void)
{
	static const struct { size_t off; const char *sentence; } fields[] = {
		{ 0, "is no snapshot that gmem-source has written" }, { 8, "is a snapshot of another version" },
		{ 12, "is sealed by a suite that is not known here" }, { 16, "chunks or pages of another length" },
		{ 20, "chunks or pages of another length" }, { 31, "names no number of pages" },
		{ 24, "was altered" }, { 32, "was altered" }, { 40, "was altered" }, { 56, "is of another VM" },
		{ 88, "was written by another host" }, { 120, "is for another recipient" }, { 152, "was altered" },
		{ 184, "was altered" }, { 232, "in the part of its header that is kept free" },
		{ SNAPFILE_HEADER_LEN - 1, "in the part of its header that is kept free" },
	};
	struct snapfile_reader *reader = NULL;
	struct snapfile_rig rig;
	uint8_t *bytes;
	size_t len, i;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	bytes = snapfile_rig_load(&rig, &len);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		bytes[fields[i].off] ^= 0x55;
		snapfile_rig_store(&rig, bytes, len);
		CU_ASSERT_TRUE(snapfile_rig_open(&rig, &reader) < 0);
		CHECK_CONTAINS(rig.error, fields[i].sentence);
		bytes[fields[i].off] ^= 0x55;
	}
	free(bytes);
	snapfile_rig_fini(&rig);
}

static void test_trailer_fields(void)
{
	static const struct { size_t off; const char *sentence; } fields[] = {
		{ 0, "is cut short" }, { 8, "index that is not where its trailer says" },
		{ 15, "index that is not where its trailer says" }, { 16, "index that is not where its trailer says" },
		{ 23, "index that is not where its trailer says" }, { 24, "is cut short" }, { 32, "was altered" },
		{ 48, "was altered" },
	};
	struct snapfile_reader *reader = NULL;
	struct snapfile_rig rig;
	uint8_t *bytes;
	size_t len, i;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	bytes = snapfile_rig_load(&rig, &len);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint8_t *at = bytes + len - SNAPFILE_TRAILER_LEN + fields[i].off;

		*at ^= 0x55;
		snapfile_rig_store(&rig, bytes, len);
		CU_ASSERT_EQUAL(snapfile_rig_open(&rig, &reader), -EBADMSG);
		CHECK_CONTAINS(rig.error, fields[i].sentence);
		*at ^= 0x55;
	}
	snapfile_rig_store(&rig, bytes, len);
	bytes = realloc(bytes, len + 1);
	bytes[len] = 0;
	snapfile_rig_store(&rig, bytes, len + 1);
	expect_refusal(&rig, -EBADMSG, "is cut short, or something is behind its end");
	free(bytes);
	snapfile_rig_fini(&rig);
}

/* Every length where something begins or ends, and some within pages and states. */
static void test_cut_short(void)
{
	const size_t pages_end = SNAPFILE_HEADER_LEN + snapfile_rig_page_bytes();
	struct snapfile_reader *reader = NULL;
	struct snapfile_rig rig;
	unsigned int n_taken = 0;
	size_t len, i;
	uint8_t *bytes;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	bytes = snapfile_rig_load(&rig, &len);
	free(bytes);
	for (i = len; i-- > 0; ) {
		if (i > SNAPFILE_HEADER_LEN + 100 && i < pages_end + 70000 && i % 977 != 0)
			continue;
		CU_ASSERT_EQUAL_FATAL(truncate(rig.path, (off_t)i), 0);
		if (snapfile_rig_open(&rig, &reader) != -EBADMSG || strstr(rig.error, "is cut short") == NULL)
			n_taken++;
	}
	CU_ASSERT_EQUAL(n_taken, 0);
	snapfile_rig_fini(&rig);
}

/* With a root that the operator names or without one: nothing of it decides whether a flipped bit is seen. */
static void flip_all(struct snapfile_rig *rig, uint8_t *bytes, size_t from, size_t to, size_t step)
{
	struct snapfile_reader *reader = NULL;
	unsigned int n_taken = 0;
	int fd = open(rig->path, O_WRONLY | O_CLOEXEC);
	size_t i;

	for (i = from; i < to; i += step) {
		const uint8_t flipped = bytes[i] ^ (uint8_t)(1u << (i % 8));

		CU_ASSERT_EQUAL_FATAL(pwrite(fd, &flipped, 1, (off_t)i), 1);
		n_taken += snapfile_rig_open(rig, &reader) == 0;
		CU_ASSERT_EQUAL_FATAL(pwrite(fd, &bytes[i], 1, (off_t)i), 1);
	}
	close(fd);
	CU_ASSERT_EQUAL(n_taken, 0);
}

static void test_flipped(void)
{
	const size_t pages_end = SNAPFILE_HEADER_LEN + snapfile_rig_page_bytes();
	struct snapfile_rig rig;
	uint8_t *bytes;
	size_t len;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	bytes = snapfile_rig_load(&rig, &len);
	rig.wanted.has_root = false;
	rig.wanted.allow_rollback = true;
	expect_refusal(&rig, 0, "");
	flip_all(&rig, bytes, 0, 240, 1);
	flip_all(&rig, bytes, 240, SNAPFILE_HEADER_LEN, 61);
	flip_all(&rig, bytes, pages_end, pages_end + 70000, 331);	/* states */
	flip_all(&rig, bytes, pages_end + 70000, len, 1);
	expect_refusal(&rig, 0, "");
	free(bytes);
	snapfile_rig_fini(&rig);
}

/* A chunk is found altered when one of its pages is wanted, by name; what is in others is not held back. */
static void test_flipped_page(void)
{
	uint8_t page[GMEM_PAGE_SIZE], read[GMEM_PAGE_SIZE], *bytes;
	struct snapfile_reader *reader = NULL;
	struct snapfile_rig rig;
	size_t len;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	bytes = snapfile_rig_load(&rig, &len);
	bytes[SNAPFILE_HEADER_LEN + 5000] ^= 1;
	snapfile_rig_store(&rig, bytes, len);
	CU_ASSERT_EQUAL_FATAL(snapfile_rig_open(&rig, &reader), 0);
	CU_ASSERT_EQUAL(snapfile_reader_pages(reader, 40, 1, read, rig.error), -EBADMSG);
	CHECK_CONTAINS(rig.error, "page 40: the chunk at byte 4096 of the snapshot was altered");
	CU_ASSERT_EQUAL(snapfile_reader_pages(reader, 40, 1, read, NULL), -EBADMSG);
	CU_ASSERT_EQUAL(snapfile_reader_pages(reader, 130, 1, read, rig.error), 0);
	snapfile_rig_page(130, page);
	CU_ASSERT_EQUAL(memcmp(page, read, sizeof(page)), 0);
	CU_ASSERT_EQUAL(truncate(rig.path, SNAPFILE_HEADER_LEN + 6000), 0);
	CU_ASSERT_EQUAL(snapfile_reader_pages(reader, 0, 1, read, rig.error), -EIO);
	CHECK_CONTAINS(rig.error, "page 0: the chunk at byte 4096 of the snapshot cannot be read");
	snapfile_reader_free(reader);
	free(bytes);
	snapfile_rig_fini(&rig);
}

/* Two chunks of one length have changed places. */
static void test_swapped_chunks(void)
{
	uint8_t page[GMEM_PAGE_SIZE], read[GMEM_PAGE_SIZE], *bytes, *swap;
	struct snapfile_reader *reader = NULL;
	uint64_t i, lens[RIG_PAGES / SNAPFILE_PAGES + 1] = { 0 };
	struct snapfile_rig rig;
	size_t len, n;

	for (i = 0; i < RIG_PAGES; i++)
		lens[i / SNAPFILE_PAGES] += snapfile_rig_page(i, page) ? GMEM_PAGE_SIZE : 0;
	n = lens[0] < lens[2] ? lens[0] : lens[2];
	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	bytes = snapfile_rig_load(&rig, &len);
	swap = malloc(n);
	memcpy(swap, bytes + SNAPFILE_HEADER_LEN, n);
	memcpy(bytes + SNAPFILE_HEADER_LEN, bytes + SNAPFILE_HEADER_LEN + lens[0], n);
	memcpy(bytes + SNAPFILE_HEADER_LEN + lens[0], swap, n);
	snapfile_rig_store(&rig, bytes, len);
	CU_ASSERT_EQUAL_FATAL(snapfile_rig_open(&rig, &reader), 0);
	CU_ASSERT_EQUAL(snapfile_reader_pages(reader, 1, 1, read, rig.error), -EBADMSG);
	CU_ASSERT_EQUAL(snapfile_reader_pages(reader, 130, 1, read, rig.error), -EBADMSG);
	snapfile_reader_free(reader);
	free(swap);
	free(bytes);
	snapfile_rig_fini(&rig);
}

struct hammer {
	struct snapfile_reader *reader;
	uint64_t seed;
	unsigned int n_wrong;
};

static void *hammer_thread(void *arg)
{
	uint8_t page[GMEM_PAGE_SIZE], read[GMEM_PAGE_SIZE];
	struct hammer *hammer = arg;
	unsigned int i;

	for (i = 0; i < 2000; i++) {
		const uint64_t index = (hammer->seed + i * 61u) % RIG_PAGES;

		snapfile_rig_page(index, page);
		if (snapfile_reader_pages(hammer->reader, index, 1, read, NULL) != 0 ||
		    memcmp(page, read, sizeof(page)) != 0)
			hammer->n_wrong++;
	}
	return NULL;
}

static void test_threads(void)
{
	struct snapfile_reader *reader = NULL;
	struct hammer hammers[4];
	struct snapfile_rig rig;
	pthread_t threads[4];
	unsigned int i;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	CU_ASSERT_EQUAL_FATAL(snapfile_rig_open(&rig, &reader), 0);
	for (i = 0; i < 4; i++) {
		hammers[i] = (struct hammer){ .reader = reader, .seed = i * 50u };
		pthread_create(&threads[i], NULL, hammer_thread, &hammers[i]);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(hammers[i].n_wrong, 0);
	}
	snapfile_reader_free(reader);
	snapfile_rig_fini(&rig);
}

static void test_no_file(void)
{
	struct snapfile_rig rig;

	snapfile_rig_init(&rig);
	expect_refusal(&rig, -ENOENT, "cannot open the snapshot");
	CU_ASSERT_EQUAL(mkdir(rig.path, 0700), 0);
	expect_refusal(&rig, -EINVAL, "it is no file");
	CU_ASSERT_EQUAL(rmdir(rig.path), 0);
	snapfile_rig_store(&rig, (const uint8_t *)"", 0);
	expect_refusal(&rig, -EBADMSG, "is cut short");
	snapfile_rig_fini(&rig);
}

static const struct check checks[] = {
	{ "round trip", test_round_trip },
	{ "sealed", test_sealed },
	{ "whose it is", test_whose },
	{ "forged writer", test_forged_writer },
	{ "rollback", test_rollback },
	{ "each field of the header", test_header_fields },
	{ "each field of the trailer", test_trailer_fields },
	{ "cut short", test_cut_short },
	{ "flipped bits", test_flipped },
	{ "flipped bit in a page", test_flipped_page },
	{ "swapped chunks", test_swapped_chunks },
	{ "threads", test_threads },
	{ "no file", test_no_file },
	{ NULL, NULL },
};

CHECK_MAIN("snapshot file", checks)
