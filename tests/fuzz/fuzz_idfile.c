/* SPDX-License-Identifier: MIT */
/*
 * fuzz_idfile: the bytes of a file with an id (a ticket that is not signed, a VM id).
 * Taken are 64 hex digits and at most a newline after them, nothing else, and the id
 * is what they say; what is refused leaves the caller's id as it was.
 */
#include <ctype.h>
#include <string.h>

#include <gmem-pager/idfile.h>

#include "fuzz.h"

#define N_DIGITS (2u * ATTEST_ID_LEN)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FUZZ_NEED(attest_init());
	return 0;
}

/* Once more, by hand. */
static bool is_id(const uint8_t *data, size_t size)
{
	if (size != N_DIGITS && (size != N_DIGITS + 1 || data[N_DIGITS] != '\n'))
		return false;
	for (size_t i = 0; i < N_DIGITS; i++)
		if (!strchr("0123456789abcdefABCDEF", data[i]) || !data[i])
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t id[ATTEST_ID_LEN], before[ATTEST_ID_LEN];
	char digits[3];

	memset(id, 0xa5, sizeof(id));
	memset(before, 0xa5, sizeof(before));
	if (idfile_parse((const char *)data, size, id)) {
		FUZZ_NEED(!is_id(data, size) && !memcmp(id, before, sizeof(id)));
		return 0;
	}
	FUZZ_NEED(is_id(data, size));
	for (size_t i = 0; i < ATTEST_ID_LEN; i++) {
		snprintf(digits, sizeof(digits), "%02x", id[i]);
		FUZZ_NEED(digits[0] == tolower(data[2 * i]) && digits[1] == tolower(data[2 * i + 1]));
	}
	return 0;
}

#define HALF "00112233445566778899aabbccddeeff"

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const struct {
		const char *name, *text;
		size_t len;
	} seeds[] = {
		{ "id", HALF HALF "\n", 65 }, { "no-newline", HALF HALF, 64 }, { "upper", HALF "00112233445566778899AABBCCDDEEFF\n", 65 },
		{ "two-newlines", HALF HALF "\n\n", 66 }, { "carriage-return", HALF HALF "\r", 65 }, { "cut", HALF HALF, 63 },
		{ "space", " " HALF "0112233445566778899aabbccddeeff\n", 65 }, { "prefix", "0x" HALF "112233445566778899aabbccddeeff", 64 },
		{ "nul", HALF "0011223344556677\0", 64 }, { "empty", "", 0 }, { "high", HALF "\xb0" "0112233445566778899aabbccddeeff", 64 },
	};

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		uint8_t bytes[80] = { 0 };

		memcpy(bytes, seeds[i].text, strlen(seeds[i].text));
		emit(seeds[i].name, bytes, seeds[i].len);
	}
}
