/* SPDX-License-Identifier: MIT */
/* fuzz_keys: the text of a key file.  Taken if and only if it is 64 hex digits, not all 0, and a newline. */
#include <ctype.h>
#include <string.h>

#include <attest/keys.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FUZZ_NEED(attest_init());
	return 0;
}

static int digit(int c)
{
	return isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key[ATTEST_KEY_LEN];
	bool good = size == 65 && data[64] == '\n', zero = true;
	int ret = keys_parse((const char *)data, size, key);

	for (size_t i = 0; good && i < 64; i++) {
		good = data[i] < 128 && isxdigit(data[i]);
		zero = zero && data[i] == '0';
	}
	good = good && !zero;
	FUZZ_NEED((ret == 0) == good);
	for (size_t i = 0; good && i < 32; i++)
		FUZZ_NEED(key[i] == digit(data[2 * i]) * 16 + digit(data[2 * i + 1]));
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const struct {
		const char *name, *text;
	} seeds[] = {
		{ "good", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n" },
		{ "upper", "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF\n" },
		{ "zero", "0000000000000000000000000000000000000000000000000000000000000000\n" },
		{ "no-newline", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" },
		{ "cr", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef\r\n" },
		{ "two-newlines", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\n" },
		{ "colons", "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:5\n" },
		{ "space", " 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n" },
		{ "not-hex", "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n" },
		{ "short", "0011\n" },
		{ "empty", "" },
	};

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		emit(seeds[i].name, (const uint8_t *)seeds[i].text, strlen(seeds[i].text));
}
