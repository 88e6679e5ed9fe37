/* SPDX-License-Identifier: MIT */
/*
 * What the rows of session.table stand in, for spin: two hosts, their disks, the
 * two copies of the guest, a hostile network, crashes, power cuts and an operator.
 * generate.py puts the rows in at the lines that begin with "@rows".
 *
 * Network: a set of messages by connection for each kind.  What was once sent can
 * be received at any later time, any number of times, in any order, or never:
 * loss, duplication, reordering and delay without bound, more than any queue has.
 *
 * Steps: a row is one step for each of its acts.  Between any two steps the other
 * host, the network, the operator, a crash or a power cut can have their turn.
 *   crash      what is volatile is gone: state, connection; the VM's state stays, it is the kernel's
 *   power cut  the same, the VM is gone, and the record is one of another boot
 * Either may happen on each side at any time, any number of times.
 *
 * Bound: MAX_CONNECTION handshakes.  OPERATOR says how he uses a forced resume:
 *   0 the other host was fenced, and he looked: the guest had not run there
 *   1 the other host was fenced
 *   2 recklessly, without fencing (the model must find two runners)
 */
#ifndef MAX_CONNECTION
#define MAX_CONNECTION 2
#endif
#ifndef OPERATOR
#define OPERATOR 0
#endif

#define BIT(c) (1 << (c))
#define HAS(set, c) (((set) >> (c)) & 1)
#define SEND(set, side) set = (side##_live != 0 -> (set | BIT(side##_live)) : set)

mtype:vm = { VM_NONE, VM_RUNS, VM_FROZEN, VM_GONE };

/* The disks. */
byte source_record = NONE, destination_record = NONE;
byte source_connection, destination_connection;
bit source_old, destination_old;			/* the record is of another boot; that never changes back */

/* Volatile. */
bit source_up = 1, destination_up = 1;
byte source_state = NONE, destination_state = NONE;
byte source_live, destination_live;			/* the present connection, 0: none */
byte source_tried;					/* the last number dialled */
byte destination_manifest;				/* the connection it came on */

/* The network. */
byte net_hello, net_joined, net_manifest, net_start, net_source_abort, net_source_error;
byte net_started, net_complete, net_token, net_destination_error;

/* What is true, whether or not anybody knows it. */
mtype:vm source_vm = VM_RUNS, destination_vm = VM_NONE;
bit incomplete;			/* the source's VM is itself an import that is not COMPLETE */
bit ran;			/* the guest has run at the destination */
bit freed;			/* the source's pages are gone */
bit told;			/* the source has heard that it ran */
bit forced;			/* an operator resumed the source */
bit fenced;			/* the destination's host was cut off */
bit destination_spoke;		/* its first handshake byte was sent */
byte started_on;		/* the connection that START was taken on */
byte source_used, destination_used;	/* numbers of connections */
bit resolving;			/* no more accidents: every way out has to lead out */

#define OPEN_source(r) ((r) == OFFERED || (r) == IN_DOUBT || (r) == GIVEN)
#define OPEN_destination(r) ((r) == OFFERED || (r) == RUNNING)

/* ---- events: can it happen now?  c: connection; x: 1 or 2 for the lie that a guard is there to see ---- */
#define EVENT_source_begin(c, x) (source_vm == VM_RUNS && incomplete == x)
#define EVENT_source_joined(c, x) (source_tried == c && (x == 1 || HAS(net_joined, c)))
#define EVENT_source_dial(c, x) (source_tried < MAX_CONNECTION && source_connection < MAX_CONNECTION)
#define EVENT_source_freeze(c, x) (1)
#define EVENT_source_commit(c, x) (1)
#define EVENT_source_started(c, x) HAS(net_started, c)
#define EVENT_source_complete(c, x) HAS(net_complete, c)
#define EVENT_source_abort(c, x) (x == 1 || HAS(net_token, c))
#define EVENT_source_error(c, x) HAS(net_destination_error, c)
#define EVENT_source_give_up(c, x) (source_live == 0)
#define EVENT_source_stop(c, x) (1)
#define EVENT_destination_begin(c, x) (net_hello != 0)
#define EVENT_destination_joined(c, x) (x == 1 || HAS(net_hello, c))
#define EVENT_destination_manifest(c, x) (HAS(net_manifest, c) && destination_manifest != c)
#define EVENT_destination_start(c, x) HAS(net_start, c)
#define EVENT_destination_run(c, x) (1)
#define EVENT_destination_present(c, x) (1)
#define EVENT_destination_abort(c, x) HAS(net_source_abort, c)
#define EVENT_destination_error(c, x) HAS(net_source_error, c)
#define EVENT_destination_give_up(c, x) (destination_live == 0)
#define EVENT_destination_stop(c, x) (1)

/* ---- guards ---- */
#define GUARD_import(side, c, x) (x == 0)
#define GUARD_peer(side, c, x) (x == 0)
#define GUARD_higher(side, c, x) (c > side##_connection)
#define GUARD_live(side, c, x) (side##_live != 0)
#define GUARD_idle(side, c, x) (side##_live == 0)
#define GUARD_connection(side, c, x) (side##_live == c)
#define GUARD_manifest(side, c, x) (destination_manifest == c)
#define GUARD_all_present(side, c, x) (x == 0)
#define GUARD_token(side, c, x) (x == 0)
#define GUARD_same_boot(side, c, x) (!side##_old)
#define GUARD_other_boot(side, c, x) (side##_old)
#define GUARD_reason(side, c, x) (x != 1)
#define GUARD_fenced(side, c, x) (x != 2)

/* A host is named as fenced: is it? */
#if OPERATOR == 0
#define NAMED_HOST_IS_OFF (fenced && !ran)
#elif OPERATOR == 1
#define NAMED_HOST_IS_OFF (fenced)
#else
#define NAMED_HOST_IS_OFF (1)
#endif
#define COMMAND_op_abort(x) (1)
#define COMMAND_op_abandon(x) (1)
/* Once is enough: what was given can be used at any time. */
#define COMMAND_op_token(x) (!HAS(net_token, 1))
#define COMMAND_op_resume(x) (x == 2 || NAMED_HOST_IS_OFF)

/* ---- what must hold when a row is taken ---- */
#define CHECK_source_begin(c, x) assert(net_hello == 0)	/* a ticket is used once */
#define CHECK_source_started(c, x) told = 1
#define CHECK_destination_begin(c, x) assert(!destination_spoke)
/* START and its manifest came on the connection that is there now. */
#define CHECK_destination_run(c, x) \
	assert(destination_live != 0 && started_on == destination_live && destination_manifest == started_on)
#define CHECK_destination_start(c, x) started_on = c
/* No guest is lost to a message of an earlier connection. */
#define CHECK_destination_error(c, x) assert(c == destination_live)
#define CHECK_destination_abort(c, x) assert(c == destination_live)
#define CHECK_destination_present(c, x) assert(x == 0)
/* A record is judged only when its VM is gone. */
#define CHECK_judged(side) assert(side##_vm == VM_GONE)
#define CHECK_operator(x) assert(x == 0)	/* each command is recorded, with what it has to name */

/* ---- acts ---- */
#define ACT_source_record(next, c) source_record = next
#define ACT_destination_record(next, c) destination_record = next
#define ACT_source_FREEZE(c, x) \
	assert(!incomplete); \
	source_vm = (source_vm == VM_RUNS -> VM_FROZEN : source_vm)
/* Never two runners; never after it ran there; never without its pages. */
#define ACT_source_THAW(c, x) \
	if \
	:: source_vm == VM_FROZEN -> \
		assert(destination_vm != VM_RUNS); \
		assert(!ran || (OPERATOR != 0 && forced)); \
		assert(!told && !freed); \
		source_vm = VM_RUNS \
	:: else \
	fi
#define ACT_source_FREE_PAGES(c, x) \
	assert(source_vm != VM_RUNS); \
	assert(destination_record == COMPLETE); \
	source_vm = VM_GONE; freed = 1
#define ACT_destination_RUN_GUEST(c, x) \
	assert(source_vm != VM_RUNS); \
	assert(net_token == 0); \
	destination_vm = VM_RUNS; ran = 1
/* Of a VM that is still there. */
#define ACT_destination_LET_RUN_ON(c, x) assert(destination_vm != VM_GONE); ACT_destination_RUN_GUEST(c, x)
/* The right peer, and a number never used before. */
#define ACT_source_USE_CONNECTION(c, x) \
	assert(x == 0 && !HAS(source_used, c)); \
	source_used = source_used | BIT(c); source_live = c
#define ACT_destination_USE_CONNECTION(c, x) \
	assert(x == 0 && !HAS(destination_used, c)); \
	destination_used = destination_used | BIT(c); destination_live = c; net_joined = net_joined | BIT(c)
#define ACT_destination_KEEP_MANIFEST(c, x) destination_manifest = c
#define ACT_source_CLOSE(c, x) source_live = 0
#define ACT_source_send_HANDSHAKE(c, x) \
	source_tried = (source_tried > source_connection -> source_tried + 1 : source_connection + 1); \
	net_hello = net_hello | BIT(source_tried)
#define ACT_destination_send_HANDSHAKE(c, x) destination_spoke = 1
#define ACT_source_send_MANIFEST(c, x) SEND(net_manifest, source)
/* Never START from a VM that runs. */
#define ACT_source_send_START(c, x) assert(source_vm == VM_FROZEN); SEND(net_start, source)
#define ACT_source_send_RELEASED(c, x) skip
#define ACT_source_send_ABORT(c, x) SEND(net_source_abort, source)
#define ACT_source_send_ERROR(c, x) SEND(net_source_error, source)
#define ACT_destination_send_STARTED(c, x) SEND(net_started, destination)
#define ACT_destination_send_COMPLETE(c, x) assert(destination_record == COMPLETE); SEND(net_complete, destination)
/* "Never ran" is true, and stays true: see RUN_GUEST. */
#define ACT_destination_send_ABORT(c, x) assert(!ran); SEND(net_token, destination)
/* Carried by hand: no connection is needed. */
#define ACT_destination_send_TOKEN(c, x) assert(!ran); net_token = net_token | BIT(1)
#define ACT_destination_send_ERROR(c, x) SEND(net_destination_error, destination)

#define STEP(side, code) if :: d_step { side##_up -> code } :: !side##_up -> goto side##_down fi

/* While accidents are over, a record that is still open waits for the operator. */
#define MAY_OPEN(side) (!resolving || side##_old || !OPEN_##side(side##_record))

proctype source()
{
source_run:
	do
	:: !source_up -> goto source_down
@rows source up
	od;
source_down:
	do
	:: d_step { !source_up && source_record == NONE -> source_state = NONE; source_up = 1 }; goto source_run
@rows source down
	od
}

proctype destination()
{
destination_run:
	do
	:: !destination_up -> goto destination_down
@rows destination up
	od;
destination_down:
	do
	:: d_step { !destination_up && destination_record == NONE -> destination_state = NONE; destination_up = 1 };
		goto destination_run
@rows destination down
	od
}

#define CRASH_source source_up = 0; source_state = NONE; source_live = 0; source_tried = 0
#define CRASH_destination \
	destination_up = 0; destination_state = NONE; destination_live = 0; destination_manifest = 0; started_on = 0

proctype accidents()
{
	do
	:: d_step { source_live != 0 -> source_live = 0 }
	:: d_step { destination_live != 0 -> destination_live = 0 }
	/* crashes; while resolving: the operator ends a process to be able to give a command */
	:: d_step { source_up && (!resolving || OPEN_source(source_record)) -> CRASH_source }
	:: d_step { destination_up && (!resolving || OPEN_destination(destination_record)) -> CRASH_destination }
	/* power cuts */
	:: d_step { !resolving && source_vm != VM_GONE ->
		CRASH_source; source_vm = VM_GONE; source_old = (source_record != NONE) }
	:: d_step { !resolving && !(destination_vm == VM_GONE && destination_old) && destination_record != NONE ->
		CRASH_destination; destination_vm = VM_GONE; destination_old = 1; fenced = 1 }
	:: d_step { !resolving -> resolving = 1 }
	od
}

/* No dead end: when nothing can happen any more, both sides have come to an end. */
proctype way_out()
{
	if
	:: timeout ->
		assert(!OPEN_source(source_record) && !OPEN_destination(destination_record));
		assert(source_vm != VM_FROZEN || (source_record != ABORTED && source_record != RESUMED))
	fi
}

init
{
	if
	:: incomplete = 0
	:: incomplete = 1
	fi;
	atomic { run source(); run destination(); run accidents(); run way_out() }
}
