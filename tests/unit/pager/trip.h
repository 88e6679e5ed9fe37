/* SPDX-License-Identifier: MIT */
/* A VM into a file and back, with both sides of a duo; for tests of suspend.h and restore.h. */
#ifndef TESTS_TRIP_H
#define TESTS_TRIP_H

#include "duo.h"
#include "restore.h"
#include "snapshot/reader.h"
#include "suspend.h"

#define TRIP_PRIVATE 1024u
#define TRIP_SHARED 64u

/* The duo's source VM is suspended by @config, and restored by the duo's source side. */
struct trip {
	struct duo duo;
	char path[128];
	struct attest_keypair *writer_key;
	struct session_config config;		/* of the suspend */
	struct snapfile_writer *writer;
	struct suspend *suspend;
	struct snapfile_wanted wanted;
	struct snapfile_reader *reader;
	char error[SESSION_ERROR_LEN];
};

void trip_init(struct trip *trip);
void trip_fini(struct trip *trip);
void trip_end_suspend(struct trip *trip);
void trip_end_restore(struct trip *trip);

/* Is there the file, or with @suffix ".partial" what is being written? */
bool trip_exists(const struct trip *trip, const char *suffix);

/* What the record of the suspend says. */
enum attest_state trip_recorded(const struct trip *trip);

/* Up to a VM that is attached. */
void trip_open_suspend(struct trip *trip);
/* suspend_start() with one state. */
int trip_start(struct trip *trip);
/* Until it has ended, with trip->error. */
enum gmem_phase trip_wait_suspend(struct trip *trip);
/* All of it. */
void trip_suspend_all(struct trip *trip);

void trip_open_reader(struct trip *trip);
void trip_open_source(struct trip *trip);
void trip_open_pager(struct trip *trip);

/* Both owners at work, until the phases are these, or something has ended. */
bool trip_wait_restore(struct trip *trip, enum gmem_phase pager, enum gmem_phase source);

/* From the file to a guest that runs. */
void trip_restore_to_running(struct trip *trip);

/* To the end: every byte is right, once. */
void trip_expect_whole(struct trip *trip);

#endif
