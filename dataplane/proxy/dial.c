#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "proxy/proxy_int.h"

/* Where servers listen, most likely first. */
enum step { LOOPBACK4, LOOPBACK6, OWN4, OWN6, NSTEPS };

/* A server that begins to listen just now is waited for, a little. */
static const unsigned pauses_ms[] = { 60, 140, 300 };

enum np_family
dial_family(const struct conn *c)
{
	return c->dial_step == LOOPBACK6 || c->dial_step == OWN6 ? NP_V6
								 : NP_V4;
}

static socklen_t
address(const struct conn *c, struct sockaddr_storage *to)
{
	const struct proxy *p = c->p;
	struct sockaddr_in *a4 = (struct sockaddr_in *)(void *)to;
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)(void *)to;
	/* As link/addr.h has it: the odd one of the slot's pair. */
	np_u128 own = (np_u128)c->route->slot * 2 + 1;
	struct np_addr a = { p->net4.addr + own, NP_V4 };

	memset(to, 0, sizeof(*to));
	if (c->route == &p->api) {
		memcpy(to, &p->api_at, p->api_len);
		return p->api_len;
	}
	if (dial_family(c) == NP_V4) {
		a4->sin_family = AF_INET;
		a4->sin_port = htons(c->port);
		a4->sin_addr.s_addr =
		    htonl(c->dial_step == LOOPBACK4 ? INADDR_LOOPBACK
						    : (uint32_t)a.n);
		return sizeof(*a4);
	}
	a6->sin6_family = AF_INET6;
	a6->sin6_port = htons(c->port);
	a6->sin6_addr = in6addr_loopback;
	if (c->dial_step == OWN6) {
		a = (struct np_addr){ p->net6.addr + own, NP_V6 };
		np_addr_bytes(a, a6->sin6_addr.s6_addr);
	}
	return sizeof(*a6);
}

static void try_step(struct conn *c);

static void
on_pause_over(struct loop_timer *w)
{
	struct conn *c = container_of(w, struct conn, timer);

	c->dial_step = LOOPBACK4;
	try_step(c);
}

static void
next_step(struct conn *c)
{
	if (c->route == &c->p->api) {
		answer_closed_port(c);
		return;
	}
	c->dial_step++;
	if (c->dial_step == OWN6 && !c->p->ipv6)
		c->dial_step++;
	if (c->dial_step < NSTEPS) {
		try_step(c);
		return;
	}
	if (c->dial_round == countof(pauses_ms)) {
		answer_closed_port(c);
		return;
	}
	c->timer.on_time = on_pause_over;
	loop_timer_start(c->p->loop, &c->timer, pauses_ms[c->dial_round++]);
}

static void
connected(struct conn *c)
{
	int on = 1;

	(void)setsockopt(c->u.io.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	exchange_begin(c);
}

static void
drop_socket(struct conn *c)
{
	loop_io_stop(&c->u.io);
	drop_fd(&c->u.io.fd);
}

void
dial_ready(struct conn *c)
{
	int why = 0;
	socklen_t n = sizeof(why);

	if (getsockopt(c->u.io.fd, SOL_SOCKET, SO_ERROR, &why, &n) < 0)
		why = errno;
	loop_io_stop(&c->u.io);
	if (why == 0) {
		connected(c);
		return;
	}
	drop_socket(c);
	next_step(c);
}

/* On loopback the answer is there by the time connect() returns. */
static bool
writable_now(int fd)
{
	struct pollfd pf = { .fd = fd, .events = POLLOUT };

	return poll(&pf, 1, 0) == 1;
}

void
dial_socket(struct conn *c, int fd)
{
	struct sockaddr_storage to;
	socklen_t len = address(c, &to);

	c->u.io.fd = fd;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		drop_socket(c);
		next_step(c);
		return;
	}
	if (connect(fd, (struct sockaddr *)&to, len) == 0) {
		connected(c);
		return;
	}
	if (errno != EINPROGRESS) {
		drop_socket(c);
		next_step(c);
		return;
	}
	if (writable_now(fd))
		dial_ready(c);
	else
		loop_io_set(c->p->loop, &c->u.io, LOOP_WRITE);
}

static void
try_step(struct conn *c)
{
	struct proxy *p = c->p;
	int fd = c->route == &p->api ? socket(p->api_at.ss_family,
					   SOCK_STREAM | SOCK_CLOEXEC, 0)
				     : socks_take(c, dial_family(c));

	if (fd >= 0)
		dial_socket(c, fd);
	else if (c->route == &p->api)
		answer_closed_port(c);
}

/* privd makes no socket there: the sandbox is gone, or going. */
void
dial_failed(struct conn *c)
{
	answer_not_found(c, c->route->id);
}

void
dial_begin(struct conn *c)
{
	c->state = C_DIAL;
	c->since = loop_now(c->p->loop);
	c->dial_step = LOOPBACK4;
	c->dial_round = 0;
	try_step(c);
}
