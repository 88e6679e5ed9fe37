// SPDX-License-Identifier: MIT
/* endorse: see endorse.h. */
#include "endorse.h"

#include <errno.h>
#include <string.h>

#include "../parse.h"

#define AMD "1.3.6.1.4.1.3704.1."

#define DER_INTEGER 0x02u
#define DER_OCTET_STRING 0x04u
#define DER_IA5_STRING 0x16u

#define TURIN_CHIP_ID_LEN 8u

/* INTEGER, 0 to 255, in its only encoding. */
static bool read_u8(struct parse_reader *reader, uint8_t *ret_value)
{
	uint8_t tag = parse_u8(reader), len = parse_u8(reader), first = parse_u8(reader);

	if (tag != DER_INTEGER)
		return false;
	if (len == 2 && first == 0) {
		*ret_value = parse_u8(reader);
		return parse_end(reader) && *ret_value >= 0x80;
	}
	*ret_value = first;
	return len == 1 && parse_end(reader) && first < 0x80;
}

/* IA5String of printable bytes. */
static bool read_name(struct parse_reader *reader, char ret_name[SNP_NAME_LEN])
{
	uint8_t tag = parse_u8(reader), len = parse_u8(reader);
	const uint8_t *bytes;

	if (tag != DER_IA5_STRING || !len || len >= SNP_NAME_LEN)
		return false;
	bytes = parse_take(reader, len);
	if (!bytes || !parse_end(reader))
		return false;
	for (uint8_t i = 0; i < len; i++) {
		if (bytes[i] < 0x20 || bytes[i] > 0x7e)
			return false;
		ret_name[i] = (char)bytes[i];
	}
	ret_name[len] = '\0';
	return true;
}

static int open_extension(const struct x509_cert *cert, const char *oid, struct parse_reader *ret_reader)
{
	const uint8_t *der;
	size_t len;
	int ret = x509_cert_extension(cert, oid, &der, &len);

	if (ret)
		return ret;
	parse_reader_init(ret_reader, der, len);
	return 0;
}

static int read_header(const struct x509_cert *cert, struct snp_endorsement *endorsement, const char **ret_why)
{
	struct parse_reader reader;

	*ret_why = "its structure version (3704.1.1) is missing, twice or malformed";
	if (open_extension(cert, AMD "1", &reader) || !read_u8(&reader, &endorsement->struct_version))
		return -EBADMSG;
	*ret_why = "its product name (3704.1.2) is missing, twice or malformed";
	if (open_extension(cert, AMD "2", &reader) || !read_name(&reader, endorsement->product_name))
		return -EBADMSG;
	*ret_why = "its product name (3704.1.2) is none of Milan, Genoa and Turin";
	return snp_product_from_name(endorsement->product_name, &endorsement->product) ? 0 : -EBADMSG;
}

static int read_tcb(const struct x509_cert *cert, struct snp_endorsement *endorsement, const char **ret_why)
{
	struct snp_tcb *tcb = &endorsement->tcb;
	const struct {
		const char *oid;
		uint8_t *value;
		const char *why;
	} parts[] = {
		{ AMD "3.1", &tcb->boot_loader, "its boot loader's version (3704.1.3.1) is missing, twice or malformed" },
		{ AMD "3.2", &tcb->tee, "its TEE's version (3704.1.3.2) is missing, twice or malformed" },
		{ AMD "3.3", &tcb->snp, "its SNP firmware's version (3704.1.3.3) is missing, twice or malformed" },
		{ AMD "3.8", &tcb->microcode, "its microcode's version (3704.1.3.8) is missing, twice or malformed" },
		{ AMD "3.9", &tcb->fmc, "its FMC's version (3704.1.3.9) is missing, twice or malformed" },
	};
	/* Parts that a processor does not have. */
	static const char *const reserved[] = { AMD "3.4", AMD "3.5", AMD "3.6", AMD "3.7" };
	size_t n = endorsement->product == SNP_TURIN ? 5 : 4;
	struct parse_reader reader;

	for (size_t i = 0; i < n; i++) {
		*ret_why = parts[i].why;
		if (open_extension(cert, parts[i].oid, &reader) || !read_u8(&reader, parts[i].value))
			return -EBADMSG;
	}
	*ret_why = "it has an FMC's version (3704.1.3.9), which only Turin has";
	if (n == 4 && open_extension(cert, AMD "3.9", &reader) != -ENOENT)
		return -EBADMSG;
	*ret_why = "a reserved version (3704.1.3.4 to 7) is twice, malformed or not 0";
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		int ret = open_extension(cert, reserved[i], &reader);
		uint8_t value;

		if (ret != -ENOENT && (ret || !read_u8(&reader, &value) || value))
			return -EBADMSG;
	}
	return 0;
}

/* The bytes alone, as all certificates seen so far have them, or an OCTET STRING of them. */
static int read_chip_id(struct parse_reader *reader, struct snp_endorsement *endorsement, const char **ret_why)
{
	size_t len = endorsement->product == SNP_TURIN ? TURIN_CHIP_ID_LEN : SNP_CHIP_ID_LEN;

	*ret_why = "its chip id (3704.1.4) is malformed";
	if (reader->len == len + 2 && (parse_u8(reader) != DER_OCTET_STRING || parse_u8(reader) != len))
		return -EBADMSG;
	parse_bytes(reader, endorsement->chip_id, len);
	return parse_end(reader) ? 0 : -EBADMSG;
}

/* A chip's certificate names the chip, a loaded key's whom it was given to; the subject must say the same. */
static int read_holder(const struct x509_cert *cert, struct snp_endorsement *endorsement, const char **ret_why)
{
	struct parse_reader chip, csp;
	int no_chip = open_extension(cert, AMD "4", &chip);
	int no_csp = open_extension(cert, AMD "5", &csp);
	char subject[X509_NAME_MAX];

	x509_cert_common_name(cert, subject);
	*ret_why = "it has neither one chip id (3704.1.4) nor one CSP id (3704.1.5)";
	if (no_chip == -ENOENT && !no_csp) {
		endorsement->kind = SNP_KEY_VLEK;
		*ret_why = "its CSP id (3704.1.5) is malformed";
		if (!read_name(&csp, endorsement->csp_id))
			return -EBADMSG;
	} else if (no_csp == -ENOENT && !no_chip) {
		endorsement->kind = SNP_KEY_VCEK;
		if (read_chip_id(&chip, endorsement, ret_why))
			return -EBADMSG;
	} else {
		return -EBADMSG;
	}
	*ret_why = "its subject is not what its extensions say, SEV-VCEK or SEV-VLEK";
	return strcmp(subject, endorsement->kind == SNP_KEY_VLEK ? "SEV-VLEK" : "SEV-VCEK") ? -EBADMSG : 0;
}

int snp_endorsement_read(const struct x509_cert *cert, struct snp_endorsement *ret_endorsement, const char **ret_why)
{
	struct snp_endorsement endorsement = { 0 };

	if (read_header(cert, &endorsement, ret_why) || read_tcb(cert, &endorsement, ret_why) ||
	    read_holder(cert, &endorsement, ret_why))
		return -EBADMSG;
	*ret_endorsement = endorsement;
	return 0;
}
