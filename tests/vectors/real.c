// SPDX-License-Identifier: MIT
/* real: see real.h. */
#include "real.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *folder(void)
{
	const char *named = getenv("GMEM_VECTORS");

	return named && *named ? named : REAL_BESIDE;
}

bool real_present(const char *what)
{
	if (access(folder(), R_OK | X_OK) == 0)
		return true;
	printf("skipped: %s: no real evidence in %s; set GMEM_VECTORS\n", what, folder());
	return false;
}

uint8_t *real_read(const char *part, const char *name, size_t *ret_len)
{
	uint8_t *bytes = NULL;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s%s%s", folder(), part, *part ? "/" : "", name);
	file = fopen(path, "rb");
	if (file)
		bytes = malloc(REAL_MAX + 1);
	if (bytes) {
		*ret_len = fread(bytes, 1, REAL_MAX + 1, file);
		if (*ret_len > REAL_MAX) {
			fprintf(stderr, "%s: longer than %u bytes\n", path, REAL_MAX);
			exit(EXIT_FAILURE);
		}
		bytes[*ret_len] = '\0';
	} else {
		printf("\nskipped: no %s; set GMEM_VECTORS to the folder of real evidence\n", path);
	}
	if (file)
		fclose(file);
	return bytes;
}

size_t real_load(const char *name, uint8_t *ret_bytes, size_t capacity)
{
	size_t len = 0;
	uint8_t *bytes = real_read("", name, &len);

	if (!bytes || !len || len >= capacity) {
		fprintf(stderr, "%s: not there, or not below %zu bytes\n", name, capacity);
		exit(EXIT_FAILURE);
	}
	memcpy(ret_bytes, bytes, len + 1);
	free(bytes);
	return len;
}
