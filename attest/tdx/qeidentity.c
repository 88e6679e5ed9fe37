/* SPDX-License-Identifier: MIT */
/* qeidentity: see qeidentity.h. */
#include "qeidentity.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "jsonvalue.h"

#define SGX_FLAG_DEBUG 0x02u	/* in the first byte of an enclave's attributes */

/* Hex digits with the highest byte first, as Intel writes this one. */
static bool read_u32(struct json_object *object, const char *name, uint32_t *ret_number)
{
	uint8_t bytes[4];

	if (!jsonvalue_hex(object, name, bytes, sizeof(bytes)))
		return false;
	*ret_number = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
	return true;
}

static bool read_head(struct json_object *object, struct tdx_qeidentity *identity)
{
	uint32_t version, isvprodid;

	if (!jsonvalue_is(object, "id", "TD_QE") || !jsonvalue_number(object, "version", 2, &version) || version != 2 ||
	    !jsonvalue_date(object, "issueDate", &identity->issued_s) ||
	    !jsonvalue_date(object, "nextUpdate", &identity->next_update_s) ||
	    !jsonvalue_number(object, "tcbEvaluationDataNumber", UINT32_MAX, &identity->evaluation) ||
	    !jsonvalue_number(object, "isvprodid", UINT16_MAX, &isvprodid))
		return false;
	identity->isvprodid = (uint16_t)isvprodid;
	return read_u32(object, "miscselect", &identity->miscselect) &&
	       read_u32(object, "miscselectMask", &identity->miscselect_mask) &&
	       jsonvalue_hex(object, "attributes", identity->attributes, sizeof(identity->attributes)) &&
	       jsonvalue_hex(object, "attributesMask", identity->attributes_mask, sizeof(identity->attributes_mask)) &&
	       jsonvalue_hex(object, "mrsigner", identity->mrsigner, sizeof(identity->mrsigner));
}

static bool read_level(struct json_object *object, struct tdx_qeidentity *identity)
{
	const size_t at = identity->n_levels++;
	struct json_object *tcb;
	uint32_t isvsvn;

	if (!jsonvalue_object(object, "tcb", &tcb) || !jsonvalue_number(tcb, "isvsvn", UINT16_MAX, &isvsvn))
		return false;
	identity->levels[at].isvsvn = (uint16_t)isvsvn;
	return tdx_level_read(object, &identity->levels[at].level);
}

static bool read_identity(struct json_object *object, struct tdx_qeidentity *identity)
{
	struct json_object *levels;
	size_t n;

	if (!read_head(object, identity) ||
	    !jsonvalue_array(object, "tcbLevels", 1, TDX_QE_MAX_LEVELS, &levels, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!read_level(json_object_array_get_idx(levels, i), identity))
			return false;
	return true;
}

int tdx_qeidentity_new(const char *text, size_t len, struct tdx_qeidentity **ret_identity)
{
	struct tdx_qeidentity *identity;
	struct json_object *object;
	int r = jsonvalue_parse(text, len, &object);

	if (r < 0)
		return r;
	identity = calloc(1, sizeof(*identity));
	if (!identity)
		r = -ENOMEM;
	else if (!read_identity(object, identity))
		r = -EBADMSG;
	json_object_put(object);
	if (r < 0) {
		tdx_qeidentity_free(identity);
		return r;
	}
	*ret_identity = identity;
	return 0;
}

void tdx_qeidentity_free(struct tdx_qeidentity *identity)
{
	free(identity);
}

bool tdx_qeidentity_miscselect(const struct tdx_qeidentity *identity, const struct tdx_qe_report *qe)
{
	return (qe->miscselect & identity->miscselect_mask) == identity->miscselect;
}

bool tdx_qeidentity_attributes(const struct tdx_qeidentity *identity, const struct tdx_qe_report *qe)
{
	for (size_t i = 0; i < sizeof(qe->attributes); i++)
		if ((qe->attributes[i] & identity->attributes_mask[i]) != identity->attributes[i])
			return false;
	return !(qe->attributes[0] & SGX_FLAG_DEBUG);
}

const struct tdx_level *tdx_qeidentity_level(const struct tdx_qeidentity *identity, uint16_t isvsvn)
{
	for (size_t i = 0; i < identity->n_levels; i++)
		if (isvsvn >= identity->levels[i].isvsvn)
			return &identity->levels[i].level;
	return NULL;
}
