/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tdx_collateral: what somebody says that Intel publishes.  The first byte:
 *   0 text: what the scanner takes, json-c reads alike
 *   1 TCB info, and where platforms stand in it
 *   2 QE identity
 *   3 the whole file
 */
#include <json-c/json.h>
#include <string.h>

#include <attest/attest.h>
#include <attest/jsontext.h>
#include <attest/tdx/collateral.h>
#include <attest/tdx/qeidentity.h>
#include <attest/tdx/tcbinfo.h>

#include "../vectors/tdxgen.h"
#include "fuzz.h"

enum { MODE_TEXT, MODE_TCBINFO, MODE_QEIDENTITY, MODE_FILE, N_MODES };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_NEED(attest_init());
	return 0;
}

/* NULL if @text is "null", too. */
static struct json_object *read_all(const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex((int)JSONTEXT_MAX_DEPTH + 1);
	struct json_object *object;
	char *terminated = malloc(len + 1);

	/* a number at the very end is over only when json-c sees what follows */
	FUZZ_NEED(tokener && terminated);
	memcpy(terminated, text, len);
	terminated[len] = '\0';
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, terminated, (int)len + 1);
	FUZZ_NEED(json_tokener_get_error(tokener) == json_tokener_success);
	json_tokener_free(tokener);
	free(terminated);
	return object;
}

static void check_text(const char *text, size_t len)
{
	struct json_object *object, *member = NULL, *alone;
	struct jsontext_span span;

	if (jsontext_check(text, len) < 0) {
		FUZZ_NEED(jsontext_member(text, len, "a", &span) < 0);
		return;
	}
	object = read_all(text, len);
	if (jsontext_member(text, len, "a", &span) == 0) {
		FUZZ_NEED(span.data >= text && span.data + span.len <= text + len);
		FUZZ_NEED(json_object_object_get_ex(object, "a", &member));
		alone = read_all(span.data, span.len);
		FUZZ_NEED(json_object_equal(member, alone));
		json_object_put(alone);
	} else {
		FUZZ_NEED(!json_object_is_type(object, json_type_object) ||
			  !json_object_object_get_ex(object, "a", NULL));
	}
	json_object_put(object);
}

static void check_tcbinfo(const char *text, size_t len)
{
	struct tdx_standing standing;
	struct tdx_tcbinfo *tcbinfo;
	struct tdx_pck pck = { 0 };
	uint8_t svn[TDX_SVN_LEN] = { 0 };

	if (tdx_tcbinfo_new(text, len, &tcbinfo) < 0)
		return;
	FUZZ_NEED(tcbinfo->n_levels >= 1 && tcbinfo->n_levels <= TDX_MAX_LEVELS);
	FUZZ_NEED(tcbinfo->n_modules <= TDX_MAX_MODULES);
	for (unsigned int i = 0; i < 256; i++) {
		memset(pck.component_svn, (int)i, sizeof(pck.component_svn));
		memset(svn, 255, sizeof(svn));
		pck.pcesvn = (uint16_t)(i << 8);
		svn[1] = (uint8_t)i;
		if (tdx_tcbinfo_judge(tcbinfo, &pck, svn, &standing) < 0)
			FUZZ_NEED(standing.status == TDX_REVOKED);
		else
			FUZZ_NEED(standing.platform && standing.status >= standing.platform->status &&
				  (!i || standing.module));
	}
	tdx_tcbinfo_free(tcbinfo);
}

static void check_qeidentity(const char *text, size_t len)
{
	struct tdx_qeidentity *identity;
	struct tdx_qe_report qe = { 0 };

	if (tdx_qeidentity_new(text, len, &identity) < 0)
		return;
	FUZZ_NEED(identity->n_levels >= 1 && identity->n_levels <= TDX_QE_MAX_LEVELS);
	FUZZ_NEED(tdx_qeidentity_level(identity, UINT16_MAX) == &identity->levels[0].level);
	qe.attributes[0] = 2;
	FUZZ_NEED(!tdx_qeidentity_attributes(identity, &qe));
	tdx_qeidentity_free(identity);
}

static void check_file(const char *text, size_t len)
{
	struct tdx_collateral *collateral;

	if (tdx_collateral_new(text, len, &collateral) < 0)
		return;
	FUZZ_NEED(collateral->tcb_info.text && collateral->tcb_info.len <= len && collateral->qe_identity.len <= len);
	FUZZ_NEED(collateral->tcb_info.n_chain <= TDX_COLLATERAL_MAX_CERTS);
	FUZZ_NEED(collateral->root_crl && collateral->pck_crl);
	tdx_collateral_free(collateral);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[N_MODES])(const char *text, size_t len) = {
		check_text, check_tcbinfo, check_qeidentity, check_file,
	};

	if (size >= 1)
		checks[data[0] % N_MODES]((const char *)data + 1, size - 1);
	return 0;
}

static void emit_text(void (*emit)(const char *name, const uint8_t *data, size_t size), const char *name, uint8_t mode,
		      const char *text)
{
	const size_t len = strlen(text);
	uint8_t *bytes = malloc(len + 1);

	FUZZ_NEED(bytes);
	bytes[0] = mode;
	memcpy(bytes + 1, text, len);
	emit(name, bytes, len + 1);
	free(bytes);
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	char tcbinfo[TDXGEN_TEXT_SIZE], qeidentity[TDXGEN_TEXT_SIZE], name[32];
	struct tdxgen gen;

	emit_text(emit, "text", MODE_TEXT, "{\"a\":[1,-2.5e+3,\"\\u00e9\\n\",{\"b\":null}],\"c\":{\"a\":true}}");
	emit_text(emit, "text-twice", MODE_TEXT, "{\"a\":1,\"a\":2}");
	emit_text(emit, "text-number", MODE_TEXT, "-0.5E-7");
	tdxgen_init(&gen);
	tdxgen_tcbinfo(&gen, tcbinfo);
	tdxgen_qeidentity(&gen, qeidentity);
	emit_text(emit, "tcbinfo", MODE_TCBINFO, tcbinfo);
	emit_text(emit, "qeidentity", MODE_QEIDENTITY, qeidentity);
	for (enum tdxgen_form form = TDXGEN_STRINGS; form <= TDXGEN_ANSWER_STRINGS; form++) {
		char *json = tdxgen_collateral_of(&gen, form, tcbinfo, qeidentity);

		snprintf(name, sizeof(name), "file-%d", (int)form);
		emit_text(emit, name, MODE_FILE, json);
		free(json);
	}
	tdxgen_fini(&gen);
}
