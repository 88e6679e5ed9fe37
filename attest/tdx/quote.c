/* SPDX-License-Identifier: MIT */
/* quote: see quote.h. */
#include "quote.h"

#include <errno.h>

#include "../parse.h"

int tdx_header_parse(const uint8_t *data, size_t len, struct tdx_header *ret_header)
{
	struct tdx_header header = { 0 };
	struct parse_reader reader;

	parse_reader_init(&reader, data, len);
	header.version = parse_u16(&reader);
	header.key_type = parse_u16(&reader);
	header.tee_type = parse_u32(&reader);
	parse_take(&reader, 4);		/* SVNs of QE and PCE in older versions, reserved now */
	parse_bytes(&reader, header.qe_vendor, sizeof(header.qe_vendor));
	parse_take(&reader, 20);	/* the QE's own */
	if (reader.failed)
		return -EBADMSG;
	*ret_header = header;
	return 0;
}

/* Version 4 has no descriptor and the shorter report.  0 if there is no such type, or its length is another. */
static size_t take_body_len(struct parse_reader *reader, uint16_t version)
{
	uint16_t type;
	uint32_t len;

	if (version == 4)
		return TDX_REPORT_10_LEN;
	type = parse_u16(reader);
	len = parse_u32(reader);
	if (type == TDX_BODY_TYPE_10 && len == TDX_REPORT_10_LEN)
		return len;
	if (type == TDX_BODY_TYPE_15 && len == TDX_REPORT_15_LEN)
		return len;
	return 0;
}

static void take_report(struct parse_reader *reader, size_t body_len, struct tdx_report *report)
{
	parse_bytes(reader, report->tee_tcb_svn, sizeof(report->tee_tcb_svn));
	parse_bytes(reader, report->mrseam, sizeof(report->mrseam));
	parse_bytes(reader, report->mrsignerseam, sizeof(report->mrsignerseam));
	parse_bytes(reader, report->seam_attributes, sizeof(report->seam_attributes));
	report->attributes = parse_u64(reader);
	report->xfam = parse_u64(reader);
	parse_bytes(reader, report->mrtd, sizeof(report->mrtd));
	parse_bytes(reader, report->mrconfigid, sizeof(report->mrconfigid));
	parse_bytes(reader, report->mrowner, sizeof(report->mrowner));
	parse_bytes(reader, report->mrownerconfig, sizeof(report->mrownerconfig));
	for (size_t i = 0; i < TDX_N_RTMRS; i++)
		parse_bytes(reader, report->rtmr[i], sizeof(report->rtmr[i]));
	parse_bytes(reader, report->report_data, sizeof(report->report_data));
	report->has_15 = body_len == TDX_REPORT_15_LEN;
	if (report->has_15) {
		parse_bytes(reader, report->tee_tcb_svn2, sizeof(report->tee_tcb_svn2));
		parse_bytes(reader, report->mrservicetd, sizeof(report->mrservicetd));
	}
}

static void parse_qe_report(const uint8_t bytes[TDX_QE_REPORT_LEN], struct tdx_qe_report *qe)
{
	struct parse_reader reader;

	parse_reader_init(&reader, bytes, TDX_QE_REPORT_LEN);
	parse_take(&reader, 16);	/* CPUSVN */
	qe->miscselect = parse_u32(&reader);
	parse_take(&reader, 28);	/* reserved, ISVEXTPRODID */
	parse_bytes(&reader, qe->attributes, sizeof(qe->attributes));
	parse_bytes(&reader, qe->mrenclave, sizeof(qe->mrenclave));
	parse_take(&reader, 32);
	parse_bytes(&reader, qe->mrsigner, sizeof(qe->mrsigner));
	parse_take(&reader, 96);	/* reserved, CONFIGID */
	qe->isvprodid = parse_u16(&reader);
	qe->isvsvn = parse_u16(&reader);
	parse_take(&reader, 60);	/* CONFIGSVN, reserved, ISVFAMILYID */
	parse_bytes(&reader, qe->report_data, sizeof(qe->report_data));
}

/* The next @type, u32 length, contents; @ret_inside reads those. */
static int take_certification(struct parse_reader *reader, uint16_t type, struct parse_reader *ret_inside)
{
	const uint16_t found = parse_u16(reader);
	const uint32_t len = parse_u32(reader);
	const uint8_t *data = parse_take(reader, len);

	if (reader->failed || found != type)
		return -EBADMSG;
	parse_reader_init(ret_inside, data, len);
	return 0;
}

/* @reader holds certification data of type 6. */
static int parse_qe(struct parse_reader *reader, struct tdx_quote *quote)
{
	struct parse_reader chain;

	quote->qe_report = parse_take(reader, TDX_QE_REPORT_LEN);
	quote->qe_signature = parse_take(reader, 64);
	quote->auth_len = parse_u16(reader);
	quote->auth = parse_take(reader, quote->auth_len);
	if (reader->failed || take_certification(reader, TDX_CERT_TYPE_PCK_CHAIN, &chain) < 0 || !parse_end(reader))
		return -EBADMSG;
	if (quote->auth_len > TDX_QUOTE_MAX_AUTH_LEN || chain.len > TDX_QUOTE_MAX_PEM_LEN)
		return -E2BIG;
	quote->pem = (const char *)chain.data;
	quote->pem_len = chain.len;
	parse_qe_report(quote->qe_report, &quote->qe);
	return 0;
}

/* @reader holds what the quote's last length counts. */
static int parse_signature(struct parse_reader *reader, struct tdx_quote *quote)
{
	struct parse_reader qe;

	quote->signature = parse_take(reader, 64);
	quote->key = parse_take(reader, 64);
	if (reader->failed || take_certification(reader, TDX_CERT_TYPE_QE_REPORT, &qe) < 0 || !parse_end(reader))
		return -EBADMSG;
	return parse_qe(&qe, quote);
}

int tdx_quote_parse(const uint8_t *data, size_t len, struct tdx_quote *ret_quote)
{
	struct tdx_quote quote = { .signed_data = data };
	struct parse_reader reader, rest;
	const uint8_t *signature;
	uint32_t signature_len;
	size_t body_len;
	int r;

	r = tdx_header_parse(data, len, &quote.header);
	if (r < 0)
		return r;
	if ((quote.header.version != 4 && quote.header.version != 5) || quote.header.tee_type != TDX_TEE_TYPE ||
	    quote.header.key_type != TDX_KEY_TYPE_P256)
		return -ENOTSUP;
	parse_reader_init(&reader, data, len);
	parse_take(&reader, TDX_HEADER_LEN);
	body_len = take_body_len(&reader, quote.header.version);
	if (!body_len)
		return -EBADMSG;
	take_report(&reader, body_len, &quote.report);
	quote.signed_len = len - reader.len;
	signature_len = parse_u32(&reader);
	if (signature_len > TDX_QUOTE_MAX_LEN)
		return -E2BIG;
	signature = parse_take(&reader, signature_len);
	if (reader.failed)
		return -EBADMSG;
	quote.len = len - reader.len;
	parse_reader_init(&rest, signature, signature_len);
	r = parse_signature(&rest, &quote);
	if (r < 0)
		return r;
	*ret_quote = quote;
	return 0;
}
