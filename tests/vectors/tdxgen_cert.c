/* SPDX-License-Identifier: MIT */
/* tdxgen_cert: certificates, CRLs and the SGX extension, see tdxgen.h. */
#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include <attest/der.h>
#include <attest/parse.h>

#include "tdxgen.h"

static const uint8_t arc[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

static void put_header(struct parse_writer *writer, uint8_t tag, size_t len)
{
	parse_put_u8(writer, tag);
	if (len >= 0x100) {
		parse_put_u8(writer, 0x82);
		parse_put_u8(writer, (uint8_t)(len >> 8));
	} else if (len >= 0x80) {
		parse_put_u8(writer, 0x81);
	}
	parse_put_u8(writer, (uint8_t)len);
}

/* SEQUENCE { arc.@parent.@entry, @value }; @parent 0: arc.@entry */
static void put_entry(struct parse_writer *writer, uint8_t parent, uint8_t entry, uint8_t tag, const uint8_t *value,
		      size_t len)
{
	const size_t oid_len = sizeof(arc) + (parent != 0) + 1;

	put_header(writer, DER_SEQUENCE, 2 + oid_len + (len >= 0x100 ? 4 : len >= 0x80 ? 3 : 2) + len);
	put_header(writer, DER_OID, oid_len);
	parse_put_bytes(writer, arc, sizeof(arc));
	if (parent)
		parse_put_u8(writer, parent);
	parse_put_u8(writer, entry);
	put_header(writer, tag, len);
	parse_put_bytes(writer, value, len);
}

/* In as few bytes as it takes, the first without its sign bit. */
static void put_number(struct parse_writer *writer, uint8_t entry, uint16_t number)
{
	const uint8_t bytes[3] = { 0, (uint8_t)(number >> 8), (uint8_t)number };
	const size_t from = number >= 0x8000 ? 0 : number >= 0x80 ? 1 : 2;

	put_entry(writer, 2, entry, DER_INTEGER, bytes + from, sizeof(bytes) - from);
}

static void put_tcb(struct parse_writer *writer, const struct tdx_pck *pck)
{
	struct parse_writer inside;
	uint8_t bytes[512];

	parse_writer_init(&inside, bytes, sizeof(bytes));
	for (uint8_t i = 0; i < TDX_PCK_N_COMPONENTS; i++)
		put_number(&inside, i + 1, pck->component_svn[i]);
	put_number(&inside, 17, pck->pcesvn);
	put_entry(&inside, 2, 18, DER_OCTET_STRING, pck->cpusvn, sizeof(pck->cpusvn));
	TDXGEN_NEED(!inside.failed);
	put_entry(writer, 0, 2, DER_SEQUENCE, bytes, inside.len);
}

static void put_configuration(struct parse_writer *writer, const struct tdx_pck *pck)
{
	const bool truths[3] = { pck->dynamic_platform, pck->cached_keys, pck->smt_enabled };
	struct parse_writer inside;
	uint8_t bytes[128];

	parse_writer_init(&inside, bytes, sizeof(bytes));
	for (uint8_t i = 0; i < 3; i++) {
		const uint8_t truth = truths[i] ? 0xff : 0;

		put_entry(&inside, 7, i + 1, DER_BOOLEAN, &truth, 1);
	}
	TDXGEN_NEED(!inside.failed);
	put_entry(writer, 0, 7, DER_SEQUENCE, bytes, inside.len);
}

size_t tdxgen_extension(const struct tdx_pck *pck, uint8_t *ret_der, size_t size)
{
	struct parse_writer inside, writer;
	uint8_t bytes[1024];

	parse_writer_init(&inside, bytes, sizeof(bytes));
	put_entry(&inside, 0, 1, DER_OCTET_STRING, pck->ppid, sizeof(pck->ppid));
	put_tcb(&inside, pck);
	put_entry(&inside, 0, 3, DER_OCTET_STRING, pck->pceid, sizeof(pck->pceid));
	put_entry(&inside, 0, 4, DER_OCTET_STRING, pck->fmspc, sizeof(pck->fmspc));
	put_entry(&inside, 0, 5, DER_ENUMERATED, &pck->sgx_type, 1);
	if (pck->has_instance_id)
		put_entry(&inside, 0, 6, DER_OCTET_STRING, pck->instance_id, sizeof(pck->instance_id));
	if (pck->has_configuration)
		put_configuration(&inside, pck);
	parse_writer_init(&writer, ret_der, size);
	put_header(&writer, DER_SEQUENCE, inside.len);
	parse_put_bytes(&writer, bytes, inside.len);
	TDXGEN_NEED(!inside.failed && !writer.failed);
	return writer.len;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	TDXGEN_NEED(extension && X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void add_sgx(X509 *cert, const struct tdx_pck *pck)
{
	ASN1_OBJECT *object = OBJ_txt2obj(TDX_PCK_EXTENSION, 1);
	ASN1_OCTET_STRING *contents = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;
	uint8_t der[1024];
	const size_t len = tdxgen_extension(pck, der, sizeof(der));

	TDXGEN_NEED(object && contents && ASN1_OCTET_STRING_set(contents, der, (int)len) == 1);
	extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, contents);
	TDXGEN_NEED(extension && X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(contents);
	ASN1_OBJECT_free(object);
}

static void set_name(X509_NAME *name, const char *common_name)
{
	static const uint8_t organisation[] = "Intel Corporation";

	TDXGEN_NEED(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common_name, -1,
					       -1, 0) == 1);
	TDXGEN_NEED(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, organisation, -1, -1, 0) == 1);
}

static X509 *make_cert(const struct tdxgen *gen, enum tdxgen_cert_id id)
{
	const struct tdxgen_cert *spec = &gen->certs[id];
	X509 *cert = X509_new();

	TDXGEN_NEED(cert && X509_set_version(cert, X509_VERSION_3) == 1);
	TDXGEN_NEED(ASN1_INTEGER_set(X509_get_serialNumber(cert), spec->serial) == 1);
	set_name(X509_get_subject_name(cert), spec->name);
	set_name(X509_get_issuer_name(cert), spec->issuer_name);
	TDXGEN_NEED(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)spec->from_s));
	TDXGEN_NEED(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)spec->to_s));
	TDXGEN_NEED(X509_set_pubkey(cert, gen->keys[spec->key]) == 1);
	add_extension(cert, NID_key_usage, spec->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
	add_extension(cert, NID_basic_constraints, spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (id == TDXGEN_PCK && !gen->no_extension)
		add_sgx(cert, &gen->pck);
	TDXGEN_NEED(X509_sign(cert, gen->keys[spec->issuer_key], EVP_sha256()) > 0);
	return cert;
}

void tdxgen_renew_root(struct tdxgen *gen)
{
	X509_free(gen->root);
	gen->root = make_cert(gen, TDXGEN_ROOT);
}

/* The root is the anchor byte for byte, and no two ECDSA signatures are the same: it is made once. */
static X509 *get_cert(const struct tdxgen *gen, enum tdxgen_cert_id id)
{
	if (id != TDXGEN_ROOT)
		return make_cert(gen, id);
	TDXGEN_NEED(X509_up_ref(gen->root) == 1);
	return gen->root;
}

uint8_t *tdxgen_cert(const struct tdxgen *gen, enum tdxgen_cert_id id, size_t *ret_len)
{
	uint8_t *der = NULL;
	X509 *cert = get_cert(gen, id);
	const int len = i2d_X509(cert, &der);
	uint8_t *copy = malloc(len > 0 ? (size_t)len : 1);

	TDXGEN_NEED(len > 0 && copy);
	memcpy(copy, der, (size_t)len);
	OPENSSL_free(der);
	X509_free(cert);
	*ret_len = (size_t)len;
	return copy;
}

size_t tdxgen_pem(const struct tdxgen *gen, const enum tdxgen_cert_id *ids, size_t n, char *ret_pem, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	TDXGEN_NEED(bio);
	for (size_t i = 0; i < n; i++) {
		X509 *cert = get_cert(gen, ids[i]);

		TDXGEN_NEED(PEM_write_bio_X509(bio, cert) == 1);
		X509_free(cert);
	}
	len = BIO_get_mem_data(bio, &text);
	TDXGEN_NEED(len >= 0 && (size_t)len < size);
	/* Of no certificate there is no text. */
	if (len)
		memcpy(ret_pem, text, (size_t)len);
	ret_pem[len] = '\0';
	BIO_free(bio);
	return (size_t)len;
}

static void revoke(X509_CRL *crl, long serial, int64_t at_s)
{
	ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)at_s);
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	X509_REVOKED *entry = X509_REVOKED_new();

	TDXGEN_NEED(entry && number && time && ASN1_INTEGER_set(number, serial) == 1);
	TDXGEN_NEED(X509_REVOKED_set_serialNumber(entry, number) == 1);
	TDXGEN_NEED(X509_REVOKED_set_revocationDate(entry, time) == 1);
	TDXGEN_NEED(X509_CRL_add0_revoked(crl, entry) == 1);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(time);
}

static X509_CRL *make_crl(const struct tdxgen *gen, const struct tdxgen_crl *spec)
{
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)spec->from_s), *to = ASN1_TIME_set(NULL, (time_t)spec->to_s);
	X509_NAME *name = X509_NAME_new();
	X509_CRL *crl = X509_CRL_new();

	TDXGEN_NEED(from && to && name && crl && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
	set_name(name, spec->issuer_name);
	TDXGEN_NEED(X509_CRL_set_issuer_name(crl, name) == 1);
	TDXGEN_NEED(X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, to) == 1);
	for (size_t i = 0; i < 2; i++)
		if (spec->revoked[i])
			revoke(crl, spec->revoked[i], spec->from_s);
	TDXGEN_NEED(X509_CRL_sign(crl, gen->keys[spec->key], EVP_sha256()) > 0);
	X509_NAME_free(name);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return crl;
}

uint8_t *tdxgen_crl(const struct tdxgen *gen, enum tdxgen_crl_id id, size_t *ret_len)
{
	X509_CRL *crl = make_crl(gen, &gen->crls[id]);
	uint8_t *der = NULL;
	const int len = i2d_X509_CRL(crl, &der);
	uint8_t *copy = malloc(len > 0 ? (size_t)len : 1);

	TDXGEN_NEED(len > 0 && copy);
	memcpy(copy, der, (size_t)len);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	*ret_len = (size_t)len;
	return copy;
}
