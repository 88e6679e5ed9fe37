/* SPDX-License-Identifier: MIT */
/* report.c and product.c: every field from its place, every reserved bit refused, of every version. */
#include "check.h"

#include <errno.h>
#include <stddef.h>

#include <attest/snp/evidence.h>
#include <vectors/real.h>
#include <vectors/snpgen.h>

static const uint32_t versions[] = { 2, 3, 5 };
#define N_VERSIONS 3u

static void make(uint32_t version, uint8_t ret_bytes[SNP_REPORT_LEN])
{
	struct snpgen gen;

	snpgen_init(&gen, SNP_GENOA, false, version);
	memcpy(ret_bytes, gen.report, SNP_REPORT_LEN);
}

static int parse(const uint8_t *bytes, size_t len, struct snp_report *ret_report)
{
	const char *why = NULL;
	int ret = snp_report_parse(bytes, len, ret_report, &why);

	if (ret)
		CU_ASSERT_PTR_NOT_NULL_FATAL(why);
	return ret;
}

static void only_known_versions(void)
{
	uint8_t bytes[SNP_REPORT_LEN];
	struct snp_report report;

	make(2, bytes);
	CHECK_LOOP_BEGIN();
	for (unsigned int version = 0; version < 256; version++) {
		bool known = version == 2 || version == 3 || version == 5;

		bytes[0] = (uint8_t)version;
		CHECK_LOOP(known ? parse(bytes, sizeof(bytes), &report) != -ENOTSUP :
			   parse(bytes, sizeof(bytes), &report) == -ENOTSUP, "version %u", version);
		CHECK_LOOP(snp_report_version(bytes, sizeof(bytes)) == version, "version %u", version);
	}
	CHECK_LOOP_END();
	CU_ASSERT_EQUAL(snp_report_version(bytes, 3), 0);
	CU_ASSERT_EQUAL(snp_report_version(NULL, 0), 0);
}

static void only_the_exact_length(void)
{
	uint8_t bytes[SNP_REPORT_LEN + 1] = { 0 };
	struct snp_report report;

	make(3, bytes);
	CHECK_LOOP_BEGIN();
	for (size_t len = 0; len <= sizeof(bytes); len++)
		CHECK_LOOP(parse(bytes, len, &report) == (len == SNP_REPORT_LEN ? 0 : -EBADMSG), "%zu bytes", len);
	CHECK_LOOP_END();
}

static void outputs_stay_on_failure(void)
{
	uint8_t bytes[SNP_REPORT_LEN];
	struct snp_report report, before;

	make(3, bytes);
	bytes[0x4c] = 1;
	memset(&report, 0x5a, sizeof(report));
	memset(&before, 0x5a, sizeof(before));
	CU_ASSERT_EQUAL(parse(bytes, sizeof(bytes), &report), -EBADMSG);
	CU_ASSERT_EQUAL(memcmp(&report, &before, sizeof(report)), 0);
}

/* What each bit of a report is: read, or reserved.  From AMD's tables, not from report.c. */
static bool is_reserved(uint32_t version, size_t byte, unsigned int bit)
{
	static const struct {
		size_t from, to;
		uint32_t from_version, to_version;
	} zeros[] = {
		{ 0x4c, 0x50, 2, 5 }, { 0x188, 0x1a0, 2, 2 }, { 0x18b, 0x1a0, 3, 5 }, { 0x1eb, 0x1ec, 2, 5 },
		{ 0x1ef, 0x1f0, 2, 5 }, { 0x1f8, 0x2a0, 2, 3 }, { 0x208, 0x2a0, 5, 5 }, { 0x330, 0x4a0, 2, 5 },
	};

	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
		if (byte >= zeros[i].from && byte < zeros[i].to && version >= zeros[i].from_version &&
		    version <= zeros[i].to_version)
			return true;
	if (byte >= 0x08 && byte < 0x10) {
		unsigned int number = (unsigned int)(byte - 8) * 8 + bit;

		return number == 17 || number > 25;
	}
	if (byte >= 0x40 && byte < 0x48)
		return byte > 0x40 || bit == 6;
	return byte >= 0x48 && byte < 0x4c && (byte > 0x48 || bit > 4);
}

/* Each bit is either refused because it is reserved, or changes what is read. */
static void every_bit_is_read_or_reserved(void)
{
	uint8_t bytes[SNP_REPORT_LEN];
	struct snp_report before, after;

	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < N_VERSIONS; i++) {
		make(versions[i], bytes);
		snpgen_sign(bytes, SNPGEN_LEAF);
		memset(&before, 0, sizeof(before));
		CHECK_LOOP(parse(bytes, sizeof(bytes), &before) == 0, "version %u", versions[i]);
		for (size_t at = 4 * 8; at < SNP_REPORT_LEN * 8; at++) {
			int ret;

			bytes[at / 8] ^= (uint8_t)(1u << at % 8);
			memset(&after, 0, sizeof(after));
			ret = parse(bytes, sizeof(bytes), &after);
			bytes[at / 8] ^= (uint8_t)(1u << at % 8);
			if (is_reserved(versions[i], at / 8, at % 8))
				CHECK_LOOP(ret == -EBADMSG, "version %u, reserved 0x%zx.%zu", versions[i], at / 8, at % 8);
			else
				CHECK_LOOP(ret == 0 && memcmp(&before, &after, sizeof(after)),
					   "version %u, 0x%zx.%zu", versions[i], at / 8, at % 8);
		}
	}
	CHECK_LOOP_END();
}

static void put(uint8_t *bytes, size_t offset, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[offset + i] = (uint8_t)(value >> 8 * i);
}

/* Every integer from its place and no other. */
static void integers_are_little_endian(void)
{
	uint8_t bytes[SNP_REPORT_LEN];
	struct snp_report report;

	make(5, bytes);
	put(bytes, 0x04, 0x04030201, 4);
	put(bytes, 0x08, 0x3ff1234, 8);
	put(bytes, 0x30, 0x14131211, 4);
	put(bytes, 0x34, 0x24232221, 4);
	put(bytes, 0x38, 0x3837363534333231, 8);
	put(bytes, 0x40, 0xbf, 8);
	put(bytes, 0x48, 0x16, 4);
	put(bytes, 0x180, 0x4847464544434241, 8);
	put(bytes, 0x188, 0x535251, 3);
	put(bytes, 0x1e0, 0x6867666564636261, 8);
	put(bytes, 0x1e8, 0x73727100757473, 7);
	put(bytes, 0x1f0, 0x8887868584838281, 8);
	put(bytes, 0x1f8, 0x9897969594939291, 8);
	put(bytes, 0x200, 0xa8a7a6a5a4a3a2a1, 8);
	CU_ASSERT_EQUAL_FATAL(parse(bytes, sizeof(bytes), &report), 0);
	CU_ASSERT_EQUAL(report.guest_svn, 0x04030201);
	CU_ASSERT_EQUAL(report.policy, 0x3ff1234);
	CU_ASSERT_EQUAL(report.vmpl, 0x14131211);
	CU_ASSERT_EQUAL(report.signature_algorithm, 0x24232221);
	CU_ASSERT_EQUAL(report.current_tcb, 0x3837363534333231);
	CU_ASSERT_EQUAL(report.platform_info, 0xbf);
	CU_ASSERT_FALSE(report.author_key_enabled);
	CU_ASSERT_TRUE(report.mask_chip_key);
	CU_ASSERT_EQUAL(report.signing_key, 5);
	CU_ASSERT_EQUAL(report.reported_tcb, 0x4847464544434241);
	CU_ASSERT_EQUAL(report.cpuid_family, 0x51);
	CU_ASSERT_EQUAL(report.cpuid_model, 0x52);
	CU_ASSERT_EQUAL(report.cpuid_stepping, 0x53);
	CU_ASSERT_EQUAL(report.committed_tcb, 0x6867666564636261);
	CU_ASSERT_EQUAL(report.current.build, 0x73);
	CU_ASSERT_EQUAL(report.current.minor, 0x74);
	CU_ASSERT_EQUAL(report.current.major, 0x75);
	CU_ASSERT_EQUAL(report.committed.build, 0x71);
	CU_ASSERT_EQUAL(report.committed.minor, 0x72);
	CU_ASSERT_EQUAL(report.committed.major, 0x73);
	CU_ASSERT_EQUAL(report.launch_tcb, 0x8887868584838281);
	CU_ASSERT_EQUAL(report.launch_mitigations, 0x9897969594939291);
	CU_ASSERT_EQUAL(report.current_mitigations, 0xa8a7a6a5a4a3a2a1);
}

static void byte_fields_are_where_they_are(void)
{
	static const struct {
		size_t report_at, bytes_at, len;
	} fields[] = {
#define FIELD(field, at) { offsetof(struct snp_report, field), at, sizeof(((struct snp_report *)0)->field) }
		FIELD(family_id, 0x10), FIELD(image_id, 0x20), FIELD(report_data, 0x50), FIELD(measurement, 0x90),
		FIELD(host_data, 0xc0), FIELD(id_key_digest, 0xe0), FIELD(author_key_digest, 0x110),
		FIELD(report_id, 0x140), FIELD(report_id_ma, 0x160), FIELD(chip_id, 0x1a0), FIELD(r, 0x2a0),
		FIELD(s, 0x2e8),
	};
	uint8_t bytes[SNP_REPORT_LEN];
	struct snp_report report;

	make(3, bytes);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (size_t j = 0; j < fields[i].len; j++)
			bytes[fields[i].bytes_at + j] = (uint8_t)(17 * i + 3 * j + 1);
	CU_ASSERT_EQUAL_FATAL(parse(bytes, sizeof(bytes), &report), 0);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		CU_ASSERT_EQUAL(memcmp((uint8_t *)&report + fields[i].report_at, bytes + fields[i].bytes_at,
				       fields[i].len), 0);
}

static void what_a_version_does_not_have_is_not_there(void)
{
	uint8_t bytes[SNP_REPORT_LEN];
	struct snp_report report;

	for (size_t i = 0; i < N_VERSIONS; i++) {
		make(versions[i], bytes);
		CU_ASSERT_EQUAL_FATAL(parse(bytes, sizeof(bytes), &report), 0);
		CU_ASSERT_EQUAL(report.has_cpuid, versions[i] >= 3);
		CU_ASSERT_EQUAL(report.has_mitigations, versions[i] >= 5);
	}
}

static void real_reports_are_read(void)
{
	uint8_t bytes[SNP_REPORT_LEN + 1];
	struct snp_report report;

	if (!real_present("real reports")) {
		CU_PASS("skipped, and said so");
		return;
	}
	CU_ASSERT_EQUAL(real_load("snp/milan-v2.report", bytes, sizeof(bytes)), SNP_REPORT_LEN);
	CU_ASSERT_EQUAL_FATAL(parse(bytes, SNP_REPORT_LEN, &report), 0);
	CU_ASSERT_EQUAL(report.version, 2);
	CU_ASSERT_EQUAL(report.policy, 0x30000);
	CU_ASSERT_EQUAL(report.current.minor, 0x34);
	CU_ASSERT_EQUAL(real_load("snp/milan-v2-debug.report", bytes, sizeof(bytes)), SNP_REPORT_LEN);
	CU_ASSERT_EQUAL_FATAL(parse(bytes, SNP_REPORT_LEN, &report), 0);
	CU_ASSERT_TRUE(report.policy >> SNP_POLICY_DEBUG & 1);
	CU_ASSERT_EQUAL(real_load("snp/milan-v3-vlek.report", bytes, sizeof(bytes)), SNP_REPORT_LEN);
	CU_ASSERT_EQUAL_FATAL(parse(bytes, SNP_REPORT_LEN, &report), 0);
	CU_ASSERT_EQUAL(report.vmpl, 1);
	CU_ASSERT_EQUAL(report.signing_key, SNP_KEY_VLEK);
	CU_ASSERT_EQUAL(report.cpuid_family, 0x19);
	CU_ASSERT_EQUAL(report.cpuid_model, 0x01);
}

static void products_by_cpuid(void)
{
	enum snp_product product = SNP_N_PRODUCTS;

	CU_ASSERT_TRUE(snp_product_from_cpuid(0x19, 0x0f, &product) && product == SNP_MILAN);
	CU_ASSERT_TRUE(snp_product_from_cpuid(0x19, 0x10, &product) && product == SNP_GENOA);
	CU_ASSERT_TRUE(snp_product_from_cpuid(0x19, 0xa0, &product) && product == SNP_GENOA);
	CU_ASSERT_TRUE(snp_product_from_cpuid(0x1a, 0x02, &product) && product == SNP_TURIN);
	CU_ASSERT_TRUE(snp_product_from_cpuid(0x1a, 0x11, &product) && product == SNP_TURIN);
	CU_ASSERT_FALSE(snp_product_from_cpuid(0x1a, 0x12, &product));
	CU_ASSERT_FALSE(snp_product_from_cpuid(0x19, 0x20, &product));
	CU_ASSERT_FALSE(snp_product_from_cpuid(0x19, 0xb0, &product));
	CU_ASSERT_FALSE(snp_product_from_cpuid(0x17, 0x31, &product));
}

static void products_by_name(void)
{
	enum snp_product product = SNP_N_PRODUCTS;

	CU_ASSERT_TRUE(snp_product_from_name("Milan-B0", &product) && product == SNP_MILAN);
	CU_ASSERT_TRUE(snp_product_from_name("Genoa", &product) && product == SNP_GENOA);
	CU_ASSERT_TRUE(snp_product_from_name("Turin-C1", &product) && product == SNP_TURIN);
	CU_ASSERT_FALSE(snp_product_from_name("Milano", &product));
	CU_ASSERT_FALSE(snp_product_from_name("milan", &product));
	CU_ASSERT_FALSE(snp_product_from_name("Mila", &product));
	CU_ASSERT_FALSE(snp_product_from_name("", &product));
}

/* Each byte of TCB_VERSION is the part that it is in AMD's tables, or reserved. */
static void tcb_layouts(void)
{
	static const char old[] = "bt....sm", turin[] = "fbts...m";

	CHECK_LOOP_BEGIN();
	for (unsigned int product = 0; product < SNP_N_PRODUCTS; product++) {
		const char *layout = product == SNP_TURIN ? turin : old;

		for (unsigned int i = 0; i < 8; i++) {
			struct snp_tcb tcb;
			uint64_t raw = UINT64_C(0xc3) << 8 * i;
			bool good = snp_tcb_decode(product, raw, &tcb);

			CHECK_LOOP(good == (layout[i] != '.'), "product %u, byte %u", product, i);
			if (!good)
				continue;
			CHECK_LOOP((tcb.fmc == 0xc3) == (layout[i] == 'f') && (tcb.boot_loader == 0xc3) == (layout[i] == 'b') &&
				   (tcb.tee == 0xc3) == (layout[i] == 't') && (tcb.snp == 0xc3) == (layout[i] == 's') &&
				   (tcb.microcode == 0xc3) == (layout[i] == 'm'), "product %u, byte %u", product, i);
			CHECK_LOOP(snp_tcb_encode(product, &tcb) == raw, "product %u, byte %u back", product, i);
		}
	}
	CHECK_LOOP_END();
}

/* evidence.h: what is written is read, and nothing else is. */
static void evidence_has_one_form(void)
{
	static const uint8_t certs[3][5] = { { 1 }, { 2, 2 }, { 3, 3, 3 } };
	struct snp_evidence evidence = { .n_certs = 3 }, read;
	uint8_t report[SNP_REPORT_LEN], bytes[2048];
	size_t len = sizeof(bytes), small;

	make(3, report);
	evidence.report = report;
	for (size_t i = 0; i < 3; i++) {
		evidence.certs[i].der = certs[i];
		evidence.certs[i].len = i + 1;
	}
	CU_ASSERT_EQUAL_FATAL(snp_evidence_write(&evidence, bytes, &len), 0);
	CU_ASSERT_EQUAL_FATAL(snp_evidence_parse(bytes, len, &read), 0);
	CU_ASSERT_EQUAL(read.n_certs, 3);
	CU_ASSERT_EQUAL(memcmp(read.report, report, sizeof(report)), 0);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_TRUE(read.certs[i].len == i + 1 && memcmp(read.certs[i].der, certs[i], i + 1) == 0);
	CHECK_LOOP_BEGIN();
	for (size_t cut = 0; cut < len; cut++) {
		CHECK_LOOP(snp_evidence_parse(bytes, cut, &read) == -EBADMSG, "cut to %zu", cut);
		small = cut;
		CHECK_LOOP(snp_evidence_write(&evidence, bytes, &small) == -ENOBUFS, "room of %zu", cut);
	}
	CHECK_LOOP_END();
	CU_ASSERT_EQUAL(snp_evidence_parse(bytes, len + 1, &read), -EBADMSG);
	evidence.n_certs = 1;
	CU_ASSERT_EQUAL(snp_evidence_write(&evidence, bytes, &len), -EINVAL);
	evidence.n_certs = 2;
	evidence.certs[1].len = 0;
	CU_ASSERT_EQUAL(snp_evidence_write(&evidence, bytes, &len), -EINVAL);
	evidence.certs[1].len = 65536;
	CU_ASSERT_EQUAL(snp_evidence_write(&evidence, bytes, &len), -EINVAL);
}

static const struct check checks[] = {
	{ "only known versions", only_known_versions },
	{ "only the exact length", only_the_exact_length },
	{ "outputs stay on failure", outputs_stay_on_failure },
	{ "every bit is read or reserved", every_bit_is_read_or_reserved },
	{ "integers are little endian", integers_are_little_endian },
	{ "byte fields are where they are", byte_fields_are_where_they_are },
	{ "what a version does not have", what_a_version_does_not_have_is_not_there },
	{ "real reports are read", real_reports_are_read },
	{ "products by CPUID", products_by_cpuid },
	{ "products by name", products_by_name },
	{ "TCB layouts", tcb_layouts },
	{ "evidence has one form", evidence_has_one_form },
	{ NULL, NULL },
};

int main(void)
{
	return check_main("snp report", checks);
}
