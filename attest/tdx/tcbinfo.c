/* SPDX-License-Identifier: MIT */
/* tcbinfo: see tcbinfo.h. */
#include "tcbinfo.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "jsonvalue.h"

static bool read_rule(struct json_object *object, struct tdx_module_rule *rule)
{
	return jsonvalue_hex(object, "mrsigner", rule->mrsigner, sizeof(rule->mrsigner)) &&
	       jsonvalue_hex(object, "attributes", rule->attributes, sizeof(rule->attributes)) &&
	       jsonvalue_hex(object, "attributesMask", rule->attributes_mask, sizeof(rule->attributes_mask));
}

static bool read_module_level(struct json_object *object, struct tdx_module *module)
{
	const size_t at = module->n_levels++;
	struct json_object *tcb;
	uint32_t isvsvn;

	if (!jsonvalue_object(object, "tcb", &tcb) || !jsonvalue_number(tcb, "isvsvn", UINT16_MAX, &isvsvn))
		return false;
	module->levels[at].isvsvn = (uint16_t)isvsvn;
	return tdx_level_read(object, &module->levels[at].level);
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* "TDX_" and the major version in two hex digits. */
static bool read_major(struct json_object *object, uint8_t *ret_major)
{
	const char *id;
	size_t len;

	if (!jsonvalue_string(object, "id", &id, &len) || len != 6 || memcmp(id, "TDX_", 4) != 0)
		return false;
	if (hex_digit(id[4]) < 0 || hex_digit(id[5]) < 0)
		return false;
	*ret_major = (uint8_t)(hex_digit(id[4]) << 4 | hex_digit(id[5]));
	return true;
}

static struct tdx_module *find_module(const struct tdx_tcbinfo *tcbinfo, uint8_t major)
{
	for (size_t i = 0; i < tcbinfo->n_modules; i++)
		if (tcbinfo->modules[i].major == major)
			return (struct tdx_module *)&tcbinfo->modules[i];
	return NULL;
}

static bool read_module(struct json_object *object, struct tdx_tcbinfo *tcbinfo)
{
	struct tdx_module *module = &tcbinfo->modules[tcbinfo->n_modules];
	struct json_object *levels;
	size_t n;

	if (!read_major(object, &module->major) || find_module(tcbinfo, module->major))
		return false;
	tcbinfo->n_modules++;
	if (!read_rule(object, &module->rule) ||
	    !jsonvalue_array(object, "tcbLevels", 1, TDX_MAX_MODULE_LEVELS, &levels, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!read_module_level(json_object_array_get_idx(levels, i), module))
			return false;
	return true;
}

/* TCB information from before TDX 1.5 has no identities by version. */
static bool read_modules(struct json_object *object, struct tdx_tcbinfo *tcbinfo)
{
	struct json_object *modules;
	size_t n;

	if (!jsonvalue_has(object, "tdxModuleIdentities"))
		return true;
	if (!jsonvalue_array(object, "tdxModuleIdentities", 0, TDX_MAX_MODULES, &modules, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!read_module(json_object_array_get_idx(modules, i), tcbinfo))
			return false;
	return true;
}

static bool read_components(struct json_object *tcb, const char *name, uint8_t svn[16])
{
	struct json_object *array;
	uint32_t number;
	size_t n;

	if (!jsonvalue_array(tcb, name, 16, 16, &array, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!jsonvalue_number(json_object_array_get_idx(array, i), "svn", UINT8_MAX, &number))
			return false;
		svn[i] = (uint8_t)number;
	}
	return true;
}

static bool read_level(struct json_object *object, struct tdx_tcbinfo *tcbinfo)
{
	const size_t at = tcbinfo->n_levels++;
	struct json_object *tcb;
	uint32_t pcesvn;

	if (!jsonvalue_object(object, "tcb", &tcb) ||
	    !read_components(tcb, "sgxtcbcomponents", tcbinfo->levels[at].sgx_svn) ||
	    !read_components(tcb, "tdxtcbcomponents", tcbinfo->levels[at].tdx_svn) ||
	    !jsonvalue_number(tcb, "pcesvn", UINT16_MAX, &pcesvn))
		return false;
	tcbinfo->levels[at].pcesvn = (uint16_t)pcesvn;
	return tdx_level_read(object, &tcbinfo->levels[at].level);
}

static bool read_levels(struct json_object *object, struct tdx_tcbinfo *tcbinfo)
{
	struct json_object *levels;
	size_t n;

	if (!jsonvalue_array(object, "tcbLevels", 1, TDX_MAX_LEVELS, &levels, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!read_level(json_object_array_get_idx(levels, i), tcbinfo))
			return false;
	return true;
}

/* tcbType says how levels are compared, and 0 is the only way there is. */
static bool read_head(struct json_object *object, struct tdx_tcbinfo *tcbinfo)
{
	uint32_t version, type;

	return jsonvalue_is(object, "id", "TDX") && jsonvalue_number(object, "version", 3, &version) && version == 3 &&
	       jsonvalue_number(object, "tcbType", 0, &type) &&
	       jsonvalue_date(object, "issueDate", &tcbinfo->issued_s) &&
	       jsonvalue_date(object, "nextUpdate", &tcbinfo->next_update_s) &&
	       jsonvalue_hex(object, "fmspc", tcbinfo->fmspc, sizeof(tcbinfo->fmspc)) &&
	       jsonvalue_hex(object, "pceId", tcbinfo->pceid, sizeof(tcbinfo->pceid)) &&
	       jsonvalue_number(object, "tcbEvaluationDataNumber", UINT32_MAX, &tcbinfo->evaluation);
}

int tdx_tcbinfo_new(const char *text, size_t len, struct tdx_tcbinfo **ret_tcbinfo)
{
	struct json_object *object, *module;
	struct tdx_tcbinfo *tcbinfo;
	int r = jsonvalue_parse(text, len, &object);

	if (r < 0)
		return r;
	tcbinfo = calloc(1, sizeof(*tcbinfo));
	if (!tcbinfo) {
		json_object_put(object);
		return -ENOMEM;
	}
	if (!read_head(object, tcbinfo) || !jsonvalue_object(object, "tdxModule", &module) ||
	    !read_rule(module, &tcbinfo->rule) || !read_modules(object, tcbinfo) || !read_levels(object, tcbinfo))
		r = -EBADMSG;
	json_object_put(object);
	if (r < 0) {
		tdx_tcbinfo_free(tcbinfo);
		return r;
	}
	*ret_tcbinfo = tcbinfo;
	return 0;
}

void tdx_tcbinfo_free(struct tdx_tcbinfo *tcbinfo)
{
	free(tcbinfo);
}

const struct tdx_module_rule *tdx_tcbinfo_rule(const struct tdx_tcbinfo *tcbinfo, const uint8_t svn[TDX_SVN_LEN])
{
	const struct tdx_module *module;

	if (svn[1] == 0)
		return &tcbinfo->rule;
	module = find_module(tcbinfo, svn[1]);
	return module ? &module->rule : NULL;
}

/* Every component from @from on at least as high. */
static bool reaches(const uint8_t have[16], const uint8_t need[16], size_t from)
{
	for (size_t i = from; i < 16; i++)
		if (have[i] < need[i])
			return false;
	return true;
}

/* Levels stand in falling order, so the first that is reached is the platform's. */
static const struct tdx_level *platform_level(const struct tdx_tcbinfo *tcbinfo, const struct tdx_pck *pck,
					      const uint8_t svn[TDX_SVN_LEN])
{
	/* a module with a major version has levels of its own, and components 0 and 1 are its version */
	const size_t from = svn[1] ? 2 : 0;

	for (size_t i = 0; i < tcbinfo->n_levels; i++) {
		if (reaches(pck->component_svn, tcbinfo->levels[i].sgx_svn, 0) &&
		    pck->pcesvn >= tcbinfo->levels[i].pcesvn && reaches(svn, tcbinfo->levels[i].tdx_svn, from))
			return &tcbinfo->levels[i].level;
	}
	return NULL;
}

static const struct tdx_level *module_level(const struct tdx_tcbinfo *tcbinfo, const uint8_t svn[TDX_SVN_LEN])
{
	const struct tdx_module *module = find_module(tcbinfo, svn[1]);

	for (size_t i = 0; module && i < module->n_levels; i++)
		if (svn[0] >= module->levels[i].isvsvn)
			return &module->levels[i].level;
	return NULL;
}

int tdx_tcbinfo_judge(const struct tdx_tcbinfo *tcbinfo, const struct tdx_pck *pck, const uint8_t svn[TDX_SVN_LEN],
		      struct tdx_standing *ret_standing)
{
	const bool has_levels = svn[1] != 0;
	struct tdx_standing standing = {
		.status = TDX_REVOKED,
		.platform = platform_level(tcbinfo, pck, svn),
		.module = has_levels ? module_level(tcbinfo, svn) : NULL,
	};
	const bool found = standing.platform && (standing.module || !has_levels);

	if (found)
		standing.status = tdx_status_converge(standing.platform->status,
						      has_levels ? standing.module->status : TDX_UP_TO_DATE);
	*ret_standing = standing;
	return found ? 0 : -ENOENT;
}
