#include "tests/lib/fake_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "dataplane/proxy/route_msg.h"
#include "io/memfile.h"

struct fake_held {
	struct fake_held *next;
	struct seqpkt *to;
	int fd;
	size_t len;
	char msg[];
};

static void
close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

static bool
fails(struct fake_world *w, enum fake_step step)
{
	if (w->fail != step)
		return false;
	if (w->fail_always)
		return true;
	if (w->fail_after > 0) {
		w->fail_after--;
		return false;
	}
	w->fail = FAKE_NOTHING;
	return true;
}

static void
post(struct seqpkt *to, uint16_t type, uint32_t seq, const void *body,
    size_t len, int fd)
{
	char msg[sizeof(struct spawn_hdr) + 1024];
	struct spawn_hdr h = { .type = type, .len = (uint32_t)len, .seq = seq };
	struct err e;

	memcpy(msg, &h, sizeof(h));
	if (len > 0)
		memcpy(msg + sizeof(h), body, len);
	(void)seqpkt_post(to, msg, sizeof(h) + len, &fd, fd >= 0, &e);
}

static void
hold(struct fake_world *w, struct seqpkt *to, uint16_t type, uint32_t seq,
    const void *body, size_t len, int fd)
{
	struct spawn_hdr hd = {
		.type = type, .len = (uint32_t)len, .seq = seq
	};
	struct fake_held *h = malloc(sizeof(*h) + sizeof(hd) + len);

	if (h == NULL)
		abort();
	h->next = w->held;
	h->to = to;
	h->fd = fd;
	h->len = sizeof(hd) + len;
	memcpy(h->msg, &hd, sizeof(hd));
	memcpy(h->msg + sizeof(hd), body, len);
	w->held = h;
}

void
fake_let_go_of(struct fake_world *w, const struct seqpkt *who)
{
	struct fake_held **at = &w->held;

	while (*at != NULL) {
		struct fake_held *h = *at;
		struct err e;

		if (who != NULL && h->to != who) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		(void)seqpkt_post(
		    h->to, h->msg, h->len, &h->fd, h->fd >= 0, &e);
		free(h);
	}
}

void
fake_let_go(struct fake_world *w)
{
	fake_let_go_of(w, NULL);
}

/* --- rules
 * --------------------------------------------------------------------*/

static int
apply(struct fake_world *w, const void *body, struct err *e)
{
	struct rules_apply m;
	struct fake_slot *s;

	memcpy(&m, body, sizeof(m));
	if (m.slot == 0 || m.slot > w->rules_slots)
		return err_set(e, ERR_BUG, "slot %u has no chains", m.slot);
	if (m.gen <= w->max_gen)
		return err_set(e, ERR_BUG, "generation %u is used", m.gen);
	w->max_gen = m.gen;
	if (fails(w, FAKE_APPLY))
		return err_set(e, ERR_SYS, "told to fail");
	s = &w->slot[m.slot];
	s->gen = m.gen;
	s->nallow = m.nallow;
	s->ndeny = m.ndeny;
	s->deny_all = m.deny_all;
	s->no_internet = m.no_internet;
	s->birth = m.birth;
	w->applied++;
	return 0;
}

/* Anything that can be read stands for the kernel's log. */
static int
log_socket(void)
{
	return open("/dev/zero", O_RDONLY | O_CLOEXEC);
}

static int
rules_op(struct fake_world *w, uint16_t type, const void *body,
    struct rules_reply *r)
{
	struct rules_slots slots;
	struct rules_clear clear;

	switch (type) {
	case RULES_HELLO:
		r->max_gen = w->max_gen;
		r->rebuilt = w->rebuilt;
		r->nslots = w->rules_slots;
		return 0;
	case RULES_SLOTS:
		memcpy(&slots, body, sizeof(slots));
		if (fails(w, FAKE_RULES_SLOTS))
			return err_set(&r->err, ERR_SYS, "told to fail");
		w->rules_slots = slots.first + slots.n - 1;
		return 0;
	case RULES_APPLY:
		r->revoked = w->revoked;
		return apply(w, body, &r->err);
	case RULES_FLOWS:
		return 0;
	case RULES_PREPARE:
	case RULES_CLEAR:
		memcpy(&clear, body, sizeof(clear));
		if (fails(w, FAKE_CLEAR))
			return err_set(&r->err, ERR_SYS, "told to fail");
		if (clear.slot <= FAKE_SLOTS)
			w->slot[clear.slot].gen = 0;
		return 0;
	default:
		return err_set(&r->err, ERR_BUG, "type %u", type);
	}
}

static void
on_rules(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct fake_world *w = container_of(c, struct fake_world, rules);
	struct rules_hdr h;
	struct rules_reply r = { .rc = 0 };

	(void)len;
	close_fds(fds, nfds);
	memcpy(&h, msg, sizeof(h));
	r.seq = h.seq;
	r.rc = rules_op(w, h.type, (const char *)msg + sizeof(h), &r);
	if (h.type == RULES_APPLY && w->hold_apply)
		hold(w, c, h.type, h.seq, &r, sizeof(r), -1);
	else
		post(c, h.type, h.seq, &r, sizeof(r),
		    h.type == RULES_HELLO ? log_socket() : -1);
}

/* --- spawn
 * --------------------------------------------------------------------*/

static struct fake_slot *
standing(struct fake_world *w, const void *body, struct err *e)
{
	struct spawn_ref ref;

	memcpy(&ref, body, sizeof(ref));
	if (ref.slot > 0 && ref.slot <= FAKE_SLOTS &&
	    w->slot[ref.slot].ref.incarnation == ref.incarnation)
		return &w->slot[ref.slot];
	err_set(e, ERR_NOTFOUND, "slot %u has no tenant %u", ref.slot,
	    ref.incarnation);
	return NULL;
}

static void
stand_up(struct fake_world *w, const void *body)
{
	struct spawn_slots q;

	memcpy(&q, body, sizeof(q));
	for (uint32_t i = q.first; i < q.first + q.n; i++) {
		struct spawn_slot_ev ev = { .ref = { i, q.incarnation } };

		if (fails(w, FAKE_SLOT) || i > FAKE_SLOTS ||
		    w->slot[i].ref.incarnation != 0)
			ev.rc = err_set(&ev.err, ERR_SYS, "told to fail");
		else
			w->slot[i].ref = ev.ref;
		post(&w->spawn, SPAWN_EV_SLOT, 0, &ev, sizeof(ev), -1);
	}
}

static void
drop_files(struct fake_world *w, const char *id)
{
	for (size_t i = 0; i < FAKE_SLOTS; i++)
		if (strcmp(w->files[i], id) == 0)
			w->files[i][0] = '\0';
}

static void
keep_files(struct fake_world *w, const char *id)
{
	drop_files(w, id);
	for (size_t i = 0; i < FAKE_SLOTS; i++)
		if (w->files[i][0] == '\0') {
			memcpy(w->files[i], id, SPAWN_ID_MAX);
			return;
		}
}

static bool
has_files(const struct fake_world *w, const char *id)
{
	for (size_t i = 0; i < FAKE_SLOTS; i++)
		if (strcmp(w->files[i], id) == 0)
			return true;
	return false;
}

static int
create(struct fake_world *w, const void *body, int *fd, struct err *e)
{
	struct spawn_create c;
	struct fake_slot *s = standing(w, body, e);

	memcpy(&c, body, sizeof(c));
	if (s == NULL)
		return -1;
	if (s->tenant)
		return err_set(e, ERR_CONFLICT, "slot has a tenant");
	if (fails(w, FAKE_CREATE)) {
		memset(&s->ref, 0, sizeof(s->ref));
		return err_set(e, ERR_SYS, "told to fail");
	}
	if (c.keep_disk && !has_files(w, c.id))
		return err_set(e, ERR_NOTFOUND, "no files of %s", c.id);
	drop_files(w, c.id);
	s->tenant = true;
	s->had_rules = s->gen != 0 && s->birth;
	memcpy(s->id, c.id, sizeof(s->id));
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return 0;
}

static void
empty(struct fake_slot *s)
{
	uint32_t gen = s->gen;

	memset(s, 0, sizeof(*s));
	s->gen = gen; /* that of rules is the other's business */
}

static int
kill_slot(struct fake_world *w, const struct spawn_hdr *h, const void *body,
    struct err *e)
{
	struct fake_slot *s = standing(w, body, e);

	if (s == NULL)
		return -1;
	if (fails(w, FAKE_KILL))
		return err_set(e, ERR_SYS, "told to fail");
	if (h->pad & SPAWN_KEEP_DISK)
		keep_files(w, s->id);
	empty(s);
	return 0;
}

static int
freeze(struct fake_world *w, const void *body, bool on, struct err *e)
{
	struct fake_slot *s = standing(w, body, e);

	if (s == NULL)
		return -1;
	if (fails(w, on ? FAKE_FREEZE : FAKE_THAW))
		return err_set(e, ERR_SYS, "told to fail");
	s->frozen = on;
	return 0;
}

static void
tell_found(struct fake_world *w)
{
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++) {
		const struct fake_slot *s = &w->slot[i];
		struct spawn_found f = { .ref = s->ref,
			.frozen = s->frozen,
			.alive = s->tenant,
			.pooled = !s->tenant };

		if (s->ref.incarnation == 0)
			continue;
		memcpy(f.id, s->id, sizeof(f.id));
		post(&w->spawn, SPAWN_EV_FOUND, 0, &f, sizeof(f), -1);
	}
	for (size_t i = 0; i < FAKE_SLOTS; i++) {
		struct spawn_found f = { .alive = 0 };

		if (w->files[i][0] == '\0')
			continue;
		memcpy(f.id, w->files[i], sizeof(f.id));
		post(&w->spawn, SPAWN_EV_FOUND, 0, &f, sizeof(f), -1);
	}
	post(&w->spawn, SPAWN_EV_FOUND_END, 0, NULL, 0, -1);
}

static int
cut(struct fake_world *w, const void *body, struct spawn_reply *r)
{
	struct spawn_cut q;

	memcpy(&q, body, sizeof(q));
	if (q.n < 1 || q.n > SPAWN_CUT_MAX || w->ncut + q.n > FAKE_SOCKETS)
		return err_set(&r->err, ERR_BUG, "%u to cut", q.n);
	memcpy(w->cut + w->ncut, (const char *)body + sizeof(q),
	    q.n * sizeof(w->cut[0]));
	w->ncut += q.n;
	r->ncut = q.n;
	return standing(w, body, &r->err) != NULL ? 0 : -1;
}

static int
spawn_op(struct fake_world *w, const struct spawn_hdr *h, const void *body,
    struct spawn_reply *r, int *fd)
{
	struct spawn_disk disk;

	switch (h->type) {
	case SPAWN_HELLO:
		(void)snprintf(
		    r->disk_backend, sizeof(r->disk_backend), "fake");
		return 0;
	case SPAWN_SLOTS:
		if (fails(w, FAKE_SLOTS_ASK))
			return err_set(&r->err, ERR_SYS, "told to fail");
		return 0;
	case SPAWN_CREATE:
		return create(w, body, fd, &r->err);
	case SPAWN_KILL:
		return kill_slot(w, h, body, &r->err);
	case SPAWN_FREEZE:
		return freeze(w, body, true, &r->err);
	case SPAWN_THAW:
		return freeze(w, body, false, &r->err);
	case SPAWN_SOCK:
		*fd = socket(
		    AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		return standing(w, body, &r->err) != NULL ? 0 : -1;
	case SPAWN_STATS:
		r->stats = (struct spawn_stats){ .cpu_us = 1000000,
			.mem_used = 8 << 20,
			.mem_total = 512 << 20,
			.disk_used = 1 << 20,
			.disk_total = 1024 << 20 };
		return standing(w, body, &r->err) != NULL ? 0 : -1;
	case SPAWN_SOCKETS:
		r->nsockets = w->nsockets;
		if (w->nsockets > 0)
			*fd = memfile_make("sockets", w->sockets,
			    w->nsockets * sizeof(w->sockets[0]), &r->err);
		return standing(w, body, &r->err) != NULL ? 0 : -1;
	case SPAWN_CUT:
		return cut(w, body, r);
	case SPAWN_DISCARD:
		memcpy(&disk, body, sizeof(disk));
		drop_files(w, disk.id);
		return 0;
	default:
		return err_set(&r->err, ERR_BUG, "type %u", h->type);
	}
}

static void
on_spawn(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct fake_world *w = container_of(c, struct fake_world, spawn);
	const char *body = (const char *)msg + sizeof(struct spawn_hdr);
	struct spawn_hdr h;
	struct spawn_reply r = { .rc = 0 };
	int fd = -1;

	(void)len;
	close_fds(fds, nfds);
	memcpy(&h, msg, sizeof(h));
	if (h.type < SPAWN_NTYPES)
		w->asked[h.type]++;
	r.seq = h.seq;
	r.rc = spawn_op(w, &h, body, &r, &fd);
	if ((h.type == SPAWN_FREEZE && w->hold_freeze) ||
	    (h.type == SPAWN_THAW && w->hold_thaw) ||
	    (h.type == SPAWN_SOCKETS && w->hold_sockets))
		hold(w, c, h.type, h.seq, &r, sizeof(r), fd);
	else
		post(c, h.type, h.seq, &r, sizeof(r), fd);
	if (h.type == SPAWN_HELLO)
		tell_found(w);
	if (h.type == SPAWN_SLOTS && r.rc == 0)
		stand_up(w, body);
}

/* --- way in
 * -------------------------------------------------------------------*/

static void
set_route(struct fake_world *w, const struct route_set *m)
{
	size_t i = 0;

	while (i < w->nroutes && strcmp(w->route[i].id, m->id) != 0)
		i++;
	if (i == FAKE_ROUTES)
		abort();
	if (i == w->nroutes)
		w->nroutes++;
	memcpy(w->route[i].id, m->id, sizeof(m->id));
	w->route[i].state = m->state;
}

static void
on_proxy(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct fake_world *w = container_of(c, struct fake_world, proxy);
	const char *body = (const char *)msg + sizeof(struct route_hdr);
	struct route_hdr h;
	struct route_set set;
	struct route_del del;
	struct route_woke woke;

	(void)len;
	close_fds(fds, nfds);
	memcpy(&h, msg, sizeof(h));
	if (h.type == ROUTE_RESET) {
		w->nroutes = 0;
		w->synced = false;
	} else if (h.type == ROUTE_SYNCED) {
		w->synced = true;
	} else if (h.type == ROUTE_SET) {
		memcpy(&set, body, sizeof(set));
		set_route(w, &set);
	} else if (h.type == ROUTE_WOKE) {
		memcpy(&woke, body, sizeof(woke));
		w->woke++;
		w->woke_status = woke.status;
	} else {
		memcpy(&del, body, sizeof(del));
		for (size_t i = 0; i < w->nroutes; i++)
			if (strcmp(w->route[i].id, del.id) == 0)
				w->route[i] = w->route[--w->nroutes];
	}
}

/* --- the world
 * ------------------------------------------------------------------*/

static void
on_close(struct seqpkt *c)
{
	(void)c;
}

void
fake_begin(struct fake_world *w, struct loop *l)
{
	memset(w, 0, sizeof(*w));
	w->loop = l;
	w->rules.io.fd = w->spawn.io.fd = w->proxy.io.fd = -1;
	w->max_gen = 5; /* of marks that somebody else made */
}

struct engine_fds
fake_connect(struct fake_world *w)
{
	int rules[2], spawn[2], route[2];
	struct err e;

	if (seqpkt_pair(rules, &e) < 0 || seqpkt_pair(spawn, &e) < 0 ||
	    seqpkt_pair(route, &e) < 0)
		abort();
	w->rules.on_msg = on_rules;
	w->spawn.on_msg = on_spawn;
	w->proxy.on_msg = on_proxy;
	w->rules.on_close = w->spawn.on_close = w->proxy.on_close = on_close;
	seqpkt_open(w->loop, &w->rules, rules[1]);
	seqpkt_open(w->loop, &w->spawn, spawn[1]);
	seqpkt_open(w->loop, &w->proxy, route[1]);
	return (struct engine_fds){ rules[0], spawn[0], route[0] };
}

void
fake_disconnect(struct fake_world *w)
{
	while (w->held != NULL) {
		struct fake_held *h = w->held;

		w->held = h->next;
		free(h);
	}
	seqpkt_close(&w->rules);
	seqpkt_close(&w->spawn);
	seqpkt_close(&w->proxy);
	w->nroutes = 0;
	w->synced = false;
}

struct init {
	struct fake_world *w;
	struct engine *en;
	struct sb_ref ref;
	int status, fd;
};

static void
init_done(void *arg)
{
	struct init *i = arg;
	struct envd_said said = {
		.status = i->status, .fd = i->fd, .why = "told to fail"
	};

	if (i->status == 0)
		err_set(&said.e, ERR_SYS, "told to fail");
	/* The engine may have been ended since. */
	if (i->w->en == i->en)
		engine_envd_said(i->en, i->ref, &said);
	else
		own_close(&said.fd);
	free(i);
}

int
fake_envd(void *ctx, const struct envd_ask *q, struct err *e)
{
	struct fake_world *w = ctx;
	struct init *i = malloc(sizeof(*i));

	if (i == NULL)
		return err_sys(e, "init");
	*i = (struct init){ w, w->en, q->ref, 204, q->fd };
	w->ninits += q->start == NULL;
	w->nstarts += q->start != NULL;
	if (w->refuse_connect)
		i->status = 0;
	else if (q->start == NULL && fails(w, FAKE_INIT))
		i->status = 401;
	else if (q->start != NULL && fails(w, FAKE_START))
		i->status = 500;
	if (i->status != 204 || !q->keep)
		drop_fd(&i->fd);
	loop_defer(w->loop, init_done, i);
	return 0;
}

void
fake_die(struct fake_world *w, const char *id)
{
	struct fake_slot *s = fake_find(w, id);
	struct spawn_ref ref;

	if (s == NULL)
		return;
	ref = s->ref;
	empty(s);
	if (w->spawn.io.fd >= 0)
		post(&w->spawn, SPAWN_EV_DEAD, 0, &ref, sizeof(ref), -1);
}

void
fake_reboot(struct fake_world *w)
{
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++) {
		if (w->slot[i].tenant && w->slot[i].frozen)
			keep_files(w, w->slot[i].id);
		memset(&w->slot[i], 0, sizeof(w->slot[i]));
	}
	w->rules_slots = w->max_gen = 0;
	w->rebuilt = true;
}

void
fake_lose_rules(struct fake_world *w)
{
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		w->slot[i].gen = 0;
	post(&w->rules, RULES_EV_LOST, 0, NULL, 0, -1);
}

void
fake_new_site(struct fake_world *w)
{
	post(&w->rules, RULES_EV_SITE, 0, NULL, 0, -1);
}

struct fake_slot *
fake_find(struct fake_world *w, const char *id)
{
	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		if (w->slot[i].tenant && strcmp(w->slot[i].id, id) == 0)
			return &w->slot[i];
	return NULL;
}

unsigned
fake_tenants(const struct fake_world *w)
{
	unsigned n = 0;

	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		n += w->slot[i].tenant;
	return n;
}

unsigned
fake_live(const struct fake_world *w)
{
	unsigned n = 0;

	for (uint32_t i = 1; i <= FAKE_SLOTS; i++)
		n += w->slot[i].gen != 0;
	return n;
}

unsigned
fake_files(const struct fake_world *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < FAKE_SLOTS; i++)
		n += w->files[i][0] != '\0';
	return n;
}

void
fake_wake(struct fake_world *w, const char *id)
{
	struct {
		struct route_hdr h;
		struct route_wake b;
	} m = { .h = { ROUTE_WAKE, sizeof(m.b) } };
	struct err e;

	(void)snprintf(m.b.id, sizeof(m.b.id), "%s", id);
	if (seqpkt_post(&w->proxy, &m, sizeof(m), NULL, 0, &e) < 0)
		abort();
}

int
fake_route(const struct fake_world *w, const char *id)
{
	for (size_t i = 0; i < w->nroutes; i++)
		if (strcmp(w->route[i].id, id) == 0)
			return w->route[i].state;
	return -1;
}
