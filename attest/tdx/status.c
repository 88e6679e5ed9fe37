/* SPDX-License-Identifier: MIT */
/* status: see status.h. */
#include "status.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "jsonvalue.h"

#define MAX_ADVISORIES 128u
#define ADVISORY_MAX_LEN 24u

static const char *const names[] = {
	[TDX_UP_TO_DATE] = "UpToDate",
	[TDX_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
	[TDX_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
	[TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
	[TDX_OUT_OF_DATE] = "OutOfDate",
	[TDX_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
	[TDX_REVOKED] = "Revoked",
};

#define N_NAMES (sizeof(names) / sizeof(names[0]))

const char *tdx_status_name(enum tdx_status status)
{
	return (size_t)status < N_NAMES ? names[status] : "?";
}

int tdx_status_parse(const char *name, enum tdx_status *ret_status)
{
	for (size_t i = 0; i < N_NAMES; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret_status = (enum tdx_status)i;
			return 0;
		}
	}
	return -EBADMSG;
}

enum tdx_status tdx_status_converge(enum tdx_status platform, enum tdx_status part)
{
	if (platform == TDX_REVOKED || part == TDX_REVOKED)
		return TDX_REVOKED;
	if (part == TDX_UP_TO_DATE)
		return platform;
	/* a part has UpToDate, OutOfDate and Revoked; any other that may come is at least out of date here */
	switch (platform) {
	case TDX_CONFIGURATION_NEEDED:
	case TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED:
	case TDX_OUT_OF_DATE_CONFIGURATION_NEEDED:
		return TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;
	default:
		return TDX_OUT_OF_DATE;
	}
}

/* It ends up in a sentence for people. */
static bool is_advisory(const char *text, size_t len)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

	return len > 0 && len <= ADVISORY_MAX_LEN && strspn(text, allowed) == len;
}

static bool read_advisories(struct json_object *object, struct tdx_level *level)
{
	struct json_object *array;
	size_t n, at = 0;

	if (!jsonvalue_has(object, "advisoryIDs"))
		return true;
	if (!jsonvalue_array(object, "advisoryIDs", 0, MAX_ADVISORIES, &array, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct json_object *entry = json_object_array_get_idx(array, i);
		size_t len;

		if (!json_object_is_type(entry, json_type_string))
			return false;
		len = (size_t)json_object_get_string_len(entry);
		if (!is_advisory(json_object_get_string(entry), len) || at + 1 + len + 1 > sizeof(level->advisories))
			return false;
		if (i)
			level->advisories[at++] = ' ';
		memcpy(level->advisories + at, json_object_get_string(entry), len);
		at += len;
	}
	return true;
}

bool tdx_level_read(struct json_object *object, struct tdx_level *ret_level)
{
	struct tdx_level level = { 0 };
	const char *name;
	size_t len;

	if (!jsonvalue_string(object, "tcbStatus", &name, &len) || tdx_status_parse(name, &level.status) < 0)
		return false;
	if (!jsonvalue_date(object, "tcbDate", &level.date_s) || !read_advisories(object, &level))
		return false;
	*ret_level = level;
	return true;
}
