// SPDX-License-Identifier: MIT
/*
 * evrelay: hands on the evidence of another handshake.  It has stolen both static
 * keys, and no platform.  As the source it takes gmem-pager's evidence, then
 * leaves; as the pager it gives that evidence to gmem-source.  Prints "taken N"
 * once it listens, and at the end "refused" or, which must not be, "believed".
 *
 *   evrelay LISTEN TO TICKET VM-ID STOLEN-SOURCE-KEY STOLEN-PAGER-KEY
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attest/file.h>
#include <attest/ticket.h>

#include "idfile.h"
#include "link.h"
#include "stats.h"
#include "wire.h"

#define WAIT_MS 120000

static struct {
	uint8_t bytes[ATTEST_HANDSHAKE_MAX];
	size_t len;
} stolen;

static void need(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "evrelay: %s: %s\n", what, strerror(-r));
	exit(EXIT_FAILURE);
}

static int keep(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len, char *ret_reason,
		size_t reason_len)
{
	memcpy(stolen.bytes, evidence, len);
	stolen.len = len;
	return 0;
}

/* Of the machine it is not. */
static int give(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	if (binding->role == ATTEST_INITIATOR || stolen.len > *len)
		return -EIO;	/* enough was taken */
	memcpy(ret_evidence, stolen.bytes, stolen.len);
	*len = stolen.len;
	return 0;
}

static const struct attest_evidence_ops ops = { .name = "stolen", .provide = give, .verify = keep };

static int offer(void *opaque, char *ret_error, size_t error_len)
{
	return 0;
}

static int shake(struct transport_conn *conn, const char *key_path, enum attest_role role, const char *ticket_path,
		 const char *vm_path)
{
	static const atomic_bool stop;
	struct link_config config = {
		.handshake_ms = WAIT_MS, .send_ms = WAIT_MS, .stop = &stop, .offer = offer,
		.handshake = { .role = role, .connection = 1, .evidence = &ops },
	};
	struct attest_handshake *handshake;
	struct attest_keypair *pair;
	char error[LINK_ERROR_LEN] = "";
	uint8_t *ticket;
	bool acted;
	size_t len;
	int r;

	need(attest_keypair_load(key_path, &pair), key_path);
	need(file_read(ticket_path, TICKET_LEN, &ticket, &len), ticket_path);
	need(idfile_load(vm_path, config.handshake.vm_id), vm_path);
	ticket_id(ticket, config.handshake.ticket_id);
	config.handshake.keypair = pair;
	need(attest_handshake_new(&config.handshake, &handshake), "a handshake");
	r = link_shake(&config, handshake, conn, stats_now_us() + WAIT_MS * UINT64_C(1000), &acted, error, sizeof(error));
	fprintf(stderr, "evrelay: %s\n", r < 0 ? error : "both accepted");
	attest_handshake_free(handshake);
	attest_keypair_free(pair);
	free(ticket);
	conn->ops->free(conn);
	return r;
}

int main(int argc, char **argv)
{
	uint8_t preamble[PREAMBLE_LEN] = PREAMBLE_MAGIC;
	struct transport_listener *listener;
	struct transport_conn *conn;
	int r;

	if (argc != 7 || !attest_init())
		return EXIT_FAILURE;
	wire_put32(wire_put32(preamble + PREAMBLE_MAGIC_LEN, MESSAGES_VERSION), ATTEST_LANE_CONTROL);
	need(transport_nng.dial(argv[2], WAIT_MS, &conn), argv[2]);
	need(conn->ops->send(conn, preamble, sizeof(preamble), WAIT_MS), "sending");
	(void)shake(conn, argv[5], ATTEST_INITIATOR, argv[3], argv[4]);
	need(stolen.len > 0 ? 0 : -ENODATA, "evidence");
	need(transport_nng.listen(argv[1], &listener), argv[1]);
	printf("taken %zu\n", stolen.len);
	fflush(stdout);
	need(listener->ops->accept(listener, WAIT_MS, &conn), "accepting");
	need(transport_recv_all(conn, preamble, sizeof(preamble), stats_now_us() + WAIT_MS * UINT64_C(1000), NULL),
	     "a preamble");
	r = shake(conn, argv[6], ATTEST_RESPONDER, argv[3], argv[4]);
	puts(r == -EACCES || r == -ECONNRESET ? "refused" : "believed");
	listener->ops->free_listener(listener);
	return EXIT_SUCCESS;
}
