/* SPDX-License-Identifier: MIT */
/*
 * show: gmem-attest show.  What a ticket or evidence says, believed or not; a JSON object of strings is the model of
 * both outputs.
 */
#include <json-c/json.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../date.h"
#include "../platform.h"
#include "../snp/evidence.h"
#include "../snp/product.h"
#include "../tdx/quote.h"
#include "../ticket.h"
#include "../tpm/ima.h"
#include "../tpm/structs.h"
#include "../x509.h"
#include "tool.h"

#define TEXT_LEN 600u

/* Bytes of certificates and logs go to terminals. */
static void put_text(struct json_object *out, const char *name, const char *text)
{
	char clean[TEXT_LEN];
	size_t i;

	for (i = 0; text[i] && i < sizeof(clean) - 1; i++)
		clean[i] = text[i] >= 0x20 && text[i] <= 0x7e ? text[i] : '?';
	clean[i] = '\0';
	json_object_object_add(out, name, json_object_new_string(clean));
}

__attribute__((format(printf, 3, 4)))
static void put(struct json_object *out, const char *name, const char *format, ...)
{
	char text[TEXT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_text(out, name, text);
}

static void put_hex(struct json_object *out, const char *name, const uint8_t *bytes, size_t len)
{
	char hex[2 * 64 + 1];

	sodium_bin2hex(hex, sizeof(hex), bytes, len < 64 ? len : 64);
	put_text(out, name, hex);
}

static void put_time(struct json_object *out, const char *name, int64_t seconds)
{
	char text[DATE_TEXT_LEN + 1];

	date_format(seconds, text);
	put_text(out, name, text);
}

static void show_ticket(const uint8_t *bytes, const struct ticket *ticket, struct json_object *out)
{
	uint8_t id[ATTEST_ID_LEN];

	ticket_id(bytes, id);
	put_text(out, "kind", "ticket");
	put_hex(out, "ticket id", id, sizeof(id));
	put_hex(out, "issuer", ticket->issuer_id, sizeof(ticket->issuer_id));
	put_hex(out, "serial", ticket->serial, sizeof(ticket->serial));
	put_hex(out, "source platform", ticket->source.platform_id, ATTEST_ID_LEN);
	put_hex(out, "source static key", ticket->source.static_key, ATTEST_KEY_LEN);
	put_hex(out, "destination platform", ticket->destination.platform_id, ATTEST_ID_LEN);
	put_hex(out, "destination static key", ticket->destination.static_key, ATTEST_KEY_LEN);
	put_hex(out, "VM id", ticket->vm_id, ATTEST_ID_LEN);
	put(out, "incarnation", "%llu", (unsigned long long)ticket->incarnation);
	put_time(out, "not before", ticket->not_before_s);
	put_time(out, "not after", ticket->not_after_s);
	put_text(out, "signature", "not checked here");
}

static void show_snp(const struct bundle_item *item, struct json_object *out)
{
	struct snp_evidence evidence;
	struct snp_report report;
	struct x509_cert *cert;
	char name[X509_NAME_MAX], label[48];
	const char *why = "";

	if (snp_evidence_parse(item->data, item->len, &evidence) ||
	    snp_report_parse(evidence.report, SNP_REPORT_LEN, &report, &why)) {
		put(out, "malformed", "%s", why);
		return;
	}
	put(out, "report version", "%u", report.version);
	put_hex(out, "measurement", report.measurement, SNP_MEASUREMENT_LEN);
	put_hex(out, "report data", report.report_data, SNP_REPORT_DATA_LEN);
	put(out, "guest policy", "0x%llx%s", (unsigned long long)report.policy,
	    report.policy >> SNP_POLICY_DEBUG & 1 ? ", DEBUGGING ALLOWED" : "");
	put(out, "VMPL", "%u", report.vmpl);
	put(out, "guest SVN", "%u", report.guest_svn);
	put_hex(out, "host data", report.host_data, SNP_HOST_DATA_LEN);
	put_hex(out, "chip id", report.chip_id, SNP_CHIP_ID_LEN);
	put(out, "reported TCB", "0x%016llx", (unsigned long long)report.reported_tcb);
	put(out, "committed TCB", "0x%016llx", (unsigned long long)report.committed_tcb);
	put(out, "current TCB", "0x%016llx", (unsigned long long)report.current_tcb);
	put(out, "launch TCB", "0x%016llx", (unsigned long long)report.launch_tcb);
	put(out, "firmware", "%u.%u.%u", report.current.major, report.current.minor, report.current.build);
	for (size_t i = 0; i < evidence.n_certs; i++) {
		if (x509_cert_parse(evidence.certs[i].der, evidence.certs[i].len, &cert))
			continue;
		x509_cert_common_name(cert, name);
		x509_cert_free(cert);
		snprintf(label, sizeof(label), "certificate %zu", i + 1);
		put(out, label, "%s", name);
	}
}

static void show_tdx(const struct bundle_item *item, struct json_object *out)
{
	struct tdx_quote quote;
	char label[48];

	if (tdx_quote_parse(item->data, item->len, &quote)) {
		put_text(out, "malformed", "no quote of version 4 or 5");
		return;
	}
	put(out, "quote version", "%u", quote.header.version);
	put_hex(out, "MRTD", quote.report.mrtd, TDX_MEASUREMENT_LEN);
	for (unsigned int i = 0; i < TDX_N_RTMRS; i++) {
		snprintf(label, sizeof(label), "RTMR%u", i);
		put_hex(out, label, quote.report.rtmr[i], TDX_MEASUREMENT_LEN);
	}
	put_hex(out, "MRSEAM", quote.report.mrseam, TDX_MEASUREMENT_LEN);
	put_hex(out, "report data", quote.report.report_data, TDX_REPORT_DATA_LEN);
	put(out, "attributes", "0x%016llx%s", (unsigned long long)quote.report.attributes,
	    quote.report.attributes & 1 ? ", DEBUGGING ALLOWED" : "");
	put(out, "XFAM", "0x%016llx", (unsigned long long)quote.report.xfam);
	put_hex(out, "TEE TCB SVN", quote.report.tee_tcb_svn, TDX_SVN_LEN);
}

static void show_log(const struct bundle_item *item, struct json_object *out)
{
	struct parse_reader log;
	struct ima_entry entry;
	size_t n = 0;
	int ret;

	parse_reader_init(&log, item->data, item->len);
	while (!(ret = ima_next(&log, &entry)) && n < 1000) {
		char label[48], hex[2 * TPM_HASH_LEN + 1], path[256];
		size_t len = entry.path_len < sizeof(path) - 1 ? entry.path_len : sizeof(path) - 1;

		for (size_t i = 0; i < len; i++)
			path[i] = entry.path[i] >= 0x20 && entry.path[i] <= 0x7e ? entry.path[i] : '?';
		path[len] = '\0';
		sodium_bin2hex(hex, sizeof(hex), entry.digest, sizeof(entry.digest));
		snprintf(label, sizeof(label), "measured %zu", ++n);
		put(out, label, "%s %s", hex, path);
	}
}

static void show_tpm(const struct bundle *bundle, struct json_object *out)
{
	const struct bundle_item *key = &bundle->items[BUNDLE_TPM_KEY], *pcrs = &bundle->items[BUNDLE_TPM_PCRS];
	uint8_t name[TPM_HASH_LEN];
	struct parse_reader announced;
	struct tpm_quote quote;
	char label[48];

	crypto_hash_sha256(name, key->data, key->len);
	put_hex(out, "attestation key", name, sizeof(name));
	if (tpm_quote_parse(bundle->items[BUNDLE_TPM_QUOTE].data, bundle->items[BUNDLE_TPM_QUOTE].len, &quote)) {
		put_text(out, "malformed", "no quote");
		return;
	}
	put_hex(out, "qualifying data", quote.data, quote.data_len);
	put(out, "resets", "%u", quote.reset_count);
	put(out, "firmware", "0x%016llx", (unsigned long long)quote.firmware_version);
	for (size_t i = 0; i < TPM_N_PCRS && (i + 1) * TPM_HASH_LEN <= pcrs->len; i++) {
		snprintf(label, sizeof(label), "PCR %zu", i);
		put_hex(out, label, pcrs->data + i * TPM_HASH_LEN, TPM_HASH_LEN);
	}
	if (bundle->items[BUNDLE_TPM_LONG_LOG].data) {
		parse_reader_init(&announced, bundle->items[BUNDLE_TPM_LONG_LOG].data, BUNDLE_LONG_LOG_LEN);
		put(out, "log", "%u bytes, after the evidence", parse_u32(&announced));
		put_hex(out, "SHA-256 of it", parse_take(&announced, TPM_HASH_LEN), TPM_HASH_LEN);
	}
	show_log(&bundle->items[BUNDLE_TPM_IMA_LOG], out);
}

static void show_bundle(const struct tool_evidence *evidence, struct json_object *out)
{
	const struct bundle *bundle = &evidence->bundle;
	uint8_t id[ATTEST_ID_LEN];

	put(out, "kind", "evidence, %s", bundle->kind ? bundle_kind_name(bundle->kind) : "pinned-key");
	if (!platform_of_bundle(bundle, id))
		put_hex(out, "platform id", id, sizeof(id));
	switch (bundle->kind) {
	case BUNDLE_SOFTWARE:
		put_text(out, "warning", "attests nothing about the machine");
		put_hex(out, "signing key", bundle->items[BUNDLE_SOFTWARE_KEY].data,
			bundle->items[BUNDLE_SOFTWARE_KEY].len);
		break;
	case BUNDLE_SNP:
		show_snp(&bundle->items[BUNDLE_SNP_EVIDENCE], out);
		break;
	case BUNDLE_TDX:
		show_tdx(&bundle->items[BUNDLE_TDX_QUOTE], out);
		break;
	case BUNDLE_TPM:
		show_tpm(bundle, out);
		break;
	default:
		put_hex(out, "binding digest", evidence->bytes, evidence->len);
	}
}

static void print(struct json_object *out, int json)
{
	if (json) {
		puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PRETTY));
		return;
	}
	json_object_object_foreach(out, name, value)
		printf("%-22s  %s\n", name, json_object_get_string(value));
}

static int show(const char *path, const char *const *certs, int json)
{
	struct json_object *out = json_object_new_object();
	struct tool_evidence evidence;
	struct ticket ticket;
	uint8_t *bytes;
	size_t len;
	int ret;

	ret = tool_read(path, &bytes, &len);
	if (!ret && ticket_looks_like(bytes, len)) {
		if (ticket_parse(bytes, len, &ticket))
			ret = tool_fail(TOOL_UNREADABLE, "%s: %s", path, ticket_problem_text(TICKET_MALFORMED));
		else
			show_ticket(bytes, &ticket, out);
		free(bytes);
	} else if (!ret) {
		free(bytes);
		ret = tool_evidence(path, certs, &evidence);
		if (!ret)
			show_bundle(&evidence, out);
	}
	if (!ret)
		print(out, json);
	json_object_put(out);
	return ret;
}

int show_main(int argc, const char **argv)
{
	const char **certs = NULL, *path;
	int json = 0, ret;
	const struct poptOption table[] = {
		{ "cert", 0, POPT_ARG_ARGV, &certs, 0, "certificates for a bare SEV-SNP report; may be given again",
		"FILE" },
		{ "json", 0, POPT_ARG_NONE, &json, 0, "print JSON", NULL },
		{ "help", 'h', POPT_ARG_NONE, NULL, 1, "print this", NULL },
		POPT_TABLEEND
	};
	poptContext context = poptGetContext("gmem-attest show", argc, argv, table, 0);

	poptSetOtherOptionHelp(context, "EVIDENCE|TICKET");
	ret = tool_options(context, "gmem-attest show: print a ticket or evidence.  Nothing is judged.");
	if (ret < 0) {
		path = poptGetArg(context);
		if (!path || poptPeekArg(context))
			ret = tool_fail(TOOL_USAGE, "show: one file is needed; see --help");
		else
			ret = show(path, certs, json);
	}
	poptFreeContext(context);
	for (size_t i = 0; certs && certs[i]; i++)
		free((void *)(uintptr_t)certs[i]);
	free(certs);
	return ret;
}
