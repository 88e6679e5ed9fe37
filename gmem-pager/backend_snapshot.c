// SPDX-License-Identifier: MIT
/*
 * A source whose memory is a snapshot file: it was frozen when it was written, and nothing is ever missing in it.  Where a
 * session goes on it is frozen already, as the VM of a process before this one would be.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend_snapshot.h"

struct backend_snapshot {
	struct backend backend;
	struct snapfile_reader *reader;
	atomic_bool frozen;
	pthread_mutex_t lock;
	char error[SNAPFILE_READ_ERROR_LEN];	/* lock; of the first page that is not what was written */
};

static struct backend_snapshot *of(struct backend *backend)
{
	return (struct backend_snapshot *)backend;
}

static int snapshot_freeze(struct backend *backend)
{
	return atomic_exchange(&of(backend)->frozen, true) ? -EALREADY : 0;
}

static int snapshot_thaw(struct backend *backend)
{
	atomic_store(&of(backend)->frozen, false);
	return 0;
}

static int snapshot_extract(struct backend *backend, uint64_t gfn, uint64_t n_pages, void *ret_pages)
{
	struct backend_snapshot *bs = of(backend);
	char error[SNAPFILE_READ_ERROR_LEN] = "";
	uint64_t index;
	int r = manifest_index(snapfile_reader_manifest(bs->reader), gfn, &index);

	if (r == 0)
		r = snapfile_reader_pages(bs->reader, index, n_pages, ret_pages, error);
	if (r < 0) {
		pthread_mutex_lock(&bs->lock);
		if (bs->error[0] == '\0')
			memcpy(bs->error, error, sizeof(error));
		pthread_mutex_unlock(&bs->lock);
	}
	return r;
}

static void snapshot_explain(struct backend *backend, char *ret_text, size_t len)
{
	struct backend_snapshot *bs = of(backend);

	pthread_mutex_lock(&bs->lock);
	snprintf(ret_text, len, "%s", bs->error);
	pthread_mutex_unlock(&bs->lock);
}

static bool is_in(const struct manifest *manifest, enum backend_set set, uint64_t index)
{
	switch (set) {
	case BACKEND_PRIVATE:
		return bitmap_test(manifest->private_map, index);
	case BACKEND_BACKED:
		return bitmap_test(manifest->backed_map, index);
	default:
		return false;
	}
}

static int snapshot_query(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
			  uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing)
{
	const struct manifest *manifest = snapfile_reader_manifest(of(backend)->reader);
	uint64_t index, n_set = 0, i;
	int r = manifest_index(manifest, gfn, &index);

	if (r < 0 || n_pages > manifest->n_pages - index)
		return r < 0 ? r : -EINVAL;
	for (i = 0; i < n_pages; i++) {
		if (!is_in(manifest, set, index + i))
			continue;
		n_set++;
		if (ret_bitmap != NULL)
			bitmap_set(ret_bitmap, i);
	}
	if (ret_n_set != NULL)
		*ret_n_set = n_set;
	if (ret_n_missing != NULL)
		*ret_n_missing = 0;
	return 0;
}

/* Nobody writes into a snapshot, or waits for a page of one. */
static int snapshot_populate(struct backend *backend, struct backend_run *runs, size_t n_runs)
{
	return -EOPNOTSUPP;
}

static int snapshot_mark_present(struct backend *backend, uint64_t gfn, uint64_t n_pages)
{
	return -EOPNOTSUPP;
}

static int snapshot_wait_events(struct backend *backend, int stop_fd, struct backend_event *ret_events, size_t n_max,
				size_t *ret_n)
{
	return -EOPNOTSUPP;
}

static void snapshot_close(struct backend *backend)
{
	pthread_mutex_destroy(&of(backend)->lock);
	free(of(backend));
}

int backend_snapshot_new(struct snapfile_reader *reader, bool again, struct backend **ret_backend)
{
	static const struct backend_ops ops = {
		.name = "snapshot", .shared_too = true, .freeze = snapshot_freeze, .thaw = snapshot_thaw,
		.extract = snapshot_extract, .explain = snapshot_explain, .query = snapshot_query, .populate = snapshot_populate,
		.mark_present = snapshot_mark_present, .wait_events = snapshot_wait_events, .close = snapshot_close,
	};
	struct backend_snapshot *bs = calloc(1, sizeof(*bs));

	if (bs == NULL)
		return -ENOMEM;
	bs->backend.ops = &ops;
	bs->reader = reader;
	pthread_mutex_init(&bs->lock, NULL);
	atomic_store(&bs->frozen, again);
	*ret_backend = &bs->backend;
	return 0;
}
