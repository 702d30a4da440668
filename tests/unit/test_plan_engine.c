/* The life of sandboxes against privds that fail, hang and die. */
#include <string.h>

#include "base/own.h"
#include "dataplane/proxy/route_msg.h"
#include "io/log.h"
#include "tests/lib/engine_world.h"
#include "tests/t.h"

static struct engine_world w;

static bool
made(struct world_answer *a, uint64_t timeout_s, bool pause)
{
	world_create(&w, timeout_s, pause, a);
	return world_until(&w, &a->done, 3000) && a->err.kind == ERR_NONE;
}

static enum err_kind
did(const char *id, enum sb_op op, uint64_t timeout_s, struct world_answer *a)
{
	world_call(&w, id, op, timeout_s, a);
	CHECK(world_until(&w, &a->done, 3000));
	return a->err.kind;
}

static void
nothing_left(void)
{
	world_run(&w, 30);
	CHECK(fake_tenants(&w.fake) == 0);
	CHECK(fake_live(&w.fake) == 0);
	CHECK(fake_files(&w.fake) == 0);
	CHECK(w.fake.nroutes == 0);
	CHECK(world_rows(&w) == 0);
	CHECK(engine_count(w.en).running == 0);
	CHECK(engine_count(w.en).other == 0);
}

static void
from_birth_to_death(void)
{
	struct world_answer a, k;
	const struct fake_slot *s;

	CHECK(made(&a, 300, false));
	CHECK(strlen(a.id) == 21 && a.id[0] == 'i');
	s = fake_find(&w.fake, a.id);
	CHECK(s != NULL && s->had_rules && s->ndeny == 1);
	CHECK(s != NULL && s->gen == a.gen && a.gen >= RULES_GEN_FIRST);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_RUNNING);
	CHECK(world_rows(&w) == 1);
	CHECK(engine_find(w.en, a.id) != NULL);

	CHECK(did(a.id, OP_KILL, 0, &k) == ERR_NONE);
	CHECK(engine_find(w.en, a.id) == NULL);
	CHECK(did(a.id, OP_KILL, 0, &k) == ERR_NOTFOUND);
	nothing_left();
}

/* Whichever step of a create fails, the client is told and nothing is left. */
static void
create_fails(void)
{
	static const enum fake_step steps[] = { FAKE_APPLY, FAKE_CREATE,
		FAKE_INIT };
	struct world_answer a;

	for (size_t i = 0; i < countof(steps); i++) {
		w.fake.fail = steps[i];
		CHECK(!made(&a, 300, false));
		CHECK(a.done && a.err.kind == ERR_SYS);
		CHECK(strcmp(a.code, "sandbox_create_failed") == 0);
		nothing_left();
	}
	/* The store says no: a table that is not there. */
	CHECK(made(&a, 300, false));
	CHECK(did(a.id, OP_KILL, 0, &a) == ERR_NONE);
	nothing_left();
}

static void
slots_fail(void)
{
	struct world_answer a[4];

	/* One slot fails: another comes. */
	w.fake.fail = FAKE_SLOT;
	for (size_t i = 0; i < countof(a); i++)
		world_create(&w, 300, false, &a[i]);
	for (size_t i = 0; i < countof(a); i++) {
		CHECK(world_until(&w, &a[i].done, 5000));
		CHECK(a[i].err.kind == ERR_NONE);
	}
	CHECK(fake_tenants(&w.fake) == 4);
	for (size_t i = 0; i < countof(a); i++)
		CHECK(did(a[i].id, OP_KILL, 0, &a[i]) == ERR_NONE);
	nothing_left();
}

static void
envd_is_slow(void)
{
	struct world_answer a;

	w.fake.refuse_connect = true;
	world_create(&w, 300, false, &a);
	world_run(&w, 60);
	CHECK(!a.done);
	CHECK(w.fake.asked[SPAWN_SOCK] > 0);
	w.fake.refuse_connect = false;
	CHECK(world_until(&w, &a.done, 2000) && a.err.kind == ERR_NONE);
	CHECK(did(a.id, OP_KILL, 0, &a) == ERR_NONE);

	/* It dies while we wait for it. */
	w.fake.refuse_connect = true;
	world_create(&w, 300, false, &a);
	world_run(&w, 20);
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		if (w.fake.slot[i].tenant)
			fake_die(&w.fake, w.fake.slot[i].id);
	CHECK(world_until(&w, &a.done, 2000) && a.err.kind == ERR_SYS);
	w.fake.refuse_connect = false;
	nothing_left();
}

static void
kill_is_stubborn(void)
{
	struct world_answer a, k;

	CHECK(made(&a, 300, false));
	w.fake.fail = FAKE_KILL;
	world_call(&w, a.id, OP_KILL, 0, &k);
	CHECK(!k.done);
	CHECK(engine_find(w.en, a.id) == NULL); /* gone for everybody */
	CHECK(world_until(&w, &k.done, 3000) && k.err.kind == ERR_NONE);
	nothing_left();
}

static void
pause_and_resume(void)
{
	struct world_answer a, b, c, d;

	CHECK(made(&a, 300, false));
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	CHECK(fake_find(&w.fake, a.id)->frozen);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_PAUSED);
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_CONFLICT);
	CHECK(did(a.id, OP_TIMEOUT, 10, &b) == ERR_NOTFOUND);
	CHECK(did(a.id, OP_CONNECT, 60, &b) == ERR_NONE && b.resumed);
	CHECK(!fake_find(&w.fake, a.id)->frozen);
	CHECK(did(a.id, OP_CONNECT, 60, &b) == ERR_NONE && !b.resumed);
	CHECK(did(a.id, OP_RESUME, 60, &b) == ERR_CONFLICT);

	/* Several at once join; a connect waits, and then resumes. */
	w.fake.hold_freeze = true;
	world_call(&w, a.id, OP_PAUSE, 0, &b);
	world_run(&w, 10);
	world_call(&w, a.id, OP_PAUSE, 0, &c);
	world_call(&w, a.id, OP_CONNECT, 60, &d);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_CHANGING);
	world_run(&w, 10);
	CHECK(!b.done && !c.done && !d.done);
	w.fake.hold_freeze = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &d.done, 1000));
	CHECK(b.done && b.err.kind == ERR_NONE);
	CHECK(c.done && c.err.kind == ERR_NONE);
	CHECK(d.err.kind == ERR_NONE && d.resumed);

	/* Two resumes at once: one begins it, both are well. */
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	w.fake.hold_thaw = true;
	world_call(&w, a.id, OP_CONNECT, 60, &b);
	world_call(&w, a.id, OP_CONNECT, 60, &c);
	world_run(&w, 10);
	CHECK(did(a.id, OP_KILL, 0, &d) == ERR_CONFLICT);
	w.fake.hold_thaw = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &c.done, 1000) && b.done);
	CHECK(b.err.kind == ERR_NONE && b.resumed);
	CHECK(c.err.kind == ERR_NONE && !c.resumed);

	/* A kill during a pause waits for it. */
	w.fake.hold_freeze = true;
	world_call(&w, a.id, OP_PAUSE, 0, &b);
	world_run(&w, 10);
	world_call(&w, a.id, OP_KILL, 0, &c);
	world_run(&w, 10);
	CHECK(!c.done);
	w.fake.hold_freeze = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &c.done, 1000) && c.err.kind == ERR_NONE);
	CHECK(b.done && b.err.kind == ERR_NONE);
	nothing_left();
}

static void
pause_fails(void)
{
	struct world_answer a, b;

	CHECK(made(&a, 300, false));
	w.fake.fail = FAKE_FREEZE;
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_SYS);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_RUNNING);
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	w.fake.fail = FAKE_THAW;
	CHECK(did(a.id, OP_CONNECT, 10, &b) == ERR_SYS);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_PAUSED);
	CHECK(did(a.id, OP_CONNECT, 10, &b) == ERR_NONE);
	CHECK(did(a.id, OP_KILL, 0, &b) == ERR_NONE);
	nothing_left();
}

/* A pause without memory: processes go, files stay. */
static void
files_only(void)
{
	struct world_answer a, b;

	CHECK(made(&a, 300, false));
	w.no_memory = true;
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	w.no_memory = false;
	CHECK(fake_tenants(&w.fake) == 0 && fake_files(&w.fake) == 1);
	CHECK(fake_live(&w.fake) == 0);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_PAUSED);
	/* Its new processes fail: the files are still there. */
	w.fake.fail = FAKE_INIT;
	CHECK(did(a.id, OP_CONNECT, 60, &b) == ERR_SYS);
	world_run(&w, 20);
	CHECK(fake_tenants(&w.fake) == 0 && fake_files(&w.fake) == 1);
	CHECK(did(a.id, OP_CONNECT, 60, &b) == ERR_NONE && b.resumed);
	CHECK(fake_tenants(&w.fake) == 1 && fake_files(&w.fake) == 0);
	CHECK(fake_find(&w.fake, a.id)->had_rules);
	CHECK(fake_find(&w.fake, a.id)->ndeny == 1);
	/* With memory, but resumed without. */
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	w.no_memory = true;
	CHECK(did(a.id, OP_CONNECT, 60, &b) == ERR_NONE && b.resumed);
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	w.no_memory = false;
	CHECK(did(a.id, OP_KILL, 0, &b) == ERR_NONE);
	nothing_left();
}

/* What proxyd is told in the end. */
static uint16_t
woken(const char *id)
{
	unsigned before = w.fake.woke;

	fake_wake(&w.fake, id);
	for (int i = 0; i < 100 && w.fake.woke == before; i++)
		world_run(&w, 5);
	CHECK(w.fake.woke > before);
	return w.fake.woke_status;
}

static int64_t
seconds_left(const char *id)
{
	return (sandbox_record(engine_find(w.en, id))->end_ms - wall_ms() +
		   500) /
	       1000;
}

static void
traffic_wakes(void)
{
	struct world_answer a, b, c;
	unsigned asked;

	w.auto_resume = true;
	CHECK(made(&a, 120, true));
	w.auto_resume = false;
	CHECK(did(a.id, OP_TIMEOUT, 3000, &b) == ERR_NONE);
	CHECK(woken(a.id) == 0);
	CHECK(seconds_left(a.id) == 3000); /* traffic extends nothing */
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	/* Two at once are one resume, for as long as its creator asked. */
	asked = w.fake.asked[SPAWN_THAW];
	fake_wake(&w.fake, a.id);
	CHECK(woken(a.id) == 0);
	world_run(&w, 20);
	CHECK(w.fake.asked[SPAWN_THAW] == asked + 1);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_RUNNING);
	CHECK(seconds_left(a.id) == 120);

	/* While it is being paused: afterwards. */
	w.fake.hold_freeze = true;
	world_call(&w, a.id, OP_PAUSE, 0, &b);
	world_run(&w, 10);
	fake_wake(&w.fake, a.id);
	world_run(&w, 10);
	CHECK(!b.done);
	w.fake.hold_freeze = false;
	fake_let_go(&w.fake);
	world_run(&w, 30);
	CHECK(b.done && b.err.kind == ERR_NONE);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_RUNNING);

	/* It cannot be, and stays paused. */
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	w.fake.fail = FAKE_THAW;
	CHECK(woken(a.id) == 502);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_PAUSED);
	CHECK(woken(a.id) == 0);
	/* Without its memory it stays where it is. */
	w.no_memory = true;
	CHECK(did(a.id, OP_PAUSE, 0, &b) == ERR_NONE);
	w.no_memory = false;
	CHECK(woken(a.id) == 502);
	CHECK(fake_route(&w.fake, a.id) == ROUTE_PAUSED);
	CHECK(did(a.id, OP_KILL, 0, &b) == ERR_NONE);
	CHECK(woken(a.id) == 502);

	/* Nobody has asked for that. */
	CHECK(made(&c, 120, true));
	CHECK(did(c.id, OP_PAUSE, 0, &b) == ERR_NONE);
	CHECK(woken(c.id) == 502);
	CHECK(fake_route(&w.fake, c.id) == ROUTE_PAUSED);
	CHECK(did(c.id, OP_KILL, 0, &b) == ERR_NONE);
	nothing_left();
}

static void
policies(void)
{
	struct world_answer a, b, c, d;
	const struct fake_slot *s;
	unsigned applied;
	uint32_t gen;

	CHECK(made(&a, 300, false));
	world_network(&w, a.id, "[\"8.8.8.8\",\"9.9.9.9\"]", &b);
	CHECK(world_until(&w, &b.done, 1000) && b.err.kind == ERR_NONE);
	s = fake_find(&w.fake, a.id);
	CHECK(s->ndeny == 2 && s->gen == b.gen && b.gen > a.gen && !s->birth);

	/* It fails: the old one holds, here and there. */
	w.fake.fail = FAKE_APPLY;
	world_network(&w, a.id, "[]", &c);
	CHECK(world_until(&w, &c.done, 1000) && c.err.kind == ERR_SYS);
	CHECK(
	    strcmp(c.err.msg, "Error applying network config to sandbox") == 0);
	CHECK(s->ndeny == 2 && s->gen == b.gen);
	CHECK(strstr(sandbox_record(engine_find(w.en, a.id))->net.json,
		  "9.9.9.9") != NULL);

	/* Two at once: one after the other, the last one holds. */
	w.fake.hold_apply = true;
	applied = w.fake.applied;
	world_network(&w, a.id, "[\"1.1.1.1\"]", &b);
	world_network(&w, a.id, "[\"1.1.1.1\",\"2.2.2.2\",\"3.3.3.3\"]", &c);
	world_run(&w, 10);
	CHECK(w.fake.applied == applied + 1 && !b.done && !c.done);
	w.fake.hold_apply = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &c.done, 1000) && b.done);
	CHECK(s->ndeny == 3 && c.gen > b.gen);
	CHECK(strstr(sandbox_record(engine_find(w.en, a.id))->net.json,
		  "3.3.3.3") != NULL);

	/* The table is lost: what holds is applied again, to the same tenant.
	 */
	fake_lose_rules(&w.fake);
	world_run(&w, 20);
	CHECK(s->ndeny == 3 && s->gen > c.gen && !s->birth);

	/* So it is when the operator's ranges change, after what is under
	 * way. */
	gen = s->gen;
	fake_new_site(&w.fake);
	world_run(&w, 20);
	CHECK(s->ndeny == 3 && s->gen > gen && !s->birth);
	applied = w.fake.applied;
	w.fake.hold_apply = true;
	world_network(&w, a.id, "[\"1.1.1.1\"]", &b);
	fake_new_site(&w.fake);
	world_run(&w, 10);
	CHECK(w.fake.applied == applied + 1 && !b.done);
	w.fake.hold_apply = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &b.done, 1000));
	world_run(&w, 20);
	CHECK(w.fake.applied == applied + 2 && s->ndeny == 1 && s->gen > b.gen);

	/* Killed while one is under way: answered, and nothing stays. */
	w.fake.hold_apply = true;
	world_network(&w, a.id, "[]", &b);
	world_network(&w, a.id, "[]", &d);
	world_run(&w, 10);
	CHECK(did(a.id, OP_KILL, 0, &c) == ERR_NONE);
	CHECK(d.done && d.err.kind == ERR_NOTFOUND);
	w.fake.hold_apply = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &b.done, 1000) && b.err.kind == ERR_NOTFOUND);
	world_network(&w, a.id, "[]", &b);
	CHECK(b.done && b.err.kind == ERR_NOTFOUND);
	nothing_left();
}

static void
time_passes(void)
{
	struct world_answer a, b, c;
	struct mono begun = mono_now();
	bool gone = false;

	CHECK(made(&a, 1, false));
	CHECK(made(&b, 1, true));
	while (!gone && mono_ms(begun, mono_now()) < 3000) {
		world_run(&w, 5);
		gone = engine_find(w.en, a.id) == NULL;
	}
	CHECK(gone && mono_ms(begun, mono_now()) >= 950);
	CHECK(mono_ms(begun, mono_now()) < 1500);
	world_run(&w, 20);
	CHECK(fake_route(&w.fake, b.id) == ROUTE_PAUSED);
	CHECK(did(b.id, OP_CONNECT, 60, &c) == ERR_NONE && c.resumed);
	/* May be shortened, and to nothing. */
	CHECK(did(b.id, OP_TIMEOUT, 0, &c) == ERR_NONE);
	world_run(&w, 50);
	CHECK(fake_route(&w.fake, b.id) == ROUTE_PAUSED);
	CHECK(did(b.id, OP_KILL, 0, &c) == ERR_NONE);

	/* Connect and refresh never shorten. */
	CHECK(made(&a, 100, false));
	CHECK(did(a.id, OP_REFRESH, 15, &c) == ERR_NONE);
	CHECK(sandbox_record(engine_find(w.en, a.id))->end_ms >
	      wall_ms() + 90000);
	CHECK(did(a.id, OP_REFRESH, 3000, &c) == ERR_NONE);
	CHECK(sandbox_record(engine_find(w.en, a.id))->end_ms >
	      wall_ms() + 2900000);
	CHECK(did(a.id, OP_TIMEOUT, 200000, &c) == ERR_NONE);
	CHECK(sandbox_record(engine_find(w.en, a.id))->end_ms <=
	      wall_ms() + 86400 * 1000);
	CHECK(did(a.id, OP_KILL, 0, &c) == ERR_NONE);
	nothing_left();
}

static void
limits(void)
{
	struct world_answer a[33];
	unsigned made_n = 0, refused = 0;

	for (size_t i = 0; i < countof(a); i++)
		world_create(&w, 300, false, &a[i]);
	for (size_t i = 0; i < countof(a); i++) {
		CHECK(world_until(&w, &a[i].done, 3000));
		made_n += a[i].err.kind == ERR_NONE;
		refused += a[i].err.kind == ERR_LIMIT;
	}
	CHECK(made_n == 32 && refused == 1);
	for (size_t i = 0; i < countof(a); i++)
		if (a[i].err.kind == ERR_NONE)
			CHECK(did(a[i].id, OP_KILL, 0, &a[i]) == ERR_NONE);
	nothing_left();
	/* No memory left for one more. */
	w.cf.host_memory_mb = 8;
	world_crash(&w);
	world_start(&w);
	world_create(&w, 300, false, &a[0]);
	CHECK(a[0].done && a[0].err.kind == ERR_BUSY);
	CHECK(strcmp(a[0].code, "sandbox_capacity_unavailable") == 0);
	w.cf.host_memory_mb = 4096;
	world_crash(&w);
	world_start(&w);
}

static void
death(void)
{
	struct world_answer a, b;

	CHECK(made(&a, 300, false));
	fake_die(&w.fake, a.id);
	world_run(&w, 20);
	CHECK(engine_find(w.en, a.id) == NULL);
	nothing_left();
	/* A parked slot is not what it was: nobody gets it. */
	world_run(&w, 20);
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		w.fake.slot[i].ref.incarnation = 0;
	CHECK(!made(&b, 300, false));
	nothing_left();
	CHECK(made(&b, 300, false) || made(&b, 300, false));
	CHECK(did(b.id, OP_KILL, 0, &a) == ERR_NONE);
	nothing_left();
}

int
main(void)
{
	log_open("test", LOG_L_ERROR);
	world_begin(&w);
	world_start(&w);
	CHECK(w.fake.synced);
	from_birth_to_death();
	create_fails();
	slots_fail();
	envd_is_slow();
	kill_is_stubborn();
	pause_and_resume();
	pause_fails();
	files_only();
	traffic_wakes();
	policies();
	time_passes();
	limits();
	death();
	CHECK(!w.is_lost);
	world_end(&w);
	return t_end();
}
