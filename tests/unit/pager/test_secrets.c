// SPDX-License-Identifier: MIT
/*
 * Where keys are in memory: as long as the lanes are open in guarded pages only,
 * which no core has, and after that nowhere.  Both sides are in this process, and it reads itself.
 */
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <attest/channel.h>
#include <attest/keys.h>

#include "check.h"
#include "duo.h"

#define PART_LEN 16u		/* so many bytes of a secret in a row are too many */
#define VEIL 0x5a		/* what is looked for is not itself to be found */
#define CHUNK (1u << 20)
#define PAGE 4096u
#define PRESENT (1ull << 63)		/* in an entry of /proc/self/pagemap */
#define SWAPPED (1ull << 62)
#define MAX_SECRETS 64u

struct veiled {
	const char *name;
	uint8_t bytes[ATTEST_KEY_LEN];
	unsigned int n_guarded, n_open;		/* places, by the last look */
};

static struct veiled secrets[MAX_SECRETS];
static size_t n_secrets;
static uint8_t window[CHUNK + PART_LEN];
static bool begins[1u << 16];		/* is this how a part of a secret begins? */

static void keep(const char *name, const uint8_t secret[ATTEST_KEY_LEN])
{
	struct veiled *veiled = &secrets[n_secrets++];

	CU_ASSERT_TRUE_FATAL(n_secrets <= MAX_SECRETS);
	veiled->name = name;
	for (size_t i = 0; i < ATTEST_KEY_LEN; i++)
		veiled->bytes[i] = secret[i] ^ VEIL;
	for (size_t at = 0; at < ATTEST_KEY_LEN; at += ATTEST_KEY_LEN - PART_LEN)
		begins[secret[at] << 8 | secret[at + 1]] = true;
}

static void keep_channel(const struct attest_channel *channel)
{
	for (unsigned int lane = 0; lane < ATTEST_N_LANES; lane++) {
		keep("a lane's secret", channel->send[lane].secret);
		keep("a header key", channel->send[lane].header_key);
		/* with AES-256-GCM also as the first two round keys */
		keep("a record key", channel->send[lane].key);
	}
}

/* Does a part of a secret begin here?  The first and the last part of each is looked for. */
static void compare(const uint8_t *from, bool guarded)
{
	for (size_t i = 0; i < n_secrets; i++)
		for (size_t at = 0; at < ATTEST_KEY_LEN; at += ATTEST_KEY_LEN - PART_LEN) {
			size_t k = 0;

			while (k < PART_LEN && (from[k] ^ VEIL) == secrets[i].bytes[at + k])
				k++;
			if (k == PART_LEN)
				(*(guarded ? &secrets[i].n_guarded : &secrets[i].n_open))++;
		}
}

/*
 * @window has the bytes, and a little of what was before them.  All of this process is read here, one byte after the other:
 * what a sanitizer would add to each of them takes minutes.
 */
__attribute__((no_sanitize("thread", "address", "undefined")))
static void look_at(size_t len, bool guarded)
{
	for (size_t i = 0; i + PART_LEN <= len; i++)
		if (begins[window[i] << 8 | window[i + 1]])
			compare(window + i, guarded);
}

/* Has any page from @at to @to something in it?  A sanitizer maps gigabytes that it never touched. */
static bool is_touched(int pagemap, uint64_t at, uint64_t to)
{
	static uint64_t entries[CHUNK / PAGE + 2];
	const size_t first = at / PAGE, n_pages = (to + PAGE - 1) / PAGE - first;
	ssize_t n = pread(pagemap, entries, n_pages * sizeof(entries[0]), (off_t)(first * sizeof(entries[0])));

	CU_ASSERT_EQUAL_FATAL(n, (ssize_t)(n_pages * sizeof(entries[0])));
	for (size_t i = 0; i < n_pages; i++)
		if (entries[i] & (PRESENT | SWAPPED))
			return true;
	return false;
}

static void look_at_mapping(int mem, int pagemap, uint64_t start, uint64_t end, bool guarded)
{
	const uint64_t own = (uintptr_t)window;

	for (uint64_t at = start; at < end; at += CHUNK) {
		uint64_t to = at + CHUNK + PART_LEN < end ? at + CHUNK + PART_LEN : end;
		ssize_t n;

		if (at < own + sizeof(window) && to > own)
			continue;	/* it may lie in a mapping with others; a chunk around it is left out */
		if (!is_touched(pagemap, at, to))
			continue;
		n = pread(mem, window, to - at, (off_t)at);
		if (n > 0)
			look_at((size_t)n, guarded);
	}
}

/* All readable memory of this process. */
static void look_around(void)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long long start = 0, end = 0, from, to;
	char line[512], access[5] = "", seen[5];
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	CU_ASSERT_TRUE_FATAL(maps != NULL && mem >= 0 && pagemap >= 0);
	for (size_t i = 0; i < n_secrets; i++)
		secrets[i].n_guarded = secrets[i].n_open = 0;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (strncmp(line, "VmFlags:", 8) != 0) {
			if (sscanf(line, "%llx-%llx %4s", &from, &to, seen) == 3) {
				start = from;
				end = to;
				memcpy(access, seen, sizeof(access));
			}
			continue;
		}
		/* Sanitizers' shadows are larger than any memory. */
		if (access[0] == 'r' && end <= 1ull << 47 && end - start <= 1ull << 30)
			look_at_mapping(mem, pagemap, start, end, strstr(line, " dd") != NULL);
	}
	sodium_memzero(window, sizeof(window));
	fclose(maps);
	close(mem);
	close(pagemap);
}

/* Secrets with so many places, guarded or not; those that are not are named. */
static size_t count(bool open)
{
	size_t n = 0;

	for (size_t i = 0; i < n_secrets; i++) {
		const unsigned int places = open ? secrets[i].n_open : secrets[i].n_guarded;

		n += places > 0;
		if (open && places > 0)
			fprintf(stderr, "\n%s at %u places that a core would have ", secrets[i].name, places);
	}
	return n;
}

static void test_move(uint32_t cipher)
{
	struct duo duo;

	duo_init(&duo, 2048, 64);
	duo.source_config.ciphers = duo.pager_config.ciphers = 1u << cipher;
	n_secrets = 0;
	keep("the source's static key", keys_secret(duo.source_key));
	keep("the pager's static key", keys_secret(duo.pager_key));
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	keep_channel(duo.source->session.link.channel);
	keep_channel(duo.pager->session.link.channel);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	/* All lanes are open, and nobody is in the middle of a record. */
	look_around();
	CU_ASSERT_EQUAL(count(false), n_secrets);
	CU_ASSERT_EQUAL(count(true), 0);
	duo_fini(&duo);
	look_around();
	CU_ASSERT_EQUAL(count(false), 0);
	CU_ASSERT_EQUAL(count(true), 0);
}

static void test_aes(void)
{
	if (crypto_aead_aes256gcm_is_available())
		test_move(ATTEST_CIPHER_AES256GCM);
	else
		puts("skipped: no AES-256-GCM on this machine");
}

static void test_xchacha(void)
{
	test_move(ATTEST_CIPHER_XCHACHA20POLY1305);
}

/* A copy on the heap is seen. */
static void test_this_sees_something(void)
{
	uint8_t *copy = malloc(3 * CHUNK);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	n_secrets = 0;
	randombytes_buf(copy + CHUNK + 77, ATTEST_KEY_LEN);
	keep("a copy", copy + CHUNK + 77);
	look_around();
	CU_ASSERT_EQUAL(secrets[0].n_open, 2);
	sodium_memzero(copy + CHUNK + 77, ATTEST_KEY_LEN);
	look_around();
	CU_ASSERT_EQUAL(secrets[0].n_open, 0);
	free(copy);
}

static const struct check checks[] = {
	{ "this sees something", test_this_sees_something },
	{ "keys of a move, AES-256-GCM", test_aes },
	{ "keys of a move, XChaCha20-Poly1305", test_xchacha },
	{ NULL, NULL },
};

CHECK_MAIN("secrets", checks)
