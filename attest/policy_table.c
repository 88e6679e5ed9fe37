/* SPDX-License-Identifier: MIT */
/* policy_table: every entry that a policy file may have; gmem-policy(5) says what each one asks. */
#include <stddef.h>

#include "policy_int.h"
#include "snp/endorse.h"

#define OFFSET(field) offsetof(struct attest_policy, field)
#define SIZE(field) sizeof(((struct attest_policy *)0)->field)

#define BOOL(name, field) { name, policy_set_bool, OFFSET(field) }
#define NUMBER(name, field, max) { name, policy_set_number, OFFSET(field), SIZE(field), 0, max }
#define HEXES(name, values, n, max) { name, policy_set_hexes, OFFSET(values), SIZE(values[0]), OFFSET(n), max }
#define WANT(name) { "snp." #name, policy_set_want, OFFSET(snp.name) }
#define BIT(name) { "tdx." #name, policy_set_bit, OFFSET(tdx.name) }
#define EXPECT(name, size) { "snp." #name, policy_set_expected, OFFSET(snp.name), size }
#define FLOOR(product, index, part) \
	{ "snp.floor." product "." #part, policy_set_floor, OFFSET(snp.floors[index]), 0, \
	  offsetof(struct snp_tcb, part) }
#define FLOORS(product, index) \
	FLOOR(product, index, boot_loader), FLOOR(product, index, tee), FLOOR(product, index, snp), \
	FLOOR(product, index, microcode)
#define TDX(name) { "tdx." #name, policy_set_tdx, OFFSET(tdx.name) }
#define RTMR(n) { "tdx.rtmr" #n, policy_set_tdx, OFFSET(tdx.rtmr[n]) }
#define PCR(n) { "tpm.pcr" #n, policy_set_pcr, OFFSET(tpm.pcrs[n]) }

const struct policy_entry policy_entries[] = {
	HEXES("pinned.keys", pinned.keys, pinned.n_keys, PINNED_MAX_KEYS),

	BOOL("software.allow", software.allow),
	HEXES("software.keys", software.keys, software.n_keys, SOFTWARE_MAX_KEYS),

	BOOL("snp.any_measurement", snp.any_measurement),
	HEXES("snp.measurements", snp.measurements, snp.n_measurements, SNP_MAX_MEASUREMENTS),
	FLOORS("milan", SNP_MILAN),
	FLOORS("genoa", SNP_GENOA),
	FLOORS("turin", SNP_TURIN),
	FLOOR("turin", SNP_TURIN, fmc),
	NUMBER("snp.min_version", snp.min_version, 5),
	NUMBER("snp.min_guest_svn", snp.min_guest_svn, UINT32_MAX),
	{ "snp.min_current", policy_set_version, OFFSET(snp.min_current), 3 },
	{ "snp.min_committed", policy_set_version, OFFSET(snp.min_committed), 3 },
	{ "snp.min_guest_abi", policy_set_version, OFFSET(snp.min_guest_abi_major), 2 },
	BOOL("snp.vlek", snp.vlek),
	BOOL("snp.masked_chip", snp.masked_chip),
	BOOL("snp.require_crl", snp.require_crl),
	{ "snp.vmpls", policy_set_mask, OFFSET(snp.vmpls), 0, 0, 3 },
	WANT(debug), WANT(migrate_ma), WANT(cxl), WANT(smt), WANT(single_socket), WANT(mem_aes_256), WANT(rapl_dis),
	WANT(ciphertext_hiding), WANT(page_swap_disable),
	WANT(platform_smt), WANT(platform_tsme), WANT(platform_ecc), WANT(platform_rapl_dis),
	WANT(platform_ciphertext_hiding), WANT(platform_alias_check), WANT(platform_tio),
	EXPECT(host_data, SNP_HOST_DATA_LEN), EXPECT(id_key_digest, SNP_DIGEST_LEN),
	EXPECT(author_key_digest, SNP_DIGEST_LEN), EXPECT(family_id, SNP_ID_LEN), EXPECT(image_id, SNP_ID_LEN),
	EXPECT(chip_id, SNP_CHIP_ID_LEN),
	{ "snp.csp_id", policy_set_csp, OFFSET(snp.csp_id), SNP_NAME_LEN },
	NUMBER("snp.launch_mitigations", snp.launch_mitigations, UINT64_MAX),
	NUMBER("snp.current_mitigations", snp.current_mitigations, UINT64_MAX),

	TDX(mrtd), RTMR(0), RTMR(1), RTMR(2), RTMR(3), TDX(mrseam),
	TDX(mrsignerseam), TDX(mrconfigid), TDX(mrowner), TDX(mrownerconfig), TDX(mrservicetd),
	{ "tdx.versions", policy_set_mask, OFFSET(tdx.versions), 0, 0, 5 },
	{ "tdx.statuses", policy_set_statuses, OFFSET(tdx.statuses) },
	{ "tdx.qe_statuses", policy_set_statuses, OFFSET(tdx.qe_statuses) },
	NUMBER("tdx.min_evaluation", tdx.min_evaluation, UINT32_MAX),
	BIT(debug), BIT(sept_ve_disable), BIT(migratable), BIT(pks), BIT(kl), BIT(perfmon),
	NUMBER("tdx.attributes_allowed", tdx.attributes_allowed, UINT64_MAX),
	NUMBER("tdx.xfam_required", tdx.xfam_required, UINT64_MAX),
	NUMBER("tdx.xfam_allowed", tdx.xfam_allowed, UINT64_MAX),

	HEXES("tpm.keys", tpm.keys, tpm.n_keys, TPM_MAX_KEYS),
	{ "tpm.ca", policy_set_ca },
	PCR(0), PCR(1), PCR(2), PCR(3), PCR(4), PCR(5), PCR(6), PCR(7), PCR(8), PCR(9),
	BOOL("tpm.any_file", tpm.any_file),
	HEXES("tpm.files", tpm.files, tpm.n_files, TPM_MAX_FILES),
	{ NULL },
};
