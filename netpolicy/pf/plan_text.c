/* plan_text.c - a plan as an engineer reads it. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "pf/emit_int.h"
#include "pf/plan.h"

struct text {
	struct pf_out o;
	const struct pf_plan *p;
	size_t number;
};

static size_t
lines_of(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == '\n';
	return n;
}

/* Which of the two comes next; 0: it is in both. */
static int
compare(const struct np_prefix *x, const struct np_prefix *y)
{
	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->len < y->len ? -1 : x->len > y->len;
}

static void
one(struct text *t, const char *sign, const struct np_prefix *p)
{
	char text[NP_PREFIX_TEXT];

	pf_say(&t->o, "\t%s %s\n", sign, np_prefix_text(p, text));
}

static void
changed(struct text *t, const struct pf_addrs *a, const struct pf_addrs *b)
{
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		int c = i == a->n   ? 1
			: k == b->n ? -1
				    : compare(&a->v[i], &b->v[k]);

		if (c < 0)
			one(t, "-", &a->v[i]);
		else if (c > 0)
			one(t, "+", &b->v[k]);
		i += c <= 0;
		k += c >= 0;
	}
}

static void
selector(struct text *t, const struct pf_selector *s)
{
	const char *proto = "any protocol";
	char own[NP_ADDR_TEXT], to[NP_PREFIX_TEXT], number[16];

	if (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP) {
		proto = s->proto == IPPROTO_TCP ? "tcp" : "udp";
	} else if (s->proto != 0) {
		(void)snprintf(number, sizeof(number), "proto %u", s->proto);
		proto = number;
	}
	np_addr_text(s->family == NP_V4 ? t->p->sb4 : t->p->sb6, own);
	pf_say(&t->o, "\t%s from %s to %s", proto, own,
	    np_prefix_text(&s->to, to));
	if (s->lo == s->hi)
		pf_say(&t->o, " port %u", s->lo);
	else if (s->lo != 0 || s->hi != UINT16_MAX)
		pf_say(&t->o, " port %u:%u", s->lo, s->hi);
	pf_say(&t->o, "\n");
}

static void
kill_states(struct text *t, const struct pf_step *s)
{
	pf_say(&t->o, "kill states of %s, and what is translated behind them",
	    t->p->ifname);
	pf_say(&t->o, s->again ? ", once more\n" : ":\n");
	for (size_t i = 0; !s->again && i < s->nsel; i++)
		if (s->sel[i].family == NP_V4 || t->p->v6)
			selector(t, &s->sel[i]);
}

static void
judge(struct text *t, const struct pf_step *s)
{
	char own4[NP_ADDR_TEXT], own6[NP_ADDR_TEXT];

	np_addr_text(t->p->sb4, own4);
	np_addr_text(t->p->sb6, own6);
	pf_say(&t->o,
	    "judge every state of %s%s%s by the policy, kill by id%s\n", own4,
	    t->p->v6 ? " and " : "", t->p->v6 ? own6 : "",
	    s->again ? ", once more" : "");
}

static void
step(struct text *t, const struct pf_step *s, const struct pf_step *back)
{
	char own[NP_ADDR_TEXT];

	pf_say(&t->o, "%zu  ", ++t->number);
	switch (s->kind) {
	case PF_TABLE_REPLACE:
		pf_say(&t->o, "replace table <%s> of %s: %zu CIDRs\n", s->table,
		    t->p->anchor, s->addrs.n);
		if (back != NULL)
			changed(t, &back->addrs, &s->addrs);
		return;
	case PF_ANCHOR_LOAD:
		pf_say(&t->o,
		    "load anchor %s, rules and tables in one transaction: "
		    "%zu lines\n",
		    t->p->anchor, lines_of(&s->text));
		return;
	case PF_KILL_STATES:
		kill_states(t, s);
		return;
	case PF_KILL_BY_JUDGE:
		judge(t, s);
		return;
	case PF_KILL_SRC_NODES:
		pf_say(&t->o, "kill source nodes of %s%s",
		    np_addr_text(t->p->sb4, own), t->p->v6 ? " and " : "\n");
		if (t->p->v6)
			pf_say(&t->o, "%s\n", np_addr_text(t->p->sb6, own));
		return;
	}
}

int
pf_plan_text(struct buf *b, const struct pf_plan *p, struct err *e)
{
	struct text t = { { b, 0 }, p, 0 };
	/* Tables change there and back by the same */
	const struct pf_step *back = p->undo.n > 0 ? &p->undo.v[0] : NULL;

	if (p->steps.n == 0)
		pf_say(&t.o, "nothing to do\n");
	for (size_t i = 0; i < p->steps.n; i++)
		step(&t, &p->steps.v[i], back);
	if (p->steps.n > 1)
		pf_say(&t.o, "if 2 or a later one fails:\n");
	for (size_t i = 0; p->steps.n > 1 && i < p->undo.n; i++)
		step(&t, &p->undo.v[i], NULL);
	return pf_said(&t.o, e);
}
