// SPDX-License-Identifier: MIT
#include "report.h"

#include <errno.h>
#include <json-c/json.h>
#include <linux/kvm_demand_paging.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

static void add(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add(object, key, value);
}

static void add_count(struct json_object *object, const char *key, uint64_t value)
{
	add(object, key, json_object_new_uint64(value));
}

static void add_text(struct json_object *object, const char *key, const char *value)
{
	add(object, key, json_object_new_string(value));
}

static void add_ms(struct json_object *object, const char *key, uint64_t from_ns, uint64_t to_ns)
{
	if (from_ns && to_ns >= from_ns)
		add(object, key, json_object_new_double((double)(to_ns - from_ns) / 1e6));
}

static struct json_object *guest_object(struct machine *machine)
{
	struct json_object *guest = json_object_new_object(), *rounds = json_object_new_array();
	struct console_facts facts;
	uint64_t mismatches = 0;

	console_get_facts(&machine->console, &facts);
	for (unsigned int i = 0; i < machine->n_vcpus; i++) {
		json_object_array_add(rounds, json_object_new_uint64(facts.round[i]));
		mismatches += facts.mismatches[i];
	}
	add_count(guest, "vcpus", machine->n_vcpus);
	add_count(guest, "ram_mib", memory_ram(&machine->memory)->size >> 20);
	add(guest, "round", rounds);
	add_count(guest, "round_lines", facts.n_rounds);
	add_count(guest, "mismatches", mismatches);
	add_count(guest, "max_gap_us", facts.max_gap_us);
	add_count(guest, "fixed_pages", facts.fixed_pages);
	add(guest, "fixed_known", json_object_new_boolean(facts.fixed_end));
	return guest;
}

/* Asked from the kernel, not from our own bookkeeping. */
static void add_memory(struct machine *machine, struct json_object *guest)
{
	const struct memory_slot *ram = memory_ram(&machine->memory);
	uint64_t n_private = 0, n_missing = 0;
	int session_fd;

	if (machine->paging.mode == PAGING_OFF) {
		add_count(guest, "private_mib", 0);
		return;
	}
	if (paging_create_session(&machine->paging, KVM_DP_RIGHT_QUERY, &session_fd) ||
	    paging_count_missing(session_fd, &n_missing) ||
	    paging_count_private(session_fd, ram->gpa >> 12, ram->size >> 12, &n_private)) {
		error_note("figures of memory are left out: %s", error_get());
		return;
	}
	close(session_fd);
	add_count(guest, "private_mib", n_private >> 8);
	add_count(guest, "missing_pages", n_missing);
}

/* What the guest had converted here: of pages that were missing then, and of others. */
static void add_conversion(struct machine *machine, struct json_object *root)
{
	static const char *const names[CONVERSION_N_COMMANDS] = {
		[CONVERSION_DISCARD] = "discard", [CONVERSION_TO_SHARED] = "to_shared", [CONVERSION_TO_PRIVATE] = "to_private",
	};
	struct json_object *object = json_object_new_object();

	for (unsigned int i = CONVERSION_DISCARD; i < CONVERSION_N_COMMANDS; i++) {
		struct json_object *counts = json_object_new_object();

		add_count(counts, "present", machine->conversion.n_done[i][false]);
		add_count(counts, "missing", machine->conversion.n_done[i][true]);
		add(object, names[i], counts);
	}
	add(root, "conversion", object);
}

static struct json_object *latency_object(const struct gmem_progress *progress)
{
	struct json_object *latency = json_object_new_object();

	add_count(latency, "p50", progress->fault_latency_us[0]);
	add_count(latency, "p90", progress->fault_latency_us[1]);
	add_count(latency, "p99", progress->fault_latency_us[2]);
	add_count(latency, "max", progress->fault_latency_us[3]);
	return latency;
}

static struct json_object *progress_object(const struct gmem_progress *progress)
{
	struct json_object *object = json_object_new_object();

	add_count(object, "phase", progress->phase);
	add_count(object, "pages_total", progress->pages_total);
	add_count(object, "pages_present", progress->pages_present);
	add_count(object, "pages_demand", progress->pages_demand);
	add_count(object, "pages_background", progress->pages_background);
	add_count(object, "pages_zero", progress->pages_zero);
	add_count(object, "pages_duplicate", progress->pages_duplicate);
	add_count(object, "pages_shared", progress->pages_shared);
	add_count(object, "bytes_wire", progress->bytes_wire);
	add(object, "fault_latency_us", latency_object(progress));
	add_count(object, "start_to_started_us", progress->start_to_started_us);
	add_count(object, "total_us", progress->total_us);
	add_text(object, "transport", progress->transport);
	add_text(object, "cipher", progress->cipher);
	add_text(object, "handshake", progress->handshake);
	return object;
}

static void add_times(struct json_object *object, const struct move *move)
{
	const struct move_times *t = &move->times;

	add_ms(object, "prepare_ms", t->begin, t->prepared);
	if (move->incoming) {
		add_ms(object, "restore_ms", t->prepared, t->saved);
		add_ms(object, "run_ms", t->saved, t->start);
		add_ms(object, "start_to_running_ms", t->prepared, t->started);
		add_ms(object, "total_ms", t->prepared, t->complete);
		return;
	}
	add_ms(object, "stop_ms", t->paused, t->stopped);
	add_ms(object, "save_ms", t->stopped, t->saved);
	add_ms(object, "start_ms", t->saved, t->start);
	add_ms(object, "downtime_ms", t->paused, t->started);
	add_ms(object, "hash_ms", t->started, t->hashed);
	add_ms(object, "total_ms", t->paused, t->complete);
	if (t->hashed)
		add_count(object, "pages_hashed", move->pages_hashed);
}

static struct json_object *move_object(struct move *move)
{
	static const char *const states[] = { "none", "under way", "complete", "failed", "lost" };
	struct json_object *object = json_object_new_object();

	pthread_mutex_lock(&move->lock);
	add_text(object, "role", move->incoming ? "destination" : move->socket ? "source" : "none");
	add_text(object, "state", states[move->state]);
	if (*move->error)
		add_text(object, "error", move->error);
	add_times(object, move);
	if (move->has_progress)
		add(object, "progress", progress_object(&move->progress));
	pthread_mutex_unlock(&move->lock);
	return object;
}

int report_status(struct machine *machine, struct move *move, char **ret_text)
{
	struct json_object *root = json_object_new_object();
	char *text;

	add_text(root, "state", machine_has_ended(machine) ? "ended" : vcpus_paused(machine) ? "paused" : "running");
	add(root, "guest", guest_object(machine));
	add(root, "move", move_object(move));
	text = strdup(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
	json_object_put(root);
	if (!text)
		return error_set(-ENOMEM, "no memory for the status");
	*ret_text = text;
	return 0;
}

int report_write(struct machine *machine, struct move *move, const char *path)
{
	struct json_object *root = json_object_new_object(), *guest = guest_object(machine);
	char *part;
	int err = 0;

	add_count(root, "exit_code", machine->end.code);
	add_text(root, "reason", machine->end.reason);
	add_memory(machine, guest);
	add(root, "guest", guest);
	add(root, "move", move_object(move));
	if (machine->conversion.mode != CONVERSION_OFF)
		add_conversion(machine, root);
	if (asprintf(&part, "%s.part", path) < 0) {
		json_object_put(root);
		return error_set(-ENOMEM, "no memory for the report");
	}
	if (json_object_to_file_ext(part, root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED) || rename(part, path))
		err = error_set(-errno, "the report %s cannot be written", path);
	free(part);
	json_object_put(root);
	return err;
}
