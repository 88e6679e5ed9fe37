/* SPDX-License-Identifier: MIT */
/* policy: see policy.h. */
#include "policy.h"

#include <errno.h>
#include <string.h>

void tdx_policy_init(struct tdx_policy *policy)
{
	/* one value, zeros */
	static const struct tdx_expected nobody = { .n = 1 };

	*policy = (struct tdx_policy){
		.versions = 1u << 4 | 1u << 5,
		.statuses = TDX_STATUS_BIT(TDX_UP_TO_DATE),
		.qe_statuses = TDX_STATUS_BIT(TDX_UP_TO_DATE),
		.debug = TDX_BIT_CLEAR,
		.sept_ve_disable = TDX_BIT_SET,
		.migratable = TDX_BIT_CLEAR,
		.pks = TDX_BIT_ANY,
		.kl = TDX_BIT_ANY,
		.perfmon = TDX_BIT_CLEAR,
		.xfam_required = TDX_XFAM_FIXED,
		.xfam_allowed = TDX_XFAM_KNOWN,
		.mrsignerseam = nobody,
		.mrconfigid = nobody,
		.mrowner = nobody,
		.mrownerconfig = nobody,
		.mrservicetd = nobody,
	};
}

int tdx_expected_add(struct tdx_expected *expected, const uint8_t value[TDX_MEASUREMENT_LEN])
{
	if (expected->n == TDX_POLICY_MAX_VALUES)
		return -ENOSPC;
	memcpy(expected->values[expected->n++], value, TDX_MEASUREMENT_LEN);
	return 0;
}
