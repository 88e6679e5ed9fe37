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
	policy->floors[product] = (struct snp_floors){
		.given = true,
		.reported = *floor,
		.committed = *floor,
		.current = *floor,
		.launch = *floor,
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
