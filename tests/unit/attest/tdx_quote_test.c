/* SPDX-License-Identifier: MIT */
/* tdx_quote: quotes of both versions and both reports, whole, cut and contradicting themselves; real ones. */
#include <errno.h>

#include <attest/tdx/quote.h>

#include "../../vectors/tdxgen.h"
#include "../../vectors/real.h"
#include "check.h"

/* Forms of a quote. */
enum { V4, V5_10, V5_15, N_FORMS };

struct made {
	struct tdxgen gen;
	uint8_t bytes[TDXGEN_QUOTE_SIZE];
	size_t len;
};

static struct made made;

static void make(int form)
{
	tdxgen_init(&made.gen);
	made.gen.header.version = form == V4 ? 4 : 5;
	made.gen.body_type = form == V5_10 ? TDX_BODY_TYPE_10 : TDX_BODY_TYPE_15;
	memset(made.gen.report.tee_tcb_svn2, 9, sizeof(made.gen.report.tee_tcb_svn2));
	memset(made.gen.report.mrservicetd, 8, sizeof(made.gen.report.mrservicetd));
	made.gen.report.attributes = UINT64_C(0x0123456789abcdef);
	made.gen.report.xfam = UINT64_C(0xfedcba9876543210);
	memset(made.gen.report.mrconfigid, 0xc1, TDX_MEASUREMENT_LEN);
	memset(made.gen.report.mrowner, 0xc2, TDX_MEASUREMENT_LEN);
	memset(made.gen.report.mrownerconfig, 0xc3, TDX_MEASUREMENT_LEN);
	memset(made.gen.report.mrsignerseam, 0xc4, TDX_MEASUREMENT_LEN);
	memset(made.gen.report.seam_attributes, 0xc5, 8);
	made.gen.qe.miscselect = 0x11223344;
	made.len = tdxgen_quote(&made.gen, made.bytes);
}

/* From malloc, exactly as long: a read beyond is seen by the address sanitizer. */
static int parse(const uint8_t *bytes, size_t len, struct tdx_quote *ret_quote)
{
	uint8_t *exact = malloc(len ? len : 1);
	int r;

	if (!exact)
		abort();
	memcpy(exact, bytes, len);
	r = tdx_quote_parse(exact, len, ret_quote);
	free(exact);
	return r;
}

static size_t signed_len(int form)
{
	return TDX_HEADER_LEN + (form == V4 ? 0 : 6) + (form == V5_15 ? TDX_REPORT_15_LEN : TDX_REPORT_10_LEN);
}

static void fields_are_those_that_were_put_in(void)
{
	for (int form = 0; form < N_FORMS; form++) {
		struct tdx_quote quote;
		struct tdx_report report;
		uint8_t key[64];

		make(form);
		CU_ASSERT_EQUAL_FATAL(tdx_quote_parse(made.bytes, made.len, &quote), 0);
		CU_ASSERT_EQUAL(quote.header.version, form == V4 ? 4 : 5);
		CU_ASSERT_EQUAL(quote.header.tee_type, 0x81);
		CU_ASSERT_EQUAL(quote.header.key_type, 2);
		CU_ASSERT_EQUAL(memcmp(quote.header.qe_vendor, made.gen.header.qe_vendor, 16), 0);
		CU_ASSERT_EQUAL(quote.report.has_15, form == V5_15);
		report = made.gen.report;
		report.has_15 = form == V5_15;
		if (form != V5_15) {
			memset(report.tee_tcb_svn2, 0, sizeof(report.tee_tcb_svn2));
			memset(report.mrservicetd, 0, sizeof(report.mrservicetd));
		}
		CU_ASSERT_EQUAL(memcmp(&quote.report, &report, sizeof(report)), 0);
		CU_ASSERT_EQUAL(quote.qe.miscselect, 0x11223344);
		CU_ASSERT_EQUAL(memcmp(quote.qe.attributes, made.gen.qe.attributes, 16), 0);
		CU_ASSERT_EQUAL(memcmp(quote.qe.mrenclave, made.gen.qe.mrenclave, 32), 0);
		CU_ASSERT_EQUAL(memcmp(quote.qe.mrsigner, made.gen.qe.mrsigner, 32), 0);
		CU_ASSERT_EQUAL(quote.qe.isvprodid, 2);
		CU_ASSERT_EQUAL(quote.qe.isvsvn, 6);
		CU_ASSERT_EQUAL(quote.signed_len, signed_len(form));
		CU_ASSERT_PTR_EQUAL(quote.signed_data, made.bytes);
		CU_ASSERT_PTR_EQUAL(quote.signature, made.bytes + signed_len(form) + 4);
		tdxgen_public(&made.gen, TDXGEN_KEY_ATTESTATION, key);
		CU_ASSERT_EQUAL(memcmp(quote.key, key, 64), 0);
		CU_ASSERT_EQUAL(quote.auth_len, 32);
		CU_ASSERT_EQUAL(memcmp(quote.auth, made.gen.auth, 32), 0);
		CU_ASSERT_EQUAL(quote.len, made.len);
		CU_ASSERT_EQUAL(memcmp(quote.pem, "-----BEGIN CERTIFICATE-----", 27), 0);
		CU_ASSERT_PTR_EQUAL((const uint8_t *)quote.pem + quote.pem_len, made.bytes + made.len);
		tdxgen_fini(&made.gen);
	}
}

static void what_trails_is_not_read(void)
{
	for (int form = 0; form < N_FORMS; form++) {
		struct tdx_quote quote;
		size_t whole;

		make(form);
		whole = made.len;
		memset(made.bytes + whole, 0xee, 39);
		CU_ASSERT_EQUAL(parse(made.bytes, whole + 39, &quote), 0);
		CU_ASSERT_EQUAL(quote.len, whole);
		tdxgen_fini(&made.gen);
	}
}

static void every_cut_is_refused(void)
{
	CHECK_LOOP_BEGIN();

	for (int form = 0; form < N_FORMS; form++) {
		make(form);
		for (size_t len = 0; len < made.len; len++) {
			struct tdx_quote quote = { .len = 77 };

			CHECK_LOOP(parse(made.bytes, len, &quote) == -EBADMSG, "form %d, %zu bytes", form, len);
			CHECK_LOOP(quote.len == 77, "form %d, %zu bytes: output touched", form, len);
		}
		tdxgen_fini(&made.gen);
	}
	CHECK_LOOP_END();
}

static void put_number(uint8_t *at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* Each length and type field, set to values that nothing else in the quote agrees with. */
static void lengths_that_contradict_are_refused(void)
{
	CHECK_LOOP_BEGIN();

	for (int form = 0; form < N_FORMS; form++) {
		const size_t at = signed_len(form);
		const size_t auth_at = at + 4 + 128 + 6 + TDX_QE_REPORT_LEN + 64, pem_at = auth_at + 2 + 32;
		const struct {
			size_t at, len;
		} numbers[] = {
			{ at, 4 }, { at + 4 + 128, 2 }, { at + 4 + 130, 4 }, { auth_at, 2 }, { pem_at, 2 },
			{ pem_at + 2, 4 },
			{ TDX_HEADER_LEN, 2 }, { TDX_HEADER_LEN + 2, 4 },
		};
		/* version 4 has no descriptor */
		const size_t n = sizeof(numbers) / sizeof(numbers[0]) - (form == V4 ? 2 : 0);

		make(form);
		for (size_t i = 0; i < n; i++) {
			static const int64_t deltas[] = { -1, 1, -64, 64, 0x100 };
			struct tdx_quote quote;
			uint8_t *field = made.bytes + numbers[i].at;
			uint8_t before[4];
			uint64_t value = 0;

			memcpy(before, field, numbers[i].len);
			for (size_t j = numbers[i].len; j-- > 0;)
				value = value << 8 | field[j];
			for (size_t j = 0; j < sizeof(deltas) / sizeof(deltas[0]); j++) {
				put_number(field, value + (uint64_t)deltas[j], numbers[i].len);
				CHECK_LOOP(parse(made.bytes, made.len, &quote) < 0, "form %d, field %zu, %+ld", form, i,
					   (long)deltas[j]);
				/* also where there are bytes enough */
				CHECK_LOOP(parse(made.bytes, sizeof(made.bytes), &quote) < 0,
					   "form %d, field %zu, %+ld, long", form, i, (long)deltas[j]);
			}
			put_number(field, UINT64_MAX, numbers[i].len);
			CHECK_LOOP(parse(made.bytes, made.len, &quote) < 0, "form %d, field %zu, all ones", form, i);
			put_number(field, 0, numbers[i].len);
			CHECK_LOOP(parse(made.bytes, made.len, &quote) < 0, "form %d, field %zu, 0", form, i);
			memcpy(field, before, numbers[i].len);
			CHECK_LOOP(parse(made.bytes, made.len, &quote) == 0, "form %d, field %zu, put back", form, i);
		}
		tdxgen_fini(&made.gen);
	}
	CHECK_LOOP_END();
}

/* The descriptor of one report with the length of the other, and an SGX enclave's. */
static void body_types_have_one_length(void)
{
	static const struct {
		uint16_t type;
		uint32_t len;
		bool good;
	} cases[] = {
		{ 2, 584, true }, { 3, 648, false }, { 2, 648, false }, { 3, 584, false }, { 1, 384, false },
		{ 0, 584, false }, { 4, 648, false },
	};
	struct tdx_quote quote;

	make(V5_10);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_number(made.bytes + 48, cases[i].type, 2);
		put_number(made.bytes + 50, cases[i].len, 4);
		CU_ASSERT_EQUAL(parse(made.bytes, made.len, &quote) == 0, cases[i].good);
	}
	tdxgen_fini(&made.gen);
}

static void other_kinds_are_not_supported(void)
{
	static const struct {
		size_t at, len;
		uint32_t value;
	} cases[] = { { 0, 2, 3 }, { 0, 2, 6 }, { 0, 2, 0 }, { 2, 2, 3 }, { 2, 2, 0 }, { 4, 4, 0 }, { 4, 4, 0x181 } };
	struct tdx_header header;
	struct tdx_quote quote;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(V4);
		put_number(made.bytes + cases[i].at, cases[i].value, cases[i].len);
		CU_ASSERT_EQUAL(parse(made.bytes, made.len, &quote), -ENOTSUP);
		CU_ASSERT_EQUAL(tdx_header_parse(made.bytes, made.len, &header), 0);
		tdxgen_fini(&made.gen);
	}
	CU_ASSERT_EQUAL(tdx_header_parse(made.bytes, TDX_HEADER_LEN - 1, &header), -EBADMSG);
	CU_ASSERT_EQUAL(tdx_header_parse(made.bytes, TDX_HEADER_LEN, &header), 0);
}

/* A quote whose lengths agree, with authentication data and PEM as long as is asked; zeros in the rest. */
static size_t make_long(uint8_t *bytes, size_t size, size_t auth_len, size_t pem_len)
{
	const size_t at = TDX_HEADER_LEN + TDX_REPORT_10_LEN;
	const size_t qe_len = TDX_QE_REPORT_LEN + 64 + 2 + auth_len + 6 + pem_len, whole = at + 4 + 128 + 6 + qe_len;

	if (whole > size)
		abort();
	memset(bytes, 0, whole);
	put_number(bytes, 4, 2);
	put_number(bytes + 2, 2, 2);
	put_number(bytes + 4, 0x81, 4);
	put_number(bytes + at, 128 + 6 + qe_len, 4);
	put_number(bytes + at + 132, 6, 2);
	put_number(bytes + at + 134, qe_len, 4);
	put_number(bytes + at + 138 + 448, auth_len, 2);
	put_number(bytes + at + 138 + 450 + auth_len, 5, 2);
	put_number(bytes + at + 138 + 452 + auth_len, pem_len, 4);
	return whole;
}

static void limits_are_the_last_that_pass(void)
{
	const size_t size = 256 * 1024;
	uint8_t *bytes = malloc(size);
	struct tdx_quote quote;
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	len = make_long(bytes, size, TDX_QUOTE_MAX_AUTH_LEN, TDX_QUOTE_MAX_PEM_LEN);
	CU_ASSERT_EQUAL(parse(bytes, len, &quote), 0);
	len = make_long(bytes, size, TDX_QUOTE_MAX_AUTH_LEN + 1, 0);
	CU_ASSERT_EQUAL(parse(bytes, len, &quote), -E2BIG);
	len = make_long(bytes, size, 0, TDX_QUOTE_MAX_PEM_LEN + 1);
	CU_ASSERT_EQUAL(parse(bytes, len, &quote), -E2BIG);
	len = make_long(bytes, size, 0, TDX_QUOTE_MAX_LEN);
	CU_ASSERT_EQUAL(parse(bytes, len, &quote), -E2BIG);
	len = make_long(bytes, size, 0, 0);
	CU_ASSERT_EQUAL(parse(bytes, len, &quote), 0);
	free(bytes);
}

static void real_quotes_are_taken_apart(void)
{
	static const struct {
		const char *name;
		uint16_t version;
		size_t signed_len, len;
		uint8_t svn[3];
		uint64_t attributes, xfam;
		uint16_t qe_svn;
		size_t pem_len;
	} cases[] = {
		{ "v4-collateral.quote", 4, 632, 4936, { 6, 1, 3 }, 0x10000000, 0x602e7, 6, 3678 },
		{ "v4-trailing.quote", 4, 632, 4935, { 3, 0, 4 }, 0x40000000, 0x61ae7, 4, 3677 },
		{ "v5.quote", 5, 702, 5006, { 5, 1, 2 }, 0x10000000, 0x642e7, 6, 3678 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tdx_quote quote;
		size_t len;
		uint8_t *bytes = real_read("tdx", cases[i].name, &len);

		if (!bytes)
			continue;
		CU_ASSERT_EQUAL_FATAL(tdx_quote_parse(bytes, len, &quote), 0);
		CU_ASSERT_EQUAL(quote.header.version, cases[i].version);
		CU_ASSERT_EQUAL(quote.signed_len, cases[i].signed_len);
		CU_ASSERT_EQUAL(quote.len, cases[i].len);
		CU_ASSERT_EQUAL(memcmp(quote.report.tee_tcb_svn, cases[i].svn, 3), 0);
		CU_ASSERT_EQUAL(quote.report.attributes, cases[i].attributes);
		CU_ASSERT_EQUAL(quote.report.xfam, cases[i].xfam);
		CU_ASSERT_EQUAL(quote.qe.isvprodid, 2);
		CU_ASSERT_EQUAL(quote.qe.isvsvn, cases[i].qe_svn);
		CU_ASSERT_EQUAL(quote.auth_len, 32);
		CU_ASSERT_EQUAL(quote.pem_len, cases[i].pem_len);
		CU_ASSERT_EQUAL(parse(bytes, quote.len - 1, &quote), -EBADMSG);
		free(bytes);
	}
}

int main(void)
{
	static const struct check checks[] = {
		{ "fields are those that were put in", fields_are_those_that_were_put_in },
		{ "what trails is not read", what_trails_is_not_read },
		{ "every cut is refused", every_cut_is_refused },
		{ "lengths that contradict are refused", lengths_that_contradict_are_refused },
		{ "body types have one length", body_types_have_one_length },
		{ "other kinds are not supported", other_kinds_are_not_supported },
		{ "limits are the last that pass", limits_are_the_last_that_pass },
		{ "real quotes are taken apart", real_quotes_are_taken_apart },
		{ NULL, NULL },
	};

	return check_main("tdx quote", checks);
}
