/* sandboxes_list.c - GET /sandboxes, GET /v2/sandboxes */
#include "ctl/api/api_int.h"
#include "ctl/api/sandboxes_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

enum { LIMIT_MAX = 100 };

struct filter {
	struct sb_pairs metadata;
	bool has_metadata;
	bool running, paused;
	int64_t after_ms;
	const char *template_id; /* NULL: all */
};

struct found {
	struct list_item *v;
	size_t n, cap, running;
	const struct filter *f;
	bool no_memory;
};

static bool
passes(const struct filter *f, const struct sb_record *r)
{
	bool running = r->state == SB_RUNNING;

	if (running ? !f->running : !f->paused)
		return false;
	if (r->started_ms < f->after_ms)
		return false;
	if (f->template_id != NULL &&
	    strcmp(f->template_id, r->template_id) != 0)
		return false;
	return !f->has_metadata ||
	       query_metadata_match(&f->metadata, &r->metadata);
}

static void
collect(void *ctx, struct sandbox *sb)
{
	struct found *all = ctx;
	const struct sb_record *r = sandbox_record(sb);

	if (!passes(all->f, r))
		return;
	if (all->n == all->cap) {
		size_t cap = all->cap == 0 ? 128 : all->cap * 2;
		void *p = realloc(all->v, cap * sizeof(all->v[0]));

		if (p == NULL) {
			all->no_memory = true;
			return;
		}
		all->v = p;
		all->cap = cap;
	}
	all->running += r->state == SB_RUNNING;
	all->v[all->n++] = (struct list_item){ r->started_ms, r->id, sb };
}

static int
by_start(const void *a, const void *b)
{
	const struct list_item *x = a, *y = b;

	if (x->started_ms != y->started_ms)
		return x->started_ms < y->started_ms ? -1 : 1;
	return strcmp(x->id, y->id);
}

void
list_sort(struct list_item *v, size_t n, bool ascending)
{
	if (n < 2)
		return;
	qsort(v, n, sizeof(v[0]), by_start);
	if (ascending)
		return;
	for (size_t i = 0; i < n / 2; i++) {
		struct list_item x = v[i];

		v[i] = v[n - 1 - i];
		v[n - 1 - i] = x;
	}
}

size_t
list_after(const struct list_item *v, size_t n, const struct page_token *t)
{
	const struct list_item end = { t->ms, t->id, NULL };
	size_t i = 0;

	while (i < n && (t->ascending ? by_start(&v[i], &end) <= 0
				      : by_start(&v[i], &end) >= 0))
		i++;
	return i;
}

static void
answer(struct call *c, const struct list_item *v, size_t n)
{
	struct buf b;

	buf_init(&b, API_ANSWER_MAX);
	(void)buf_puts(&b, "[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)buf_puts(&b, ",");
		out_listed(&b, v[i].sb);
	}
	(void)buf_puts(&b, "]");
	call_ok(c, 200, &b);
}

/* ERR_NONE in e: there is no such template, and so nothing to list. */
static int
take_template(struct call *c, struct filter *f, struct err *e)
{
	const char *name = query_get(&c->query, "template");
	struct template_name n;
	const struct template *t;

	if (name == NULL)
		return 0;
	if (template_name_parse(name, &n, e) < 0)
		return -1;
	if (n.has_tag)
		return err_set(e, ERR_INVALID,
		    "parameter template takes no tag: \"%.100s\"", name);
	t = templates_find(engine_templates(c->api->en), name, e);
	f->template_id = t != NULL ? t->id : "";
	return 0;
}

static int
take_metadata(struct call *c, struct filter *f, struct err *e)
{
	const char *text = query_get(&c->query, "metadata");

	if (text == NULL)
		return 0;
	f->has_metadata = true;
	return query_metadata(text, &f->metadata, e);
}

static int
take_state(void *ctx, const char *value, struct err *e)
{
	struct filter *f = ctx;

	if (strcmp(value, "running") == 0)
		f->running = true;
	else if (strcmp(value, "paused") == 0)
		f->paused = true;
	else
		return err_set(e, ERR_INVALID,
		    "validation error: state must be running or paused, not "
		    "\"%.40s\"",
		    value);
	return 0;
}

struct paging {
	int64_t limit;
	bool ascending, has_token;
	struct page_token token;
};

static int
take_paging(struct call *c, struct paging *p, struct err *e)
{
	const char *order = query_get(&c->query, "order");
	const char *token = query_get(&c->query, "nextToken");

	if (query_int(
		&c->query, "limit", 1, LIMIT_MAX, LIMIT_MAX, &p->limit, e) < 0)
		return -1;
	if (order != NULL && strcmp(order, "asc") != 0 &&
	    strcmp(order, "desc") != 0)
		return err_set(e, ERR_INVALID,
		    "validation error: order must be asc or desc, not "
		    "\"%.40s\"",
		    order);
	p->ascending = order != NULL && strcmp(order, "asc") == 0;
	if (token == NULL || *token == '\0')
		return 0;
	if (page_token_parse(token, &p->token, e) < 0)
		return -1;
	if (p->token.ascending != p->ascending)
		return err_set(e, ERR_INVALID,
		    "invalid next token: it is of a list in the other order");
	p->has_token = true;
	return 0;
}

static int
take_query(struct call *c, struct filter *f, struct paging *p, struct err *e)
{
	const char *after = query_get(&c->query, "startedAfter");

	if (take_paging(c, p, e) < 0 || take_metadata(c, f, e) < 0 ||
	    query_list(&c->query, "state", take_state, f, e) < 0)
		return -1;
	if (!f->running && !f->paused)
		f->running = f->paused = true;
	if (after != NULL && time_parse(after, &f->after_ms, e) < 0) {
		err_wrap(e, "startedAfter");
		return -1;
	}
	return take_template(c, f, e);
}

static void
page(struct call *c, struct found *all, const struct filter *f,
    const struct paging *p)
{
	size_t from = 0, n;
	char text[PAGE_TOKEN_TEXT];

	list_sort(all->v, all->n, p->ascending);
	if (p->has_token)
		from = list_after(all->v, all->n, &p->token);
	n = all->n - from;
	if (n > (size_t)p->limit) {
		const struct list_item *last;
		struct page_token t = { .ascending = p->ascending };

		n = (size_t)p->limit;
		last = &all->v[from + n - 1];
		t.ms = last->started_ms;
		memcpy(t.id, last->id, strlen(last->id) + 1);
		call_header(c, "X-Next-Token", "%s", page_token_text(&t, text));
	}
	if (f->running)
		call_header(c, "X-Total-Running", "%zu", all->running);
	answer(c, all->v + from, n);
}

static void
no_memory(struct call *c)
{
	call_fail(c, 500, NULL, "no memory");
}

void
get_sandboxes_v2(struct call *c)
{
	struct filter f = { .has_metadata = false };
	struct paging p = { .ascending = false };
	struct found all = { .f = &f };
	struct err e;

	if (take_query(c, &f, &p, &e) < 0) {
		call_error(c, &e, NULL);
	} else {
		engine_each(c->api->en, collect, &all);
		if (all.no_memory)
			no_memory(c);
		else
			page(c, &all, &f, &p);
	}
	free(all.v);
	sb_pairs_fini(&f.metadata);
}

void
get_sandboxes(struct call *c)
{
	struct filter f = { .running = true };
	struct found all = { .f = &f };
	struct err e;

	if (take_metadata(c, &f, &e) < 0) {
		call_error(c, &e, NULL);
	} else {
		engine_each(c->api->en, collect, &all);
		list_sort(all.v, all.n, false);
		if (all.no_memory)
			no_memory(c);
		else
			answer(c, all.v, all.n);
	}
	free(all.v);
	sb_pairs_fini(&f.metadata);
}
