/* SPDX-License-Identifier: MIT */
/*
 * record.c: no page costs an allocation, however many generations of keys go by.
 * The linker sends every allocation of attest/ through here (--wrap); that
 * libsodium keeps nothing either is seen in the heap's size.
 */
#include "check.h"
#include "pair.h"

#include <malloc.h>
#include <sys/mman.h>

#include <attest/channel.h>

static unsigned int n_allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_sodium_malloc(size_t size);
void *__real_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_sodium_malloc(size_t size);
void *__wrap_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t size)
{
	n_allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	n_allocations++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	n_allocations++;
	return __real_realloc(old, size);
}

void *__wrap_sodium_malloc(size_t size)
{
	n_allocations++;
	return __real_sodium_malloc(size);
}

void *__wrap_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset)
{
	n_allocations++;
	return __real_mmap(address, len, prot, flags, fd, offset);
}

static struct pair pair;
static struct attest_channel *channel[2];
static uint8_t body[64 * 4097], wire[ATTEST_RECORD_MAX], opened[ATTEST_RECORD_MAX];

/* true: all went through, and back. */
static bool pass(unsigned int n_records, uint32_t n_pages)
{
	const struct attest_record record = {
		.op = ATTEST_OP_PAGES, .gfn = 9, .n_pages = n_pages, .body_len = n_pages * 4097,
	};
	struct attest_record got;
	size_t len;

	for (unsigned int i = 0; i < n_records; i++)
		if (!attest_record_seal(channel[0], ATTEST_LANE_BULK, &record, body, wire, &len) ||
		    !attest_record_open(channel[1], ATTEST_LANE_BULK, wire, len, &got, opened))
			return false;
	return true;
}

static void pages_allocate_nothing(enum attest_cipher cipher)
{
	struct mallinfo2 before, after;
	unsigned int n_before;
	bool ok;

	if (!(channel_ciphers() & 1u << cipher)) {
		fprintf(stderr, "not run: no %s on this machine ", attest_cipher_name(cipher));
		return;
	}
	pair_init(&pair, 1u << cipher);
	pair_channels(&pair, channel);
	/* that the wrapping works: each channel is one */
	CU_ASSERT_TRUE(n_allocations >= 2);
	channel[0]->limits.rekey_records = channel[1]->limits.rekey_records = 100;
	CU_ASSERT_TRUE(pass(1, 1));
	n_before = n_allocations;
	before = mallinfo2();
	ok = pass(1000, 1) && pass(50, 64) && !attest_record_probe_bind(channel[1], ATTEST_LANE_BULK, wire, 112);
	after = mallinfo2();
	CU_ASSERT_TRUE(ok);
	CU_ASSERT_EQUAL(n_allocations, n_before);
	CU_ASSERT_EQUAL(after.uordblks, before.uordblks);
	CU_ASSERT_EQUAL(after.hblks, before.hblks);
	CU_ASSERT_EQUAL(channel[0]->send[ATTEST_LANE_BULK].generation, 10);
	attest_channel_free(channel[0]);
	attest_channel_free(channel[1]);
	pair_fini(&pair);
}

static void pages_allocate_nothing_aes(void)
{
	pages_allocate_nothing(ATTEST_CIPHER_AES256GCM);
}

static void pages_allocate_nothing_xchacha(void)
{
	pages_allocate_nothing(ATTEST_CIPHER_XCHACHA20POLY1305);
}

int main(void)
{
	static const struct check checks[] = {
		{ "pages allocate nothing, AES-256-GCM", pages_allocate_nothing_aes },
		{ "pages allocate nothing, XChaCha20-Poly1305", pages_allocate_nothing_xchacha },
		{ NULL, NULL },
	};

	return check_main("record, allocations", checks);
}
