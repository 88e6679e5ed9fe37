/* SPDX-License-Identifier: MIT */
/* tdxgen: keys and quotes, see tdxgen.h. */
#include "tdxgen.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <sodium.h>
#include <string.h>

#include <attest/parse.h>

#define ROOT_NAME "Intel SGX Root CA"
#define CA_NAME "Intel SGX PCK Platform CA"

static void init_certs(struct tdxgen *gen)
{
	const int64_t from_s = TDXGEN_NOW - 300 * TDXGEN_DAY, to_s = TDXGEN_NOW + 300 * TDXGEN_DAY;

	gen->certs[TDXGEN_ROOT] = (struct tdxgen_cert){ ROOT_NAME, ROOT_NAME, TDXGEN_KEY_ROOT, TDXGEN_KEY_ROOT,
							from_s - TDXGEN_DAY, to_s + TDXGEN_DAY, 1, true };
	gen->certs[TDXGEN_CA] = (struct tdxgen_cert){ CA_NAME, ROOT_NAME, TDXGEN_KEY_CA, TDXGEN_KEY_ROOT, from_s, to_s,
						      2, true };
	gen->certs[TDXGEN_PCK] = (struct tdxgen_cert){ "Intel SGX PCK Certificate", CA_NAME, TDXGEN_KEY_PCK,
						       TDXGEN_KEY_CA, from_s, to_s, 3, false };
	gen->certs[TDXGEN_TCB] = (struct tdxgen_cert){ "Intel SGX TCB Signing", ROOT_NAME, TDXGEN_KEY_TCB,
						       TDXGEN_KEY_ROOT, from_s, to_s, 4, false };
	for (unsigned int id = 0; id < TDXGEN_N_CRLS; id++)
		gen->crls[id] = (struct tdxgen_crl){
			.issuer_name = id == TDXGEN_ROOT_CRL ? ROOT_NAME : CA_NAME,
			.key = id == TDXGEN_ROOT_CRL ? TDXGEN_KEY_ROOT : TDXGEN_KEY_CA,
			.from_s = TDXGEN_NOW - 10 * TDXGEN_DAY, .to_s = TDXGEN_NOW + 10 * TDXGEN_DAY,
			.revoked = { 77, 0 },
		};
	gen->chain[0] = TDXGEN_PCK;
	gen->chain[1] = TDXGEN_CA;
	gen->chain[2] = TDXGEN_ROOT;
	gen->document_chain[0] = TDXGEN_TCB;
	gen->document_chain[1] = TDXGEN_ROOT;
	gen->n_chain = 3;
	gen->n_document_chain = 2;
}

static void init_platform(struct tdxgen *gen)
{
	gen->pck = (struct tdx_pck){
		.pcesvn = 11, .sgx_type = 1, .has_instance_id = true, .has_configuration = true,
		.fmspc = { 0xb0, 0xc0, 0x6f, 0, 0, 1 }, .pceid = { 0, 0 },
		.dynamic_platform = true, .smt_enabled = true,
	};
	memset(gen->pck.ppid, 0x11, sizeof(gen->pck.ppid));
	memset(gen->pck.component_svn, 3, sizeof(gen->pck.component_svn));
	memset(gen->pck.cpusvn, 0x22, sizeof(gen->pck.cpusvn));
	memset(gen->pck.instance_id, 0x33, sizeof(gen->pck.instance_id));
	gen->tcbinfo = (struct tdxgen_tcbinfo){
		.id = "TDX", .version = 3, .evaluation = 17,
		.issued_s = TDXGEN_NOW - 5 * TDXGEN_DAY, .next_update_s = TDXGEN_NOW + 5 * TDXGEN_DAY,
		.modules = {
			{ .id = "TDX_03", .levels = { { 3, "UpToDate" } } },
			{ .id = "TDX_01", .levels = { { 4, "UpToDate" }, { 2, "OutOfDate" } } },
		},
		.levels = {
			{ 3, { 5, 0, 2 }, 11, "UpToDate", NULL },
			{ 2, { 5, 0, 2 }, 11, "OutOfDate", "[\"INTEL-SA-00001\",\"INTEL-SA-00002\"]" },
			{ 1, { 0, 0, 0 }, 5, "Revoked", NULL },
		},
	};
	memcpy(gen->tcbinfo.fmspc, gen->pck.fmspc, sizeof(gen->pck.fmspc));
	gen->qeidentity = (struct tdxgen_qeidentity){
		.id = "TD_QE", .version = 2, .evaluation = 17,
		.issued_s = TDXGEN_NOW - 4 * TDXGEN_DAY, .next_update_s = TDXGEN_NOW + 4 * TDXGEN_DAY,
		.miscselect_mask = UINT32_MAX, .attributes = { 0x11 },
		.attributes_mask = { 0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.isvprodid = 2, .levels = { { 4, "UpToDate" }, { 2, "OutOfDate" } },
	};
	memset(gen->qeidentity.mrsigner, 0xdc, sizeof(gen->qeidentity.mrsigner));
	gen->tcbinfo_key = gen->qeidentity_key = TDXGEN_KEY_TCB;
}

static void init_quote(struct tdxgen *gen)
{
	static const uint8_t vendor[16] = {
		0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07
	};

	gen->header = (struct tdx_header){ .version = 4, .key_type = TDX_KEY_TYPE_P256, .tee_type = TDX_TEE_TYPE };
	memcpy(gen->header.qe_vendor, vendor, sizeof(vendor));
	gen->body_type = TDX_BODY_TYPE_15;
	gen->report = (struct tdx_report){
		.tee_tcb_svn = { 6, 1, 2 }, .tee_tcb_svn2 = { 6, 1, 2 },
		.attributes = TDX_ATTRIBUTE_SEPT_VE_DISABLE, .xfam = 0x602e7,
	};
	memset(gen->report.mrseam, 0x5b, TDX_MEASUREMENT_LEN);
	memset(gen->report.mrtd, 0x91, TDX_MEASUREMENT_LEN);
	for (unsigned int i = 0; i < TDX_N_RTMRS; i++)
		memset(gen->report.rtmr[i], (int)(0xa0 + i), TDX_MEASUREMENT_LEN);
	for (unsigned int i = 0; i < TDX_REPORT_DATA_LEN; i++)
		gen->report.report_data[i] = (uint8_t)(i + 1);
	gen->qe = (struct tdx_qe_report){
		.attributes = { 0x15, 0, 0, 0, 0, 0, 0, 0, 0xe7 }, .isvprodid = 2, .isvsvn = 6,
	};
	memset(gen->qe.mrsigner, 0xdc, sizeof(gen->qe.mrsigner));
	memset(gen->qe.mrenclave, 0xe5, sizeof(gen->qe.mrenclave));
	gen->auth_len = sizeof(gen->auth);
	for (unsigned int i = 0; i < sizeof(gen->auth); i++)
		gen->auth[i] = (uint8_t)i;
	gen->qe_signer = TDXGEN_KEY_PCK;
	gen->quote_signer = TDXGEN_KEY_ATTESTATION;
}

void tdxgen_init(struct tdxgen *gen)
{
	memset(gen, 0, sizeof(*gen));
	for (unsigned int key = 0; key < TDXGEN_N_KEYS; key++) {
		gen->keys[key] = EVP_EC_gen("P-256");
		TDXGEN_NEED(gen->keys[key]);
	}
	init_certs(gen);
	tdxgen_renew_root(gen);
	init_platform(gen);
	init_quote(gen);
}

void tdxgen_fini(struct tdxgen *gen)
{
	for (unsigned int key = 0; key < TDXGEN_N_KEYS; key++)
		EVP_PKEY_free(gen->keys[key]);
	X509_free(gen->root);
}

void tdxgen_policy(const struct tdxgen *gen, struct tdx_policy *ret_policy)
{
	tdx_policy_init(ret_policy);
	TDXGEN_NEED(tdx_expected_add(&ret_policy->mrtd, gen->report.mrtd) == 0);
	TDXGEN_NEED(tdx_expected_add(&ret_policy->mrseam, gen->report.mrseam) == 0);
	for (unsigned int i = 0; i < TDX_N_RTMRS; i++)
		TDXGEN_NEED(tdx_expected_add(&ret_policy->rtmr[i], gen->report.rtmr[i]) == 0);
}

void tdxgen_sign(const struct tdxgen *gen, enum tdxgen_key key, const void *data, size_t len, uint8_t ret_signature[64])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t der[80];
	const uint8_t *at = der;
	size_t der_len = sizeof(der);
	const BIGNUM *r, *s;
	ECDSA_SIG *signature;

	TDXGEN_NEED(context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, gen->keys[key]) == 1);
	TDXGEN_NEED(EVP_DigestSign(context, der, &der_len, data, len) == 1);
	EVP_MD_CTX_free(context);
	signature = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
	TDXGEN_NEED(signature);
	ECDSA_SIG_get0(signature, &r, &s);
	TDXGEN_NEED(BN_bn2binpad(r, ret_signature, 32) == 32 && BN_bn2binpad(s, ret_signature + 32, 32) == 32);
	ECDSA_SIG_free(signature);
}

void tdxgen_public(const struct tdxgen *gen, enum tdxgen_key key, uint8_t ret_public[64])
{
	uint8_t point[65];
	size_t len;

	TDXGEN_NEED(EVP_PKEY_get_octet_string_param(gen->keys[key], OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
						    &len) == 1);
	TDXGEN_NEED(len == sizeof(point) && point[0] == 4);
	memcpy(ret_public, point + 1, 64);
}

static void put_zeros(struct parse_writer *writer, size_t len)
{
	uint8_t *room = parse_put(writer, len);

	TDXGEN_NEED(room);
	memset(room, 0, len);
}

static void put_report(struct parse_writer *writer, const struct tdx_report *report, bool has_15)
{
	parse_put_bytes(writer, report->tee_tcb_svn, sizeof(report->tee_tcb_svn));
	parse_put_bytes(writer, report->mrseam, sizeof(report->mrseam));
	parse_put_bytes(writer, report->mrsignerseam, sizeof(report->mrsignerseam));
	parse_put_bytes(writer, report->seam_attributes, sizeof(report->seam_attributes));
	parse_put_u64(writer, report->attributes);
	parse_put_u64(writer, report->xfam);
	parse_put_bytes(writer, report->mrtd, sizeof(report->mrtd));
	parse_put_bytes(writer, report->mrconfigid, sizeof(report->mrconfigid));
	parse_put_bytes(writer, report->mrowner, sizeof(report->mrowner));
	parse_put_bytes(writer, report->mrownerconfig, sizeof(report->mrownerconfig));
	for (unsigned int i = 0; i < TDX_N_RTMRS; i++)
		parse_put_bytes(writer, report->rtmr[i], sizeof(report->rtmr[i]));
	parse_put_bytes(writer, report->report_data, sizeof(report->report_data));
	if (has_15) {
		parse_put_bytes(writer, report->tee_tcb_svn2, sizeof(report->tee_tcb_svn2));
		parse_put_bytes(writer, report->mrservicetd, sizeof(report->mrservicetd));
	}
}

static void put_qe_report(struct parse_writer *writer, const struct tdx_qe_report *qe)
{
	put_zeros(writer, 16);
	parse_put_u32(writer, qe->miscselect);
	put_zeros(writer, 28);
	parse_put_bytes(writer, qe->attributes, sizeof(qe->attributes));
	parse_put_bytes(writer, qe->mrenclave, sizeof(qe->mrenclave));
	put_zeros(writer, 32);
	parse_put_bytes(writer, qe->mrsigner, sizeof(qe->mrsigner));
	put_zeros(writer, 96);
	parse_put_u16(writer, qe->isvprodid);
	parse_put_u16(writer, qe->isvsvn);
	put_zeros(writer, 60);
	parse_put_bytes(writer, qe->report_data, sizeof(qe->report_data));
}

static void put_signed(struct parse_writer *writer, const struct tdxgen *gen)
{
	const bool has_15 = gen->header.version == 5 && gen->body_type == TDX_BODY_TYPE_15;

	parse_put_u16(writer, gen->header.version);
	parse_put_u16(writer, gen->header.key_type);
	parse_put_u32(writer, gen->header.tee_type);
	put_zeros(writer, 4);
	parse_put_bytes(writer, gen->header.qe_vendor, sizeof(gen->header.qe_vendor));
	put_zeros(writer, 20);
	if (gen->header.version == 5) {
		parse_put_u16(writer, gen->body_type);
		parse_put_u32(writer, has_15 ? TDX_REPORT_15_LEN : TDX_REPORT_10_LEN);
	}
	put_report(writer, &gen->report, has_15);
}

/* The QE's report with its signature. */
static void put_qe(struct parse_writer *writer, const struct tdxgen *gen)
{
	struct tdx_qe_report qe = gen->qe;
	const size_t from = writer->len;
	uint8_t key[64 + sizeof(gen->auth)], signature[64];

	if (!gen->keep_qe_report_data) {
		tdxgen_public(gen, TDXGEN_KEY_ATTESTATION, key);
		memcpy(key + 64, gen->auth, gen->auth_len);
		memset(qe.report_data, 0, sizeof(qe.report_data));
		crypto_hash_sha256(qe.report_data, key, 64 + gen->auth_len);
	}
	put_qe_report(writer, &qe);
	tdxgen_sign(gen, gen->qe_signer, writer->data + from, TDX_QE_REPORT_LEN, signature);
	parse_put_bytes(writer, signature, sizeof(signature));
}

size_t tdxgen_quote(const struct tdxgen *gen, uint8_t *ret_quote)
{
	char pem[TDXGEN_TEXT_SIZE];
	const size_t pem_len = tdxgen_pem(gen, gen->chain, gen->n_chain, pem, sizeof(pem));
	const uint32_t qe_len = (uint32_t)(TDX_QE_REPORT_LEN + 64 + 2 + gen->auth_len + 6 + pem_len);
	struct parse_writer writer;
	uint8_t bytes[64];

	parse_writer_init(&writer, ret_quote, TDXGEN_QUOTE_SIZE);
	put_signed(&writer, gen);
	tdxgen_sign(gen, gen->quote_signer, ret_quote, writer.len, bytes);
	parse_put_u32(&writer, 64 + 64 + 6 + qe_len);
	parse_put_bytes(&writer, bytes, sizeof(bytes));
	tdxgen_public(gen, TDXGEN_KEY_ATTESTATION, bytes);
	parse_put_bytes(&writer, bytes, sizeof(bytes));
	parse_put_u16(&writer, TDX_CERT_TYPE_QE_REPORT);
	parse_put_u32(&writer, qe_len);
	put_qe(&writer, gen);
	parse_put_u16(&writer, (uint16_t)gen->auth_len);
	parse_put_bytes(&writer, gen->auth, gen->auth_len);
	parse_put_u16(&writer, TDX_CERT_TYPE_PCK_CHAIN);
	parse_put_u32(&writer, (uint32_t)pem_len);
	parse_put_bytes(&writer, (const uint8_t *)pem, pem_len);
	for (size_t i = 0; i < gen->n_trailing; i++)
		parse_put_u8(&writer, 0xee);
	TDXGEN_NEED(!writer.failed);
	return writer.len;
}
