/* SPDX-License-Identifier: MIT */
/* claims.c: what authentic reports say and a policy does not take, each refused by its own rule. */
#include "check.h"

#include "snpworld.h"

#define BREAK(name, ...)				\
	static void name(struct snpworld *w)		\
	{						\
		__VA_ARGS__;				\
	}
#define OR(offset, bits, len) snpgen_put(&w->gen, offset, bits, len)
#define RUN(cases) snpworld_run(cases, sizeof(cases) / sizeof(cases[0]))

BREAK(chip_other, OR(0x1a0, 0, 1))
BREAK(chip_last, OR(0x1df, 0x55, 1))
BREAK(chip_masked, memset(w->gen.report + 0x1a0, 0, 64))
BREAK(chip_masked_both, chip_masked(w), memset(snpgen_find(&w->gen.leaf, SNPGEN_AMD "4")->bytes, 0, 64))
BREAK(mask_not_taken, w->policy.masked_chip = false)
BREAK(chip_expected, snp_policy_expect(&w->policy.chip_id, "another chip", 12))
BREAK(csp_expected, snp_policy_expect(&w->policy.csp_id, "CN=exampl", 10))
BREAK(csp_expected_longer, snp_policy_expect(&w->policy.csp_id, "CN=example.com", 15))

static const struct snpworld_case chip_cases[] = {
	{ "first byte of the chip id", chip_other, "snp.chip_id", "not the one in the VCEK's" },
	{ "last byte of the chip id", chip_last, "snp.chip_id", "not the one in the VCEK's" },
	{ "after Turin's 8 bytes", chip_last, "snp.chip_id", "not the one in the VCEK's", SNP_TURIN, 5 },
	{ "masked", chip_masked, "snp.chip_id", "which only a VLEK may have" },
	{ "masked, certificate too", chip_masked_both, "snp.chip_id", "which only a VLEK may have" },
	{ "masked, not in the policy", mask_not_taken, "snp.chip_id", "does not accept", .vlek = true },
	{ "another chip", chip_expected, "snp.chip_id", "not the policy's" },
	{ "another chip, and masked", chip_expected, "snp.chip_id", "not the policy's", .vlek = true },
	{ "another holder", csp_expected, "snp.csp_id", "it is CN=example", .vlek = true },
	{ "a longer holder", csp_expected_longer, "snp.csp_id", "it is CN=example", .vlek = true },
	{ "a holder and no VLEK", csp_expected, "snp.csp_id", "it is a VCEK" },
};

static void chip_is_checked(void)
{
	RUN(chip_cases);
}

/* TCB_VERSION fields of the report, and the bytes in them that are no part of Milan's and Turin's. */
BREAK(format_current, OR(0x38 + 2, 1, 1))
BREAK(format_reported, OR(0x180 + 5, 1, 1))
BREAK(format_committed, OR(0x1e0 + 3, 1, 1))
BREAK(format_launch, OR(0x1f0 + 4, 1, 1))
BREAK(format_turin, OR(0x38 + 5, 1, 1))
BREAK(cert_boot_loader, snpgen_find(&w->gen.leaf, SNPGEN_AMD "3.1")->bytes[2]++)
BREAK(cert_tee, snpgen_find(&w->gen.leaf, SNPGEN_AMD "3.2")->bytes[2]--)
BREAK(cert_snp, snpgen_find(&w->gen.leaf, SNPGEN_AMD "3.3")->bytes[2]++)
BREAK(cert_microcode, snpgen_find(&w->gen.leaf, SNPGEN_AMD "3.8")->bytes[3]--)
BREAK(cert_fmc, snpgen_find(&w->gen.leaf, SNPGEN_AMD "3.9")->bytes[2]++)
/* Higher in one part does not make up for lower in another. */
BREAK(committed_snp, w->gen.report[0x1e0 + 6]--, w->gen.report[0x1e0 + 7]++, w->gen.report[0x38 + 7]++)
BREAK(committed_microcode, w->gen.report[0x1e0 + 7]--)
BREAK(committed_above, w->gen.report[0x1e0]++)
BREAK(current_tee, w->gen.report[0x38 + 1]--)
BREAK(committed_fmc, w->gen.report[0x1e0]--)

#define FLOOR(product, field) (w->policy.floors[product].field)
BREAK(no_floor, FLOOR(SNP_MILAN, given) = false)
BREAK(floor_of_genoa, FLOOR(SNP_GENOA, given) = true, FLOOR(SNP_MILAN, given) = false)
BREAK(floor_reported, FLOOR(SNP_MILAN, reported.snp)++)
BREAK(floor_reported_boot, FLOOR(SNP_MILAN, reported.boot_loader)++)
BREAK(floor_reported_tee, FLOOR(SNP_MILAN, reported.tee)++)
BREAK(floor_reported_ucode, FLOOR(SNP_MILAN, reported.microcode)++)
BREAK(floor_reported_fmc, FLOOR(SNP_TURIN, reported.fmc)++)
BREAK(floor_committed, FLOOR(SNP_MILAN, committed.microcode)++)
BREAK(floor_current, FLOOR(SNP_MILAN, current.boot_loader)++)
BREAK(floor_launch, FLOOR(SNP_MILAN, launch.tee)++)
BREAK(launched_before, w->gen.report[0x1f0 + 6]--)

static const struct snpworld_case tcb_cases[] = {
	{ "reserved in current", format_current, "snp.tcb.format", "Milan's TCB versions must be 0" },
	{ "reserved in reported", format_reported, "snp.tcb.format", "must be 0" },
	{ "reserved in committed", format_committed, "snp.tcb.format", "must be 0" },
	{ "reserved in launch", format_launch, "snp.tcb.format", "must be 0" },
	{ "reserved in Turin's", format_turin, "snp.tcb.format", "Turin's", SNP_TURIN, 5 },
	{ "certificate's boot loader", cert_boot_loader, "snp.tcb.certificate", "boot loader 5, TEE 2" },
	{ "certificate's TEE", cert_tee, "snp.tcb.certificate", "TEE 1" },
	{ "certificate's SNP", cert_snp, "snp.tcb.certificate", "SNP 25" },
	{ "certificate's microcode", cert_microcode, "snp.tcb.certificate", "microcode 218" },
	{ "certificate's FMC", cert_fmc, "snp.tcb.certificate", "FMC 2", SNP_TURIN, 5 },
	{ "committed below reported", committed_snp, "snp.tcb.order", "part by part" },
	{ "committed microcode", committed_microcode, "snp.tcb.order", "part by part" },
	{ "current below committed", committed_above, "snp.tcb.order", "part by part" },
	{ "current TEE", current_tee, "snp.tcb.order", "part by part" },
	{ "committed FMC", committed_fmc, "snp.tcb.order", "part by part", SNP_TURIN, 5 },
	{ "no floor", no_floor, "snp.tcb.reported", "gives no TCB floor for Milan" },
	{ "another product's floor", floor_of_genoa, "snp.tcb.reported", "gives no TCB floor for Milan" },
	{ "reported SNP", floor_reported, "snp.tcb.reported", "SNP 24, microcode 219; the floor is" },
	{ "reported boot loader", floor_reported_boot, "snp.tcb.reported", "the floor is boot loader 5" },
	{ "reported TEE", floor_reported_tee, "snp.tcb.reported", "the floor is boot loader 4, TEE 3" },
	{ "reported microcode", floor_reported_ucode, "snp.tcb.reported", "microcode 220" },
	{ "reported FMC", floor_reported_fmc, "snp.tcb.reported", "the floor is FMC 2", SNP_TURIN, 5 },
	{ "committed floor", floor_committed, "snp.tcb.committed", "the committed TCB is" },
	{ "current floor", floor_current, "snp.tcb.current", "the current TCB is" },
	{ "launch floor", floor_launch, "snp.tcb.launch", "the launch TCB is" },
	{ "launched before an update", launched_before, "snp.tcb.launch", "SNP 23" },
};

static void tcb_is_checked(void)
{
	RUN(tcb_cases);
}

/* The report has 1.55.10 in both. */
BREAK(abi_order, OR(0x1ec, 11, 1))
BREAK(abi_order_minor, OR(0x1e9, 54, 1))
BREAK(abi_committed, w->policy.min_committed = (struct snp_abi){ 1, 55, 11 })
BREAK(abi_current, w->policy.min_current = (struct snp_abi){ 1, 56, 0 })
BREAK(abi_current_major, w->policy.min_current = (struct snp_abi){ 2, 0, 0 })
BREAK(guest_abi, w->policy.min_guest_abi_major = 1, w->policy.min_guest_abi_minor = 52)
BREAK(guest_abi_major, w->policy.min_guest_abi_major = 2)
BREAK(vmpl_1, OR(0x30, 1, 4))
BREAK(vmpl_4, OR(0x30, 4, 4), w->policy.vmpls = UINT32_MAX)
BREAK(vmpl_0, w->policy.vmpls = 1u << 1)
BREAK(no_measurement, w->policy.n_measurements = 0)
BREAK(measurement, OR(0x90, 0, 1))
BREAK(measurement_last, OR(0xbf, 0, 1))
BREAK(svn, w->policy.min_guest_svn = 4)
BREAK(data_first, w->report_data[0] ^= 1)
BREAK(data_last, w->report_data[63] ^= 0x80)

static const struct snpworld_case number_cases[] = {
	{ "committed build after current", abi_order, "snp.abi.order", "not later" },
	{ "committed minor after current", abi_order_minor, "snp.abi.order", "not later" },
	{ "committed firmware", abi_committed, "snp.abi.committed", "is 1.55.10; the floor is 1.55.11" },
	{ "current firmware", abi_current, "snp.abi.current", "is 1.55.10; the floor is 1.56.0" },
	{ "current firmware's major", abi_current_major, "snp.abi.current", "the floor is 2.0.0" },
	{ "guest's firmware", guest_abi, "snp.guest.abi", "firmware 1.51" },
	{ "guest's firmware's major", guest_abi_major, "snp.guest.abi", "at least 2.0" },
	{ "VMPL 1", vmpl_1, "snp.vmpl", "VMPL 1" },
	{ "VMPL 4", vmpl_4, "snp.vmpl", "VMPL 4" },
	{ "VMPL 1 asked for", vmpl_0, "snp.vmpl", "VMPL 0" },
	{ "no measurement", no_measurement, "snp.measurement", "gives no measurement" },
	{ "another measurement", measurement, "snp.measurement", "one of the policy's" },
	{ "the measurement's end", measurement_last, "snp.measurement", "one of the policy's" },
	{ "guest's version", svn, "snp.guest_svn", "is 3; the floor is 4" },
	{ "report data", data_first, "snp.report_data", "another connection" },
	{ "report data's end", data_last, "snp.report_data", "another connection" },
};

static void numbers_are_checked(void)
{
	RUN(number_cases);
}

/* The field as the generator has it, but for its last byte. */
#define EXPECT_OTHER(field, fill, len)								\
	static void field##_other(struct snpworld *w)						\
	{											\
		uint8_t bytes[len];								\
												\
		memset(bytes, fill, len);							\
		bytes[(len) - 1] ^= 1;								\
		snp_policy_expect(&w->policy.field, bytes, len);				\
	}
EXPECT_OTHER(host_data, 0x40, SNP_HOST_DATA_LEN)
EXPECT_OTHER(id_key_digest, 0x1e, SNP_DIGEST_LEN)
EXPECT_OTHER(author_key_digest, 0xa0, SNP_DIGEST_LEN)
EXPECT_OTHER(family_id, 0xf1, SNP_ID_LEN)
EXPECT_OTHER(image_id, 0x1d, SNP_ID_LEN)
static const uint8_t author_key[SNP_DIGEST_LEN] = { 0 };
BREAK(author_key_off, OR(0x48, 0, 4), memset(w->gen.report + 0x110, 0, 48),
      snp_policy_expect(&w->policy.author_key_digest, author_key, 48))

static const struct snpworld_case field_cases[] = {
	{ "host data", host_data_other, "snp.host_data", "host data must" },
	{ "ID key", id_key_digest_other, "snp.id_key_digest", "ID key must" },
	{ "author key", author_key_digest_other, "snp.author_key_digest", "author key must" },
	{ "no author key", author_key_off, "snp.author_key_digest", "without one" },
	{ "family id", family_id_other, "snp.family_id", "family id must" },
	{ "image id", image_id_other, "snp.image_id", "image id must" },
};

static void fields_are_checked(void)
{
	RUN(field_cases);
}

BREAK(launch_bits, w->policy.launch_mitigations = 0x7)
BREAK(current_bits, w->policy.current_mitigations = 0x10)

static const struct snpworld_case mitigation_cases[] = {
	{ "launch mitigations", launch_bits, "snp.mitigation.launch", "are 0x5; the policy asks for 0x7", SNP_GENOA, 5 },
	{ "current mitigations", current_bits, "snp.mitigation.current", "are 0xd;", SNP_TURIN, 5 },
	{ "launch, version 3", launch_bits, "snp.mitigation.launch", "version 3 does not name them" },
	{ "current, version 2", current_bits, "snp.mitigation.current", "version 2 does not name them", SNP_MILAN, 2 },
};

static void mitigations_are_checked(void)
{
	RUN(mitigation_cases);
}

static const struct bit {
	const char *rule;
	size_t want_at;		/* in struct snp_policy */
	size_t report_at;
	unsigned int bit;
	enum snp_want by_default;
} bits[] = {
#define BIT(rule, want, at, bit, by_default) { rule, offsetof(struct snp_policy, want), at, bit, by_default }
	BIT("snp.guest.debug", debug, 0x08, 19, SNP_CLEAR),
	BIT("snp.guest.migrate_ma", migrate_ma, 0x08, 18, SNP_CLEAR),
	BIT("snp.guest.cxl", cxl, 0x08, 21, SNP_CLEAR),
	BIT("snp.guest.smt", smt, 0x08, 16, SNP_ANY),
	BIT("snp.guest.single_socket", single_socket, 0x08, 20, SNP_ANY),
	BIT("snp.guest.mem_aes_256", mem_aes_256, 0x08, 22, SNP_ANY),
	BIT("snp.guest.rapl_dis", rapl_dis, 0x08, 23, SNP_ANY),
	BIT("snp.guest.ciphertext_hiding", ciphertext_hiding, 0x08, 24, SNP_ANY),
	BIT("snp.guest.page_swap_disable", page_swap_disable, 0x08, 25, SNP_ANY),
	BIT("snp.platform.smt", platform_smt, 0x40, 0, SNP_ANY),
	BIT("snp.platform.tsme", platform_tsme, 0x40, 1, SNP_ANY),
	BIT("snp.platform.ecc", platform_ecc, 0x40, 2, SNP_ANY),
	BIT("snp.platform.rapl_dis", platform_rapl_dis, 0x40, 3, SNP_ANY),
	BIT("snp.platform.ciphertext_hiding", platform_ciphertext_hiding, 0x40, 4, SNP_ANY),
	BIT("snp.platform.alias_check", platform_alias_check, 0x40, 5, SNP_ANY),
	BIT("snp.platform.tio", platform_tio, 0x40, 7, SNP_ANY),
};

/* 1: believed, 0: refused by the bit's rule, -1: by another one. */
static int bit_verdict(const struct bit *bit, bool is_set, int want)
{
	struct snpworld world;
	struct verdict verdict;
	const struct verdict_rule *failure;
	uint8_t *byte;

	snpworld_init(&world, SNP_GENOA, false, 5);
	byte = &world.gen.report[bit->report_at + bit->bit / 8];
	*byte = (uint8_t)(is_set ? *byte | 1u << bit->bit % 8 : *byte & ~(1u << bit->bit % 8));
	if (want >= 0)
		*(enum snp_want *)((uint8_t *)&world.policy + bit->want_at) = (enum snp_want)want;
	if (snpworld_verify(&world, &verdict))
		return 1;
	failure = verdict_first_failure(&verdict);
	return strcmp(failure->name, bit->rule) == 0 ? 0 : -1;
}

static void bits_are_what_is_wanted(void)
{
	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		CHECK_LOOP(bit_verdict(&bits[i], true, SNP_SET) == 1, "%s set, wanted set", bits[i].rule);
		CHECK_LOOP(bit_verdict(&bits[i], false, SNP_SET) == 0, "%s clear, wanted set", bits[i].rule);
		CHECK_LOOP(bit_verdict(&bits[i], true, SNP_CLEAR) == 0, "%s set, wanted clear", bits[i].rule);
		CHECK_LOOP(bit_verdict(&bits[i], false, SNP_CLEAR) == 1, "%s clear, wanted clear", bits[i].rule);
		CHECK_LOOP(bit_verdict(&bits[i], true, SNP_ANY) == 1, "%s set, any", bits[i].rule);
		CHECK_LOOP(bit_verdict(&bits[i], false, SNP_ANY) == 1, "%s clear, any", bits[i].rule);
		CHECK_LOOP(bit_verdict(&bits[i], true, -1) == (bits[i].by_default == SNP_ANY), "%s by default", bits[i].rule);
	}
	CHECK_LOOP_END();
}

/* A policy bit that is clear and an agent all the same. */
BREAK(agent, memset(w->gen.report + 0x160, 0, 32))

static void an_agent_is_seen(void)
{
	static const struct snpworld_case agent_case = { "agent", agent, "snp.guest.migrate_ma", "has a migration agent" };

	snpworld_run(&agent_case, 1);
}

/* Everything that a policy can ask for, asked for and there. */
static void what_is_asked_for_and_there_holds(void)
{
	struct snpworld world;
	struct snp_policy *policy = &world.policy;
	struct verdict verdict;
	size_t n_holds = 0;

	snpworld_init(&world, SNP_TURIN, false, 5);
	snp_policy_expect(&policy->host_data, world.gen.report + 0xc0, 32);
	snp_policy_expect(&policy->id_key_digest, world.gen.report + 0xe0, 48);
	snp_policy_expect(&policy->author_key_digest, world.gen.report + 0x110, 48);
	snp_policy_expect(&policy->family_id, world.gen.report + 0x10, 16);
	snp_policy_expect(&policy->image_id, world.gen.report + 0x20, 16);
	snp_policy_expect(&policy->chip_id, world.gen.report + 0x1a0, 64);
	policy->min_version = 5;
	policy->min_current = policy->min_committed = (struct snp_abi){ 1, 55, 10 };
	policy->min_guest_abi_major = 1;
	policy->min_guest_abi_minor = 51;
	policy->min_guest_svn = 3;
	policy->launch_mitigations = 5;
	policy->current_mitigations = 0xd;
	policy->platform_ecc = policy->platform_alias_check = SNP_SET;
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
	for (size_t i = 0; i < verdict.n_rules; i++)
		n_holds += verdict.rules[i].outcome == VERDICT_HOLDS;
	/* 55 rules; not asked: revocation, CSP id, 6 bits of the guest's policy, 5 of the platform's. */
	CU_ASSERT_EQUAL(n_holds, 42);
	snpworld_init(&world, SNP_GENOA, true, 3);
	snp_policy_expect(&world.policy.csp_id, "CN=example", 11);
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
	CU_ASSERT_EQUAL(verdict_find(&verdict, "snp.csp_id")->outcome, VERDICT_HOLDS);
}

/* A VLEK's report may name its chip; nothing then says that it is right, and the policy can ask for it. */
static void a_vlek_may_name_its_chip(void)
{
	struct snpworld world;
	struct verdict verdict;

	snpworld_init(&world, SNP_MILAN, true, 3);
	memset(world.gen.report + 0x1a0, 0x77, 64);
	world.policy.masked_chip = false;
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
	snp_policy_expect(&world.policy.chip_id, world.gen.report + 0x1a0, 64);
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
	world.policy.chip_id.bytes[63] ^= 1;
	CU_ASSERT_FALSE(snpworld_verify(&world, &verdict));
}

static void measurements_are_a_list(void)
{
	static const uint8_t other[SNP_MEASUREMENT_LEN] = { 1 };
	struct snpworld world;
	struct verdict verdict;

	snpworld_init(&world, SNP_MILAN, false, 3);
	world.policy.n_measurements = 0;
	for (unsigned int i = 0; i < SNP_MAX_MEASUREMENTS - 1; i++)
		CU_ASSERT_TRUE(snp_policy_add_measurement(&world.policy, other));
	CU_ASSERT_FALSE(snpworld_verify(&world, &verdict));
	CU_ASSERT_TRUE(snp_policy_add_measurement(&world.policy, world.gen.report + 0x90));
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
	CU_ASSERT_FALSE(snp_policy_add_measurement(&world.policy, other));
	world.policy.n_measurements = 0;
	world.policy.any_measurement = true;
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
	CU_ASSERT_EQUAL(verdict_find(&verdict, "snp.measurement")->outcome, VERDICT_NOT_ASKED);
}

static const struct check checks[] = {
	{ "the chip is checked", chip_is_checked },
	{ "the TCB is checked", tcb_is_checked },
	{ "numbers are checked", numbers_are_checked },
	{ "fields are checked", fields_are_checked },
	{ "mitigations are checked", mitigations_are_checked },
	{ "bits are what is wanted", bits_are_what_is_wanted },
	{ "an agent is seen", an_agent_is_seen },
	{ "what is asked for and there holds", what_is_asked_for_and_there_holds },
	{ "a VLEK may name its chip", a_vlek_may_name_its_chip },
	{ "measurements are a list", measurements_are_a_list },
	{ NULL, NULL },
};

int main(void)
{
	return check_main("snp claims", checks);
}
