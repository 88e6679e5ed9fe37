/* SPDX-License-Identifier: MIT */
/*
 * keys: static X25519 keys and their files.  Secrets live in sodium_malloc
 * memory (guard pages, locked, wiped when freed) and nowhere else: what a file
 * read or write leaves on the stack is wiped before the function returns.
 */
#include "keys.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "gcm.h"
#include "keyfile.h"

struct attest_keypair {
	uint8_t secret[ATTEST_KEY_LEN];
	uint8_t public[ATTEST_KEY_LEN];
};

bool attest_init(void)
{
	if (sodium_init() < 0)
		return false;
	(void)gcm_available();	/* it opens files, which a program cannot do later */
	return true;
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

static int load(const char *path, bool secret, uint8_t ret_key[ATTEST_KEY_LEN])
{
	char text[KEYS_TEXT_LEN + 1];	/* one more, to see that the file is longer */
	size_t len = 0;
	int ret;

	ret = keyfile_load(path, secret, text, sizeof(text), &len);
	if (!ret)
		ret = keys_parse(text, len, ret_key);
	sodium_memzero(text, sizeof(text));
	return ret;
}

int attest_keypair_load(const char *path, struct attest_keypair **ret_pair)
{
	uint8_t secret[ATTEST_KEY_LEN];
	int ret;

	ret = load(path, true, secret);
	if (!ret)
		ret = keypair_new(secret, ret_pair);
	sodium_memzero(secret, sizeof(secret));
	return ret;
}

int attest_public_load(const char *path, uint8_t ret_public[ATTEST_KEY_LEN])
{
	return load(path, false, ret_public);
}

static int save(const char *path, bool secret, const uint8_t key[ATTEST_KEY_LEN])
{
	char text[KEYS_TEXT_LEN + 1];
	int ret;

	sodium_bin2hex(text, sizeof(text), key, ATTEST_KEY_LEN);
	text[KEYS_TEXT_LEN - 1] = '\n';
	ret = keyfile_save(path, secret, text, KEYS_TEXT_LEN);
	sodium_memzero(text, sizeof(text));
	return ret;
}

int attest_keypair_save(const struct attest_keypair *pair, const char *path)
{
	return save(path, true, pair->secret);
}

int attest_public_save(const uint8_t public_key[ATTEST_KEY_LEN], const char *path)
{
	return save(path, false, public_key);
}
