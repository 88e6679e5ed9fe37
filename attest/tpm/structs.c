/* SPDX-License-Identifier: MIT */
/* structs: see structs.h. */
#include "structs.h"

#include <errno.h>
#include <string.h>

#include "../parse.h"

#define MAGIC 0xff544347u		/* TPM_GENERATED_VALUE: made inside a TPM */
#define TYPE_QUOTE 0x8018u
#define ALG_NULL 0x0010u
#define ALG_ECDSA 0x0018u
#define ALG_ECC 0x0023u
#define CURVE_P256 0x0003u
#define SELECT_MAX 4u

static uint64_t be(struct parse_reader *reader, size_t len)
{
	const uint8_t *bytes = parse_take(reader, len);
	uint64_t value = 0;

	for (size_t i = 0; bytes && i < len; i++)
		value = value << 8 | bytes[i];
	return value;
}

static uint16_t be16(struct parse_reader *reader)
{
	return (uint16_t)be(reader, 2);
}

static uint32_t be32(struct parse_reader *reader)
{
	return (uint32_t)be(reader, 4);
}

/* A sized buffer of at most @max bytes; its length. */
static size_t sized(struct parse_reader *reader, size_t max, const uint8_t **ret_bytes)
{
	size_t len = be16(reader);

	*ret_bytes = parse_take(reader, len);
	if (len > max)
		reader->failed = true;
	return reader->failed ? 0 : len;
}

/* A number of up to 32 bytes, as 32 bytes. */
static void number(struct parse_reader *reader, uint8_t ret_number[32])
{
	const uint8_t *bytes;
	size_t len = sized(reader, 32, &bytes);

	memset(ret_number, 0, 32);
	if (len)
		memcpy(ret_number + 32 - len, bytes, len);
}

int tpm_public_parse(const uint8_t *bytes, size_t len, struct tpm_public *ret_public)
{
	uint16_t type, name_alg, symmetric, scheme, hash = 0, curve, kdf;
	struct parse_reader reader;
	struct tpm_public public;
	const uint8_t *policy;

	parse_reader_init(&reader, bytes, len);
	type = be16(&reader);
	name_alg = be16(&reader);
	public.attributes = be32(&reader);
	sized(&reader, 64, &policy);
	symmetric = be16(&reader);
	scheme = be16(&reader);
	if (scheme != ALG_NULL)
		hash = be16(&reader);
	curve = be16(&reader);
	kdf = be16(&reader);
	if (!reader.failed && (type != ALG_ECC || name_alg != TPM_ALG_SHA256 || symmetric != ALG_NULL ||
			       scheme != ALG_ECDSA || hash != TPM_ALG_SHA256 || curve != CURVE_P256 || kdf != ALG_NULL))
		return -ENOTSUP;
	number(&reader, public.key);
	number(&reader, public.key + 32);
	if (!parse_end(&reader))
		return -EBADMSG;
	*ret_public = public;
	return 0;
}

/* One selection, of the SHA-256 bank. */
static int read_selection(struct parse_reader *reader, uint32_t *ret_selection)
{
	uint32_t n = be32(reader), mask = 0;
	uint16_t bank = be16(reader);
	uint8_t size = parse_u8(reader);
	const uint8_t *bytes = parse_take(reader, size);

	if (reader->failed || size > SELECT_MAX)
		return -EBADMSG;
	if (n != 1 || bank != TPM_ALG_SHA256)
		return -ENOTSUP;
	for (size_t i = 0; i < size; i++)
		mask |= (uint32_t)bytes[i] << 8 * i;
	*ret_selection = mask;
	return 0;
}

int tpm_quote_parse(const uint8_t *bytes, size_t len, struct tpm_quote *ret_quote)
{
	struct tpm_quote quote = { 0 };
	struct parse_reader reader;
	const uint8_t *part;
	size_t part_len;
	uint8_t safe;
	int ret;

	parse_reader_init(&reader, bytes, len);
	if (be32(&reader) != MAGIC || be16(&reader) != TYPE_QUOTE)
		return -EBADMSG;
	sized(&reader, 68, &part);	/* qualified name of the key */
	quote.data_len = sized(&reader, sizeof(quote.data), &part);
	if (quote.data_len)
		memcpy(quote.data, part, quote.data_len);
	quote.clock_ms = be(&reader, 8);
	quote.reset_count = be32(&reader);
	quote.restart_count = be32(&reader);
	safe = parse_u8(&reader);
	quote.firmware_version = be(&reader, 8);
	ret = read_selection(&reader, &quote.selection);
	if (ret)
		return ret;
	part_len = sized(&reader, sizeof(quote.digest), &part);
	if (!parse_end(&reader) || safe > 1 || part_len != sizeof(quote.digest))
		return -EBADMSG;
	memcpy(quote.digest, part, part_len);
	*ret_quote = quote;
	return 0;
}

int tpm_signature_parse(const uint8_t *bytes, size_t len, uint8_t ret_signature[64])
{
	struct parse_reader reader;
	uint8_t signature[64];
	uint16_t alg, hash;

	parse_reader_init(&reader, bytes, len);
	alg = be16(&reader);
	hash = be16(&reader);
	if (!reader.failed && (alg != ALG_ECDSA || hash != TPM_ALG_SHA256))
		return -ENOTSUP;
	number(&reader, signature);
	number(&reader, signature + 32);
	if (!parse_end(&reader))
		return -EBADMSG;
	memcpy(ret_signature, signature, sizeof(signature));
	return 0;
}
