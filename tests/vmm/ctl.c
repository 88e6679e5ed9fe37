// SPDX-License-Identifier: MIT
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "machine.h"

#define PATIENCE_MS	10000
#define TRY_MS		50

int control_address(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret_address->sun_path))
		return error_set(-EINVAL, "%s is too long for a socket's path", path);
	strcpy(ret_address->sun_path, path);
	return 0;
}

static int talk(int fd, int n_words, const char *const *words)
{
	FILE *stream = fdopen(fd, "r+");
	char *line = NULL;
	size_t size = 0;
	int code = 1;

	if (!stream) {
		close(fd);
		return 1;
	}
	for (int i = 0; i < n_words; i++)
		fprintf(stream, "%s%c", words[i], i + 1 < n_words ? ' ' : '\n');
	fflush(stream);
	if (getline(&line, &size, stream) <= 0)
		error_note("the VMM ended without an answer");
	else if (!strncmp(line, "ok", 2))
		code = 0;
	if (line && !strncmp(line, "ok ", 3))
		fputs(line + 3, stdout);
	else if (line && !strncmp(line, "error ", 6))
		error_note("%.*s", (int)strcspn(line + 6, "\n"), line + 6);
	free(line);
	fclose(stream);
	return code;
}

static int connect_to(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int control_client(const char *path, int n_words, const char *const *words)
{
	/* Who waits for something may be here before the VMM has begun to listen. */
	int n_tries = strncmp(words[0], "wait-", 5) ? 1 : PATIENCE_MS / TRY_MS;
	struct sockaddr_un address;
	int fd;

	if (control_address(path, &address)) {
		error_note("%s", error_get());
		return EXIT_USAGE;
	}
	for (fd = connect_to(&address); fd < 0 && --n_tries > 0; fd = connect_to(&address))
		usleep(TRY_MS * 1000);
	if (fd < 0) {
		error_note("no VMM listens at %s: %s", path, strerror(-fd));
		return 1;
	}
	return talk(fd, n_words, words);
}
