/* SPDX-License-Identifier: MIT */
/* fuzz_policy: the text of a policy file.  What is taken says enough to be meant; what is not has a sentence. */
#include <string.h>

#include <attest/policy.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FUZZ_NEED(attest_init());
	return 0;
}

static void check_taken(const struct attest_policy *policy)
{
	FUZZ_NEED(policy->kinds && !(policy->kinds & ~31u));
	if (policy->kinds & ATTEST_POLICY_PINNED)
		FUZZ_NEED(policy->pinned.n_keys >= 1 && policy->pinned.n_keys <= PINNED_MAX_KEYS);
	if (policy->kinds & 1u << BUNDLE_SOFTWARE)
		FUZZ_NEED(!policy->software.allow || policy->software.n_keys);
	FUZZ_NEED(policy->software.n_keys <= SOFTWARE_MAX_KEYS);
	if (policy->kinds & 1u << BUNDLE_SNP) {
		FUZZ_NEED(policy->snp.n_measurements || policy->snp.any_measurement);
		FUZZ_NEED(policy->snp.floors[0].given || policy->snp.floors[1].given || policy->snp.floors[2].given);
		FUZZ_NEED(policy->snp.vmpls && policy->snp.vmpls <= 15);
	}
	FUZZ_NEED(policy->snp.n_measurements <= SNP_MAX_MEASUREMENTS);
	if (policy->kinds & 1u << BUNDLE_TDX)
		FUZZ_NEED((policy->tdx.mrtd.n || policy->tdx.mrtd.any) && !(policy->tdx.statuses & 1u << TDX_REVOKED));
	FUZZ_NEED(policy->tdx.mrtd.n <= TDX_POLICY_MAX_VALUES);
	if (policy->kinds & 1u << BUNDLE_TPM)
		FUZZ_NEED((policy->tpm.n_keys || policy->tpm.ca) && (policy->tpm.n_files || policy->tpm.any_file));
	FUZZ_NEED(policy->tpm.n_files <= TPM_MAX_FILES && policy->tpm.pcrs[9].n <= TPM_MAX_VALUES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[ATTEST_POLICY_ERROR_LEN] = "";
	struct attest_policy policy;

	if (!policy_load((const char *)data, size, &policy, error)) {
		check_taken(&policy);
		policy_fini(&policy);
	} else {
		FUZZ_NEED(error[0] && strlen(error) < sizeof(error));
	}
	return 0;
}

#define H32 "1111111111111111111111111111111111111111111111111111111111111111"
#define H48 H32 "22222222222222222222222222222222"

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const struct {
		const char *name, *text;
	} seeds[] = {
		{ "pinned", "pinned:{keys=[\"" H32 "\"];};" },
		{ "software", "software:{allow=true;keys=\"" H32 "\";};" },
		{ "snp",
		"snp:{any_measurement=true;floor:{milan:{boot_loader=1;tee=0;snp=0x8;microcode=9;};};vmpls=[0,1];"
			 "min_current=\"1.2.3\";debug=\"any\";launch_mitigations=\"0xf\";};" },
		{ "tdx", "tdx:{mrtd=\"" H48 "\";rtmr0=\"any\";rtmr1=\"any\";rtmr2=\"any\";rtmr3=\"any\";mrseam=\"any\";"
			 "statuses=[\"UpToDate\"];};" },
		{ "tpm",
		"tpm:{keys=\"" H32 "\";pcr0=\"any\";pcr1=\"any\";pcr2=\"any\";pcr3=\"any\";pcr4=\"any\";pcr5=\"any\";"
			 "pcr6=\"any\";pcr7=\"any\";pcr8=\"any\";pcr9=\"any\";any_file=true;};" },
		{ "comment", "# x\n/* y */ // z\nsoftware:{};" },
		{ "include", "@include \"/dev/zero\"\n" },
		{ "deep", "snp:{floor:{milan:{tee:{a:{b:{c:{};};};};};};};" },
		{ "empty-list", "snp:{host_data=[];csp_id=();};" },
		{ "large-number", "snp:{min_guest_svn=4294967297;};" },
		{ "lists", "pinned:{keys=((((1))));};" },
	};

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		emit(seeds[i].name, (const uint8_t *)seeds[i].text, strlen(seeds[i].text));
}
