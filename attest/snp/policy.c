// SPDX-License-Identifier: MIT
/* policy: see policy.h. */
#include "policy.h"

#include <string.h>

void snp_policy_init(struct snp_policy *policy)
{
	*policy = (struct snp_policy){
		.min_version = 2,
		.debug = SNP_CLEAR,
		.migrate_ma = SNP_CLEAR,
		.cxl = SNP_CLEAR,
		.vmpls = 1u << 0,
	};
}

void snp_policy_set_floor(struct snp_policy *policy, enum snp_product product, const struct snp_tcb *floor)
{
	struct snp_tcb own = *floor;

	/* Only Turin has an FMC: elsewhere it would be a floor that nothing reaches. */
	if (product != SNP_TURIN)
		own.fmc = 0;
	policy->floors[product] = (struct snp_floors){
		.given = true,
		.reported = own,
		.committed = own,
		.current = own,
		.launch = own,
	};
}

bool snp_policy_add_measurement(struct snp_policy *policy, const uint8_t measurement[SNP_MEASUREMENT_LEN])
{
	if (policy->n_measurements == SNP_MAX_MEASUREMENTS)
		return false;
	memcpy(policy->measurements[policy->n_measurements++], measurement, SNP_MEASUREMENT_LEN);
	return true;
}

void snp_policy_expect(struct snp_expected *expected, const void *bytes, size_t len)
{
	memset(expected, 0, sizeof(*expected));
	memcpy(expected->bytes, bytes, len < sizeof(expected->bytes) ? len : sizeof(expected->bytes));
	expected->asked = true;
}
