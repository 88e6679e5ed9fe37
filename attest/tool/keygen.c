/* SPDX-License-Identifier: MIT */
/* keygen: a pair of files, of either kind of key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../attest.h"
#include "../signkey.h"
#include "tool.h"

static int save_static(const char *private_path, const char *public_path)
{
	struct attest_keypair *pair;
	int ret;

	ret = attest_keypair_generate(&pair);
	if (ret)
		return ret;
	ret = attest_keypair_save(pair, private_path);
	if (!ret)
		ret = attest_public_save(attest_keypair_public(pair), public_path);
	attest_keypair_free(pair);
	return ret;
}

static int save_signing(const char *private_path, const char *public_path)
{
	struct signkey *key;
	int ret;

	ret = signkey_generate(&key);
	if (ret)
		return ret;
	ret = signkey_save(key, private_path);
	if (!ret)
		ret = signkey_public_save(signkey_public(key), public_path);
	signkey_free(key);
	return ret;
}

/* A key that is lost cannot be made again. */
static int check_new(const char *path)
{
	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	return tool_fail(TOOL_UNREADABLE, "%s is there already; nothing is written over", path);
}

static int make(const char *private_path, const char *public_path, int signing)
{
	int ret;

	if (!private_path || !public_path)
		return tool_fail(TOOL_USAGE, "keygen: --private FILE and --public FILE are needed; see --help");
	ret = check_new(private_path);
	if (!ret)
		ret = check_new(public_path);
	if (ret)
		return ret;
	ret = signing ? save_signing(private_path, public_path) : save_static(private_path, public_path);
	if (ret) {
		unlink(private_path);
		return tool_fail(TOOL_UNREADABLE, "cannot write %s and %s: %s", private_path, public_path,
				 strerror(-ret));
	}
	return TOOL_OK;
}

int keygen_main(int argc, const char **argv)
{
	char *private_path = NULL, *public_path = NULL;
	int signing = 0, ret;
	const struct poptOption table[] = {
		{ "private", 0, POPT_ARG_STRING, &private_path, 0, "write the secret half here, mode 0600", "FILE" },
		{ "public", 0, POPT_ARG_STRING, &public_path, 0, "write the public half here", "FILE" },
		{ "signing", 0, POPT_ARG_NONE, &signing, 0,
		  "an Ed25519 key, for an issuer of tickets or software evidence; without: a static X25519 key", NULL },
		{ "help", 'h', POPT_ARG_NONE, NULL, 1, "print this", NULL },
		POPT_TABLEEND
	};
	poptContext context = poptGetContext("gmem-attest keygen", argc, argv, table, 0);

	ret = tool_options(context, "gmem-attest keygen: make a key pair.");
	if (ret < 0 && poptPeekArg(context))
		ret = tool_fail(TOOL_USAGE, "keygen: %s: not an option; see --help", poptPeekArg(context));
	if (ret < 0)
		ret = make(private_path, public_path, signing);
	poptFreeContext(context);
	free(private_path);
	free(public_path);
	return ret;
}
