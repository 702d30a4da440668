/*
 * slotctl - the jail driver of FreeBSD by itself, for slots.sh and hostile.sh:
 * one call, its result on a line, its error as a sentence and exit 1.
 *
 * Each run is a new `privd spawn`: it looks at what is there first, so every
 * call but the first is about a sandbox that was adopted.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "capture/capture_msg.h"
#include "ctl/substrate/substrate.h"
#include "io/log.h"

enum { FOUND_MAX = 64, PATIENCE_MS = 60000, HOLD_S = 600 };

struct call {
	struct substrate *s;
	struct sub_found found[FOUND_MAX];
	size_t n;
	int argc;
	char **argv;
};

static const char *
arg(const struct call *c, int i)
{
	if (i < c->argc)
		return c->argv[i];
	fprintf(stderr, "slotctl: %s needs more words\n", c->argv[0]);
	exit(2);
}

static uint32_t
number(const struct call *c, int i)
{
	return (uint32_t)strtoul(arg(c, i), NULL, 10);
}

static void
note(void *to, const struct sub_found *f)
{
	struct call *c = to;

	if (c->n < FOUND_MAX)
		c->found[c->n++] = *f;
}

/* The sandbox in slot argv[1]. */
static struct sub_found *
box(struct call *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->found[i].alive &&
		    c->found[i].unit.ref.slot == number(c, 1))
			return &c->found[i];
	(void)err_set(e, ERR_NOTFOUND, "nobody lives in slot %s", arg(c, 1));
	return NULL;
}

static int
wait_readable(int fd, const char *what, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, PATIENCE_MS) == 1)
		return 0;
	return err_set(e, ERR_SYS, "%s: nothing in a minute", what);
}

static int
wait_helper(pid_t pid, const char *what, struct err *e)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		return err_set(e, ERR_SYS, "%s: the helper failed", what);
	return 0;
}

/* --- making -----------------------------------------------------------------
 */

static int
make(struct call *c, struct sub_unit *u, struct err *e)
{
	const struct spawn_ref ref = { number(c, 1), number(c, 2) };
	struct err why;
	int answer, rc;
	pid_t pid;

	if (sub_make(c->s, ref, &answer, &pid, e) < 0)
		return -1;
	rc = wait_readable(answer, "make", e);
	if (rc == 0)
		rc = sub_made(answer, u, e);
	own_close(&answer);
	(void)wait_helper(pid, "make", &why);
	return rc;
}

/* SLOT INCARNATION */
static int
op_make(struct call *c, struct err *e)
{
	const struct mono t = mono_now();
	struct sub_unit u;

	if (make(c, &u, e) < 0)
		return -1;
	printf("made in %ld ms\n", (long)mono_ms(t, mono_now()));
	return 0;
}

static void
asked(struct call *c, struct spawn_create *q)
{
	memset(q, 0, sizeof(*q));
	q->ref = (struct spawn_ref){ number(c, 1), number(c, 2) };
	(void)snprintf(q->id, sizeof(q->id), "%s", arg(c, 3));
	(void)snprintf(q->template_id, sizeof(q->template_id), "%s", arg(c, 4));
	memset(q->secret, 0x5a, sizeof(q->secret));
	q->cpu_count = 1;
	q->memory_mb = 256;
	q->disk_mb = 256;
	q->pids_max = 64;
	q->keep_disk = c->argc > 5 && strcmp(arg(c, 5), "keep") == 0;
}

/* SLOT INCARNATION ID TEMPLATE [keep] */
static int
op_up(struct call *c, struct err *e)
{
	const struct mono t = mono_now();
	struct spawn_create q;
	struct sub_unit u;
	struct mono made;

	asked(c, &q);
	if (make(c, &u, e) < 0)
		return -1;
	made = mono_now();
	if (sub_begin(c->s, &u, &q, e) < 0 ||
	    wait_readable(u.ctl, "begin", e) < 0 || sub_begun(&u, e) < 0)
		return -1;
	printf("up: made in %ld ms, begun in %ld ms\n", (long)mono_ms(t, made),
	    (long)mono_ms(made, mono_now()));
	return 0;
}

/* --- asking -----------------------------------------------------------------
 */

static int
dial(struct call *c, const struct sub_found *f, struct err *e)
{
	const struct sockaddr_in a = { .sin_len = sizeof(a),
		.sin_family = AF_INET,
		.sin_port = htons(SPAWN_ENVD_PORT),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct pollfd p = { .events = POLLOUT };
	int fd;

	if (sub_sockets(c->s, &f->unit, 4, 1, &fd, e) < 0)
		return -1;
	(void)connect(fd, (const struct sockaddr *)&a, sizeof(a));
	p.fd = fd;
	if (poll(&p, 1, PATIENCE_MS) == 1)
		return fd;
	own_close(&fd);
	return err_set(e, ERR_SYS, "the probe does not answer");
}

/* SLOT COMMAND: what the probe's shell says to it. */
static int
op_run(struct call *c, struct err *e)
{
	struct sub_found *f = box(c, e);
	autoclose int fd = f == NULL ? -1 : dial(c, f, e);
	const char *line = arg(c, 2);
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return -1;
	if (write(fd, line, strlen(line)) < 0 || write(fd, "\n", 1) != 1)
		return err_sys(e, "ask the probe");
	for (;;) {
		if (wait_readable(fd, "run", e) < 0)
			return -1;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return n < 0 ? err_sys(e, "hear the probe") : 0;
		(void)fwrite(buf, 1, (size_t)n, stdout);
	}
}

static int
op_scan(struct call *c, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < c->n; i++) {
		const struct sub_found *f = &c->found[i];

		printf("%u-%u id=%s%s%s%s%s\n", f->unit.ref.slot,
		    f->unit.ref.incarnation, f->id, f->alive ? " alive" : "",
		    f->frozen ? " frozen" : "", f->pooled ? " pooled" : "",
		    f->kept ? " kept" : "");
	}
	return 0;
}

static int
op_stats(struct call *c, struct err *e)
{
	struct sub_found *f = box(c, e);
	struct spawn_stats t;

	if (f == NULL || sub_stats(c->s, &f->unit, f->id, &t, e) < 0)
		return -1;
	printf("cpu_us=%ju mem_used=%ju mem_total=%ju disk_used=%ju pids=%u\n",
	    (uintmax_t)t.cpu_us, (uintmax_t)t.mem_used, (uintmax_t)t.mem_total,
	    (uintmax_t)t.disk_used, t.pids);
	return 0;
}

/* SLOT N: N sockets, a hundred times. */
static int
op_sockets(struct call *c, struct err *e)
{
	struct sub_found *f = box(c, e);
	const uint32_t n = number(c, 2);
	const struct mono t = mono_now();
	int fds[8];

	if (f == NULL)
		return -1;
	for (int i = 0; i < 100; i++) {
		if (sub_sockets(c->s, &f->unit, i % 2 ? 6 : 4, n, fds, e) < 0)
			return -1;
		for (uint32_t k = 0; k < n; k++)
			own_close(&fds[k]);
	}
	printf("%u sockets: %ld us each time\n", n,
	    (long)(mono_now().ns - t.ns) / 100000);
	return 0;
}

static void
print_socket(const struct spawn_socket *s)
{
	printf("%u %u->%u state %u to %u.%u.%u.%u\n", s->family, s->from_port,
	    s->port, s->state, s->to[0], s->to[1], s->to[2], s->to[3]);
}

/* SLOT; `cut' ends them all. */
static int
op_connected(struct call *c, struct err *e)
{
	struct sub_found *f = box(c, e);
	struct spawn_socket *v = NULL;
	uint32_t n, ncut;
	int rc = 0;

	if (f == NULL || sub_connected(c->s, &f->unit, &v, &n, e) < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		print_socket(&v[i]);
	if (strcmp(c->argv[0], "cut") == 0) {
		rc = sub_cut(c->s, &f->unit, v, n, &ncut, e);
		if (rc == 0)
			printf("cut %u of %u\n", ncut, n);
		if (rc == 0)
			rc = sub_cut(c->s, &f->unit, v, n, &ncut, e);
		if (rc == 0)
			printf("again %u\n", ncut);
	}
	free(v);
	return rc;
}

/* SLOT FILTER N: a file of N packets, onto standard output. */
static int
op_capture(struct call *c, struct err *e)
{
	struct sub_found *f = box(c, e);
	struct capture_ask ask;
	struct capture_answer answer;
	char buf[4096];
	int stream;
	ssize_t n;
	pid_t pid;

	if (f == NULL ||
	    sub_capture(c->s, &f->unit, f->id, &stream, &pid, e) < 0)
		return -1;
	memset(&ask, 0, sizeof(ask));
	ask.bytes = 1 << 20;
	ask.packets = number(c, 3);
	ask.snaplen = 256;
	ask.seconds = 30;
	(void)snprintf(ask.filter, sizeof(ask.filter), "%s", arg(c, 2));
	if (write(stream, &ask, sizeof(ask)) != sizeof(ask) ||
	    wait_readable(stream, "capture", e) < 0 ||
	    read(stream, &answer, sizeof(answer)) != sizeof(answer))
		return err_set(e, ERR_SYS, "coppice-capture does not answer");
	if (answer.rc < 0) {
		*e = answer.err;
		return -1;
	}
	while (wait_readable(stream, "capture", e) == 0 &&
	       (n = read(stream, buf, sizeof(buf))) > 0)
		(void)fwrite(buf, 1, (size_t)n, stdout);
	own_close(&stream);
	return wait_helper(pid, "capture", e);
}

/* --- standing still ---------------------------------------------------------
 */

static int
op_freeze(struct call *c, struct err *e)
{
	const struct mono t = mono_now();
	struct sub_found *f = box(c, e);
	int rc;

	if (f == NULL || sub_freeze(c->s, &f->unit, true, e) < 0)
		return -1;
	while ((rc = sub_frozen(c->s, &f->unit, e)) == 0)
		if (mono_ms(t, mono_now()) > PATIENCE_MS)
			return err_set(e, ERR_BUSY, "somebody moves");
	if (rc == 1)
		printf(
		    "frozen in %ld us\n", (long)(mono_now().ns - t.ns) / 1000);
	return rc < 0 ? -1 : 0;
}

static int
op_thaw(struct call *c, struct err *e)
{
	const struct mono t = mono_now();
	struct sub_found *f = box(c, e);

	if (f == NULL || sub_freeze(c->s, &f->unit, false, e) < 0)
		return -1;
	printf("thawed in %ld us\n", (long)(mono_now().ns - t.ns) / 1000);
	return 0;
}

/* --- the end ----------------------------------------------------------------
 */

static int
clean(struct call *c, const struct sub_scrap *v, size_t n, struct err *e)
{
	pid_t pid;

	if (sub_clean(c->s, v, n, &pid, e) < 0)
		return -1;
	return wait_helper(pid, "clean", e);
}

/* SLOT [keep] */
static int
op_kill(struct call *c, struct err *e)
{
	const bool keep = c->argc > 2 && strcmp(arg(c, 2), "keep") == 0;
	const struct mono t = mono_now();
	struct sub_found *f = box(c, e);
	struct sub_scrap scrap;
	struct mono dead;

	if (f == NULL || (keep && sub_keep(c->s, f->id, true, e) < 0) ||
	    sub_kill(c->s, &f->unit, e) < 0 ||
	    wait_readable(f->unit.proc, "kill", e) < 0)
		return -1;
	sub_reap(&f->unit);
	dead = mono_now();
	memset(&scrap, 0, sizeof(scrap));
	scrap.ref = f->unit.ref;
	if (!keep)
		memcpy(scrap.id, f->id, sizeof(scrap.id));
	if (clean(c, &scrap, 1, e) < 0)
		return -1;
	printf("dead in %ld ms, cleared in %ld ms\n", (long)mono_ms(t, dead),
	    (long)mono_ms(dead, mono_now()));
	return 0;
}

/* What a start does with what is neither alive nor kept. */
static int
op_clean(struct call *c, struct err *e)
{
	struct sub_scrap v[FOUND_MAX];
	size_t n = 0;

	memset(v, 0, sizeof(v));
	for (size_t i = 0; i < c->n; i++) {
		struct sub_found *f = &c->found[i];

		if (f->alive && !f->pooled)
			continue;
		if (f->alive && (sub_kill(c->s, &f->unit, e) < 0 ||
				    wait_readable(f->unit.proc, "kill", e) < 0))
			return -1;
		v[n].ref = f->unit.ref;
		if (!f->kept)
			memcpy(v[n].id, f->id, sizeof(f->id));
		n++;
	}
	return n == 0 ? 0 : clean(c, v, n, e);
}

/* ID: files that were kept are wanted no more. */
static int
op_discard(struct call *c, struct err *e)
{
	struct sub_scrap scrap;

	memset(&scrap, 0, sizeof(scrap));
	(void)snprintf(scrap.id, sizeof(scrap.id), "%s", arg(c, 1));
	return clean(c, &scrap, 1, e);
}

/* SLOT: a slot is made and its unit kept, until somebody kills us. */
static int
op_hold(struct call *c, struct err *e)
{
	struct sub_unit u;

	if (make(c, &u, e) < 0)
		return -1;
	puts("holding");
	(void)fflush(stdout);
	(void)sleep(HOLD_S);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct call *c, struct err *e);
} calls[] = {
	{ "make", op_make },
	{ "hold", op_hold },
	{ "up", op_up },
	{ "run", op_run },
	{ "scan", op_scan },
	{ "stats", op_stats },
	{ "sockets", op_sockets },
	{ "connected", op_connected },
	{ "cut", op_connected },
	{ "capture", op_capture },
	{ "freeze", op_freeze },
	{ "thaw", op_thaw },
	{ "kill", op_kill },
	{ "clean", op_clean },
	{ "discard", op_discard },
};

static int
run(struct call *c, const struct conf *cf, const char *envd, struct err *e)
{
	if (sub_open(cf, envd, &c->s, e) < 0 ||
	    sub_scan(c->s, note, c, e) < 0 || sub_confine(c->s, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(calls); i++)
		if (strcmp(calls[i].name, c->argv[0]) == 0)
			return calls[i].run(c, e);
	return err_set(e, ERR_INVALID, "no call %s", c->argv[0]);
}

int
main(int argc, char **argv)
{
	static struct call c;
	struct conf cf;
	struct err e;

	if (argc < 4) {
		fprintf(stderr, "usage: slotctl CONF ENVD CALL [WORD...]\n");
		return 2;
	}
	log_open("slotctl", LOG_L_WARN);
	conf_defaults(&cf);
	if (conf_read(&cf, argv[1], stderr) < 0)
		return 2;
	c.argc = argc - 3;
	c.argv = argv + 3;
	if (run(&c, &cf, argv[2], &e) == 0)
		return 0;
	printf("%s\n", e.msg);
	return 1;
}
