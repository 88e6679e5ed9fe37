// SPDX-License-Identifier: MIT
#include "console.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

int console_init(struct console *console, const char *path)
{
	pthread_condattr_t attr;

	memset(console, 0, sizeof(*console));
	console->ranges = calloc(CONSOLE_MAX_RANGES, sizeof(*console->ranges));
	if (!console->ranges)
		return error_set(-ENOMEM, "the console cannot be set up");
	if (path) {
		console->file = fopen(path, "ae");
		if (!console->file) {
			free(console->ranges);
			return error_set(-errno, "%s cannot be opened for the guest's console", path);
		}
	}
	pthread_mutex_init(&console->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&console->changed, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void console_fini(struct console *console)
{
	console_flush(console);
	if (console->file)
		fclose(console->file);
	pthread_cond_destroy(&console->changed);
	pthread_mutex_destroy(&console->lock);
	free(console->ranges);
}

bool console_parse_fixed(const char *line, struct console_range *ret_range)
{
	struct console_range range;

	if (sscanf(line, "FIXED gpa=0x%" SCNx64 " pages=%" SCNu64, &range.gpa, &range.n_pages) != 2)
		return false;
	/* 2^36 pages reach beyond any guest physical address; no sum below overflows then. */
	if (!range.n_pages || range.n_pages >> 36 || range.gpa >> 48 || (range.gpa & 4095))
		return false;
	*ret_range = range;
	return true;
}

static void parse_round(struct console_facts *facts, const char *line)
{
	uint64_t round, mismatches, gap_us;
	unsigned int vcpu;

	if (sscanf(line, "ROUND %" SCNu64 " vcpu=%u mismatches=%" SCNu64 " gap_us=%" SCNu64, &round, &vcpu, &mismatches,
		   &gap_us) != 4 || vcpu >= CONSOLE_MAX_VCPUS)
		return;
	facts->n_rounds++;
	facts->mismatches[vcpu] = mismatches;
	if (gap_us > facts->max_gap_us)
		facts->max_gap_us = gap_us;
	if (!facts->seen[vcpu] || round > facts->round[vcpu])
		facts->round[vcpu] = round;
	facts->seen[vcpu] = true;
}

/* Lines of the guest's program; the kernel's lines match nothing. */
static void parse_line(struct console *console, const char *line)
{
	struct console_range range;

	if (!strncmp(line, "ROUND ", 6)) {
		parse_round(&console->facts, line);
	} else if (!strncmp(line, "FIXED-END ", 10)) {
		console->facts.fixed_end = true;
	} else if (!strncmp(line, "GUEST-END", 9)) {
		console->facts.guest_end = true;
	} else if (console_parse_fixed(line, &range) && console->n_ranges < CONSOLE_MAX_RANGES) {
		console->ranges[console->n_ranges++] = range;
		console->facts.fixed_pages += range.n_pages;
	} else {
		return;
	}
	pthread_cond_broadcast(&console->changed);
}

/* Printing must not stop the guest: a full disk or closed pipe loses output only. */
static void print_pending(struct console *console)
{
	const char *text = console->line + console->written_len;
	size_t len = console->line_len - console->written_len;

	if (!len)
		return;
	fwrite(text, 1, len, stdout);
	fflush(stdout);
	if (console->file) {
		fwrite(text, 1, len, console->file);
		fflush(console->file);
	}
	console->written_len = console->line_len;
}

static void end_line(struct console *console)
{
	char line[CONSOLE_MAX_LINE + 1];
	size_t len = console->line_len;

	memcpy(line, console->line, len);
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	line[len] = '\0';
	print_pending(console);
	console->line_len = 0;
	console->written_len = 0;
	parse_line(console, line);
}

void console_emit(struct console *console, uint8_t byte)
{
	pthread_mutex_lock(&console->lock);
	console->line[console->line_len++] = (char)byte;
	if (byte == '\n' || console->line_len == CONSOLE_MAX_LINE)
		end_line(console);
	pthread_mutex_unlock(&console->lock);
}

void console_flush(struct console *console)
{
	pthread_mutex_lock(&console->lock);
	print_pending(console);
	pthread_mutex_unlock(&console->lock);
}

void console_get_facts(struct console *console, struct console_facts *ret_facts)
{
	pthread_mutex_lock(&console->lock);
	*ret_facts = console->facts;
	pthread_mutex_unlock(&console->lock);
}

static bool round_reached(const struct console_facts *facts, unsigned int n_vcpus, uint64_t round)
{
	for (unsigned int i = 0; i < n_vcpus; i++) {
		if (!facts->seen[i] || facts->round[i] < round)
			return false;
	}
	return true;
}

static void deadline_in(int timeout_ms, struct timespec *ret_deadline)
{
	clock_gettime(CLOCK_MONOTONIC, ret_deadline);
	ret_deadline->tv_sec += timeout_ms / 1000;
	ret_deadline->tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (ret_deadline->tv_nsec >= 1000000000) {
		ret_deadline->tv_sec++;
		ret_deadline->tv_nsec -= 1000000000;
	}
}

/* One step of waiting, with the lock held. */
static int wait_changed(struct console *console, const struct timespec *deadline)
{
	if (console->closed)
		return -ESHUTDOWN;
	return -pthread_cond_timedwait(&console->changed, &console->lock, deadline);
}

void console_close(struct console *console)
{
	pthread_mutex_lock(&console->lock);
	console->closed = true;
	pthread_cond_broadcast(&console->changed);
	pthread_mutex_unlock(&console->lock);
}

int console_wait_round(struct console *console, unsigned int n_vcpus, uint64_t round, int timeout_ms)
{
	struct timespec deadline;
	int err = 0;

	deadline_in(timeout_ms, &deadline);
	pthread_mutex_lock(&console->lock);
	while (!round_reached(&console->facts, n_vcpus, round) && !err)
		err = wait_changed(console, &deadline);
	pthread_mutex_unlock(&console->lock);
	return err ? error_set(err, "the guest did not finish round %" PRIu64 " on every vCPU", round) : 0;
}

int console_wait_fixed(struct console *console, int timeout_ms)
{
	struct timespec deadline;
	int err = 0;

	deadline_in(timeout_ms, &deadline);
	pthread_mutex_lock(&console->lock);
	while (!console->facts.fixed_end && !err)
		err = wait_changed(console, &deadline);
	pthread_mutex_unlock(&console->lock);
	return err ? error_set(err, "the guest did not say where its fixed pages are") : 0;
}

int console_get_ranges(struct console *console, struct console_range **ret_ranges, size_t *ret_n_ranges)
{
	struct console_range *ranges;
	int err = 0;

	pthread_mutex_lock(&console->lock);
	ranges = calloc(console->n_ranges ? console->n_ranges : 1, sizeof(*ranges));
	if (!ranges) {
		err = error_set(-ENOMEM, "the guest's fixed ranges cannot be copied");
	} else if (!console->facts.fixed_end || !console->n_ranges) {
		err = error_set(-ENODATA, "the guest has not printed its fixed ranges");
		free(ranges);
	} else {
		memcpy(ranges, console->ranges, console->n_ranges * sizeof(*ranges));
		*ret_ranges = ranges;
		*ret_n_ranges = console->n_ranges;
	}
	pthread_mutex_unlock(&console->lock);
	return err;
}

size_t console_save_line(struct console *console, char ret_line[CONSOLE_MAX_LINE])
{
	size_t len;

	pthread_mutex_lock(&console->lock);
	len = console->line_len;
	memcpy(ret_line, console->line, len);
	pthread_mutex_unlock(&console->lock);
	return len;
}

void console_restore_line(struct console *console, const char *line, size_t len)
{
	pthread_mutex_lock(&console->lock);
	memcpy(console->line, line, len);
	console->line_len = len;
	console->written_len = 0;
	pthread_mutex_unlock(&console->lock);
}
