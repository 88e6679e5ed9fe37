// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "idfile.h"

static const char path[] = "/tmp/gmem-test-idfile";

static int load_text(const char *text)
{
	uint8_t id[ATTEST_ID_LEN];
	FILE *file = fopen(path, "we");

	fputs(text, file);
	fclose(file);
	return idfile_load(path, id);
}

static void test_create_and_load(void)
{
	uint8_t id[ATTEST_ID_LEN] = { 0 }, none[ATTEST_ID_LEN] = { 0 };
	struct stat st;

	unlink(path);
	CU_ASSERT_EQUAL(idfile_load(path, id), -ENOENT);
	CU_ASSERT_EQUAL(idfile_create(path), 0);
	CU_ASSERT_EQUAL(idfile_create(path), -EEXIST);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(idfile_load(path, id), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(id, none, sizeof(id)), 0);
	unlink(path);
}

static void test_malformed(void)
{
	static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
	char text[80];

	CU_ASSERT_EQUAL(load_text(hex), 0);
	snprintf(text, sizeof(text), "%s\n", hex);
	CU_ASSERT_EQUAL(load_text(text), 0);
	snprintf(text, sizeof(text), "%s\n\n", hex);
	CU_ASSERT_EQUAL(load_text(text), -EINVAL);
	snprintf(text, sizeof(text), "%sa", hex);
	CU_ASSERT_EQUAL(load_text(text), -EINVAL);
	CU_ASSERT_EQUAL(load_text(hex + 1), -EINVAL);
	snprintf(text, sizeof(text), "g%s", hex + 1);
	CU_ASSERT_EQUAL(load_text(text), -EINVAL);
	CU_ASSERT_EQUAL(load_text(""), -EINVAL);
	unlink(path);
}

static const struct check checks[] = {
	{ "create and load", test_create_and_load },
	{ "malformed", test_malformed },
	{ NULL, NULL },
};

CHECK_MAIN("id files", checks)
