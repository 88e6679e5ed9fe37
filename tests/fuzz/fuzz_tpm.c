/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tpm: what a TPM and the kernel say, and a SEV-SNP host's table of certificates: u8 which one, bytes.  A log that is
 * replayed to what it gives must be taken up to there.
 */
#include <errno.h>
#include <string.h>

#include <attest/attest.h>
#include <attest/snpaux.h>
#include <attest/tpm/ima.h>
#include <attest/tpm/structs.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FUZZ_NEED(attest_init());
	return 0;
}

static void run_log(const uint8_t *data, size_t size)
{
	uint8_t pcr[TPM_HASH_LEN] = { 0 };
	struct parse_reader reader;
	struct ima_entry entry;
	size_t len = 0, n = 0;

	parse_reader_init(&reader, data, size);
	while (!ima_next(&reader, &entry)) {
		FUZZ_NEED(entry.data >= data && entry.data + entry.data_len <= data + size);
		FUZZ_NEED(!memchr(entry.path, '\0', entry.path_len) && entry.path[entry.path_len] == '\0');
		ima_extend(pcr, &entry);
		n++;
		FUZZ_NEED(!ima_replay(data, size, pcr, &len) && len == size - reader.len);
	}
	memset(pcr, 0, sizeof(pcr));
	FUZZ_NEED(ima_replay(data, size, pcr, &len) != 0);
	FUZZ_NEED(n <= size / 44);
}

static void run_table(const uint8_t *data, size_t size)
{
	struct snp_evidence evidence = { .n_certs = 0 };

	if (snpaux_read(data, size, &evidence))
		return;
	FUZZ_NEED(evidence.n_certs == 2);
	for (size_t i = 0; i < 2; i++)
		FUZZ_NEED(evidence.certs[i].len && evidence.certs[i].der >= data &&
			  evidence.certs[i].der + evidence.certs[i].len <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tpm_public public;
	struct tpm_quote quote;
	uint8_t signature[64];

	if (size < 1)
		return 0;
	switch (data[0] % 5) {
	case 0:
		tpm_public_parse(data + 1, size - 1, &public);
		break;
	case 1:
		if (!tpm_quote_parse(data + 1, size - 1, &quote))
			FUZZ_NEED(quote.data_len <= TPM_MAX_DATA);
		break;
	case 2:
		tpm_signature_parse(data + 1, size - 1, signature);
		break;
	case 3:
		run_log(data + 1, size - 1);
		break;
	default:
		run_table(data + 1, size - 1);
	}
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const uint8_t public[] = {
		0, 0, 0x23, 0, 0x0b, 0, 5, 0, 0x72, 0, 0, 0, 0x10, 0, 0x18, 0, 0x0b, 0, 3, 0, 0x10, 0, 1, 7, 0, 1, 9,
	};
	static const uint8_t quote[] = {
		1, 0xff, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 1, 'q', 0, 2, 'd', 'd', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2,
		0, 0, 0, 3,
		1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0x0b, 3, 0xff, 7, 0, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
		11, 12, 13,
		14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
	};
	static const uint8_t signature[] = { 2, 0, 0x18, 0, 0x0b, 0, 1, 5, 0, 1, 6 };
	static const uint8_t log[1 + 4 + 20 + 4 + 6 + 4 + 4 + 40 + 4 + 3] = {
		3, 10, 0, 0, 0, 1, [25] = 6, 0, 0, 0, 'i', 'm', 'a', '-', 'n', 'g', 51, 0, 0, 0, 40, 0, 0, 0,
		's', 'h', 'a', '2', '5', '6', ':', 0, [83] = 3, 0, 0, 0, '/', 'x', 0,
	};
	static const uint8_t table[] = {
		4, 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd, 72,
		0, 0, 0,
		1, 0, 0, 0, 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
		0x82,
		73, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'v',
		'a',
	};
	struct tpm_public parsed_public;
	struct tpm_quote parsed_quote;
	struct snp_evidence evidence;
	struct parse_reader reader;
	struct ima_entry entry;
	uint8_t parsed_signature[64];

	/* seeds that are what they are meant to be */
	FUZZ_NEED(!tpm_public_parse(public + 1, sizeof(public) - 1, &parsed_public));
	FUZZ_NEED(!tpm_quote_parse(quote + 1, sizeof(quote) - 1, &parsed_quote));
	FUZZ_NEED(!tpm_signature_parse(signature + 1, sizeof(signature) - 1, parsed_signature));
	parse_reader_init(&reader, log + 1, sizeof(log) - 1);
	FUZZ_NEED(!ima_next(&reader, &entry));
	FUZZ_NEED(!snpaux_read(table + 1, sizeof(table) - 1, &evidence));
	emit("public", public, sizeof(public));
	emit("quote", quote, sizeof(quote));
	emit("signature", signature, sizeof(signature));
	emit("log", log, sizeof(log));
	emit("table", table, sizeof(table));
}
