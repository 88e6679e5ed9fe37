/* SPDX-License-Identifier: MIT */
/* snpaux: see snpaux.h. */
#include "snpaux.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "parse.h"

#define GUID_LEN 16u

/* As text has them; in a table the first three fields may be little endian or not: hosts do both. */
enum { VCEK, VLEK, ASK, N_GUIDS };

static const uint8_t guids[N_GUIDS][GUID_LEN] = {
	[VCEK] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd },
	[VLEK] = { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 },
	[ASK] = { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 },
};

static bool is_guid(const uint8_t guid[GUID_LEN], const uint8_t wanted[GUID_LEN])
{
	static const uint8_t order[GUID_LEN] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t swapped[GUID_LEN];

	for (size_t i = 0; i < GUID_LEN; i++)
		swapped[i] = guid[order[i]];
	return !memcmp(guid, wanted, GUID_LEN) || !memcmp(swapped, wanted, GUID_LEN);
}

struct found {
	const uint8_t *der;
	size_t len;
};

/* One entry: 1; 0: the last. */
static int read_entry(struct parse_reader *reader, const uint8_t *table, size_t len, struct found found[N_GUIDS])
{
	const uint8_t *guid = parse_take(reader, GUID_LEN);
	uint32_t offset = parse_u32(reader), cert_len = parse_u32(reader);

	if (reader->failed)
		return -EBADMSG;
	if (sodium_is_zero(guid, GUID_LEN))
		return 0;
	if (!cert_len || offset > len || cert_len > len - offset)
		return -EBADMSG;
	for (size_t i = 0; i < N_GUIDS; i++)
		if (is_guid(guid, guids[i]) && !found[i].der)
			found[i] = (struct found){ table + offset, cert_len };
	return 1;
}

int snpaux_read(const uint8_t *table, size_t len, struct snp_evidence *ret_evidence)
{
	struct found found[N_GUIDS] = { 0 };
	struct parse_reader reader;
	const struct found *leaf;
	unsigned int n = 0;
	int ret = 1;

	parse_reader_init(&reader, table, len);
	while (ret > 0 && n++ <= SNPAUX_MAX_ENTRIES)
		ret = read_entry(&reader, table, len, found);
	if (ret)
		return -EBADMSG;
	leaf = found[VCEK].der ? &found[VCEK] : &found[VLEK];
	if (!leaf->der || !found[ASK].der)
		return -ENOKEY;
	ret_evidence->n_certs = 2;
	ret_evidence->certs[0].der = leaf->der;
	ret_evidence->certs[0].len = leaf->len;
	ret_evidence->certs[1].der = found[ASK].der;
	ret_evidence->certs[1].len = found[ASK].len;
	return 0;
}
