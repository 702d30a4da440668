#include "spawn_int.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "io/child.h"
#include "io/log.h"
#include "io/place.h"
#include "privd.h"

/* Everything that this process can be made to do. */
static const struct {
	const char *name;
	uint32_t len;
	void (*run)(
	    struct spawn *sp, uint32_t seq, const void *body, bool keep);
} ops[SPAWN_NTYPES] = {
	[SPAWN_HELLO] = { "hello", 0, op_hello },
	[SPAWN_SLOTS] = { "slots", sizeof(struct spawn_slots), op_slots },
	[SPAWN_CREATE] = { "create", sizeof(struct spawn_create), op_create },
	[SPAWN_KILL] = { "kill", sizeof(struct spawn_ref), op_kill },
	[SPAWN_FREEZE] = { "freeze", sizeof(struct spawn_ref), op_freeze },
	[SPAWN_THAW] = { "thaw", sizeof(struct spawn_ref), op_thaw },
	[SPAWN_SOCK] = { "sock", sizeof(struct spawn_sock), NULL },
	[SPAWN_STATS] = { "stats", sizeof(struct spawn_ref), op_stats },
	[SPAWN_DISCARD] = { "discard", sizeof(struct spawn_disk), op_discard },
	[SPAWN_SOCKETS] = { "sockets", sizeof(struct spawn_ref), op_sockets },
	[SPAWN_CUT] = { "cut", sizeof(struct spawn_cut), op_cut },
	[SPAWN_CAPTURE] = { "capture", sizeof(struct spawn_ref), op_capture },
};

/* --- answers -------------------------------------------------------------- */

struct answer {
	struct spawn_hdr hdr;
	struct spawn_reply reply;
};

/* The body follows its header without a gap. */
static void
post(struct seqpkt *to, const struct answer *a, int *fds, size_t nfds)
{
	char msg[sizeof(a->hdr) + sizeof(a->reply)];
	struct err why;

	if (to->io.fd < 0)
		return; /* nobody is left to be told */
	memcpy(msg, &a->hdr, sizeof(a->hdr));
	memcpy(msg + sizeof(a->hdr), &a->reply, sizeof(a->reply));
	if (seqpkt_post(to, msg, sizeof(msg), fds, nfds, &why) < 0)
		log_warn("spawn.answer type=%u seq=%u err=\"%s\"", a->hdr.type,
		    a->hdr.seq, why.msg);
}

static struct answer
answer(uint16_t type, uint32_t seq, const struct err *e)
{
	struct answer a;

	memset(&a, 0, sizeof(a));
	a.hdr = (struct spawn_hdr){
		.type = type, .len = sizeof(a.reply), .seq = seq
	};
	a.reply.seq = seq;
	if (e != NULL) {
		a.reply.rc = -1;
		a.reply.err = *e;
		log_warn("spawn.error op=%s seq=%u err=\"%s\"", ops[type].name,
		    seq, e->msg);
	}
	return a;
}

void
spawn_reply(struct spawn *sp, struct seqpkt *to, uint16_t type, uint32_t seq,
    const struct err *e, int *fds, size_t nfds)
{
	struct answer a;

	if (seq == 0)
		return;
	a = answer(type, seq, e);
	if (type == SPAWN_HELLO)
		(void)snprintf(a.reply.disk_backend,
		    sizeof(a.reply.disk_backend), "%s", sub_disk_text(sp->sub));
	post(to, &a, fds, nfds);
}

void
spawn_reply_stats(
    struct spawn *sp, uint32_t seq, const struct spawn_stats *stats)
{
	struct answer a = answer(SPAWN_STATS, seq, NULL);

	a.reply.stats = *stats;
	post(&sp->apid, &a, NULL, 0);
}

void
spawn_reply_with(
    struct spawn *sp, uint16_t type, const struct spawn_reply *r, int fd)
{
	struct answer a = answer(type, r->seq, NULL);

	a.reply = *r;
	post(&sp->apid, &a, &fd, fd >= 0 ? 1 : 0);
}

void
spawn_event(struct spawn *sp, uint16_t type, const void *body, uint32_t len)
{
	struct {
		struct spawn_hdr hdr;
		char body[sizeof(struct spawn_slot_ev)];
	} m;
	struct err why;

	_Static_assert(sizeof(struct spawn_found) <= sizeof(m.body), "fits");
	if (sp->apid.io.fd < 0)
		return;
	m.hdr = (struct spawn_hdr){ .type = type, .len = len };
	if (len > 0)
		memcpy(m.body, body, len);
	if (seqpkt_post(&sp->apid, &m, sizeof(m.hdr) + len, NULL, 0, &why) < 0)
		log_warn("spawn.event type=%u err=\"%s\"", type, why.msg);
}

/* --- questions ------------------------------------------------------------ */

static void
op_sock(struct spawn *sp, struct seqpkt *from, uint32_t seq, const void *body)
{
	const struct slot *sl;
	struct spawn_sock q;
	int fds[8];
	struct err e;

	memcpy(&q, body, sizeof(q));
	if (q.n < 1 || q.n > countof(fds) || (q.family != 4 && q.family != 6))
		err_set(
		    &e, ERR_INVALID, "%u sockets of family %u", q.n, q.family);
	else if ((sl = slot_of(sp, q.ref, &e)) != NULL &&
		 sub_sockets(sp->sub, &sl->unit, q.family, q.n, fds, &e) == 0) {
		spawn_reply(sp, from, SPAWN_SOCK, seq, NULL, fds, q.n);
		return;
	}
	spawn_reply(sp, from, SPAWN_SOCK, seq, &e, NULL, 0);
}

/* A record of fixed size; only CUT has others behind it. */
static uint32_t
want_len(uint16_t type, const void *body, size_t have)
{
	uint32_t len = ops[type].len;
	struct spawn_cut q;

	if (type != SPAWN_CUT || have < sizeof(q))
		return len;
	memcpy(&q, body, sizeof(q));
	if (q.n < 1 || q.n > SPAWN_CUT_MAX)
		return 0;
	return len + q.n * (uint32_t)sizeof(struct spawn_socket);
}

/*
 * The peer is our own daemon: what does not fit is no mistake to report, but
 * a sign that the daemon is no longer ours.
 */
static int
check(const struct spawn *sp, const struct seqpkt *from, const void *msg,
    size_t len, size_t nfds, struct spawn_hdr *h, struct err *e)
{
	uint32_t want;

	if (len < sizeof(*h) || nfds != 0)
		return err_set(e, ERR_BUG,
		    "message of %zu bytes and %zu descriptors", len, nfds);
	memcpy(h, msg, sizeof(*h));
	if (h->type >= SPAWN_NTYPES || h->seq == 0 || ops[h->type].name == NULL)
		return err_set(
		    e, ERR_BUG, "message of type %u, seq %u", h->type, h->seq);
	want =
	    want_len(h->type, (const char *)msg + sizeof(*h), len - sizeof(*h));
	if (h->len != want || len - sizeof(*h) != h->len)
		return err_set(e, ERR_BUG, "%s: %u bytes, want %u",
		    ops[h->type].name, h->len, want);
	if (from != &sp->apid && h->type != SPAWN_SOCK)
		return err_set(
		    e, ERR_BUG, "%s from the proxy", ops[h->type].name);
	return 0;
}

static void
on_msg(struct spawn *sp, struct seqpkt *from, const void *msg, size_t len,
    const int *fds, size_t nfds)
{
	const char *body = (const char *)msg + sizeof(struct spawn_hdr);
	struct spawn_hdr h = { 0 };
	struct err e;

	for (size_t i = 0; i < nfds; i++)
		own_close(&fds[i]);
	if (check(sp, from, msg, len, nfds, &h, &e) < 0) {
		log_error("spawn.misfit err=\"%s\"", e.msg);
		sp->rc = -1;
		sp->err = e;
		loop_stop(sp->loop);
		return;
	}
	if (h.type == SPAWN_SOCK)
		op_sock(sp, from, h.seq, body);
	else
		ops[h.type].run(
		    sp, h.seq, body, (h.pad & SPAWN_KEEP_DISK) != 0);
}

static void
on_apid(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	on_msg(container_of(c, struct spawn, apid), c, msg, len, fds, nfds);
}

static void
on_proxyd(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	on_msg(container_of(c, struct spawn, proxyd), c, msg, len, fds, nfds);
}

/* --- the end -------------------------------------------------------------- */

static void
on_patience(struct loop_timer *w)
{
	loop_stop(container_of(w, struct spawn, patience)->loop);
}

/*
 * Sandboxes live on; what no tenant has had is cleared away first.  The limit
 * that was said last holds: apid's end comes before coppiced's SIGTERM.
 */
static void
wind_up(struct spawn *sp, uint64_t limit_ms)
{
	sp->patience.on_time = on_patience;
	loop_timer_start(sp->loop, &sp->patience, limit_ms);
	if (sp->stopping)
		return;
	sp->stopping = true;
	slots_retire(sp);
	spawn_look_idle(sp);
}

void
spawn_look_idle(struct spawn *sp)
{
	if (sp->stopping && slots_idle(sp) && sp->scraps == NULL &&
	    !sp->cleaning)
		loop_stop(sp->loop);
}

/* Both sides restart together, and adopt. */
static void
on_apid_gone(struct seqpkt *c)
{
	log_info("spawn.apid gone");
	wind_up(container_of(c, struct spawn, apid), SPAWN_ORPHAN_MS);
}

static void
on_proxyd_gone(struct seqpkt *c)
{
	(void)c;
	log_info("spawn.proxyd gone");
}

static void
on_term(struct loop_signal *w, int signo)
{
	log_info("spawn.stop signal=%d", signo);
	wind_up(container_of(w, struct spawn, term), SPAWN_TERM_MS);
}

static void
on_child(struct loop_signal *w, int signo)
{
	(void)signo;
	helpers_reap(container_of(w, struct spawn, child));
}

/* --- begin and end -------------------------------------------------------- */

/* envd lies beside this program. */
static int
envd_path(char to[PATH_MAX], struct err *e)
{
	char self[PATH_MAX];

	if (place_self(self, sizeof(self), e) < 0)
		return -1;
	if ((size_t)snprintf(to, PATH_MAX, "%s/envd", self) >= PATH_MAX)
		return err_set(e, ERR_SYS, "path of envd is too long");
	return 0;
}

static int
open_channels(struct spawn *sp, struct err *e)
{
	int spawn = child_fd("spawn"), sock = child_fd("sock");

	if (spawn < 0)
		return err_set(
		    e, ERR_INVALID, "COPPICE_FDS names no channel `spawn'");
	sp->apid.on_msg = on_apid;
	sp->apid.on_close = on_apid_gone;
	sp->proxyd.on_msg = on_proxyd;
	sp->proxyd.on_close = on_proxyd_gone;
	sp->proxyd.io.fd = -1;
	seqpkt_open(sp->loop, &sp->apid, spawn);
	if (sock >= 0)
		seqpkt_open(sp->loop, &sp->proxyd, sock);
	sp->child.on_signal = on_child;
	sp->term.on_signal = on_term;
	loop_signal_start(sp->loop, &sp->child, SIGCHLD);
	loop_signal_start(sp->loop, &sp->term, SIGTERM);
	return 0;
}

static int
begin(struct spawn *sp, struct err *e)
{
	char path[PATH_MAX];

	if (envd_path(path, e) < 0 || sub_open(sp->cf, path, &sp->sub, e) < 0)
		return -1;
	log_info("spawn.disk backend=\"%s\"", sub_disk_text(sp->sub));
	log_info("spawn.limits %s", sub_limits_text(sp->sub));
	sp->loop = loop_new(e);
	if (sp->loop == NULL || slots_init(sp, e) < 0 ||
	    open_channels(sp, e) < 0)
		return -1;
	/* Needs the rights that go with the next line. */
	if (sub_scan(sp->sub, slot_found, sp, e) < 0)
		return err_wrap(e, "look for sandboxes");
	if (sub_confine(sp->sub, e) < 0)
		return err_wrap(e, "drop capabilities");
	scraps_go(sp);
	return 0;
}

static void
end(struct spawn *sp)
{
	seqpkt_close(&sp->apid);
	seqpkt_close(&sp->proxyd);
	slots_fini(sp);
	sub_close(sp->sub);
	loop_free(sp->loop);
}

int
spawn_main(const struct conf *cf, struct err *e)
{
	struct spawn *sp = calloc(1, sizeof(*sp));
	int rc;

	if (sp == NULL)
		return err_sys(e, "spawn");
	sp->cf = cf;
	sp->apid.io.fd = sp->proxyd.io.fd = -1;
	sp->queue_end = &sp->queue;
	sp->scraps_end = &sp->scraps;
	if (begin(sp, e) < 0) {
		/* The process ends: what it opened goes with it. */
		free(sp);
		return -1;
	}
	loop_run(sp->loop);
	rc = sp->rc;
	if (rc < 0)
		*e = sp->err;
	end(sp);
	free(sp);
	return rc;
}
