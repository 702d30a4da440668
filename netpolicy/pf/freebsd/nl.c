#include "pf/freebsd/nl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <netlink/netlink.h>
#include <netlink/netlink_generic.h>

#include "base/own.h"

enum {
	ROOM = 128 * 1024,
	ASK_MAX = 64 * 1024 * 1024,
	SEND_MAX = 16 * 1024, /* at once: the socket takes 64 KiB */
	ANSWER_S = 20,
};

/* --- asking --------------------------------------------------------------- */

void
pf_ask_init(struct pf_ask *a, struct pf_nl *nl)
{
	*a = (struct pf_ask){ .nl = nl };
	buf_init(&a->b, ASK_MAX);
}

void
pf_ask_fini(struct pf_ask *a)
{
	buf_fini(&a->b);
}

static void
add(struct pf_ask *a, const void *p, size_t n)
{
	static const char zero[8];
	size_t pad = (4 - n % 4) % 4;

	if (a->failed)
		return;
	if (buf_add(&a->b, p, n) < 0 ||
	    (pad > 0 && buf_add(&a->b, zero, pad) < 0))
		a->failed = true;
}

/* The message that is written is so long by now. */
static void
close_message(struct pf_ask *a)
{
	uint32_t len = (uint32_t)(a->b.len - a->start);

	if (!a->failed && a->n > 0)
		memcpy(a->b.data + a->start, &len, sizeof(len));
}

static void
begin(struct pf_ask *a, uint16_t type, uint8_t cmd)
{
	struct nlmsghdr h = { .nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.nlmsg_seq = ++a->nl->seq };
	struct genlmsghdr g = { .cmd = cmd };

	close_message(a);
	a->start = a->b.len;
	a->n++;
	add(a, &h, sizeof(h));
	add(a, &g, sizeof(g));
}

void
pf_ask_cmd(struct pf_ask *a, enum pfn_cmd cmd)
{
	begin(a, a->nl->family, (uint8_t)cmd);
}

void
pf_ask_put(struct pf_ask *a, unsigned type, const void *p, size_t n)
{
	struct nlattr h = { .nla_len = (uint16_t)(sizeof(h) + n),
		.nla_type = (uint16_t)type };

	if (n > UINT16_MAX - sizeof(h)) {
		a->failed = true;
		return;
	}
	add(a, &h, sizeof(h));
	add(a, p, n);
}

void
pf_ask_u8(struct pf_ask *a, unsigned type, uint8_t v)
{
	pf_ask_put(a, type, &v, sizeof(v));
}

void
pf_ask_u16(struct pf_ask *a, unsigned type, uint16_t v)
{
	pf_ask_put(a, type, &v, sizeof(v));
}

void
pf_ask_u32(struct pf_ask *a, unsigned type, uint32_t v)
{
	pf_ask_put(a, type, &v, sizeof(v));
}

void
pf_ask_str(struct pf_ask *a, unsigned type, const char *s)
{
	pf_ask_put(a, type, s, strlen(s) + 1);
}

size_t
pf_ask_nest(struct pf_ask *a, unsigned type)
{
	size_t at = a->b.len;

	pf_ask_put(a, type, "", 0);
	return at;
}

void
pf_ask_nest_end(struct pf_ask *a, size_t nest)
{
	size_t len = a->b.len - nest;
	uint16_t n = (uint16_t)len;

	if (len > UINT16_MAX)
		a->failed = true;
	if (!a->failed)
		memcpy(a->b.data + nest, &n, sizeof(n));
}

/* --- answers -------------------------------------------------------------- */

bool
pf_attr_next(struct pf_attrs *left, struct pf_attr *out)
{
	struct nlattr h;
	size_t step;

	if (left->len < sizeof(h))
		return false;
	memcpy(&h, left->data, sizeof(h));
	if (h.nla_len < sizeof(h) || h.nla_len > left->len)
		return false;
	out->type = h.nla_type & (uint16_t)~NLA_F_NESTED;
	out->data = left->data + sizeof(h);
	out->len = h.nla_len - sizeof(h);
	step = ((size_t)h.nla_len + 3) & ~(size_t)3;
	step = step > left->len ? left->len : step;
	left->data += step;
	left->len -= step;
	return true;
}

struct pf_attrs
pf_attr_nest(const struct pf_attr *a)
{
	return (struct pf_attrs){ a->data, a->len };
}

uint8_t
pf_attr_u8(const struct pf_attr *a)
{
	return a->len < 1 ? 0 : a->data[0];
}

uint16_t
pf_attr_u16(const struct pf_attr *a)
{
	uint16_t v = 0;

	if (a->len >= sizeof(v))
		memcpy(&v, a->data, sizeof(v));
	return v;
}

uint32_t
pf_attr_u32(const struct pf_attr *a)
{
	uint32_t v = 0;

	if (a->len >= sizeof(v))
		memcpy(&v, a->data, sizeof(v));
	return v;
}

uint64_t
pf_attr_u64(const struct pf_attr *a)
{
	uint64_t v = 0;

	if (a->len >= sizeof(v))
		memcpy(&v, a->data, sizeof(v));
	return v;
}

void
pf_attr_str(const struct pf_attr *a, char *to, size_t max)
{
	size_t n = strnlen((const char *)a->data, a->len);

	if (n > max - 1)
		n = max - 1;
	memcpy(to, a->data, n);
	to[n] = '\0';
}

/* --- the socket ----------------------------------------------------------- */

/* What is being waited for. */
struct wait {
	struct pf_nl *nl;
	uint32_t first, n; /* sequence numbers; each ends with an ack */
	uint32_t nacks;
	bool dump; /* ends with NLMSG_DONE instead */
	bool done;
	int refused; /* errno of the first that was */
	pf_on_answer *on;
	void *arg;
};

static int
take_error(struct wait *w, const uint8_t *p, size_t n, struct err *e)
{
	int32_t code;

	if (n < sizeof(code))
		return err_set(e, ERR_SYS, "pf netlink: a short answer");
	memcpy(&code, p, sizeof(code));
	if (code != 0 && w->refused == 0)
		w->refused = code;
	if (++w->nacks == w->n || w->dump)
		w->done = true;
	return 0;
}

/* Of NLMSG_DONE: the error of a list that broke off, or 0. */
static int
take_end(struct wait *w, const uint8_t *p, size_t n)
{
	int32_t code = 0;

	if (n >= sizeof(code))
		memcpy(&code, p, sizeof(code));
	if (code != 0 && w->refused == 0)
		w->refused = code;
	if (w->dump)
		w->done = true;
	return 0;
}

static int
take_message(
    struct wait *w, const struct nlmsghdr *h, const uint8_t *p, struct err *e)
{
	size_t n = h->nlmsg_len - sizeof(*h);

	/* Of a request that was given up */
	if (h->nlmsg_seq - w->first >= w->n)
		return 0;
	if (h->nlmsg_type == NLMSG_ERROR)
		return take_error(w, p, n, e);
	if (h->nlmsg_type == NLMSG_DONE)
		return take_end(w, p, n);
	if (n < sizeof(struct genlmsghdr) || w->on == NULL)
		return 0;
	return w->on(w->arg,
	    (struct pf_attrs){
		p + sizeof(struct genlmsghdr), n - sizeof(struct genlmsghdr) },
	    e);
}

static int
take_messages(struct wait *w, size_t got, struct err *e)
{
	const uint8_t *p = (const uint8_t *)w->nl->room;
	struct nlmsghdr h;

	while (got >= sizeof(h)) {
		size_t step;

		memcpy(&h, p, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > got)
			return err_set(e, ERR_SYS, "pf netlink: a cut answer");
		if (take_message(w, &h, p + sizeof(h), e) < 0)
			return -1;
		step = ((size_t)h.nlmsg_len + 3) & ~(size_t)3;
		step = step > got ? got : step;
		p += step;
		got -= step;
	}
	return 0;
}

static int
wait_for(struct wait *w, struct err *e)
{
	while (!w->done) {
		ssize_t n = recv(w->nl->fd, w->nl->room, ROOM, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "pf netlink: no answer");
		if (take_messages(w, (size_t)n, e) < 0)
			return -1;
	}
	if (w->refused == 0)
		return 0;
	errno = w->refused;
	return err_sys(e, "pf");
}

/* How many bytes from `at` are whole messages, at most SEND_MAX or one. */
static size_t
chunk(const struct pf_ask *a, size_t at, uint32_t *n)
{
	size_t len = 0;

	*n = 0;
	while (at + len < a->b.len) {
		struct nlmsghdr h;

		memcpy(&h, a->b.data + at + len, sizeof(h));
		if (*n > 0 && len + h.nlmsg_len > SEND_MAX)
			break;
		len += ((size_t)h.nlmsg_len + 3) & ~(size_t)3;
		++*n;
	}
	return len;
}

static int
send_bytes(struct pf_nl *nl, const char *p, size_t n, struct err *e)
{
	ssize_t sent;

	do
		sent = send(nl->fd, p, n, 0);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return err_sys(e, "pf netlink: %zu bytes", n);
	return 0;
}

static int
closed(struct pf_ask *a, struct err *e)
{
	close_message(a);
	if (a->failed)
		return err_set(e, ERR_TOOBIG,
		    "pf request of more than %d bytes", (int)ASK_MAX);
	return 0;
}

int
pf_ask_send(struct pf_ask *a, pf_on_answer *on, void *arg, struct err *e)
{
	uint32_t first = a->nl->seq - (uint32_t)a->n + 1, n;
	size_t at = 0;

	if (closed(a, e) < 0)
		return -1;
	while (at < a->b.len) {
		size_t len = chunk(a, at, &n);
		struct wait w = { .nl = a->nl,
			.first = first,
			.n = n,
			.on = on,
			.arg = arg };

		if (send_bytes(a->nl, a->b.data + at, len, e) < 0 ||
		    wait_for(&w, e) < 0)
			return -1;
		first += n;
		at += len;
	}
	return 0;
}

int
pf_ask_dump(struct pf_ask *a, pf_on_answer *on, void *arg, struct err *e)
{
	struct wait w = { .nl = a->nl,
		.first = a->nl->seq,
		.n = 1,
		.dump = true,
		.on = on,
		.arg = arg };
	uint16_t flags = NLM_F_REQUEST | NLM_F_DUMP;

	if (closed(a, e) < 0)
		return -1;
	memcpy(a->b.data + offsetof(struct nlmsghdr, nlmsg_flags), &flags,
	    sizeof(flags));
	if (send_bytes(a->nl, a->b.data, a->b.len, e) < 0)
		return -1;
	return wait_for(&w, e);
}

/* --- the family ----------------------------------------------------------- */

static void
take_ops(struct pf_nl *nl, struct pf_attrs ops)
{
	struct pf_attr op, a;

	while (pf_attr_next(&ops, &op)) {
		struct pf_attrs in = pf_attr_nest(&op);

		while (pf_attr_next(&in, &a))
			if (a.type == CTRL_ATTR_OP_ID && pf_attr_u32(&a) < 64)
				nl->can |= (uint64_t)1 << pf_attr_u32(&a);
	}
}

static int
on_family(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct pf_nl *nl = arg;
	struct pf_attr a;

	(void)e;
	while (pf_attr_next(&attrs, &a)) {
		if (a.type == CTRL_ATTR_FAMILY_ID)
			nl->family = pf_attr_u16(&a);
		else if (a.type == CTRL_ATTR_OPS)
			take_ops(nl, pf_attr_nest(&a));
	}
	return 0;
}

static int
find_family(struct pf_nl *nl, struct err *e)
{
	struct pf_ask a;
	int rc;

	pf_ask_init(&a, nl);
	begin(&a, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	pf_ask_str(&a, CTRL_ATTR_FAMILY_NAME, "pfctl");
	rc = pf_ask_send(&a, on_family, nl, e);
	pf_ask_fini(&a);
	if (rc == 0 && nl->family != 0)
		return 0;
	return err_set(e, ERR_UNSUPPORTED,
	    "the kernel has no netlink family `pfctl`: is pf loaded "
	    "(kldload pf)?");
}

int
pf_nl_open(struct pf_nl *nl, struct err *e)
{
	const struct timeval limit = { ANSWER_S, 0 };

	*nl = (struct pf_nl){ .fd = -1 };
	nl->room = malloc(ROOM);
	if (nl->room == NULL)
		return err_sys(e, "pf netlink");
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl->fd < 0 || setsockopt(nl->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
			      sizeof(limit)) < 0) {
		err_sys(e, "pf netlink socket");
		pf_nl_close(nl);
		return -1;
	}
	if (find_family(nl, e) < 0) {
		pf_nl_close(nl);
		return -1;
	}
	return 0;
}

void
pf_nl_close(struct pf_nl *nl)
{
	drop_fd(&nl->fd);
	free(nl->room);
	nl->room = NULL;
}

bool
pf_nl_can(const struct pf_nl *nl, enum pfn_cmd cmd)
{
	return (nl->can >> cmd & 1) != 0;
}
