// SPDX-License-Identifier: MIT
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bootparams.h"
#include "error.h"
#include "mptable.h"

#define PAGE 4096u
#define SETUP_HEADER_OFF	0x1f1u
#define BOOT_FLAG		0xaa55u
#define MAGIC_HDRS		0x53726448u	/* "HdrS" */
#define MIN_PROTOCOL		0x020cu		/* 2.12: xloadflags */
#define ENTRY_64_OFF		0x200u

struct loader {
	const struct boot_config *config;
	uint8_t *ram;
	struct boot_image *image;
};

static uint64_t page_up(uint64_t value)
{
	return (value + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static void add_range(struct loader *loader, uint64_t gpa, uint64_t size)
{
	struct boot_range *range = &loader->image->ranges[loader->image->n_ranges++];

	range->gpa = gpa;
	range->size = page_up(size);
}

static int read_all(int fd, const char *path, uint64_t offset, void *ret_data, size_t len)
{
	uint8_t *bytes = ret_data;

	while (len) {
		ssize_t n = pread(fd, bytes, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(-errno, "%s cannot be read", path);
		if (!n)
			return error_set(-EINVAL, "%s is shorter than it says", path);
		bytes += n;
		offset += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int open_file(const char *path, uint64_t *ret_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(-errno, "%s cannot be opened", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return error_set(-EINVAL, "%s is not a regular file", path);
	}
	*ret_size = (uint64_t)st.st_size;
	return fd;
}

static int check_header(const char *path, const struct setup_header *header)
{
	if (header->boot_flag != BOOT_FLAG || header->header != MAGIC_HDRS)
		return error_set(-EINVAL, "%s is not a bzImage", path);
	if (header->version < MIN_PROTOCOL || !(header->xloadflags & XLF_KERNEL_64))
		return error_set(-EINVAL, "%s has no 64-bit entry point", path);
	return 0;
}

/* Kernel at its preferred address, as a relocatable kernel wants it too. */
static int load_kernel(struct loader *loader, struct setup_header *ret_header, uint64_t *ret_end)
{
	const struct boot_config *config = loader->config;
	uint64_t file_size, payload_off, gpa;
	int fd, err;

	fd = open_file(config->kernel, &file_size);
	if (fd < 0)
		return fd;
	err = read_all(fd, config->kernel, SETUP_HEADER_OFF, ret_header, sizeof(*ret_header));
	if (!err)
		err = check_header(config->kernel, ret_header);
	if (err)
		goto out;
	payload_off = ((ret_header->setup_sects ? ret_header->setup_sects : 4) + 1) * 512ull;
	gpa = ret_header->pref_address;
	if (payload_off >= file_size || gpa < BOOT_HIGH_GPA || gpa > config->ram_size ||
	    ret_header->init_size > config->ram_size - gpa || file_size - payload_off > ret_header->init_size) {
		err = error_set(-EINVAL, "%s does not fit into %llu MiB of RAM", config->kernel,
				(unsigned long long)config->ram_size >> 20);
		goto out;
	}
	err = read_all(fd, config->kernel, payload_off, loader->ram + gpa, file_size - payload_off);
	if (err)
		goto out;
	add_range(loader, gpa, file_size - payload_off);
	loader->image->entry_gpa = gpa + ENTRY_64_OFF;
	*ret_end = page_up(gpa + ret_header->init_size);
out:
	close(fd);
	return err;
}

/* At the end of RAM, away from where the kernel unpacks itself. */
static int load_initrd(struct loader *loader, uint64_t kernel_end, struct bootparams_layout *layout)
{
	const struct boot_config *config = loader->config;
	uint64_t size;
	int fd, err;

	if (!config->initrd)
		return 0;
	fd = open_file(config->initrd, &size);
	if (fd < 0)
		return fd;
	if (!size || page_up(size) > config->ram_size - kernel_end) {
		close(fd);
		return error_set(-EINVAL, "%s is empty or does not fit into RAM: give more with --mem", config->initrd);
	}
	layout->initrd_gpa = config->ram_size - page_up(size);
	layout->initrd_size = size;
	err = read_all(fd, config->initrd, 0, loader->ram + layout->initrd_gpa, size);
	close(fd);
	if (!err)
		add_range(loader, layout->initrd_gpa, size);
	return err;
}

static int load_structures(struct loader *loader, const struct setup_header *header,
			   const struct bootparams_layout *layout)
{
	uint8_t *ram = loader->ram;
	size_t cmdline_len = strlen(loader->config->cmdline) + 1;

	if (cmdline_len > BOOT_CMDLINE_MAX)
		return error_set(-EINVAL, "the command line has %zu bytes, %u are possible", cmdline_len, BOOT_CMDLINE_MAX);
	bootparams_build_gdt((uint64_t *)(ram + BOOT_GDT_GPA));
	add_range(loader, BOOT_GDT_GPA, PAGE);
	bootparams_build(header, layout, (struct boot_params *)(ram + BOOT_PARAMS_GPA));
	add_range(loader, BOOT_PARAMS_GPA, sizeof(struct boot_params));
	bootparams_build_tables((uint64_t *)(ram + BOOT_TABLES_GPA));
	add_range(loader, BOOT_TABLES_GPA, BOOT_N_TABLES * PAGE);
	memcpy(ram + BOOT_CMDLINE_GPA, loader->config->cmdline, cmdline_len);
	add_range(loader, BOOT_CMDLINE_GPA, PAGE);
	mptable_build(loader->config->n_vcpus, ram + MPTABLE_GPA);
	add_range(loader, MPTABLE_GPA, MPTABLE_MAX_LEN);
	return 0;
}

int boot_load(const struct boot_config *config, uint8_t *ram, struct boot_image *ret_image)
{
	struct bootparams_layout layout = {
		.ram_size = config->ram_size,
		.reserved_gpa = config->shared_gpa,
		.reserved_size = config->shared_size,
	};
	struct loader loader = { config, ram, ret_image };
	struct setup_header header;
	uint64_t kernel_end = 0;
	int err;

	memset(ret_image, 0, sizeof(*ret_image));
	err = load_kernel(&loader, &header, &kernel_end);
	if (err)
		return err;
	err = load_initrd(&loader, kernel_end, &layout);
	if (err)
		return err;
	return load_structures(&loader, &header, &layout);
}
