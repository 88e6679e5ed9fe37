// SPDX-License-Identifier: MIT
/* snpfacts: of the generated evidence; "policy" prints what believes it, "platform" the machine's id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <attest/platform.h>
#include <vectors/snpgen.h>

static struct snpgen snp;

int main(int argc, char **argv)
{
	char text[512], hex[2 * ATTEST_ID_LEN + 1];
	uint8_t id[ATTEST_ID_LEN];

	snpgen_init(&snp, SNP_MILAN, false, 3);
	if (argc == 2 && strcmp(argv[1], "policy") == 0) {
		snpgen_policy_text(&snp, text, sizeof(text));
		fputs(text, stdout);
		return EXIT_SUCCESS;
	}
	if (argc != 2 || strcmp(argv[1], "platform") != 0)
		return EXIT_FAILURE;
	platform_id(BUNDLE_SNP, snp.report + 0x1a0, SNP_CHIP_ID_LEN, id);
	puts(sodium_bin2hex(hex, sizeof(hex), id, sizeof(id)));
	return EXIT_SUCCESS;
}
