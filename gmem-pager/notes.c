// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limit.h"
#include "notes.h"

#define NAME_LEN 160u

static void note_name(char ret_name[NAME_LEN], const char *record_name, const char *kind, const char *suffix)
{
	snprintf(ret_name, NAME_LEN, "%s.%s%s", record_name, kind, suffix);
}

/* syscalls: close openat renameat renameat2 write */
int notes_write(int dir_fd, const char *record_name, const char *kind, const char *line)
{
	char name[NAME_LEN], fresh[NAME_LEN], text[NOTES_LINE_MAX];
	int fd, len, r = 0;

	note_name(name, record_name, kind, "");
	note_name(fresh, record_name, kind, ".new");
	len = snprintf(text, sizeof(text) - 1, "%s", line);
	if (len > (int)sizeof(text) - 2)
		len = (int)sizeof(text) - 2;
	text[len++] = '\n';
	fd = openat(dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)len) != len)
		r = -EIO;
	close(fd);
	if (r == 0 && renameat(dir_fd, fresh, dir_fd, name) < 0)
		r = -errno;
	return r;
}

/* syscalls: close fstat geteuid newfstatat openat read */
int notes_read(int dir_fd, const char *record_name, const char *kind, char ret_line[NOTES_LINE_MAX])
{
	char name[NAME_LEN];
	struct stat st;
	ssize_t n = -1, i;
	int fd;

	note_name(name, record_name, kind, "");
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 022) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid())) {
		close(fd);
		return -EPERM;
	}
	n = read(fd, ret_line, NOTES_LINE_MAX - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	for (i = 0; i < n && ret_line[i] != '\n'; i++)
		if (ret_line[i] < 0x20 || ret_line[i] > 0x7e)
			ret_line[i] = '?';	/* it goes to terminals */
	ret_line[i] = '\0';
	return 0;
}

/* syscalls: unlinkat */
void notes_remove(int dir_fd, const char *record_name, const char *kind)
{
	char name[NAME_LEN];

	note_name(name, record_name, kind, "");
	(void)unlinkat(dir_fd, name, 0);
}

void notes_put_command(const struct attest_session_command *command, char ret_line[NOTES_LINE_MAX])
{
	snprintf(ret_line, NOTES_LINE_MAX, "abandon %u %llu %s", command->uid, (unsigned long long)command->time_s,
		 command->reason);
}

int notes_get_command(const char *line, struct attest_session_command *ret_command)
{
	unsigned long long time_s;
	unsigned int uid;
	int at = 0;

	*ret_command = (struct attest_session_command){ .event = ATTEST_EVENT_OP_ABANDON };
	if (sscanf(line, "abandon %u %llu %n", &uid, &time_s, &at) != 2 || at == 0 || line[at] == '\0' ||
	    strlen(line + at) > SESSION_REASON_MAX)
		return -EBADMSG;
	ret_command->uid = uid;
	ret_command->time_s = time_s;
	memcpy(ret_command->reason, line + at, strlen(line + at) + 1);
	return 0;
}

void notes_put_limit(uint64_t bytes_per_s, uint32_t uid, char ret_line[NOTES_LINE_MAX])
{
	snprintf(ret_line, NOTES_LINE_MAX, "%llu by %u", (unsigned long long)bytes_per_s, uid);
}

int notes_get_limit(const char *line, uint64_t *ret_bytes_per_s, uint32_t *ret_uid)
{
	char number[24];
	unsigned int uid;
	int at = 0;

	if (sscanf(line, "%23[0-9] by %u%n", number, &uid, &at) != 2 || at == 0 || line[at] != '\0' ||
	    limit_parse(number, ret_bytes_per_s) < 0)
		return -EBADMSG;
	*ret_uid = uid;
	return 0;
}
