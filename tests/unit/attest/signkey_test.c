/* SPDX-License-Identifier: MIT */
/* signkey.c: Ed25519 keys and their files; neither kind of key file is taken for the other. */
#include "check.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <attest/signkey.h>

static char folder[] = "/tmp/gmem-test-signkey.XXXXXX";

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void saved_key_comes_back(void)
{
	uint8_t signature[SIGNKEY_SIGNATURE_LEN], public[SIGNKEY_LEN];
	struct signkey *key, *again;
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(signkey_generate(&key), 0);
	CU_ASSERT_EQUAL_FATAL(signkey_save(key, path_of("key")), 0);
	CU_ASSERT_EQUAL_FATAL(signkey_public_save(signkey_public(key), path_of("key.pub")), 0);
	CU_ASSERT_EQUAL(stat(path_of("key"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL(st.st_size, SIGNKEY_TEXT_LEN);
	CU_ASSERT_EQUAL_FATAL(signkey_load(path_of("key"), &again), 0);
	CU_ASSERT_EQUAL_FATAL(signkey_public_load(path_of("key.pub"), public), 0);
	CU_ASSERT_EQUAL(memcmp(public, signkey_public(again), sizeof(public)), 0);
	signkey_sign(again, "x", public, sizeof(public), signature);
	CU_ASSERT_EQUAL(signkey_verify(signkey_public(key), "x", public, sizeof(public), signature), 0);
	signkey_free(key);
	signkey_free(again);
}

static void others_may_not_read_a_secret(void)
{
	struct signkey *key = NULL;
	uint8_t public[SIGNKEY_LEN];

	CU_ASSERT_EQUAL_FATAL(chmod(path_of("key"), 0640), 0);
	CU_ASSERT_EQUAL(signkey_load(path_of("key"), &key), -EPERM);
	CU_ASSERT_PTR_NULL(key);
	CU_ASSERT_EQUAL_FATAL(chmod(path_of("key"), 0600), 0);
	CU_ASSERT_EQUAL_FATAL(chmod(path_of("key.pub"), 0664), 0);
	CU_ASSERT_EQUAL(signkey_public_load(path_of("key.pub"), public), -EPERM);
	CU_ASSERT_EQUAL(signkey_load(path_of("none"), &key), -ENOENT);
	CU_ASSERT_EQUAL_FATAL(symlink("key", path_of("link")), 0);
	CU_ASSERT_EQUAL(signkey_load(path_of("link"), &key), -ELOOP);
}

static void kinds_are_not_mixed_up(void)
{
	struct attest_keypair *pair;
	struct signkey *key = NULL;

	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&pair), 0);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_save(pair, path_of("static")), 0);
	CU_ASSERT_EQUAL(signkey_load(path_of("static"), &key), -EINVAL);
	attest_keypair_free(pair);
	pair = NULL;
	CU_ASSERT_EQUAL(attest_keypair_load(path_of("key"), &pair), -EINVAL);
	CU_ASSERT_PTR_NULL(pair);
}

static void text_is_taken_exactly(void)
{
	static const char good[] = "ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n";
	char text[SIGNKEY_TEXT_LEN + 1];
	uint8_t key[SIGNKEY_LEN];

	CU_ASSERT_EQUAL(signkey_parse(good, SIGNKEY_TEXT_LEN, key), 0);
	for (size_t len = 0; len < SIGNKEY_TEXT_LEN; len++)
		CU_ASSERT_EQUAL(signkey_parse(good, len, key), -EINVAL);
	for (size_t i = 0; i < SIGNKEY_TEXT_LEN; i++) {
		memcpy(text, good, sizeof(text));
		text[i] = 'x';
		CU_ASSERT_EQUAL(signkey_parse(text, SIGNKEY_TEXT_LEN, key), -EINVAL);
	}
	memcpy(text, good, sizeof(text));
	memset(text + 8, '0', 64);
	CU_ASSERT_EQUAL(signkey_parse(text, SIGNKEY_TEXT_LEN, key), -EINVAL);
}

/* The public key of RFC 8032, section 7.1, test 1. */
static void it_is_ed25519(void)
{
	static const char text[] = "ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n";
	static const uint8_t public[4] = { 0xd7, 0x5a, 0x98, 0x01 };
	struct signkey *key;
	FILE *file = fopen(path_of("rfc"), "w");

	CU_ASSERT_FATAL(file && fputs(text, file) >= 0 && !fclose(file));
	CU_ASSERT_EQUAL_FATAL(chmod(path_of("rfc"), 0600), 0);
	CU_ASSERT_EQUAL_FATAL(signkey_load(path_of("rfc"), &key), 0);
	CU_ASSERT_EQUAL(memcmp(signkey_public(key), public, sizeof(public)), 0);
	signkey_free(key);
}

static void a_signature_is_for_one_label_and_text(void)
{
	uint8_t signature[SIGNKEY_SIGNATURE_LEN], data[1025] = "text";
	struct signkey *key, *other;

	CU_ASSERT_EQUAL_FATAL(signkey_generate(&key), 0);
	CU_ASSERT_EQUAL_FATAL(signkey_generate(&other), 0);
	signkey_sign(key, "one", data, 4, signature);
	CU_ASSERT_EQUAL(signkey_verify(signkey_public(key), "one", data, 4, signature), 0);
	CU_ASSERT_EQUAL(signkey_verify(signkey_public(key), "two", data, 4, signature), -EBADMSG);
	CU_ASSERT_EQUAL(signkey_verify(signkey_public(key), "one", data, 5, signature), -EBADMSG);
	CU_ASSERT_EQUAL(signkey_verify(signkey_public(other), "one", data, 4, signature), -EBADMSG);
	CU_ASSERT_EQUAL(signkey_verify(signkey_public(key), "one", data, sizeof(data), signature), -E2BIG);
	signature[9] ^= 1;
	CU_ASSERT_EQUAL(signkey_verify(signkey_public(key), "one", data, 4, signature), -EBADMSG);
	/* too long to sign: nothing that anybody would take */
	signkey_sign(key, "one", data, sizeof(data), signature);
	CU_ASSERT_TRUE(sodium_is_zero(signature, sizeof(signature)));
	signkey_free(key);
	signkey_free(other);
}

int main(void)
{
	static const struct check checks[] = {
		{ "saved key comes back", saved_key_comes_back },
		{ "others may not read a secret", others_may_not_read_a_secret },
		{ "kinds are not mixed up", kinds_are_not_mixed_up },
		{ "text is taken exactly", text_is_taken_exactly },
		{ "it is Ed25519", it_is_ed25519 },
		{ "a signature is for one label and text", a_signature_is_for_one_label_and_text },
		{ NULL, NULL },
	};
	char command[300];
	int ret;

	if (!mkdtemp(folder))
		return EXIT_FAILURE;
	ret = check_main("signkey", checks);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) ? EXIT_FAILURE : ret;
}
