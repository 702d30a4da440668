/*
 * rules.c - `coppice-privd rules`: takes records from apid, checks them, and
 * has the kernel's side do what they ask.
 *
 * The peer is our own daemon, so a record that does not fit is not a mistake
 * to report but a sign that the daemon is no longer ours: privd ends.
 */
#include "rules_flows.h"

#include <signal.h>
#include <string.h>

#include "base/own.h"
#include "ctl/site/site_conf.h"
#include "drop.h"
#include "io/child.h"
#include "io/log.h"
#include "io/memfile.h"
#include "io/seqpkt.h"
#include "link/addr.h"
#include "privd.h"

struct server {
	struct rules r;
	struct loop *loop;
	struct seqpkt chan;
	struct loop_signal term, hup;
	const char *path; /* of the configuration, or NULL */
	struct conf cf;
	struct err why;
	bool misfit;
	struct flows flows;
	int out; /* rides on the answer that is being made; or -1 */
	/* Slots are made a batch at a time, others get their turn between. */
	uint32_t slots_seq, slots_next, slots_end; /* seq 0: none is asked */
};

struct request {
	struct rules_hdr h;
	const char *body;
	int fd; /* of a memory file, or -1 */
};

/* fd, unless -1, is taken. */
static void
answer(struct server *s, uint16_t type, struct rules_reply *reply, int fd)
{
	/* Packed: the record follows its header without a gap. */
	struct __attribute__((packed)) {
		struct rules_hdr h;
		struct rules_reply r;
	} msg;
	struct err e;

	memset(&msg, 0, sizeof(msg));
	msg.h.type = type;
	msg.h.len = sizeof(msg.r);
	msg.h.seq = reply->seq;
	msg.r = *reply;
	if (seqpkt_post(&s->chan, &msg, sizeof(msg), &fd, fd >= 0, &e) < 0)
		log_error("rules.answer seq=%u err=\"%s\"", reply->seq, e.msg);
}

static void
tell(struct server *s, uint16_t type)
{
	struct rules_hdr h = { .type = type };
	struct err e;

	if (seqpkt_post(&s->chan, &h, sizeof(h), NULL, 0, &e) < 0)
		log_error("rules.event err=\"%s\"", e.msg);
}

static void
on_lost(struct rules *r)
{
	tell(container_of(r, struct server, r), RULES_EV_LOST);
}

/* --- one function for each kind of request -----------------------------------
 */

/* 0 answered or to be answered later; -1 with e: the answer is that error. */
typedef int op(struct server *s, const struct request *q,
    struct rules_reply *reply, struct err *e);

static int
op_hello(struct server *s, const struct request *q, struct rules_reply *reply,
    struct err *e)
{
	(void)q;
	(void)e;
	reply->max_gen = s->r.max_gen;
	reply->rebuilt = s->r.rebuilt;
	s->out = rules_kernel_log(&s->r);
	while (
	    reply->nslots < s->r.nslots && s->r.slots[reply->nslots + 1].made)
		reply->nslots++;
	return 0;
}

static int
check_slot(const struct rules *r, uint32_t slot, struct err *e)
{
	if (slot == 0 || slot > r->nslots)
		return err_set(
		    e, ERR_BUG, "slot %u of 1 to %u", slot, r->nslots);
	return 0;
}

/* A slot that a record may name, and that has its chain. */
static int
want_made(const struct rules *r, uint32_t slot, struct err *e)
{
	if (check_slot(r, slot, e) < 0)
		return -1;
	if (!r->slots[slot].made)
		return err_set(e, ERR_CONFLICT, "slot %u has no chain", slot);
	return 0;
}

static void
make_some(void *arg)
{
	struct server *s = arg;
	struct rules_reply reply = { .seq = s->slots_seq };
	uint32_t n = s->slots_end - s->slots_next;
	uint32_t batch = rules_kernel_batch(&s->r);

	if (s->chan.io.fd < 0)
		return;
	if (n > batch)
		n = batch;
	reply.rc = rules_kernel_make(&s->r, s->slots_next, n, &reply.err);
	s->slots_next += n;
	if (reply.rc == 0 && s->slots_next < s->slots_end) {
		loop_defer(s->loop, make_some, s);
		return;
	}
	s->slots_seq = 0;
	answer(s, RULES_SLOTS, &reply, -1);
}

static int
op_slots(struct server *s, const struct request *q, struct rules_reply *reply,
    struct err *e)
{
	struct rules_slots w;

	memcpy(&w, q->body, sizeof(w));
	if (w.first == 0 || w.n == 0 || w.n > s->r.nslots ||
	    w.first > s->r.nslots - w.n + 1)
		return err_set(e, ERR_BUG, "slots %u and %u more of 1 to %u",
		    w.first, w.n, s->r.nslots);
	if (s->slots_seq != 0)
		return err_set(e, ERR_BUSY, "slots are being made already");
	s->slots_seq = q->h.seq;
	s->slots_next = w.first;
	s->slots_end = w.first + w.n;
	reply->seq = 0; /* make_some() answers */
	loop_defer(s->loop, make_some, s);
	return 0;
}

/* Where the entries are: behind the record, or in a sealed memory file. */
struct entries {
	const struct rules_entry *v;
	void *map;
	size_t maplen;
	struct rules_entry *copy;
};

static void
entries_fini(struct entries *x)
{
	memfile_unmap(x->map, x->maplen);
	free(x->copy);
}

static int
find_entries(const struct request *q, const struct rules_apply *a,
    struct entries *x, struct err *e)
{
	const size_t want =
	    ((size_t)a->nallow + a->ndeny) * sizeof(struct rules_entry) +
	    (size_t)a->nports * sizeof(struct rules_port);
	const size_t have = q->h.len - sizeof(*a);

	if (a->nallow > NP_LIST_MAX || a->ndeny > NP_LIST_MAX ||
	    a->nports > 2 * NP_PORTS_MAX)
		return err_set(e, ERR_BUG, "%u and %u entries, %u ports",
		    a->nallow, a->ndeny, a->nports);
	if (a->in_memfd) {
		if (have != 0 || want == 0)
			return err_set(e, ERR_BUG, "entries in two places");
		x->maplen = want;
		x->v = x->map = memfile_map(q->fd, want, e);
		return x->map == NULL ? -1 : 0;
	}
	if (q->fd >= 0 || have != want)
		return err_set(
		    e, ERR_BUG, "%zu bytes of entries, want %zu", have, want);
	if (want == 0)
		return 0;
	/* For its alignment. */
	x->copy = malloc(want);
	if (x->copy == NULL)
		return err_sys(e, "entries");
	memcpy(x->copy, q->body + sizeof(*a), want);
	x->v = x->copy;
	return 0;
}

/* Behind the entries, and no wider aligned than they. */
static const struct rules_port *
entries_ports(const struct entries *x, const struct rules_apply *a)
{
	if (x->v == NULL)
		return NULL;
	return (const void *)(x->v + a->nallow + a->ndeny);
}

static int
check_apply(const struct rules *r, const struct rules_apply *a, struct err *e)
{
	if (want_made(r, a->slot, e) < 0)
		return -1;
	if (a->birth > 1 || a->deny_all > 1 || a->no_internet > 1 ||
	    a->in_memfd > 1 || a->pad != 0)
		return err_set(e, ERR_BUG, "a flag that is neither 0 nor 1");
	if (a->gen < RULES_GEN_FIRST || a->gen > INT32_MAX)
		return err_set(e, ERR_BUG, "generation %u", a->gen);
	if (a->gen <= r->max_gen)
		return err_set(e, ERR_CONFLICT,
		    "generation %u: %u has been used", a->gen, r->max_gen);
	return 0;
}

static int
op_apply(struct server *s, const struct request *q, struct rules_reply *reply,
    struct err *e)
{
	struct entries x = { 0 };
	struct rules_want w;
	struct rules_apply a;
	struct mono t0 = mono_now();
	int rc = -1;

	memcpy(&a, q->body, sizeof(a));
	if (check_apply(&s->r, &a, e) < 0)
		return -1;
	if (find_entries(q, &a, &x, e) == 0 &&
	    rules_compile(&s->r,
		&(struct rules_body){ &a, x.v, entries_ports(&x, &a) }, &w,
		e) == 0) {
		rc = rules_kernel_apply(&s->r, &w, &reply->revoked, e);
		rules_want_fini(&w);
	}
	entries_fini(&x);
	if (rc == 0)
		log_debug("rules.apply slot=%u gen=%u ranges=%zu+%zu revoked=%u"
			  " us=%llu",
		    a.slot, a.gen, s->r.slots[a.slot].reach.ok4.n,
		    s->r.slots[a.slot].reach.ok6.n, reply->revoked,
		    (unsigned long long)(mono_now().ns - t0.ns) / 1000);
	return rc;
}

static int
op_clear(struct server *s, const struct request *q, struct rules_reply *reply,
    struct err *e)
{
	struct rules_clear c;

	(void)reply;
	memcpy(&c, q->body, sizeof(c));
	if (want_made(&s->r, c.slot, e) < 0)
		return -1;
	return rules_kernel_clear(&s->r, c.slot, e);
}

static int
op_prepare(struct server *s, const struct request *q, struct rules_reply *reply,
    struct err *e)
{
	struct rules_apply nothing = { 0 };
	struct rules_want w;
	struct rules_clear c;
	int rc;

	(void)reply;
	memcpy(&c, q->body, sizeof(c));
	if (want_made(&s->r, c.slot, e) < 0)
		return -1;
	nothing.slot = c.slot;
	if (rules_kernel_clear(&s->r, c.slot, e) < 0 ||
	    rules_compile(&s->r, &(struct rules_body){ .a = &nothing }, &w, e) <
		0)
		return -1;
	rc = rules_kernel_prepare(&s->r, &w, e);
	rules_want_fini(&w);
	return rc;
}

static int
op_state(struct server *s, const struct request *q, struct rules_reply *reply,
    struct err *e)
{
	struct rules_clear c;

	memcpy(&c, q->body, sizeof(c));
	if (want_made(&s->r, c.slot, e) < 0)
		return -1;
	return rules_kernel_state(&s->r, c.slot, &reply->state, e);
}

static void
on_flows(struct flows *x, const struct rules_reply *reply, int fd)
{
	struct server *s = container_of(x, struct server, flows);
	struct rules_reply r = *reply;

	answer(s, RULES_FLOWS, &r, fd);
}

static int
op_flows(struct server *s, const struct request *q, struct rules_reply *reply,
    struct err *e)
{
	struct rules_clear c;

	memcpy(&c, q->body, sizeof(c));
	if (want_made(&s->r, c.slot, e) < 0 ||
	    flows_ask(&s->flows, c.slot, s->r.slots[c.slot].gen, q->h.seq, e) <
		0)
		return -1;
	reply->seq = 0; /* on_flows() answers */
	return 0;
}

/* Grep this table to see all that this process can be made to do. */
static const struct {
	const char *name;
	op *run;
	uint32_t min, max; /* bytes of the body */
	bool fd;	   /* may bring a descriptor */
} ops[RULES_NTYPES] = {
	[RULES_HELLO] = { "hello", op_hello, 0, 0, false },
	[RULES_SLOTS] = { "slots", op_slots, sizeof(struct rules_slots),
	    sizeof(struct rules_slots), false },
	[RULES_APPLY] = { "apply", op_apply, sizeof(struct rules_apply),
	    sizeof(struct rules_apply) + RULES_INLINE_MAX, true },
	[RULES_CLEAR] = { "clear", op_clear, sizeof(struct rules_clear),
	    sizeof(struct rules_clear), false },
	[RULES_STATE] = { "state", op_state, sizeof(struct rules_clear),
	    sizeof(struct rules_clear), false },
	[RULES_PREPARE] = { "prepare", op_prepare, sizeof(struct rules_clear),
	    sizeof(struct rules_clear), false },
	[RULES_FLOWS] = { "flows", op_flows, sizeof(struct rules_clear),
	    sizeof(struct rules_clear), false },
};

static int
check_request(const struct request *q, size_t len, size_t nfds, struct err *e)
{
	const struct rules_hdr *h = &q->h;

	if (h->type >= RULES_NTYPES || h->pad != 0 || h->seq == 0)
		return err_set(e, ERR_BUG, "message of type %u", h->type);
	if (h->len != len - sizeof(*h) || h->len < ops[h->type].min ||
	    h->len > ops[h->type].max)
		return err_set(
		    e, ERR_BUG, "%s of %u bytes", ops[h->type].name, h->len);
	if (nfds > (ops[h->type].fd ? 1 : 0))
		return err_set(e, ERR_BUG, "%s with %zu descriptors",
		    ops[h->type].name, nfds);
	return 0;
}

static void
misfit(struct server *s, const struct err *e)
{
	log_error("rules.misfit err=\"%s\"", e->msg);
	s->why = *e;
	s->misfit = true;
	loop_stop(s->loop);
}

static void
on_msg(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct server *s = container_of(c, struct server, chan);
	struct request q = { .body = (const char *)msg + sizeof(q.h) };
	struct rules_reply reply;
	struct err e = { 0 };
	int rc = -1;

	memset(&reply, 0, sizeof(reply));
	q.fd = nfds == 1 ? fds[0] : -1;
	if (s->misfit)
		goto out;
	if (len < sizeof(q.h)) {
		err_set(&e, ERR_BUG, "message of %zu bytes", len);
		misfit(s, &e);
		goto out;
	}
	memcpy(&q.h, msg, sizeof(q.h));
	rc = check_request(&q, len, nfds, &e);
	if (rc == 0) {
		reply.seq = q.h.seq;
		rc = ops[q.h.type].run(s, &q, &reply, &e);
		if (rc < 0)
			err_wrap(&e, "%s", ops[q.h.type].name);
	}
	if (rc < 0 && e.kind == ERR_BUG) {
		misfit(s, &e);
		goto out;
	}
	if (rc < 0) {
		log_warn("rules.error seq=%u err=\"%s\"", q.h.seq, e.msg);
		reply.rc = -1;
		reply.err = e;
	}
	if (reply.seq != 0)
		answer(s, q.h.type, &reply, take_fd(&s->out));
out:
	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
}

static void
on_close(struct seqpkt *c)
{
	struct server *s = container_of(c, struct server, chan);

	/* apid is gone: we are started again with its successor. */
	log_info("rules.end because=channel-closed");
	loop_stop(s->loop);
}

static void
on_term(struct loop_signal *w, int signo)
{
	struct server *s = container_of(w, struct server, term);

	(void)signo;
	/* The rules stay: sandboxes outlive us. */
	log_info("rules.end because=signal");
	loop_stop(s->loop);
}

static void
say_site(const char *what, const struct conf_prefix *v, size_t n)
{
	char text[NP_PREFIX_TEXT];

	for (size_t i = 0; i < n; i++)
		log_info("rules.site %s=%s at=coppiced.conf:%u", what,
		    np_prefix_text(&v[i].prefix, text), v[i].line);
}

/* What holds, with the ranges that the file has now. */
static int
read_site(const struct server *s, struct conf *next)
{
	static struct conf file;

	if (conf_read(&file, s->path, stderr) < 0)
		return -1;
	*next = s->cf;
	conf_take_site(next, &file);
	return 0;
}

/*
 * The operator's ranges, from the file and from nobody else.  What is in force
 * stays until apid has sent each slot's policy again; what it sends from now
 * on meets the new ranges.
 */
static void
on_hup(struct loop_signal *w, int signo)
{
	struct server *s = container_of(w, struct server, hup);
	static struct conf next;
	struct np_site site;
	size_t at = 0;
	struct err e;

	(void)signo;
	if (read_site(s, &next) < 0) {
		log_error("rules.site nothing was changed");
		return;
	}
	if (conf_change(&s->cf, &next, CONF_AT_ONCE, &at) == NULL) {
		log_info("rules.site: nothing is different");
		return;
	}
	if (site_from_conf(&next, &site, &e) < 0) {
		log_error("rules.site err=\"%s\"", e.msg);
		return;
	}
	s->cf = next;
	np_site_fini(&s->r.site);
	s->r.site = site;
	say_site("deny", s->cf.site_deny, s->cf.nsite_deny);
	say_site("allow", s->cf.site_allow, s->cf.nsite_allow);
	tell(s, RULES_EV_SITE);
}

static void
server_fini(struct server *s)
{
	flows_fini(&s->flows);
	loop_signal_stop(&s->term);
	loop_signal_stop(&s->hup);
	if (s->chan.io.fd >= 0)
		seqpkt_close(&s->chan);
	rules_kernel_close(&s->r);
	for (uint32_t i = 0; s->r.slots != NULL && i <= s->r.nslots; i++)
		np_reach_fini(&s->r.slots[i].reach);
	free(s->r.slots);
	np_site_fini(&s->r.site);
	loop_free(s->loop);
	free(s);
}

static int
start(struct server *s, struct err *e)
{
	const struct conf *cf = &s->cf;
	uint32_t fit = link_slots_max(&cf->net4);
	int fd = child_fd("rules");

	s->chan.io.fd = s->out = -1;
	if (fd < 0)
		return err_set(
		    e, ERR_INVALID, "COPPICE_FDS names no channel `rules`");
	s->r.cf = cf;
	s->r.on_lost = on_lost;
	s->r.nslots = cf->max_sandboxes < fit ? cf->max_sandboxes : fit;
	s->r.max_gen = RULES_GEN_FIRST - 1;
	s->r.slots = calloc(s->r.nslots + 1, sizeof(*s->r.slots));
	if (s->r.slots == NULL)
		return err_sys(e, "slots");
	s->loop = loop_new(e);
	if (s->loop == NULL || site_from_conf(cf, &s->r.site, e) < 0)
		return -1;
	s->flows = (struct flows){ s->loop, cf, on_flows, NULL, 0 };
	s->chan.on_msg = on_msg;
	s->chan.on_close = on_close;
	seqpkt_open(s->loop, &s->chan, fd);
	s->term.on_signal = on_term;
	loop_signal_start(s->loop, &s->term, SIGTERM);
	s->hup.on_signal = on_hup;
	loop_signal_start(s->loop, &s->hup, SIGHUP);
	if (rules_kernel_open(&s->r, e) < 0)
		return -1;
	return rules_kernel_watch(&s->r, s->loop, e);
}

int
rules_main(const struct conf *cf, const char *path, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_sys(e, "rules");
	s->cf = *cf;
	s->path = path;
	rc = start(s, e);
	if (rc == 0) {
		log_info("rules.ready slots=%u rebuilt=%d max_gen=%u",
		    s->r.nslots, s->r.rebuilt, s->r.max_gen);
		loop_run(s->loop);
		if (s->misfit) {
			*e = s->why;
			rc = -1;
		}
	}
	server_fini(s);
	return rc;
}
