/* SPDX-License-Identifier: MIT */
/* policy.c: secure defaults, every entry in its place, and every error with its line. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <attest/policy.h>

#define H32 "1111111111111111111111111111111111111111111111111111111111111111"
#define H48 H32 "22222222222222222222222222222222"
#define FLOOR "floor: { milan: { boot_loader = 3; tee = 0; snp = 8; microcode = 115; }; };"
#define TDX_MRS "mrtd = \"" H48 "\"; rtmr0 = \"any\"; rtmr1 = \"any\"; rtmr2 = \"any\"; rtmr3 = \"any\"; mrseam = \"any\";"
#define PCRS "pcr0=\"any\";pcr1=\"any\";pcr2=\"any\";pcr3=\"any\";pcr4=\"any\";pcr5=\"any\";pcr6=\"any\";pcr7=\"any\";" \
	     "pcr8=\"any\";pcr9=\"any\";"

static struct attest_policy policy;
static char error[ATTEST_POLICY_ERROR_LEN];

static int load(const char *text)
{
	error[0] = '\0';
	return policy_load(text, strlen(text), &policy, error);
}

static void everything_is_refused_at_first(void)
{
	struct attest_policy fresh;

	policy_init(&fresh);
	CU_ASSERT_EQUAL(fresh.kinds, 0);
	CU_ASSERT_FALSE(fresh.software.allow);
	CU_ASSERT_EQUAL(fresh.snp.debug, SNP_CLEAR);
	CU_ASSERT_EQUAL(fresh.tdx.debug, TDX_BIT_CLEAR);
	CU_ASSERT_FALSE(fresh.snp.any_measurement);
	CU_ASSERT_FALSE(fresh.tpm.any_file);
}

static void sections_keep_secure_defaults(void)
{
	CU_ASSERT_EQUAL_FATAL(load("# a comment\nsnp: { measurements = [ \"" H48 "\" ]; " FLOOR " };\n"
				   "tdx: { " TDX_MRS " };\n// another\ntpm: { keys = \"" H32 "\"; " PCRS
				   " files = [ \"" H32 "\", \"" H32 "\" ]; };\n"
				   "pinned: { keys = [ \"" H32 "\" ]; };\nsoftware: { };\n"), 0);
	CU_ASSERT_EQUAL(policy.kinds,
			1u | 1u << BUNDLE_SOFTWARE | 1u << BUNDLE_SNP | 1u << BUNDLE_TDX | 1u << BUNDLE_TPM);
	CU_ASSERT_EQUAL(policy.snp.n_measurements, 1);
	CU_ASSERT_EQUAL(policy.snp.measurements[0][0], 0x11);
	CU_ASSERT_EQUAL(policy.snp.measurements[0][47], 0x22);
	CU_ASSERT_TRUE(policy.snp.floors[SNP_MILAN].given);
	CU_ASSERT_EQUAL(policy.snp.floors[SNP_MILAN].reported.boot_loader, 3);
	CU_ASSERT_EQUAL(policy.snp.floors[SNP_MILAN].committed.snp, 8);
	CU_ASSERT_EQUAL(policy.snp.floors[SNP_MILAN].current.microcode, 115);
	CU_ASSERT_EQUAL(policy.snp.floors[SNP_MILAN].launch.microcode, 115);
	CU_ASSERT_FALSE(policy.snp.floors[SNP_GENOA].given);
	CU_ASSERT_EQUAL(policy.snp.debug, SNP_CLEAR);
	CU_ASSERT_EQUAL(policy.snp.vmpls, 1);
	CU_ASSERT_FALSE(policy.snp.vlek);
	CU_ASSERT_EQUAL(policy.tdx.mrtd.n, 1);
	CU_ASSERT_TRUE(policy.tdx.rtmr[3].any);
	CU_ASSERT_EQUAL(policy.tdx.debug, TDX_BIT_CLEAR);
	CU_ASSERT_EQUAL(policy.tdx.statuses, TDX_STATUS_BIT(TDX_UP_TO_DATE));
	CU_ASSERT_EQUAL(policy.tdx.mrconfigid.n, 1);
	CU_ASSERT_EQUAL(policy.tpm.n_keys, 1);
	CU_ASSERT_EQUAL(policy.tpm.n_files, 2);
	CU_ASSERT_TRUE(policy.tpm.pcrs[9].any);
	CU_ASSERT_FALSE(policy.software.allow);
	CU_ASSERT_EQUAL(policy.pinned.keys[0][31], 0x11);
	policy_fini(&policy);
}

static void entries_reach_their_fields(void)
{
	CU_ASSERT_EQUAL_FATAL(load("snp: { any_measurement = true; floor: { turin: { fmc = 1; boot_loader = 2; tee = 3; snp = 4; "
				   "microcode = 5; }; }; debug = \"any\"; smt = \"clear\"; platform_alias_check = \"set\"; "
				   "vmpls = [ 0, 3 ]; min_version = 3; min_current = \"1.55.21\"; min_guest_abi = \"1.51\"; "
				   "vlek = true; masked_chip = true; require_crl = true; csp_id = \"provider\"; "
				   "host_data = \"" H32 "\"; launch_mitigations = \"0xffffffffffffffff\"; "
				   "min_guest_svn = 7; };"
				   "tdx: { " TDX_MRS " versions = [ 5 ]; statuses = [ \"UpToDate\", \"SWHardeningNeeded\" ]; "
				   "debug = \"any\"; xfam_allowed = 7; min_evaluation = 17; mrconfigid = \"" H48 "\"; };"
				   "software: { allow = true; keys = (\"" H32 "\"); };"), 0);
	CU_ASSERT_TRUE(policy.snp.any_measurement);
	CU_ASSERT_EQUAL(policy.snp.floors[SNP_TURIN].current.fmc, 1);
	CU_ASSERT_EQUAL(policy.snp.floors[SNP_TURIN].launch.tee, 3);
	CU_ASSERT_EQUAL(policy.snp.debug, SNP_ANY);
	CU_ASSERT_EQUAL(policy.snp.smt, SNP_CLEAR);
	CU_ASSERT_EQUAL(policy.snp.platform_alias_check, SNP_SET);
	CU_ASSERT_EQUAL(policy.snp.vmpls, 9);
	CU_ASSERT_EQUAL(policy.snp.min_version, 3);
	CU_ASSERT_EQUAL(policy.snp.min_current.minor, 55);
	CU_ASSERT_EQUAL(policy.snp.min_current.build, 21);
	CU_ASSERT_EQUAL(policy.snp.min_guest_abi_major, 1);
	CU_ASSERT_EQUAL(policy.snp.min_guest_abi_minor, 51);
	CU_ASSERT_TRUE(policy.snp.vlek && policy.snp.masked_chip && policy.snp.require_crl);
	CU_ASSERT_EQUAL(memcmp(policy.snp.csp_id.bytes, "provider", 9), 0);
	CU_ASSERT_TRUE(policy.snp.host_data.asked);
	CU_ASSERT_EQUAL(policy.snp.launch_mitigations, UINT64_MAX);
	CU_ASSERT_EQUAL(policy.snp.min_guest_svn, 7);
	CU_ASSERT_EQUAL(policy.tdx.versions, 1u << 5);
	CU_ASSERT_EQUAL(policy.tdx.statuses, TDX_STATUS_BIT(TDX_UP_TO_DATE) | TDX_STATUS_BIT(TDX_SW_HARDENING_NEEDED));
	CU_ASSERT_EQUAL(policy.tdx.debug, TDX_BIT_ANY);
	CU_ASSERT_EQUAL(policy.tdx.xfam_allowed, 7);
	CU_ASSERT_EQUAL(policy.tdx.min_evaluation, 17);
	CU_ASSERT_EQUAL(policy.tdx.mrconfigid.values[0][0], 0x11);
	CU_ASSERT_TRUE(policy.software.allow);
	CU_ASSERT_EQUAL(policy.software.n_keys, 1);
	policy_fini(&policy);
}

/* Text, and how its error begins. */
static const struct {
	const char *text, *error;
} bad[] = {
	{ "", "a section is needed" },
	{ "\n\nsnp: { debugg = \"any\"; };", "line 3: snp.debugg: no such entry" },
	{ "kvm: { };", "line 1: kvm: no such entry" },
	{ "snp = 1;", "line 1: snp: no such entry" },
	{ "snp: { floor: { rome: { }; }; };", "line 1: snp.floor.rome: no such entry" },
	{ "software: {\n allow = 1;\n};", "line 2: software.allow: true or false" },
	{ "software: {\n allow = true\n};", "line 1: software: keys are needed" },
	{ "software: { allow = true; allow = false; };",
	  "line 1: `software: { allow = true; allow = false; };`: duplicate setting name; the entry stands above already" },
	{ "software: {\n  allow = true;\n", "line 1: `software: {`: the { here is not closed" },
	{ "software: {\n  allow = true; };\n  };\n", "line 3: `};`: the } closes nothing" },
	{ "software: {\n  keys = [ \"\" );\n};", "line 2: `keys = [ \"\" );`: the ) closes a [ of line 2" },
	{ "software: {\n  keys = [\n};", "line 3: `};`: the } closes a [ of line 2" },
	{ "software: {\n  allow = true 1;\n};", "line 2: `allow = true 1;`: syntax error; look here" },
	{ "software: {\n  allow true;\n};", "line 2: `allow true;`: syntax error; look here" },
	{ "software: { };\nallow =", "line 2: `allow =`: syntax error; look here" },
	{ "software: { };\nallow =\n\n", "line 4: (nothing): syntax error; look here" },
	{ "snp: { vmpls = [ 0, \"1\" ]; };",
	  "line 1: `snp: { vmpls = [ 0, \"1\" ]; };`: mismatched element type in array; the values" },
	{ "\n\t\033[31m\240 = 1 2;", "line 2: `?[31m? = 1 2;`: " },
	{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff = 1 2 3;\n",
	  "line 1: `aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff...`: syntax error" },
	{ "snp: { csp_id = \"a\\qb\"; };", "line 1: `snp: { csp_id = \"a\\qb\"; };`: a \\ in a string" },
	{ "snp: { csp_id = \"a\\x4\"; };", "line 1: `snp: { csp_id = \"a\\x4\"; };`: a \\ in a string" },
	{ "snp: {\ncsp_id = \"a\\x00b\"; };", "line 2: `csp_id = \"a\\x00b\"; };`: a \\ in a string" },
	{ "snp: {\ncsp_id = \"a\n\\", "line 3: `\\`: a \\ in a string" },
	{ "snp: {\ncsp_id = \"a\n; };\n", "line 2: `csp_id = \"a`: a string begins here and does not end" },
	{ "software: { };\n/* tdx: { };\n", "line 2: `/* tdx: { };`: a comment begins here and does not end" },
	{ "a:{a:{a:{a:{a:{a:{a:{a:{a:{a:{a:{a:{a:{a:{a:{a:{a:{", "line 1: `a:{a:{a:{" },
	{ "@include \"/etc/passwd\"\n", "line 1: `@include \"/etc/passwd\"`: @include is not taken" },
	{ "software: { };\n# @include \"x\"", "line 2: `# @include \"x\"`: @include is not taken" },
	{ "pinned: { };", "line 1: pinned: keys are needed" },
	{ "pinned: { keys = [ ]; };", "line 1: pinned.keys: 1 to 8 values" },
	{ "pinned: { keys = [ \"11\" ]; };", "line 1: pinned.keys: 64 hex digits" },
	{ "pinned: { keys = [ 11 ]; };", "line 1: pinned.keys: 64 hex digits" },
	{ "pinned: { keys = [ \"" H32 "0\" ]; };", "line 1: pinned.keys: 64 hex digits" },
	{ "pinned: { keys = ( ( \"" H32 "\" ) ); };", "line 1: pinned.keys: 64 hex digits" },
	{ "snp: { " FLOOR " };", "line 1: snp: measurements are needed" },
	{ "snp: { any_measurement = true; };", "line 1: snp: a floor" },
	{ "snp: { any_measurement = true; floor: { milan: { tee = 0; }; }; };",
	"line 1: snp.floor.milan.boot_loader is missing" },
	{ "snp: { any_measurement = true; floor: { turin: { boot_loader = 2; tee = 3; snp = 4; microcode = 5; }; }; };",
	  "line 1: snp.floor.turin.fmc is missing" },
	{ "snp: { floor: { milan: { fmc = 1; }; }; };", "line 1: snp.floor.milan.fmc: no such entry" },
	{ "snp: { floor: { milan: { tee = 256; }; }; };", "line 1: snp.floor.milan.tee: a number from 0 to 255" },
	{ "snp: { any_measurement = true; " FLOOR " debug = true; };", "line 1: snp.debug: \"clear\"" },
	{ "snp: { vmpls = [ 4 ]; };", "line 1: snp.vmpls: numbers from 0 to 3" },
	{ "snp: { any_measurement = true; " FLOOR " vmpls = [ ]; };", "line 1: snp.vmpls: at least one" },
	{ "snp: { min_version = -1; };", "line 1: snp.min_version: a number" },
	{ "snp: { min_version = 6; };", "line 1: snp.min_version: a number" },
	{ "snp: { min_current = \"1.55\"; };", "line 1: snp.min_current: 3 numbers" },
	{ "snp: { min_current = \"1.55.256\"; };", "line 1: snp.min_current: 3 numbers" },
	{ "snp: { min_current = \"1.55.21.\"; };", "line 1: snp.min_current: 3 numbers" },
	{ "snp: { host_data = [ ]; };", "line 1: snp.host_data: 64 hex digits" },
	{ "snp: { host_data = [ \"" H32 "\", \"" H32 "\" ]; };", "line 1: snp.host_data: 64 hex digits" },
	{ "snp: { csp_id = ( ); };", "line 1: snp.csp_id: a string" },
	{ "tpm: { ca = [ ]; };", "line 1: tpm.ca: one certificate" },
	{ "snp: { min_current = [ ]; };", "line 1: snp.min_current: 3 numbers" },
	{ "# 4294967297\n/* 4294967298\n*/ snp: { csp_id = \"4294967299\\\"4294967300\"; min_guest_svn =\n4294967301; };",
	  "line 4: 4294967301" },
	{ "snp: { min_guest_svn = 0x80000000; };", "line 1: 0x80000000" },
	{ "snp: { min_guest_svn = 99999999999999999999999L; };", "line 1: 99999999999999999999" },
	{ "snp: { any_measurement = true; floor: { milan: { }; }; };",
	  "line 1: snp.floor.milan.boot_loader is missing" },
	{ "snp: { csp_id = \"\"; };", "line 1: snp.csp_id: a string" },
	{ "snp: { launch_mitigations = \"0x\"; };", "line 1: snp.launch_mitigations: a number" },
	{ "snp: { launch_mitigations = \"0x11111111111111111\"; };", "line 1: snp.launch_mitigations: a number" },
	{ "tdx: { };", "line 1: tdx.mrtd is needed" },
	{ "tdx: { mrtd = \"any\"; };", "line 1: tdx.rtmr0 is needed" },
	{ "tdx: { " TDX_MRS " versions = [ 3 ]; };", "line 1: tdx.versions: 4 and 5" },
	{ "tdx: { " TDX_MRS " statuses = [ \"Revoked\" ]; };", "line 1: tdx.statuses: names" },
	{ "tdx: { " TDX_MRS " statuses = [ ]; };", "line 1: tdx.statuses and" },
	{ "tdx: { mrtd = [ \"any\" ]; };", "line 1: tdx.mrtd: 96 hex digits" },
	{ "tpm: { " PCRS " any_file = true; };", "line 1: tpm: keys or ca" },
	{ "tpm: { keys = \"" H32 "\"; pcr0 = \"any\"; any_file = true; };", "line 1: tpm.pcr1 is needed" },
	{ "tpm: { keys = \"" H32 "\"; " PCRS " };", "line 1: tpm: files are needed" },
	{ "tpm: { ca = \"x\"; };", "line 1: tpm.ca: one certificate" },
	{ "tpm: { pcr10 = \"any\"; };", "line 1: tpm.pcr10: no such entry" },
};

static void what_is_wrong_is_said_with_its_line(void)
{
	policy.kinds = 77;
	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int ret = load(bad[i].text);

		CHECK_LOOP(ret == -EINVAL && !strncmp(error, bad[i].error, strlen(bad[i].error)), "%s: %d \"%s\"",
			   bad[i].text, ret, error);
	}
	CHECK_LOOP_END();
	CU_ASSERT_EQUAL(policy.kinds, 77);	/* untouched */
	CU_ASSERT_EQUAL(policy_load("software: { };\n a\0b\n", 20, &policy, error), -EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "line 2: `a`: a NUL byte is in it; a policy is text, see gmem-policy(5)");
}

/* Values and strings may follow each other without a ; in between: nothing else can be meant. */
static void what_libconfig_takes_is_taken(void)
{
	CU_ASSERT_EQUAL(load("software: { allow = true keys = \"" H32 "\" }"), 0);
	CU_ASSERT_TRUE(policy.software.allow && policy.software.n_keys == 1);
	policy_fini(&policy);
	CU_ASSERT_EQUAL(load("pinned: { keys = \"1111\"\n\"11111111111111111111111111111111111111111111111111111111\" "
			     "\"11\\x31\\x31\"; }"), 0);
	CU_ASSERT_EQUAL(policy.pinned.keys[0][31], 0x11);
	policy_fini(&policy);
}

static int load_file(const char *path)
{
	error[0] = '\0';
	return policy_load_file(path, &policy, error);
}

static void files_that_are_none(void)
{
	char path[] = "/tmp/gmem-test-policy-XXXXXX";
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(load_file(path), -EINVAL);
	CU_ASSERT_EQUAL(strncmp(error, "a section is needed", 19), 0);
	/* sparse; and nothing of it is kept in memory but what is allowed and one byte */
	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 100 << 20), 0);
	CU_ASSERT_EQUAL(load_file(path), -EFBIG);
	CU_ASSERT_STRING_EQUAL(error, "longer than 65536 bytes; a policy is one short file, name the right one");
	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 0), 0);
	CU_ASSERT_EQUAL(dprintf(fd, "software: { };"), 14);
	CU_ASSERT_EQUAL(load_file(path), 0);
	policy_fini(&policy);
	close(fd);
	unlink(path);
	CU_ASSERT_EQUAL(load_file(path), -ENOENT);
	CU_ASSERT_STRING_EQUAL(error, "cannot be read: No such file or directory");
	CU_ASSERT_EQUAL(load_file("/tmp"), -EISDIR);
	CU_ASSERT_STRING_EQUAL(error, "a folder; a policy is one file, name that");
}

static void too_long_is_said(void)
{
	char *text = calloc(1, ATTEST_POLICY_MAX_LEN + 2);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memset(text, '#', ATTEST_POLICY_MAX_LEN + 1);
	CU_ASSERT_EQUAL(load(text), -E2BIG);
	free(text);
}

static char *read_source(const char *name)
{
	char path[512], *text = calloc(1, 1 << 17);
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", SOURCE_ROOT, name);
	file = fopen(path, "r");
	if (!file || !text) {
		fprintf(stderr, "no %s\n", path);
		abort();
	}
	len = fread(text, 1, (1 << 17) - 1, file);
	CU_ASSERT_TRUE(len > 0);
	fclose(file);
	return text;
}

static void examples_are_policies(void)
{
	static const char *const names[] = { "snp.policy", "tdx.policy", "tpm.policy", "software.policy" };
	static const uint32_t kinds[] = { 1u << BUNDLE_SNP, 1u << BUNDLE_TDX, 1u << BUNDLE_TPM, 1u << BUNDLE_SOFTWARE };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char name[64], *text;
		int ret;

		snprintf(name, sizeof(name), "docs/examples/%s", names[i]);
		text = read_source(name);
		ret = load(text);
		if (ret)
			fprintf(stderr, "\n%s: %s ", name, error);
		CU_ASSERT_EQUAL_FATAL(ret, 0);
		CU_ASSERT_EQUAL(policy.kinds, kinds[i]);
		policy_fini(&policy);
		free(text);
	}
}

int main(void)
{
	static const struct check checks[] = {
		{ "everything is refused at first", everything_is_refused_at_first },
		{ "sections keep secure defaults", sections_keep_secure_defaults },
		{ "entries reach their fields", entries_reach_their_fields },
		{ "what is wrong is said with its line", what_is_wrong_is_said_with_its_line },
		{ "what libconfig takes is taken", what_libconfig_takes_is_taken },
		{ "files that are none", files_that_are_none },
		{ "too long is said", too_long_is_said },
		{ "examples are policies", examples_are_policies },
		{ NULL, NULL },
	};

	return check_main("policy", checks);
}
