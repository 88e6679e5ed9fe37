/* SPDX-License-Identifier: MIT */
/*
 * keys: static X25519 keys and their files.  Secrets live in sodium_malloc
 * memory (guard pages, locked, wiped when freed) and nowhere else: what a file
 * read or write leaves on the stack is wiped before the function returns.
 */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MODE 0600
#define PUBLIC_MODE 0644

struct attest_keypair {
	uint8_t secret[ATTEST_KEY_LEN];
	uint8_t public[ATTEST_KEY_LEN];
};

bool attest_init(void)
{
	return sodium_init() >= 0;
}

/* A pair for @secret, or with a fresh secret if NULL. */
static int keypair_new(const uint8_t *secret, struct attest_keypair **ret_pair)
{
	struct attest_keypair *pair = sodium_malloc(sizeof(*pair));

	if (!pair)
		return -ENOMEM;
	if (secret)
		memcpy(pair->secret, secret, sizeof(pair->secret));
	else
		randombytes_buf(pair->secret, sizeof(pair->secret));
	if (crypto_scalarmult_curve25519_base(pair->public, pair->secret)) {
		sodium_free(pair);
		return -EINVAL;
	}
	sodium_mprotect_readonly(pair);
	*ret_pair = pair;
	return 0;
}

int attest_keypair_generate(struct attest_keypair **ret_pair)
{
	return keypair_new(NULL, ret_pair);
}

const uint8_t *attest_keypair_public(const struct attest_keypair *pair)
{
	return pair->public;
}

const uint8_t *keys_secret(const struct attest_keypair *pair)
{
	return pair->secret;
}

void attest_keypair_free(struct attest_keypair *pair)
{
	sodium_free(pair);
}

int keys_parse(const char *text, size_t len, uint8_t ret_key[ATTEST_KEY_LEN])
{
	uint8_t key[ATTEST_KEY_LEN];
	size_t key_len = 0;
	int ret = -EINVAL;

	/* Without a list of characters to ignore, it takes hex digits only. */
	if (len == KEYS_TEXT_LEN && text[len - 1] == '\n' &&
	    sodium_hex2bin(key, sizeof(key), text, len - 1, NULL, &key_len, NULL) == 0 && key_len == sizeof(key) &&
	    !sodium_is_zero(key, sizeof(key))) {
		memcpy(ret_key, key, sizeof(key));
		ret = 0;
	}
	sodium_memzero(key, sizeof(key));
	return ret;
}

/* A key file is a plain file of this user's or root's, without any permission bit in @forbidden. */
static int check_file(int fd, mode_t forbidden)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & forbidden) || (st.st_uid != geteuid() && st.st_uid != 0))
		return -EPERM;
	return 0;
}

/* Up to @size bytes; fewer only at the end of the file. */
static ssize_t read_all(int fd, char *ret_text, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, ret_text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int load(const char *path, mode_t forbidden, uint8_t ret_key[ATTEST_KEY_LEN])
{
	char text[KEYS_TEXT_LEN + 1];	/* one more, to see that the file is longer */
	ssize_t len;
	int fd, ret;

	/* O_NONBLOCK: a FIFO must not hold us up before fstat has seen what it is. */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret = check_file(fd, forbidden);
	if (ret)
		goto out_close;
	len = read_all(fd, text, sizeof(text));
	ret = len < 0 ? (int)len : keys_parse(text, (size_t)len, ret_key);
	sodium_memzero(text, sizeof(text));
out_close:
	close(fd);
	return ret;
}

int attest_keypair_load(const char *path, struct attest_keypair **ret_pair)
{
	uint8_t secret[ATTEST_KEY_LEN];
	int ret;

	ret = load(path, 07777 & ~SECRET_MODE, secret);
	if (!ret)
		ret = keypair_new(secret, ret_pair);
	sodium_memzero(secret, sizeof(secret));
	return ret;
}

int attest_public_load(const char *path, uint8_t ret_public[ATTEST_KEY_LEN])
{
	/* Not a secret, but who may write it decides who is believed. */
	return load(path, S_IWGRP | S_IWOTH, ret_public);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Make the directory entry of @path durable. */
static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, ret = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		ret = -errno;
	close(fd);
	return ret;
}

/* Write @text to the new file @path, with @mode whatever the umask is. */
static int write_new(const char *path, mode_t mode, const char *text, size_t len)
{
	int fd, ret;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & SECRET_MODE);
	if (fd < 0)
		return -errno;
	ret = fchmod(fd, mode) ? -errno : 0;
	if (!ret)
		ret = write_all(fd, text, len);
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	if (ret)
		unlink(path);
	return ret;
}

/* Replace @path in one step: whoever opens it sees the old key or the new one, whole. */
static int save(const char *path, mode_t mode, const uint8_t key[ATTEST_KEY_LEN])
{
	char tmp[PATH_MAX], text[KEYS_TEXT_LEN + 1];
	int len, ret;

	len = snprintf(tmp, sizeof(tmp), "%s.%08x.tmp", path, (unsigned int)randombytes_random());
	if (len < 0 || (size_t)len >= sizeof(tmp))
		return -ENAMETOOLONG;
	sodium_bin2hex(text, sizeof(text), key, ATTEST_KEY_LEN);
	text[KEYS_TEXT_LEN - 1] = '\n';
	ret = write_new(tmp, mode, text, KEYS_TEXT_LEN);
	sodium_memzero(text, sizeof(text));
	if (ret)
		return ret;
	if (rename(tmp, path)) {
		ret = -errno;
		unlink(tmp);
		return ret;
	}
	return sync_folder(path);
}

int attest_keypair_save(const struct attest_keypair *pair, const char *path)
{
	return save(path, SECRET_MODE, pair->secret);
}

int attest_public_save(const uint8_t public_key[ATTEST_KEY_LEN], const char *path)
{
	return save(path, PUBLIC_MODE, public_key);
}
