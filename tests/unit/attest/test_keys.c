/* SPDX-License-Identifier: MIT */
/* keys.c: what is saved comes back, and a file that is not exactly a key file of ours is refused. */
#include "check.h"
#include "hex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <attest/keys.h>

static char folder[] = "/tmp/gmem-test-keys.XXXXXX";

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* A file with exactly this text and mode. */
static const char *put_file(const char *name, const char *text, size_t len, mode_t mode)
{
	const char *path = path_of(name);
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, mode) || close(fd))
		abort();
	return path;
}

static const char good[] = "77076d0a7318a57d3c16c17251b26645df4c6892d87b5ac9a2d3f8a5d9a8b52c\n";

static void text_becomes_the_key_pair(void)
{
	uint8_t secret[32], public[32];
	char text[66];
	struct attest_keypair *pair;

	randombytes_buf(secret, sizeof(secret));
	crypto_scalarmult_base(public, secret);
	sodium_bin2hex(text, sizeof(text), secret, sizeof(secret));
	text[64] = '\n';
	CU_ASSERT_EQUAL_FATAL(attest_keypair_load(put_file("key", text, 65, 0600), &pair), 0);
	CU_ASSERT_EQUAL(memcmp(keys_secret(pair), secret, 32), 0);
	CU_ASSERT_EQUAL(memcmp(attest_keypair_public(pair), public, 32), 0);
	attest_keypair_free(pair);
}

static void saved_pair_comes_back(void)
{
	struct attest_keypair *pair, *again;
	uint8_t public[32];
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&pair), 0);
	umask(0);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_save(pair, path_of("saved")), 0);
	CU_ASSERT_EQUAL(stat(path_of("saved"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL(st.st_size, 65);
	CU_ASSERT_EQUAL_FATAL(attest_public_save(attest_keypair_public(pair), path_of("saved.pub")), 0);
	CU_ASSERT_EQUAL(stat(path_of("saved.pub"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0644);
	umask(022);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_load(path_of("saved"), &again), 0);
	CU_ASSERT_EQUAL(memcmp(keys_secret(pair), keys_secret(again), 32), 0);
	CU_ASSERT_EQUAL_FATAL(attest_public_load(path_of("saved.pub"), public), 0);
	CU_ASSERT_EQUAL(memcmp(attest_keypair_public(again), public, 32), 0);
	attest_keypair_free(again);
	attest_keypair_free(pair);
}

static unsigned int n_files(void)
{
	DIR *dir = opendir(folder);
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Replaced as a whole, also where a symlink was: its target stays as it is. */
static void save_replaces_and_leaves_nothing_behind(void)
{
	struct attest_keypair *pair;
	uint8_t public[32];
	struct stat st;
	unsigned int n_before;

	put_file("target", "precious", 8, 0600);
	unlink(path_of("link"));
	CU_ASSERT_EQUAL_FATAL(symlink("target", path_of("link")), 0);
	n_before = n_files();
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&pair), 0);
	CU_ASSERT_EQUAL(attest_public_save(attest_keypair_public(pair), path_of("link")), 0);
	CU_ASSERT_EQUAL(lstat(path_of("link"), &st), 0);
	CU_ASSERT_TRUE(S_ISREG(st.st_mode));
	CU_ASSERT_EQUAL(attest_public_load(path_of("link"), public), 0);
	CU_ASSERT_EQUAL(stat(path_of("target"), &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 8);
	CU_ASSERT_EQUAL(n_files(), n_before);

	/* a folder cannot be replaced: the temporary file goes again */
	CU_ASSERT_EQUAL_FATAL(mkdir(path_of("folder"), 0700), 0);
	n_before = n_files();
	CU_ASSERT_NOT_EQUAL(attest_keypair_save(pair, path_of("folder")), 0);
	CU_ASSERT_EQUAL(n_files(), n_before);
	rmdir(path_of("folder"));
	CU_ASSERT_EQUAL(attest_keypair_save(pair, path_of("no/such/folder")), -ENOENT);
	attest_keypair_free(pair);
}

static void every_mode_but_0600_and_stricter_is_refused(void)
{
	struct attest_keypair *pair;
	uint8_t public[32];

	CHECK_LOOP_BEGIN();
	for (mode_t mode = 0; mode <= 07777; mode++) {
		bool strict = !(mode & ~(mode_t)0600);
		int ret;

		put_file("key", good, 65, mode);
		if (!(mode & 0400) && geteuid() != 0)
			continue;
		ret = attest_keypair_load(path_of("key"), &pair);
		CHECK_LOOP(ret == (strict ? 0 : -EPERM), "secret with mode %o: %d", (unsigned int)mode, ret);
		if (!ret)
			attest_keypair_free(pair);
		ret = attest_public_load(path_of("key"), public);
		CHECK_LOOP(ret == (mode & 022 ? -EPERM : 0), "public with mode %o: %d", (unsigned int)mode, ret);
	}
	CHECK_LOOP_END();
}

static void foreign_owner_is_refused(void)
{
	struct attest_keypair *pair;
	uint8_t public[32];

	if (geteuid() != 0) {
		fprintf(stderr, "not run: only root can give a file away ");
		return;
	}
	put_file("key", good, 65, 0600);
	CU_ASSERT_EQUAL_FATAL(chown(path_of("key"), 12345, 12345), 0);
	CU_ASSERT_EQUAL(attest_keypair_load(path_of("key"), &pair), -EPERM);
	CU_ASSERT_EQUAL(attest_public_load(path_of("key"), public), -EPERM);
}

static void what_is_no_plain_file_is_refused(void)
{
	struct attest_keypair *pair;

	put_file("key", good, 65, 0600);
	unlink(path_of("link"));
	CU_ASSERT_EQUAL_FATAL(symlink("key", path_of("link")), 0);
	CU_ASSERT_EQUAL(attest_keypair_load(path_of("link"), &pair), -ELOOP);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path_of("fifo"), 0600), 0);
	CU_ASSERT_EQUAL(attest_keypair_load(path_of("fifo"), &pair), -EINVAL);
	CU_ASSERT_EQUAL(attest_keypair_load(folder, &pair), -EINVAL);
	CU_ASSERT_EQUAL(attest_keypair_load("/dev/null", &pair), -EINVAL);
	CU_ASSERT_EQUAL(attest_keypair_load(path_of("nothing"), &pair), -ENOENT);
}

static void text_that_is_no_key_is_refused(void)
{
	struct attest_keypair *pair = NULL;
	uint8_t key[32];
	char text[130];

	CHECK_LOOP_BEGIN();
	for (size_t len = 0; len < sizeof(text); len++) {
		memset(text, 'a', sizeof(text));
		if (len)
			text[len - 1] = '\n';
		CHECK_LOOP(keys_parse(text, len, key) == (len == 65 ? 0 : -EINVAL), "%zu bytes", len);
		if (len != 65)
			CHECK_LOOP(attest_keypair_load(put_file("key", text, len, 0600), &pair) == -EINVAL,
				   "file of %zu bytes", len);
	}
	for (int c = 0; c < 256; c++) {
		bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

		for (int at = 0; at < 65; at += 16) {
			memcpy(text, good, 65);
			text[at] = (char)c;
			CHECK_LOOP(keys_parse(text, 65, key) == ((at == 64 ? c == '\n' : hex) ? 0 : -EINVAL),
				   "byte 0x%02x at %d", (unsigned int)c, at);
		}
	}
	memcpy(text, good, 65);
	text[65] = '\n';
	CHECK_LOOP(attest_keypair_load(put_file("key", text, 66, 0600), &pair) == -EINVAL, "a line more");
	memset(text, '0', 64);
	text[64] = '\n';
	CHECK_LOOP(keys_parse(text, 65, key) == -EINVAL, "all zeros");
	CHECK_LOOP_END();
	CU_ASSERT_PTR_NULL(pair);
}

static void failure_leaves_the_output_alone(void)
{
	struct attest_keypair *pair = (struct attest_keypair *)folder;
	uint8_t public[32], before[32];

	memset(public, 0x5a, sizeof(public));
	memset(before, 0x5a, sizeof(before));
	put_file("key", "x\n", 2, 0600);
	CU_ASSERT_EQUAL(attest_keypair_load(path_of("key"), &pair), -EINVAL);
	CU_ASSERT_PTR_EQUAL(pair, (struct attest_keypair *)folder);
	CU_ASSERT_EQUAL(attest_public_load(path_of("key"), public), -EINVAL);
	CU_ASSERT_EQUAL(memcmp(public, before, sizeof(public)), 0);
}

static void two_pairs_differ(void)
{
	struct attest_keypair *a, *b;

	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&a), 0);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&b), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(attest_keypair_public(a), attest_keypair_public(b), 32), 0);
	attest_keypair_free(a);
	attest_keypair_free(b);
}

static void clean_up(void)
{
	static const char *const names[] = { "key", "saved", "saved.pub", "target", "link", "fifo" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	rmdir(folder);
}

int main(void)
{
	static const struct check checks[] = {
		{ "text becomes the key pair", text_becomes_the_key_pair },
		{ "saved pair comes back", saved_pair_comes_back },
		{ "save replaces and leaves nothing behind", save_replaces_and_leaves_nothing_behind },
		{ "every mode but 0600 and stricter is refused", every_mode_but_0600_and_stricter_is_refused },
		{ "foreign owner is refused", foreign_owner_is_refused },
		{ "what is no plain file is refused", what_is_no_plain_file_is_refused },
		{ "text that is no key is refused", text_that_is_no_key_is_refused },
		{ "failure leaves the output alone", failure_leaves_the_output_alone },
		{ "two pairs differ", two_pairs_differ },
		{ NULL, NULL },
	};
	int ret;

	if (!mkdtemp(folder))
		return EXIT_FAILURE;
	ret = check_main("keys", checks);
	clean_up();
	return ret;
}
