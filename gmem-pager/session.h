/* SPDX-License-Identifier: MIT */
/*
 * What both sides of a move have in common: the phase and how it ends, the
 * control lane's thread, liveness, counters.
 *
 *   IDLE -> CONNECTING -> ACCEPTED -> STARTED -> RUNNING -> COMPLETE
 *              `-------------`-----------`----------`-----> ABORTED or FAILED
 *
 * A lost connection does not end a session that may go on (resume_ms): the control
 * thread drops it, shakes hands afresh and carries on in the same phase; resume.c.
 *
 * The phase is written under the lock, by session_set_phase() and session_end()
 * alone, and never leaves COMPLETE, ABORTED and FAILED.  What may be done in a
 * phase is durable in the ledger before the phase is entered; end_phase() of the
 * role decides, under the same lock, where an end leads.  So a run and a loss at
 * the same moment come out one way or the other, never both.
 *
 * Threads: the owner's (VMM requests, teardown), control, and the role's own,
 * which end soon after the link is shut down.
 */
#ifndef GMEM_PAGER_SESSION_H
#define GMEM_PAGER_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <gmem/gmem.h>

#include "ledger.h"
#include "link.h"
#include "stats.h"

#define SESSION_ERROR_LEN 256u
#define SESSION_STATE_DIR "/var/lib/gmem"	/* if no other one is named */
#define SESSION_ABORTED_HERE "the move was aborted here before the guest ran"	/* what a destination says of it */

struct snapfile_reader;
struct snapfile_writer;
struct workset;

struct session_config {
	const struct transport_ops *transport;
	const char *address;			/* numeric host and port */
	enum attest_role role;
	const struct attest_keypair *keypair;	/* borrowed */
	uint8_t peer_key[ATTEST_KEY_LEN];
	uint8_t ticket_id[ATTEST_ID_LEN];
	uint8_t vm_id[ATTEST_ID_LEN];
	const struct attest_evidence_ops *evidence;	/* NULL: @peer_key is pinned */
	void *evidence_opaque;			/* borrowed */
	uint32_t ciphers;			/* 0: any */
	const char *state_dir;
	char boot_id[SESSION_BOOT_ID_LEN + 1];	/* of this boot; "": it is looked up when it is needed */
	int connect_ms;
	int handshake_ms;
	int ping_ms;
	int peer_ms;				/* the peer is lost after so much silence */
	int resume_ms;				/* how long to try to get a lost connection back; 0: its loss is the end */
	uint32_t window_pages;			/* pager: pages asked for around a fault, 1 to URGENT_MAX_RUN */
	uint64_t credit_bytes;			/* pager: bulk bytes under way, at least CREDIT_MIN */
	uint64_t background_limit;		/* source: bytes a second of the bulk stream; 0: no limit */
	uint64_t incarnation;			/* of a signed ticket; 0: a bare id */
	struct snapfile_writer *suspend;	/* source: write the VM into it, there is no pager; borrowed */
	struct snapfile_reader *restore;	/* source: serve what is in it, there is no VMM; borrowed */
	struct workset *workset;		/* source, of a restore: is recorded or comes first; borrowed, NULL: none */
};

/* Defaults for everything that is not named by the user. */
void session_config_init(struct session_config *config, enum attest_role role);

enum session_cause {
	SESSION_LOCAL,		/* this side ends it and tells the peer */
	SESSION_LOST,		/* the peer or its connection is gone, and will not be waited for */
	SESSION_PEER_ABORT,	/* ABORT came */
	SESSION_PEER_ERROR,	/* ERROR came */
};

struct session;

struct session_ops {
	/* Control thread: make the link.  Sentence on failure. */
	int (*connect)(struct session *session, const struct link_config *config, char *ret_error, size_t error_len);
	/*
	 * Control thread: the link is up, its number recorded.  Start the lanes' threads, and say again
	 * what a connection before this one may have lost.
	 */
	int (*connected)(struct session *session);
	/* Control thread: the link is shut for good; join the lanes' threads. */
	void (*disconnected)(struct session *session);
	/* Control thread: a record that is not PING, ERROR, ABORT.  1: the last one; -EPROTO: out of place. */
	int (*control)(struct session *session, const struct attest_record *record, const uint8_t *body);
	/* Lock held: the phase that an end leads to, made durable; may append to @error. */
	enum gmem_phase (*end_phase)(struct session *session, enum session_cause cause, char *error, size_t error_len);
	/* Owner: the limit of the bulk stream, which is @set from now on if that is not NULL.  NULL: this side has none. */
	uint64_t (*limit)(struct session *session, const uint64_t *set);
};

/* What is known of the connection; its lock is the session's. */
struct session_health {
	enum gmem_link state;
	enum gmem_link told;		/* owner's: what stands beside the record */
	uint32_t limited_by;		/* owner's: uid of who chose the limit of the bulk stream */
	bool lost;			/* it failed, and the control thread has not dropped it yet */
	int status;			/* of the loss, -errno */
	char error[SESSION_ERROR_LEN];	/* the loss in a sentence */
	uint64_t good_us;		/* last time that the peer was heard; 0: never */
	time_t good_time;		/* the same, for people */
	uint64_t lost_us;		/* when it was found lost; 0: it is not */
	unsigned int n_tries;		/* since it was lost */
	unsigned int n_resumed;
};

struct session {
	const struct session_config *config;
	const struct session_ops *ops;
	struct ledger *ledger;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum gmem_phase phase;		/* lock */
	bool has_peer_token;		/* control thread, and lock held in end_phase(): ABORT brought one */
	uint8_t peer_token[SESSION_TOKEN_LEN];
	bool ended;			/* lock; COMPLETE counts */
	uint64_t ended_us;		/* lock */
	int status;			/* lock; of the end, -errno */
	char error[SESSION_ERROR_LEN];	/* lock */
	bool control_done;		/* lock */
	bool has_control;		/* owner's thread */
	bool again;			/* owner's; the VM that is being attached was attached to a process before this one */
	pthread_t control;
	atomic_bool stop;
	int stop_fd;			/* readable once stop is set */
	int notify_fd;			/* readable when the phase changed; the owner reads it */
	struct link link;
	pthread_rwlock_t link_lock;	/* who sends reads it, who replaces the link writes it */
	atomic_bool live;		/* the lanes may be used: the connection is recorded and not lost */
	struct session_health health;	/* lock */
	bool untold;			/* lock; ended, and the peer has still to be told how */
	uint64_t bytes_before;		/* link_lock; of the connections before this one */
	char cipher[32];		/* lock */
	struct stats stats;
};

/* Opens the ledger.  On failure @ret_error has a sentence. */
int session_init(struct session *session, const struct session_config *config, const struct session_ops *ops,
		 char *ret_error, size_t error_len);
/* After session_stop(). */
void session_fini(struct session *session);

/* Owner: may the VM that the VMM hands over be this session's?  -ENXIO, -EEXIST, with a sentence. */
int session_check_attach(const struct session *session, char *ret_error, size_t error_len);

/* Start the control thread: connect, then serve the control lane. */
int session_connect(struct session *session);

/* Without a peer to dial: burn the ticket.  On failure a sentence. */
int session_begin(struct session *session, char *ret_error, size_t error_len);

/*
 * Owner's thread: end the control thread and close the link.  If the move has
 * ended, the peer gets a moment to read why before the connection goes.
 * The role then joins its own threads.
 */
void session_stop(struct session *session);

/* Enter @phase unless the session has ended.  false: it has. */
bool session_set_phase(struct session *session, enum gmem_phase phase);

/* The same with the lock held. */
bool session_set_phase_locked(struct session *session, enum gmem_phase phase);

/* End the move; the first call counts.  @status: -errno for the VMM. */
void session_end(struct session *session, enum session_cause cause, int status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Control thread, destination, ABORTED: the token once more, on a fresh connection. */
void session_tell_abort(struct session *session, const char *sentence);

/* The event of the session's table that an end with @cause is. */
enum attest_event session_end_event(enum session_cause cause);

/*
 * A lane's thread got @status from lane_recv() or lane_send().  Waits a moment
 * for the control lane, which may know better, then ends the move.
 */
void session_lane_failed(struct session *session, enum attest_lane id, int status);

/* ---- resume.c ---- */

/*
 * Send on the present connection.  -ENOTCONN: there is none, what matters is said again on the
 * next one; else as lane_send().
 */
int session_send(struct session *session, enum attest_lane id, const struct attest_record *record, const void *body);
int session_send_op(struct session *session, enum attest_lane id, enum attest_op op, const void *body,
		    uint32_t body_len);

/* This connection is of no use any more.  The first call for a connection counts; any thread. */
void session_connection_lost(struct session *session, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Control thread: the peer was heard. */
void session_heard(struct session *session);

/* Control thread: the connection can be used. */
void session_connection_up(struct session *session);

/*
 * Control thread: a connection, or the try to get one, has ended.  Drops it.  true: try again now
 * (after a pause); false: the session has ended, or has to.
 */
bool session_try_again(struct session *session, const char *error);

/* Owner, several times a second: is the peer gone for good? */
void session_tick(struct session *session);

/* ---- operator.c; owner ---- */

/*
 * End the move while the guest is still the source's; @command is recorded, then the other side is told.
 * -EPROTO: not in this state, the guest may have run; -EALREADY: it has ended; -EPERM: no reason given; else the record
 * cannot be written.
 */
int session_abort(struct session *session, const struct attest_session_command *command);

/* Give the guest up; only while nobody could bring it on anyway.  -EBUSY: the other side is not LOST; else as above. */
int session_abandon(struct session *session, const struct attest_session_command *command);

/* @bytes_per_s as limit_set() takes it, by @uid's wish.  -EOPNOTSUPP: a pager has none; -EALREADY: it has ended. */
int session_limit(struct session *session, uint64_t bytes_per_s, uint32_t uid);

/* Phase now; @ret_error (SESSION_ERROR_LEN bytes) and @ret_status may be NULL. */
enum gmem_phase session_get_phase(struct session *session, int *ret_status, char *ret_error);

bool session_has_ended(struct session *session);

/* Counters and names that are the same on both sides. */
void session_progress(struct session *session, struct gmem_progress *ret_progress);

/* May the owner stop an ended session: is there nobody who still has to be told? */
bool session_is_settled(struct session *session);

/* Start a thread of a role with all signals blocked.  0 or -errno. */
int session_thread(pthread_t *ret_thread, void *(*run)(void *), void *arg);

#endif
