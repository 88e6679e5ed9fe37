// SPDX-License-Identifier: MIT
/* A snapshot file that cannot be written, or not to the end. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "snapfile_rig.h"

static void test_names(void)
{
	struct snapfile_writer *writer = NULL, *second = NULL;
	struct snapfile_rig rig;
	char path[400];

	snapfile_rig_init(&rig);
	snprintf(path, sizeof(path), "%s/none/vm.snap", rig.dir);
	CU_ASSERT_EQUAL(snapfile_writer_open(path, &writer, rig.error), -ENOENT);
	CHECK_CONTAINS(rig.error, "cannot open the folder of");
	snprintf(path, sizeof(path), "%s/", rig.dir);
	CU_ASSERT_EQUAL(snapfile_writer_open(path, &writer, rig.error), -EISDIR);
	snprintf(path, sizeof(path), "%s/%0250d", rig.dir, 1);
	CU_ASSERT_EQUAL(snapfile_writer_open(path, &writer, rig.error), -ENAMETOOLONG);
	CU_ASSERT_EQUAL_FATAL(snapfile_writer_open(rig.path, &writer, rig.error), 0);
	CU_ASSERT_EQUAL(snapfile_writer_open(rig.path, &second, rig.error), -EEXIST);
	CHECK_CONTAINS(rig.error, "vm.snap.partial is there: another gmem-source writes it, or was killed");
	CU_ASSERT_TRUE(snapfile_rig_exists(&rig, FILE_PARTIAL));
	snapfile_writer_free(writer);
	CU_ASSERT_FALSE(snapfile_rig_exists(&rig, FILE_PARTIAL));
	snapfile_rig_write(&rig);
	CU_ASSERT_EQUAL(snapfile_writer_open(rig.path, &second, rig.error), -EEXIST);
	CHECK_CONTAINS(rig.error, "is there already, and no snapshot is replaced");
	CU_ASSERT_FALSE(snapfile_rig_exists(&rig, FILE_PARTIAL));
	snapfile_rig_fini(&rig);
}

/* The file system takes so many bytes and no more. */
static void test_no_room(void)
{
	static const rlim_t limits[] = { 0, 100, SNAPFILE_HEADER_LEN, SNAPFILE_HEADER_LEN + 5000 };
	const size_t n_limits = sizeof(limits) / sizeof(limits[0]);
	const uint64_t pages_end = SNAPFILE_HEADER_LEN + snapfile_rig_page_bytes();
	struct rlimit before, limit;
	struct snapfile_writer *writer = NULL;
	struct snapfile_rig rig;
	size_t i, len;

	snapfile_rig_init(&rig);
	snapfile_rig_write(&rig);
	free(snapfile_rig_load(&rig, &len));
	unlink(rig.path);
	getrlimit(RLIMIT_FSIZE, &before);
	for (i = 0; i < n_limits + 4; i++) {
		limit = before;
		limit.rlim_cur = i < n_limits ? limits[i] : i == n_limits ? pages_end + 10 : len - (i - n_limits) * 60;
		CU_ASSERT_EQUAL_FATAL(snapfile_writer_open(rig.path, &writer, rig.error), 0);
		setrlimit(RLIMIT_FSIZE, &limit);
		CU_ASSERT_EQUAL(snapfile_rig_fill(&rig, writer), -EFBIG);
		setrlimit(RLIMIT_FSIZE, &before);
		CHECK_CONTAINS(rig.error, "cannot write");
		CHECK_CONTAINS(rig.error, "make room, or name a file on another file system");
		CU_ASSERT_EQUAL(snapfile_writer_discard(writer), 0);
		CU_ASSERT_FALSE(snapfile_rig_exists(&rig, FILE_PARTIAL));
		CU_ASSERT_FALSE(snapfile_rig_exists(&rig, ""));
		snapfile_writer_free(writer);
	}
	snapfile_rig_fini(&rig);
}

/* Somebody has taken the name meanwhile: his file stays. */
static void test_name_taken(void)
{
	struct snapfile_writer *writer = NULL;
	struct snapfile_rig rig;
	size_t len;
	uint8_t *bytes;

	snapfile_rig_init(&rig);
	CU_ASSERT_EQUAL_FATAL(snapfile_writer_open(rig.path, &writer, rig.error), 0);
	CU_ASSERT_EQUAL_FATAL(snapfile_rig_fill(&rig, writer), 0);
	CU_ASSERT_FALSE(snapfile_rig_exists(&rig, ""));
	snapfile_rig_store(&rig, (const uint8_t *)"mine", 4);
	CU_ASSERT_EQUAL(snapfile_writer_publish(writer, rig.error), -EEXIST);
	CU_ASSERT_EQUAL(snapfile_writer_discard(writer), 0);
	snapfile_writer_free(writer);
	bytes = snapfile_rig_load(&rig, &len);
	CU_ASSERT_TRUE(len == 4 && memcmp(bytes, "mine", 4) == 0);
	CU_ASSERT_FALSE(snapfile_rig_exists(&rig, FILE_PARTIAL));
	free(bytes);
	snapfile_rig_fini(&rig);
}

static void test_no_recipient(void)
{
	struct snapfile_writer *writer = NULL;
	struct snapfile_rig rig;

	snapfile_rig_init(&rig);
	memset(rig.header.recipient, 0, ATTEST_KEY_LEN);
	CU_ASSERT_EQUAL_FATAL(snapfile_writer_open(rig.path, &writer, rig.error), 0);
	CU_ASSERT_EQUAL(snapfile_rig_fill(&rig, writer), -EINVAL);
	CHECK_CONTAINS(rig.error, "the recipient's public key is none");
	snapfile_writer_free(writer);
	CU_ASSERT_FALSE(snapfile_rig_exists(&rig, FILE_PARTIAL));
	snapfile_rig_fini(&rig);
}

static const struct check checks[] = {
	{ "names", test_names },
	{ "no room", test_no_room },
	{ "name taken", test_name_taken },
	{ "no recipient", test_no_recipient },
	{ NULL, NULL },
};

CHECK_MAIN("snapshot writer", checks)
