// SPDX-License-Identifier: MIT
/* What is refused before anything moves: keys, tickets, VMs that do not match, strangers. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "duo.h"
#include "log.h"
#include "messages.h"

/* Both sides up to the end of the handshake, whatever it is. */
static int try_prepare(struct duo *duo)
{
	int r = duo_open(duo);

	if (r == 0)
		r = source_prepare(duo->source);
	if (r == 0)
		duo_wait_source(duo, GMEM_PHASE_ACCEPTED);
	return r;
}

static void expect_untouched(struct duo *duo)
{
	CU_ASSERT_FALSE(duo->source_vm.frozen);
	CU_ASSERT_EQUAL(fake_vm_count_missing(&duo->pager_vm), duo->pager_vm.n_private + duo->pager_vm.n_shared);
}

static int offer_nothing(void *opaque, char *ret_error, size_t error_len)
{
	return 0;
}

static void test_source_key_not_pinned(void)
{
	struct duo duo;
	int status;

	duo_init(&duo, 64, 0);
	duo.pager_config.peer_key[5] ^= 1;
	CU_ASSERT_EQUAL_FATAL(try_prepare(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_source_error(&duo, &status), "is this side's public key pinned there?");
	CU_ASSERT_EQUAL(status, -EACCES);
	CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_CONNECTING);
	expect_untouched(&duo);
	duo_fini(&duo);
}

/* Somebody who knows the ticket and dials with a key of his own; what link_dial() says. */
static int stranger_shakes(const struct duo *duo)
{
	static const atomic_bool go_on;
	struct attest_keypair *own = NULL;
	struct link_config config = {
		.transport = duo->source_config.transport, .address = duo->address, .connect_ms = 3000 * PATIENCE,
		.handshake_ms = 2000 * PATIENCE, .send_ms = 2000 * PATIENCE, .stop = &go_on, .offer = offer_nothing,
		.handshake = { .role = ATTEST_INITIATOR, .connection = 1, .evidence = &attest_evidence_pinned,
			       .evidence_opaque = (void *)(uintptr_t)duo->source_config.peer_key },
	};
	char error[LINK_ERROR_LEN] = "";
	struct link link;
	int r;

	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&own), 0);
	config.handshake.keypair = own;
	memcpy(config.handshake.ticket_id, duo->source_config.ticket_id, ATTEST_ID_LEN);
	memcpy(config.handshake.vm_id, duo->source_config.vm_id, ATTEST_ID_LEN);
	link_init(&link);
	r = link_dial(&link, &config, error, sizeof(error));
	link_fini(&link);
	attest_keypair_free(own);
	return r;
}

static size_t count_lines(const char *path, const char *what)
{
	FILE *file = fopen(path, "r");
	char line[600];
	size_t n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	while (fgets(line, sizeof(line), file) != NULL)
		n += strstr(line, what) != NULL;
	fclose(file);
	return n;
}

/* The ticket's id is seen on the network: whoever has it and no key of ours is turned away, the move goes on. */
static void test_ticket_without_key(void)
{
	char log[96], spec[128];
	struct duo duo;
	int i;

	duo_init(&duo, 64, 0);
	snprintf(log, sizeof(log), "%s/log", duo.dir);
	snprintf(spec, sizeof(spec), "warn:%s", log);
	CU_ASSERT_EQUAL_FATAL(log_init("test", spec, false), 0);
	CU_ASSERT_EQUAL_FATAL(duo_open(&duo), 0);
	for (i = 0; i < 40; i++)
		CU_ASSERT_EQUAL(stranger_shakes(&duo), -EACCES);
	CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_CONNECTING);
	CU_ASSERT_EQUAL(source_prepare(duo.source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	CU_ASSERT_EQUAL(duo_start(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	CU_ASSERT_EQUAL(log_init("test", "error", false), 0);
	CU_ASSERT_TRUE(count_lines(log, "another key") >= 1);
	CU_ASSERT_TRUE(count_lines(log, "dropped") <= 12);
	CU_ASSERT_EQUAL(count_lines(log, "more connections were dropped"), 1);
	duo_fini(&duo);
}

static void test_pager_key_not_pinned(void)
{
	struct duo duo;
	int status;

	duo_init(&duo, 64, 0);
	duo.source_config.peer_key[5] ^= 1;
	CU_ASSERT_EQUAL_FATAL(try_prepare(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	(void)duo_source_error(&duo, &status);
	CU_ASSERT_EQUAL(status, -EACCES);
	/* The source has its own key and says no: nobody else is to be waited for. */
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	(void)duo_pager_error(&duo, &status);
	CU_ASSERT_EQUAL(status, -EACCES);
	expect_untouched(&duo);
	duo_fini(&duo);
}

/* Somebody without our ticket is not our source: the pager goes on waiting. */
static void test_other_ticket(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	duo.source_config.ticket_id[0] ^= 1;
	CU_ASSERT_EQUAL_FATAL(try_prepare(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_CONNECTING);
	expect_untouched(&duo);
	duo_fini(&duo);
}

static void test_other_vm_id(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	duo.source_config.vm_id[0] ^= 1;
	CU_ASSERT_EQUAL_FATAL(try_prepare(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	expect_untouched(&duo);
	duo_fini(&duo);
}

static void test_ticket_is_good_once(void)
{
	struct duo first, second;
	int status;

	duo_init(&first, 64, 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&first), 0);
	session_end(&first.source->session, SESSION_LOCAL, -ECANCELED, "enough");
	CU_ASSERT_EQUAL(duo_wait_pager(&first, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	duo_init(&second, 64, 0);
	second.source_config.state_dir = second.pager_config.state_dir = first.dir;
	memcpy(second.source_config.ticket_id, first.source_config.ticket_id, ATTEST_ID_LEN);
	memcpy(second.pager_config.ticket_id, first.source_config.ticket_id, ATTEST_ID_LEN);
	CU_ASSERT_EQUAL_FATAL(try_prepare(&second), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&second, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_source_error(&second, &status), "used before");
	CU_ASSERT_EQUAL(status, -EEXIST);
	expect_untouched(&second);
	duo_fini(&second);
	duo_fini(&first);
}

static void test_nobody_listens(void)
{
	struct duo duo;
	int status;

	duo_init(&duo, 64, 0);
	duo.source_config.connect_ms = 300;
	CU_ASSERT_EQUAL_FATAL(source_new(&duo.source_config, &duo.source, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(source_attach(duo.source, fake_vm_session(&duo.source_vm), duo.source_regions, 1,
					    duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL(source_prepare(duo.source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_source_error(&duo, &status), "gmem-pager listening");
	CU_ASSERT_TRUE(status == -ECONNREFUSED || status == -ETIMEDOUT);
	CU_ASSERT_FALSE(duo_ledger_says(&duo, "source", "OFFERED"));
	CU_ASSERT_FALSE(duo_ledger_says(&duo, "source", "ABORTED"));
	duo_fini(&duo);
}

static int stranger(const struct duo *duo, const void *bytes, size_t len)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_port = htons((uint16_t)atoi(strchr(duo->address, ':') + 1));
	CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (len > 0)
		CU_ASSERT_EQUAL(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
	return fd;
}

/* More of them than there are places, silent, noisy, and after lanes: the move goes on all the same. */
static void test_strangers_change_nothing(void)
{
	uint8_t lane[PREAMBLE_LEN + 256] = PREAMBLE_MAGIC;
	uint8_t noise[300];
	int fds[8], i;
	struct duo duo;

	memset(noise, 0x5a, sizeof(noise));
	lane[8] = MESSAGES_VERSION;
	lane[12] = ATTEST_LANE_URGENT;
	duo_init(&duo, 64, 0);
	duo.pager_config.handshake_ms = 1000 * PATIENCE;
	CU_ASSERT_EQUAL_FATAL(duo_open(&duo), 0);
	for (i = 0; i < 6; i += 3) {
		fds[i] = stranger(&duo, NULL, 0);
		fds[i + 1] = stranger(&duo, noise, sizeof(noise));
		fds[i + 2] = stranger(&duo, lane, sizeof(lane));
	}
	lane[12] = ATTEST_LANE_CONTROL;
	fds[6] = stranger(&duo, lane, sizeof(lane));
	CU_ASSERT_EQUAL(source_prepare(duo.source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	CU_ASSERT_EQUAL(duo_start(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	for (i = 0; i < 7; i++)
		close(fds[i]);
	duo_fini(&duo);
}

static void test_too_many_strangers_are_dropped_in_time(void)
{
	struct duo duo;
	int fds[20], i;

	duo_init(&duo, 64, 0);
	duo.pager_config.handshake_ms = 300 * PATIENCE;
	CU_ASSERT_EQUAL_FATAL(duo_open(&duo), 0);
	for (i = 0; i < 20; i++)
		fds[i] = stranger(&duo, NULL, 0);
	usleep(800000 * PATIENCE);
	CU_ASSERT_EQUAL(source_prepare(duo.source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	for (i = 0; i < 20; i++)
		close(fds[i]);
	duo_fini(&duo);
}

static void test_regions_differ(void)
{
	struct duo duo;

	duo_init(&duo, 64, 16);
	duo.pager_regions[1].size -= FAKE_PAGE;
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_source_error(&duo, NULL), "other memory regions");
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "RESUMED"));
	expect_untouched(&duo);
	duo_fini(&duo);
}

static void test_attributes_differ(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	fake_vm_set_private(&duo.pager_vm, 33, false);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL(duo_start(&duo), -ECANCELED);
	CHECK_CONTAINS(duo_pager_error(&duo, NULL), "a page of region 0 is shared here and private at the source");
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	expect_untouched(&duo);
	duo_fini(&duo);
}

static void test_present_pages_are_no_destination(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	duo.pager_vm.missing[0] &= ~1ull;
	CU_ASSERT_EQUAL(duo_open(&duo), -EEXIST);
	CHECK_CONTAINS(duo.error, "not marked missing");
	duo_fini(&duo);
}

static void test_unfinished_import_is_no_source(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	fake_vm_set_missing(&duo.source_vm, 9);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), -EINVAL);
	CHECK_CONTAINS(duo.error, "missing here");
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	duo_fini(&duo);
}

static void test_shared_page_without_file(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	duo.source_regions[0].flags = duo.pager_regions[0].flags = GMEM_REGION_GUEST_MEMFD;
	fake_vm_set_private(&duo.source_vm, 7, false);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), -EINVAL);
	CHECK_CONTAINS(duo.error, "a page of region 0 is shared");
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	duo_fini(&duo);
}

static void test_state_dir_cannot_be_made(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	duo.pager_config.state_dir = duo.source_config.state_dir = "/proc/gmem";
	CU_ASSERT_TRUE(duo_open(&duo) < 0);
	CHECK_CONTAINS(duo.error, "--state-dir");
	duo_fini(&duo);
}

static void test_address_in_use(void)
{
	struct duo first, second;

	duo_init(&first, 64, 0);
	duo_init(&second, 64, 0);
	strcpy(second.address, first.address);
	strcpy(second.source_address, first.address);
	CU_ASSERT_EQUAL(duo_open(&first), 0);
	CU_ASSERT_EQUAL(duo_open(&second), -EADDRINUSE);
	CHECK_CONTAINS(second.error, "cannot listen");
	duo_fini(&second);
	duo_fini(&first);
}

static const struct check checks[] = {
	{ "the source's key is not pinned", test_source_key_not_pinned },
	{ "the ticket without the key", test_ticket_without_key },
	{ "the pager's key is not pinned", test_pager_key_not_pinned },
	{ "another ticket", test_other_ticket },
	{ "another VM id", test_other_vm_id },
	{ "a ticket is good once", test_ticket_is_good_once },
	{ "nobody listens", test_nobody_listens },
	{ "strangers change nothing", test_strangers_change_nothing },
	{ "too many strangers are dropped in time", test_too_many_strangers_are_dropped_in_time },
	{ "other regions", test_regions_differ },
	{ "other memory attributes", test_attributes_differ },
	{ "pages that are present", test_present_pages_are_no_destination },
	{ "an import that is not complete", test_unfinished_import_is_no_source },
	{ "a shared page without a file", test_shared_page_without_file },
	{ "a state directory that cannot be made", test_state_dir_cannot_be_made },
	{ "an address in use", test_address_in_use },
	{ NULL, NULL },
};

CHECK_MAIN("refused moves", checks)
