// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <sodium.h>

#include "../manifest.h"
#include "setfile.h"

struct setfile_writer {
	struct file_names names;
	int dir_fd, fd;
	bool has_partial;
};

/* A sentence that begins with what failed; returns @r. */
static int fail(const struct setfile_writer *writer, int r, char *ret_error, const char *what, const char *suffix)
{
	snprintf(ret_error, SETFILE_ERROR_LEN, "cannot %s the working set %.80s%s: %s", what, writer->names.path, suffix,
		 strerror(-r));
	return r;
}

/* ---- writing ---- */

/* What has the name is replaced at the end: that may be a working set, and nothing else, the snapshot least of all. */
static int check_name(const struct setfile_writer *writer, char *ret_error)
{
	const int fd = openat(writer->dir_fd, writer->names.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
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
		 writer->names.path);
	return -EEXIST;
}

/* Who writes one holds its lock, and the lock goes with the process. */
static int remove_left_over(const struct setfile_writer *writer, char *ret_error)
{
	const int fd = openat(writer->dir_fd, writer->names.partial, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : fail(writer, -errno, ret_error, "make", FILE_PARTIAL);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		snprintf(ret_error, SETFILE_ERROR_LEN, "another process records the working set %.80s: name another file",
			 writer->names.path);
		r = -EBUSY;
	} else if (unlinkat(writer->dir_fd, writer->names.partial, 0) < 0) {
		r = fail(writer, -errno, ret_error, "remove what is left over of", FILE_PARTIAL);
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
	writer->fd = openat(writer->dir_fd, writer->names.partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (writer->fd < 0)
		return fail(writer, -errno, ret_error, "make", FILE_PARTIAL);
	writer->has_partial = true;
	return flock(writer->fd, LOCK_EX | LOCK_NB) < 0 ? fail(writer, -errno, ret_error, "lock", FILE_PARTIAL) : 0;
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
	r = file_split(path, &writer->names, folder);
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
		(void)unlinkat(writer->dir_fd, writer->names.partial, 0);
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->dir_fd >= 0)
		close(writer->dir_fd);
	free(writer);
}

int setfile_writer_give(struct setfile_writer *writer, uid_t uid, gid_t gid, char *ret_error)
{
	return fchown(writer->fd, uid, gid) < 0 ? fail(writer, -errno, ret_error, "give away", FILE_PARTIAL) : 0;
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
		return fail(writer, -errno, ret_error, "bring to the disk", FILE_PARTIAL);
	if (renameat(writer->dir_fd, writer->names.partial, writer->dir_fd, writer->names.name) < 0)
		return fail(writer, -errno, ret_error, "give its name to", FILE_PARTIAL);
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
	r = file_write(writer->fd, bytes, len);
	free(bytes);
	return r < 0 ? fail(writer, r, ret_error, "write", FILE_PARTIAL) : publish(writer, ret_error);
}

/* ---- reading ---- */

int setfile_open(const char *path, int *ret_fd, char *ret_error)
{
	int r = file_open(path, ret_fd);

	if (r < 0)
		snprintf(ret_error, SETFILE_ERROR_LEN, "cannot open the working set %.80s: %s", path,
			 r == -EINVAL ? "it is no file" : strerror(-r));
	return r;
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
	r = file_read_at(fd, 0, ret_bytes, SNAPSET_HEADER_LEN);
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
	int r = file_read_at(fd, SNAPSET_HEADER_LEN, bytes, len);

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
