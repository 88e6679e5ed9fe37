/* SPDX-License-Identifier: MIT */
/*
 * identity: who this side is for a move, and whom it believes, from the files
 * that the command line names.  Without a signed ticket, a policy and evidence
 * the peer's public key is pinned, as by --peer; with any of them the peer is
 * judged by attest/attestor.h.
 */
#ifndef GMEM_PAGER_IDENTITY_H
#define GMEM_PAGER_IDENTITY_H

#include "session.h"

#define IDENTITY_ERROR_LEN 512u

struct identity_files {		/* owned; NULL: not named */
	char *peer;		/* static public key */
	char *ticket;		/* signed, or 64 hex digits */
	char *issuer;		/* Ed25519 public key */
	char *policy;
	char *trust;
	char *evidence;		/* "pinned-key", "software", "tsm", "tpm" */
	char *software_key;
	char *certificates;
	char *tpm_key;
	char *tpm_tcti;
};

struct identity;

void identity_files_fini(struct identity_files *files);

/*
 * Fill @config's ticket, VM id, peer key and evidence; its key pair is there already, and its VM id if @has_vm_id,
 * which a signed ticket must then name.  The incarnation of a signed ticket is written down in @config->state_dir.
 * @config borrows from @ret_identity.  On failure a sentence in @ret_error:
 * -EACCES a ticket that is not good, -EINVAL names that do not fit together, else -errno of a file.
 */
int identity_load(const struct identity_files *files, enum attest_role role, bool has_vm_id,
		  struct session_config *config, struct identity **ret_identity, char ret_error[IDENTITY_ERROR_LEN]);
void identity_free(struct identity *identity);

/* The word for this side's evidence; are software keys given, are they believed? */
const char *identity_evidence(const struct identity *identity, bool *ret_gives_software, bool *ret_takes_software);

#endif
