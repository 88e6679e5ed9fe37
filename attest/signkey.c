/* SPDX-License-Identifier: MIT */
/* signkey: see signkey.h. */
#include "signkey.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "keyfile.h"

#define LABEL_LEN 24u
#define DATA_MAX 1024u
#define PREFIX "ed25519:"
#define PREFIX_LEN (sizeof(PREFIX) - 1u)

struct signkey {
	uint8_t seed[SIGNKEY_LEN];
	uint8_t secret[crypto_sign_ed25519_SECRETKEYBYTES];
	uint8_t public[SIGNKEY_LEN];
};

/* A key of @seed, or of a fresh one if NULL. */
static int key_new(const uint8_t *seed, struct signkey **ret_key)
{
	struct signkey *key = sodium_malloc(sizeof(*key));

	if (!key)
		return -ENOMEM;
	if (seed)
		memcpy(key->seed, seed, sizeof(key->seed));
	else
		randombytes_buf(key->seed, sizeof(key->seed));
	crypto_sign_ed25519_seed_keypair(key->public, key->secret, key->seed);
	sodium_mprotect_readonly(key);
	*ret_key = key;
	return 0;
}

int signkey_generate(struct signkey **ret_key)
{
	return key_new(NULL, ret_key);
}

void signkey_free(struct signkey *key)
{
	sodium_free(key);
}

const uint8_t *signkey_public(const struct signkey *key)
{
	return key->public;
}

int signkey_parse(const char *text, size_t len, uint8_t ret_key[SIGNKEY_LEN])
{
	uint8_t key[SIGNKEY_LEN];
	size_t key_len = 0;
	int ret = -EINVAL;

	if (len == SIGNKEY_TEXT_LEN && !memcmp(text, PREFIX, PREFIX_LEN) && text[len - 1] == '\n' &&
	    sodium_hex2bin(key, sizeof(key), text + PREFIX_LEN, 2 * SIGNKEY_LEN, NULL, &key_len, NULL) == 0 &&
	    key_len == sizeof(key) && !sodium_is_zero(key, sizeof(key))) {
		memcpy(ret_key, key, sizeof(key));
		ret = 0;
	}
	sodium_memzero(key, sizeof(key));
	return ret;
}

static int load(const char *path, bool secret, uint8_t ret_key[SIGNKEY_LEN])
{
	char text[SIGNKEY_TEXT_LEN + 1];
	size_t len = 0;
	int ret;

	ret = keyfile_load(path, secret, text, sizeof(text), &len);
	if (!ret)
		ret = signkey_parse(text, len, ret_key);
	sodium_memzero(text, sizeof(text));
	return ret;
}

int signkey_load(const char *path, struct signkey **ret_key)
{
	uint8_t seed[SIGNKEY_LEN];
	int ret;

	ret = load(path, true, seed);
	if (!ret)
		ret = key_new(seed, ret_key);
	sodium_memzero(seed, sizeof(seed));
	return ret;
}

int signkey_public_load(const char *path, uint8_t ret_public[SIGNKEY_LEN])
{
	return load(path, false, ret_public);
}

static int save(const char *path, bool secret, const uint8_t key[SIGNKEY_LEN])
{
	char text[SIGNKEY_TEXT_LEN + 1] = PREFIX;
	int ret;

	sodium_bin2hex(text + PREFIX_LEN, sizeof(text) - PREFIX_LEN, key, SIGNKEY_LEN);
	text[SIGNKEY_TEXT_LEN - 1] = '\n';
	ret = keyfile_save(path, secret, text, SIGNKEY_TEXT_LEN);
	sodium_memzero(text, sizeof(text));
	return ret;
}

int signkey_save(const struct signkey *key, const char *path)
{
	return save(path, true, key->seed);
}

int signkey_public_save(const uint8_t public_key[SIGNKEY_LEN], const char *path)
{
	return save(path, false, public_key);
}

/* Label and data in one piece; bytes of it. */
static size_t labelled(const char *label, const uint8_t *data, size_t len, uint8_t ret_bytes[LABEL_LEN + DATA_MAX])
{
	size_t label_len = strnlen(label, LABEL_LEN);

	memset(ret_bytes, 0, LABEL_LEN);
	memcpy(ret_bytes, label, label_len);
	memcpy(ret_bytes + LABEL_LEN, data, len);
	return LABEL_LEN + len;
}

void signkey_sign(const struct signkey *key, const char *label, const uint8_t *data, size_t len,
		  uint8_t ret_signature[SIGNKEY_SIGNATURE_LEN])
{
	uint8_t bytes[LABEL_LEN + DATA_MAX];

	memset(ret_signature, 0, SIGNKEY_SIGNATURE_LEN);
	if (len <= DATA_MAX)
		crypto_sign_ed25519_detached(ret_signature, NULL, bytes, labelled(label, data, len, bytes),
					     key->secret);
}

int signkey_verify(const uint8_t public_key[SIGNKEY_LEN], const char *label, const uint8_t *data, size_t len,
		   const uint8_t signature[SIGNKEY_SIGNATURE_LEN])
{
	uint8_t bytes[LABEL_LEN + DATA_MAX];

	if (len > DATA_MAX)
		return -E2BIG;
	/* libsodium refuses public keys of small order and signatures that are not canonical. */
	if (crypto_sign_ed25519_verify_detached(signature, bytes, labelled(label, data, len, bytes), public_key))
		return -EBADMSG;
	return 0;
}

void signkey_id(const uint8_t public_key[SIGNKEY_LEN], uint8_t ret_id[SIGNKEY_ID_LEN])
{
	static const uint8_t label[LABEL_LEN] = "gmem v1 signer";
	uint8_t bytes[LABEL_LEN + DATA_MAX];

	crypto_hash_sha256(ret_id, bytes, labelled((const char *)label, public_key, SIGNKEY_LEN, bytes));
}
