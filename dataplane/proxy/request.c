#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/own.h"
#include "proxy/proxy_int.h"

/*
 * One at a time: a head is parsed, acted on and written anew before anything
 * else happens, and it is large.
 */
static struct http1_head head;

enum { ROUTE_WAIT_MS = 20 };

/* Takes as long for a wrong token as for the right one. */
static bool
same_secret(struct text given, const char *want)
{
	size_t n = strlen(want);
	unsigned char diff = given.n != n;

	for (size_t i = 0; i < given.n && n > 0; i++)
		diff |= (unsigned char)(given.p[i] ^ want[i % n]);
	return diff == 0;
}

/*
 * Of what says where a request goes and who may send it there is one: another
 * proxy on the way may have looked at the other.
 */
static bool
said_twice(const struct http1_head *h, const char *base)
{
	static const char *const once[] = { "e2b-sandbox-id",
		"e2b-sandbox-port", "e2b-traffic-access-token" };
	unsigned n[3] = { 0 };

	for (uint32_t i = 0; i < h->nheaders; i++)
		for (size_t k = 0; k < countof(once); k++) {
			struct http1_span name = h->header[i].name;

			if (name.len == strlen(once[k]) &&
			    strncasecmp(base + name.at, once[k], name.len) ==
				0 &&
			    ++n[k] > 1)
				return true;
		}
	return false;
}

static void
body_of_request(struct conn *c, const struct http1_head *h)
{
	c->req = (struct body){ .kind = BODY_NONE, .done = true };
	if (h->chunked) {
		c->req.kind = BODY_CHUNKED;
		c->req.done = false;
		http1_body_begin(&c->req.chunked, h);
	} else if (h->length > 0) {
		c->req.kind = BODY_LENGTH;
		c->req.done = false;
		c->req.left = h->length;
	}
}

static void
begin(struct conn *c, const struct http1_head *h, const char *base)
{
	c->http10 = h->ll.http_minor == 0;
	c->to_head = h->ll.method == HTTP_HEAD;
	c->keep = h->keep_alive;
	c->upgrade = c->waited = false;
	c->wake_status = 0;
	c->resp_head = c->dechunk = c->reused = false;
	c->up_seen = 0;
	c->c.ok = c->u.ok = 0;
	c->resp = (struct body){ .kind = BODY_NONE };
	buf_reset(&c->again);
	body_of_request(c, h);
	c->html = target_wants_html(head_get(h, base, "user-agent"),
	    head_get(h, base, "accept"), head_get(h, base, "sec-fetch-mode"),
	    head_get(h, base, "x-requested-with"));
}

/* What becomes of a request. */
struct verdict {
	enum { V_PASS, V_WAIT, V_ANSWER } what;
	int status;
	const char *why;
};

static struct verdict
refusal(int status, const char *why)
{
	return (struct verdict){ V_ANSWER, status, why };
}

static struct verdict
judge_token(const struct route *r, const struct http1_head *h, const char *base)
{
	struct text token = head_get(h, base, "e2b-traffic-access-token");

	if (!r->private_traffic)
		return (struct verdict){ .what = V_PASS };
	if (token.p == NULL)
		return refusal(403,
		    "Sandbox is secured with traffic access token. Token "
		    "header 'e2b-traffic-access-token' is missing");
	/* A sandbox without a token would have nobody pass, not everybody. */
	if (r->token[0] == '\0' || !same_secret(token, r->token))
		return refusal(403,
		    "Sandbox is secured with traffic access token. Provided "
		    "token in header 'e2b-traffic-access-token' is invalid");
	return (struct verdict){ .what = V_PASS };
}

/* It would pass if its sandbox ran: may it have it resumed? */
static struct verdict
judge_wake(const struct conn *c, const struct route *r, const struct target *t,
    const struct http1_head *h, const char *base)
{
	struct text token = head_get(h, base, "x-access-token");

	if (t->port == TARGET_ENVD_PORT && r->envd_token[0] != '\0' &&
	    (token.p == NULL || !same_secret(token, r->envd_token)))
		return refusal(403,
		    "The sandbox is paused, and resuming it by this port takes "
		    "a valid X-Access-Token");
	if (c->wake_status == 502)
		return refusal(502, "The sandbox was not found");
	if (c->wake_status == 429)
		return refusal(429,
		    "The sandbox is paused, and there is no room to resume it");
	if (c->wake_status != 0 ||
	    (c->waited && mono_ms(c->wake_since, mono_now()) > WAKE_TIMEOUT_MS))
		return refusal(
		    409, "The sandbox is pausing or resuming; try again");
	return (struct verdict){ .what = V_WAIT };
}

static struct verdict
judge(const struct conn *c, const struct route *r, const struct target *t,
    const struct http1_head *h, const char *base)
{
	struct verdict v;

	if (r->nrequests >= c->p->per_sandbox_max)
		return refusal(429, NULL);
	if (r->state == ROUTE_CHANGING && !r->auto_resume)
		return refusal(
		    409, "The sandbox is pausing or resuming; try again");
	if (r->state != ROUTE_RUNNING && !r->auto_resume)
		return refusal(502, "The sandbox was not found");
	if (t->port != TARGET_ENVD_PORT)
		v = judge_token(r, h, base);
	else if (target_forbidden(base + h->target.at, h->target.len))
		v = refusal(404, NULL);
	else
		v = (struct verdict){ .what = V_PASS };
	if (v.what == V_PASS && r->state != ROUTE_RUNNING)
		v = judge_wake(c, r, t, h, base);
	return v;
}

static void
waits(struct conn *c)
{
	if (!c->waited)
		c->wake_since = mono_now();
	c->waited = true;
}

/* Its head stays where it is; one that waits is one that is under way. */
static void
wait_for_wake(struct conn *c, struct route *r)
{
	conn_detach(c);
	conn_attach(c, r);
	c->counted = true;
	r->nrequests++;
	waits(c);
	c->state = C_WAKE;
	table_wake(c->p, r);
}

/*
 * u, kept from the request before, serves this one too if it still lives.  A
 * request without a body finds out by being sent: it can be sent again.
 */
static bool
may_reuse(struct conn *c, const struct route *r, uint16_t port)
{
	char byte;

	if (c->u.io.fd < 0 || c->route != r || c->port != port || !c->up_keep ||
	    c->u.eof || c->u.shut || c->u.in.len > 0)
		return false;
	if (c->req.kind == BODY_NONE)
		return true;
	return recv(c->u.io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

/* What is only kept makes room inside for what is wanted. */
static void
make_room(struct proxy *p, struct route *r)
{
	struct conn *c = r->conns;

	if (r->nconns < p->per_sandbox_max || r == &p->api)
		return;
	while (c != NULL && c->state != C_HEAD)
		c = c->rnext;
	if (c != NULL)
		conn_detach(c);
}

static void
pass_on(struct conn *c, struct route *r, const struct target *t,
    const struct http1_head *h, const char *base)
{
	bool reuse = may_reuse(c, r, t->port);

	if (!reuse) {
		conn_detach(c);
		make_room(c->p, r);
	}
	conn_attach(c, r);
	c->port = t->port;
	c->counted = true;
	r->nrequests++;
	if (head_request(c, h, base) < 0) {
		answer_bad(c, 431, "the request's head is too large");
		return;
	}
	c->reused = reuse;
	/* What had a body is not sent twice. */
	if (reuse && c->req.kind == BODY_NONE)
		(void)buf_add(&c->again, c->u.out.data, c->u.out.len);
	if (reuse)
		exchange_begin(c);
	else
		dial_begin(c);
}

static void
on_again(struct loop_timer *w)
{
	struct conn *c = container_of(w, struct conn, timer);

	if (c->counted)
		c->route->nrequests--;
	c->counted = false;
	c->state = C_HEAD;
	conn_advance(c);
}

void
request_again(struct conn *c, uint64_t ms)
{
	c->state = C_ROUTE;
	c->timer.on_time = on_again;
	loop_timer_start(c->p->loop, &c->timer, ms);
}

/* False: the table is not whole yet, and the request is looked at again. */
static bool
find_route(struct conn *c, const struct target *t, struct route **out)
{
	*out = table_find(c->p, t->id);
	if (*out != NULL || c->p->synced ||
	    (c->waited && mono_ms(c->wake_since, mono_now()) > DIAL_TIMEOUT_MS))
		return true;
	waits(c);
	request_again(c, ROUTE_WAIT_MS);
	return false;
}

static bool
for_api(const struct conn *c)
{
	struct text host = head_get(&head, c->c.in.data, "host");

	return c->c.tls != NULL && c->p->api_len > 0 &&
	       target_is_api(host, c->p->domain);
}

/* To where coppice-apid listens, which judges by itself. */
static void
to_api(struct conn *c, const char *base, size_t len)
{
	const struct target t = { .id = "api" };

	crowd_busy(c);
	access_begin(c, &head, base, &t);
	begin(c, &head, base);
	buf_consume(&c->c.in, len);
	c->head_seen = 0;
	pass_on(c, &c->p->api, &t, &head, base);
}

/*
 * Consumes the head, and answers or gets the request on its way.  What base
 * points at stays as it is until the next read.
 */
static void
route(struct conn *c, const char *base, size_t len)
{
	struct target t = { .id = "" };
	struct route *r = NULL;
	struct verdict v = { .what = V_PASS };
	const char *wrong;

	crowd_busy(c);
	wrong = target_find(head_get(&head, base, "host"),
	    head_get(&head, base, "e2b-sandbox-id"),
	    head_get(&head, base, "e2b-sandbox-port"), &t);
	if (wrong == NULL && said_twice(&head, base))
		wrong = "An E2b header is there twice";
	if (wrong == NULL && head.ll.method == HTTP_CONNECT)
		wrong = "CONNECT is not served here";
	if (wrong == NULL && !find_route(c, &t, &r))
		return; /* the head stays, and is looked at again */
	if (r != NULL)
		v = judge(c, r, &t, &head, base);
	if (v.what == V_WAIT) {
		wait_for_wake(c, r);
		return;
	}
	access_begin(c, &head, base, &t);
	begin(c, &head, base);
	buf_consume(&c->c.in, len);
	c->head_seen = 0;
	if (wrong != NULL)
		answer_bad(c, 400, wrong);
	else if (r == NULL)
		answer_not_found(c, t.id);
	else if (v.what == V_PASS)
		pass_on(c, r, &t, &head, base);
	else if (v.status == 404)
		answer_forbidden_path(
		    c, base + head.target.at, head.target.len);
	else if (v.why == NULL)
		answer_too_many(c, t.id);
	else
		answer_sandbox(c, t.id, v.status, v.why);
}

/* What follows cannot be understood either, so the connection ends. */
static void
refuse(struct conn *c, int status, const char *why)
{
	crowd_busy(c);
	buf_reset(&c->c.in);
	c->head_seen = 0;
	c->req = (struct body){ .kind = BODY_NONE, .done = true };
	c->keep = c->to_head = c->html = false;
	c->c.ok = c->u.ok = 0;
	answer_bad(c, status, why);
}

bool
request_try(struct conn *c)
{
	struct buf *in = &c->c.in;
	ptrdiff_t len;

	/* Empty lines in front are allowed, and mean nothing. */
	while (c->head_seen == 0 && in->len >= 2 &&
	       memcmp(in->data, "\r\n", 2) == 0)
		buf_consume(in, 2);
	if (in->len > 0 && c->head_seen == 0)
		c->since = loop_now(c->p->loop);
	len = http1_head_end(in->data, in->len, &c->head_seen);
	if (len == 0 && in->len < SIDE_MAX) {
		if (c->c.eof)
			conn_kill(c, false);
		return false;
	}
	if (len == 0)
		refuse(c, 431, "the request's head is too large");
	else if (len < 0)
		refuse(c, 400, "the request is not HTTP/1.1");
	else if (http1_request(&head, in->data, (size_t)len) < 0)
		refuse(c, head.status, head.why);
	else if (for_api(c))
		to_api(c, in->data, (size_t)len);
	else
		route(c, in->data, (size_t)len);
	return !c->dead && c->state != C_ROUTE && c->state != C_WAKE;
}
