// SPDX-License-Identifier: MIT
/* gmem-keygen: key pairs, tickets and VM ids, each a small file. */
#include <errno.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <attest/attest.h>

#include "idfile.h"

static int complain(const char *what, const char *path, int status)
{
	fprintf(stderr, "gmem-keygen: cannot write the %s %s: %s\n", what, path, strerror(-status));
	return 1;
}

static int make_pair(const char *private_path, const char *public_path)
{
	struct attest_keypair *pair = NULL;
	int r = attest_keypair_generate(&pair);

	if (r < 0)
		return complain("key pair", private_path, r);
	r = attest_keypair_save(pair, private_path);
	if (r < 0) {
		attest_keypair_free(pair);
		return complain("key pair", private_path, r);
	}
	r = attest_public_save(attest_keypair_public(pair), public_path);
	attest_keypair_free(pair);
	if (r < 0) {
		unlink(private_path);
		return complain("public key", public_path, r);
	}
	return 0;
}

int main(int argc, const char **argv)
{
	char *private_path = NULL, *public_path = NULL, *id_path = NULL;
	const struct poptOption table[] = {
		{ "private", 0, POPT_ARG_STRING, &private_path, 0, "write a new key pair (mode 0600); with --public",
		  "FILE" },
		{ "public", 0, POPT_ARG_STRING, &public_path, 0, "write its public key, for the other host's --peer",
		  "FILE" },
		{ "id", 0, POPT_ARG_STRING, &id_path, 0, "write a random id, for --ticket or --vm-id", "FILE" },
		POPT_AUTOHELP
		POPT_TABLEEND
	};
	poptContext context = poptGetContext("gmem-keygen", argc, argv, table, 0);
	int code = 0, r = poptGetNextOpt(context);

	if (r < -1 || poptPeekArg(context) != NULL || (private_path == NULL) != (public_path == NULL) ||
	    (private_path == NULL && id_path == NULL)) {
		fprintf(stderr, "gmem-keygen: give --private FILE --public FILE, or --id FILE; see --help\n");
		code = 1;
	} else if (!attest_init()) {
		fprintf(stderr, "gmem-keygen: libsodium cannot be initialised\n");
		code = 1;
	}
	if (code == 0 && private_path != NULL)
		code = make_pair(private_path, public_path);
	if (code == 0 && id_path != NULL) {
		r = idfile_create(id_path);
		if (r < 0)
			code = complain("id", id_path, r);
	}
	poptFreeContext(context);
	free(private_path);
	free(public_path);
	free(id_path);
	return code;
}
