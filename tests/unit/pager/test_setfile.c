// SPDX-License-Identifier: MIT
/* The file of a working set: written, read, and altered in every way that is found here. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "check.h"
#include "manifest.h"
#include "snapfile_rig.h"
#include "snapshot/setfile.h"

#define WORDS ((RIG_PAGES + 63u) / 64u)
#define SET_LEN (SNAPSET_HEADER_LEN + WORDS * 8u)

struct set_rig {
	struct snapfile_rig snap;
	struct snapfile_reader *reader;
	char path[160], partial[192];
	char error[SETFILE_ERROR_LEN];
};

static void open_snapshot(struct set_rig *rig)
{
	snapfile_rig_write(&rig->snap);
	CU_ASSERT_EQUAL_FATAL(snapfile_rig_open(&rig->snap, &rig->reader), 0);
}

static void init(struct set_rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	snapfile_rig_init(&rig->snap);
	snprintf(rig->path, sizeof(rig->path), "%s/vm.set", rig->snap.dir);
	snprintf(rig->partial, sizeof(rig->partial), "%s" FILE_PARTIAL, rig->path);
	open_snapshot(rig);
}

static void fini(struct set_rig *rig)
{
	CU_ASSERT_TRUE(access(rig->partial, F_OK) < 0);	/* whatever happened */
	unlink(rig->path);
	snapfile_reader_free(rig->reader);
	snapfile_rig_fini(&rig->snap);
}

static void store_map(struct set_rig *rig, const uint64_t map[WORDS])
{
	struct setfile_writer *writer = NULL;

	CU_ASSERT_EQUAL_FATAL(setfile_writer_open(rig->path, &writer, rig->error), 0);
	CU_ASSERT_EQUAL(setfile_writer_write(writer, rig->reader, map, rig->error), 0);
	setfile_writer_free(writer);
}

static int load_map(struct set_rig *rig, uint64_t **ret_map)
{
	int fd = -1, r = setfile_open(rig->path, &fd, rig->error);

	if (r < 0)
		return r;
	r = setfile_read(fd, rig->path, rig->reader, ret_map, rig->error);
	close(fd);
	return r;
}

static void expect_map(struct set_rig *rig, const uint64_t map[WORDS])
{
	uint64_t *read = NULL;

	CU_ASSERT_EQUAL_FATAL(load_map(rig, &read), 0);
	CU_ASSERT_EQUAL(memcmp(read, map, WORDS * 8u), 0);
	free(read);
}

static void expect_refusal(struct set_rig *rig, int status, const char *sentence)
{
	uint64_t *map = NULL;

	CU_ASSERT_EQUAL(load_map(rig, &map), status);
	CU_ASSERT_PTR_NULL(map);
	CHECK_CONTAINS(rig->error, sentence);
	free(map);
}

static void load_bytes(const struct set_rig *rig, uint8_t ret_bytes[SET_LEN + 1])
{
	const int fd = open(rig->path, O_RDONLY | O_CLOEXEC);

	CU_ASSERT_EQUAL_FATAL(read(fd, ret_bytes, SET_LEN + 1), SET_LEN);
	close(fd);
}

static void store_bytes(const struct set_rig *rig, const uint8_t *bytes, size_t len)
{
	const int fd = open(rig->path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static const uint64_t some[WORDS] = { 0xf0f1, 0, 1ull << 63, 0x3ffff };

static void test_round_trip(void)
{
	static const uint64_t none[WORDS] = { 0 }, all[WORDS] = { UINT64_MAX, UINT64_MAX, UINT64_MAX, 0x3ffff };
	struct set_rig rig;
	struct stat st;

	init(&rig);
	store_map(&rig, some);
	CU_ASSERT_EQUAL(stat(rig.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(st.st_size, SET_LEN);
	expect_map(&rig, some);
	store_map(&rig, none);	/* the last one counts, and tells by its length of none */
	CU_ASSERT_EQUAL(stat(rig.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, SET_LEN);
	expect_map(&rig, none);
	store_map(&rig, all);
	expect_map(&rig, all);
	fini(&rig);
}

static void test_sealed(void)
{
	uint8_t one[SET_LEN + 1], two[SET_LEN + 1], plain[WORDS * 8u];
	struct set_rig rig;
	size_t i, n_same = 0;

	init(&rig);
	snapset_map_encode(some, RIG_PAGES, plain);
	store_map(&rig, some);
	load_bytes(&rig, one);
	store_map(&rig, some);
	load_bytes(&rig, two);
	CU_ASSERT_PTR_NULL(memmem(one, SET_LEN, plain, 8));
	CU_ASSERT_PTR_NULL(memmem(one, SET_LEN, plain + 8, 8));
	for (i = SNAPSET_BOUND_LEN - SNAPSET_NONCE_LEN; i < SET_LEN; i++)
		n_same += one[i] == two[i];
	CU_ASSERT_TRUE(n_same < 16);	/* of 72: one set twice is not seen to be one */
	fini(&rig);
}

static void test_another_snapshot(void)
{
	struct set_rig rig;

	init(&rig);
	store_map(&rig, some);
	snapfile_reader_free(rig.reader);
	open_snapshot(&rig);	/* of the same VM, for the same recipient */
	expect_refusal(&rig, -ESTALE, "is of another snapshot: record one of this snapshot, or leave the option out");
	fini(&rig);
}

/* With the root of this one put into it, which anybody can do. */
static void test_passed_off(void)
{
	uint8_t bytes[SET_LEN + 1];
	struct set_rig rig;

	init(&rig);
	store_map(&rig, some);
	snapfile_reader_free(rig.reader);
	open_snapshot(&rig);
	load_bytes(&rig, bytes);
	memcpy(bytes + 24, snapfile_reader_root(rig.reader), SNAPFILE_ROOT_LEN);
	store_bytes(&rig, bytes, SET_LEN);
	expect_refusal(&rig, -EBADMSG, "was altered: it is not what gmem-source has recorded");
	fini(&rig);
}

static void test_fields(void)
{
	static const struct { size_t off; int status; const char *sentence; } fields[] = {
		{ 0, -EBADMSG, "is no working set that gmem-source has written" },
		{ 8, -EBADMSG, "is a working set of another version: record it again" },
		{ 12, -EBADMSG, "is sealed by a suite that is not known here" },
		{ 16, -EBADMSG, "is of a VM of another size than the snapshot's" }, { 17, -EBADMSG, "is cut short" },
		{ 23, -EBADMSG, "names no number of pages" }, { 24, -ESTALE, "is of another snapshot" },
		{ 55, -ESTALE, "is of another snapshot" }, { 56, -EBADMSG, "was altered" }, { 79, -EBADMSG, "was altered" },
		{ 80, -EBADMSG, "was altered" }, { 96, -EBADMSG, "was altered" }, { SET_LEN - 1, -EBADMSG, "was altered" },
	};
	uint8_t bytes[SET_LEN + 1];
	struct set_rig rig;
	size_t i;

	init(&rig);
	store_map(&rig, some);
	load_bytes(&rig, bytes);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		bytes[fields[i].off] ^= 1;
		store_bytes(&rig, bytes, SET_LEN);
		expect_refusal(&rig, fields[i].status, fields[i].sentence);
		bytes[fields[i].off] ^= 1;
	}
	store_bytes(&rig, bytes, SET_LEN);
	expect_map(&rig, some);
	fini(&rig);
}

static void test_every_bit(void)
{
	uint8_t bytes[SET_LEN + 1];
	unsigned int n_taken = 0;
	struct set_rig rig;
	uint64_t *map;
	size_t i;

	init(&rig);
	store_map(&rig, some);
	load_bytes(&rig, bytes);
	for (i = 0; i < SET_LEN * 8u; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
		store_bytes(&rig, bytes, SET_LEN);
		n_taken += load_map(&rig, &map) == 0;
		bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	CU_ASSERT_EQUAL(n_taken, 0);
	fini(&rig);
}

static void test_every_length(void)
{
	uint8_t bytes[SET_LEN + 1] = { 0 };
	struct set_rig rig;
	size_t i;

	init(&rig);
	store_map(&rig, some);
	load_bytes(&rig, bytes);
	for (i = 0; i <= SET_LEN + 1; i++) {
		store_bytes(&rig, bytes, i);
		if (i != SET_LEN)
			expect_refusal(&rig, -EBADMSG, "is cut short");
	}
	fini(&rig);
}

/* Sealed by who has the key, and about pages that are not there all the same. */
static void test_outside(void)
{
	uint64_t map[WORDS] = { 0 };
	struct set_rig rig;
	uint64_t bit;

	init(&rig);
	for (bit = RIG_PAGES; bit < WORDS * 64u; bit++) {
		memcpy(map, some, sizeof(map));
		bitmap_set(map, bit);
		store_map(&rig, map);
		expect_refusal(&rig, -EBADMSG, "names a page that the VM does not have");
	}
	fini(&rig);
}

static void expect_no_writer(struct set_rig *rig, const char *path, int status, const char *sentence)
{
	struct setfile_writer *writer = NULL;

	CU_ASSERT_EQUAL(setfile_writer_open(path, &writer, rig->error), status);
	CU_ASSERT_PTR_NULL(writer);
	CHECK_CONTAINS(rig->error, sentence);
	setfile_writer_free(writer);
}

static void test_names(void)
{
	struct setfile_writer *writer = NULL;
	struct set_rig rig;
	char path[192];

	init(&rig);
	expect_no_writer(&rig, rig.snap.path, -EEXIST, "is there already and is no working set");	/* the snapshot */
	CU_ASSERT_TRUE(snapfile_rig_exists(&rig.snap, ""));
	snprintf(path, sizeof(path), "%s/", rig.path);
	expect_no_writer(&rig, path, -EISDIR, "cannot write the working set");
	snprintf(path, sizeof(path), "%s/none/set", rig.snap.dir);
	expect_no_writer(&rig, path, -ENOENT, "cannot open the folder of the working set");
	expect_no_writer(&rig, "", -ENOENT, "cannot write the working set");
	/* One at a time; and what is not written is not there. */
	CU_ASSERT_EQUAL_FATAL(setfile_writer_open(rig.path, &writer, rig.error), 0);
	expect_no_writer(&rig, rig.path, -EBUSY, "another process records the working set");
	setfile_writer_free(writer);
	CU_ASSERT_TRUE(access(rig.path, F_OK) < 0);
	expect_refusal(&rig, -ENOENT, "cannot open the working set");
	fini(&rig);
}

/* What a process that was killed has left behind stops nobody. */
static void test_left_over(void)
{
	struct set_rig rig;
	int fd;

	init(&rig);
	fd = open(rig.partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	CU_ASSERT_TRUE_FATAL(fd >= 0 && write(fd, "half", 4) == 4);
	close(fd);
	store_map(&rig, some);
	expect_map(&rig, some);
	fini(&rig);
}

static void test_not_written(void)
{
	struct setfile_writer *writer = NULL;
	struct set_rig rig;

	init(&rig);
	CU_ASSERT_EQUAL_FATAL(setfile_writer_open(rig.path, &writer, rig.error), 0);
	unlink(rig.partial);
	CU_ASSERT_EQUAL(setfile_writer_write(writer, rig.reader, some, rig.error), -ENOENT);
	CHECK_CONTAINS(rig.error, "cannot give its name to the working set");
	setfile_writer_free(writer);
	CU_ASSERT_TRUE(access(rig.path, F_OK) < 0);
	CU_ASSERT_EQUAL(mkdir(rig.path, 0700), 0);
	expect_refusal(&rig, -EINVAL, "it is no file");
	rmdir(rig.path);
	fini(&rig);
}

static const struct check checks[] = {
	{ "round trip", test_round_trip },
	{ "sealed", test_sealed },
	{ "another snapshot's", test_another_snapshot },
	{ "another snapshot's, passed off", test_passed_off },
	{ "each field", test_fields },
	{ "each bit", test_every_bit },
	{ "each length", test_every_length },
	{ "pages outside the VM", test_outside },
	{ "names", test_names },
	{ "what a killed process leaves", test_left_over },
	{ "not written", test_not_written },
	{ NULL },
};

CHECK_MAIN("working set's file", checks)
