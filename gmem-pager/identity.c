// SPDX-License-Identifier: MIT
/* identity: see identity.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <attest/attestor.h>
#include <attest/file.h>
#include <attest/ticket.h>

#include "identity.h"
#include "idfile.h"
#include "incarnation.h"
#include "log.h"

#define CERTIFICATES_MAX 65536u

struct identity {
	struct attestor attestor;
	struct attest_policy policy;
	struct trust trust;
	struct signkey *software_key;
	uint8_t *certificates;
	struct x509_cert *tpm_cert;
	struct ticket ticket;
	uint8_t peer_key[ATTEST_KEY_LEN];
	uint8_t peer_platform_id[ATTEST_ID_LEN];	/* zeros: not named */
};

static int fail(char ret_error[IDENTITY_ERROR_LEN], int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char ret_error[IDENTITY_ERROR_LEN], int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_error, IDENTITY_ERROR_LEN, format, args);
	va_end(args);
	return status;
}

static int64_t now_s(void)
{
	return time(NULL);
}

/* What holds is for who wants to know; what does not is for the operator. */
static void tell(const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->n_rules; i++) {
		const struct verdict_rule *rule = &verdict->rules[i];

		if (rule->outcome == VERDICT_FAILS)
			log_warn("evidence: %s fails: %s", rule->name, rule->text);
		else if (strcmp(rule->name, "software.allow") == 0)
			log_warn("evidence: %s", rule->text);
		else
			log_debug("evidence: %s: %s", rule->name, rule->text);
	}
}

void identity_files_fini(struct identity_files *files)
{
	free(files->peer);
	free(files->ticket);
	free(files->issuer);
	free(files->policy);
	free(files->trust);
	free(files->evidence);
	free(files->software_key);
	free(files->certificates);
	free(files->tpm_key);
	free(files->tpm_tcti);
}

void identity_free(struct identity *identity)
{
	if (identity == NULL)
		return;
	policy_fini(&identity->policy);
	trust_fini(&identity->trust);
	signkey_free(identity->software_key);
	x509_cert_free(identity->tpm_cert);
	free(identity->certificates);
	free(identity);
}

const char *identity_evidence(const struct identity *identity, bool *ret_gives_software, bool *ret_takes_software)
{
	const struct attest_policy *policy = &identity->policy;

	*ret_gives_software = identity->attestor.kind == ATTESTOR_SOFTWARE;
	*ret_takes_software = policy->software.allow && policy->software.n_keys > 0;
	switch (identity->attestor.kind) {
	case ATTESTOR_SOFTWARE:
		return "software";
	case ATTESTOR_TSM:
		return "tsm";
	case ATTESTOR_TPM:
		return "tpm";
	default:
		return "pinned-key";
	}
}

static int load_peer(const struct identity_files *files, struct session_config *config, char *ret_error)
{
	int r = attest_public_load(files->peer, config->peer_key);

	return r < 0 ? fail(ret_error, r, "cannot load the peer's public key %s: %s", files->peer, strerror(-r)) : 0;
}

/* Judge the ticket as this side's, and take from it whom it names. */
static int take_ticket(const struct identity_files *files, enum attest_role role, bool has_vm_id, const uint8_t *bytes,
		       size_t len, struct identity *identity, struct session_config *config, char *ret_error)
{
	const enum attest_role peer_role = role == ATTEST_INITIATOR ? ATTEST_RESPONDER : ATTEST_INITIATOR;
	uint8_t issuer[SIGNKEY_LEN];
	struct ticket_question question = {
		.bytes = bytes, .len = len, .issuers = issuer, .n_issuers = 1, .now_s = now_s(),
		.role = role, .own_key = attest_keypair_public(config->keypair),
		.vm_id = has_vm_id ? config->vm_id : NULL,
	};
	char why[INCARNATION_ERROR_LEN] = "";
	const struct ticket_side *peer;
	enum ticket_problem problem;
	int r = signkey_public_load(files->issuer, issuer);

	if (r < 0)
		return fail(ret_error, r, "cannot load the issuer's public key %s: %s", files->issuer, strerror(-r));
	if (len == TICKET_LEN)
		ticket_id(bytes, config->ticket_id);
	/* Who goes on with a session may come later; connection 1 asks for the validity once more. */
	question.first_handshake = len != TICKET_LEN ||
				   !ledger_has_record(config->state_dir, role, config->ticket_id);
	problem = ticket_verify(&question, &identity->ticket);
	if (problem != TICKET_OK)
		return fail(ret_error, -EACCES, "the ticket %s is refused: %s", files->ticket,
			    ticket_problem_text(problem));
	peer = ticket_side(&identity->ticket, peer_role);
	if (files->peer != NULL && memcmp(config->peer_key, peer->static_key, ATTEST_KEY_LEN) != 0)
		return fail(ret_error, -EINVAL, "the ticket %s names another peer than %s", files->ticket, files->peer);
	memcpy(config->peer_key, peer->static_key, ATTEST_KEY_LEN);
	memcpy(identity->peer_platform_id, peer->platform_id, ATTEST_ID_LEN);
	memcpy(config->vm_id, identity->ticket.vm_id, ATTEST_ID_LEN);
	config->incarnation = identity->ticket.incarnation;
	r = incarnation_take(config->state_dir, &identity->ticket, config->ticket_id, why);
	if (r < 0)
		return fail(ret_error, r, "the ticket %s is refused: %s", files->ticket, why);
	identity->attestor.valid_from_s = identity->ticket.not_before_s;
	identity->attestor.valid_to_s = identity->ticket.not_after_s;
	return 0;
}

static int load_ticket(const struct identity_files *files, enum attest_role role, bool has_vm_id,
		       struct identity *identity, struct session_config *config, char *ret_error)
{
	uint8_t *bytes;
	size_t len;
	int r = files->peer != NULL ? load_peer(files, config, ret_error) : 0;

	if (r < 0)
		return r;
	if (files->issuer == NULL) {
		r = idfile_load(files->ticket, config->ticket_id);
		return r < 0 ? fail(ret_error, r, "cannot load the ticket %s: %s", files->ticket, r == -EINVAL ?
				    "without --issuer it must be 64 hex digits (gmem-keygen makes one)" : strerror(-r)) : 0;
	}
	r = file_read(files->ticket, TICKET_LEN, &bytes, &len);
	if (r < 0)
		return fail(ret_error, r, "cannot load the ticket %s: %s", files->ticket, strerror(-r));
	r = take_ticket(files, role, has_vm_id, bytes, len, identity, config, ret_error);
	free(bytes);
	return r;
}

/* Without a policy the peer's static key is what is believed. */
static int load_policy(const struct identity_files *files, const struct session_config *config,
		       struct identity *identity, char *ret_error)
{
	char error[ATTEST_POLICY_ERROR_LEN];
	int r;

	if (files->policy == NULL) {
		policy_init(&identity->policy);
		identity->policy.kinds = ATTEST_POLICY_PINNED;
		identity->policy.pinned.n_keys = 1;
		memcpy(identity->policy.pinned.keys[0], config->peer_key, ATTEST_KEY_LEN);
		return 0;
	}
	r = policy_load_file(files->policy, &identity->policy, error);
	return r < 0 ? fail(ret_error, r, "the policy %s: %s", files->policy, error) : 0;
}

static int load_trust(const struct identity_files *files, struct identity *identity, char *ret_error)
{
	char error[TRUST_ERROR_LEN];
	int r = trust_init(&identity->trust);

	if (r < 0)
		return fail(ret_error, r, "the roots that are built in cannot be read: %s", strerror(-r));
	r = files->trust != NULL ? trust_load_folder(&identity->trust, files->trust, error) : 0;
	return r < 0 ? fail(ret_error, r, "%s: %s", files->trust, error) : 0;
}

static int load_certificates(const struct identity_files *files, struct identity *identity, char *ret_error)
{
	struct attestor *attestor = &identity->attestor;
	size_t len, n = 0;
	int r;

	if (files->certificates == NULL)
		return 0;
	r = file_read(files->certificates, CERTIFICATES_MAX, &identity->certificates, &len);
	if (r < 0)
		return fail(ret_error, r, "cannot load the certificates %s: %s", files->certificates, strerror(-r));
	if (attestor->kind == ATTESTOR_TSM) {
		attestor->tsm.certificates = (const char *)identity->certificates;
		attestor->tsm.certificates_len = len;
		return 0;
	}
	if (attestor->kind != ATTESTOR_TPM ||
	    x509_certs_parse_pem((const char *)identity->certificates, len, 1, &identity->tpm_cert, &n) < 0 || n != 1)
		return fail(ret_error, -EINVAL, "%s: --evidence tpm takes one certificate in PEM, tsm two, others none",
			    files->certificates);
	x509_cert_der(identity->tpm_cert, &attestor->tpm.certificate, &attestor->tpm.certificate_len);
	return 0;
}

static int load_tpm(const struct identity_files *files, struct identity *identity, char *ret_error)
{
	unsigned long handle;
	char *end = NULL;

	errno = 0;
	handle = files->tpm_key != NULL ? strtoul(files->tpm_key, &end, 16) : 0;
	if (end == NULL || *end != '\0' || errno != 0 || handle >> 24 != 0x81 || handle > UINT32_MAX)
		return fail(ret_error, -EINVAL, "--evidence tpm needs --tpm-key, a persistent handle as 0x81010001");
	identity->attestor.tpm.handle = (uint32_t)handle;
	identity->attestor.tpm.tcti = files->tpm_tcti;
	return 0;
}

static int load_evidence(const struct identity_files *files, struct identity *identity, char *ret_error)
{
	struct attestor *attestor = &identity->attestor;
	int r = 0;

	if (attestor_kind_parse(files->evidence != NULL ? files->evidence : "pinned-key", &attestor->kind) < 0)
		return fail(ret_error, -EINVAL, "--evidence %s: pinned-key, tsm, tpm or software", files->evidence);
	if ((attestor->kind == ATTESTOR_SOFTWARE) != (files->software_key != NULL))
		return fail(ret_error, -EINVAL, "--evidence software and --evidence-key go together");
	if (attestor->kind == ATTESTOR_SOFTWARE) {
		r = signkey_load(files->software_key, &identity->software_key);
		if (r < 0)
			return fail(ret_error, r, "cannot load the key pair %s: %s%s", files->software_key,
				    strerror(-r),
				    r == -EPERM ? "; only its owner may have access (chmod 600)" : "");
		attestor->software_key = identity->software_key;
		log_warn("software evidence attests nothing about this machine; for development only");
	} else if (attestor->kind == ATTESTOR_TPM) {
		r = load_tpm(files, identity, ret_error);
	}
	return r < 0 ? r : load_certificates(files, identity, ret_error);
}

static int load(const struct identity_files *files, enum attest_role role, bool has_vm_id, struct identity *identity,
		struct session_config *config, char *ret_error)
{
	int r = load_ticket(files, role, has_vm_id, identity, config, ret_error);

	if (r == 0)
		r = load_policy(files, config, identity, ret_error);
	if (r == 0)
		r = load_trust(files, identity, ret_error);
	if (r == 0)
		r = load_evidence(files, identity, ret_error);
	return r;
}

int identity_load(const struct identity_files *files, enum attest_role role, bool has_vm_id,
		  struct session_config *config, struct identity **ret_identity, char ret_error[IDENTITY_ERROR_LEN])
{
	struct identity *identity = calloc(1, sizeof(*identity));
	int r;

	if (identity == NULL)
		return fail(ret_error, -ENOMEM, "out of memory");
	r = load(files, role, has_vm_id, identity, config, ret_error);
	if (r < 0) {
		identity_free(identity);
		return r;
	}
	memcpy(identity->peer_key, config->peer_key, ATTEST_KEY_LEN);
	identity->attestor.policy = &identity->policy;
	identity->attestor.trust = &identity->trust;
	identity->attestor.peer_key = identity->peer_key;
	identity->attestor.peer_platform_id = identity->peer_platform_id;
	identity->attestor.now_s = now_s;
	identity->attestor.tell = tell;
	if (files->issuer != NULL || files->policy != NULL || files->evidence != NULL) {
		config->evidence = &attestor_ops;
		config->evidence_opaque = &identity->attestor;
	}
	*ret_identity = identity;
	return 0;
}
