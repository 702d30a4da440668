/* The warm pool against privds that fail, hang and die. */
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "ctl/sandbox/pool.h"
#include "dataplane/proxy/route_msg.h"
#include "io/log.h"
#include "tests/lib/engine_world.h"
#include "tests/t.h"

#define BASE "coppicebase000000000"

static struct engine_world w;

static struct pool_status
status(void)
{
	struct pool_status s;

	engine_pool_status(w.en, BASE, &s);
	return s;
}

/* So many are ready, and none is on its way, within three seconds. */
static bool
filled(uint32_t n)
{
	for (int i = 0; i < 300; i++) {
		if (status().ready == n && status().warming == 0)
			return true;
		world_run(&w, 10);
	}
	return false;
}

static bool
made(struct world_answer *a)
{
	world_create(&w, 300, false, a);
	return world_until(&w, &a->done, 3000) && a->err.kind == ERR_NONE;
}

static void
killed(const char *id)
{
	struct world_answer a;

	world_call(&w, id, OP_KILL, 0, &a);
	CHECK(world_until(&w, &a.done, 3000) && a.err.kind == ERR_NONE);
}

static bool
is_template_of_world(const char *start)
{
	char path[128];
	FILE *f;

	(void)snprintf(
	    path, sizeof(path), "%s/templates/x/template.json", w.dir);
	f = fopen(path, "we");
	if (f == NULL)
		return false;
	fprintf(f,
	    "{\"templateID\":\"" BASE "\",\"name\":\"base\",\"buildID\":"
	    "\"\",\"cpuCount\":1,\"memoryMB\":128,\"diskSizeMB\":128%s}",
	    start);
	return fclose(f) == 0;
}

static void
begin(uint32_t size, const char *start)
{
	world_begin(&w);
	w.cf.pool_size = size;
	CHECK(is_template_of_world(start));
	world_start(&w);
}

static void
end(void)
{
	world_run(&w, 30);
	engine_pool_end(w.en);
	for (int i = 0; i < 100 && engine_pool_left(w.en) > 0; i++)
		world_run(&w, 10);
	CHECK(engine_pool_left(w.en) == 0);
	world_run(&w, 30);
	CHECK(fake_tenants(&w.fake) == 0);
	CHECK(fake_live(&w.fake) == 0);
	CHECK(w.fake.nroutes == 0);
	CHECK(world_rows(&w) == 0);
	CHECK(engine_count(w.en).other == 0);
	world_end(&w);
}

static void
claimed(void)
{
	struct world_answer a;
	const struct fake_slot *s;
	unsigned creates;

	begin(2, "");
	CHECK(filled(2));
	CHECK(fake_tenants(&w.fake) == 2);
	/* Nobody's: no rules, no row, no route, not to be found. */
	CHECK(fake_live(&w.fake) == 0);
	CHECK(world_rows(&w) == 0 && w.fake.nroutes == 0);
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		if (w.fake.slot[i].tenant) {
			CHECK(engine_find(w.en, w.fake.slot[i].id) == NULL);
			world_call(&w, w.fake.slot[i].id, OP_KILL, 0, &a);
			CHECK(a.done && a.err.kind == ERR_NOTFOUND);
		}

	creates = w.fake.asked[SPAWN_CREATE];
	CHECK(made(&a));
	CHECK(w.fake.asked[SPAWN_CREATE] == creates);
	s = fake_find(&w.fake, a.id);
	CHECK(s != NULL && s->gen == a.gen && s->birth && s->ndeny == 1);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_RUNNING);
	CHECK(world_rows(&w) == 1);
	CHECK(status().ready == 1 && status().in_use == 1);
	CHECK(filled(2));
	killed(a.id);
	end();
}

/* A claim that fails is a create that succeeds, once. */
static void
claim_fails(void)
{
	static const enum fake_step steps[] = { FAKE_APPLY, FAKE_INIT };
	struct world_answer a;
	unsigned creates;

	begin(1, "");
	for (size_t i = 0; i < countof(steps); i++) {
		CHECK(filled(1));
		creates = w.fake.asked[SPAWN_CREATE];
		w.fake.fail = steps[i];
		CHECK(made(&a));
		CHECK(w.fake.asked[SPAWN_CREATE] > creates);
		CHECK(fake_find(&w.fake, a.id) != NULL);
		CHECK(fake_find(&w.fake, a.id)->ndeny == 1);
		CHECK(world_rows(&w) == 1);
		killed(a.id);
	}
	CHECK(filled(1));
	/* And one that fails both ways is refused. */
	w.fake.fail = FAKE_APPLY;
	w.fake.fail_always = true;
	CHECK(!made(&a));
	CHECK(a.done && a.err.kind == ERR_SYS);
	w.fake.fail = FAKE_NOTHING;
	w.fake.fail_always = false;
	end();
}

/* It dies while the kernel has not answered yet. */
static void
dies_on_the_way(void)
{
	struct world_answer a;
	char id[SPAWN_ID_MAX] = "";

	begin(1, "");
	CHECK(filled(1));
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		if (w.fake.slot[i].tenant)
			memcpy(id, w.fake.slot[i].id, sizeof(id));
	w.fake.hold_apply = true;
	world_create(&w, 300, false, &a);
	world_run(&w, 20);
	CHECK(!a.done);
	fake_die(&w.fake, id);
	world_run(&w, 20);
	w.fake.hold_apply = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &a.done, 3000) && a.err.kind == ERR_NONE);
	CHECK(strcmp(a.id, id) != 0);
	killed(a.id);
	end();
}

static void
comes_back(void)
{
	begin(2, "");
	CHECK(filled(2));
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		if (w.fake.slot[i].tenant) {
			fake_die(&w.fake, w.fake.slot[i].id);
			break;
		}
	world_run(&w, 100);
	CHECK(status().ready == 1); /* not at once: it backs off */
	CHECK(filled(2));
	end();
}

static void
back_off(void)
{
	begin(1, "");
	engine_pool_drain(w.en, BASE);
	world_run(&w, 100);
	w.fake.fail = FAKE_CREATE;
	w.fake.fail_always = true;
	{
		const char *code;
		struct err e;
		unsigned before = w.fake.asked[SPAWN_CREATE];

		CHECK(engine_pool_warm(w.en, BASE, 1, &code, &e) == 0);
		world_run(&w, 1500);
		CHECK(w.fake.asked[SPAWN_CREATE] - before <= 2);
		CHECK(w.fake.asked[SPAWN_CREATE] - before >= 1);
	}
	w.fake.fail = FAKE_NOTHING;
	w.fake.fail_always = false;
	CHECK(filled(1));
	end();
}

/* With a start command: it is asked for each, and waited for. */
static void
starts(void)
{
	struct world_answer a;
	unsigned starts;

	begin(1, ",\"startCmd\":\"true\",\"readyCmd\":\"true\"");
	CHECK(filled(1));
	CHECK(w.fake.nstarts >= 1);
	starts = w.fake.nstarts;
	CHECK(made(&a));
	CHECK(w.fake.nstarts == starts); /* not again */
	killed(a.id);
	CHECK(engine_pool_drain(w.en, BASE) <= 1);
	/* Cold, and badly. */
	world_run(&w, 50);
	w.fake.fail = FAKE_START;
	CHECK(!made(&a));
	CHECK(a.err.kind == ERR_SYS);
	CHECK(strstr(a.err.msg, "told to fail") != NULL);
	CHECK(made(&a));
	killed(a.id);
	end();
}

/* Whoever is here for real goes first: all places can be had. */
static void
give_way(void)
{
	struct world_answer a[9];

	world_begin(&w);
	w.cf.pool_size = 4;
	w.cf.max_sandboxes = 8;
	CHECK(is_template_of_world(""));
	world_start(&w);
	CHECK(filled(4));
	for (size_t i = 0; i < 8; i++)
		CHECK(made(&a[i]));
	CHECK(status().ready == 0);
	CHECK(!made(&a[8]));
	CHECK(a[8].err.kind == ERR_LIMIT);
	for (size_t i = 0; i < 8; i++)
		killed(a[i].id);
	CHECK(filled(4));
	end();
}

static void
drained(void)
{
	const char *code;
	struct err e;

	begin(2, "");
	CHECK(filled(2));
	CHECK(engine_pool_drain(w.en, BASE) == 2);
	CHECK(engine_pool_drain(w.en, BASE) == 0);
	world_run(&w, 700);
	CHECK(status().ready == 0 && status().target == 0);
	CHECK(engine_pool_warm(w.en, BASE, 3, &code, &e) == 0);
	CHECK(filled(3));
	CHECK(engine_pool_warm(w.en, BASE, 1, &code, &e) == 0);
	CHECK(filled(1));
	CHECK(engine_pool_warm(w.en, BASE, 31, &code, &e) == -1);
	CHECK(e.kind == ERR_LIMIT);
	CHECK(status().target == 1);
	end();
}

/* Killed at any round of a claim: what is left is a sandbox, or nothing. */
static void
crash(void)
{
	for (unsigned n = 0; n < 12; n++) {
		struct world_answer a;
		unsigned rows;

		begin(1, "");
		CHECK(filled(1));
		world_create(&w, 300, false, &a);
		world_rounds(&w, n);
		world_crash(&w);
		rows = world_rows(&w);
		CHECK(rows == 1 || !a.done || a.err.kind != ERR_NONE);
		w.cf.pool_size = 0;
		world_start(&w);
		world_run(&w, 50);
		CHECK(fake_tenants(&w.fake) == rows);
		CHECK(fake_live(&w.fake) == rows);
		CHECK(engine_count(w.en).running == rows);
		if (a.done && a.err.kind == ERR_NONE)
			CHECK(engine_find(w.en, a.id) != NULL);
		engine_kill_all(w.en);
		end();
	}
}

int
main(void)
{
	log_open("test", LOG_L_ERROR);
	claimed();
	claim_fails();
	dies_on_the_way();
	comes_back();
	back_off();
	starts();
	give_way();
	drained();
	crash();
	return t_end();
}
