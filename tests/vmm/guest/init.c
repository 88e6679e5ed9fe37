// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

#define MIB (1ull << 20)

static int console_fd = STDOUT_FILENO;

void guest_print(const char *format, ...)
{
	char line[200];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	/* One write: the tty keeps lines of several threads apart. */
	if (write(console_fd, line, (size_t)len) != len)
		reboot(RB_AUTOBOOT);
}

_Noreturn void guest_fail(const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	guest_print("GUEST-FAIL %s: %s", text, strerror(errno));
	sync();
	/* Without GUEST-END the VMM takes this for a crash. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

void guest_mismatch(const char *area, uint64_t page, unsigned int word, uint64_t expected, uint64_t got,
		    uint64_t round)
{
	guest_print("MISMATCH area=%s page=%llu word=%u expected=0x%016llx got=0x%016llx round=%llu", area,
		    (unsigned long long)page, word, (unsigned long long)expected, (unsigned long long)got,
		    (unsigned long long)round);
}

void *guest_alloc(uint64_t len)
{
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mlock(memory, len))
		guest_fail("no %llu MiB of memory: give the guest more", (unsigned long long)(len / MIB));
	return memory;
}

static void read_number(const char *cmdline, const char *name, uint64_t *number)
{
	const char *found = strstr(cmdline, name);

	if (found)
		*number = strtoull(found + strlen(name), NULL, 0);
}

void guest_read_config(struct guest_config *config)
{
	char cmdline[4096] = "";
	int fd = open("/proc/cmdline", O_RDONLY);

	if (fd < 0 || read(fd, cmdline, sizeof(cmdline) - 1) <= 0)
		guest_fail("/proc/cmdline cannot be read");
	close(fd);
	read_number(cmdline, "gmem.write_mib=", &config->write_mib);
	read_number(cmdline, "gmem.fixed_mib=", &config->fixed_mib);
	read_number(cmdline, "gmem.rounds=", &config->rounds);
	read_number(cmdline, "gmem.shared_gpa=", &config->shared_gpa);
	read_number(cmdline, "gmem.shared_mib=", &config->shared_mib);
	read_number(cmdline, "gmem.shared_pages=", &config->shared_pages);
	read_number(cmdline, "gmem.pause_ms=", &config->pause_ms);
	read_number(cmdline, "gmem.clock=", &config->clock);
	read_number(cmdline, "gmem.random=", &config->random);
	read_number(cmdline, "gmem.stamp_us=", &config->stamp_us);
	read_number(cmdline, "gmem.convert=", &config->convert);
}

static void mount_all(void)
{
	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL))
		guest_fail("/proc cannot be mounted");
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		guest_fail("/dev cannot be mounted");
	console_fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
	if (console_fd < 0) {
		console_fd = STDOUT_FILENO;
		guest_fail("/dev/ttyS0 cannot be opened");
	}
}

int main(void)
{
	struct guest_config config = { .write_mib = 64, .fixed_mib = 64, .shared_pages = 256, .pause_ms = 200 };
	long n_vcpus;

	mount_all();
	n_vcpus = sysconf(_SC_NPROCESSORS_ONLN);
	guest_read_config(&config);
	guest_print("GUEST-BEGIN vcpus=%ld write_mib=%llu fixed_mib=%llu shared_mib=%llu", n_vcpus,
		    (unsigned long long)config.write_mib, (unsigned long long)config.fixed_mib,
		    (unsigned long long)config.shared_mib);
	fixed_init(config.fixed_mib * MIB);
	if (config.shared_pages == 0)
		config.shared_mib = 0;	/* not used, hence not filled either */
	if (config.shared_mib)
		shared_init(config.shared_gpa, config.shared_mib * MIB);
	if (config.convert)
		convert_init(config.convert);
	worker_run_all(&config, (unsigned int)n_vcpus);
	sync();
	reboot(RB_AUTOBOOT);
	return 1;
}
