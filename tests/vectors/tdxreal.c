/* SPDX-License-Identifier: MIT */
/* tdxreal: see tdxreal.h. */
#include "tdxreal.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_LEN (1u << 20)

static FILE *open_file(const char *name)
{
	const char *folder = getenv("GMEM_VECTORS");
	char path[4096];

	if (folder && *folder)
		snprintf(path, sizeof(path), "%s/tdx/%s", folder, name);
	else
		snprintf(path, sizeof(path), "%s/../shared/vectors/tdx/%s", GMEM_SOURCE_ROOT, name);
	return fopen(path, "rb");
}

uint8_t *tdxreal_read(const char *name, size_t *ret_len)
{
	FILE *file = open_file(name);
	uint8_t *data;

	if (!file) {
		printf("\nskipped: no tdx/%s; set GMEM_VECTORS to the folder of real evidence\n", name);
		return NULL;
	}
	data = malloc(MAX_LEN);
	if (data)
		*ret_len = fread(data, 1, MAX_LEN, file);
	fclose(file);
	return data;
}
