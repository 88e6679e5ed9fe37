/* SPDX-License-Identifier: MIT */
/* tdx_collateral: dates, exact bytes in JSON, Intel's two documents, TCB levels, and the file of all of it. */
#include <errno.h>
#include <json-c/json.h>

#include <attest/date.h>
#include <attest/jsontext.h>
#include <attest/tdx/collateral.h>
#include <attest/tdx/jsonvalue.h>
#include <attest/tdx/qeidentity.h>
#include <attest/tdx/tcbinfo.h>

#include "../../vectors/tdxgen.h"
#include "../../vectors/real.h"
#include "check.h"

static void dates_are_moments(void)
{
	static const struct {
		const char *text;
		int64_t seconds;	/* -1: refused */
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 }, { "2000-02-29T23:59:59Z", 951868799 },
		{ "2025-06-19T10:16:03Z", 1750328163 }, { "2026-09-21T14:13:20Z", TDXGEN_NOW },
		{ "2038-01-19T03:14:08Z", INT64_C(2147483648) }, { "9999-12-31T23:59:59Z", INT64_C(253402300799) },
		{ "2100-02-28T00:00:00Z", INT64_C(4107456000) }, { "2024-12-31T23:59:59Z", 1735689599 },
		{ "2100-02-29T00:00:00Z", -1 }, { "2025-02-29T00:00:00Z", -1 }, { "1969-12-31T23:59:59Z", -1 },
		{ "2025-00-01T00:00:00Z", -1 }, { "2025-13-01T00:00:00Z", -1 }, { "2025-04-31T00:00:00Z", -1 },
		{ "2025-04-00T00:00:00Z", -1 }, { "2025-04-01T24:00:00Z", -1 }, { "2025-04-01T00:60:00Z", -1 },
		{ "2025-04-01T00:00:60Z", -1 }, { "2025-04-01 00:00:00Z", -1 }, { "2025-04-01t00:00:00Z", -1 },
		{ "2025-04-01T00:00:00z", -1 }, { "2025-04-01T00:00:00+", -1 }, { "2025-04-01T00:00:00", -1 },
		{ "2025-04-01T00:00:00ZZ", -1 }, { "+025-04-01T00:00:00Z", -1 }, { "2025-4-01T00:00:000Z", -1 },
		{ "2025-04-01T00:00:0 Z", -1 }, { "2025/04/01T00:00:00Z", -1 }, { "", -1 },
	};
	char text[DATE_TEXT_LEN + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t seconds = -1;

		CU_ASSERT_EQUAL(date_parse(cases[i].text, strlen(cases[i].text), &seconds),
				cases[i].seconds < 0 ? -EBADMSG : 0);
		CU_ASSERT_EQUAL(seconds, cases[i].seconds);
		if (cases[i].seconds < 0)
			continue;
		date_format(seconds, text);
		CU_ASSERT_STRING_EQUAL(text, cases[i].text);
	}
	date_format(-1, text);
	CU_ASSERT_STRING_EQUAL(text, "?");
	date_format(INT64_C(253402300800), text);
	CU_ASSERT_STRING_EQUAL(text, "?");
}

/* From malloc, exactly as long. */
static int check_text(const char *text, size_t len)
{
	char *exact = malloc(len ? len : 1);
	int r;

	if (!exact)
		abort();
	memcpy(exact, text, len);
	r = jsontext_check(exact, len);
	free(exact);
	return r;
}

static void json_is_what_the_grammar_says(void)
{
	static const char *const good[] = {
		"{}", "[]", " \t\r\n{ } ", "\"\"", "0", "-0", "-1", "10", "1.5", "0.5e+10", "1E-2", "true", "false",
		"null",
		"[1,2,[3]]", "{\"a\":1,\"b\":{\"a\":2}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "[ 1 , \"x\" ]",
	};
	static const char *const bad[] = {
		"", " ", "{", "}", "[", "]", "[1,]", "[,1]", "{,}", "{\"a\":1,}", "{\"a\"}", "{\"a\":}", "{a:1}",
		"{'a':1}",
		"01", "-", "+1", ".5", "1.", "1e", "1e+", "0x10", "NaN", "Infinity", "-Infinity", "tru", "True", "nul",
		"1 2",
		"{} {}", "\"\n\"", "\"\\x41\"", "\"\\u00e\"", "\"\\u00eg\"", "\"\\u0000\"", "\"\\ud800\\udc00\"", "\"a",
		"\"\\", "\"\xc3\xa9\"", "\"\x7f\"", "// x\n1", "/* x */1", "{\"a\":1,\"a\":2}", "{\"\\u0061\":1}",
		"{\"a\":{\"b\":1,\"b\":1}}", "[1 2]", "{\"a\" 1}", "\xef\xbb\xbf{}", "[1}", "{\"a\":1]", "\"\\u12",
	};

	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_LOOP(check_text(good[i], strlen(good[i])) == 0, "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_LOOP(check_text(bad[i], strlen(bad[i])) == -EBADMSG, "%s", bad[i]);
	CHECK_LOOP(check_text("{}\0", 3) == -EBADMSG, "a NUL after it");
	CHECK_LOOP(check_text("\"a\0b\"", 5) == -EBADMSG, "a NUL in it");
	CHECK_LOOP_END();
}

/* @n times @open, then @middle, then @n times @close. */
static int check_nested(size_t n, const char *open, const char *middle, const char *close)
{
	char text[1024] = "";

	for (size_t i = 0; i < n; i++)
		strcat(text, open);
	strcat(text, middle);
	for (size_t i = 0; i < n; i++)
		strcat(text, close);
	return jsontext_check(text, strlen(text));
}

static void json_limits_are_the_last_that_pass(void)
{
	char *text = malloc(JSONTEXT_MAX_LEN + 2);
	size_t len = 0;

	if (!text)
		abort();
	CU_ASSERT_EQUAL(check_nested(JSONTEXT_MAX_DEPTH, "[", "1", "]"), 0);
	CU_ASSERT_EQUAL(check_nested(JSONTEXT_MAX_DEPTH + 1, "[", "1", "]"), -E2BIG);
	CU_ASSERT_EQUAL(check_nested(JSONTEXT_MAX_DEPTH, "{\"a\":", "1", "}"), 0);
	CU_ASSERT_EQUAL(check_nested(JSONTEXT_MAX_DEPTH + 1, "{\"a\":", "1", "}"), -E2BIG);

	for (unsigned int n = JSONTEXT_MAX_MEMBERS; n <= JSONTEXT_MAX_MEMBERS + 1; n++) {
		len = (size_t)sprintf(text, "{");
		for (unsigned int i = 0; i < n; i++)
			len += (size_t)sprintf(text + len, "%s\"m%u\":1", i ? "," : "", i);
		len += (size_t)sprintf(text + len, "}");
		CU_ASSERT_EQUAL(jsontext_check(text, len), n > JSONTEXT_MAX_MEMBERS ? -E2BIG : 0);
	}
	for (unsigned int n = JSONTEXT_MAX_VALUES - 1; n <= JSONTEXT_MAX_VALUES; n++) {
		/* the array itself is a value */
		len = 0;
		for (unsigned int i = 0; i < n; i++) {
			text[len++] = i ? ',' : '[';
			text[len++] = '1';
		}
		text[len++] = ']';
		CU_ASSERT_EQUAL(jsontext_check(text, len), n == JSONTEXT_MAX_VALUES ? -E2BIG : 0);
	}
	memset(text, ' ', JSONTEXT_MAX_LEN + 1);
	text[0] = '1';
	CU_ASSERT_EQUAL(jsontext_check(text, JSONTEXT_MAX_LEN), 0);
	CU_ASSERT_EQUAL(jsontext_check(text, JSONTEXT_MAX_LEN + 1), -E2BIG);
	free(text);
}

static void members_stand_where_they_stand(void)
{
	static const struct {
		const char *text, *value;	/* NULL: -ENOENT */
	} cases[] = {
		{ "{\"x\":{\"a\": 1 }}", "{\"a\": 1 }" }, { " { \"y\" : 1 , \"x\" : [ 1, 2 ] \n} ", "[ 1, 2 ]" },
		{ "{\"x\":\"a}b\"}", "\"a}b\"" }, { "{\"x\":-1.5e3}", "-1.5e3" }, { "{\"x\":null}", "null" },
		{ "{\"y\":{\"x\":1},\"x\":2}", "2" }, { "{\"x\":2,\"y\":{\"x\":1}}", "2" },
		{ "{\"y\":{\"x\":1}}", NULL },
		{ "[{\"x\":1}]", NULL }, { "\"x\"", NULL }, { "{\"xx\":1}", NULL }, { "{}", NULL },
		{ "{\"y\":\"x\"}", NULL },
	};
	struct jsontext_span span;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int r = jsontext_member(cases[i].text, strlen(cases[i].text), "x", &span);

		CU_ASSERT_EQUAL(r, cases[i].value ? 0 : -ENOENT);
		if (r == 0 && cases[i].value)
			CU_ASSERT_TRUE(span.len == strlen(cases[i].value) &&
				       !memcmp(span.data, cases[i].value, span.len));
	}
	CU_ASSERT_EQUAL(jsontext_member("{\"x\":1", 6, "x", &span), -EBADMSG);
	CU_ASSERT_EQUAL(jsontext_member("{\"x\":1,\"x\":2}", 13, "x", &span), -EBADMSG);
}

static void values_have_one_type(void)
{
	static const char text[] = "{\"s\":\"00fF\",\"n\":7,\"f\":7.0,\"m\":-1,\"big\":99999999999999999999,\"a\":[1],"
		"\"o\":{},\"z\":null,\"d\":\"2025-06-19T10:16:03Z\",\"odd\":\"abc\",\"g\":\"0g\",\"t\":true}";
	struct json_object *object, *inner;
	uint8_t bytes[4], *allocated;
	const char *string;
	uint32_t number = 4711;
	int64_t seconds;
	size_t len;

	CU_ASSERT_EQUAL_FATAL(jsonvalue_parse(text, strlen(text), &object), 0);
	CU_ASSERT_TRUE(jsonvalue_number(object, "n", 7, &number) && number == 7);
	number = 4711;
	CU_ASSERT_FALSE(jsonvalue_number(object, "n", 6, &number));
	CU_ASSERT_FALSE(jsonvalue_number(object, "f", 9, &number));
	CU_ASSERT_FALSE(jsonvalue_number(object, "m", 9, &number));
	CU_ASSERT_FALSE(jsonvalue_number(object, "big", UINT32_MAX, &number));
	CU_ASSERT_FALSE(jsonvalue_number(object, "s", 9, &number));
	CU_ASSERT_FALSE(jsonvalue_number(object, "t", 9, &number));
	CU_ASSERT_FALSE(jsonvalue_number(object, "none", 9, &number));
	CU_ASSERT_EQUAL(number, 4711);
	CU_ASSERT_TRUE(jsonvalue_hex(object, "s", bytes, 2) && bytes[0] == 0 && bytes[1] == 0xff);
	CU_ASSERT_FALSE(jsonvalue_hex(object, "s", bytes, 1));
	CU_ASSERT_FALSE(jsonvalue_hex(object, "s", bytes, 3));
	CU_ASSERT_FALSE(jsonvalue_hex(object, "g", bytes, 1));
	CU_ASSERT_FALSE(jsonvalue_hex(object, "n", bytes, 1));
	CU_ASSERT_FALSE(jsonvalue_hex_new(object, "odd", 8, &allocated, &len));
	CU_ASSERT_FALSE(jsonvalue_hex_new(object, "s", 1, &allocated, &len));
	CU_ASSERT_TRUE(jsonvalue_hex_new(object, "s", 2, &allocated, &len) && len == 2 && allocated[1] == 0xff);
	free(allocated);
	CU_ASSERT_TRUE(jsonvalue_date(object, "d", &seconds) && seconds == 1750328163);
	CU_ASSERT_FALSE(jsonvalue_date(object, "s", &seconds));
	CU_ASSERT_TRUE(jsonvalue_array(object, "a", 1, 1, &inner, &len) && len == 1);
	CU_ASSERT_FALSE(jsonvalue_array(object, "a", 2, 3, &inner, &len));
	CU_ASSERT_FALSE(jsonvalue_array(object, "a", 0, 0, &inner, &len));
	CU_ASSERT_FALSE(jsonvalue_array(object, "o", 0, 9, &inner, &len));
	CU_ASSERT_TRUE(jsonvalue_object(object, "o", &inner));
	CU_ASSERT_FALSE(jsonvalue_object(object, "a", &inner));
	CU_ASSERT_FALSE(jsonvalue_object(object, "z", &inner));
	CU_ASSERT_TRUE(jsonvalue_string(object, "odd", &string, &len) && len == 3);
	CU_ASSERT_FALSE(jsonvalue_string(object, "z", &string, &len));
	CU_ASSERT_TRUE(jsonvalue_is(object, "odd", "abc"));
	CU_ASSERT_FALSE(jsonvalue_is(object, "odd", "abcd"));
	CU_ASSERT_TRUE(jsonvalue_has(object, "z"));
	CU_ASSERT_FALSE(jsonvalue_has(object, "none"));
	/* the scanner lets no text with this through */
	json_object_object_add(object, "nul", json_object_new_string_len("a\0b", 3));
	CU_ASSERT_FALSE(jsonvalue_string(object, "nul", &string, &len));
	json_object_put(object);
	CU_ASSERT_EQUAL(jsonvalue_parse("[1]", 3, &object), -EBADMSG);
	CU_ASSERT_EQUAL(jsonvalue_parse("{\"a\":1,\"a\":2}", 13, &object), -EBADMSG);
}

static void statuses_converge(void)
{
	/* by platform, then by module: UpToDate, OutOfDate, Revoked */
	static const struct {
		enum tdx_status platform, together[3];
	} cases[] = {
		{ TDX_UP_TO_DATE, { TDX_UP_TO_DATE, TDX_OUT_OF_DATE, TDX_REVOKED } },
		{ TDX_SW_HARDENING_NEEDED, { TDX_SW_HARDENING_NEEDED, TDX_OUT_OF_DATE, TDX_REVOKED } },
		{ TDX_CONFIGURATION_NEEDED,
		  { TDX_CONFIGURATION_NEEDED, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED, TDX_REVOKED } },
		{ TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
		  { TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED, TDX_REVOKED } },
		{ TDX_OUT_OF_DATE, { TDX_OUT_OF_DATE, TDX_OUT_OF_DATE, TDX_REVOKED } },
		{ TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
		  { TDX_OUT_OF_DATE_CONFIGURATION_NEEDED, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED, TDX_REVOKED } },
		{ TDX_REVOKED, { TDX_REVOKED, TDX_REVOKED, TDX_REVOKED } },
	};
	static const enum tdx_status modules[3] = { TDX_UP_TO_DATE, TDX_OUT_OF_DATE, TDX_REVOKED };
	enum tdx_status status;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t j = 0; j < 3; j++)
			CU_ASSERT_EQUAL(tdx_status_converge(cases[i].platform, modules[j]), cases[i].together[j]);
		CU_ASSERT_EQUAL(tdx_status_parse(tdx_status_name(cases[i].platform), &status), 0);
		CU_ASSERT_EQUAL(status, cases[i].platform);
	}
	CU_ASSERT_EQUAL(tdx_status_parse("uptodate", &status), -EBADMSG);
	CU_ASSERT_EQUAL(tdx_status_parse("", &status), -EBADMSG);
	CU_ASSERT_STRING_EQUAL(tdx_status_name((enum tdx_status)7), "?");
}

static struct tdx_tcbinfo *make_tcbinfo(const struct tdxgen *gen)
{
	struct tdx_tcbinfo *tcbinfo = NULL;
	char text[TDXGEN_TEXT_SIZE];
	const size_t len = tdxgen_tcbinfo(gen, text);

	if (tdx_tcbinfo_new(text, len, &tcbinfo) < 0)
		abort();
	return tcbinfo;
}

static void tcb_info_is_read(void)
{
	struct tdx_tcbinfo *tcbinfo;
	struct tdxgen gen;

	tdxgen_init(&gen);
	gen.tcbinfo.modules[1].mrsigner = 0x5a;
	gen.tcbinfo.modules[1].attributes = 0xa5;
	gen.tcbinfo.base.mrsigner = 0x77;
	tcbinfo = make_tcbinfo(&gen);
	CU_ASSERT_EQUAL(tcbinfo->issued_s, gen.tcbinfo.issued_s);
	CU_ASSERT_EQUAL(tcbinfo->next_update_s, gen.tcbinfo.next_update_s);
	CU_ASSERT_EQUAL(tcbinfo->evaluation, 17);
	CU_ASSERT_EQUAL(memcmp(tcbinfo->fmspc, gen.pck.fmspc, 6), 0);
	CU_ASSERT_EQUAL(memcmp(tcbinfo->pceid, gen.pck.pceid, 2), 0);
	CU_ASSERT_EQUAL(tcbinfo->rule.mrsigner[0], 0x77);
	CU_ASSERT_EQUAL(tcbinfo->n_modules, 2);
	CU_ASSERT_EQUAL(tcbinfo->modules[0].major, 3);
	CU_ASSERT_EQUAL(tcbinfo->modules[1].major, 1);
	CU_ASSERT_EQUAL(tcbinfo->modules[1].rule.mrsigner[0], 0x5a);
	CU_ASSERT_EQUAL(tcbinfo->modules[1].rule.attributes[0], 0xa5);
	CU_ASSERT_EQUAL(tcbinfo->modules[1].rule.attributes_mask[7], 0xff);
	CU_ASSERT_EQUAL(tcbinfo->modules[1].n_levels, 2);
	CU_ASSERT_EQUAL(tcbinfo->modules[1].levels[0].isvsvn, 4);
	CU_ASSERT_EQUAL(tcbinfo->modules[1].levels[1].level.status, TDX_OUT_OF_DATE);
	CU_ASSERT_EQUAL(tcbinfo->n_levels, 3);
	CU_ASSERT_EQUAL(tcbinfo->levels[0].sgx_svn[0], 3);
	CU_ASSERT_EQUAL(tcbinfo->levels[0].sgx_svn[15], 1);
	CU_ASSERT_EQUAL(tcbinfo->levels[0].tdx_svn[2], 2);
	CU_ASSERT_EQUAL(tcbinfo->levels[0].pcesvn, 11);
	CU_ASSERT_EQUAL(tcbinfo->levels[0].level.date_s, 1710288000);
	CU_ASSERT_STRING_EQUAL(tcbinfo->levels[0].level.advisories, "");
	CU_ASSERT_STRING_EQUAL(tcbinfo->levels[1].level.advisories, "INTEL-SA-00001 INTEL-SA-00002");
	CU_ASSERT_PTR_EQUAL(tdx_tcbinfo_rule(tcbinfo, (uint8_t[16]){ 9, 0 }), &tcbinfo->rule);
	CU_ASSERT_PTR_EQUAL(tdx_tcbinfo_rule(tcbinfo, (uint8_t[16]){ 9, 1 }), &tcbinfo->modules[1].rule);
	CU_ASSERT_PTR_NULL(tdx_tcbinfo_rule(tcbinfo, (uint8_t[16]){ 9, 2 }));
	tdx_tcbinfo_free(tcbinfo);
	tdxgen_fini(&gen);
}

/* The algorithm, row by row: each component alone below, equal, above. */
static void platforms_stand_where_their_numbers_say(void)
{
	struct tdx_tcbinfo *tcbinfo;
	struct tdx_standing standing;
	struct tdx_pck pck;
	struct tdxgen gen;
	uint8_t svn[16];

	tdxgen_init(&gen);
	gen.tcbinfo.levels[2].status = "SWHardeningNeeded";
	tcbinfo = make_tcbinfo(&gen);
	CHECK_LOOP_BEGIN();
	/* level 0 wants SGX { 3, 1... }, PCESVN 11, TDX { 5, 0, 2 }; level 2 SGX { 1... }, 5, nothing of TDX */
	memset(pck.component_svn, 1, 16);
	pck.component_svn[0] = 3;
	pck.pcesvn = 11;
	memcpy(svn, (uint8_t[16]){ 5, 0, 2 }, 16);
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 && standing.status == TDX_UP_TO_DATE &&
		   standing.platform == &tcbinfo->levels[0].level && !standing.module, "just so");
	pck.component_svn[0] = 2;
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 && standing.status == TDX_OUT_OF_DATE &&
		   standing.platform == &tcbinfo->levels[1].level, "SGX component 1");
	pck.component_svn[0] = 3;
	for (size_t i = 1; i < 16; i++) {
		pck.component_svn[i] = 0;
		CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == -ENOENT && !standing.platform,
			   "SGX component %zu", i + 1);
		pck.component_svn[i] = 1;
	}
	pck.pcesvn = 10;
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 &&
		   standing.status == TDX_SW_HARDENING_NEEDED, "PCESVN 10");
	pck.pcesvn = 4;
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == -ENOENT, "PCESVN 4");
	pck.pcesvn = 11;
	svn[0] = 4;
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 &&
		   standing.platform == &tcbinfo->levels[2].level, "TDX component 1 of major version 0");
	svn[0] = 5;
	svn[2] = 1;
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 &&
		   standing.platform == &tcbinfo->levels[2].level, "TDX component 3");
	/* with a major version, components 1 and 2 are not compared, and the module has its own levels */
	memcpy(svn, (uint8_t[16]){ 4, 1, 2 }, 16);
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 && standing.status == TDX_UP_TO_DATE &&
		   standing.module == &tcbinfo->modules[1].levels[0].level, "module 1.4");
	svn[0] = 3;
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 && standing.status == TDX_OUT_OF_DATE &&
		   standing.platform == &tcbinfo->levels[0].level &&
		   standing.module == &tcbinfo->modules[1].levels[1].level, "module 1.3");
	svn[0] = 1;
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == -ENOENT && standing.platform &&
		   !standing.module && standing.status == TDX_REVOKED, "module 1.1");
	memcpy(svn, (uint8_t[16]){ 9, 2, 2 }, 16);
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == -ENOENT, "module 2");
	memcpy(svn, (uint8_t[16]){ 3, 3, 2 }, 16);
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 && standing.status == TDX_UP_TO_DATE &&
		   standing.module == &tcbinfo->modules[0].levels[0].level, "module 3.3");
	svn[2] = 1;
	CHECK_LOOP(tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) == 0 &&
		   standing.platform == &tcbinfo->levels[2].level, "TDX component 3 with a major version");
	CHECK_LOOP_END();
	tdx_tcbinfo_free(tcbinfo);
	tdxgen_fini(&gen);
}

typedef int (*take_fn)(const char *text, size_t len);

static int take_tcbinfo(const char *text, size_t len)
{
	struct tdx_tcbinfo *tcbinfo;
	int r = tdx_tcbinfo_new(text, len, &tcbinfo);

	if (r == 0)
		tdx_tcbinfo_free(tcbinfo);
	return r;
}

static int take_qeidentity(const char *text, size_t len)
{
	struct tdx_qeidentity *identity;
	int r = tdx_qeidentity_new(text, len, &identity);

	if (r == 0)
		tdx_qeidentity_free(identity);
	return r;
}

static int take_collateral(const char *text, size_t len)
{
	struct tdx_collateral *collateral;
	int r = tdx_collateral_new(text, len, &collateral);

	if (r == 0)
		tdx_collateral_free(collateral);
	return r;
}

/* Is @text taken once @from is replaced by @to, which may be longer?  Aborts if @from is not in it. */
static int take_with(take_fn take, const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *changed = malloc(strlen(text) + strlen(to) + 1);
	int r;

	if (!at || !changed) {
		fprintf(stderr, "%s is not there\n", from);
		abort();
	}
	sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	r = take(changed, strlen(changed));
	free(changed);
	return r;
}

struct change {
	const char *from, *to;
};

static void tcb_info_of_another_kind_is_refused(void)
{
	static const struct change bad[] = {
		{ "\"id\":\"TDX\"", "\"id\":\"SGX\"" }, { "\"id\":\"TDX\",", "" }, { "\"version\":3", "\"version\":2" },
		{ "\"version\":3", "\"version\":4" }, { "\"version\":3", "\"version\":\"3\"" },
		{ "\"tcbType\":0", "\"tcbType\":1" },
		{ "\"tcbType\":0,", "" }, { "\"issueDate\"", "\"issued\"" }, { "\"nextUpdate\"", "\"next\"" },
		{ "T14:13:20Z", "T14:13:20" }, { "\"fmspc\":\"B0", "\"fmspc\":\"B" },
		{ "\"pceId\":\"0000\"", "\"pceId\":\"00000\"" },
		{ "\"pceId\":\"0000\"", "\"pceId\":\"00\"" },
		{ "\"tcbEvaluationDataNumber\":17", "\"tcbEvaluationDataNumber\":-17" },
		{ "\"tdxModule\":", "\"module\":" }, { "\"tdxModule\":{", "\"tdxModule\":{\"x\":[" },
		{ "\"id\":\"TDX_03\"", "\"id\":\"TDX_3\"" }, { "\"id\":\"TDX_03\"", "\"id\":\"TDX_0g\"" },
		{ "\"id\":\"TDX_03\"", "\"id\":\"TDX_01\"" }, { "\"id\":\"TDX_03\"", "\"id\":\"QVE_03\"" },
		{ "\"mrsigner\":\"00", "\"mrsigner\":\"0" }, { "\"attributesMask\":\"FF", "\"attributesMask\":\"F" },
		{ "\"isvsvn\":3", "\"isvsvn\":65536" }, { "\"isvsvn\":3", "\"isvsvn\":3.5" }, { "{\"svn\":3},", "" },
		{ "{\"svn\":3},", "{\"svn\":3},{\"svn\":3}," }, { "{\"svn\":3}", "{\"svn\":256}" },
		{ "{\"svn\":3}", "3" },
		{ "\"pcesvn\":11", "\"pcesvn\":65536" }, { "\"pcesvn\":11,", "" },
		{ "tdxtcbcomponents", "tdxTcbComponents" },
		{ "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"UpToday\"" },
		{ "\"tcbStatus\":\"UpToDate\"", "\"x\":1" },
		{ "\"tcbDate\":\"2024-03-13", "\"tcbDate\":\"2024-02-30" }, { "[\"INTEL-SA-00001\"", "[\"INTEL SA\"" },
		{ "[\"INTEL-SA-00001\"", "[\"\"" }, { "[\"INTEL-SA-00001\"", "[1" }, { "[\"INTEL-SA-00001\"", "[null" },
		{ "\"advisoryIDs\":[", "\"advisoryIDs\":{\"x\":[" },
		{ "\"tdxModuleIdentities\":[", "\"tdxModuleIdentities\":[1," },
		{ "\"tdxModuleIdentities\":[", "\"tdxModuleIdentities\":[null," },
		{ "\"version\":3", "\"version\":3,\"version\":3" }, { "{\"id\"", "{\"\\u0069d\"" },
	};
	static const struct change good[] = {
		{ "\"id\":\"TDX\"", "\"new\":{\"x\":[1]},\"id\":\"TDX\"" }, { "\"version\":3", " \"version\" : 3 " },
		{ "\"tcbEvaluationDataNumber\":17", "\"tcbEvaluationDataNumber\":4294967295" },
		{ "{\"svn\":3}", "{\"svn\":255,\"category\":\"BIOS\",\"type\":\"x\"}" },
		{ "\"isvsvn\":3", "\"isvsvn\":65535" },
		{ "[\"INTEL-SA-00001\",\"INTEL-SA-00002\"]", "[]" }, { "\"id\":\"TDX_03\"", "\"id\":\"TDX_FF\"" },
	};
	char text[TDXGEN_TEXT_SIZE];
	struct tdxgen gen;
	size_t len;

	tdxgen_init(&gen);
	len = tdxgen_tcbinfo(&gen, text);
	CHECK_LOOP_BEGIN();
	CHECK_LOOP(take_tcbinfo(text, len) == 0, "as it is");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_LOOP(take_with(take_tcbinfo, text, bad[i].from, bad[i].to) < 0, "%s -> %s", bad[i].from,
			   bad[i].to);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_LOOP(take_with(take_tcbinfo, text, good[i].from, good[i].to) == 0, "%s -> %s", good[i].from,
			   good[i].to);
	for (size_t cut = 0; cut < len; cut++)
		CHECK_LOOP(take_tcbinfo(text, cut) == -EBADMSG, "cut at %zu", cut);
	CHECK_LOOP_END();
	tdxgen_fini(&gen);
}

/* @n times @one, with commas. */
static char *repeat(const char *one, size_t n)
{
	char *text = calloc(n, strlen(one) + 1), *at = text;

	if (!text)
		abort();
	for (size_t i = 0; i < n; i++)
		at += sprintf(at, "%s%s", i ? "," : "", one);
	return text;
}

static void tcb_info_has_limits(void)
{
	static const struct {
		const char *from, *one;
		size_t max;
	} cases[] = {
		{ "[\"INTEL-SA-00001\",\"INTEL-SA-00002\"]", "\"A\"", 128 },
		/* 51 of 20 characters with what separates them are 1023 */
		{ "[\"INTEL-SA-00001\",\"INTEL-SA-00002\"]", "\"INTEL-SA-00001-00001\"", 48 },
	};
	char text[TDXGEN_TEXT_SIZE];
	struct tdxgen gen;

	tdxgen_init(&gen);
	tdxgen_tcbinfo(&gen, text);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t n = cases[i].max; n <= cases[i].max + 1; n++) {
			char *list = repeat(cases[i].one, n), array[4096];

			snprintf(array, sizeof(array), "[%s]", list);
			CU_ASSERT_EQUAL(take_with(take_tcbinfo, text, cases[i].from, array) == 0, n == cases[i].max);
			free(list);
		}
	}
	for (size_t n = 13; n <= 14; n++) {
		/* with TDX_03 and TDX_01 there */
		char modules[8192] = "";

		for (size_t i = 0; i <= n; i++) {
			char zeros[97];

			memset(zeros, '0', 96);
			zeros[96] = '\0';
			sprintf(modules + strlen(modules), "{\"id\":\"TDX_%02zX\",\"mrsigner\":\"%s\",\"attributes\":"
				"\"0000000000000000\",\"attributesMask\":\"0000000000000000\",\"tcbLevels\":[{\"tcb\":"
				"{\"isvsvn\":1},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]},",
				16 + i, zeros);
		}
		sprintf(modules + strlen(modules), "{\"id\":\"TDX_03\"");
		CU_ASSERT_EQUAL(take_with(take_tcbinfo, text, "{\"id\":\"TDX_03\"", modules) == 0, n == 13);
	}
	tdxgen_fini(&gen);
}

static void qe_identity_is_read(void)
{
	struct tdx_qeidentity *identity;
	struct tdx_qe_report qe;
	char text[TDXGEN_TEXT_SIZE];
	struct tdxgen gen;

	tdxgen_init(&gen);
	gen.qeidentity.miscselect = 0x00010203;
	gen.qeidentity.miscselect_mask = 0x00ffffff;
	CU_ASSERT_EQUAL_FATAL(tdx_qeidentity_new(text, tdxgen_qeidentity(&gen, text), &identity), 0);
	CU_ASSERT_EQUAL(identity->issued_s, gen.qeidentity.issued_s);
	CU_ASSERT_EQUAL(identity->next_update_s, gen.qeidentity.next_update_s);
	CU_ASSERT_EQUAL(identity->evaluation, 17);
	CU_ASSERT_EQUAL(identity->isvprodid, 2);
	CU_ASSERT_EQUAL(memcmp(identity->mrsigner, gen.qe.mrsigner, 32), 0);
	CU_ASSERT_EQUAL(identity->n_levels, 2);
	CU_ASSERT_EQUAL(tdx_qeidentity_level(identity, 4)->status, TDX_UP_TO_DATE);
	CU_ASSERT_EQUAL(tdx_qeidentity_level(identity, 9)->status, TDX_UP_TO_DATE);
	CU_ASSERT_EQUAL(tdx_qeidentity_level(identity, 3)->status, TDX_OUT_OF_DATE);
	CU_ASSERT_PTR_NULL(tdx_qeidentity_level(identity, 1));
	qe = gen.qe;
	qe.miscselect = 0x99010203;
	CU_ASSERT_TRUE(tdx_qeidentity_miscselect(identity, &qe));
	qe.miscselect = 0x03020100;
	CU_ASSERT_FALSE(tdx_qeidentity_miscselect(identity, &qe));
	CU_ASSERT_TRUE(tdx_qeidentity_attributes(identity, &qe));
	for (size_t i = 0; i < 16; i++) {
		qe.attributes[i] ^= 0x40;
		CU_ASSERT_EQUAL(tdx_qeidentity_attributes(identity, &qe), i >= 8);
		qe.attributes[i] ^= 0x40;
	}
	/* a mask that leaves debugging open does not open it */
	memset(identity->attributes_mask, 0, 16);
	memset(identity->attributes, 0, 16);
	CU_ASSERT_TRUE(tdx_qeidentity_attributes(identity, &qe));
	qe.attributes[0] |= 2;
	CU_ASSERT_FALSE(tdx_qeidentity_attributes(identity, &qe));
	tdx_qeidentity_free(identity);
	tdxgen_fini(&gen);
}

static void qe_identity_of_another_kind_is_refused(void)
{
	static const struct change bad[] = {
		{ "\"id\":\"TD_QE\"", "\"id\":\"QE\"" }, { "\"version\":2", "\"version\":1" },
		{ "\"version\":2", "\"version\":3" },
		{ "\"issueDate\"", "\"issued\"" }, { "\"nextUpdate\":\"", "\"nextUpdate\":\" " },
		{ "\"tcbEvaluationDataNumber\":17,", "" }, { "\"miscselect\":\"00", "\"miscselect\":\"" },
		{ "\"miscselectMask\":\"FF", "\"miscselectMask\":\"" }, { "\"attributes\":\"11", "\"attributes\":\"" },
		{ "\"attributesMask\":\"FB", "\"attributesMask\":\"" }, { "\"mrsigner\":\"DC", "\"mrsigner\":\"" },
		{ "\"isvprodid\":2", "\"isvprodid\":65536" }, { "\"tcbLevels\":[", "\"tcbLevels\":[7," },
		{ "\"isvsvn\":4", "\"isvsvn\":-4" }, { "\"tcb\":{\"isvsvn\":4}", "\"tcb\":4" },
		{ "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"\"" }, { "\"tcbLevels\"", "\"levels\"" },
	};
	char text[TDXGEN_TEXT_SIZE];
	struct tdxgen gen;
	size_t len;

	tdxgen_init(&gen);
	len = tdxgen_qeidentity(&gen, text);
	CHECK_LOOP_BEGIN();
	CHECK_LOOP(take_qeidentity(text, len) == 0, "as it is");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_LOOP(take_with(take_qeidentity, text, bad[i].from, bad[i].to) < 0, "%s -> %s", bad[i].from,
			   bad[i].to);
	gen.qeidentity.levels[0].status = NULL;
	CHECK_LOOP(take_qeidentity(text, tdxgen_qeidentity(&gen, text)) == -EBADMSG, "no levels");
	CHECK_LOOP_END();
	tdxgen_fini(&gen);
}

/* White space inside what is signed, so that a text that was written again would not be the same. */
static void signed_bytes_are_those_of_the_file(void)
{
	char tcbinfo[TDXGEN_TEXT_SIZE] = "{ ", qeidentity[TDXGEN_TEXT_SIZE] = "{\t";
	struct tdx_collateral *collateral;
	struct tdxgen gen;

	tdxgen_init(&gen);
	tdxgen_tcbinfo(&gen, tcbinfo + 1);
	tdxgen_qeidentity(&gen, qeidentity + 1);
	tcbinfo[1] = ' ';
	qeidentity[1] = '\t';
	for (enum tdxgen_form form = TDXGEN_STRINGS; form <= TDXGEN_ANSWER_STRINGS; form++) {
		char *json;

		/* a raw tab may not stand in a string */
		if (form == TDXGEN_ANSWERS)
			qeidentity[1] = '\n';
		else if (form != TDXGEN_OBJECTS)
			qeidentity[1] = ' ';
		json = tdxgen_collateral_of(&gen, form, tcbinfo, qeidentity);
		CU_ASSERT_EQUAL_FATAL(tdx_collateral_new(json, strlen(json), &collateral), 0);
		CU_ASSERT_EQUAL(collateral->tcb_info.len, strlen(tcbinfo));
		CU_ASSERT_EQUAL(memcmp(collateral->tcb_info.text, tcbinfo, strlen(tcbinfo)), 0);
		CU_ASSERT_EQUAL(collateral->qe_identity.len, strlen(qeidentity));
		CU_ASSERT_EQUAL(memcmp(collateral->qe_identity.text, qeidentity, strlen(qeidentity)), 0);
		CU_ASSERT_EQUAL(collateral->tcb_info.n_chain, 2);
		CU_ASSERT_TRUE(x509_ecdsa_verify(collateral->tcb_info.chain[0], X509_P256,
						 collateral->tcb_info.signature, collateral->tcb_info.signature + 32,
						 (const uint8_t *)collateral->tcb_info.text, collateral->tcb_info.len));
		tdx_collateral_free(collateral);
		free(json);
	}
	tdxgen_fini(&gen);
}

static void file_without_a_part_is_refused(void)
{
	static const struct change strings[] = {
		{ "\"tcb_info\":", "\"x\":" }, { "\"tcb_info\": \"{", "\"tcb_info\": [1], \"x\": \"{" },
		{ "\"tcb_info_signature\":", "\"x\":" },
		{ "\"tcb_info_signature\": \"", "\"tcb_info_signature\": \"00" },
		{ "\"tcb_info_signature\": \"", "\"tcb_info_signature\": null, \"x\": \"" },
		{ "\"tcb_info_issuer_chain\":", "\"x\":" }, { "\"qe_identity\":", "\"x\":" },
		{ "\"qe_identity_issuer_chain\":", "\"x\":" }, { "\"root_ca_crl\":", "\"x\":" },
		{ "\"pck_crl\":", "\"x\":" },
		{ "\"root_ca_crl\": \"30", "\"root_ca_crl\": \"31" }, { "\"pck_crl\": \"30", "\"pck_crl\": \"0" },
		{ "\"pck_crl\": \"30", "\"pck_crl\": \"\", \"x\": \"30" },
		{ "BEGIN CERTIFICATE-----\\nM", "BEGIN CERTIFICATE-----\\n!" },
		{ "{\n", "{\n\"pck_crl\": \"\"," },
	};
	static const struct change answers[] = {
		{ "\"tcbInfo\":", "\"tcbinfo\":" }, { "\"signature\":\"", "\"signature\":\"0" },
		{ "\"signature\":", "\"sig\":" },
		{ "{\"tcbInfo\":", "{\"tcbInfo\":1,\"tcbInfo\":" },
	};
	struct tdxgen gen;
	char *json;

	tdxgen_init(&gen);
	json = tdxgen_collateral(&gen);
	CHECK_LOOP_BEGIN();
	CHECK_LOOP(take_collateral(json, strlen(json)) == 0, "as it is");
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		CHECK_LOOP(take_with(take_collateral, json, strings[i].from, strings[i].to) < 0, "%s -> %s",
			   strings[i].from, strings[i].to);
	for (size_t cut = 0; cut < strlen(json) - 2; cut += 7)
		CHECK_LOOP(take_collateral(json, cut) == -EBADMSG, "cut at %zu", cut);
	CHECK_LOOP(take_with(take_collateral, json, "{\n", "{\n\"other\": [1, {}],") == 0, "another member");
	/* three certificates where two are */
	CHECK_LOOP(take_with(take_collateral, json, "\"tcb_info_issuer_chain\": \"",
			     "\"tcb_info_issuer_chain\": \"-----BEGIN CERTIFICATE-----\\nAAAA\\n"
			     "-----END CERTIFICATE-----\\n") < 0,
		   "a third certificate");
	free(json);
	{
		char tcbinfo[TDXGEN_TEXT_SIZE], qeidentity[TDXGEN_TEXT_SIZE];

		tdxgen_tcbinfo(&gen, tcbinfo);
		tdxgen_qeidentity(&gen, qeidentity);
		json = tdxgen_collateral_of(&gen, TDXGEN_ANSWERS, tcbinfo, qeidentity);
	}
	CHECK_LOOP(take_collateral(json, strlen(json)) == 0, "answers as they are");
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		CHECK_LOOP(take_with(take_collateral, json, answers[i].from, answers[i].to) < 0, "%s -> %s",
			   answers[i].from, answers[i].to);
	CHECK_LOOP_END();
	free(json);
	tdxgen_fini(&gen);
}

static void real_collateral_is_read(void)
{
	struct tdx_collateral *collateral;
	struct tdx_qeidentity *identity;
	struct tdx_tcbinfo *tcbinfo;
	size_t len;
	uint8_t *json = real_read("tdx", "v4-collateral.json", &len);

	if (!json)
		return;
	CU_ASSERT_EQUAL_FATAL(tdx_collateral_new((const char *)json, len, &collateral), 0);
	CU_ASSERT_EQUAL(collateral->tcb_info.len, 2934);
	CU_ASSERT_EQUAL(collateral->qe_identity.len, 461);
	CU_ASSERT_EQUAL_FATAL(tdx_tcbinfo_new(collateral->tcb_info.text, collateral->tcb_info.len, &tcbinfo), 0);
	CU_ASSERT_EQUAL(tcbinfo->issued_s, 1750328163);
	CU_ASSERT_EQUAL(tcbinfo->evaluation, 17);
	CU_ASSERT_EQUAL(tcbinfo->n_modules, 2);
	CU_ASSERT_EQUAL(tcbinfo->n_levels, 2);
	CU_ASSERT_EQUAL(tcbinfo->levels[1].level.status, TDX_OUT_OF_DATE);
	CU_ASSERT_EQUAL(strlen(tcbinfo->levels[1].level.advisories), 14 * 15 - 1);
	CU_ASSERT_EQUAL_FATAL(tdx_qeidentity_new(collateral->qe_identity.text, collateral->qe_identity.len, &identity),
			      0);
	CU_ASSERT_EQUAL(identity->n_levels, 1);
	CU_ASSERT_EQUAL(identity->levels[0].isvsvn, 4);
	/* one is not the other */
	CU_ASSERT_EQUAL(take_qeidentity(collateral->tcb_info.text, collateral->tcb_info.len), -EBADMSG);
	CU_ASSERT_EQUAL(take_tcbinfo(collateral->qe_identity.text, collateral->qe_identity.len), -EBADMSG);
	tdx_qeidentity_free(identity);
	tdx_tcbinfo_free(tcbinfo);
	tdx_collateral_free(collateral);
	free(json);
}

int main(void)
{
	static const struct check checks[] = {
		{ "dates are moments", dates_are_moments },
		{ "JSON is what the grammar says", json_is_what_the_grammar_says },
		{ "JSON limits are the last that pass", json_limits_are_the_last_that_pass },
		{ "members stand where they stand", members_stand_where_they_stand },
		{ "values have one type", values_have_one_type },
		{ "statuses converge", statuses_converge },
		{ "TCB info is read", tcb_info_is_read },
		{ "platforms stand where their numbers say", platforms_stand_where_their_numbers_say },
		{ "TCB info of another kind is refused", tcb_info_of_another_kind_is_refused },
		{ "TCB info has limits", tcb_info_has_limits },
		{ "QE identity is read", qe_identity_is_read },
		{ "QE identity of another kind is refused", qe_identity_of_another_kind_is_refused },
		{ "signed bytes are those of the file", signed_bytes_are_those_of_the_file },
		{ "file without a part is refused", file_without_a_part_is_refused },
		{ "real collateral is read", real_collateral_is_read },
		{ NULL, NULL },
	};

	return check_main("tdx collateral", checks);
}
