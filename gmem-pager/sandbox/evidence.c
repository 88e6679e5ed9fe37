// SPDX-License-Identifier: MIT
/* What this side's evidence needs: it is made anew at each handshake, so also at each reconnection. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <attest/tpm/provider.h>
#include <attest/tsm.h>

#include "landlock.h"
#include "sandbox_int.h"

#define DEVICE "device"
#define DEVICE_LIBRARY "libtss2-tcti-device.so.0"

#define IN_REPORTS \
	(LANDLOCK_FS_READ_DIR | LANDLOCK_FS_READ_FILE | LANDLOCK_FS_WRITE_FILE | LANDLOCK_FS_MAKE_DIR | \
	 LANDLOCK_FS_REMOVE_DIR)

static bool is(const struct sandbox_config *config, const char *kind)
{
	return config->evidence != NULL && strcmp(config->evidence, kind) == 0;
}

/* What follows "device:", or NULL. */
static const char *device_path(const char *tcti)
{
	return tcti != NULL && tcti[strlen(DEVICE)] == ':' ? tcti + strlen(DEVICE) + 1 : NULL;
}

static bool is_device(const char *tcti)
{
	const size_t len = strlen(DEVICE);

	return tcti == NULL || (strncmp(tcti, DEVICE, len) == 0 && (tcti[len] == '\0' || tcti[len] == ':'));
}

int sandbox_open_evidence(const struct sandbox *sandbox, char *ret_error)
{
	const struct sandbox_config *config = sandbox->config;

	if (!is(config, "tpm") || (config->stages & (SANDBOX_LANDLOCK | SANDBOX_SECCOMP)) == 0)
		return 0;
	if (!is_device(config->tpm_tcti))
		return sandbox_fail(ret_error, -EINVAL, "--tpm-tcti %.60s: only device:PATH is reached from the sandbox; "
				    "--sandbox full,-landlock,-seccomp reaches all", config->tpm_tcti);
	/* Stays loaded: tpm2-tss finds it by its name, and maps nothing executable later. */
	if (dlopen(DEVICE_LIBRARY, RTLD_NOW | RTLD_LOCAL) == NULL)
		return sandbox_fail(ret_error, -ENOENT, "--evidence tpm: cannot load " DEVICE_LIBRARY ": install it");
	return 0;
}

static int allow_tpm(const struct sandbox_config *config, const struct landlock *landlock, char *ret_error)
{
	const char *const paths[] = { device_path(config->tpm_tcti), "/dev/tpmrm0", "/dev/tpm0" };
	const size_t n = paths[0] != NULL ? 1 : 3;
	const char *closed = NULL;
	bool reachable = false;
	size_t i;
	int r = 0;

	for (i = paths[0] != NULL ? 0 : 1; i < n && r == 0; i++) {
		if (access(paths[i], F_OK) < 0)
			continue;	/* the handshake says that there is no TPM */
		if (access(paths[i], R_OK | W_OK) < 0) {
			closed = paths[i];
			continue;
		}
		reachable = true;
		r = sandbox_allow_path(landlock, paths[i], LANDLOCK_FS_READ_FILE | LANDLOCK_FS_WRITE_FILE, ret_error);
	}
	if (r == 0 && !reachable && closed != NULL)
		return sandbox_fail(ret_error, -EACCES, "--evidence tpm: %s is closed to this user, who has no capabilities: "
				    "name a user of its group, as --user NAME:tss", closed);
	if (r == 0 && access(TPM_PROVIDER_IMA_LOG, R_OK) == 0)
		r = sandbox_allow_path(landlock, TPM_PROVIDER_IMA_LOG, LANDLOCK_FS_READ_FILE, ret_error);
	return r;
}

int sandbox_allow_evidence(const struct sandbox *sandbox, const struct landlock *landlock, char *ret_error)
{
	const struct sandbox_config *config = sandbox->config;

	if (is(config, "tpm"))
		return allow_tpm(config, landlock, ret_error);
	return is(config, "tsm") ? sandbox_allow_path(landlock, TSM_ROOT, IN_REPORTS, ret_error) : 0;
}
