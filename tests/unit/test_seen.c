/* Which sockets are cut, and whose rule a denial names, as policies change. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "ctl/sandbox/judge.h"
#include "ctl/sandbox/sandbox_int.h"
#include "dataplane/egress/denial_msg.h"
#include "io/log.h"
#include "tests/lib/engine_world.h"
#include "tests/t.h"

static struct engine_world w;
static int egressd = -1; /* its end of the channel */

/* --- sockets ----------------------------------------------------------------
 */

static void
connected(const char *to, uint16_t port, uint8_t proto)
{
	struct spawn_socket *s = &w.fake.sockets[w.fake.nsockets++];
	bool v6 = strchr(to, ':') != NULL;

	*s = (struct spawn_socket){
		.family = v6 ? 6 : 4, .proto = proto, .port = port
	};
	s->cookie[0] = w.fake.nsockets;
	CHECK(inet_pton(v6 ? AF_INET6 : AF_INET, to, s->to) == 1);
}

static bool
was_cut(uint32_t cookie)
{
	for (uint32_t i = 0; i < w.fake.ncut; i++)
		if (w.fake.cut[i].cookie[0] == cookie)
			return true;
	return false;
}

static void
put(const char *id, const char *deny, enum err_kind want)
{
	struct world_answer a;

	w.fake.ncut = 0;
	world_network(&w, id, deny, &a);
	CHECK(world_until(&w, &a.done, 1000) && a.err.kind == want);
	world_run(&w, 50);
}

static void
made(struct world_answer *a)
{
	world_create(&w, 300, false, a);
	CHECK(world_until(&w, &a->done, 3000) && a->err.kind == ERR_NONE);
}

static void
denied_ones_are_cut(void)
{
	struct world_answer a;
	unsigned asked;

	made(&a);
	connected("8.8.8.8", 443, IPPROTO_TCP);	       /* 1 */
	connected("8.8.4.4", 443, IPPROTO_TCP);	       /* 2 */
	connected("::ffff:8.8.8.8", 53, IPPROTO_UDP);  /* 3 */
	connected("10.78.0.1", 53, IPPROTO_UDP);       /* 4: the resolver */
	connected("10.78.0.1", 80, IPPROTO_TCP);       /* 5: not its port */
	connected("2001:4860::8888", 80, IPPROTO_TCP); /* 6 */
	w.fake.revoked = 1;
	put(a.id, "[\"8.8.8.8\"]", ERR_NONE);
	CHECK(w.fake.ncut == 3);
	CHECK(was_cut(1) && was_cut(3) && was_cut(5));
	put(a.id, "[\"0.0.0.0/0\"]", ERR_NONE);
	CHECK(w.fake.ncut == 5 && !was_cut(4) && was_cut(6));

	/* Nothing was closed: nobody looks. */
	w.fake.revoked = 0;
	asked = w.fake.asked[SPAWN_SOCKETS];
	put(a.id, "[\"8.8.8.8\"]", ERR_NONE);
	CHECK(w.fake.asked[SPAWN_SOCKETS] == asked && w.fake.ncut == 0);
	/* ... unless it is not known what was closed. */
	fake_lose_rules(&w.fake);
	world_run(&w, 20);
	CHECK(w.fake.ncut == 3 && was_cut(1));
	CHECK(w.fake.asked[SPAWN_SOCKETS] == asked + 1);
}

/* Who is allowed by what is on its way into the kernel is left alone. */
static void
updates_race(void)
{
	struct world_answer a, b, c;

	made(&a);
	w.fake.nsockets = w.fake.ncut = 0;
	connected("8.8.8.8", 443, IPPROTO_TCP);
	connected("9.9.9.9", 443, IPPROTO_TCP);
	w.fake.revoked = 1;
	w.fake.hold_sockets = true;
	world_network(&w, a.id, "[\"8.8.8.8\",\"9.9.9.9\"]", &b);
	CHECK(world_until(&w, &b.done, 1000));
	w.fake.hold_apply = true;
	world_network(&w, a.id, "[\"9.9.9.9\"]", &c);
	world_run(&w, 10);
	fake_let_go_of(&w.fake, &w.fake.spawn);
	world_run(&w, 10);
	CHECK(!c.done && w.fake.ncut == 1 && was_cut(2));

	/* That one failed: what held all the time is looked at again. */
	w.fake.hold_apply = w.fake.hold_sockets = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &c.done, 1000) && c.err.kind == ERR_NONE);
	world_run(&w, 10);
	CHECK(!was_cut(1));

	put(a.id, "[\"8.8.8.8\",\"9.9.9.9\"]", ERR_NONE);
	w.fake.hold_sockets = true;
	put(a.id, "[\"8.8.8.8\",\"9.9.9.0/24\"]", ERR_NONE);
	w.fake.hold_apply = true;
	w.fake.fail = FAKE_APPLY;
	world_network(&w, a.id, "[]", &c);
	world_run(&w, 10);
	fake_let_go_of(&w.fake, &w.fake.spawn);
	world_run(&w, 10);
	CHECK(!c.done && w.fake.ncut == 0);
	w.fake.hold_apply = w.fake.hold_sockets = false;
	fake_let_go(&w.fake);
	CHECK(world_until(&w, &c.done, 1000) && c.err.kind == ERR_SYS);
	world_run(&w, 10);
	CHECK(w.fake.ncut == 2);
}

static void
a_sandbox_ends_meanwhile(void)
{
	struct world_answer a, b;

	made(&a);
	w.fake.hold_sockets = true;
	world_network(&w, a.id, "[\"8.8.8.8\"]", &b);
	CHECK(world_until(&w, &b.done, 1000));
	world_call(&w, a.id, OP_KILL, 0, &b);
	CHECK(world_until(&w, &b.done, 1000) && b.err.kind == ERR_NONE);
	w.fake.ncut = 0;
	w.fake.hold_sockets = false;
	fake_let_go(&w.fake);
	world_run(&w, 10);
	CHECK(w.fake.ncut == 0);
}

static void
many_sockets(void)
{
	struct world_answer a;

	made(&a);
	w.fake.nsockets = 0;
	while (w.fake.nsockets < FAKE_SOCKETS)
		connected(w.fake.nsockets % 2 ? "8.8.8.8" : "8.8.4.4", 443,
		    IPPROTO_TCP);
	put(a.id, "[\"8.8.8.8\"]", ERR_NONE);
	world_run(&w, 20);
	CHECK(w.fake.ncut == FAKE_SOCKETS / 2 && was_cut(2) && !was_cut(1));
	w.fake.nsockets = 0;
}

/* Rules for ports are the compiler's, and so is what it says of them. */
static void
ports_are_judged(void)
{
	static char json[] = "{\"ports\":[{\"protocol\":\"tcp\",\"port\":25,"
			     "\"access\":\"deny\"}]}";
	const struct sb_net net = { json, SB_UNSAID };
	const uint8_t to[16] = { 8, 8, 8, 8 };
	struct sb_flow f = { to, 4, IPPROTO_TCP, 25 };
	static struct engine en; /* as far as judges look */
	struct sb_judge j;
	struct err e;

	np_site_init(&en.site);
	CHECK(np_site_builtin(&en.site, &e) == 0);
	CHECK(judge_init(&j, &en, &net, &e) == 0);
	CHECK(judge_denies(&j, &f));
	f.proto = IPPROTO_UDP;
	CHECK(!judge_denies(&j, &f));
	f = (struct sb_flow){ to, 4, IPPROTO_TCP, 26 };
	CHECK(!judge_denies(&j, &f));
	judge_fini(&j);
	np_site_fini(&en.site);
}

/* --- denials ----------------------------------------------------------------
 */

static struct denial
denial(uint32_t slot, uint32_t gen, const char *to, uint16_t port)
{
	static uint64_t at = 1700000000000000;
	struct denial d = { .at_us = at += 1000,
		.slot = slot,
		.gen = gen,
		.port = port,
		.from_port = 40000,
		.family = 4,
		.proto = IPPROTO_TCP };

	CHECK(inet_pton(AF_INET, to, d.to) == 1);
	return d;
}

static void
tell(const struct denial *v, uint16_t n)
{
	struct {
		struct denial_hdr h;
		struct denial v[DENIAL_BATCH_MAX];
	} m = { .h = { DENIAL_BATCH, n, 0 } };
	struct err e;

	memcpy(m.v, v, n * sizeof(*v));
	CHECK(seqpkt_send(
		  egressd, &m, sizeof(m.h) + n * sizeof(*v), NULL, 0, &e) == 0);
	world_run(&w, 3);
}

static void
deny(uint32_t slot, uint32_t gen, const char *to, uint16_t port)
{
	const struct denial d = denial(slot, gen, to, port);

	tell(&d, 1);
}

static const struct sb_denials *
list(const char *id)
{
	return sandbox_denials(engine_find(w.en, id));
}

static const struct sb_denial *
find(const char *id, uint16_t port)
{
	const struct sb_denials *l = list(id);

	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i].d.port == port)
			return &l->v[i];
	return NULL;
}

/* "" for one that no rule is named for. */
static const char *
origin(const char *id, uint16_t port)
{
	const struct sb_denial *x = find(id, port);

	return x == NULL ? "not there" : x->text == NULL ? "" : x->origin;
}

#define FROM(id, port, text) CHECK(strcmp(origin(id, port), text) == 0)

static void
join(void)
{
	int fds[SEQPKT_FDS_MAX], pair[2];
	struct denial_hdr h = { 0 };
	struct err e;
	size_t nfds;

	own_close(&egressd);
	CHECK(seqpkt_pair(pair, &e) == 0);
	egressd = pair[1];
	engine_denials(w.en, pair[0]);
	world_run(&w, 3);
	/* The source comes with every new end. */
	CHECK(seqpkt_recv(egressd, &h, sizeof(h), fds, &nfds, &e) == sizeof(h));
	CHECK(h.type == DENIAL_SOURCE && nfds == 1);
	if (nfds > 0)
		own_close(&fds[0]);
}

static void
rules_are_named(void)
{
	struct world_answer a, b;
	uint32_t slot, g[5];

	made(&a);
	slot = fake_find(&w.fake, a.id)->ref.slot;
	g[0] = fake_find(&w.fake, a.id)->gen;
	deny(slot, g[0], "1.1.1.1", 1);
	deny(slot, g[0], "10.1.2.3", 2);
	deny(slot, g[0], "9.9.9.9", 3); /* allowed: not a rule's doing */
	deny(slot, g[0] - 1, "1.1.1.1", 4);
	FROM(a.id, 1, "/network/denyOut/0");
	FROM(a.id, 2, "built in");
	FROM(a.id, 3, "");
	CHECK(find(a.id, 4) == NULL); /* the last tenant's */
	CHECK(strcmp(find(a.id, 1)->text, "1.1.1.1") == 0);

	/* Each is of its own policy, also if it comes late. */
	put(a.id, "[\"2.2.2.2\",\"1.1.1.0/24\"]", ERR_NONE);
	g[1] = fake_find(&w.fake, a.id)->gen;
	deny(slot, g[0], "1.1.1.1", 5);
	deny(slot, g[1], "1.1.1.1", 6);
	FROM(a.id, 5, "/network/denyOut/0");
	FROM(a.id, 6, "/network/denyOut/1");
	deny(slot, g[1], "1.1.1.1", 7); /* nobody asks before it changes */
	put(a.id, "[\"3.3.3.3\",\"2.2.2.2\",\"1.1.1.1\"]", ERR_NONE);
	put(a.id, "[\"1.0.0.0/8\"]", ERR_NONE);
	g[2] = fake_find(&w.fake, a.id)->gen;
	FROM(a.id, 7, "/network/denyOut/1");
	/* Of a policy before the last nobody knows any more. */
	deny(slot, g[1], "1.1.1.1", 8);
	FROM(a.id, 8, "");

	/* The same policy again is the same policy. */
	fake_lose_rules(&w.fake);
	world_run(&w, 20);
	g[3] = fake_find(&w.fake, a.id)->gen;
	CHECK(g[3] > g[2]);
	deny(slot, g[2], "1.1.1.1", 9);
	deny(slot, g[3], "1.1.1.1", 10);
	FROM(a.id, 9, "/network/denyOut/0");
	FROM(a.id, 10, "/network/denyOut/0");

	/* Other ranges of the operator's: which held, is not known at once. */
	deny(slot, g[3], "10.0.0.1", 11);
	w.fake.hold_apply = true;
	fake_new_site(&w.fake);
	world_run(&w, 20);
	deny(slot, g[3], "10.0.0.1", 12);
	w.fake.hold_apply = false;
	fake_let_go(&w.fake);
	world_run(&w, 20);
	g[4] = fake_find(&w.fake, a.id)->gen;
	deny(slot, g[4], "10.0.0.1", 13);
	FROM(a.id, 11, "built in");
	FROM(a.id, 12, "");
	FROM(a.id, 13, "built in");

	world_call(&w, a.id, OP_KILL, 0, &b);
	CHECK(world_until(&w, &b.done, 1000));
	world_run(&w, 20);
	deny(slot, g[4], "10.0.0.1", 14); /* nobody's by now */
}

static void
merged_and_bounded(void)
{
	struct world_answer a;
	uint32_t slot, gen;

	made(&a);
	slot = fake_find(&w.fake, a.id)->ref.slot;
	gen = fake_find(&w.fake, a.id)->gen;
	for (int i = 0; i < 5; i++)
		deny(slot, gen, "1.1.1.1", 80);
	CHECK(list(a.id)->n == 1 && find(a.id, 80)->count == 5);
	CHECK(find(a.id, 80)->last_us - find(a.id, 80)->d.at_us == 4000);
	for (int i = 0; i < DENIALS_MAX - 1; i++)
		deny(slot, gen, "1.1.1.1", (uint16_t)(1000 + i));
	deny(slot, gen, "1.1.1.1", 80); /* not the oldest any more */
	CHECK(list(a.id)->n == DENIALS_MAX && list(a.id)->dropped == 0);
	deny(slot, gen, "1.1.1.1", 2000);
	CHECK(list(a.id)->n == DENIALS_MAX && list(a.id)->dropped == 1);
	CHECK(find(a.id, 1000) == NULL && find(a.id, 80)->count == 6);
	for (uint32_t i = 1; i < DENIALS_MAX; i++)
		CHECK(list(a.id)->v[i - 1].last_us < list(a.id)->v[i].last_us);
}

/* egressd reads what strangers sent: it may say anything. */
static void
misfits(void)
{
	const struct denial bad[] = {
		{ .slot = 0, .gen = 300, .family = 4 },
		{ .slot = UINT32_MAX, .gen = 300, .family = 4 },
		{ .slot = 1, .gen = UINT32_MAX, .family = 9 },
	};
	struct denial_hdr h = { DENIAL_BATCH, 3, 0 };
	struct err e;

	tell(bad, countof(bad));
	CHECK(seqpkt_send(egressd, &h, sizeof(h), NULL, 0, &e) == 0);
	h.type = 77;
	CHECK(seqpkt_send(egressd, &h, sizeof(h), NULL, 0, &e) == 0);
	CHECK(seqpkt_send(egressd, "x", 1, NULL, 0, &e) == 0);
	world_run(&w, 5);
	/* A new end, after the old one went. */
	own_close(&egressd);
	egressd = -1;
	world_run(&w, 5);
	join();
}

int
main(void)
{
	log_open("test_seen", LOG_L_ERROR);
	world_begin(&w);
	CHECK(np_addr_parse("10.78.0.1", &w.cf.resolver4) == 0);
	world_start(&w);
	denied_ones_are_cut();
	updates_race();
	a_sandbox_ends_meanwhile();
	many_sockets();
	ports_are_judged();
	w.fake.revoked = 0;
	join();
	rules_are_named();
	merged_and_bounded();
	misfits();
	merged_and_bounded();
	own_close(&egressd);
	world_end(&w);
	return t_end();
}
