/* Lines from inside: what is true of them, how many, and where they end up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "ctl/sandbox/log_line.h"
#include "io/log.h"
#include "tests/lib/engine_world.h"
#include "tests/t.h"

/* --- one line ----------------------------------------------------------------
 */

static int
parse(const char *s, struct log_line *l)
{
	struct err e;

	return log_line_parse(s, strlen(s), l, &e);
}

static void
honest(void)
{
	struct log_line l;

	CHECK(parse("{\"seq\":12,\"timestamp\":\"2026-11-21T08:00:01.25Z\","
		    "\"level\":\"error\",\"logger\":\"process\","
		    "\"message\":\"hi\",\"pid\":7,\"ok\":true,"
		    "\"result\":{\"exitCode\":3},\"none\":null}",
		  &l) == 1);
	CHECK(l.seq == 12 && l.at_ms == 1795248001250);
	CHECK(l.level == LINE_ERROR && strcmp(l.logger, "process") == 0);
	CHECK(strcmp(l.message, "hi") == 0);
	CHECK(strcmp(l.fields, "{\"pid\":7,\"ok\":true,\"result\":"
			       "\"{\\\"exitCode\\\":3}\"}") == 0);
	log_line_fini(&l);
	CHECK(parse("{}", &l) == 0);
	CHECK(log_line_seq("{\"seq\":123,\"a\"", 14) == 123);
	CHECK(log_line_seq("{\"seq\":123,\"a\"", 9) == 12);
	CHECK(log_line_seq("{\"req\":123}", 11) == 0);
	CHECK(log_line_seq("{\"seq\":99999999999999999999999}", 30) == 0);
}

static void
hostile(void)
{
	static const char *const none[] = { "", "[]", "7", "nonsense", "{",
		"{\"message\":7}", "{\"level\":\"info\"}",
		"{\"message\":\"\xff\"}", "{\"message\":\"a\\u0000b\"}",
		"{\"message\":\"x\"} {}" };
	char text[LOG_LINE_BYTES_MAX * 2];
	struct log_line l;
	size_t n;

	for (size_t i = 0; i < countof(none); i++)
		CHECK(parse(none[i], &l) < 0);
	/* Nothing that a terminal would obey; no name that is ours. */
	CHECK(parse("{\"message\":\"a\\u001b[2Jb\\nc\\u009bd\\u202ee\","
		    "\"level\":\"fatal\",\"logger\":\"lifecycle\","
		    "\"timestamp\":\"yesterday\",\"seq\":-5,"
		    "\"event\":\"sandbox.lifecycle.killed\","
		    "\"bad key\":1,\"\":2,\"k\":\"\\u0007\"}",
		  &l) == 1);
	CHECK(strcmp(l.message, "a?[2Jb c??d???e") == 0);
	CHECK(l.level == LINE_INFO && strcmp(l.logger, "envd") == 0);
	CHECK(l.seq == 0 && l.at_ms == 0);
	CHECK(strcmp(l.fields, "{\"k\":\"?\"}") == 0);
	log_line_fini(&l);
	/* Long ones are cut between characters; too long ones are none. */
	n = (size_t)snprintf(text, sizeof(text), "{\"message\":\"x");
	while (n < LOG_LINE_BYTES_MAX - 8)
		n += (size_t)sprintf(text + n, "\xc3\xb6");
	memcpy(text + n, "\"}", 3);
	CHECK(parse(text, &l) == 1);
	CHECK(strlen(l.message) <= LOG_MESSAGE_MAX);
	CHECK(strcmp(l.message + strlen(l.message) - 5, "\xc3\xb6...") == 0);
	log_line_fini(&l);
	memset(text, ' ', sizeof(text));
	memcpy(text, "{}", 2);
	text[LOG_LINE_BYTES_MAX + 1] = '\0';
	CHECK(parse(text, &l) < 0);
	/* A hundred fields, and deep ones. */
	n = (size_t)snprintf(text, sizeof(text), "{\"message\":\"x\"");
	for (int i = 0; i < 100; i++)
		n += (size_t)sprintf(text + n, ",\"f%d\":[[[[%d]]]]", i, i);
	memcpy(text + n, "}", 2);
	CHECK(parse(text, &l) == 1 && strlen(l.fields) < LOG_STORED_MAX);
	log_line_fini(&l);
}

/* --- to the store ------------------------------------------------------------
 */

static struct engine_world w;
static struct sb_ref listening;
static uint64_t asked_after;
static unsigned nconns, nstops;
static int fd_held = -1;

static void *
on_logs(void *ctx, const struct sb_record *r, struct sb_ref ref, int fd,
    uint64_t after, struct err *e)
{
	(void)ctx;
	(void)r;
	(void)e;
	drop_fd(&fd_held);
	fd_held = fd;
	listening = ref;
	asked_after = after;
	nconns++;
	return &listening;
}

static void
on_stop(void *ctx, void *conn)
{
	(void)ctx;
	CHECK(conn == &listening);
	nstops++;
}

static bool
wait_for(unsigned want)
{
	for (int i = 0; i < 300 && nconns < want; i++)
		world_run(&w, 10);
	return nconns == want;
}

static void
say(const char *s)
{
	engine_logs_data(w.en, listening, s, strlen(s));
}

struct counted {
	unsigned lines, dropped_lines;
	uint64_t dropped;
	int64_t last_ms;
	bool ordered;
	char last[64];
};

static void
count(void *ctx, const struct store_line *l)
{
	struct counted *c = ctx;
	const char *n =
	    l->fields != NULL ? strstr(l->fields, "\"dropped\":") : NULL;

	c->ordered = c->ordered && l->at_ms >= c->last_ms;
	c->last_ms = l->at_ms;
	if (l->event != NULL)
		return;
	if (n != NULL) {
		c->dropped_lines++;
		c->dropped += strtoull(n + 10, NULL, 10);
		return;
	}
	c->lines++;
	(void)snprintf(c->last, sizeof(c->last), "%.60s", l->message);
}

static struct counted
counted(const char *id)
{
	struct counted c = { .ordered = true };
	struct store_event_query q = {
		.sandbox_id = id, .to_ms = INT64_MAX, .limit = 100000
	};
	struct err e;

	engine_logs_flush(w.en);
	CHECK(store_line_each(engine_store(w.en), &q, count, &c, &e) == 0);
	CHECK(c.ordered);
	return c;
}

static void
as_it_comes(const char *id)
{
	char text[8192];
	size_t n = 0;

	/* In pieces, several at once, with heartbeats and nonsense between. */
	say("{}\n{\"seq\":1,\"message\":\"on");
	say("e\"}\n{\"seq\":2,\"message\":\"two\"}\n{\"seq\":3,\"mess");
	CHECK(counted(id).lines == 2);
	say("age\":\"three\",\"timestamp\":\"1999-01-01T00:00:00Z\"}\n\n{}\n");
	say("{\"seq\":4,\"message\":\"later\","
	    "\"timestamp\":\"2199-01-01T00:00:00Z\"}\n");
	CHECK(counted(id).lines == 4);
	CHECK(counted(id).last_ms <= wall_ms() + 10);
	say("nonsense\n");
	while (n < 6000)
		n += (size_t)sprintf(text + n, "%s", "far too long ");
	say(text);
	say("\n{\"seq\":7,\"message\":\"after\"}\n");
	CHECK(counted(id).lines == 5);
	CHECK(strcmp(counted(id).last, "after") == 0);
	world_run(&w, 1200);
	CHECK(counted(id).dropped == 2 && counted(id).dropped_lines == 1);
}

static void
too_much(const char *id)
{
	unsigned before = counted(id).lines, kept;
	char line[128];

	world_run(&w, 100);
	for (unsigned i = 0; i < 100000; i++) {
		(void)snprintf(line, sizeof(line),
		    "{\"seq\":%u,\"level\":\"%s\",\"message\":\"flood\"}\n",
		    1000 + i, i < 50000 ? "debug" : "info");
		say(line);
	}
	kept = counted(id).lines - before;
	/* The bucket: half of it is not for debugging. */
	CHECK(kept > 900 && kept < 2500);
	world_run(&w, 1200);
	CHECK(kept + counted(id).dropped - 2 == 100000);
}

static void
through_a_restart(const char *id)
{
	unsigned conns = nconns;

	say("{\"seq\":200000,\"message\":\"stored\"}\n");
	CHECK(counted(id).lines > 0);
	say("{\"seq\":200001,\"message\":\"not yet\"}\n");
	world_crash(&w); /* which stores what it has, as an end does */
	world_start(&w);
	CHECK(wait_for(conns + 1));
	CHECK(asked_after == 200001);
	say("{}\n{\"seq\":200002,\"message\":\"next\"}\n");
	CHECK(strcmp(counted(id).last, "next") == 0);
}

static void
not_for_ever(const char *id)
{
	struct store *st = engine_store(w.en);
	struct store_lines_at at;
	struct err e;
	unsigned before = counted(id).lines;

	CHECK(store_lines_get(st, id, &at, &e) == 0);
	CHECK(at.seq == 200002 && at.n >= before);
	CHECK(store_lines_trim(st, id, 10, &e) == 0);
	CHECK(counted(id).lines + counted(id).dropped_lines == 10);
	CHECK(strcmp(counted(id).last, "next") == 0);
	CHECK(store_lines_prune(st, 0, 4, &e) == 0);
	CHECK(counted(id).lines + counted(id).dropped_lines == 4);
	CHECK(store_lines_prune(st, wall_ms() + 1000, 1000, &e) == 0);
	CHECK(counted(id).lines == 0);
	/* Of those that are gone nothing is known. */
	CHECK(store_lines_forget(st, &e) == 0);
	CHECK(store_lines_get(st, id, &at, &e) == 0 && at.seq == 200002);
}

int
main(void)
{
	struct err why = { .kind = ERR_SYS, .msg = "gone" };
	struct world_answer a, k;
	unsigned conns;

	log_open("test", LOG_L_ERROR);
	honest();
	hostile();
	world_begin(&w);
	w.on_logs = on_logs;
	w.on_logs_stop = on_stop;
	world_start(&w);
	world_create(&w, 300, false, &a);
	CHECK(world_until(&w, &a.done, 3000) && a.err.kind == ERR_NONE);
	CHECK(wait_for(1) && asked_after == 0);
	as_it_comes(a.id);
	too_much(a.id);
	through_a_restart(a.id);
	/* A connection that ends is made again, behind what came. */
	conns = nconns;
	engine_logs_end(w.en, listening, &why);
	CHECK(wait_for(conns + 1) && asked_after == 200002);
	not_for_ever(a.id);
	say("{\"seq\":200003,\"message\":\"last words\"}\n");
	world_call(&w, a.id, OP_KILL, 0, &k);
	CHECK(world_until(&w, &k.done, 3000) && k.err.kind == ERR_NONE);
	CHECK(nstops >= 2);
	say("{\"seq\":200004,\"message\":\"from the grave\"}\n");
	CHECK(strcmp(counted(a.id).last, "last words") == 0);
	drop_fd(&fd_held);
	world_end(&w);
	return t_end();
}
