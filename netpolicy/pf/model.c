/* model.c - one packet, judged as pf judges it. */
#include "pf/model.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "pf/model_int.h"

const struct pfm_if *
pfm_if_find(const struct pf_model *m, const char *name)
{
	for (size_t i = 0; i < m->nifs; i++)
		if (strcmp(m->ifs[i].name, name) == 0)
			return &m->ifs[i];
	return NULL;
}

/* --- does a rule match? --------------------------------------------------- */

struct eval {
	const struct pf_model *m;
	struct pfm_packet p; /* as it is by now */
	/* The last rule that matched, and where it stands */
	const struct pfm_anchor *in;
	const struct pfm_rule *by;
};

static bool
on_interface(const struct eval *v, const char *name)
{
	const struct pfm_if *f;

	if (name[0] == '\0' || strcmp(name, v->p.ifname) == 0)
		return true;
	f = pfm_if_find(v->m, v->p.ifname);
	return f != NULL && f->group != NULL && strcmp(f->group, name) == 0;
}

static bool
is_own(const struct pf_model *m, struct np_addr a)
{
	for (size_t i = 0; i < m->nifs; i++) {
		const struct np_addr *x =
		    a.family == NP_V4 ? &m->ifs[i].v4 : &m->ifs[i].v6;

		if (x->family == a.family && x->n == a.n)
			return true;
	}
	return false;
}

/* An anchor's own table; where it has none of that name, the root's. */
static bool
in_table(const struct eval *v, const struct pfm_anchor *in, const char *name,
    struct np_addr a)
{
	const struct pfm_table *t = pfm_table_find(&in->rs, name);

	if (t == NULL)
		t = pfm_table_find(&v->m->root.rs, name);
	return t != NULL && pfm_table_has(t, a);
}

static bool
host_matches(const struct eval *v, const struct pfm_anchor *in,
    const struct pfm_host *h, struct np_addr a)
{
	bool is = true;

	switch (h->kind) {
	case PFM_ANY:
		return true;
	case PFM_PREFIX:
		is = np_prefix_has(&h->prefix, a);
		break;
	case PFM_IN_TABLE:
		is = in_table(v, in, h->table, a);
		break;
	case PFM_SELF:
		is = is_own(v->m, a);
		break;
	}
	return is != h->not ;
}

/* `flags S/SA`, which pfctl adds to what keeps state */
static bool
opens(const struct pfm_rule *r, const struct pfm_packet *p)
{
	return !r->keep || p->proto != IPPROTO_TCP || !p->mid;
}

static bool
matches(
    const struct eval *v, const struct pfm_anchor *in, const struct pfm_rule *r)
{
	const struct pfm_packet *p = &v->p;

	if (!on_interface(v, r->ifname))
		return false;
	if (r->dir != PFM_BOTH && r->dir != p->dir)
		return false;
	if (r->af != 0 && r->af != p->dst.family)
		return false;
	if (r->proto != 0 && r->proto != p->proto)
		return false;
	if (r->has_type && r->type != p->type)
		return false;
	if (!host_matches(v, in, &r->src, p->src) ||
	    !host_matches(v, in, &r->dst, p->dst))
		return false;
	if (r->has_port && (p->dport < r->port_lo || p->dport > r->port_hi))
		return false;
	if (r->tagged[0] != '\0' &&
	    (strcmp(r->tagged, p->tag) == 0) == r->not_tagged)
		return false;
	return opens(r, p);
}

/* --- anchors -------------------------------------------------------------- */

/* Does a call of "coppice/" and a star, or of one name, mean that anchor? */
static bool
calls(const char *path, const char *name)
{
	size_t n = strlen(path);

	if (n < 2 || strcmp(path + n - 2, "/*") != 0)
		return strcmp(path, name) == 0;
	return strncmp(path, name, n - 1) == 0 && name[n - 1] != '\0' &&
	       strchr(name + n - 1, '/') == NULL;
}

typedef bool eval_fn(struct eval *v, const struct pfm_anchor *in);

/* fn for each anchor that is called, by name, until one says stop. */
static bool
call(struct eval *v, const struct pfm_rule *r, eval_fn *fn)
{
	for (size_t i = 0; i < v->m->nanchors; i++)
		if (calls(r->anchor, v->m->anchors[i].rs.name) &&
		    fn(v, &v->m->anchors[i]))
			return true;
	return false;
}

/* --- translation: the first that matches ---------------------------------- */

static bool
redirect(struct eval *v, const struct pfm_anchor *in)
{
	for (size_t i = 0; i < in->rs.rdr.n; i++) {
		const struct pfm_rule *r = &in->rs.rdr.v[i];

		if (!matches(v, in, r))
			continue;
		if (r->action == PFM_RDR_ANCHOR_CALL) {
			if (call(v, r, redirect))
				return true;
			continue;
		}
		v->p.dst = r->to;
		v->p.dport = r->to_port;
		memcpy(v->p.tag, r->tag, sizeof(r->tag));
		return true;
	}
	return false;
}

/* Ports are pf's to choose; these are as good, and never twice. */
enum { NAT_PORT = 50001, NAT_PORTS = 15535 };

static void
translate_source(struct eval *v)
{
	const struct pfm_anchor *in = &v->m->root;

	for (size_t i = 0; i < in->rs.nat.n; i++) {
		const struct pfm_rule *r = &in->rs.nat.v[i];
		const struct pfm_if *f = pfm_if_find(v->m, r->to_if);
		const struct np_addr *to;

		if (f == NULL || !matches(v, in, r))
			continue;
		to = r->af == NP_V4 ? &f->v4 : &f->v6;
		if (to->family == 0)
			return;
		v->p.src = *to;
		v->p.sport = (uint16_t)(NAT_PORT + v->m->last_id % NAT_PORTS);
		return;
	}
}

/* --- the filter ----------------------------------------------------------- */

/* True: a quick rule has decided. */
static bool
filter(struct eval *v, const struct pfm_anchor *in)
{
	for (size_t i = 0; i < in->rs.filter.n; i++) {
		const struct pfm_rule *r = &in->rs.filter.v[i];

		if (!matches(v, in, r))
			continue;
		if (r->action == PFM_ANCHOR_CALL) {
			if (call(v, r, filter))
				return true;
			continue;
		}
		/* Tags stay, whether or not the rule decides in the end */
		if (r->tag[0] != '\0')
			memcpy(v->p.tag, r->tag, sizeof(r->tag));
		if (r->action == PFM_MATCH)
			continue;
		v->in = in;
		v->by = r;
		if (r->quick)
			return true;
	}
	return false;
}

static void
name_rule(const struct eval *v, struct pfm_judged *out)
{
	if (v->by == NULL)
		return;
	memcpy(out->label, v->by->label, sizeof(out->label));
	memcpy(out->anchor, v->in->rs.name, sizeof(out->anchor));
}

static void
carry(const struct pfm_packet *p, struct pfm_judged *out)
{
	out->src = p->src;
	out->dst = p->dst;
	out->sport = p->sport;
	out->dport = p->dport;
	memcpy(out->tag, p->tag, sizeof(out->tag));
}

/* A packet of a known flow: rules are not asked, and it is translated. */
static void
judge_known(const struct pfm_state *s, const struct pfm_packet *p,
    struct pfm_judged *out)
{
	const struct pfm_key *to = p->dir == PFM_IN ? &s->stack : &s->wire;
	size_t src = p->dir == PFM_IN ? 0 : 1;

	*out = (struct pfm_judged){ .pass = true, .by_state = true };
	memcpy(out->label, s->label, sizeof(out->label));
	memcpy(out->anchor, s->anchor, sizeof(out->anchor));
	memcpy(out->tag, s->tag[0] == '\0' ? p->tag : s->tag, sizeof(out->tag));
	out->src = to->addr[src];
	out->sport = to->port[src];
	out->dst = to->addr[1 - src];
	out->dport = to->port[1 - src];
}

static size_t
rule_index(const struct eval *v)
{
	return (size_t)(v->by - v->in->rs.filter.v);
}

static void
judge_new(struct eval *v, struct pfm_judged *out)
{
	*out = (struct pfm_judged){ .pass = true };
	if (v->p.dir == PFM_IN)
		(void)redirect(v, &v->m->root);
	else
		translate_source(v);
	(void)filter(v, &v->m->root);
	carry(&v->p, out);
	name_rule(v, out);
	if (v->by == NULL)
		return; /* nothing matches: it passes, without a state */
	out->pass = v->by->action == PFM_PASS;
	out->ret = v->by->ret;
	out->logged = v->by->log;
	out->keeps = v->by->keep;
	if (out->pass && v->by->max > 0 &&
	    pfm_states_of(v->m, v->in->loaded, rule_index(v)) >= v->by->max) {
		out->pass = out->keeps = false;
		out->too_many = true;
	}
}

static bool
judge(const struct pf_model *m, const struct pfm_packet *p, struct eval *v,
    struct pfm_judged *out)
{
	const struct pfm_state *s;

	*v = (struct eval){ .m = m, .p = *p };
	*out = (struct pfm_judged){ .pass = true };
	carry(p, out);
	if (m->root.rs.skip[0] != '\0' && on_interface(v, m->root.rs.skip))
		return false;
	s = pfm_state_find(m, p);
	if (s != NULL)
		judge_known(s, p, out);
	else
		judge_new(v, out);
	return out->keeps;
}

void
pf_model_judge(const struct pf_model *m, const struct pfm_packet *p,
    struct pfm_judged *out)
{
	struct eval v;

	(void)judge(m, p, &v, out);
}

int
pf_model_packet(struct pf_model *m, const struct pfm_packet *p,
    struct pfm_judged *out, struct err *e)
{
	struct pfm_state s = { .dir = p->dir };
	struct pfm_packet after = *p;
	struct eval v;

	if (!judge(m, p, &v, out) || v.by == NULL)
		return 0;
	after.src = out->src;
	after.dst = out->dst;
	after.sport = out->sport;
	after.dport = out->dport;
	pfm_key_of(p->dir == PFM_IN ? p : &after, &s.wire);
	pfm_key_of(p->dir == PFM_IN ? &after : p, &s.stack);
	s.bound = v.by->if_bound;
	memcpy(s.ifname, p->ifname, strnlen(p->ifname, PFM_IF - 1));
	memcpy(s.tag, out->tag, sizeof(s.tag));
	memcpy(s.label, out->label, sizeof(s.label));
	memcpy(s.anchor, out->anchor, sizeof(s.anchor));
	s.loaded = v.in->loaded;
	s.rule = rule_index(&v);
	return pfm_state_add(m, &s, e);
}

/* --- loading -------------------------------------------------------------- */

/* A table that the text names without a list keeps its addresses. */
static void
keep_tables(struct pfm_ruleset *old, struct pfm_ruleset *new)
{
	for (size_t i = 0; i < new->ntables; i++) {
		struct pfm_table *t = &new->tables[i], was = *t;

		for (size_t k = 0; k < old->ntables && !t->listed; k++) {
			struct pfm_table *o = &old->tables[k];

			if (strcmp(o->name, t->name) != 0)
				continue;
			t->v = o->v;
			t->n = o->n;
			t->cap = o->cap;
			o->v = was.v;
			o->n = was.n;
			o->cap = was.cap;
			break;
		}
	}
}

static int
load(struct pf_model *m, struct pfm_anchor *a, const struct pfm_text *t,
    enum pfm_place place, struct err *e)
{
	struct pfm_ruleset rs;

	if (pfm_parse(t->text, t->len, place == PFM_ROOT ? "" : t->name, place,
		m->freebsd, &rs, e) < 0)
		return -1;
	keep_tables(&a->rs, &rs);
	pfm_ruleset_fini(&a->rs);
	a->rs = rs;
	a->loaded = ++m->nloads;
	return 0;
}

static struct pfm_anchor *
find(struct pf_model *m, const char *name)
{
	for (size_t i = 0; i < m->nanchors; i++)
		if (strcmp(m->anchors[i].rs.name, name) == 0)
			return &m->anchors[i];
	return NULL;
}

static int
by_name(const void *a, const void *b)
{
	const struct pfm_anchor *x = a, *y = b;

	return strcmp(x->rs.name, y->rs.name);
}

int
pf_model_load(struct pf_model *m, const struct pfm_text *t, struct err *e)
{
	struct pfm_anchor *a = find(m, t->name), new = { .loaded = 0 };
	struct pfm_anchor *v;

	if (a != NULL)
		return load(m, a, t, PFM_CHILD, e);
	v = realloc(m->anchors, (m->nanchors + 1) * sizeof(*v));
	if (v == NULL)
		return err_sys(e, "%zu pf anchors", m->nanchors + 1);
	m->anchors = v;
	if (load(m, &new, t, PFM_CHILD, e) < 0)
		return -1;
	v[m->nanchors++] = new;
	qsort(v, m->nanchors, sizeof(*v), by_name);
	return 0;
}

int
pf_model_set_table(struct pf_model *m, const char *anchor, const char *table,
    const struct np_prefix *v, size_t n, struct err *e)
{
	struct pfm_anchor *a = find(m, anchor);
	struct pfm_table new = { .persist = true };

	for (size_t i = 0; a != NULL && i < a->rs.ntables; i++) {
		struct pfm_table *t = &a->rs.tables[i];

		if (strcmp(t->name, table) != 0)
			continue;
		memcpy(new.name, t->name, sizeof(new.name));
		for (size_t k = 0; k < n; k++)
			if (pfm_table_add(&new,
				&(struct pfm_entry){ v[k], false }, e) < 0)
				goto out;
		if (pfm_table_sort(&new, e) < 0)
			goto out;
		pfm_table_fini(t);
		*t = new;
		return 0;
	}
	return err_set(
	    e, ERR_NOTFOUND, "anchor %s has no table <%s>", anchor, table);
out:
	pfm_table_fini(&new);
	return -1;
}

void
pf_model_free(struct pf_model *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->nanchors; i++)
		pfm_ruleset_fini(&m->anchors[i].rs);
	pfm_ruleset_fini(&m->root.rs);
	free(m->anchors);
	free(m->states);
	free(m->ifs);
	free(m);
}

int
pf_model_new(struct pf_model **out, unsigned freebsd, const struct pfm_if *ifs,
    size_t n, const struct pfm_text *root, struct err *e)
{
	struct pf_model *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (m != NULL)
		m->ifs = calloc(n + 1, sizeof(*ifs));
	if (m == NULL || m->ifs == NULL) {
		pf_model_free(m);
		return err_sys(e, "pf model");
	}
	if (n > 0)
		memcpy(m->ifs, ifs, n * sizeof(*ifs));
	m->nifs = n;
	m->freebsd = freebsd;
	if (load(m, &m->root, root, PFM_ROOT, e) < 0) {
		pf_model_free(m);
		return -1;
	}
	*out = m;
	return 0;
}
