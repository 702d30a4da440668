/*
 * The engine dies at every round of everything it does; the next one brings
 * store, kernel and way in together again, and loses nothing that was said.
 */
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "dataplane/proxy/route_msg.h"
#include "io/log.h"
#include "tests/lib/engine_world.h"
#include "tests/t.h"

enum { ROUNDS = 40 };

static struct engine_world w;

/* Everybody says the same of every sandbox; returns how many there are. */
struct tally {
	unsigned n, running;
};

static void
agrees(void *ctx, struct sandbox *sb)
{
	struct tally *t = ctx;
	const struct sb_record *r = sandbox_record(sb);
	const struct fake_slot *s = fake_find(&w.fake, r->id);

	t->n++;
	t->running += r->state == SB_RUNNING;
	CHECK(r->state == SB_RUNNING || r->state == SB_PAUSED);
	if (r->slot.slot == 0) {
		CHECK(r->state == SB_PAUSED);
		return;
	}
	CHECK(s != NULL);
	if (s == NULL)
		return;
	CHECK(s->frozen == (r->state == SB_PAUSED));
	CHECK(s->gen == r->gen && s->gen != 0);
	CHECK(fake_route(&w.fake, r->id) ==
	      (r->state == SB_PAUSED ? ROUTE_PAUSED : ROUTE_RUNNING));
	/* The kernel has as many denied ranges as the text has commas. */
	if (r->net.json != NULL) {
		unsigned commas = 0, quotes = 0;

		for (const char *p = r->net.json; *p != '\0'; p++) {
			commas += *p == ',';
			quotes += *p == '"';
		}
		CHECK(s->ndeny == (quotes > 2 ? commas + 1 : 0));
	}
}

static struct tally
compare(void)
{
	struct tally t = { 0, 0 };

	world_run(&w, 15);
	engine_each(w.en, agrees, &t);
	CHECK(engine_count(w.en).other == 0);
	CHECK(world_rows(&w) == t.n);
	CHECK(w.fake.nroutes == t.n);
	CHECK(fake_live(&w.fake) >= fake_tenants(&w.fake));
	CHECK(fake_tenants(&w.fake) + fake_files(&w.fake) == t.n);
	return t;
}

static void
crash(void)
{
	world_crash(&w);
	world_start(&w);
}

static void
end_all(void)
{
	engine_kill_all(w.en);
	world_run(&w, 20);
	CHECK(compare().n == 0);
}

static void
settle(struct world_answer *a)
{
	CHECK(world_until(&w, &a->done, 2000));
	CHECK(a->err.kind == ERR_NONE);
}

static void
die_in_create(void)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct world_answer a;
		struct tally t;

		world_create(&w, 300, false, &a);
		world_rounds(&w, n);
		crash();
		t = compare();
		/* What was answered is there; more than asked is not. */
		CHECK(t.n <= 1 &&
		      (t.n == 1 || !a.done || a.err.kind != ERR_NONE));
		end_all();
	}
}

static void
die_in_kill(void)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct world_answer a, k;
		struct tally t;

		world_create(&w, 300, false, &a);
		settle(&a);
		world_call(&w, a.id, OP_KILL, 0, &k);
		world_rounds(&w, n);
		crash();
		t = compare();
		CHECK(t.n == 0); /* its row said killing before it began */
		end_all();
	}
}

static void
die_in_pause(bool no_memory)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct world_answer a, p;
		struct tally t;

		world_create(&w, 300, false, &a);
		settle(&a);
		w.no_memory = no_memory;
		world_call(&w, a.id, OP_PAUSE, 0, &p);
		w.no_memory = false;
		world_rounds(&w, n);
		crash();
		t = compare();
		CHECK(t.n == 1);
		CHECK(!p.done || t.running == 0);
		world_call(&w, a.id, OP_CONNECT, 60, &p);
		settle(&p);
		CHECK(compare().running == 1);
		end_all();
	}
}

static void
die_in_resume(bool no_memory)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct world_answer a, p;
		struct tally t;

		world_create(&w, 300, false, &a);
		settle(&a);
		world_call(&w, a.id, OP_PAUSE, 0, &p);
		settle(&p);
		w.no_memory = no_memory;
		world_call(&w, a.id, OP_CONNECT, 60, &p);
		w.no_memory = false;
		world_rounds(&w, n);
		crash();
		t = compare();
		/* A cold resume that was not committed may cost the files. */
		CHECK(t.n == 1 || (no_memory && !p.done));
		CHECK(!p.done || t.running == 1);
		end_all();
	}
}

static void
die_in_update(void)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct world_answer a, p, q;
		const struct sb_record *r;
		uint32_t before;

		world_create(&w, 300, false, &a);
		settle(&a);
		world_network(&w, a.id, "[\"8.8.8.8\",\"9.9.9.9\"]", &p);
		world_network(&w, a.id, "[\"4.4.4.4\"]", &q);
		world_rounds(&w, n);
		before = w.fake.max_gen;
		crash();
		CHECK(compare().n == 1);
		r = sandbox_record(engine_find(w.en, a.id));
		CHECK(r->gen > before);
		CHECK(!q.done || strstr(r->net.json, "4.4.4.4") != NULL);
		CHECK(!p.done || strstr(r->net.json, "1.1.1.1") == NULL);
		end_all();
	}
}

static void
host_reboots(void)
{
	struct world_answer a, b, p;

	world_create(&w, 300, false, &a);
	settle(&a);
	world_create(&w, 300, false, &b);
	settle(&b);
	world_call(&w, b.id, OP_PAUSE, 0, &p);
	settle(&p);
	world_crash(&w);
	fake_reboot(&w.fake);
	world_start(&w);
	w.fake.rebuilt = false;
	CHECK(engine_find(w.en, a.id) == NULL);
	CHECK(compare().n == 1);
	CHECK(store_event_known(engine_store(w.en), a.id, &p.err) == 1);
	crash(); /* again, with files alone */
	world_call(&w, b.id, OP_CONNECT, 60, &p);
	settle(&p);
	CHECK(p.resumed && fake_find(&w.fake, b.id) != NULL);
	CHECK(fake_find(&w.fake, b.id)->had_rules);
	end_all();
}

/* What nobody owns goes; what has no sandbox goes too. */
static void
strays(void)
{
	struct world_answer a, b;

	world_create(&w, 300, false, &a);
	settle(&a);
	world_create(&w, 300, false, &b);
	settle(&b);
	world_crash(&w);
	fake_die(&w.fake, a.id); /* nobody hears of it */
	w.fake.slot[40].ref = (struct spawn_ref){ 40, 77 }; /* > max */
	w.fake.slot[40].tenant = true;
	w.fake.slot[9].ref = (struct spawn_ref){ 9, 78 };
	w.fake.slot[9].tenant = true;
	(void)snprintf(w.fake.slot[9].id, sizeof(w.fake.slot[9].id), "istray");
	(void)snprintf(w.fake.files[0], sizeof(w.fake.files[0]), "iold");
	world_start(&w);
	CHECK(compare().n == 1);
	CHECK(engine_find(w.en, b.id) != NULL);
	CHECK(w.fake.slot[40].ref.incarnation == 0);
	CHECK(w.fake.slot[9].ref.incarnation != 78);
	end_all();
}

/* Time goes on while nobody looks. */
static void
late(void)
{
	struct world_answer a, b;

	world_create(&w, 1, false, &a);
	settle(&a);
	world_create(&w, 1, true, &b);
	settle(&b);
	world_crash(&w);
	world_run(&w, 1100);
	world_start(&w);
	world_run(&w, 30);
	CHECK(engine_find(w.en, a.id) == NULL);
	CHECK(fake_route(&w.fake, b.id) == ROUTE_PAUSED);
	end_all();
}

int
main(void)
{
	log_open("test", LOG_L_ERROR);
	world_begin(&w);
	world_start(&w);
	die_in_create();
	die_in_kill();
	die_in_pause(false);
	die_in_pause(true);
	die_in_resume(false);
	die_in_resume(true);
	die_in_update();
	host_reboots();
	strays();
	late();
	/* What a crash left open without a tenant has been swept up. */
	world_run(&w, 1000);
	CHECK(fake_live(&w.fake) == 0);
	CHECK(!w.is_lost);
	world_end(&w);
	return t_end();
}
