/* The four rpcs about watching: one streams, three poll. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/own.h"
#include "envd/fs.h"
#include "envd/text.h"
#include "envd/watch.h"

enum { QUEUE_HIGH = 256 * 1024, QUEUE_LOW = 64 * 1024, ID_LEN = 21 };

struct streamed {
	struct watch w;
	struct rpc *c;
	struct loop_timer keepalive;
	struct mono last;
	bool full;
	char why[160];
};

struct polled {
	struct watch w;
	struct polled *next;
	char id[ID_LEN + 1];
	struct watches *all;
	struct buf events; /* comma-separated */
	char *dead;	   /* why, once it is */
};

struct watches {
	struct envd *d;
	struct polled *first;
	size_t n;
	size_t unfetched; /* bytes of events, of all */
};

struct watches *
watches_new(struct envd *d, struct err *e)
{
	struct watches *x = calloc(1, sizeof(*x));

	if (x == NULL)
		err_sys(e, "watches");
	else
		x->d = d;
	return x;
}

/* Sets up w as the request says.  -1: the rpc has failed. */
static int
open_as_asked(struct rpc *c, const json_t *in, struct watch *w)
{
	char path[PATH_MAX];
	bool network = false;
	struct user u;
	struct err e;

	w->io.fd = -1;
	if (field_bool(in, "recursive", NULL, &w->recursive, &e) < 0 ||
	    field_bool(in, "includeEntry", "include_entry", &w->include_entry,
		&e) < 0 ||
	    field_bool(in, "allowNetworkMounts", "allow_network_mounts",
		&network, &e) < 0) {
		rpc_fail_err(c, &e);
		return -1;
	}
	if (fs_path(c, in, "path", &u, path) < 0)
		return -1;
	if (watch_open(w, c->d->loop, path, network, &e) < 0) {
		rpc_fail_err(c, &e);
		return -1;
	}
	return 0;
}

/* --- WatchDir -------------------------------------------------------------*/

static void
on_room(struct http_req *r)
{
	struct rpc *c = http_req_data(r);
	struct streamed *s = c->data;

	s->full = false;
	watch_pause(&s->w, false);
}

static void
send_event(struct streamed *s, const char *json, size_t n)
{
	size_t waiting = rpc_send(s->c, json, n);

	s->last = mono_now();
	if (waiting < QUEUE_HIGH || s->full)
		return;
	s->full = true;
	watch_pause(&s->w, true);
	http_reply_on_drain(s->c->r, QUEUE_LOW, on_room);
}

static void
on_stream_event(struct watch *w, const char *json, size_t n)
{
	struct streamed *s = container_of(w, struct streamed, w);
	struct buf b;

	buf_init(&b, n + 64);
	if (buf_puts(&b, "{\"filesystem\":") == 0 &&
	    buf_add(&b, json, n) == 0 && buf_puts(&b, "}") == 0)
		send_event(s, b.data, b.len);
	buf_fini(&b);
}

static void
on_time_to_die(void *arg)
{
	struct streamed *s = arg;

	if (s->c != NULL)
		rpc_fail(s->c, RPC_INTERNAL, "watcher error: %s", s->why);
	free(s);
}

static void
stream_gone(struct rpc *c)
{
	struct streamed *s = c->data;
	bool dying = s->w.dead;

	loop_timer_stop(&s->keepalive);
	watch_close(&s->w);
	s->c = NULL;
	if (!dying)
		free(s);
}

/* Said while its events are being read: the end has to wait for that. */
static void
on_stream_dead(struct watch *w, const char *why)
{
	struct streamed *s = container_of(w, struct streamed, w);

	(void)snprintf(s->why, sizeof(s->why), "%s", why);
	loop_defer(w->loop, on_time_to_die, s);
}

static void
on_keepalive(struct loop_timer *t)
{
	struct streamed *s = container_of(t, struct streamed, keepalive);
	uint64_t quiet = mono_ms(s->last, mono_now());

	if (quiet >= s->c->keepalive_ms) {
		quiet = 0;
		send_event(s, "{\"keepalive\":{}}", 16);
	}
	loop_timer_start(s->c->d->loop, t, s->c->keepalive_ms - quiet);
}

void
fs_watch_dir(struct rpc *c, const json_t *in)
{
	struct streamed *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "no memory");
		return;
	}
	s->w.on_event = on_stream_event;
	s->w.on_dead = on_stream_dead;
	if (open_as_asked(c, in, &s->w) < 0) {
		free(s);
		return;
	}
	s->c = c;
	c->data = s;
	c->on_gone = stream_gone;
	s->keepalive.on_time = on_keepalive;
	loop_timer_start(c->d->loop, &s->keepalive, c->keepalive_ms);
	send_event(s, "{\"start\":{}}", 12);
}

/* --- polling --------------------------------------------------------------*/

static void
drop_events(struct polled *p)
{
	p->all->unfetched -= p->events.len;
	buf_fini(&p->events);
}

static void
on_polled_dead(struct watch *w, const char *why)
{
	struct polled *p = container_of(w, struct polled, w);

	if (p->dead == NULL)
		p->dead = strdup(why);
	drop_events(p);
}

static void
on_polled_event(struct watch *w, const char *json, size_t n)
{
	struct polled *p = container_of(w, struct polled, w);

	size_t before = p->events.len;
	bool added = p->all->unfetched + n < WATCH_BUFFERS_MAX &&
		     (before == 0 || buf_puts(&p->events, ",") == 0) &&
		     buf_add(&p->events, json, n) == 0;

	p->all->unfetched += p->events.len - before;
	if (added)
		return;
	w->dead = true;
	loop_io_stop(&w->io);
	on_polled_dead(w, "too many events have not been fetched");
}

static void
polled_free(struct polled *p)
{
	watch_close(&p->w);
	drop_events(p);
	free(p->dead);
	free(p);
}

static int
make_id(char id[ID_LEN + 1])
{
	static const char digit[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char raw[ID_LEN - 1];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return -1;
	id[0] = 'w';
	for (size_t i = 0; i < sizeof(raw); i++)
		id[i + 1] = digit[raw[i] % 36];
	id[ID_LEN] = '\0';
	return 0;
}

void
fs_create_watcher(struct rpc *c, const json_t *in)
{
	struct watches *all = c->d->watches;
	struct polled *p;
	char reply[64];
	int n;

	if (all->n >= WATCHES_MAX) {
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED,
		    "%d watchers are there already", WATCHES_MAX);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL || make_id(p->id) < 0) {
		free(p);
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "no memory");
		return;
	}
	p->all = all;
	buf_init(&p->events, WATCH_BUFFER_MAX);
	p->w.on_event = on_polled_event;
	p->w.on_dead = on_polled_dead;
	if (open_as_asked(c, in, &p->w) < 0) {
		free(p);
		return;
	}
	p->next = all->first;
	all->first = p;
	all->n++;
	n = snprintf(reply, sizeof(reply), "{\"watcherId\":\"%s\"}", p->id);
	rpc_reply(c, reply, (size_t)n);
}

/* The place that points to it.  NULL: the rpc has failed. */
static struct polled **
find(struct rpc *c, const json_t *in)
{
	const char *id = "";
	struct err e;

	if (field_text(in, "watcherId", "watcher_id", &id, &e) < 0) {
		rpc_fail_err(c, &e);
		return NULL;
	}
	for (struct polled **at = &c->d->watches->first; *at != NULL;
	     at = &(*at)->next)
		if (strcmp((*at)->id, id) == 0)
			return at;
	rpc_fail(c, RPC_NOT_FOUND, "watcher with id %.64s not found", id);
	return NULL;
}

void
fs_get_watcher_events(struct rpc *c, const json_t *in)
{
	struct polled **at = find(c, in), *p;
	struct buf b;

	if (at == NULL)
		return;
	p = *at;
	watch_read_now(&p->w);
	if (p->w.dead) {
		rpc_fail(c, RPC_INTERNAL, "watcher error: %s",
		    p->dead != NULL ? p->dead : "stopped");
		return;
	}
	if (p->events.len == 0) {
		rpc_reply(c, "{}", 2);
		return;
	}
	buf_init(&b, WATCH_BUFFER_MAX + 64);
	if (buf_puts(&b, "{\"events\":[") == 0 &&
	    buf_add(&b, p->events.data, p->events.len) == 0 &&
	    buf_puts(&b, "]}") == 0) {
		drop_events(p);
		rpc_reply(c, b.data, b.len);
	} else
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "no memory");
	buf_fini(&b);
}

void
fs_remove_watcher(struct rpc *c, const json_t *in)
{
	struct polled **at = find(c, in), *p;

	if (at == NULL)
		return;
	p = *at;
	*at = p->next;
	c->d->watches->n--;
	polled_free(p);
	rpc_reply(c, "{}", 2);
}
