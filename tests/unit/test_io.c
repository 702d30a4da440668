/* The values and the waiting that everything else stands on. */
#include "t.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/own.h"
#include "io/job.h"
#include "io/loop.h"
#include "io/seqpkt.h"

static void
buffers(void)
{
	struct buf b;

	buf_init(&b, 2000);
	CHECK(buf_puts(&b, "hello ") == 0);
	CHECK(buf_printf(&b, "%d", 42) == 0);
	CHECK(strcmp(buf_str(&b), "hello 42") == 0);
	buf_consume(&b, 6);
	CHECK(b.len == 2 && memcmp(b.data, "42", 2) == 0);
	/* Grows, slides, and keeps what was not consumed. */
	for (int i = 0; i < 199; i++)
		CHECK(buf_add(&b, "0123456789", 10) == 0);
	CHECK(b.len == 1992);
	CHECK(memcmp(b.data, "420123456789", 12) == 0);
	/* At the ceiling nothing is added, and nothing is lost. */
	CHECK(buf_add(&b, "0123456789", 10) == -1);
	CHECK(b.len == 1992);
	CHECK(buf_printf(&b, "%s", "123456789") == -1);
	CHECK(buf_add(&b, "12345678", 8) == 0);
	CHECK(b.len == 2000 && strlen(buf_str(&b)) == 2000);
	buf_consume(&b, b.len);
	CHECK(b.len == 0 && b.data == b.base);
	buf_fini(&b);
}

static void
errors(void)
{
	struct err e;

	CHECK(err_set(&e, ERR_INVALID, "\"%s\" is no address", "x") == -1);
	CHECK(e.kind == ERR_INVALID && e.where[0] == '\0');
	err_at(&e, "/%d", 3);
	err_under(&e, "/%s", "allowOut");
	CHECK(strcmp(e.where, "/allowOut/3") == 0);
	err_wrap(&e, "policy");
	CHECK(strcmp(e.msg, "policy: \"x\" is no address") == 0);
	errno = ENOENT;
	err_sys(&e, "open %s", "f");
	CHECK(e.sys_errno == ENOENT);
	CHECK(strcmp(e.msg, "open f: No such file or directory") == 0);
	CHECK(err_status(ERR_LIMIT) == 429 && err_status(ERR_BUSY) == 503);
}

/* --- the loop: timers in order, deferred work, jobs, messages ------------- */

static struct loop *loop;
static char trace[64];

static void
note(const char *s)
{
	strncat(trace, s, sizeof(trace) - strlen(trace) - 1);
}

static void
on_first(struct loop_timer *w)
{
	(void)w;
	note("1");
}

static void
on_second(struct loop_timer *w)
{
	(void)w;
	note("2");
	loop_stop(loop);
}

static void
deferred(void *arg)
{
	note(arg);
}

static void
timers(void)
{
	struct loop_timer a = { .on_time = on_first };
	struct loop_timer b = { .on_time = on_second };
	struct loop_timer never = { .on_time = on_first };

	loop_timer_start(loop, &b, 20);
	loop_timer_start(loop, &a, 5);
	loop_timer_start(loop, &never, 1);
	loop_timer_stop(&never);
	loop_defer(loop, deferred, (char[]){ "d" });
	loop_defer(loop, deferred, (char[]){ "e" });
	loop_run(loop);
	CHECK(strcmp(trace, "de12") == 0);
	CHECK(!a.active && !b.active && !never.active);
}

struct squares {
	struct job job;
	int in, out;
};

static int jobs_left;

static void
square(struct job *j)
{
	struct squares *s = container_of(j, struct squares, job);

	s->out = s->in * s->in;
}

static void
squared(struct job *j)
{
	(void)j;
	if (--jobs_left == 0)
		loop_stop(loop);
}

static void
jobs(void)
{
	struct squares all[200];
	struct err e;
	struct job_pool *p = job_pool_new(loop, 3, &e);

	CHECK(p != NULL);
	jobs_left = 200;
	for (int i = 0; i < 200; i++) {
		all[i] = (struct squares){ { square, squared, NULL }, i, -1 };
		job_submit(p, &all[i].job);
	}
	loop_run(loop);
	for (int i = 0; i < 200; i++)
		CHECK(all[i].out == i * i);
	job_pool_free(p);
}

struct end {
	struct seqpkt c;
	unsigned seen, gone;
	bool in_order;
	int fd;
};

static void
on_msg(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct end *end = container_of(c, struct end, c);
	unsigned n;

	if (len < sizeof(n)) {
		loop_stop(loop);
		return;
	}
	memcpy(&n, msg, sizeof(n));
	end->in_order = end->in_order && n == end->seen;
	end->seen++;
	if (nfds > 0)
		end->fd = fds[0];
}

static void
on_close(struct seqpkt *c)
{
	container_of(c, struct end, c)->gone++;
	loop_stop(loop);
}

static void
messages(void)
{
	static char large[SEQPKT_MSG_MAX];
	struct end a = { .c = { .on_msg = on_msg, .on_close = on_close },
		.fd = -1 };
	struct end b = a;
	int pair[2], p[2], fd;
	struct err e;
	char got = 0;

	b.in_order = true;
	CHECK(seqpkt_pair(pair, &e) == 0);
	CHECK(pipe(p) == 0);
	seqpkt_open(loop, &a.c, pair[0]);
	seqpkt_open(loop, &b.c, pair[1]);
	/* More than the socket holds: the rest is queued, in order. */
	for (unsigned i = 0; i < 300; i++) {
		memcpy(large, &i, sizeof(i));
		CHECK(
		    seqpkt_post(&a.c, large, sizeof(large), NULL, 0, &e) == 0);
	}
	CHECK(a.c.nqueued > 0);
	fd = p[1];
	CHECK(seqpkt_post(
		  &a.c, &(unsigned){ 300 }, sizeof(unsigned), &fd, 1, &e) == 0);
	CHECK(seqpkt_post(&a.c, "x", 1, NULL, 0, &e) == 0);
	loop_run(loop);
	CHECK(b.seen == 301 && b.in_order);
	/* The descriptor came along, and works. */
	CHECK(b.fd >= 0 && write(b.fd, "!", 1) == 1);
	CHECK(read(p[0], &got, 1) == 1 && got == '!');
	CHECK(seqpkt_post(&a.c, large, sizeof(large) + 1, NULL, 0, &e) == -1);
	CHECK(e.kind == ERR_BUG);

	/* Draining handles what has arrived, without going round the loop. */
	CHECK(seqpkt_post(
		  &b.c, &(unsigned){ 0 }, sizeof(unsigned), NULL, 0, &e) == 0);
	seqpkt_drain(&a.c);
	CHECK(a.seen == 1);
	seqpkt_close(&a.c);
	loop_run(loop);
	CHECK(b.gone == 1 && b.c.io.fd == -1);
	CHECK(seqpkt_post(&b.c, "x", 1, NULL, 0, &e) == -1);
	CHECK(e.kind == ERR_BUSY);
	(void)close(b.fd);
	(void)close(p[0]);
}

int
main(void)
{
	struct err e;

	buffers();
	errors();
	loop = loop_new(&e);
	CHECK(loop != NULL);
	timers();
	jobs();
	messages();
	loop_free(loop);
	return t_end();
}
