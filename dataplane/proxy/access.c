/* access.c - a line for each request, where an operator wants one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/log.h"
#include "proxy/proxy_int.h"

enum { LINES_PER_S = 1000 };

struct access {
	struct mono since;
	uint16_t port;
	char id[TARGET_ID_MAX];
	char method[24], host[160], path[300];
};

/* What a client wrote does not write our log: no blanks, no control bytes. */
static void
plain(char *to, size_t cap, struct text t)
{
	size_t n = 0;

	for (size_t i = 0; i < t.n && n + 4 < cap; i++) {
		unsigned char c = (unsigned char)t.p[i];

		if (c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=')
			to[n++] = (char)c;
		else
			n += (size_t)snprintf(to + n, cap - n, "%%%02X", c);
	}
	to[n] = '\0';
}

/* Queries and what follows them hold tokens and signatures. */
static struct text
without_query(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] == '?' || t.p[i] == '#')
			t.n = i;
	return t;
}

void
access_begin(struct conn *c, const struct http1_head *h, const char *base,
    const struct target *t)
{
	struct text target = { base + h->target.at, h->target.len };
	struct access *a;

	c->sent = 0;
	c->status = 0;
	if (!c->p->access_log)
		return;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return;
	a->since = c->waited ? c->wake_since : mono_now();
	a->port = t->port;
	memcpy(a->id, t->id, sizeof(a->id));
	(void)snprintf(a->method, sizeof(a->method), "%s",
	    llhttp_method_name((llhttp_method_t)h->ll.method));
	plain(a->host, sizeof(a->host), head_get(h, base, "host"));
	plain(a->path, sizeof(a->path), without_query(target_origin(target)));
	c->access = a;
}

/* So many a second: what a flood of requests costs must not be the disk. */
static bool
may_write(struct proxy *p)
{
	struct mono now = loop_now(p->loop);

	if (mono_ms(p->access_since, now) >= 1000) {
		if (p->access_lost > 0)
			log_warn("access.lost lines=%u", p->access_lost);
		p->access_since = now;
		p->access_lines = p->access_lost = 0;
	}
	if (p->access_lines++ < LINES_PER_S)
		return true;
	p->access_lost++;
	return false;
}

void
access_end(struct conn *c)
{
	struct access *a = c->access;

	if (a == NULL)
		return;
	c->access = NULL;
	if (may_write(c->p))
		log_info("access method=%s host=%s id=%s port=%u path=%s "
			 "status=%u bytes=%llu ms=%llu",
		    a->method, a->host, a->id[0] != '\0' ? a->id : "-", a->port,
		    a->path, c->status, (unsigned long long)c->sent,
		    (unsigned long long)mono_ms(a->since, mono_now()));
	free(a);
}
