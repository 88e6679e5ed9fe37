// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fake_vm.h"
#include "manifest.h"

static struct fake_vm *vm_of(struct backend *backend)
{
	return (struct fake_vm *)backend;
}

static void clear_bit(uint64_t *map, uint64_t bit)
{
	map[bit / 64] &= ~(1ull << (bit % 64));
}

static uint64_t n_gfns(const struct fake_vm *vm)
{
	return vm->n_private + vm->n_shared;
}

static int fake_freeze(struct backend *backend)
{
	struct fake_vm *vm = vm_of(backend);
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (vm->gone)
		r = -ENODEV;
	else if (vm->frozen)
		r = -EALREADY;
	else if (vm->vcpu_runs)
		r = -EBUSY;
	else
		vm->frozen = true;
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static int fake_thaw(struct backend *backend)
{
	struct fake_vm *vm = vm_of(backend);
	int r;

	pthread_mutex_lock(&vm->lock);
	r = vm->gone ? -ENODEV : vm->frozen ? 0 : -EINVAL;
	vm->frozen = false;
	vm->n_thaws += r == 0;
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static int fake_extract(struct backend *backend, uint64_t gfn, uint64_t n_pages, void *ret_pages)
{
	struct fake_vm *vm = vm_of(backend);
	uint64_t i;
	int r = atomic_load(&vm->extract_error);

	pthread_mutex_lock(&vm->lock);
	if (vm->gone)
		r = -ENODEV;
	else if (!vm->frozen)
		r = -EBUSY;
	for (i = 0; i < n_pages && r == 0; i++) {
		if (gfn + i >= vm->n_private || !bitmap_test(vm->private_map, gfn + i))
			r = -EIO;
		else
			memcpy((uint8_t *)ret_pages + i * FAKE_PAGE, vm->pages + (gfn + i) * FAKE_PAGE, FAKE_PAGE);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static int fake_query(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
		      uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing)
{
	struct fake_vm *vm = vm_of(backend);
	const uint64_t *maps[] = {
		[BACKEND_MISSING] = vm->missing, [BACKEND_PRIVATE] = vm->private_map, [BACKEND_BACKED] = vm->backed,
	};
	uint64_t i, n_set = 0, n_missing = 0;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < n_gfns(vm); i++)
		n_missing += bitmap_test(vm->missing, i);
	for (i = 0; i < n_pages; i++) {
		if (gfn + i >= n_gfns(vm) || !bitmap_test(maps[set], gfn + i))
			continue;
		n_set++;
		if (ret_bitmap != NULL)
			bitmap_set(ret_bitmap, i);
	}
	i = vm->gone;
	pthread_mutex_unlock(&vm->lock);
	if (i)
		return -ENODEV;
	if (ret_n_set != NULL)
		*ret_n_set = n_set;
	if (ret_n_missing != NULL)
		*ret_n_missing = n_missing;
	return 0;
}

/* One page; the lock is held. */
static int populate_page(struct fake_vm *vm, struct backend_run *run)
{
	const uint64_t gfn = run->gfn + run->n_done;
	uint8_t *page = vm->pages + gfn * FAKE_PAGE;

	if (gfn >= vm->n_private || !bitmap_test(vm->private_map, gfn)) {
		run->result = BACKEND_NOT_PRIVATE;
		return -EIO;
	}
	if (!bitmap_test(vm->missing, gfn)) {
		run->n_skipped++;
	} else {
		if (run->data != NULL)
			memcpy(page, (const uint8_t *)run->data + run->n_done * FAKE_PAGE, FAKE_PAGE);
		else
			memset(page, 0, FAKE_PAGE);
		bitmap_set(vm->backed, gfn);
		clear_bit(vm->missing, gfn);
		clear_bit(vm->reported, gfn);
		pthread_cond_broadcast(&vm->changed);
	}
	run->n_done++;
	return 0;
}

static int fake_populate(struct backend *backend, struct backend_run *runs, size_t n_runs)
{
	struct fake_vm *vm = vm_of(backend);
	const struct timespec delay = { .tv_nsec = (long)atomic_load(&vm->populate_delay_us) * 1000 };
	size_t i;
	int r = 0;

	if (delay.tv_nsec > 0 && runs[0].n_pages + n_runs > 2)
		nanosleep(&delay, NULL);	/* large records alone: bulk is slow, urgent is not */
	pthread_mutex_lock(&vm->lock);
	if (vm->gone)
		r = -ENODEV;
	for (i = 0; i < n_runs && r == 0; i++)
		while (runs[i].n_done < runs[i].n_pages && r == 0)
			r = populate_page(vm, &runs[i]);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static int fake_mark_present(struct backend *backend, uint64_t gfn, uint64_t n_pages)
{
	struct fake_vm *vm = vm_of(backend);
	uint64_t i;
	int r;

	pthread_mutex_lock(&vm->lock);
	r = vm->gone ? -ENODEV : 0;
	for (i = 0; i < n_pages && r == 0; i++)
		if (bitmap_test(vm->private_map, gfn + i) && bitmap_test(vm->missing, gfn + i))
			r = -EINVAL;
	for (i = 0; i < n_pages && r == 0; i++) {
		if (!bitmap_test(vm->missing, gfn + i))
			vm->n_rewritten++;
		clear_bit(vm->missing, gfn + i);
		clear_bit(vm->reported, gfn + i);
	}
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static int fake_wait_events(struct backend *backend, int stop_fd, struct backend_event *ret_events, size_t n_max,
			    size_t *ret_n)
{
	struct fake_vm *vm = vm_of(backend);
	struct pollfd fds[2] = { { .fd = vm->event_fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
	uint64_t count;
	int r;

	*ret_n = 0;
	poll(fds, 2, -1);
	if (fds[1].revents != 0)
		return 0;
	if (read(vm->event_fd, &count, sizeof(count)) < 0)
		return 0;
	pthread_mutex_lock(&vm->lock);
	r = vm->gone ? -ENODEV : 0;
	if (r == 0 && vm->n_events <= n_max) {
		memcpy(ret_events, vm->events, vm->n_events * sizeof(vm->events[0]));
		*ret_n = vm->n_events;
		vm->n_events = 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* Fail closed if nobody is left who could bring a page; else what this one had read is reported again. */
static void fake_close(struct backend *backend)
{
	struct fake_vm *vm = vm_of(backend);

	pthread_mutex_lock(&vm->lock);
	vm->n_sessions--;
	memset(vm->reported, 0, bitmap_words(n_gfns(vm)) * sizeof(uint64_t));
	vm->n_events = 0;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

static const struct backend_ops fake_ops = {
	.name = "kvm",	/* in whose place it is */
	.freeze = fake_freeze,
	.thaw = fake_thaw,
	.extract = fake_extract,
	.query = fake_query,
	.populate = fake_populate,
	.mark_present = fake_mark_present,
	.wait_events = fake_wait_events,
	.close = fake_close,
};

bool fake_vm_by_uffd(void)
{
	const char *which = getenv("TEST_VM");

	return which != NULL && strcmp(which, "uffd") == 0;
}

int fake_vm_init(struct fake_vm *vm, uint64_t n_private, uint64_t n_shared)
{
	const size_t n_words = bitmap_words(n_private + n_shared);
	uint64_t i;

	memset(vm, 0, sizeof(*vm));
	vm->backend.ops = &fake_ops;
	vm->n_private = n_private;
	vm->n_shared = n_shared;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->changed, NULL);
	vm->pages = calloc(n_private + 1, FAKE_PAGE);
	vm->missing = calloc(n_words + 1, sizeof(uint64_t));
	vm->private_map = calloc(n_words + 1, sizeof(uint64_t));
	vm->backed = calloc(n_words + 1, sizeof(uint64_t));
	vm->reported = calloc(n_words + 1, sizeof(uint64_t));
	vm->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fake_vm_by_uffd())
		return fake_uffd_init(vm);
	vm->memfd = memfd_create("fake-vm", MFD_CLOEXEC);
	if (ftruncate(vm->memfd, (off_t)((n_private + n_shared) * FAKE_PAGE)) < 0)
		return -errno;
	vm->shared = mmap(NULL, (n_private + n_shared) * FAKE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->memfd, 0);
	for (i = 0; i < n_private; i++) {
		bitmap_set(vm->private_map, i);
		bitmap_set(vm->backed, i);
	}
	return vm->shared == MAP_FAILED || vm->pages == NULL ? -ENOMEM : 0;
}

void fake_vm_fini(struct fake_vm *vm)
{
	munmap(vm->shared, n_gfns(vm) * FAKE_PAGE);
	if (vm->uffd != NULL)
		fake_uffd_fini(vm);
	else
		close(vm->memfd);
	close(vm->event_fd);
	free(vm->pages);
	free(vm->missing);
	free(vm->private_map);
	free(vm->backed);
	free(vm->reported);
	pthread_cond_destroy(&vm->changed);
	pthread_mutex_destroy(&vm->lock);
}

struct backend *fake_vm_session(struct fake_vm *vm)
{
	if (vm->uffd != NULL)
		return fake_uffd_session(vm);
	pthread_mutex_lock(&vm->lock);
	vm->n_sessions++;
	pthread_mutex_unlock(&vm->lock);
	return &vm->backend;
}

void fake_vm_empty(struct fake_vm *vm)
{
	uint64_t i;

	if (vm->uffd != NULL) {
		fake_uffd_empty(vm);
		return;
	}
	for (i = 0; i < n_gfns(vm); i++) {
		bitmap_set(vm->missing, i);
		clear_bit(vm->backed, i);
	}
	memset(vm->pages, 0xee, vm->n_private * FAKE_PAGE);	/* what nobody may ever see */
	memset(vm->shared, 0xee, n_gfns(vm) * FAKE_PAGE);
}

void fake_vm_set_private(struct fake_vm *vm, uint64_t gfn, bool is_private)
{
	pthread_mutex_lock(&vm->lock);
	if (is_private)
		bitmap_set(vm->private_map, gfn);
	else
		clear_bit(vm->private_map, gfn);
	pthread_mutex_unlock(&vm->lock);
}

void fake_vm_set_missing(struct fake_vm *vm, uint64_t gfn)
{
	pthread_mutex_lock(&vm->lock);
	bitmap_set(vm->missing, gfn);
	pthread_mutex_unlock(&vm->lock);
}

bool fake_vm_is_missing(struct fake_vm *vm, uint64_t gfn)
{
	bool missing;

	if (vm->uffd != NULL)
		return fake_uffd_is_missing(vm, gfn);
	pthread_mutex_lock(&vm->lock);
	missing = bitmap_test(vm->missing, gfn);
	pthread_mutex_unlock(&vm->lock);
	return missing;
}

uint64_t fake_vm_count_missing(struct fake_vm *vm)
{
	uint64_t n = 0, gfn;

	for (gfn = 0; gfn < n_gfns(vm) && vm->uffd != NULL; gfn++)
		n += fake_uffd_is_missing(vm, gfn);
	if (vm->uffd != NULL)
		return n;
	if (fake_query(&vm->backend, BACKEND_MISSING, 0, 1, NULL, NULL, &n) < 0)
		return UINT64_MAX;
	return n;
}

void fake_vm_kill(struct fake_vm *vm)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&vm->lock);
	vm->gone = true;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	if (write(vm->event_fd, &one, sizeof(one)) < 0)
		abort();
}

uint8_t *fake_vm_page(struct fake_vm *vm, uint64_t gfn)
{
	const bool is_private = gfn < vm->n_private && bitmap_test(vm->private_map, gfn);

	return (is_private ? vm->pages : vm->shared) + gfn * FAKE_PAGE;
}

int fake_vm_touch(struct fake_vm *vm, uint64_t gfn)
{
	const uint64_t one = 1;
	int r = 0;

	if (vm->uffd != NULL)
		return fake_uffd_touch(vm, gfn);
	pthread_mutex_lock(&vm->lock);
	while (bitmap_test(vm->missing, gfn) && r == 0) {
		if (vm->n_sessions == 0 || vm->gone) {
			r = -EFAULT;
		} else if (!bitmap_test(vm->reported, gfn) && vm->n_events < FAKE_EVENTS_MAX) {
			bitmap_set(vm->reported, gfn);
			vm->events[vm->n_events++] = (struct backend_event){ .gfn = gfn };
			if (write(vm->event_fd, &one, sizeof(one)) < 0)
				abort();
		} else {
			pthread_cond_wait(&vm->changed, &vm->lock);
		}
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}
