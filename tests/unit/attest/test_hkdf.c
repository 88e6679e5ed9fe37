/* SPDX-License-Identifier: MIT */
/* hkdf.c: RFC 5869. */
#include "check.h"
#include "hex.h"
#include "vectors.h"

#include <attest/hkdf.h>

static void rfc5869_vectors(void)
{
	for (size_t i = 0; i < sizeof(hkdf_vectors) / sizeof(hkdf_vectors[0]); i++) {
		const struct hkdf_vector *v = &hkdf_vectors[i];
		uint8_t ikm[80], salt[80], info[80], prk[32], okm[82], got_prk[32], got_okm[82];
		size_t ikm_len = hex_decode(v->ikm, ikm, sizeof(ikm));
		size_t salt_len = hex_decode(v->salt, salt, sizeof(salt));
		size_t info_len = hex_decode(v->info, info, sizeof(info));
		size_t okm_len = hex_decode(v->okm, okm, sizeof(okm));

		hex_decode(v->prk, prk, sizeof(prk));
		hkdf_extract(salt, salt_len, ikm, ikm_len, got_prk);
		CU_ASSERT_EQUAL(memcmp(got_prk, prk, sizeof(prk)), 0);
		hkdf_expand(prk, info, info_len, got_okm, okm_len);
		CU_ASSERT_EQUAL(memcmp(got_okm, okm, okm_len), 0);
	}
}

static void longer_output_begins_with_the_shorter(void)
{
	static const uint8_t prk[HKDF_LEN] = { 7 };
	uint8_t all[HKDF_MAX_OUTPUT], part[HKDF_MAX_OUTPUT];

	CHECK_LOOP_BEGIN();
	hkdf_expand(prk, NULL, 0, all, sizeof(all));
	for (size_t len = 0; len < 200; len++) {
		memset(part, 0xaa, sizeof(part));
		hkdf_expand(prk, NULL, 0, part, len);
		CHECK_LOOP(!memcmp(part, all, len) && part[len] == 0xaa, "%zu bytes", len);
	}
	CHECK_LOOP_END();
}

static void output_may_be_the_input_of_extract(void)
{
	uint8_t key[HKDF_LEN] = { 1 }, other[HKDF_LEN];

	hkdf_extract(key, sizeof(key), (const uint8_t *)"x", 1, other);
	hkdf_extract(key, sizeof(key), (const uint8_t *)"x", 1, key);
	CU_ASSERT_EQUAL(memcmp(key, other, sizeof(key)), 0);
}

int main(void)
{
	static const struct check checks[] = {
		{ "RFC 5869 vectors", rfc5869_vectors },
		{ "longer output begins with the shorter", longer_output_begins_with_the_shorter },
		{ "output may be the input of extract", output_may_be_the_input_of_extract },
		{ NULL, NULL },
	};

	return check_main("hkdf", checks);
}
