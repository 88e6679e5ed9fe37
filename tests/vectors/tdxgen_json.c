/* SPDX-License-Identifier: MIT */
/* tdxgen_json: what Intel publishes about a platform, see tdxgen.h. */
#include <stdarg.h>
#include <string.h>

#include <attest/date.h>

#include "tdxgen.h"

struct text {
	char *at;
	size_t len, size;
};

__attribute__((format(printf, 2, 3)))
static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text->at + text->len, text->size - text->len, format, args);
	va_end(args);
	TDXGEN_NEED(len >= 0 && (size_t)len < text->size - text->len);
	text->len += (size_t)len;
}

static void put_hex(struct text *text, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(text, "%02X", bytes[i]);
}

static void put_hex_member(struct text *text, const char *name, const uint8_t *bytes, size_t len)
{
	put(text, "\"%s\":\"", name);
	put_hex(text, bytes, len);
	put(text, "\",");
}

static void put_head(struct text *text, const char *id, uint32_t version, int64_t issued_s, int64_t next_update_s,
		     uint32_t evaluation)
{
	char issued[DATE_TEXT_LEN + 1], next_update[DATE_TEXT_LEN + 1];

	date_format(issued_s, issued);
	date_format(next_update_s, next_update);
	put(text, "{\"id\":\"%s\",\"version\":%u,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
	    "\"tcbEvaluationDataNumber\":%u,", id, version, issued, next_update, evaluation);
}

static void put_module_rule(struct text *text, const struct tdxgen_module *module)
{
	const uint8_t mrsigner[48] = { module->mrsigner }, attributes[8] = { module->attributes };

	put_hex_member(text, "mrsigner", mrsigner, sizeof(mrsigner));
	put_hex_member(text, "attributes", attributes, sizeof(attributes));
	put(text, "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"");
}

static void put_svn_levels(struct text *text, const struct tdxgen_svn_level *levels, size_t n)
{
	put(text, "\"tcbLevels\":[");
	for (size_t i = 0; i < n && levels[i].status; i++)
		put(text, "%s{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"%s\"}",
		    i ? "," : "", levels[i].isvsvn, levels[i].status);
	put(text, "]");
}

static void put_modules(struct text *text, const struct tdxgen_tcbinfo *tcbinfo)
{
	put(text, "\"tdxModule\":{");
	put_module_rule(text, &tcbinfo->base);
	put(text, "},\"tdxModuleIdentities\":[");
	for (size_t i = 0; i < 3 && tcbinfo->modules[i].id; i++) {
		put(text, "%s{\"id\":\"%s\",", i ? "," : "", tcbinfo->modules[i].id);
		put_module_rule(text, &tcbinfo->modules[i]);
		put(text, ",");
		put_svn_levels(text, tcbinfo->modules[i].levels, 3);
		put(text, "}");
	}
	put(text, "],");
}

static void put_components(struct text *text, const char *name, const uint8_t svn[16])
{
	put(text, "\"%s\":[", name);
	for (size_t i = 0; i < 16; i++)
		put(text, "%s{\"svn\":%u}", i ? "," : "", svn[i]);
	put(text, "]");
}

static void put_level(struct text *text, const struct tdxgen_level *level)
{
	uint8_t sgx_svn[16], tdx_svn[16] = { level->tdx_svn[0], level->tdx_svn[1], level->tdx_svn[2] };

	memset(sgx_svn, 1, sizeof(sgx_svn));
	sgx_svn[0] = level->sgx_svn;
	put(text, "{\"tcb\":{");
	put_components(text, "sgxtcbcomponents", sgx_svn);
	put(text, ",\"pcesvn\":%u,", level->pcesvn);
	put_components(text, "tdxtcbcomponents", tdx_svn);
	put(text, "},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"%s\"", level->status);
	if (level->advisories)
		put(text, ",\"advisoryIDs\":%s", level->advisories);
	put(text, "}");
}

size_t tdxgen_tcbinfo(const struct tdxgen *gen, char *ret_text)
{
	const struct tdxgen_tcbinfo *tcbinfo = &gen->tcbinfo;
	struct text text = { .at = ret_text, .size = TDXGEN_TEXT_SIZE };

	put_head(&text, tcbinfo->id, tcbinfo->version, tcbinfo->issued_s, tcbinfo->next_update_s, tcbinfo->evaluation);
	put_hex_member(&text, "fmspc", tcbinfo->fmspc, sizeof(tcbinfo->fmspc));
	put_hex_member(&text, "pceId", tcbinfo->pceid, sizeof(tcbinfo->pceid));
	put(&text, "\"tcbType\":%u,", tcbinfo->type);
	put_modules(&text, tcbinfo);
	put(&text, "\"tcbLevels\":[");
	for (size_t i = 0; i < 4 && tcbinfo->levels[i].status; i++) {
		put(&text, "%s", i ? "," : "");
		put_level(&text, &tcbinfo->levels[i]);
	}
	put(&text, "]}");
	return text.len;
}

size_t tdxgen_qeidentity(const struct tdxgen *gen, char *ret_text)
{
	const struct tdxgen_qeidentity *identity = &gen->qeidentity;
	struct text text = { .at = ret_text, .size = TDXGEN_TEXT_SIZE };

	put_head(&text, identity->id, identity->version, identity->issued_s, identity->next_update_s,
		 identity->evaluation);
	put(&text, "\"miscselect\":\"%08X\",\"miscselectMask\":\"%08X\",", identity->miscselect,
	    identity->miscselect_mask);
	put_hex_member(&text, "attributes", identity->attributes, sizeof(identity->attributes));
	put_hex_member(&text, "attributesMask", identity->attributes_mask, sizeof(identity->attributes_mask));
	put_hex_member(&text, "mrsigner", identity->mrsigner, sizeof(identity->mrsigner));
	put(&text, "\"isvprodid\":%u,", identity->isvprodid);
	put_svn_levels(&text, identity->levels, 3);
	put(&text, "}");
	return text.len;
}

/* As a JSON string, quotes included. */
static void put_string(struct text *text, const char *from)
{
	put(text, "\"");
	for (; *from; from++) {
		if (*from == '\n')
			put(text, "\\n");
		else if (*from == '"' || *from == '\\')
			put(text, "\\%c", *from);
		else
			put(text, "%c", *from);
	}
	put(text, "\"");
}

/* What Intel's service answers. */
static void put_answer(struct text *text, const char *inner, const char *document, const uint8_t signature[64])
{
	put(text, "{\"%s\":%s,\"signature\":\"", inner, document);
	put_hex(text, signature, 64);
	put(text, "\"}");
}

static void put_document(struct text *text, const struct tdxgen *gen, enum tdxgen_form form, const char *name,
			 const char *inner, const char *document, enum tdxgen_key key)
{
	const bool is_answer = form == TDXGEN_ANSWERS || form == TDXGEN_ANSWER_STRINGS;
	char room[2 * TDXGEN_TEXT_SIZE], pem[TDXGEN_TEXT_SIZE];
	struct text whole = { .at = room, .size = sizeof(room) };
	uint8_t signature[64];

	tdxgen_sign(gen, key, document, strlen(document), signature);
	if (is_answer)
		put_answer(&whole, inner, document, signature);
	else
		put(&whole, "%s", document);
	put(text, "\"%s\": ", name);
	if (form == TDXGEN_STRINGS || form == TDXGEN_ANSWER_STRINGS)
		put_string(text, room);
	else
		put(text, "%s", room);
	put(text, ",\n");
	if (!is_answer) {
		put(text, "\"%s_signature\": \"", name);
		put_hex(text, signature, sizeof(signature));
		put(text, "\",\n");
	}
	tdxgen_pem(gen, gen->document_chain, gen->n_document_chain, pem, sizeof(pem));
	put(text, "\"%s_issuer_chain\": ", name);
	put_string(text, pem);
	put(text, ",\n");
}

static void put_crl(struct text *text, const struct tdxgen *gen, const char *name, enum tdxgen_crl_id id)
{
	size_t len;
	uint8_t *der = tdxgen_crl(gen, id, &len);

	put(text, "\"%s\": \"", name);
	put_hex(text, der, len);
	put(text, "\"");
	free(der);
}

char *tdxgen_collateral_of(const struct tdxgen *gen, enum tdxgen_form form, const char *tcbinfo, const char *qeidentity)
{
	const size_t size = 8 * TDXGEN_TEXT_SIZE;
	struct text text = { .at = malloc(size), .size = size };

	TDXGEN_NEED(text.at);
	put(&text, "{\n");
	put_document(&text, gen, form, "tcb_info", "tcbInfo", tcbinfo, gen->tcbinfo_key);
	put_document(&text, gen, form, "qe_identity", "enclaveIdentity", qeidentity, gen->qeidentity_key);
	put_crl(&text, gen, "root_ca_crl", TDXGEN_ROOT_CRL);
	put(&text, ",\n");
	put_crl(&text, gen, "pck_crl", TDXGEN_PCK_CRL);
	put(&text, "\n}\n");
	return text.at;
}

char *tdxgen_collateral(const struct tdxgen *gen)
{
	char tcbinfo[TDXGEN_TEXT_SIZE], qeidentity[TDXGEN_TEXT_SIZE];

	tdxgen_tcbinfo(gen, tcbinfo);
	tdxgen_qeidentity(gen, qeidentity);
	return tdxgen_collateral_of(gen, TDXGEN_STRINGS, tcbinfo, qeidentity);
}
