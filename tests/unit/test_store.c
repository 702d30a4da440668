/* What is committed is there after a crash, and what is not is not. */
#include "ctl/sandbox/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/t.h"

static char path[256];

static struct sb_record
record(const char *id)
{
	struct sb_record r = { .net = { .internet = SB_NO },
		.state = SB_RUNNING,
		.slot = { 7, 4000000000u },
		.cpu_count = 2,
		.memory_mb = 512,
		.disk_mb = 1024,
		.pause_on_timeout = true,
		.pause_files_only = true,
		.timeout_s = 300,
		.created_ms = 1,
		.started_ms = 1700000000123,
		.end_ms = 1700000300123,
		.private_traffic = true,
		.gen = 0xfffffff0u,
		.has_metadata = true };
	struct err e;

	(void)snprintf(r.id, sizeof(r.id), "%s", id);
	(void)snprintf(r.template_id, sizeof(r.template_id), "base");
	(void)snprintf(r.mask_host, sizeof(r.mask_host), "localhost:${PORT}");
	memset(r.secret, 0xa5, sizeof(r.secret));
	memset(r.envd_token, 'e', ID_TOKEN_LEN);
	CHECK(sb_pairs_add(&r.metadata, "user", "J\xc3\xb6rg \"x\"", &e) == 0);
	CHECK(sb_pairs_add(&r.metadata, "", "", &e) == 0);
	r.env_json = strdup("{\"A\":\"b\"}");
	r.net.json = strdup("{\"denyOut\":[\"0.0.0.0/0\"]}");
	return r;
}

struct loaded {
	unsigned n;
	struct sb_record r;
};

static int
keep_last(void *ctx, struct sb_record *r, struct err *e)
{
	struct loaded *l = ctx;

	(void)e;
	if (l->n++ > 0)
		sb_record_fini(&l->r);
	l->r = *r;
	return 0;
}

static void
same(const struct sb_record *a, const struct sb_record *b)
{
	CHECK(strcmp(a->id, b->id) == 0);
	CHECK(a->state == b->state);
	CHECK(a->slot.slot == b->slot.slot);
	CHECK(a->slot.incarnation == b->slot.incarnation);
	CHECK(strcmp(a->template_id, b->template_id) == 0);
	CHECK(strcmp(a->mask_host, b->mask_host) == 0);
	CHECK(strcmp(a->envd_token, b->envd_token) == 0);
	CHECK(memcmp(a->secret, b->secret, sizeof(a->secret)) == 0);
	CHECK(a->has_metadata == b->has_metadata);
	CHECK(a->metadata.n == b->metadata.n);
	for (size_t i = 0; i < a->metadata.n && i < b->metadata.n; i++)
		CHECK(strcmp(sb_pairs_get(&b->metadata, a->metadata.v[i].name),
			  a->metadata.v[i].value) == 0);
	CHECK(strcmp(a->env_json, b->env_json) == 0);
	CHECK(b->mcp_json == NULL);
	CHECK(strcmp(a->net.json, b->net.json) == 0);
	CHECK(a->net.internet == b->net.internet);
	CHECK(a->private_traffic == b->private_traffic);
	CHECK(a->pause_on_timeout == b->pause_on_timeout);
	CHECK(a->pause_files_only == b->pause_files_only);
	CHECK(a->timeout_s == b->timeout_s);
	CHECK(a->started_ms == b->started_ms && a->end_ms == b->end_ms);
	CHECK(a->gen == b->gen);
}

static struct store *
open_it(void)
{
	struct err e;
	struct store *st = store_open(path, &e);

	if (st == NULL)
		printf("# %s\n", e.msg);
	CHECK(st != NULL);
	return st;
}

static void
round_trip(void)
{
	struct sb_record r = record("iaaa");
	struct loaded l = { .n = 0 };
	struct store *st = open_it();
	struct err e;

	CHECK(store_insert(st, &r, &e) == 0);
	CHECK(store_insert(st, &r, &e) < 0);
	store_close(st);
	st = open_it();
	CHECK(store_load(st, keep_last, &l, &e) == 0 && l.n == 1);
	same(&r, &l.r);
	sb_record_fini(&l.r);

	r.state = SB_PAUSED;
	r.slot.slot = 0;
	r.end_ms++;
	CHECK(store_update(st, &r, &e) == 0);
	free(r.net.json);
	r.net.json = strdup("{}");
	r.gen = 5;
	CHECK(store_update_net(st, &r, &e) == 0);
	l.n = 0;
	CHECK(store_load(st, keep_last, &l, &e) == 0 && l.n == 1);
	same(&r, &l.r);
	sb_record_fini(&l.r);

	CHECK(store_delete(st, "iaaa", &e) == 0);
	CHECK(store_delete(st, "iaaa", &e) == 0);
	l.n = 0;
	CHECK(store_load(st, keep_last, &l, &e) == 0 && l.n == 0);
	sb_record_fini(&r);
	store_close(st);
}

/* A process that does so many things and is killed without a word. */
static void
die_after(int steps)
{
	struct store *st;
	struct sb_record r;
	struct err e;
	pid_t pid = fork();

	if (pid != 0) {
		(void)waitpid(pid, NULL, 0);
		return;
	}
	st = store_open(path, &e);
	r = record("icrash");
	for (int i = 0; st != NULL && i < steps; i++)
		switch (i) {
		case 0:
			(void)store_begin(st, &e);
			break;
		case 1:
			(void)store_insert(st, &r, &e);
			break;
		case 2:
			(void)store_event_add(st,
			    &(struct store_event){ .at_ms = 1,
				.sandbox_id = "icrash",
				.type = "created",
				.level = "info",
				.message = "created" },
			    &e);
			break;
		case 3:
			(void)store_commit(st, &e);
			break;
		default:
			break;
		}
	(void)kill(getpid(), SIGKILL);
}

static void
crash_between(void)
{
	for (int steps = 0; steps <= 4; steps++) {
		struct loaded l = { .n = 0 };
		struct store *st;
		struct err e;

		die_after(steps);
		st = open_it();
		CHECK(store_load(st, keep_last, &l, &e) == 0);
		CHECK(l.n == (steps == 4));
		/* The event came with the row, or neither did. */
		CHECK(store_event_known(st, "icrash", &e) == (steps == 4));
		if (l.n > 0)
			sb_record_fini(&l.r);
		store_close(st);
	}
}

static void
counters(void)
{
	struct store *st = open_it();
	uint32_t n = 1;
	struct err e;

	CHECK(store_counter_get(st, STORE_GEN, &n, &e) == 0 && n == 0);
	CHECK(store_counter_set(st, STORE_GEN, 4294967290u, &e) == 0);
	CHECK(store_counter_set(st, STORE_INCARNATION, 7, &e) == 0);
	store_close(st);
	st = open_it();
	CHECK(
	    store_counter_get(st, STORE_GEN, &n, &e) == 0 && n == 4294967290u);
	CHECK(store_counter_get(st, STORE_INCARNATION, &n, &e) == 0 && n == 7);
	store_close(st);
}

static void
count(void *ctx, const struct store_event *ev)
{
	int64_t *sum = ctx;

	*sum = *sum * 10 + ev->at_ms;
}

static void
events(void)
{
	struct store *st = open_it();
	struct store_event_query q = {
		.sandbox_id = "iev", .to_ms = INT64_MAX, .limit = 100
	};
	int64_t sum = 0;
	struct err e;

	for (int i = 1; i <= 5; i++)
		CHECK(store_event_add(st,
			  &(struct store_event){ .at_ms = i,
			      .sandbox_id = i == 4 ? "iother" : "iev",
			      .type = "t",
			      .level = i == 3 ? "error" : "info",
			      .message = i == 5 ? "five%" : "x" },
			  &e) == 0);
	CHECK(store_event_each(st, &q, count, &sum, &e) == 0 && sum == 1235);
	q.backward = true;
	q.limit = 2;
	sum = 0;
	CHECK(store_event_each(st, &q, count, &sum, &e) == 0 && sum == 53);
	q.min_level = 3;
	sum = 0;
	CHECK(store_event_each(st, &q, count, &sum, &e) == 0 && sum == 3);
	q.min_level = 0;
	q.search = "e%";
	sum = 0;
	CHECK(store_event_each(st, &q, count, &sum, &e) == 0 && sum == 5);
	CHECK(store_event_known(st, "iother", &e) == 1);
	CHECK(store_event_known(st, "nobody", &e) == 0);
	CHECK(store_event_prune(st, 3, 1000, &e) == 0);
	q = (struct store_event_query){
		.sandbox_id = "iev", .to_ms = INT64_MAX, .limit = 100
	};
	sum = 0;
	CHECK(store_event_each(st, &q, count, &sum, &e) == 0 && sum == 35);
	CHECK(store_event_prune(st, 0, 1, &e) == 0);
	sum = 0;
	CHECK(store_event_each(st, &q, count, &sum, &e) == 0 && sum == 5);
	store_close(st);
}

static void
answers(void)
{
	struct store *st = open_it();
	struct store_answer a = { .status = 0 };
	uint8_t print[STORE_PRINT_LEN];
	struct err e;

	memset(print, 9, sizeof(print));
	buf_init(&a.body, 1024);
	CHECK(store_answer_get(st, "k", &a, &e) == 0);
	CHECK(store_answer_put(st, "k", print, 5, 0, NULL, 0, &e) == 0);
	CHECK(store_answer_get(st, "k", &a, &e) == 1 && a.status == 0);
	CHECK(memcmp(a.print, print, sizeof(print)) == 0 && a.body.len == 0);
	CHECK(store_answer_put(st, "k", print, 5, 201, "{}", 2, &e) == 0);
	CHECK(store_answer_get(st, "k", &a, &e) == 1 && a.status == 201);
	CHECK(a.body.len == 2);
	CHECK(store_answer_prune(st, 6, &e) == 0);
	CHECK(store_answer_get(st, "k", &a, &e) == 0);
	buf_fini(&a.body);
	store_close(st);
}

static void
checkpoint(void)
{
	struct store *st = open_it();
	struct loaded l = { .n = 0 };
	struct sb_record r = record("icp");
	struct stat sb;
	struct err e;

	for (int i = 0; i < 200; i++)
		CHECK(store_counter_set(st, STORE_GEN, (uint32_t)i, &e) == 0);
	CHECK(store_insert(st, &r, &e) == 0);
	CHECK(store_wal_pages(st) > 100);
	CHECK(store_checkpoint(path, &e) == 0);
	/* The next write starts the log again. */
	CHECK(store_counter_set(st, STORE_GEN, 1000, &e) == 0);
	CHECK(store_wal_pages(st) < 10);
	CHECK(store_load(st, keep_last, &l, &e) == 0 && l.n >= 1);
	sb_record_fini(&l.r);
	sb_record_fini(&r);
	store_close(st);
	CHECK(stat(path, &sb) == 0 && (sb.st_mode & 077) == 0);
}

static void
refused(void)
{
	struct err e;

	CHECK(store_open("/nonexistent/x.db", &e) == NULL);
	CHECK(strstr(e.msg, "/nonexistent/x.db") != NULL);
}

int
main(void)
{
	char dir[] = "/tmp/cop-store-XXXXXX", cmd[300];

	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/x.db", dir);
	round_trip();
	crash_between();
	counters();
	events();
	answers();
	checkpoint();
	refused();
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK(system(cmd) == 0);
	return t_end();
}
