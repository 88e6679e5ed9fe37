// SPDX-License-Identifier: MIT
#include "pagehash.h"

#include <endian.h>
#include <errno.h>
#include <linux/kvm_demand_paging.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

#define PAGE 4096u
#define CHUNK_PAGES 256u

struct record {
	uint64_t gfn;
	uint8_t hash[32];
};

static int read_pages(struct machine *machine, int session_fd, uint64_t gfn, uint64_t n_pages, uint8_t *ret_data)
{
	const struct memory_slot *ram = memory_ram(&machine->memory);

	if (gfn >= ram->size / PAGE || n_pages > ram->size / PAGE - gfn)
		return error_set(-EINVAL, "GFN 0x%llx to hash is not in RAM", (unsigned long long)gfn);
	if (machine->memory.is_private)
		return paging_extract(session_fd, gfn, n_pages, ret_data);
	memcpy(ret_data, ram->hva + gfn * PAGE, n_pages * PAGE);
	return 0;
}

static int write_records(FILE *file, uint64_t gfn, uint64_t n_pages, const uint8_t *data)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		struct record record = { .gfn = htole64(gfn + i) };

		crypto_generichash(record.hash, sizeof(record.hash), data + i * PAGE, PAGE, NULL, 0);
		if (fwrite(&record, sizeof(record), 1, file) != 1)
			return error_set(-EIO, "hashes cannot be written");
	}
	return 0;
}

static int hash_range(struct machine *machine, int session_fd, const struct console_range *range, FILE *file,
		      uint8_t *buffer)
{
	uint64_t gfn = range->gpa / PAGE;
	int err = 0;

	for (uint64_t done = 0; done < range->n_pages && !err; done += CHUNK_PAGES) {
		uint64_t n = range->n_pages - done < CHUNK_PAGES ? range->n_pages - done : CHUNK_PAGES;

		err = read_pages(machine, session_fd, gfn + done, n, buffer);
		if (!err)
			err = write_records(file, gfn + done, n, buffer);
	}
	return err;
}

int pagehash_write(struct machine *machine, int session_fd, const struct console_range *ranges, size_t n_ranges,
		   const char *path, uint64_t *ret_n_pages)
{
	uint8_t *buffer = malloc(CHUNK_PAGES * PAGE);
	uint64_t n_pages = 0;
	char *part = NULL;
	FILE *file = NULL;
	int err = 0;

	if (!buffer || asprintf(&part, "%s.part", path) < 0) {
		free(buffer);
		return error_set(-ENOMEM, "no memory to hash pages");
	}
	file = fopen(part, "we");
	if (!file)
		err = error_set(-errno, "%s cannot be written", part);
	for (size_t i = 0; i < n_ranges && !err; i++) {
		err = hash_range(machine, session_fd, &ranges[i], file, buffer);
		n_pages += ranges[i].n_pages;
	}
	if (file && fclose(file) && !err)
		err = error_set(-errno, "%s cannot be written", part);
	if (!err && rename(part, path))
		err = error_set(-errno, "%s cannot be put in place", path);
	if (!err)
		*ret_n_pages = n_pages;
	sodium_memzero(buffer, CHUNK_PAGES * PAGE);
	free(buffer);
	free(part);
	return err;
}

static int read_ranges(const char *path, struct console_range **ret_ranges, size_t *ret_n_ranges)
{
	struct console_range *ranges = calloc(CONSOLE_MAX_RANGES, sizeof(*ranges));
	FILE *file = fopen(path, "re");
	char line[CONSOLE_MAX_LINE];
	size_t n_ranges = 0;
	int err = 0;

	if (!ranges || !file)
		err = error_set(-errno, "%s cannot be opened", path);
	while (!err && n_ranges < CONSOLE_MAX_RANGES && fgets(line, sizeof(line), file))
		n_ranges += console_parse_fixed(line, &ranges[n_ranges]);
	if (!err && (!n_ranges || n_ranges == CONSOLE_MAX_RANGES))
		err = error_set(-EINVAL, "%s has no FIXED lines, or too many", path);
	if (file)
		fclose(file);
	if (err) {
		free(ranges);
		return err;
	}
	*ret_ranges = ranges;
	*ret_n_ranges = n_ranges;
	return 0;
}

static int frozen_write(struct machine *machine, const struct console_range *ranges, size_t n_ranges, const char *path,
			uint64_t *ret_n_pages)
{
	int session_fd, err, thaw_err;

	if (!machine->memory.is_private)
		return pagehash_write(machine, -1, ranges, n_ranges, path, ret_n_pages);
	err = paging_create_session(&machine->paging, KVM_DP_RIGHT_EXTRACT | KVM_DP_RIGHT_QUERY | KVM_DP_RIGHT_FREEZE,
				    &session_fd);
	if (err)
		return err;
	err = paging_freeze(session_fd);
	if (!err) {
		err = pagehash_write(machine, session_fd, ranges, n_ranges, path, ret_n_pages);
		thaw_err = paging_thaw(session_fd);
		if (thaw_err) {
			machine_stop(machine, EXIT_CRASH, "%s", error_get());
			err = thaw_err;
		}
	}
	close(session_fd);
	return err;
}

int pagehash_freeze_and_write(struct machine *machine, const char *console, const char *path, uint64_t *ret_n_pages)
{
	bool was_paused = vcpus_paused(machine);
	struct console_range *ranges;
	size_t n_ranges;
	int err;

	err = console ? read_ranges(console, &ranges, &n_ranges) :
			console_get_ranges(&machine->console, &ranges, &n_ranges);
	if (err)
		return err;
	vcpus_pause(machine);
	err = frozen_write(machine, ranges, n_ranges, path, ret_n_pages);
	if (!was_paused)
		vcpus_resume(machine);
	free(ranges);
	return err;
}
