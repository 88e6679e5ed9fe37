/* SPDX-License-Identifier: MIT */
/*
 * status: what Intel says about one level of a trusted computing base, and how
 * the levels of its parts make one (Intel SGX and TDX Provisioning Certification
 * Service API, "tcbStatus").
 */
#ifndef ATTEST_TDX_STATUS_H
#define ATTEST_TDX_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#define TDX_ADVISORIES_LEN 1024u

enum tdx_status {
	TDX_UP_TO_DATE = 0,
	TDX_SW_HARDENING_NEEDED,
	TDX_CONFIGURATION_NEEDED,
	TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	TDX_OUT_OF_DATE,
	TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
	TDX_REVOKED,
};
#define TDX_STATUS_BIT(status) (1u << (status))

/* One level's verdict. */
struct tdx_level {
	enum tdx_status status;
	int64_t date_s;				/* tcbDate: what was published by then is dealt with */
	char advisories[TDX_ADVISORIES_LEN];	/* "INTEL-SA-00106 INTEL-SA-00115", "" if none */
};

struct json_object;

/** The name as in "tcbStatus"; static. */
const char *tdx_status_name(enum tdx_status status);
/** -EBADMSG: no such name. */
int tdx_status_parse(const char *name, enum tdx_status *ret_status);
/** The platform's status together with that of a part (TDX module) that has its own levels. */
enum tdx_status tdx_status_converge(enum tdx_status platform, enum tdx_status part);
/** "tcbStatus", "tcbDate" and "advisoryIDs" of an element of "tcbLevels".  false: not well formed. */
bool tdx_level_read(struct json_object *object, struct tdx_level *ret_level);

#endif
