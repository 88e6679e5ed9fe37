/* SPDX-License-Identifier: MIT */
/* check: gmem-attest check.  Every rule is printed, in words, whatever the verdict is. */
#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../file.h"
#include "../snp/evidence.h"
#include "../tdx/quote.h"
#include "../verify.h"
#include "tool.h"

struct wanted {
	char *report_data, *time, *trust, *collateral, *static_key, *platform, *log;
	const char **certs;
	int json;
};

static const char *const outcomes[] = {
	[VERDICT_HOLDS] = "holds", [VERDICT_FAILS] = "fails", [VERDICT_NOT_JUDGED] = "not judged",
	[VERDICT_NOT_ASKED] = "not asked",
};

static void print_text(const struct verdict *verdict, bool believed)
{
	for (size_t i = 0; i < verdict->n_rules; i++)
		printf("%-10s  %-24s  %s\n", outcomes[verdict->rules[i].outcome], verdict->rules[i].name,
		       verdict->rules[i].text);
	puts(believed ? "BELIEVED" : "REFUSED");
}

static void print_json(const struct verdict *verdict, bool believed)
{
	struct json_object *top = json_object_new_object(), *rules = json_object_new_array();

	for (size_t i = 0; i < verdict->n_rules; i++) {
		struct json_object *rule = json_object_new_object();

		json_object_object_add(rule, "rule", json_object_new_string(verdict->rules[i].name));
		json_object_object_add(rule, "outcome", json_object_new_string(outcomes[verdict->rules[i].outcome]));
		json_object_object_add(rule, "text", json_object_new_string(verdict->rules[i].text));
		json_object_array_add(rules, rule);
	}
	json_object_object_add(top, "believed", json_object_new_boolean(believed));
	json_object_object_add(top, "rules", rules);
	puts(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY));
	json_object_put(top);
}

static int load_policy(const char *path, struct attest_policy *ret_policy)
{
	char error[ATTEST_POLICY_ERROR_LEN];

	return policy_load_file(path, ret_policy, error) ? tool_fail(TOOL_UNREADABLE, "%s: %s", path, error) : 0;
}

static int load_trust(const struct wanted *wanted, struct trust *trust)
{
	char error[TRUST_ERROR_LEN];
	uint8_t *bytes;
	size_t len;
	int ret = 0;

	if (wanted->trust && trust_load_folder(trust, wanted->trust, error))
		return tool_fail(TOOL_UNREADABLE, "%s: %s", wanted->trust, error);
	if (!wanted->collateral)
		return 0;
	ret = tool_read(wanted->collateral, &bytes, &len);
	if (ret)
		return ret;
	if (trust_set_collateral(trust, (const char *)bytes, len))
		ret = tool_fail(TOOL_UNREADABLE, "%s: no TDX collateral", wanted->collateral);
	free(bytes);
	return ret;
}

/* What the evidence itself is bound to; false: it does not show it. */
static bool own_report_data(const struct bundle *bundle, uint8_t ret_data[WIRE_DIGEST_LEN])
{
	struct snp_evidence evidence;
	struct snp_report report;
	struct tdx_quote quote;
	const char *why;

	if (bundle->kind == BUNDLE_SNP &&
	    !snp_evidence_parse(bundle->items[BUNDLE_SNP_EVIDENCE].data, bundle->items[BUNDLE_SNP_EVIDENCE].len,
				&evidence) &&
	    !snp_report_parse(evidence.report, SNP_REPORT_LEN, &report, &why)) {
		memcpy(ret_data, report.report_data, WIRE_DIGEST_LEN);
		return true;
	}
	if (bundle->kind == BUNDLE_TDX &&
	    !tdx_quote_parse(bundle->items[BUNDLE_TDX_QUOTE].data, bundle->items[BUNDLE_TDX_QUOTE].len, &quote)) {
		memcpy(ret_data, quote.report.report_data, WIRE_DIGEST_LEN);
		return true;
	}
	return false;
}

static int get_report_data(const struct wanted *wanted, const struct bundle *bundle, uint8_t ret_data[WIRE_DIGEST_LEN])
{
	size_t len = 0;

	if (!wanted->report_data)
		return own_report_data(bundle, ret_data) ? 0 :
		       tool_fail(TOOL_USAGE,
				 "check: --report-data is needed: evidence of this kind does not show its own");
	if (strlen(wanted->report_data) != 2 * WIRE_DIGEST_LEN ||
	    sodium_hex2bin(ret_data, WIRE_DIGEST_LEN, wanted->report_data, 2 * WIRE_DIGEST_LEN, NULL, &len, NULL) ||
	    len != WIRE_DIGEST_LEN)
		return tool_fail(TOOL_USAGE, "check: --report-data takes %u hex digits", 2 * WIRE_DIGEST_LEN);
	return 0;
}

static int judge(const struct wanted *wanted, const struct tool_evidence *evidence, const struct attest_policy *policy,
		 const struct trust *trust, const uint8_t *log, size_t log_len)
{
	uint8_t digest[WIRE_DIGEST_LEN], static_key[ATTEST_KEY_LEN], platform[ATTEST_ID_LEN];
	struct attest_question question = {
		.evidence = evidence->bytes, .len = evidence->len, .log = log, .log_len = log_len,
		.policy = policy, .trust = trust, .digest = digest,
		.now_s = time(NULL),
	};
	struct verdict verdict;
	int ret;

	ret = get_report_data(wanted, &evidence->bundle, digest);
	if (!ret && wanted->time)
		ret = tool_time("--time", wanted->time, &question.now_s);
	if (!ret && wanted->static_key) {
		ret = tool_id("--static-key", wanted->static_key, static_key);
		question.static_key = static_key;
	}
	if (!ret && wanted->platform) {
		ret = tool_id("--platform", wanted->platform, platform);
		question.platform_id = platform;
	}
	if (ret)
		return ret;
	attest_verify(&question, &verdict);
	if (!wanted->report_data)
		verdict_add(&verdict, "report_data", VERDICT_NOT_ASKED,
			    "without --report-data: what the evidence is bound to was "
			    "not checked");
	ret = verdict_believed(&verdict) ? TOOL_OK : TOOL_REFUSED;
	(wanted->json ? print_json : print_text)(&verdict, ret == TOOL_OK);
	return ret;
}

/* A log that does not stand in the evidence. */
static int judge_with_log(const struct wanted *wanted, const struct tool_evidence *evidence,
			  const struct attest_policy *policy, const struct trust *trust)
{
	uint8_t *log = NULL;
	size_t log_len = 0;
	int ret = 0;

	if (wanted->log) {
		ret = file_read(wanted->log, WIRE_LOG_MAX, &log, &log_len);
		if (ret)
			return tool_fail(TOOL_UNREADABLE, "cannot read %s: %s", wanted->log, strerror(-ret));
	}
	ret = judge(wanted, evidence, policy, trust, log, log_len);
	free(log);
	return ret;
}

static int check(const struct wanted *wanted, const char *policy_path, const char *evidence_path)
{
	struct tool_evidence evidence;
	struct attest_policy policy;
	struct trust trust;
	int ret;

	ret = load_policy(policy_path, &policy);
	if (ret)
		return ret;
	ret = tool_evidence(evidence_path, wanted->certs, &evidence);
	if (!ret && trust_init(&trust))
		ret = tool_fail(TOOL_UNREADABLE, "libcrypto cannot read the roots that are built in");
	if (!ret) {
		ret = load_trust(wanted, &trust);
		if (!ret)
			ret = judge_with_log(wanted, &evidence, &policy, &trust);
		trust_fini(&trust);
	}
	policy_fini(&policy);
	return ret;
}

int check_main(int argc, const char **argv)
{
	struct wanted wanted = { .json = 0 };
	const struct poptOption table[] = {
		{ "report-data", 0, POPT_ARG_STRING, &wanted.report_data, 0, "what it must be bound to", "HEX" },
		{ "time", 0, POPT_ARG_STRING, &wanted.time, 0, "judge as of then (default: now)", "TIME" },
		{ "trust", 0, POPT_ARG_STRING, &wanted.trust, 0, "revocation lists and TDX collateral", "FOLDER" },
		{ "collateral", 0, POPT_ARG_STRING, &wanted.collateral, 0, "TDX collateral", "FILE" },
		{ "cert", 0, POPT_ARG_ARGV, &wanted.certs, 0,
		  "certificates for a bare SEV-SNP report, the chip's first; may be given again", "FILE" },
		{ "static-key", 0, POPT_ARG_STRING, &wanted.static_key, 0, "of the giver, for a pinned key",
		"HEX|FILE" },
		{ "platform", 0, POPT_ARG_STRING, &wanted.platform, 0, "the platform id that a ticket names",
		"HEX|FILE" },
		{ "log", 0, POPT_ARG_STRING, &wanted.log, 0, "the IMA log that a TPM's evidence announces", "FILE" },
		{ "json", 0, POPT_ARG_NONE, &wanted.json, 0, "print JSON", NULL },
		{ "help", 'h', POPT_ARG_NONE, NULL, 1, "print this", NULL },
		POPT_TABLEEND
	};
	poptContext context = poptGetContext("gmem-attest check", argc, argv, table, 0);
	const char *policy, *evidence;
	int ret;

	poptSetOtherOptionHelp(context, "POLICY EVIDENCE");
	ret = tool_options(context, "gmem-attest check: judge evidence by a policy.");
	if (ret < 0) {
		policy = poptGetArg(context);
		evidence = policy ? poptGetArg(context) : NULL;
		if (!evidence || poptPeekArg(context))
			ret = tool_fail(TOOL_USAGE, "check: a policy and evidence are needed; see --help");
		else
			ret = check(&wanted, policy, evidence);
	}
	poptFreeContext(context);
	free(wanted.report_data);
	free(wanted.time);
	free(wanted.trust);
	free(wanted.collateral);
	free(wanted.static_key);
	free(wanted.platform);
	free(wanted.log);
	for (size_t i = 0; wanted.certs && wanted.certs[i]; i++)
		free((void *)(uintptr_t)wanted.certs[i]);
	free(wanted.certs);
	return ret;
}
