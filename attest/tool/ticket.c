/* SPDX-License-Identifier: MIT */
/* ticket: gmem-attest make-ticket. */
#include "../ticket.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../keyfile.h"
#include "tool.h"

struct wanted {
	char *issuer, *source_key, *destination_key, *source_platform, *destination_platform, *vm_id, *from, *output;
	int incarnation, valid_s, any_platform;
};

static int load_public(const char *path, uint8_t ret_key[ATTEST_KEY_LEN])
{
	int ret = attest_public_load(path, ret_key);

	return ret ? tool_fail(TOOL_UNREADABLE, "cannot load the static public key %s: %s", path, strerror(-ret)) : 0;
}

static int fill(const struct wanted *wanted, struct ticket *ticket)
{
	int ret;

	ret = load_public(wanted->source_key, ticket->source.static_key);
	if (!ret)
		ret = load_public(wanted->destination_key, ticket->destination.static_key);
	if (!ret && wanted->source_platform)
		ret = tool_id("--source-platform", wanted->source_platform, ticket->source.platform_id);
	if (!ret && wanted->destination_platform)
		ret = tool_id("--destination-platform", wanted->destination_platform, ticket->destination.platform_id);
	if (!ret)
		ret = tool_id("--vm-id", wanted->vm_id, ticket->vm_id);
	ticket->not_before_s = time(NULL);
	if (!ret && wanted->from)
		ret = tool_time("--from", wanted->from, &ticket->not_before_s);
	ticket->not_after_s = ticket->not_before_s + wanted->valid_s;
	ticket->incarnation = (uint64_t)wanted->incarnation;
	randombytes_buf(ticket->serial, sizeof(ticket->serial));
	return ret;
}

static int check(const struct wanted *wanted)
{
	if (!wanted->issuer || !wanted->source_key || !wanted->destination_key || !wanted->vm_id || !wanted->output)
		return tool_fail(TOOL_USAGE,
				 "make-ticket: --issuer, --source-key, --destination-key, --vm-id and --output "
				 "are needed; see --help");
	if (!wanted->any_platform && (!wanted->source_platform || !wanted->destination_platform))
		return tool_fail(TOOL_USAGE, "make-ticket: --source-platform and --destination-platform are needed, or "
				 "--any-platform: then whichever machine has the static key and passes the policy");
	if (wanted->incarnation < 1 || wanted->valid_s < 1 || wanted->valid_s > TICKET_MAX_VALID_S)
		return tool_fail(TOOL_USAGE, "make-ticket: --incarnation is 1 or more, --valid 1 to %lld",
				 (long long)TICKET_MAX_VALID_S);
	return 0;
}

static int make(const struct wanted *wanted)
{
	struct ticket ticket = { .incarnation = 0 };
	struct signkey *issuer;
	uint8_t bytes[TICKET_LEN];
	int ret;

	ret = check(wanted);
	if (!ret)
		ret = fill(wanted, &ticket);
	if (ret)
		return ret;
	ret = signkey_load(wanted->issuer, &issuer);
	if (ret)
		return tool_fail(TOOL_UNREADABLE, "cannot load the issuer's key %s: %s%s", wanted->issuer,
				 strerror(-ret),
				 ret == -EPERM ? "; only its owner may have access (chmod 600)" : "");
	ret = ticket_sign(&ticket, issuer, bytes);
	signkey_free(issuer);
	if (ret)
		return tool_fail(TOOL_USAGE, "make-ticket: source and destination need static keys of their own");
	ret = keyfile_save(wanted->output, false, (const char *)bytes, sizeof(bytes));
	return ret ? tool_fail(TOOL_UNREADABLE, "cannot write %s: %s", wanted->output, strerror(-ret)) : TOOL_OK;
}

int ticket_main(int argc, const char **argv)
{
	struct wanted wanted = { .incarnation = 1, .valid_s = 3600 };
	const struct poptOption table[] = {
		{ "issuer", 0, POPT_ARG_STRING, &wanted.issuer, 0, "the issuer's key pair (keygen --signing)", "FILE" },
		{ "source-key", 0, POPT_ARG_STRING, &wanted.source_key, 0, "the source's static public key", "FILE" },
		{ "destination-key", 0, POPT_ARG_STRING, &wanted.destination_key, 0, "the destination's", "FILE" },
		{ "source-platform", 0, POPT_ARG_STRING, &wanted.source_platform, 0,
		  "the source's platform id, as show prints it for evidence", "HEX|FILE" },
		{ "destination-platform", 0, POPT_ARG_STRING, &wanted.destination_platform, 0, "the destination's",
		  "HEX|FILE" },
		{ "any-platform", 0, POPT_ARG_NONE, &wanted.any_platform, 0, "platforms may be left out", NULL },
		{ "vm-id", 0, POPT_ARG_STRING, &wanted.vm_id, 0, "which VM", "HEX|FILE" },
		{ "incarnation", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &wanted.incarnation, 0,
		  "1 for the VM's first move, 1 more for each later one", "N" },
		{ "from", 0, POPT_ARG_STRING, &wanted.from, 0, "valid from then on (default: now)", "TIME" },
		{ "valid", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &wanted.valid_s, 0, "and for so long",
		"SECONDS" },
		{ "output", 'o', POPT_ARG_STRING, &wanted.output, 0, "write the ticket here", "FILE" },
		{ "help", 'h', POPT_ARG_NONE, NULL, 1, "print this", NULL },
		POPT_TABLEEND
	};
	poptContext context = poptGetContext("gmem-attest make-ticket", argc, argv, table, 0);
	int ret;

	ret = tool_options(context, "gmem-attest make-ticket: sign who may move which VM to whom, and when.");
	if (ret < 0 && poptPeekArg(context))
		ret = tool_fail(TOOL_USAGE, "make-ticket: %s: not an option; see --help", poptPeekArg(context));
	if (ret < 0)
		ret = make(&wanted);
	poptFreeContext(context);
	free(wanted.issuer);
	free(wanted.source_key);
	free(wanted.destination_key);
	free(wanted.source_platform);
	free(wanted.destination_platform);
	free(wanted.vm_id);
	free(wanted.from);
	free(wanted.output);
	return ret;
}
