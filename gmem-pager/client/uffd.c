// SPDX-License-Identifier: MIT
/*
 * A VM of shared memory under userfaultfd.  When the last descriptor of a userfaultfd is closed the kernel lets all
 * that wait go on, and fills what is missing with zeros.  So one descriptor stays in this process, which is where the
 * memory's readers are, for as long as a page may be missing: also after gmem_close(), and then on purpose.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "client.h"
#include "regions.h"

/* Nobody has to be held: not a reader at the destination, not a late writer at the source. */
static bool is_safe(const struct gmem_client *client)
{
	if (!client->attached || client->phase == GMEM_PHASE_COMPLETE)
		return true;
	return client->role == GMEM_ROLE_SOURCE && (!client->started || client->phase == GMEM_PHASE_ABORTED);
}

static void disarm(const struct client_custody *custody)
{
	size_t i;

	for (i = 0; i < custody->n_regions; i++) {
		struct uffdio_range range = { .start = custody->addresses[i], .len = custody->regions[i].size };

		(void)ioctl(custody->keep_fd, UFFDIO_UNREGISTER, &range);	/* the VMM may have unmapped it */
	}
}

void uffd_settle(struct gmem_client *client)
{
	struct client_custody *custody = &client->custody;

	if (!custody->uffd || custody->keep_fd < 0 || client->phase != GMEM_PHASE_COMPLETE)
		return;
	disarm(custody);
	close(custody->keep_fd);
	custody->keep_fd = -1;
}

void uffd_let_go(struct gmem_client *client)
{
	uffd_settle(client);
	if (client->custody.keep_fd >= 0 && is_safe(client))
		close(client->custody.keep_fd);
	client->custody.keep_fd = -1;
}

static int check_arguments(struct gmem_client *client, int uffd, const struct gmem_region *regions,
			   void *const *addresses, size_t n_regions)
{
	size_t i;

	if (addresses == NULL || regions == NULL || n_regions == 0 || n_regions > GMEM_MAX_REGIONS)
		return client_fail(client, -EINVAL, "there are 1 to %u regions, each with an address", GMEM_MAX_REGIONS);
	if (uffd < 0 && client->role == GMEM_ROLE_PAGER)
		return client_fail(client, -EINVAL, "a destination needs a userfaultfd");
	if (client->attached)
		return client_fail(client, -EALREADY, "a VM is attached to this handle already");
	for (i = 0; i < n_regions; i++)
		client->custody.addresses[i] = (uintptr_t)addresses[i];
	if (!regions_uffd_valid(regions, client->custody.addresses, n_regions))
		return client_fail(client, -EINVAL, "regions must be page aligned, not empty, sorted by gpa, apart, and of "
				   "a shared fd alone, and their addresses page aligned and apart");
	return 0;
}

int gmem_attach_uffd(gmem_client *client, int uffd, const struct gmem_region *regions, void *const *addresses,
		     size_t n_regions)
{
	struct client_custody *custody;
	int r;

	if (client == NULL || uffd < -1)
		return -EINVAL;
	custody = &client->custody;
	r = check_arguments(client, uffd, regions, addresses, n_regions);
	if (r < 0)
		return r;
	custody->uffd = true;
	r = custody_keep(client, regions, n_regions);
	if (r == 0 && uffd >= 0) {
		custody->keep_fd = fcntl(uffd, F_DUPFD_CLOEXEC, 3);
		if (custody->keep_fd < 0)
			r = client_fail(client, -errno, "cannot duplicate the userfaultfd: %s", strerror(errno));
	}
	if (r == 0)
		r = client_attach(client, uffd, regions, custody->addresses, n_regions, 0);
	client->attached = r == 0;
	if (r < 0) {
		custody_fini(client);
		custody->uffd = false;
	}
	return r;
}
