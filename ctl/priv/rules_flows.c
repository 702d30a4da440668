#include "rules_flows.h"

#include <stdlib.h>

#include "base/own.h"
#include "io/memfile.h"
#include "link/addr.h"

enum { ASKED_MAX = 64 };

struct question {
	struct job job;
	struct flows *x;
	struct np_addr own[2]; /* of the slot */
	size_t nown;
	uint32_t gen;
	struct rules_reply reply;
	int fd;
};

/* In the thread, which sees nothing but the question. */
static void
work(struct job *j)
{
	struct question *q = container_of(j, struct question, job);
	struct rules_reply *r = &q->reply;
	struct rules_flow *v = NULL;

	r->rc = rules_kernel_flows(
	    q->own, q->nown, q->gen, &v, &r->nflows, &r->err);
	if (r->rc == 0 && r->nflows > 0) {
		q->fd =
		    memfile_make("flows", v, r->nflows * sizeof(*v), &r->err);
		r->rc = q->fd < 0 ? -1 : 0;
	}
	free(v);
}

static void
done(struct job *j)
{
	struct question *q = container_of(j, struct question, job);

	q->x->nasked--;
	q->x->done(q->x, &q->reply, q->fd);
	free(q);
}

int
flows_ask(
    struct flows *x, uint32_t slot, uint32_t gen, uint32_t seq, struct err *e)
{
	const struct conf *cf = x->cf;
	struct link_addr a;
	struct question *q;

	if (x->nasked == ASKED_MAX)
		return err_set(
		    e, ERR_BUSY, "%u ask for flows already", x->nasked);
	if (x->pool == NULL) {
		x->pool = job_pool_new(x->loop, 1, e);
		if (x->pool == NULL)
			return -1;
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return err_sys(e, "flows");
	link_addr(slot, &cf->net4, cf->ipv6 ? &cf->net6 : NULL, &a);
	*q = (struct question){ .job = { .work = work, .done = done },
		.x = x,
		.own = { a.sb4, a.sb6 },
		.nown = cf->ipv6 ? 2 : 1,
		.gen = gen,
		.reply = { .seq = seq },
		.fd = -1 };
	x->nasked++;
	job_submit(x->pool, &q->job);
	return 0;
}

void
flows_fini(struct flows *x)
{
	job_pool_free(x->pool);
	x->pool = NULL;
}
