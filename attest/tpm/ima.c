/* SPDX-License-Identifier: MIT */
/* ima: see ima.h. */
#include "ima.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define SHA1_LEN 20u
#define NAME_MAX_LEN 64u
#define DATA_MAX_LEN 8192u

static bool is_name(const uint8_t *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && !memcmp(name, wanted, len);
}

/* d-ng and n-ng: "sha256:" NUL digest, then the path with its NUL; a signature may follow. */
static int read_template(const uint8_t *data, size_t len, bool has_signature, struct ima_entry *entry)
{
	static const char algorithm[] = "sha256:";
	const uint8_t *digest, *path;
	uint32_t digest_len, path_len;
	struct parse_reader reader;

	parse_reader_init(&reader, data, len);
	digest_len = parse_u32(&reader);
	digest = parse_take(&reader, digest_len);
	path_len = parse_u32(&reader);
	path = parse_take(&reader, path_len);
	if (has_signature)
		parse_take(&reader, parse_u32(&reader));
	if (!parse_end(&reader) || !path_len || path[path_len - 1] != '\0' || memchr(path, '\0', path_len - 1))
		return -EBADMSG;
	if (digest_len != sizeof(algorithm) + TPM_HASH_LEN || memcmp(digest, algorithm, sizeof(algorithm)))
		return -ENOTSUP;
	memcpy(entry->digest, digest + sizeof(algorithm), TPM_HASH_LEN);
	entry->path = (const char *)path;
	entry->path_len = path_len - 1;
	return 0;
}

int ima_next(struct parse_reader *log, struct ima_entry *ret_entry)
{
	struct ima_entry entry = { 0 };
	const uint8_t *sha1, *name;
	uint32_t pcr, name_len;
	bool has_signature;
	int ret;

	if (parse_end(log))
		return -ENODATA;
	pcr = parse_u32(log);
	sha1 = parse_take(log, SHA1_LEN);
	name_len = parse_u32(log);
	name = parse_take(log, name_len);
	entry.data_len = parse_u32(log);
	entry.data = parse_take(log, entry.data_len);
	if (log->failed || name_len > NAME_MAX_LEN || entry.data_len > DATA_MAX_LEN)
		return -EBADMSG;
	has_signature = is_name(name, name_len, "ima-sig");
	if (pcr != TPM_IMA_PCR || (!has_signature && !is_name(name, name_len, "ima-ng")))
		return -ENOTSUP;
	if (sodium_is_zero(sha1, SHA1_LEN))
		return -ESTALE;
	ret = read_template(entry.data, entry.data_len, has_signature, &entry);
	if (!ret)
		*ret_entry = entry;
	return ret;
}

void ima_extend(uint8_t pcr[TPM_HASH_LEN], const struct ima_entry *entry)
{
	uint8_t both[2 * TPM_HASH_LEN];

	memcpy(both, pcr, TPM_HASH_LEN);
	crypto_hash_sha256(both + TPM_HASH_LEN, entry->data, entry->data_len);
	crypto_hash_sha256(pcr, both, sizeof(both));
}

int ima_replay(const uint8_t *log, size_t len, const uint8_t pcr[TPM_HASH_LEN], size_t *ret_len)
{
	uint8_t now[TPM_HASH_LEN] = { 0 };
	struct parse_reader reader;
	struct ima_entry entry;
	int ret;

	parse_reader_init(&reader, log, len);
	do {
		ret = ima_next(&reader, &entry);
		if (ret)
			return ret == -ENODATA ? -ENOENT : ret;
		ima_extend(now, &entry);
	} while (memcmp(now, pcr, sizeof(now)));
	*ret_len = len - reader.len;
	return 0;
}
