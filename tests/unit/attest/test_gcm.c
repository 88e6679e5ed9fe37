/* SPDX-License-Identifier: MIT */
/* gcm.c: libsodium's AES-256-GCM reads what it writes, and the other way round. */
#include <sodium.h>

#include <attest/attest.h>
#include <attest/gcm.h>
#include <attest/wire.h>

#include "check.h"

#define MAX_LEN 5000u

static struct gcry_cipher_handle *handle;
static uint8_t key[ATTEST_KEY_LEN], nonce[WIRE_NONCE_LEN], ad[WIRE_AD_LEN];
static uint8_t plain[MAX_LEN], ours[MAX_LEN + WIRE_TAG_LEN], theirs[MAX_LEN + WIRE_TAG_LEN], opened[MAX_LEN];

/* false: there is nothing to test. */
static bool set_up(void)
{
	if (!gcm_available()) {
		fprintf(stderr, "not run: no AES-256-GCM on this machine ");
		return false;
	}
	CU_ASSERT_EQUAL_FATAL(gcm_new(&handle), 0);
	return true;
}

static void draw(void)
{
	randombytes_buf(key, sizeof(key));
	randombytes_buf(nonce, sizeof(nonce));
	randombytes_buf(ad, sizeof(ad));
	randombytes_buf(plain, sizeof(plain));
	CU_ASSERT_TRUE(gcm_load(handle, key));
}

static void libsodium_agrees(void)
{
	if (!set_up())
		return;
	CHECK_LOOP_BEGIN();
	for (size_t len = 0; len <= MAX_LEN; len += len < 300 ? 1 : 47) {
		draw();
		memcpy(ours, plain, len);
		CHECK_LOOP(gcm_seal(handle, ad, nonce, ours, len), "%zu bytes cannot be sealed", len);
		crypto_aead_aes256gcm_encrypt(theirs, NULL, plain, len, ad, sizeof(ad), NULL, nonce, key);
		CHECK_LOOP(memcmp(ours, theirs, len + WIRE_TAG_LEN) == 0, "%zu bytes differ", len);
		memset(opened, 0, len);
		CHECK_LOOP(gcm_open(handle, ad, nonce, theirs, len, opened), "%zu bytes cannot be opened", len);
		CHECK_LOOP(memcmp(opened, plain, len) == 0, "%zu bytes opened differ", len);
	}
	CHECK_LOOP_END();
	gcm_free(handle);
}

static void anything_else_is_refused(void)
{
	const size_t len = 100;

	if (!set_up())
		return;
	draw();
	memcpy(ours, plain, len);
	CU_ASSERT_TRUE(gcm_seal(handle, ad, nonce, ours, len));
	CHECK_LOOP_BEGIN();
	for (size_t bit = 0; bit < (len + WIRE_TAG_LEN) * 8; bit++) {
		ours[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_LOOP(!gcm_open(handle, ad, nonce, ours, len, opened), "bit %zu", bit);
		ours[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK_LOOP_END();
	ad[WIRE_AD_LEN - 1] ^= 1;
	CU_ASSERT_FALSE(gcm_open(handle, ad, nonce, ours, len, opened));
	ad[WIRE_AD_LEN - 1] ^= 1;
	nonce[WIRE_NONCE_LEN - 1] ^= 1;
	CU_ASSERT_FALSE(gcm_open(handle, ad, nonce, ours, len, opened));
	nonce[WIRE_NONCE_LEN - 1] ^= 1;
	/* a refusal leaves nothing behind */
	CU_ASSERT_TRUE(gcm_open(handle, ad, nonce, ours, len, opened));
	CU_ASSERT_EQUAL(memcmp(opened, plain, len), 0);
	/* another key, and the first one again */
	key[0] ^= 1;
	CU_ASSERT_TRUE(gcm_load(handle, key));
	CU_ASSERT_FALSE(gcm_open(handle, ad, nonce, ours, len, opened));
	key[0] ^= 1;
	CU_ASSERT_TRUE(gcm_load(handle, key));
	CU_ASSERT_TRUE(gcm_open(handle, ad, nonce, ours, len, opened));
	gcm_free(handle);
}

/* Keys do not meet, whatever has been freed before. */
static void many_at_a_time(void)
{
	enum { N = 64 };
	struct gcry_cipher_handle *handles[N];
	uint8_t keys[N][ATTEST_KEY_LEN], sealed[N][64 + WIRE_TAG_LEN];

	if (!set_up())
		return;
	draw();
	gcm_free(handle);
	randombytes_buf(keys, sizeof(keys));
	for (size_t i = 0; i < N; i++) {
		CU_ASSERT_EQUAL_FATAL(gcm_new(&handles[i]), 0);
		CU_ASSERT_TRUE(gcm_load(handles[i], keys[i]));
	}
	for (size_t i = 0; i < N; i++) {
		memcpy(sealed[i], plain, 64);
		CU_ASSERT_TRUE(gcm_seal(handles[i], ad, nonce, sealed[i], 64));
	}
	for (size_t i = 0; i < N; i += 2)
		gcm_free(handles[i]);
	for (size_t i = 0; i < N; i++) {
		crypto_aead_aes256gcm_encrypt(theirs, NULL, plain, 64, ad, sizeof(ad), NULL, nonce, keys[i]);
		CU_ASSERT_EQUAL(memcmp(sealed[i], theirs, 64 + WIRE_TAG_LEN), 0);
		if (i % 2 != 0)
			CU_ASSERT_TRUE(gcm_open(handles[i], ad, nonce, sealed[i], 64, opened));
	}
	for (size_t i = 1; i < N; i += 2)
		gcm_free(handles[i]);
	gcm_free(NULL);
	sodium_memzero(keys, sizeof(keys));
}

int main(void)
{
	static const struct check checks[] = {
		{ "libsodium agrees", libsodium_agrees },
		{ "anything else is refused", anything_else_is_refused },
		{ "many at a time", many_at_a_time },
		{ NULL, NULL },
	};

	return check_main("gcm", checks);
}
