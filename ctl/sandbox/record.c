#include "ctl/sandbox/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

void
sb_pairs_fini(struct sb_pairs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].name);
		free(p->v[i].value);
	}
	free(p->v);
	*p = (struct sb_pairs){ 0 };
}

int
sb_pairs_add(
    struct sb_pairs *p, const char *name, const char *value, struct err *e)
{
	autofree char *n = strdup(name), *v = strdup(value);

	if (n == NULL || v == NULL)
		return err_sys(e, "pair");
	if (p->n == p->cap) {
		size_t cap = p->cap == 0 ? 4 : p->cap * 2;
		void *room = realloc(p->v, cap * sizeof(p->v[0]));

		if (room == NULL)
			return err_sys(e, "pair");
		p->v = room;
		p->cap = cap;
	}
	p->v[p->n++] = (struct sb_pair){ take(&n), take(&v) };
	return 0;
}

const char *
sb_pairs_get(const struct sb_pairs *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].name, name) == 0)
			return p->v[i].value;
	return NULL;
}

void
sb_net_fini(struct sb_net *n)
{
	free(n->json);
	n->json = NULL;
}

void
sb_record_fini(struct sb_record *r)
{
	sb_pairs_fini(&r->metadata);
	free(r->env_json);
	free(r->mcp_json);
	r->env_json = r->mcp_json = NULL;
	sb_net_fini(&r->net);
	/* The tokens go with the sandbox. */
	memset(r->secret, 0, sizeof(r->secret));
}
