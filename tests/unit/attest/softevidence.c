/* SPDX-License-Identifier: MIT */
/* softevidence: KEY-FILE DIGEST-IN-HEX OUTPUT: evidence by a software key, for scripts. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attest/software.h>

int main(int argc, char **argv)
{
	uint8_t digest[WIRE_DIGEST_LEN], bytes[BUNDLE_MAX_LEN];
	size_t digest_len, len = sizeof(bytes);
	struct signkey *key;
	FILE *file;

	if (argc != 4 || !attest_init() || signkey_load(argv[1], &key) ||
	    sodium_hex2bin(digest, sizeof(digest), argv[2], strlen(argv[2]), NULL, &digest_len, NULL) ||
	    digest_len != sizeof(digest) || software_make(key, digest, bytes, &len))
		return EXIT_FAILURE;
	signkey_free(key);
	file = fopen(argv[3], "w");
	return file && fwrite(bytes, 1, len, file) == len && !fclose(file) ? EXIT_SUCCESS : EXIT_FAILURE;
}
