// SPDX-License-Identifier: MIT
#include "control.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "error.h"
#include "pagehash.h"
#include "report.h"
#include "snapshot.h"

#define DEFAULT_WAIT_S	120
#define MAX_WAIT_S	86400
#define MAX_WORDS	4
#define DRAIN_S		2

struct connection {
	struct control *control;
	int fd;
};

struct words {
	int n;
	char *word[MAX_WORDS];
};

struct answer {
	char *text;		/* malloc'ed, or NULL for a plain "ok" */
	const char *end;	/* if set: end the machine with this sentence, once the answer is out */
};

typedef int (*command_fn)(struct control *control, const struct words *words, struct answer *answer);

static int get_seconds(const struct words *words, int place, int *ret_ms)
{
	char *end;
	long seconds = DEFAULT_WAIT_S;

	if (words->n > place) {
		seconds = strtol(words->word[place], &end, 10);
		if (*end || seconds < 0 || seconds > MAX_WAIT_S)
			return error_set(-EINVAL, "%s is not a number of seconds up to %d", words->word[place], MAX_WAIT_S);
	}
	*ret_ms = (int)seconds * 1000;
	return 0;
}

static int get_round(const struct words *words, uint64_t *ret_round)
{
	char *end;

	*ret_round = strtoull(words->word[1], &end, 10);
	return *end ? error_set(-EINVAL, "%s is not a number of rounds", words->word[1]) : 0;
}

static int cmd_status(struct control *control, const struct words *words, struct answer *answer)
{
	return report_status(control->machine, control->move, &answer->text);
}

static int cmd_wait_fixed(struct control *control, const struct words *words, struct answer *answer)
{
	int ms = 0, err = get_seconds(words, 1, &ms);

	return err ? err : console_wait_fixed(&control->machine->console, ms);
}

static int wait_round(struct control *control, const struct words *words, uint64_t round)
{
	int ms = 0, err = get_seconds(words, 2, &ms);

	return err ? err : console_wait_round(&control->machine->console, control->machine->n_vcpus, round, ms);
}

static int cmd_wait_round(struct control *control, const struct words *words, struct answer *answer)
{
	uint64_t round;
	int err = get_round(words, &round);

	return err ? err : wait_round(control, words, round);
}

static int cmd_wait_more(struct control *control, const struct words *words, struct answer *answer)
{
	struct console_facts facts;
	uint64_t more, latest = 0;
	int err = get_round(words, &more);

	if (err)
		return err;
	console_get_facts(&control->machine->console, &facts);
	for (unsigned int i = 0; i < control->machine->n_vcpus; i++)
		latest = facts.round[i] > latest ? facts.round[i] : latest;
	/* Just arrived, the first round that ends here says where the guest is. */
	if (!latest) {
		err = wait_round(control, words, 1);
		if (err)
			return err;
		console_get_facts(&control->machine->console, &facts);
		latest = facts.round[0];
	}
	return wait_round(control, words, latest + more);
}

static int cmd_wait_move(struct control *control, const struct words *words, struct answer *answer)
{
	int ms = 0, err = get_seconds(words, 1, &ms);

	return err ? err : move_wait(control->move, ms);
}

static int lock_operation(struct control *control)
{
	if (machine_has_ended(control->machine))
		return error_set(-EINVAL, "the guest has ended");
	if (pthread_mutex_trylock(&control->machine->operation))
		return error_set(-EBUSY, "the guest is being moved, saved or hashed");
	return 0;
}

static void unlock_operation(struct control *control)
{
	pthread_mutex_unlock(&control->machine->operation);
}

static int cmd_pause(struct control *control, const struct words *words, struct answer *answer)
{
	int err = lock_operation(control);

	if (err)
		return err;
	vcpus_pause(control->machine);
	unlock_operation(control);
	return 0;
}

/* A guest that still waits to come in may not be started by hand. */
static int cmd_resume(struct control *control, const struct words *words, struct answer *answer)
{
	int err = lock_operation(control);

	if (err)
		return err;
	if (control->move->incoming && !control->move->times.started)
		err = error_set(-EINVAL, "the guest has not arrived");
	else
		vcpus_resume(control->machine);
	unlock_operation(control);
	return err;
}

static int cmd_freeze_hash(struct control *control, const struct words *words, struct answer *answer)
{
	uint64_t n_pages;
	int err = lock_operation(control);

	if (err)
		return err;
	err = pagehash_freeze_and_write(control->machine, words->n > 2 ? words->word[2] : NULL, words->word[1], &n_pages);
	unlock_operation(control);
	if (!err && asprintf(&answer->text, "pages=%llu", (unsigned long long)n_pages) < 0)
		answer->text = NULL;
	return err;
}

static int cmd_move(struct control *control, const struct words *words, struct answer *answer)
{
	if (control->move->incoming && !control->move->next_socket)
		return error_set(-EINVAL, "this guest came in: its move began at the source (it may leave with --gmem-source)");
	return move_begin(control->move, words->n > 1 ? words->word[1] : NULL);
}

static int cmd_step(struct control *control, const struct words *words, struct answer *answer)
{
	uint64_t step;
	int err = get_round(words, &step);

	if (!err)
		conversion_set_step(control->machine, (uint32_t)step);
	return err;
}

static int cmd_save(struct control *control, const struct words *words, struct answer *answer)
{
	int err = lock_operation(control);

	if (err)
		return err;
	vcpus_pause(control->machine);
	err = snapshot_save(control->machine, words->word[1]);
	if (err)
		vcpus_resume(control->machine);
	else
		answer->end = "guest saved";
	unlock_operation(control);
	return err;
}

static int cmd_quit(struct control *control, const struct words *words, struct answer *answer)
{
	int err = lock_operation(control);

	if (err)
		return err;
	if (move_risk(control->move) != MOVE_RISK_NONE)
		err = error_set(-EBUSY, "the guest is in mid-move and would be lost");
	else
		answer->end = "told to quit";
	unlock_operation(control);
	return err;
}

static const struct {
	const char *name;
	int min_words;		/* with the name */
	int max_words;
	command_fn run;
} commands[] = {
	{ "status", 1, 1, cmd_status },
	{ "wait-fixed", 1, 2, cmd_wait_fixed },
	{ "wait-round", 2, 3, cmd_wait_round },
	{ "wait-more", 2, 3, cmd_wait_more },
	{ "wait-move", 1, 2, cmd_wait_move },
	{ "pause", 1, 1, cmd_pause },
	{ "resume", 1, 1, cmd_resume },
	{ "freeze-hash", 2, 3, cmd_freeze_hash },
	{ "move", 1, 2, cmd_move },
	{ "step", 2, 2, cmd_step },
	{ "save", 2, 2, cmd_save },
	{ "quit", 1, 1, cmd_quit },
};

static int run_command(struct control *control, char *line, struct answer *answer)
{
	struct words words = { .n = 0 };
	char *save = NULL;

	for (char *word = strtok_r(line, " \t\r\n", &save); word; word = strtok_r(NULL, " \t\r\n", &save)) {
		if (words.n == MAX_WORDS)
			return error_set(-EINVAL, "too many words");
		words.word[words.n++] = word;
	}
	for (size_t i = 0; words.n && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, words.word[0]))
			continue;
		if (words.n < commands[i].min_words || words.n > commands[i].max_words)
			return error_set(-EINVAL, "%s has the wrong number of words: see --help", words.word[0]);
		return commands[i].run(control, &words, answer);
	}
	return error_set(-EINVAL, "unknown command: see --help");
}

static void count_busy(struct control *control, bool begins)
{
	pthread_mutex_lock(&control->lock);
	if (begins)
		control->n_busy++;
	else if (!--control->n_busy)
		pthread_cond_broadcast(&control->idle);
	pthread_mutex_unlock(&control->lock);
}

static void handle_line(struct connection *connection, char *line)
{
	struct control *control = connection->control;
	struct answer answer = { NULL, NULL };

	count_busy(control, true);
	if (run_command(control, line, &answer))
		dprintf(connection->fd, "error %s\n", error_get());
	else
		dprintf(connection->fd, answer.text ? "ok %s\n" : "ok\n", answer.text);
	if (answer.end)
		machine_stop(control->machine, EXIT_OK, "%s", answer.end);
	free(answer.text);
	count_busy(control, false);
}

static void *connection_main(void *arg)
{
	struct connection *connection = arg;
	FILE *in = fdopen(connection->fd, "r");
	char line[CONTROL_MAX_LINE];

	while (in && fgets(line, sizeof(line), in))
		handle_line(connection, line);
	if (in)
		fclose(in);
	else
		close(connection->fd);
	free(connection);
	return NULL;
}

void control_accept(struct control *control)
{
	struct connection *connection = malloc(sizeof(*connection));
	pthread_attr_t attr;
	pthread_t thread;
	int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 || !connection) {
		free(connection);
		if (fd >= 0)
			close(fd);
		return;
	}
	*connection = (struct connection){ control, fd };
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, connection_main, connection)) {
		close(fd);
		free(connection);
	}
	pthread_attr_destroy(&attr);
}

int control_init(struct control *control, struct machine *machine, struct move *move, const char *path)
{
	struct sockaddr_un address;
	struct stat st;
	int err;

	*control = (struct control){ .machine = machine, .move = move, .path = path, .listen_fd = -1 };
	pthread_mutex_init(&control->lock, NULL);
	pthread_cond_init(&control->idle, NULL);
	if (!path)
		return 0;
	err = control_address(path, &address);
	if (err)
		return err;
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (control->listen_fd < 0)
		return error_set(-errno, "no control socket");
	/* Before listen() nobody can connect, so the mode is in place in time. */
	if (bind(control->listen_fd, (struct sockaddr *)&address, sizeof(address)) || chmod(path, 0600) ||
	    listen(control->listen_fd, 8)) {
		err = error_set(-errno, "the control socket cannot be at %s", path);
		close(control->listen_fd);
		control->listen_fd = -1;
	}
	return err;
}

void control_fini(struct control *control)
{
	struct timespec limit;

	if (control->listen_fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += DRAIN_S;
	pthread_mutex_lock(&control->lock);
	while (control->n_busy && !pthread_cond_timedwait(&control->idle, &control->lock, &limit))
		;
	pthread_mutex_unlock(&control->lock);
	unlink(control->path);
	close(control->listen_fd);
	control->listen_fd = -1;
}
