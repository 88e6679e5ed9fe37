/* SPDX-License-Identifier: MIT */
/* collateral: see collateral.h. */
#include "collateral.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../jsontext.h"
#include "jsonvalue.h"

#define NAME_LEN 40u

/* The file twice: as text, for exact bytes, and as values. */
struct file {
	const char *text;
	size_t len;
	struct json_object *object;
};

static int set_text(struct tdx_document *document, const char *text, size_t len)
{
	document->text = malloc(len ? len : 1);
	if (!document->text)
		return -ENOMEM;
	memcpy(document->text, text, len);
	document->len = len;
	return 0;
}

/* The characters of member @name: a string's own, or an object's in the file. */
static int find_text(const struct file *file, const char *name, struct jsontext_span *ret_text)
{
	struct json_object *object;

	if (jsonvalue_string(file->object, name, &ret_text->data, &ret_text->len))
		return 0;
	if (!jsonvalue_object(file->object, name, &object))
		return -EBADMSG;
	return jsontext_member(file->text, file->len, name, ret_text) < 0 ? -EBADMSG : 0;
}

/* @answer is {"@inner": {...}, "signature": "..."}. */
static int read_answer(struct tdx_document *document, const struct jsontext_span *answer, const char *inner)
{
	struct jsontext_span signed_text;
	struct json_object *object;
	int r = jsonvalue_parse(answer->data, answer->len, &object);

	if (r < 0)
		return r;
	r = -EBADMSG;
	if (jsonvalue_hex(object, "signature", document->signature, sizeof(document->signature)) &&
	    jsontext_member(answer->data, answer->len, inner, &signed_text) == 0)
		r = set_text(document, signed_text.data, signed_text.len);
	json_object_put(object);
	return r;
}

static int read_chain(const struct file *file, const char *name, struct tdx_document *document)
{
	const char *pem;
	size_t len;
	int r;

	if (!jsonvalue_string(file->object, name, &pem, &len))
		return -EBADMSG;
	r = x509_certs_parse_pem(pem, len, TDX_COLLATERAL_MAX_CERTS, document->chain, &document->n_chain);
	if (r < 0)
		document->n_chain = 0;
	return r;
}

static int read_document(const struct file *file, const char *name, const char *inner, struct tdx_document *document)
{
	char signature[NAME_LEN], chain[NAME_LEN];
	struct jsontext_span text;
	int r = find_text(file, name, &text);

	if (r < 0)
		return r;
	snprintf(signature, sizeof(signature), "%s_signature", name);
	snprintf(chain, sizeof(chain), "%s_issuer_chain", name);
	if (!jsonvalue_has(file->object, signature))
		r = read_answer(document, &text, inner);
	else if (jsonvalue_hex(file->object, signature, document->signature, sizeof(document->signature)))
		r = set_text(document, text.data, text.len);
	else
		r = -EBADMSG;
	return r < 0 ? r : read_chain(file, chain, document);
}

static int read_crl(const struct file *file, const char *name, struct x509_crl **ret_crl)
{
	uint8_t *der;
	size_t len;
	int r;

	if (!jsonvalue_hex_new(file->object, name, X509_MAX_CRL_LEN, &der, &len))
		return -EBADMSG;
	r = x509_crl_parse(der, len, ret_crl);
	free(der);
	return r;
}

static int read_file(const struct file *file, struct tdx_collateral *collateral)
{
	int r = read_document(file, "tcb_info", "tcbInfo", &collateral->tcb_info);

	if (r == 0)
		r = read_document(file, "qe_identity", "enclaveIdentity", &collateral->qe_identity);
	if (r == 0)
		r = read_crl(file, "root_ca_crl", &collateral->root_crl);
	if (r == 0)
		r = read_crl(file, "pck_crl", &collateral->pck_crl);
	return r;
}

int tdx_collateral_new(const char *json, size_t len, struct tdx_collateral **ret_collateral)
{
	struct file file = { .text = json, .len = len };
	struct tdx_collateral *collateral;
	int r = jsonvalue_parse(json, len, &file.object);

	if (r < 0)
		return r;
	collateral = calloc(1, sizeof(*collateral));
	r = collateral ? read_file(&file, collateral) : -ENOMEM;
	json_object_put(file.object);
	if (r < 0) {
		tdx_collateral_free(collateral);
		return r;
	}
	*ret_collateral = collateral;
	return 0;
}

static void free_document(struct tdx_document *document)
{
	for (size_t i = 0; i < document->n_chain; i++)
		x509_cert_free(document->chain[i]);
	free(document->text);
}

void tdx_collateral_free(struct tdx_collateral *collateral)
{
	if (!collateral)
		return;
	free_document(&collateral->tcb_info);
	free_document(&collateral->qe_identity);
	x509_crl_free(collateral->root_crl);
	x509_crl_free(collateral->pck_crl);
	free(collateral);
}
