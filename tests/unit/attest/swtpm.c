/* SPDX-License-Identifier: MIT */
/* swtpm: see swtpm.h. */
#include "swtpm.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

extern char **environ;

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "swtpm: %s failed\n", what);
	abort();
}

struct session {
	TSS2_TCTI_CONTEXT *tcti;
	ESYS_CONTEXT *esys;
};

static void session_open(struct swtpm *tpm, struct session *session)
{
	/* It may still be starting. */
	for (int i = 0; i < 100 && Tss2_TctiLdr_Initialize(tpm->tcti, &session->tcti); i++) {
		need(i < 99, "connecting");
		usleep(50000);
	}
	need(!Esys_Initialize(&session->esys, session->tcti, NULL), "Esys_Initialize");
}

static void session_close(struct session *session)
{
	Esys_Finalize(&session->esys);
	Tss2_TctiLdr_Finalize(&session->tcti);
}

static void create_key(struct session *session, TPMI_ALG_PUBLIC type, bool restricted, uint32_t handle)
{
	TPM2B_PUBLIC template = { .publicArea = {
		.type = type, .nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
				    TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT |
				    (restricted ? TPMA_OBJECT_RESTRICTED : 0),
	} };
	const TPM2B_SENSITIVE_CREATE sensitive = { 0 };
	const TPM2B_DATA outside = { 0 };
	const TPML_PCR_SELECTION pcrs = { 0 };
	ESYS_TR key, persistent;

	if (type == TPM2_ALG_ECC) {
		template.publicArea.parameters.eccDetail = (TPMS_ECC_PARMS){
			.symmetric.algorithm = TPM2_ALG_NULL,
			.scheme = { .scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256 },
			.curveID = TPM2_ECC_NIST_P256, .kdf.scheme = TPM2_ALG_NULL,
		};
	} else {
		template.publicArea.parameters.rsaDetail = (TPMS_RSA_PARMS){
			.symmetric.algorithm = TPM2_ALG_NULL,
			.scheme = { .scheme = TPM2_ALG_RSASSA, .details.rsassa.hashAlg = TPM2_ALG_SHA256 },
			.keyBits = 2048,
		};
	}
	need(!Esys_CreatePrimary(session->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				 &sensitive,
				 &template, &outside, &pcrs, &key, NULL, NULL, NULL, NULL), "CreatePrimary");
	need(!Esys_EvictControl(session->esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				handle,
				&persistent), "EvictControl");
	need(!Esys_FlushContext(session->esys, key), "FlushContext");
	Esys_TR_Close(session->esys, &persistent);
}

void swtpm_extend(struct swtpm *tpm, unsigned int pcr, const uint8_t digest[32])
{
	TPML_DIGEST_VALUES values = { .count = 1 };
	struct session session;

	values.digests[0].hashAlg = TPM2_ALG_SHA256;
	memcpy(values.digests[0].digest.sha256, digest, 32);
	session_open(tpm, &session);
	need(!Esys_PCR_Extend(session.esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &values),
	     "PCR_Extend");
	session_close(&session);
}

void swtpm_read(struct swtpm *tpm, unsigned int pcr, uint8_t ret_value[32])
{
	TPML_PCR_SELECTION selection = { .count = 1 };
	TPML_DIGEST *values;
	struct session session;

	selection.pcrSelections[0].hash = TPM2_ALG_SHA256;
	selection.pcrSelections[0].sizeofSelect = 3;
	selection.pcrSelections[0].pcrSelect[pcr / 8] = (BYTE)(1u << pcr % 8);
	session_open(tpm, &session);
	need(!Esys_PCR_Read(session.esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &selection, NULL, NULL, &values) &&
	     values->count == 1 && values->digests[0].size == 32, "PCR_Read");
	memcpy(ret_value, values->digests[0].buffer, 32);
	Esys_Free(values);
	session_close(&session);
}

static void put_u32(struct swtpm *tpm, size_t value)
{
	for (size_t i = 0; i < 4; i++)
		tpm->log[tpm->log_len++] = (uint8_t)(value >> 8 * i);
}

static void put(struct swtpm *tpm, const void *bytes, size_t len)
{
	memcpy(tpm->log + tpm->log_len, bytes, len);
	tpm->log_len += len;
}

static void add_entry(struct swtpm *tpm, const char *template_name, const char *path, const uint8_t digest[32])
{
	static const uint8_t sha1[20] = { 1 };	/* nobody looks at it, but zeros mean a violation */

	need(tpm->log_len + 200 + strlen(path) < sizeof(tpm->log), "room in the log");

	put_u32(tpm, 10);
	put(tpm, sha1, sizeof(sha1));
	put_u32(tpm, strlen(template_name));
	put(tpm, template_name, strlen(template_name));
	put_u32(tpm, 4 + 40 + 4 + strlen(path) + 1 + (strcmp(template_name, "ima-sig") ? 0 : 4));
	put_u32(tpm, 40);
	put(tpm, "sha256:", 8);
	put(tpm, digest, 32);
	put_u32(tpm, strlen(path) + 1);
	put(tpm, path, strlen(path) + 1);
	if (!strcmp(template_name, "ima-sig"))
		put_u32(tpm, 0);
}

static void write_log(const struct swtpm *tpm)
{
	FILE *file = fopen(tpm->log_path, "w");

	need(file && fwrite(tpm->log, 1, tpm->log_len, file) == tpm->log_len && !fclose(file), "writing the log");
}

void swtpm_log(struct swtpm *tpm, const char *template_name, const char *path, const uint8_t digest[32])
{
	add_entry(tpm, template_name, path, digest);
	write_log(tpm);
}

void swtpm_measure_many(struct swtpm *tpm, const char *path, const uint8_t digest[32], unsigned int n)
{
	const size_t head = 4 + 20 + 4 + 6 + 4;
	TPML_DIGEST_VALUES values = { .count = 1, .digests[0].hashAlg = TPM2_ALG_SHA256 };
	struct session session;

	session_open(tpm, &session);
	for (unsigned int i = 0; i < n; i++) {
		size_t before = tpm->log_len;

		add_entry(tpm, "ima-ng", path, digest);
		crypto_hash_sha256(values.digests[0].digest.sha256, tpm->log + before + head, tpm->log_len - before - head);
		need(!Esys_PCR_Extend(session.esys, ESYS_TR_PCR0 + 10, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				      &values), "PCR_Extend");
	}
	session_close(&session);
	write_log(tpm);
}

void swtpm_measure(struct swtpm *tpm, const char *path, const uint8_t digest[32])
{
	swtpm_measure_many(tpm, path, digest, 1);
}

static void boot(struct swtpm *tpm)
{
	uint8_t pcrs[10][32], digest[32];
	struct session session;

	session_open(tpm, &session);
	create_key(&session, TPM2_ALG_ECC, true, SWTPM_AK);
	create_key(&session, TPM2_ALG_ECC, false, SWTPM_LOOSE);
	create_key(&session, TPM2_ALG_RSA, true, SWTPM_RSA);
	session_close(&session);
	for (unsigned int pcr = 0; pcr < 10; pcr++) {
		memset(digest, (int)(0x40 + pcr), sizeof(digest));
		swtpm_extend(tpm, pcr, digest);
		swtpm_read(tpm, pcr, pcrs[pcr]);
	}
	crypto_hash_sha256(digest, pcrs[0], sizeof(pcrs));
	swtpm_measure(tpm, "boot_aggregate", digest);
}

bool swtpm_start(struct swtpm *tpm)
{
	posix_spawn_file_actions_t actions;
	char state[96], control[128], server[128];
	char *argv[] = { "swtpm", "socket", "--tpm2", "--tpmstate", state, "--ctrl", control, "--server", server,
	"--flags",
			 "not-need-init,startup-clear", NULL };
	int ret;

	memset(tpm, 0, sizeof(*tpm));
	snprintf(tpm->folder, sizeof(tpm->folder), "/tmp/gmem-test-swtpm.XXXXXX");
	need(mkdtemp(tpm->folder) != NULL, "mkdtemp");
	snprintf(state, sizeof(state), "dir=%s", tpm->folder);
	snprintf(control, sizeof(control), "type=unixio,path=%s/tpm.ctrl", tpm->folder);
	snprintf(server, sizeof(server), "type=unixio,path=%s/tpm", tpm->folder);
	snprintf(tpm->tcti, sizeof(tpm->tcti), "swtpm:path=%s/tpm", tpm->folder);
	snprintf(tpm->log_path, sizeof(tpm->log_path), "%s/log", tpm->folder);
	/* tpm2-tss complains while the socket is not there yet. */
	setenv("TSS2_LOG", "all+NONE", 0);
	/* It tells of each connection. */
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	ret = posix_spawnp(&tpm->pid, "swtpm", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (ret) {
		rmdir(tpm->folder);
		return false;
	}
	boot(tpm);
	return true;
}

void swtpm_stop(struct swtpm *tpm)
{
	char command[96];

	kill(tpm->pid, SIGTERM);
	waitpid(tpm->pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", tpm->folder);
	need(system(command) == 0, "removing its folder");
}
