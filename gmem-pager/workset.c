// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include <sodium.h>

#include "log.h"
#include "manifest.h"
#include "messages.h"
#include "workset.h"

#define TRICKLE LIMIT_MIN	/* bytes a second: a page */
#define US_PER_S 1000000u

static struct workset *make(uint64_t n_pages, enum workset_state state)
{
	struct workset *workset = calloc(1, sizeof(*workset));

	if (workset == NULL)
		return NULL;
	workset->state = state;
	workset->n_pages = n_pages;
	limit_init(&workset->trickle, PAGES_BODY_MAX(1u), NULL);
	return workset;
}

int workset_record(struct setfile_writer *writer, const struct snapfile_reader *reader, unsigned int seconds,
		   struct workset **ret_workset)
{
	const uint64_t n_pages = snapfile_reader_header(reader)->n_pages;
	struct workset *workset = make(n_pages, WORKSET_RECORDING);

	if (workset == NULL)
		return -ENOMEM;
	workset->asked = calloc(bitmap_words(n_pages), sizeof(*workset->asked));
	if (workset->asked == NULL) {
		workset_free(workset);
		return -ENOMEM;
	}
	workset->writer = writer;
	workset->reader = reader;
	workset->record_us = (uint64_t)seconds * US_PER_S;
	atomic_store(&workset->recording, true);
	limit_set(&workset->trickle, TRICKLE);
	*ret_workset = workset;
	return 0;
}

int workset_replay(uint64_t *map, uint64_t n_pages, struct workset **ret_workset)
{
	struct workset *workset = make(n_pages, WORKSET_REPLAYED);
	uint64_t n_set = 0;
	size_t i;

	if (workset == NULL)
		return -ENOMEM;
	for (i = 0; i < bitmap_words(n_pages); i++)
		n_set += (uint64_t)__builtin_popcountll(map[i]);
	workset->map = map;
	atomic_store(&workset->n_set, n_set);
	*ret_workset = workset;
	return 0;
}

/* What a guest touches tells of what it does. */
static void forget(void *map, uint64_t n_pages)
{
	if (map != NULL)
		sodium_memzero(map, bitmap_words(n_pages) * sizeof(uint64_t));
	free(map);
}

void workset_free(struct workset *workset)
{
	if (workset == NULL)
		return;
	setfile_writer_free(workset->writer);
	limit_fini(&workset->trickle);
	forget(workset->asked, workset->n_pages);
	forget(workset->map, workset->n_pages);
	free(workset);
}

bool workset_is_recording(const struct workset *workset)
{
	return workset != NULL && atomic_load_explicit(&workset->recording, memory_order_relaxed);
}

void workset_ask(struct workset *workset, uint64_t index)
{
	const uint64_t bit = 1ull << (index % 64);

	if (workset == NULL || index >= workset->n_pages)
		return;
	if (workset->map != NULL)
		atomic_fetch_add_explicit(bitmap_test(workset->map, index) ? &workset->n_late : &workset->n_outside, 1,
					  memory_order_relaxed);
	else if (workset_is_recording(workset) && (atomic_fetch_or(&workset->asked[index / 64], bit) & bit) == 0)
		atomic_fetch_add_explicit(&workset->n_set, 1, memory_order_relaxed);
}

const uint64_t *workset_map(const struct workset *workset)
{
	return workset != NULL ? workset->map : NULL;
}

void workset_sent(struct workset *workset, uint64_t n_pages)
{
	atomic_fetch_add_explicit(&workset->n_sent, n_pages, memory_order_relaxed);
}

bool workset_wait(struct workset *workset)
{
	return workset == NULL || limit_wait(&workset->trickle, PAGES_BODY_MAX(1u));
}

void workset_spend(struct workset *workset, uint64_t bytes)
{
	if (workset != NULL)
		limit_spend(&workset->trickle, bytes);
}

void workset_stop(struct workset *workset, bool stop)
{
	if (workset == NULL)
		return;
	if (stop)
		limit_stop(&workset->trickle);
	else
		limit_go_on(&workset->trickle);
}

/* From here on the stream goes as it always does. */
static void end_recording(struct workset *workset, enum workset_state state)
{
	workset->state = state;
	atomic_store(&workset->recording, false);
	limit_set(&workset->trickle, 0);
}

void workset_drop(struct workset *workset, const char *why)
{
	if (!workset_is_recording(workset))
		return;
	end_recording(workset, WORKSET_DROPPED);
	log_warn("no working set is recorded: %s", why);
}

/* The urgent thread may add to @asked still: what comes now is in the set or not. */
static int write_set(struct workset *workset, char *ret_error)
{
	const size_t n_words = bitmap_words(workset->n_pages);
	uint64_t *map = calloc(n_words, sizeof(*map));
	size_t i;
	int r;

	if (map == NULL) {
		snprintf(ret_error, SETFILE_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < n_words; i++)
		map[i] = atomic_load(&workset->asked[i]);
	r = setfile_writer_write(workset->writer, workset->reader, map, ret_error);
	forget(map, workset->n_pages);
	return r;
}

void workset_tick(struct workset *workset, enum gmem_phase phase, uint64_t started_us, uint64_t now_us)
{
	char error[SETFILE_ERROR_LEN] = "";
	bool over;

	if (!workset_is_recording(workset))
		return;
	over = started_us != 0 && now_us > started_us && now_us - started_us >= workset->record_us;
	if (phase > GMEM_PHASE_COMPLETE) {
		workset_drop(workset, "the restore has failed before the time was over");
	} else if (phase == GMEM_PHASE_COMPLETE || (phase == GMEM_PHASE_RUNNING && over)) {
		end_recording(workset, WORKSET_WRITTEN);
		if (write_set(workset, error) < 0) {
			workset->state = WORKSET_DROPPED;
			log_warn("no working set is recorded, the restore goes on: %s", error);
		} else {
			log_info("a working set of %llu pages is recorded",
				 (unsigned long long)atomic_load(&workset->n_set));
		}
	}
}

struct workset_view workset_look(const struct workset *workset)
{
	if (workset == NULL)
		return (struct workset_view){ .there = false };
	return (struct workset_view){
		.there = true, .state = workset->state, .n_set = atomic_load(&workset->n_set),
		.n_sent = atomic_load(&workset->n_sent), .n_late = atomic_load(&workset->n_late),
		.n_outside = atomic_load(&workset->n_outside),
	};
}

const char *workset_state_name(enum workset_state state)
{
	static const char *const names[] = {
		[WORKSET_RECORDING] = "recording", [WORKSET_WRITTEN] = "written", [WORKSET_DROPPED] = "dropped",
		[WORKSET_REPLAYED] = "replayed",
	};

	return names[state];
}
