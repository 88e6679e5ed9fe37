// SPDX-License-Identifier: MIT
/* incarnation: see incarnation.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <attest/session/record_file.h>
#include <sodium.h>

#include "incarnation.h"

#define TEXT_MAX 256u
#define NAME_LEN (2u * ATTEST_ID_LEN + 24u)

struct last {
	uint64_t number;	/* 0: none was seen */
	uint8_t ticket_id[ATTEST_ID_LEN];
};

static size_t encode(const struct last *last, char ret_text[TEXT_MAX])
{
	char hex[2 * ATTEST_ID_LEN + 1];

	sodium_bin2hex(hex, sizeof(hex), last->ticket_id, ATTEST_ID_LEN);
	return (size_t)snprintf(ret_text, TEXT_MAX, "gmem-incarnation 1\nnumber %" PRIu64 "\nticket %s\nend\n",
				last->number, hex);
}

/* A file has one text. */
static int decode(const char *text, size_t len, struct last *ret_last)
{
	char hex[2 * ATTEST_ID_LEN + 1], again[TEXT_MAX];
	size_t hex_len = 0;

	if (sscanf(text, "gmem-incarnation 1\nnumber %" SCNu64 "\nticket %64[0-9a-f]\nend\n", &ret_last->number, hex) != 2 ||
	    sodium_hex2bin(ret_last->ticket_id, ATTEST_ID_LEN, hex, strlen(hex), NULL, &hex_len, NULL) != 0 ||
	    hex_len != ATTEST_ID_LEN || ret_last->number == 0)
		return -EBADMSG;
	return encode(ret_last, again) == len && memcmp(again, text, len) == 0 ? 0 : -EBADMSG;
}

/* -ENOENT leaves @ret_last with the number 0. */
static int load(int dir_fd, const char *name, struct last *ret_last)
{
	char text[TEXT_MAX + 1];
	ssize_t n;
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	memset(ret_last, 0, sizeof(*ret_last));
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = read(fd, text, TEXT_MAX);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return decode(text, (size_t)n, ret_last);
}

/* Root may read the ticket for a service that will be another user (--user). */
static int give_to_owner(int dir_fd, int fd)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(dir_fd, &st) < 0)
		return -errno;
	return st.st_uid != 0 && fchown(fd, st.st_uid, st.st_gid) < 0 ? -errno : 0;
}

static int store(int dir_fd, const char *name, const struct last *last)
{
	char text[TEXT_MAX], temp[NAME_LEN + 8];
	const size_t len = encode(last, text);
	int fd, r = 0;

	snprintf(temp, sizeof(temp), "%s.new", name);
	fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = give_to_owner(dir_fd, fd);
	errno = 0;
	if (r == 0 && write(fd, text, len) != (ssize_t)len)
		r = errno != 0 ? -errno : -ENOSPC;
	else if (r == 0 && fsync(fd) < 0)
		r = -errno;
	close(fd);
	if (r == 0 && (renameat(dir_fd, temp, dir_fd, name) < 0 || fsync(dir_fd) < 0))
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, temp, 0);
	return r;
}

/* Did the guest run at a destination by that ticket, or may it have?  1: yes; -errno: its record cannot be read. */
static int took_effect(int dir_fd, const uint8_t ticket_id[ATTEST_ID_LEN], const uint8_t vm_id[ATTEST_ID_LEN])
{
	static const enum attest_role roles[] = { ATTEST_INITIATOR, ATTEST_RESPONDER };
	struct attest_session_record record = { .connection = 0 };
	char name[RECORD_FILE_NAME_LEN];
	size_t i;
	int r;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		record.role = roles[i];
		memcpy(record.ticket_id, ticket_id, ATTEST_ID_LEN);
		memcpy(record.vm_id, vm_id, ATTEST_ID_LEN);
		record_file_name(&record, name);
		r = record_file_load(dir_fd, name, &record);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (record.state != ATTEST_STATE_OFFERED && record.state != ATTEST_STATE_ABORTED &&
		    record.state != ATTEST_STATE_RESUMED)
			return 1;
	}
	return 0;
}

static int judge(int dir_fd, const struct last *last, const struct ticket *ticket, const uint8_t *ticket_id,
		 char *ret_error)
{
	int r = 0;

	if (last->number < ticket->incarnation || memcmp(last->ticket_id, ticket_id, ATTEST_ID_LEN) == 0)
		return 0;
	if (last->number == ticket->incarnation)
		r = took_effect(dir_fd, last->ticket_id, ticket->vm_id);
	if (r < 0) {
		snprintf(ret_error, INCARNATION_ERROR_LEN, "the record of the VM's last move cannot be read: %s",
			 strerror(-r));
		return r;
	}
	if (r == 0 && last->number == ticket->incarnation)
		return 0;
	snprintf(ret_error, INCARNATION_ERROR_LEN, "it is for the VM's move number %" PRIu64 ", and number %" PRIu64
		 " %s here: get one for number %" PRIu64, ticket->incarnation, last->number,
		 r == 1 ? "took effect" : "was begun", last->number + (r == 1));
	return -EACCES;
}

static int take_locked(int dir_fd, const struct ticket *ticket, const uint8_t *ticket_id, char *ret_error)
{
	struct last last, next = { .number = ticket->incarnation };
	char name[NAME_LEN];
	int r;

	sodium_bin2hex(name, sizeof(name), ticket->vm_id, ATTEST_ID_LEN);
	strcat(name, ".incarnation");
	r = load(dir_fd, name, &last);
	if (r < 0) {
		snprintf(ret_error, INCARNATION_ERROR_LEN, "%s cannot be read: %s", name, strerror(-r));
		return r;
	}
	r = judge(dir_fd, &last, ticket, ticket_id, ret_error);
	if (r < 0 || (last.number == next.number && memcmp(last.ticket_id, ticket_id, ATTEST_ID_LEN) == 0))
		return r;
	memcpy(next.ticket_id, ticket_id, ATTEST_ID_LEN);
	r = store(dir_fd, name, &next);
	if (r < 0)
		snprintf(ret_error, INCARNATION_ERROR_LEN, "%s cannot be written: %s", name, strerror(-r));
	return r;
}

int incarnation_take(const char *dir, const struct ticket *ticket, const uint8_t ticket_id[ATTEST_ID_LEN],
		     char ret_error[INCARNATION_ERROR_LEN])
{
	int fd, r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		fd = -1;
	else
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Two moves of one VM at a time: each sees what the other has written. */
	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		r = -errno;
		snprintf(ret_error, INCARNATION_ERROR_LEN, "%s cannot be used: %s; see --state-dir", dir, strerror(-r));
		if (fd >= 0)
			close(fd);
		return r;
	}
	r = take_locked(fd, ticket, ticket_id, ret_error);
	close(fd);
	return r;
}
