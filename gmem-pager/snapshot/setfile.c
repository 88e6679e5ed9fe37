// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "../manifest.h"
#include "setfile.h"

struct setfile_writer {
	char path[PATH_MAX];		/* for people */
	char name[NAME_MAX + 1], partial[NAME_MAX + 1];	/* in the folder */
	int dir_fd, fd;
	bool has_partial;
};

/* A sentence that begins with what failed; returns @r. */
static int fail(const struct setfile_writer *writer, int r, char *ret_error, const char *what, const char *suffix)
{
	snprintf(ret_error, SETFILE_ERROR_LEN, "cannot %s the working set %.80s%s: %s", what, writer->path, suffix,
		 strerror(-r));
	return r;
}

/* ---- writing ---- */

static int split(struct setfile_writer *writer, const char *path, char ret_folder[PATH_MAX])
{
	char copy[PATH_MAX];

	if (path[0] == '\0')
		return -ENOENT;
	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(writer->path, path);
	strcpy(copy, path);
	strcpy(ret_folder, dirname(copy));
	strcpy(copy, path);
	if ((size_t)snprintf(writer->partial, sizeof(writer->partial), "%s" SETFILE_PARTIAL, basename(copy)) >=
	    sizeof(writer->partial))
		return -ENAMETOOLONG;
	memcpy(writer->name, writer->partial, strlen(writer->partial) - strlen(SETFILE_PARTIAL));
	return path[strlen(path) - 1] == '/' ? -EISDIR : 0;
}

/* What has the name is replaced at the end: that may be a working set, and nothing else, the snapshot least of all. */
static int check_name(const struct setfile_writer *writer, char *ret_error)
{
	const int fd = openat(writer->dir_fd, writer->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char magic[SNAPSET_MAGIC_LEN] = "";
	bool is_set;

	if (fd < 0 && errno == ENOENT)
		return 0;
	is_set = fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) &&
		 memcmp(magic, SNAPSET_MAGIC, sizeof(magic)) == 0;
	if (fd >= 0)
		close(fd);
	if (is_set)
		return 0;
	snprintf(ret_error, SETFILE_ERROR_LEN, "%.80s is there already and is no working set: name another file",
		 writer->path);
	return -EEXIST;
}

/* Who writes one holds its lock, and the lock goes with the process. */
static int remove_left_over(const struct setfile_writer *writer, char *ret_error)
{
	const int fd = openat(writer->dir_fd, writer->partial, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : fail(writer, -errno, ret_error, "make", SETFILE_PARTIAL);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		snprintf(ret_error, SETFILE_ERROR_LEN, "another process records the working set %.80s: name another file",
			 writer->path);
		r = -EBUSY;
	} else if (unlinkat(writer->dir_fd, writer->partial, 0) < 0) {
		r = fail(writer, -errno, ret_error, "remove what is left over of", SETFILE_PARTIAL);
	}
	close(fd);
	return r;
}

static int open_files(struct setfile_writer *writer, const char *folder, char *ret_error)
{
	int r;

	writer->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->dir_fd < 0)
		return fail(writer, -errno, ret_error, "open the folder of", "");
	r = check_name(writer, ret_error);
	if (r == 0)
		r = remove_left_over(writer, ret_error);
	if (r < 0)
		return r;
	writer->fd = openat(writer->dir_fd, writer->partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (writer->fd < 0)
		return fail(writer, -errno, ret_error, "make", SETFILE_PARTIAL);
	writer->has_partial = true;
	return flock(writer->fd, LOCK_EX | LOCK_NB) < 0 ? fail(writer, -errno, ret_error, "lock", SETFILE_PARTIAL) : 0;
}

int setfile_writer_open(const char *path, struct setfile_writer **ret_writer, char *ret_error)
{
	struct setfile_writer *writer = calloc(1, sizeof(*writer));
	char folder[PATH_MAX];
	int r;

	if (writer == NULL) {
		snprintf(ret_error, SETFILE_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	writer->fd = writer->dir_fd = -1;
	signal(SIGXFSZ, SIG_IGN);	/* a limit of the length of files is an error like another */
	r = split(writer, path, folder);
	if (r < 0)
		fail(writer, r, ret_error, "write", "");
	else
		r = open_files(writer, folder, ret_error);
	if (r < 0) {
		setfile_writer_free(writer);
		return r;
	}
	*ret_writer = writer;
	return 0;
}

/* syscalls: close unlinkat */
void setfile_writer_free(struct setfile_writer *writer)
{
	if (writer == NULL)
		return;
	if (writer->has_partial)
		(void)unlinkat(writer->dir_fd, writer->partial, 0);
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->dir_fd >= 0)
		close(writer->dir_fd);
	free(writer);
}

int setfile_writer_give(struct setfile_writer *writer, uid_t uid, gid_t gid, char *ret_error)
{
	return fchown(writer->fd, uid, gid) < 0 ? fail(writer, -errno, ret_error, "give away", SETFILE_PARTIAL) : 0;
}

/* syscalls: write */
static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, bytes + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		done += (size_t)n;
	}
	return 0;
}

/* Header and sealed map; the caller's, free(). */
static int make_bytes(const struct snapfile_reader *reader, const uint64_t *map, uint8_t **ret_bytes, size_t *ret_len)
{
	struct snapset_header header = { .n_pages = snapfile_reader_header(reader)->n_pages };
	const size_t map_len = snapset_map_len(header.n_pages);
	uint8_t *bytes = malloc(SNAPSET_HEADER_LEN + map_len), *sealed;

	if (bytes == NULL)
		return -ENOMEM;
	sealed = bytes + SNAPSET_HEADER_LEN;
	memcpy(header.root, snapfile_reader_root(reader), SNAPFILE_ROOT_LEN);
	randombytes_buf(header.nonce, sizeof(header.nonce));
	snapset_header_encode(&header, bytes);
	snapset_map_encode(map, header.n_pages, sealed);
	snapfile_seal_set(snapfile_reader_keys(reader), bytes, sealed, map_len, header.tag);
	snapset_header_encode(&header, bytes);
	*ret_bytes = bytes;
	*ret_len = SNAPSET_HEADER_LEN + map_len;
	return 0;
}

/* syscalls: fsync renameat renameat2 */
static int publish(struct setfile_writer *writer, char *ret_error)
{
	if (fsync(writer->fd) < 0)
		return fail(writer, -errno, ret_error, "bring to the disk", SETFILE_PARTIAL);
	if (renameat(writer->dir_fd, writer->partial, writer->dir_fd, writer->name) < 0)
		return fail(writer, -errno, ret_error, "give its name to", SETFILE_PARTIAL);
	writer->has_partial = false;
	return fsync(writer->dir_fd) < 0 ? fail(writer, -errno, ret_error, "bring to the disk", "") : 0;
}

int setfile_writer_write(struct setfile_writer *writer, const struct snapfile_reader *reader, const uint64_t *map,
			 char *ret_error)
{
	uint8_t *bytes;
	size_t len;
	int r = make_bytes(reader, map, &bytes, &len);

	if (r < 0)
		return fail(writer, r, ret_error, "write", "");
	r = write_all(writer->fd, bytes, len);
	free(bytes);
	return r < 0 ? fail(writer, r, ret_error, "write", SETFILE_PARTIAL) : publish(writer, ret_error);
}

/* ---- reading ---- */

int setfile_open(const char *path, int *ret_fd, char *ret_error)
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	if (r < 0) {
		snprintf(ret_error, SETFILE_ERROR_LEN, "cannot open the working set %.80s: %s", path,
			 r == -EINVAL ? "it is no file" : strerror(-r));
		if (fd >= 0)
			close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int refuse(int r, const char *path, const char *what, char *ret_error)
{
	snprintf(ret_error, SETFILE_ERROR_LEN, "the working set %.80s %s", path, what);
	return r;
}

static int refuse_io(int r, const char *path, char *ret_error)
{
	snprintf(ret_error, SETFILE_ERROR_LEN, "cannot read the working set %.80s: %s", path, strerror(-r));
	return r;
}

/* -ENODATA: the file ends before. */
/* syscalls: pread64 */
static int read_at(int fd, off_t off, uint8_t *ret_bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = pread(fd, ret_bytes, len, off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		ret_bytes += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Whose it says it is; nothing of that is believed before the seal holds, which covers it. */
static int read_header(int fd, const char *path, const struct snapfile_reader *reader,
		       uint8_t ret_bytes[SNAPSET_HEADER_LEN], struct snapset_header *ret_header, char *ret_error)
{
	const off_t file_len = lseek(fd, 0, SEEK_END);
	const char *why = "";
	int r;

	if (file_len < 0)
		return refuse_io(-errno, path, ret_error);
	if (file_len < (off_t)SNAPSET_HEADER_LEN)
		return refuse(-EBADMSG, path, "is cut short, or is none", ret_error);
	r = read_at(fd, 0, ret_bytes, SNAPSET_HEADER_LEN);
	if (r < 0)
		return refuse_io(r, path, ret_error);
	r = snapset_header_decode(ret_bytes, (uint64_t)file_len, ret_header, &why);
	if (r < 0)
		return refuse(r, path, why, ret_error);
	if (memcmp(ret_header->root, snapfile_reader_root(reader), SNAPFILE_ROOT_LEN) != 0)
		return refuse(-ESTALE, path, "is of another snapshot: record one of this snapshot, or leave the option out",
			      ret_error);
	if (ret_header->n_pages != snapfile_reader_header(reader)->n_pages)
		return refuse(-EBADMSG, path, "is of a VM of another size than the snapshot's", ret_error);
	return 0;
}

/* @bytes: as long as the map. */
static int read_map(int fd, const struct snapfile_reader *reader, const uint8_t head[SNAPSET_HEADER_LEN],
		    const struct snapset_header *header, uint8_t *bytes, uint64_t *ret_map)
{
	const size_t len = snapset_map_len(header->n_pages);
	int r = read_at(fd, SNAPSET_HEADER_LEN, bytes, len);

	if (r == 0)
		r = snapfile_unseal_set(snapfile_reader_keys(reader), head, bytes, len, header->tag);
	if (r == 0)
		r = snapset_map_decode(bytes, len, header->n_pages, ret_map);
	sodium_memzero(bytes, len);
	return r;
}

int setfile_read(int fd, const char *path, const struct snapfile_reader *reader, uint64_t **ret_map, char *ret_error)
{
	uint8_t head[SNAPSET_HEADER_LEN], *bytes;
	struct snapset_header header;
	uint64_t *map;
	int r = read_header(fd, path, reader, head, &header, ret_error);

	if (r < 0)
		return r;
	bytes = malloc(snapset_map_len(header.n_pages));
	map = calloc(bitmap_words(header.n_pages), sizeof(*map));
	r = bytes == NULL || map == NULL ? -ENOMEM : read_map(fd, reader, head, &header, bytes, map);
	free(bytes);
	if (r == 0) {
		*ret_map = map;
		return 0;
	}
	if (map != NULL)
		sodium_memzero(map, bitmap_words(header.n_pages) * sizeof(*map));
	free(map);
	if (r == -ERANGE)
		return refuse(-EBADMSG, path, "names a page that the VM does not have", ret_error);
	return r == -EBADMSG ? refuse(r, path, "was altered: it is not what gmem-source has recorded", ret_error) :
	       refuse_io(r, path, ret_error);
}
