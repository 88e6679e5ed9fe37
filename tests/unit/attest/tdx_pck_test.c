/* SPDX-License-Identifier: MIT */
/* tdx_pck: the DER reader, and the platform that a PCK certificate names. */
#include <errno.h>

#include <attest/der.h>
#include <attest/tdx/pck.h>
#include <attest/tdx/quote.h>
#include <attest/x509.h>

#include "../../vectors/tdxgen.h"
#include "../../vectors/real.h"
#include "check.h"
#include "hex.h"

static void init(struct parse_reader *reader, const char *hex, uint8_t room[64])
{
	parse_reader_init(reader, room, hex_decode(hex, room, 64));
}

static void lengths_are_definite_and_short(void)
{
	static const char *const bad[] = {
		"", "04", "0480", "048001", "04ff", "0405aabb", "048101aa", "04817f", "04820001aa", "0482007f", "0484000000"
		"01aa", "1f0100", "3f8101", "0483",
	};
	struct parse_reader reader;
	struct der_value value;
	uint8_t room[64], bytes[1024] = { 0x04, 0x82, 0x01, 0x00 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		init(&reader, bad[i], room);
		CU_ASSERT_FALSE(der_next(&reader, &value));
		CU_ASSERT_TRUE(reader.failed);
		CU_ASSERT_FALSE(der_next(&reader, &value));
	}
	init(&reader, "0400300201000403aabbcc", room);
	CU_ASSERT_TRUE(der_next(&reader, &value) && value.tag == 4 && value.len == 0);
	CU_ASSERT_TRUE(der_next(&reader, &value) && value.tag == 0x30 && value.len == 2);
	CU_ASSERT_TRUE(der_next(&reader, &value) && value.len == 3 && value.data[2] == 0xcc);
	CU_ASSERT_TRUE(parse_end(&reader));
	parse_reader_init(&reader, bytes, 4 + 256);
	CU_ASSERT_TRUE(der_next(&reader, &value) && value.len == 256 && parse_end(&reader));
	parse_reader_init(&reader, bytes, 4 + 255);
	CU_ASSERT_FALSE(der_next(&reader, &value));
	bytes[1] = 0x81;
	bytes[2] = 0x80;
	parse_reader_init(&reader, bytes, 3 + 128);
	CU_ASSERT_TRUE(der_next(&reader, &value) && value.len == 128);
}

static void numbers_have_one_encoding(void)
{
	static const struct {
		const char *hex;
		uint64_t max;
		bool good;
		uint64_t number;
	} cases[] = {
		{ "020100", 255, true, 0 }, { "02017f", 255, true, 127 }, { "02020080", 255, true, 128 },
		{ "020200ff", 255, true, 255 }, { "02020100", 255, false, 0 }, { "02020100", 256, true, 256 },
		{ "020180", 255, false, 0 }, { "0202007f", 255, false, 0 }, { "0200", 255, false, 0 },
		{ "020300ffff", 65535, true, 65535 }, { "0203010000", 65535, false, 0 }, { "0a0101", 255, false, 0 },
		{ "0209000000000000000001", 255, false, 0 }, { "02090080000000000000ff", UINT64_MAX, false, 0 },
		{ "0201", 255, false, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parse_reader reader;
		uint64_t number = 4711;
		uint8_t room[64];

		init(&reader, cases[i].hex, room);
		CU_ASSERT_EQUAL(der_unsigned(&reader, DER_INTEGER, cases[i].max, &number), cases[i].good);
		CU_ASSERT_EQUAL(number, cases[i].good ? cases[i].number : 4711);
		CU_ASSERT_EQUAL(reader.failed, !cases[i].good);
	}
}

static void other_types_are_exact(void)
{
	struct parse_reader reader, inside;
	struct der_value oid;
	uint8_t room[64], bytes[4];
	bool truth;

	init(&reader, "0101ff010100", room);
	CU_ASSERT_TRUE(der_boolean(&reader, &truth) && truth);
	CU_ASSERT_TRUE(der_boolean(&reader, &truth) && !truth);
	init(&reader, "010101", room);
	CU_ASSERT_FALSE(der_boolean(&reader, &truth));
	init(&reader, "0102ffff", room);
	CU_ASSERT_FALSE(der_boolean(&reader, &truth));
	init(&reader, "0404aabbccdd", room);
	CU_ASSERT_TRUE(der_octets(&reader, bytes, 4) && bytes[3] == 0xdd);
	init(&reader, "0404aabbccdd", room);
	CU_ASSERT_FALSE(der_octets(&reader, bytes, 3));
	init(&reader, "0403aabbcc", room);
	CU_ASSERT_FALSE(der_octets(&reader, bytes, 4));
	init(&reader, "06022a03", room);
	CU_ASSERT_TRUE(der_oid(&reader, &oid) && oid.len == 2);
	init(&reader, "0600", room);
	CU_ASSERT_FALSE(der_oid(&reader, &oid));
	init(&reader, "3003020105", room);
	CU_ASSERT_TRUE(der_enter(&reader, DER_SEQUENCE, &inside) && parse_end(&reader) && inside.len == 3);
	init(&reader, "3103020105", room);
	CU_ASSERT_FALSE(der_enter(&reader, DER_SEQUENCE, &inside));
}

static void fill(struct tdx_pck *pck)
{
	memset(pck, 0, sizeof(*pck));
	for (uint8_t i = 0; i < 16; i++) {
		pck->ppid[i] = i;
		/* both sides of what an INTEGER takes a second byte for */
		pck->component_svn[i] = (uint8_t)(i * 17);
		pck->cpusvn[i] = (uint8_t)(0x80 + i);
		pck->instance_id[i] = (uint8_t)(0xf0 - i);
	}
	pck->pcesvn = 0x8001;
	pck->pceid[1] = 7;
	memcpy(pck->fmspc, "\x50\x80\x6f\0\0\x01", 6);
	pck->sgx_type = 1;
	pck->has_instance_id = pck->has_configuration = true;
	pck->dynamic_platform = pck->smt_enabled = true;
}

static void platform_is_what_was_put_in(void)
{
	static const uint16_t pcesvns[] = { 0, 11, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff };
	struct tdx_pck pck, again;
	uint8_t der[1024];

	for (size_t i = 0; i < sizeof(pcesvns) / sizeof(pcesvns[0]); i++) {
		fill(&pck);
		pck.pcesvn = pcesvns[i];
		memset(&again, 0, sizeof(again));
		CU_ASSERT_EQUAL(tdx_pck_parse(der, tdxgen_extension(&pck, der, sizeof(der)), &again), 0);
		CU_ASSERT_EQUAL(memcmp(&pck, &again, sizeof(pck)), 0);
	}
	/* a processor's certificate has neither */
	pck.has_instance_id = pck.has_configuration = false;
	memset(pck.instance_id, 0, 16);
	pck.dynamic_platform = pck.smt_enabled = false;
	CU_ASSERT_EQUAL(tdx_pck_parse(der, tdxgen_extension(&pck, der, sizeof(der)), &again), 0);
	CU_ASSERT_EQUAL(memcmp(&pck, &again, sizeof(pck)), 0);
	pck.sgx_type = 3;
	CU_ASSERT_EQUAL(tdx_pck_parse(der, tdxgen_extension(&pck, der, sizeof(der)), &again), -EBADMSG);
}

static void every_cut_is_refused(void)
{
	struct tdx_pck pck, again = { .pcesvn = 77 };
	uint8_t der[1024];
	size_t len;

	CHECK_LOOP_BEGIN();
	fill(&pck);
	len = tdxgen_extension(&pck, der, sizeof(der) - 1);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);

		if (!exact)
			abort();
		memcpy(exact, der, cut);
		CHECK_LOOP(tdx_pck_parse(exact, cut, &again) == -EBADMSG && again.pcesvn == 77, "%zu bytes", cut);
		free(exact);
	}
	der[len] = 0;
	CHECK_LOOP(tdx_pck_parse(der, len + 1, &again) == -EBADMSG, "a byte more");
	CHECK_LOOP_END();
}

/* What is still taken after a change says something else: nothing in it is passed over. */
static void every_change_is_refused_or_seen(void)
{
	struct tdx_pck pck, again;
	uint8_t der[1024], der_again[1024];
	size_t len, n_refused = 0, n_seen = 0;

	CHECK_LOOP_BEGIN();
	fill(&pck);
	len = tdxgen_extension(&pck, der, sizeof(der));
	for (size_t bit = 0; bit < 8 * len; bit++) {
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (tdx_pck_parse(der, len, &again) < 0) {
			n_refused++;
		} else {
			n_seen++;
			CHECK_LOOP(memcmp(&again, &pck, sizeof(pck)) != 0, "bit %zu", bit);
			CHECK_LOOP(tdxgen_extension(&again, der_again, sizeof(der_again)) == len &&
				   memcmp(der, der_again, len) == 0, "bit %zu: another encoding", bit);
		}
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* most of it is structure */
	CHECK_LOOP(n_refused > 2 * n_seen && n_seen > 500, "%zu refused, %zu seen", n_refused, n_seen);
	CHECK_LOOP_END();
}

struct entry {
	const uint8_t *data;
	size_t len;
};

/* The encoded entries of a sequence. */
static size_t split(const uint8_t *der, size_t len, struct entry entries[16])
{
	struct parse_reader reader, sequence;
	struct der_value value;
	size_t n = 0;

	parse_reader_init(&reader, der, len);
	if (!der_enter(&reader, DER_SEQUENCE, &sequence))
		abort();
	while (sequence.len && n < 16) {
		entries[n].data = sequence.data;
		if (!der_next(&sequence, &value))
			abort();
		entries[n].len = (size_t)(value.data + value.len - entries[n].data);
		n++;
	}
	return n;
}

static size_t join(const struct entry *const *entries, size_t n, uint8_t *ret_der)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += entries[i]->len;
	ret_der[0] = DER_SEQUENCE;
	ret_der[1] = 0x82;
	ret_der[2] = (uint8_t)(len >> 8);
	ret_der[3] = (uint8_t)len;
	ret_der += 4;
	for (size_t i = 0; i < n; i++) {
		memcpy(ret_der, entries[i]->data, entries[i]->len);
		ret_der += entries[i]->len;
	}
	return len + 4;
}

static void entries_are_there_once(void)
{
	const struct entry *picked[16];
	struct entry entries[16];
	struct tdx_pck pck, again;
	uint8_t der[1024], other[2048];
	size_t n;

	fill(&pck);
	n = split(der, tdxgen_extension(&pck, der, sizeof(der)), entries);
	CU_ASSERT_EQUAL_FATAL(n, 7);
	for (size_t without = 0; without <= n; without++) {
		size_t n_picked = 0;

		for (size_t i = 0; i < n; i++)
			if (i != without)
				picked[n_picked++] = &entries[i];
		/* the last two are optional */
		CU_ASSERT_EQUAL(tdx_pck_parse(other, join(picked, n_picked, other), &again), without < 5 ? -EBADMSG : 0);
	}
	for (size_t twice = 0; twice < n; twice++) {
		for (size_t i = 0; i < n; i++)
			picked[i] = &entries[i];
		picked[n] = &entries[twice];
		CU_ASSERT_EQUAL(tdx_pck_parse(other, join(picked, n + 1, other), &again), -EBADMSG);
	}
	/* order means nothing */
	for (size_t i = 0; i < n; i++)
		picked[i] = &entries[n - 1 - i];
	CU_ASSERT_EQUAL(tdx_pck_parse(other, join(picked, n, other), &again), 0);
	CU_ASSERT_EQUAL(memcmp(&pck, &again, sizeof(pck)), 0);
}

/* Entry 5 of the TCB becomes another one: 4 twice, none, unknown. */
static void tcb_entries_are_there_once(void)
{
	static const uint8_t numbers[] = { 4, 0, 19, 31, 32, 127 };
	static const uint8_t oid[] = { 0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, 0x02, 0x05 };
	struct tdx_pck pck, again;
	uint8_t der[1024], *at;
	size_t len;

	fill(&pck);
	len = tdxgen_extension(&pck, der, sizeof(der));
	at = memmem(der, len, oid, sizeof(oid));
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	for (size_t i = 0; i < sizeof(numbers); i++) {
		at[sizeof(oid) - 1] = numbers[i];
		CU_ASSERT_EQUAL(tdx_pck_parse(der, len, &again), -EBADMSG);
	}
	at[sizeof(oid) - 1] = 5;
	CU_ASSERT_EQUAL(tdx_pck_parse(der, len, &again), 0);
}

static void real_certificates_name_their_platforms(void)
{
	static const struct {
		const char *name, *fmspc;
		uint16_t pcesvn;
		const char *components;
	} cases[] = {
		{ "v4-collateral.quote", "b0c06f000000", 11, "03030202040100050000000000000000" },
		{ "v4-trailing.quote", "50806f000000", 11, "03030202020100020000000000000000" },
		{ "v5.quote", "90c06f000000", 13, "01010202030100030000000000000000" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct x509_cert *certs[3];
		struct tdx_quote quote;
		struct tdx_pck pck;
		uint8_t expected[16];
		const uint8_t *der;
		size_t len, n;
		uint8_t *bytes = real_read("tdx", cases[i].name, &len);

		if (!bytes)
			continue;
		CU_ASSERT_EQUAL_FATAL(tdx_quote_parse(bytes, len, &quote), 0);
		CU_ASSERT_EQUAL_FATAL(x509_certs_parse_pem(quote.pem, quote.pem_len, 3, certs, &n), 0);
		CU_ASSERT_EQUAL_FATAL(n, 3);
		CU_ASSERT_EQUAL_FATAL(x509_cert_extension(certs[0], TDX_PCK_EXTENSION, &der, &len), 0);
		CU_ASSERT_EQUAL(tdx_pck_parse(der, len, &pck), 0);
		hex_decode(cases[i].fmspc, expected, sizeof(expected));
		CU_ASSERT_EQUAL(memcmp(pck.fmspc, expected, 6), 0);
		CU_ASSERT_EQUAL(pck.pcesvn, cases[i].pcesvn);
		CU_ASSERT_EQUAL(pck.sgx_type, 1);
		CU_ASSERT_TRUE(pck.has_configuration);
		CU_ASSERT_TRUE(pck.has_instance_id);
		hex_decode(cases[i].components, expected, sizeof(expected));
		CU_ASSERT_EQUAL(memcmp(pck.component_svn, expected, 16), 0);
		for (n = 0; n < 3; n++)
			x509_cert_free(certs[n]);
		free(bytes);
	}
}

int main(void)
{
	static const struct check checks[] = {
		{ "lengths are definite and short", lengths_are_definite_and_short },
		{ "numbers have one encoding", numbers_have_one_encoding },
		{ "other types are exact", other_types_are_exact },
		{ "platform is what was put in", platform_is_what_was_put_in },
		{ "every cut is refused", every_cut_is_refused },
		{ "every change is refused or seen", every_change_is_refused_or_seen },
		{ "entries are there once", entries_are_there_once },
		{ "TCB entries are there once", tcb_entries_are_there_once },
		{ "real certificates name their platforms", real_certificates_name_their_platforms },
		{ NULL, NULL },
	};

	return check_main("tdx pck", checks);
}
