/*
 * The pf text that we emit, evaluated as pf would, against np_judge(): root
 * and anchor, for both releases, with other sandboxes' anchors beside it.
 * SEED=n repeats a run.
 */
#include "test_pf_world.h"

enum { ROUNDS = 2600, FLOWS = 40 };

static unsigned long pairs;

static bool
judge_in(
    const struct world *w, const struct pfm_packet *p, struct pfm_judged *j)
{
	pf_model_judge(w->m, p, j);
	return j->pass;
}

/* Denied: told so, and by a rule that says why. */
static bool
denied_well(
    const struct world *w, const struct np_flow *f, const struct pfm_judged *j)
{
	char denied[PFM_LABEL], port[PFM_LABEL];

	if (!w->conf.v6 && f->to.family == NP_V6)
		return !j->ret;
	if (w_is_own(w, f->to))
		return !j->ret && strcmp(j->label, "coppice:host") == 0;
	(void)snprintf(
	    denied, sizeof(denied), "coppice:sb%u:denied", w->slot.slot);
	(void)snprintf(port, sizeof(port), "coppice:sb%u:not-%s", w->slot.slot,
	    f->proto == IPPROTO_TCP ? "tcp" : "udp");
	return j->ret &&
	       (strcmp(j->label, denied) == 0 || strcmp(j->label, port) == 0);
}

/* And it leaves, under the host's own address. */
static bool
leaves(const struct world *w, const struct pfm_packet *p,
    const struct pfm_judged *in)
{
	struct pfm_packet q = w_leaving(p, in);
	struct pfm_judged out;

	pf_model_judge(w->m, &q, &out);
	return out.pass && out.keeps && w_is_own(w, out.src) &&
	       strcmp(out.label, "coppice:uplink") == 0;
}

static bool
redirected(const struct world *w, const struct pfm_judged *j)
{
	return j->dport == w->conf.resolver_port && j->keeps &&
	       (j->dst.family == NP_V6 || j->dst.n == 0x7f000001);
}

static bool
says_the_same(
    const struct world *w, const struct gen_made *m, const struct np_flow *f)
{
	struct pfm_packet p = w_packet(w, f, 40000);
	bool want = w_passes(w, m, f);
	struct pfm_judged j;

	if (judge_in(w, &p, &j) != want)
		return false;
	if (!want)
		return denied_well(w, f, &j);
	if (w_asks_names(w, f))
		return redirected(w, &j);
	return j.keeps && leaves(w, &p, &j);
}

/* From a neighbour's address, or from anybody's: nothing, and no answer. */
static bool
spoofed_is_dropped(const struct world *w, const struct np_flow *f)
{
	struct pfm_packet p = w_packet(w, f, 40000);
	struct pfm_judged j;

	p.src.n += gen_below(2) ? 2 : 1 + gen_below(1000);
	return !judge_in(w, &p, &j) && !j.ret;
}

/* Nobody reaches the sandbox, and what is in the middle of nothing is not. */
static bool
unasked_is_dropped(const struct world *w, const struct np_flow *f)
{
	struct pfm_packet p = w_packet(w, f, 40000), q = p;
	struct pfm_judged j;

	q.dir = PFM_OUT;
	q.src = p.dst;
	q.dst = p.src;
	if (judge_in(w, &q, &j) || strcmp(j.label, "coppice:inbound") != 0)
		return false;
	p.mid = true;
	return f->proto != IPPROTO_TCP || !judge_in(w, &p, &j);
}

/* The rest of the way there and back, by states alone. */
static bool
both_ways(struct world *w, const struct np_flow *f, struct err *e)
{
	struct pfm_packet p =
	    w_packet(w, f, (uint16_t)(1024 + gen_below(60000)));
	struct pfm_packet q, back;
	struct pfm_judged in, out, j;

	if (pf_model_packet(w->m, &p, &in, e) < 0 || !in.pass)
		return false;
	q = w_leaving(&p, &in);
	if (pf_model_packet(w->m, &q, &out, e) < 0 || !out.pass)
		return false;
	back = (struct pfm_packet){ .ifname = "vtnet0",
		.dir = PFM_IN,
		.src = out.dst,
		.dst = out.src,
		.proto = p.proto,
		.sport = out.dport,
		.dport = out.sport,
		.mid = true };
	pf_model_judge(w->m, &back, &j);
	if (!j.by_state || !w_same(j.dst, p.src) || j.dport != p.sport)
		return false;
	back.ifname = w->names[0];
	back.dir = PFM_OUT;
	back.dst = j.dst;
	back.dport = j.dport;
	pf_model_judge(w->m, &back, &j);
	if (!j.by_state)
		return false;
	/* The state is its interface's */
	p.ifname = w->names[1];
	p.mid = true;
	pf_model_judge(w->m, &p, &j);
	return !j.pass;
}

static struct np_flow
flow(const struct world *w, const struct gen_made *m)
{
	struct np_flow f = gen_flow(&m->ir);
	bool six = gen_below(2) != 0;

	switch (gen_below(24)) {
	case 0:
		f.to = six ? w->conf.resolver6 : w->conf.resolver4;
		break;
	case 1:
		f.to = six ? w->conf.resolver6 : w->conf.resolver4;
		f.port = 53;
		f.proto = gen_below(2) ? IPPROTO_TCP : IPPROTO_UDP;
		break;
	case 2:
		f.to = (struct np_addr){ six ? W_OWN6 : W_OWN4,
			six ? NP_V6 : NP_V4 };
		break;
	default:
		break;
	}
	return f;
}

static void
judge_flows(struct world *w, const struct gen_made *m, struct err *e)
{
	for (int i = 0; i < FLOWS && t_failed == 0; i++) {
		struct np_flow f = flow(w, m);
		char text[NP_ADDR_TEXT];

		CHECK(says_the_same(w, m, &f));
		CHECK(spoofed_is_dropped(w, &f));
		CHECK(unasked_is_dropped(w, &f));
		if (t_failed == 0 && i % 8 == 0 && w_passes(w, m, &f) &&
		    !w_asks_names(w, &f))
			CHECK(both_ways(w, &f, e));
		pairs++;
		if (t_failed > 0)
			printf("# flow %s port %u proto %d, slot %u\n",
			    np_addr_text(f.to, text), f.port, f.proto,
			    w->slot.slot);
	}
}

/* Labels name what a rule is for: none twice. */
static void
labels_differ(const char *text)
{
	const char *seen[32], *p = text;
	size_t n = 0;

	while ((p = strstr(p, "label \"")) != NULL) {
		size_t len = strcspn(p += 7, "\"");

		CHECK(len > 0 && len < PFM_LABEL);
		for (size_t i = 0; i < n; i++)
			CHECK(strncmp(seen[i], p, len + 1) != 0);
		if (n < countof(seen))
			seen[n++] = p;
	}
	CHECK(n >= 5 && n < countof(seen));
}

static void
check_text(const struct world *w, const struct np_site *s, struct err *e)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	CHECK(pf_emit_anchor(&b, &w->conf, &w->slot, s, e) == 0);
	labels_differ(buf_str(&b));
	buf_fini(&b);
}

static void
one_round(const struct np_reach *open, struct err *e)
{
	struct gen_made m = { 0 };
	struct gen_lists l;
	struct np_site s;
	struct world w;

	gen_lists(&l);
	CHECK(gen_site(&s, e) == 0);
	CHECK(gen_make(&l, &s, &m, e) == 0);
	CHECK(w_open(&w, w_slot(), 14 + gen_below(2), gen_below(4) != 0, open,
		  e) == 0);
	if (t_failed == 0) {
		w.slot.reach = &m.reach;
		check_text(&w, &s, e);
		CHECK(w_load(&w, &w.slot, &s, e) == 0);
		judge_flows(&w, &m, e);
	}
	w_close(&w);
	gen_unmake(&m);
	np_site_fini(&s);
}

/* A slot whose anchor is missing, or empty, is closed. */
static void
test_closed(const struct np_reach *open, struct err *e)
{
	struct np_flow f = { { 0x08080808, NP_V4 }, 443, IPPROTO_TCP };
	struct world w;
	struct pfm_packet p;
	struct pfm_judged j;

	CHECK(w_open(&w, 9, 15, true, open, e) == 0);
	p = w_packet(&w, &f, 4000);
	pf_model_judge(w.m, &p, &j);
	CHECK(!j.pass && !j.ret && strcmp(j.label, "coppice:closed") == 0);
	CHECK(w_load(&w, &w.slot, NULL, e) == 0);
	pf_model_judge(w.m, &p, &j);
	CHECK(!j.pass && !j.ret && strcmp(j.label, "coppice:closed") == 0);
	w.slot.reach = open;
	CHECK(w_load(&w, &w.slot, NULL, e) == 0);
	pf_model_judge(w.m, &p, &j);
	CHECK(j.pass && strcmp(j.label, "coppice:sb9:allowed") == 0);
	/* The host's own flows are none of ours */
	p.ifname = "lo0";
	pf_model_judge(w.m, &p, &j);
	CHECK(j.pass && !j.keeps);
	w_close(&w);
}

/* Errors that fit no state get nowhere, wherever they go; other messages are
 * the policy's. */
static void
test_stray_errors(const struct np_reach *open, struct err *e)
{
	static const struct {
		struct np_flow to;
		const char *label;
		uint8_t errors[6]; /* 0: no more */
		uint8_t others[4];
	} all[] = {
		{ { { 0x08080808, NP_V4 }, 0, IPPROTO_ICMP }, "coppice:stray",
		    { 3, 4, 5, 11, 12 }, { 0, 8, 13, 42 } },
		{ { { (np_u128)0x2606 << 112, NP_V6 }, 0, IPPROTO_ICMPV6 },
		    "coppice:stray6", { 1, 2, 3, 4 }, { 0, 128, 129, 5 } },
	};
	struct world w;
	struct pfm_judged j;

	CHECK(w_open(&w, 9, 15, true, open, e) == 0);
	w.slot.reach = open;
	CHECK(w_load(&w, &w.slot, NULL, e) == 0);
	for (size_t i = 0; i < countof(all); i++) {
		struct pfm_packet p = w_packet(&w, &all[i].to, 0);

		for (size_t k = 0; k < countof(all[i].others); k++) {
			p.type = all[i].others[k];
			pf_model_judge(w.m, &p, &j);
			CHECK(j.pass && j.keeps);
		}
		for (size_t k = 0; all[i].errors[k] != 0; k++) {
			p.type = all[i].errors[k];
			pf_model_judge(w.m, &p, &j);
			CHECK(!j.pass && !j.ret && !j.logged);
			CHECK(strcmp(j.label, all[i].label) == 0);
		}
		/* It is of ICMP alone. */
		p.proto = IPPROTO_UDP;
		pf_model_judge(w.m, &p, &j);
		CHECK(j.pass);
	}
	w_close(&w);
}

/* One sandbox fills its own share, whatever rule lets it go. */
static void
test_limit(const char *body, struct err *e)
{
	struct np_port port = { 443, 443, IPPROTO_TCP, false, 0 };
	struct np_flow f = { { 0x08080808, NP_V4 }, 443, IPPROTO_TCP };
	struct np_policy policy;
	struct np_site site;
	struct gen_made m = { 0 };
	struct world w;
	struct pfm_packet p;
	struct pfm_judged j = { .pass = true };

	np_policy_init(&policy);
	CHECK(np_policy_deny(&policy, body, 0, e) == 0);
	CHECK(np_policy_port(&policy, &port, e) == 0);
	port = (struct np_port){ 25, 25, IPPROTO_TCP, true, 1 };
	CHECK(np_policy_port(&policy, &port, e) == 0);
	np_site_init(&site);
	CHECK(np_site_builtin(&site, e) == 0);
	CHECK(np_lower(&policy, &site, &m.ir, e) == 0);
	CHECK(np_reach_make(&m.ir, true, &m.reach, e) == 0);
	CHECK(w_open(&w, 9, 15, true, NULL, e) == 0);
	w.slot.reach = &m.reach;
	CHECK(w_load(&w, &w.slot, &site, e) == 0);
	for (unsigned i = 0; i < w.conf.max_flows; i++) {
		p = w_packet(&w, &f, (uint16_t)(1024 + i));
		if (pf_model_packet(w.m, &p, &j, e) < 0 || !j.keeps)
			break;
	}
	CHECK(j.pass && j.keeps);
	p = w_packet(&w, &f, 1000);
	pf_model_judge(w.m, &p, &j);
	CHECK(!j.pass && j.too_many);
	p = w_packet(&w, &f, 1024);
	pf_model_judge(w.m, &p, &j);
	CHECK(j.pass && j.by_state);
	w_close(&w);
	np_policy_fini(&policy);
	np_site_fini(&site);
	gen_unmake(&m);
}

static void
test_emit_limits(struct err *e)
{
	struct pf_conf conf;
	struct buf b;

	pf_conf_default(&conf);
	buf_init(&b, 64);
	CHECK(pf_emit_root(&b, &conf, e) < 0);
	CHECK(e->kind == ERR_TOOBIG);
	buf_fini(&b);
	buf_init(&b, 4096);
	conf.uplink = "em0 inet\npass all";
	CHECK(pf_emit_root(&b, &conf, e) < 0);
	CHECK(e->kind == ERR_INVALID && b.len == 0);
	conf.uplink = "em0";
	conf.freebsd = 14;
	CHECK(pf_emit_root(&b, &conf, e) == 0);
	CHECK(strstr(buf_str(&b), "limit anchors") == NULL);
	CHECK(strstr(buf_str(&b), "nat on em0 inet from 10.78.0.0/16") != NULL);
	buf_fini(&b);
}

int
main(void)
{
	struct err e = { 0 };
	struct gen_made open = { 0 };
	struct np_site site;

	w_begin(11, &site, &open, &e);
	test_emit_limits(&e);
	test_closed(&open.reach, &e);
	test_stray_errors(&open.reach, &e);
	test_limit("1.0.0.0/8", &e); /* nothing denies it: all but a port */
	test_limit("0.0.0.0/0", &e); /* the allowed port alone */
	for (int round = 0; round < ROUNDS && t_failed == 0; round++) {
		one_round(&open.reach, &e);
		if (t_failed > 0)
			printf("# SEED=%llu round %d: %s\n",
			    (unsigned long long)gen_seed, round, e.msg);
	}
	CHECK(t_failed > 0 || pairs >= 100000);
	printf("# SEED=%llu, %lu pairs\n", (unsigned long long)gen_seed, pairs);
	gen_unmake(&open);
	np_site_fini(&site);
	return t_end();
}
