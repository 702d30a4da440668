#include "tests/lib/engine_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"

static void
die(const char *what)
{
	fprintf(stderr, "engine_world: %s\n", what);
	abort();
}

static void
put_template(const char *dir)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/db", dir);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/templates", dir);
	(void)mkdir(path, 0755);
	(void)snprintf(path, sizeof(path), "%s/templates/x", dir);
	(void)mkdir(path, 0755);
	(void)snprintf(path, sizeof(path), "%s/templates/x/template.json", dir);
	f = fopen(path, "we");
	if (f == NULL)
		die(path);
	fprintf(f, "{\"templateID\":\"coppicebase000000000\","
		   "\"name\":\"base\",\"buildID\":"
		   "\"11111111-1111-4111-8111-111111111111\","
		   "\"cpuCount\":2,\"memoryMB\":512,\"diskSizeMB\":1024,"
		   "\"envdVersion\":\"0.6.13\","
		   "\"createdAt\":\"2026-01-02T03:04:05.000Z\"}");
	(void)fclose(f);
}

void
world_begin(struct engine_world *w)
{
	struct err e;

	memset(w, 0, sizeof(*w));
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/cop-world-XXXXXX");
	if (mkdtemp(w->dir) == NULL)
		die("mkdtemp");
	put_template(w->dir);
	w->loop = loop_new(&e);
	if (w->loop == NULL)
		die(e.msg);
	fake_begin(&w->fake, w->loop);
	w->cf = (struct engine_conf){ .max_sandboxes = 32,
		.pool_slots = 2,
		.pids_max = 100,
		.host_memory_mb = 4096,
		.max_life_s = 86400,
		.cpu_count = 1,
		.memory_mb = 256,
		.disk_mb = 256 };
	(void)snprintf(w->cf.state_dir, sizeof(w->cf.state_dir), "%s", w->dir);
}

void
world_end(struct engine_world *w)
{
	char cmd[128];

	world_crash(w);
	/* What was put off still holds memory. */
	world_rounds(w, 3);
	loop_free(w->loop);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", w->dir);
	if (system(cmd) != 0)
		die(cmd);
}

static void
on_ready(void *ctx)
{
	struct engine_world *w = ctx;

	w->is_ready = true;
}

static void
on_lost(void *ctx, const char *which)
{
	struct engine_world *w = ctx;

	(void)which;
	w->is_lost = true;
}

static int
on_envd(void *ctx, const struct envd_ask *q, struct err *e)
{
	struct engine_world *w = ctx;

	return fake_envd(&w->fake, q, e);
}

static int
on_site(void *ctx, struct np_site *out, struct err *e)
{
	(void)ctx;
	np_site_init(out);
	return np_site_builtin(out, e);
}

void
world_start(struct engine_world *w)
{
	struct engine_calls calls = { .envd = on_envd,
		.site = on_site,
		.on_ready = on_ready,
		.on_lost = on_lost,
		.ctx = w,
		.logs = w->on_logs,
		.logs_stop = w->on_logs_stop };
	struct err e;

	w->is_ready = w->is_lost = false;
	w->en = engine_new(w->loop, &w->cf, &calls, fake_connect(&w->fake), &e);
	if (w->en == NULL)
		die(e.msg);
	w->fake.en = w->en;
	if (!world_until(w, &w->is_ready, 5000))
		die("the engine does not recover");
}

void
world_crash(struct engine_world *w)
{
	w->fake.en = NULL;
	fake_disconnect(&w->fake);
	engine_free(w->en);
	w->en = NULL;
}

struct pump {
	struct loop_timer t;
	struct engine_world *w;
	const bool *what;
	struct mono end;
};

static void
on_pump(struct loop_timer *t)
{
	struct pump *p = container_of(t, struct pump, t);

	if ((p->what != NULL && *p->what) || mono_now().ns >= p->end.ns)
		loop_stop(p->w->loop);
	else
		loop_timer_start(p->w->loop, t, 1);
}

bool
world_until(struct engine_world *w, const bool *what, unsigned ms)
{
	struct pump p = { .t = { .on_time = on_pump },
		.w = w,
		.what = what,
		.end = mono_after_ms(mono_now(), ms) };

	loop_timer_start(w->loop, &p.t, 0);
	loop_run(w->loop);
	return what != NULL && *what;
}

void
world_run(struct engine_world *w, unsigned ms)
{
	(void)world_until(w, NULL, ms);
}

static void
on_round(void *arg)
{
	loop_stop(arg);
}

void
world_rounds(struct engine_world *w, unsigned n)
{
	while (n-- > 0) {
		loop_defer(w->loop, on_round, w->loop);
		loop_run(w->loop);
	}
}

static void
on_answer(void *ctx, const struct sb_answer *got)
{
	struct world_answer *a = ctx;

	a->done = true;
	a->err = got->err;
	a->resumed = got->resumed;
	a->gen = got->gen;
	if (got->code != NULL)
		(void)snprintf(a->code, sizeof(a->code), "%s", got->code);
	if (got->sb != NULL)
		(void)snprintf(
		    a->id, sizeof(a->id), "%s", sandbox_record(got->sb)->id);
}

static struct sb_policy
policy(const char *deny, struct sb_net *net)
{
	struct sb_policy p;
	char text[512];
	struct err e;

	(void)snprintf(text, sizeof(text), "{\"denyOut\":%s}", deny);
	net->json = strdup(text);
	net->internet = SB_UNSAID;
	if (sb_policy_load(net, &p, &e) < 0)
		die(e.msg);
	return p;
}

void
world_create(struct engine_world *w, uint64_t timeout_s, bool pause,
    struct world_answer *a)
{
	struct sb_create c = { .secure = true, .done = on_answer, .ctx = a };

	memset(a, 0, sizeof(*a));
	c.r.timeout_s = timeout_s;
	c.r.pause_on_timeout = pause;
	c.r.auto_resume = w->auto_resume;
	c.r.cpu_count = 1;
	c.r.memory_mb = 128;
	c.r.disk_mb = 128;
	(void)snprintf(
	    c.r.template_id, sizeof(c.r.template_id), "coppicebase000000000");
	c.policy = policy("[\"1.1.1.1\"]", &c.r.net);
	engine_create(w->en, &c);
}

void
world_call(struct engine_world *w, const char *id, enum sb_op op,
    uint64_t timeout_s, struct world_answer *a)
{
	struct sb_call c = { .op = op,
		.timeout_s = timeout_s,
		.no_memory = w->no_memory,
		.auto_pause = SB_UNSAID,
		.done = on_answer,
		.ctx = a };
	char copy[SPAWN_ID_MAX]; /* id may be the answer's own */

	(void)snprintf(copy, sizeof(copy), "%s", id);
	memset(a, 0, sizeof(*a));
	engine_call(w->en, copy, &c);
}

void
world_network(struct engine_world *w, const char *id, const char *deny,
    struct world_answer *a)
{
	struct sb_net_call c = { .done = on_answer, .ctx = a };
	char copy[SPAWN_ID_MAX];

	(void)snprintf(copy, sizeof(copy), "%s", id);
	memset(a, 0, sizeof(*a));
	c.policy = policy(deny, &c.net);
	engine_network(w->en, copy, &c);
}

static int
count(void *ctx, struct sb_record *r, struct err *e)
{
	unsigned *n = ctx;

	(void)e;
	(*n)++;
	sb_record_fini(r);
	return 0;
}

unsigned
world_rows(struct engine_world *w)
{
	char path[128];
	struct store *st;
	unsigned n = 0;
	struct err e;

	(void)snprintf(path, sizeof(path), "%s/db/coppice.db", w->dir);
	st = store_open(path, &e);
	if (st == NULL || store_load(st, count, &n, &e) < 0)
		die(e.msg);
	store_close(st);
	return n;
}
