// SPDX-License-Identifier: MIT
/* evidence: see evidence.h. */
#include "evidence.h"

#include <errno.h>

#include "../parse.h"

int snp_evidence_parse(const uint8_t *bytes, size_t len, struct snp_evidence *ret_evidence)
{
	struct snp_evidence evidence = { 0 };
	struct parse_reader reader;

	parse_reader_init(&reader, bytes, len);
	if (parse_u16(&reader) != SNP_EVIDENCE_FORMAT)
		return -EBADMSG;
	evidence.report = parse_take(&reader, SNP_REPORT_LEN);
	evidence.n_certs = parse_u8(&reader);
	if (evidence.n_certs < SNP_MIN_CERTS || evidence.n_certs > SNP_MAX_CERTS)
		return -EBADMSG;
	for (size_t i = 0; i < evidence.n_certs; i++) {
		evidence.certs[i].len = parse_u16(&reader);
		evidence.certs[i].der = parse_take(&reader, evidence.certs[i].len);
	}
	if (!parse_end(&reader))
		return -EBADMSG;
	*ret_evidence = evidence;
	return 0;
}

int snp_evidence_write(const struct snp_evidence *evidence, uint8_t *ret_bytes, size_t *len)
{
	struct parse_writer writer;

	if (evidence->n_certs < SNP_MIN_CERTS || evidence->n_certs > SNP_MAX_CERTS)
		return -EINVAL;
	parse_writer_init(&writer, ret_bytes, *len);
	parse_put_u16(&writer, SNP_EVIDENCE_FORMAT);
	parse_put_bytes(&writer, evidence->report, SNP_REPORT_LEN);
	parse_put_u8(&writer, (uint8_t)evidence->n_certs);
	for (size_t i = 0; i < evidence->n_certs; i++) {
		if (!evidence->certs[i].len || evidence->certs[i].len > UINT16_MAX)
			return -EINVAL;
		parse_put_u16(&writer, (uint16_t)evidence->certs[i].len);
		parse_put_bytes(&writer, evidence->certs[i].der, evidence->certs[i].len);
	}
	if (writer.failed)
		return -ENOBUFS;
	*len = writer.len;
	return 0;
}
