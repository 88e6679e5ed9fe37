// SPDX-License-Identifier: MIT
/* real: see real.h. */
#include "real.h"

#include <stdio.h>
#include <stdlib.h>
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

size_t real_load(const char *name, uint8_t *ret_bytes, size_t capacity)
{
	char path[4096];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder(), name);
	file = fopen(path, "rb");
	len = file ? fread(ret_bytes, 1, capacity, file) : 0;
	if (!len || len == capacity) {
		fprintf(stderr, "%s: not there, or not below %zu bytes\n", path, capacity);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	ret_bytes[len] = '\0';
	return len;
}
