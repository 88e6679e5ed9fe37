/* SPDX-License-Identifier: MIT */
/* endorse.c: AMD's extensions are read exactly, of generated and of real certificates. */
#include "check.h"

#include <errno.h>

#include <attest/snp/endorse.h>
#include <vectors/real.h>
#include <vectors/snpgen.h>

static int read_made(const struct snpgen_cert *made, struct snp_endorsement *ret_endorsement, const char **ret_why)
{
	struct x509_cert *cert = snpgen_cert_parsed(made);
	int ret = snp_endorsement_read(cert, ret_endorsement, ret_why);

	x509_cert_free(cert);
	return ret;
}

static void good_ones_are_read(void)
{
	struct snp_endorsement endorsement;
	struct snpgen gen;
	const char *why;

	for (unsigned int product = 0; product < SNP_N_PRODUCTS; product++) {
		for (int vlek = 0; vlek < 2; vlek++) {
			struct snp_tcb tcb = snpgen_tcb;

			snpgen_init(&gen, product, vlek, 3);
			CU_ASSERT_EQUAL_FATAL(read_made(&gen.leaf, &endorsement, &why), 0);
			CU_ASSERT_EQUAL(endorsement.product, product);
			CU_ASSERT_EQUAL(endorsement.kind, vlek ? SNP_KEY_VLEK : SNP_KEY_VCEK);
			CU_ASSERT_EQUAL(endorsement.struct_version, product == SNP_TURIN);
			tcb.fmc = product == SNP_TURIN ? tcb.fmc : 0;
			CU_ASSERT_TRUE(snp_tcb_equal(&endorsement.tcb, &tcb));
			CU_ASSERT_STRING_EQUAL(endorsement.csp_id, vlek ? "CN=example" : "");
			/* The generator masks it in a VLEK's report. */
			CU_ASSERT_EQUAL(memcmp(endorsement.chip_id, gen.report + 0x1a0, SNP_CHIP_ID_LEN), 0);
		}
	}
}

#define SET(oid, ...)										\
	do {											\
		static const uint8_t bytes_[] = { __VA_ARGS__ };				\
		struct snpgen_extension *extension_ = snpgen_find(c, SNPGEN_AMD oid);		\
												\
		memset(extension_->bytes, 0, sizeof(extension_->bytes));			\
		memcpy(extension_->bytes, bytes_, sizeof(bytes_));				\
		extension_->len = sizeof(bytes_);						\
	} while (0)
#define BREAK(name, ...)				\
	static void name(struct snpgen_cert *c)		\
	{						\
		__VA_ARGS__;				\
	}

BREAK(no_version, snpgen_drop(c, SNPGEN_AMD "1"))
BREAK(version_negative, SET("1", 2, 1, 0x80))
BREAK(version_padded, SET("1", 2, 2, 0, 1))
BREAK(version_wide, SET("1", 2, 2, 1, 0))
BREAK(version_long, SET("1", 2, 3, 0, 0, 1))
BREAK(version_no_integer, SET("1", 4, 1, 0))
BREAK(version_trailing, SET("1", 2, 1, 0, 0))
BREAK(version_empty, SET("1", 2, 0))
BREAK(version_none, snpgen_find(c, SNPGEN_AMD "1")->len = 0)
BREAK(no_name, snpgen_drop(c, SNPGEN_AMD "2"))
BREAK(name_unknown, SET("2", 0x16, 4, 'R', 'o', 'm', 'e'))
BREAK(name_utf8, SET("2", 0x0c, 5, 'M', 'i', 'l', 'a', 'n'))
BREAK(name_cut, SET("2", 0x16, 6, 'M', 'i', 'l', 'a', 'n'))
BREAK(name_trailing, SET("2", 0x16, 5, 'M', 'i', 'l', 'a', 'n', '-'))
BREAK(name_nul, SET("2", 0x16, 6, 'M', 'i', 'l', 'a', 'n', 0))
BREAK(name_empty, SET("2", 0x16, 0))
BREAK(name_long, SET("2", 0x16, 64, 'M', 'i', 'l', 'a', 'n'))
BREAK(no_boot_loader, snpgen_drop(c, SNPGEN_AMD "3.1"))
BREAK(no_tee, snpgen_drop(c, SNPGEN_AMD "3.2"))
BREAK(no_snp, snpgen_drop(c, SNPGEN_AMD "3.3"))
BREAK(no_microcode, snpgen_drop(c, SNPGEN_AMD "3.8"))
BREAK(no_fmc, snpgen_drop(c, SNPGEN_AMD "3.9"))
BREAK(fmc, snpgen_add(c, SNPGEN_AMD "3.9", false, "\2\1\0", 3))
BREAK(boot_loader_256, SET("3.1", 2, 2, 1, 0))
BREAK(microcode_wide, SET("3.8", 2, 2, 0, 0x7f))
BREAK(microcode_negative, SET("3.8", 2, 1, 0xdb))
BREAK(reserved, SET("3.6", 2, 1, 1))
BREAK(reserved_malformed, SET("3.4", 2, 1))
BREAK(no_holder, snpgen_drop(c, SNPGEN_AMD "4"))
BREAK(both_holders, snpgen_add(c, SNPGEN_AMD "5", false, "\x16\4CN=x", 6))
BREAK(chip_short, snpgen_find(c, SNPGEN_AMD "4")->len--)
BREAK(chip_long, snpgen_find(c, SNPGEN_AMD "4")->len++)
BREAK(chip_of_turin, snpgen_find(c, SNPGEN_AMD "4")->len = 8)
BREAK(chip_not_of_turin, snpgen_find(c, SNPGEN_AMD "4")->len = 64)
BREAK(chip_no_string, snpgen_find(c, SNPGEN_AMD "4")->len = 66)
BREAK(chip_twice, c->extensions[c->n_extensions++] = *snpgen_find(c, SNPGEN_AMD "4"))
BREAK(csp_malformed, SET("5", 0x16, 3, 'a', 'b'))
BREAK(csp_twice, c->extensions[c->n_extensions++] = *snpgen_find(c, SNPGEN_AMD "5"))
BREAK(subject, strcpy(c->subject, "SEV-VLEK"))
BREAK(subject_longer, strcpy(c->subject, "SEV-VCEK2"))
BREAK(subject_vcek, strcpy(c->subject, "SEV-VCEK"))

static const struct {
	const char *name;
	void (*break_it)(struct snpgen_cert *cert);
	const char *why;
	enum snp_product product;
	bool vlek;
} cases[] = {
	{ "no structure version", no_version, "3704.1.1" },
	{ "negative", version_negative, "3704.1.1" },
	{ "padded", version_padded, "3704.1.1" },
	{ "above 255", version_wide, "3704.1.1" },
	{ "three bytes", version_long, "3704.1.1" },
	{ "no INTEGER", version_no_integer, "3704.1.1" },
	{ "bytes after it", version_trailing, "3704.1.1" },
	{ "an INTEGER of no bytes", version_empty, "3704.1.1" },
	{ "no bytes", version_none, "3704.1.1" },
	{ "no product name", no_name, "3704.1.2" },
	{ "Rome", name_unknown, "none of Milan, Genoa and Turin" },
	{ "name as UTF-8", name_utf8, "3704.1.2" },
	{ "name cut", name_cut, "3704.1.2" },
	{ "bytes after the name", name_trailing, "3704.1.2" },
	{ "NUL in the name", name_nul, "3704.1.2" },
	{ "no bytes in the name", name_empty, "3704.1.2" },
	{ "name too long", name_long, "3704.1.2" },
	{ "no boot loader", no_boot_loader, "3704.1.3.1" },
	{ "no TEE", no_tee, "3704.1.3.2" },
	{ "no SNP", no_snp, "3704.1.3.3" },
	{ "no microcode", no_microcode, "3704.1.3.8" },
	{ "no FMC", no_fmc, "3704.1.3.9", SNP_TURIN },
	{ "FMC of Milan", fmc, "only Turin has" },
	{ "boot loader above 255", boot_loader_256, "3704.1.3.1" },
	{ "microcode not in its only form", microcode_wide, "3704.1.3.8" },
	{ "microcode negative", microcode_negative, "3704.1.3.8" },
	{ "reserved part not 0", reserved, "reserved version" },
	{ "reserved part malformed", reserved_malformed, "reserved version" },
	{ "no holder", no_holder, "neither one chip id" },
	{ "chip and CSP", both_holders, "neither one chip id" },
	{ "chip id short", chip_short, "chip id (3704.1.4) is malformed" },
	{ "chip id long", chip_long, "chip id (3704.1.4) is malformed" },
	{ "chip id of Turin's length", chip_of_turin, "chip id (3704.1.4) is malformed" },
	{ "Turin's chip id of 64 bytes", chip_not_of_turin, "chip id (3704.1.4) is malformed", SNP_TURIN },
	{ "66 bytes, no OCTET STRING", chip_no_string, "chip id (3704.1.4) is malformed" },
	{ "chip id twice", chip_twice, "neither one chip id" },
	{ "CSP id malformed", csp_malformed, "CSP id (3704.1.5) is malformed", SNP_MILAN, true },
	{ "CSP id twice", csp_twice, "neither one chip id", SNP_MILAN, true },
	{ "VCEK named VLEK", subject, "its subject" },
	{ "another name", subject_longer, "its subject" },
	{ "VLEK named VCEK", subject_vcek, "its subject", SNP_GENOA, true },
};

static void bad_ones_are_refused(void)
{
	struct snp_endorsement endorsement, before;
	struct snpgen gen;
	const char *why;

	memset(&endorsement, 0x5a, sizeof(endorsement));
	memcpy(&before, &endorsement, sizeof(before));
	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snpgen_init(&gen, cases[i].product, cases[i].vlek, 3);
		cases[i].break_it(&gen.leaf);
		why = "";
		CHECK_LOOP(read_made(&gen.leaf, &endorsement, &why) == -EBADMSG, "%s", cases[i].name);
		CHECK_LOOP(strstr(why, cases[i].why), "%s: %s", cases[i].name, why);
		CHECK_LOOP(memcmp(&endorsement, &before, sizeof(before)) == 0, "%s wrote", cases[i].name);
	}
	CHECK_LOOP_END();
}

/* Each of the extensions that every certificate has, twice. */
static void twice_is_refused(void)
{
	struct snp_endorsement endorsement;
	struct snpgen gen;
	const char *why;

	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < 11; i++) {
		snpgen_init(&gen, SNP_TURIN, false, 3);
		gen.leaf.extensions[gen.leaf.n_extensions++] = gen.leaf.extensions[i];
		CHECK_LOOP(read_made(&gen.leaf, &endorsement, &why) == -EBADMSG, "%s", gen.leaf.extensions[i].oid);
	}
	CHECK_LOOP_END();
}

/* A chip id in an OCTET STRING is the same chip id. */
static void a_wrapped_chip_id_is_read(void)
{
	struct snp_endorsement endorsement;
	struct snpgen_extension *chip;
	struct snpgen gen;
	const char *why;

	for (unsigned int product = SNP_GENOA; product <= SNP_TURIN; product++) {
		snpgen_init(&gen, product, false, 3);
		chip = snpgen_find(&gen.leaf, SNPGEN_AMD "4");
		memmove(chip->bytes + 2, chip->bytes, chip->len);
		chip->bytes[0] = 4;
		chip->bytes[1] = (uint8_t)chip->len;
		chip->len += 2;
		CU_ASSERT_EQUAL_FATAL(read_made(&gen.leaf, &endorsement, &why), 0);
		CU_ASSERT_EQUAL(memcmp(endorsement.chip_id, gen.report + 0x1a0, SNP_CHIP_ID_LEN), 0);
		chip->bytes[1]--;
		CU_ASSERT_EQUAL(read_made(&gen.leaf, &endorsement, &why), -EBADMSG);
	}
}

static void read_real(const char *name, struct snp_endorsement *ret_endorsement)
{
	static uint8_t der[4096];
	struct x509_cert *cert;
	const char *why;
	size_t len = real_load(name, der, sizeof(der));

	CU_ASSERT_EQUAL_FATAL(x509_cert_parse(der, len, &cert), 0);
	CU_ASSERT_EQUAL_FATAL(snp_endorsement_read(cert, ret_endorsement, &why), 0);
	x509_cert_free(cert);
}

static void real_ones_are_read(void)
{
	struct snp_endorsement endorsement;

	if (!real_present("real certificates")) {
		CU_PASS("skipped, and said so");
		return;
	}
	read_real("snp/milan-v2.vcek.der", &endorsement);
	CU_ASSERT_EQUAL(endorsement.kind, SNP_KEY_VCEK);
	CU_ASSERT_STRING_EQUAL(endorsement.product_name, "Milan-B0");
	CU_ASSERT_EQUAL(endorsement.product, SNP_MILAN);
	CU_ASSERT_EQUAL(endorsement.tcb.boot_loader, 3);
	CU_ASSERT_EQUAL(endorsement.tcb.snp, 8);
	CU_ASSERT_EQUAL(endorsement.tcb.microcode, 0x73);
	CU_ASSERT_EQUAL(endorsement.chip_id[0], 0xd4);
	CU_ASSERT_EQUAL(endorsement.chip_id[63], 0xb6);
	read_real("snp/milan-v3-vlek.vlek.der", &endorsement);
	CU_ASSERT_EQUAL(endorsement.kind, SNP_KEY_VLEK);
	CU_ASSERT_STRING_EQUAL(endorsement.product_name, "Milan");
	CU_ASSERT_STRING_EQUAL(endorsement.csp_id, "CN=cc-us-east-2.amazonaws.com");
	CU_ASSERT_EQUAL(endorsement.tcb.microcode, 0xd9);
}

static const struct check checks[] = {
	{ "good ones are read", good_ones_are_read },
	{ "bad ones are refused", bad_ones_are_refused },
	{ "twice is refused", twice_is_refused },
	{ "a wrapped chip id is read", a_wrapped_chip_id_is_read },
	{ "real ones are read", real_ones_are_read },
	{ NULL, NULL },
};

int main(void)
{
	return check_main("snp endorse", checks);
}
