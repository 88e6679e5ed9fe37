/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "need.h"

static void read_at(int fd, void *to, size_t len, off_t off)
{
	need(pread(fd, to, len, off) == (ssize_t)len, "binary statistics");
}

uint64_t stats_get(int vm_or_vcpu_fd, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	uint64_t value = 0;
	bool found = false;
	size_t size;
	int fd;

	fd = ioctl(vm_or_vcpu_fd, KVM_GET_STATS_FD, NULL);
	need(fd >= 0, "KVM_GET_STATS_FD");
	read_at(fd, &header, sizeof(header), 0);
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	need(desc, "memory");
	for (uint32_t i = 0; i < header.num_desc && !found; i++) {
		read_at(fd, desc, size, header.desc_offset + i * size);
		found = !strcmp(desc->name, name);
	}
	need(found, name);
	read_at(fd, &value, sizeof(value), header.data_offset + desc->offset);
	free(desc);
	close(fd);
	return value;
}
