/* SPDX-License-Identifier: MIT */
/* bundle: see bundle.h. */
#include "bundle.h"

#include <errno.h>
#include <string.h>

#include "parse.h"

#define VERSION 1u

static const uint8_t magic[4] = { 'g', 'm', 'e', 'b' };

#define BIT(type) (1u << BUNDLE_##type)
static const struct {
	const char *name;
	uint32_t needed, allowed;	/* bits of types */
} kinds[BUNDLE_N_KINDS] = {
	[BUNDLE_SOFTWARE] = { "software", BIT(SOFTWARE_KEY) | BIT(SOFTWARE_SIGNATURE),
			      BIT(SOFTWARE_KEY) | BIT(SOFTWARE_SIGNATURE) },
	[BUNDLE_SNP] = { "snp", BIT(SNP_EVIDENCE), BIT(SNP_EVIDENCE) },
	[BUNDLE_TDX] = { "tdx", BIT(TDX_QUOTE), BIT(TDX_QUOTE) },
	[BUNDLE_TPM] = { "tpm", BIT(TPM_QUOTE) | BIT(TPM_SIGNATURE) | BIT(TPM_KEY) | BIT(TPM_PCRS),
			 BIT(TPM_QUOTE) | BIT(TPM_SIGNATURE) | BIT(TPM_KEY) | BIT(TPM_PCRS) | BIT(TPM_CERTIFICATE) |
			 BIT(TPM_IMA_LOG) | BIT(TPM_LONG_LOG) },
};

static bool known(unsigned int kind)
{
	return kind < BUNDLE_N_KINDS && kinds[kind].name;
}

const char *bundle_kind_name(enum bundle_kind kind)
{
	return known(kind) ? kinds[kind].name : "?";
}

/* Has it the items of its kind, none of them empty? */
static bool well_formed(const struct bundle *bundle)
{
	uint32_t there = 0;

	if (!known(bundle->kind))
		return false;
	for (unsigned int type = 0; type < BUNDLE_N_TYPES; type++) {
		if (!bundle->items[type].data)
			continue;
		if (!bundle->items[type].len)
			return false;
		there |= 1u << type;
	}
	if (there & BIT(TPM_LONG_LOG) &&
	    (there & BIT(TPM_IMA_LOG) || bundle->items[BUNDLE_TPM_LONG_LOG].len != BUNDLE_LONG_LOG_LEN))
		return false;
	return (there & kinds[bundle->kind].needed) == kinds[bundle->kind].needed &&
	       !(there & ~kinds[bundle->kind].allowed);
}

int bundle_parse(const uint8_t *bytes, size_t len, struct bundle *ret_bundle)
{
	struct parse_reader reader;
	struct bundle bundle = { 0 };
	unsigned int last = 0;
	uint8_t head[4];

	if (len > BUNDLE_MAX_LEN)
		return -EBADMSG;
	parse_reader_init(&reader, bytes, len);
	parse_bytes(&reader, head, sizeof(head));
	if (memcmp(head, magic, sizeof(magic)) || parse_u8(&reader) != VERSION)
		return -EBADMSG;
	bundle.kind = parse_u8(&reader);
	while (!parse_end(&reader)) {
		unsigned int type = parse_u8(&reader);
		uint16_t item_len = parse_u16(&reader);
		const uint8_t *data = parse_take(&reader, item_len);

		if (reader.failed || type <= last || type >= BUNDLE_N_TYPES)
			return -EBADMSG;
		bundle.items[type] = (struct bundle_item){ data, item_len };
		last = type;
	}
	if (!well_formed(&bundle))
		return -EBADMSG;
	*ret_bundle = bundle;
	return 0;
}

bool bundle_long_log(const uint8_t *bytes, size_t len, uint32_t *ret_log_len, uint8_t ret_hash[32])
{
	struct parse_reader reader;
	struct bundle bundle;

	if (bundle_parse(bytes, len, &bundle) || !bundle.items[BUNDLE_TPM_LONG_LOG].data)
		return false;
	parse_reader_init(&reader, bundle.items[BUNDLE_TPM_LONG_LOG].data, BUNDLE_LONG_LOG_LEN);
	*ret_log_len = parse_u32(&reader);
	parse_bytes(&reader, ret_hash, 32);
	return true;
}

int bundle_write(const struct bundle *bundle, uint8_t *ret_bytes, size_t *len)
{
	struct parse_writer writer;

	if (!well_formed(bundle))
		return -EINVAL;
	parse_writer_init(&writer, ret_bytes, *len < BUNDLE_MAX_LEN ? *len : BUNDLE_MAX_LEN);
	parse_put_bytes(&writer, magic, sizeof(magic));
	parse_put_u8(&writer, VERSION);
	parse_put_u8(&writer, (uint8_t)bundle->kind);
	for (unsigned int type = 1; type < BUNDLE_N_TYPES; type++) {
		const struct bundle_item *item = &bundle->items[type];

		if (!item->data)
			continue;
		if (item->len > UINT16_MAX)
			return -ENOBUFS;
		parse_put_u8(&writer, (uint8_t)type);
		parse_put_u16(&writer, (uint16_t)item->len);
		parse_put_bytes(&writer, item->data, item->len);
	}
	if (writer.failed)
		return -ENOBUFS;
	*len = writer.len;
	return 0;
}
