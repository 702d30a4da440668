#include "tests/lib/proxyfake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/child.h"
#include "io/place.h"
#include "io/seqpkt.h"
#include "proxy/sock_msg.h"

enum { BIG = 1024 * 1024 };

static void
die(const char *what)
{
	printf("# %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- privd
 * --------------------------------------------------------------------*/

struct privd {
	int fd;
	const _Atomic bool *refuse;
};

static void
answer(const struct privd *p, const void *msg)
{
	struct {
		struct sock_hdr h;
		struct sock_reply r;
		char rest[128]; /* the real one says more */
	} m;
	struct sock_hdr h;
	struct sock_ask a;
	int fds[SOCK_MSG_N_MAX];
	struct err e;

	memcpy(&h, msg, sizeof(h));
	memcpy(&a, (const char *)msg + sizeof(h), sizeof(a));
	memset(&m, 0, sizeof(m));
	m.h = (struct sock_hdr){ h.type, 0, sizeof(m) - sizeof(h), h.seq };
	m.r.seq = h.seq;
	if (*p->refuse) {
		m.r.rc = -1;
		(void)err_set(&m.r.err, ERR_NOTFOUND, "no such sandbox");
		(void)seqpkt_send(p->fd, &m, sizeof(m), NULL, 0, &e);
		return;
	}
	for (uint32_t i = 0; i < a.n; i++)
		fds[i] = socket(a.family == 4 ? AF_INET : AF_INET6,
		    SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)seqpkt_send(p->fd, &m, sizeof(m), fds, a.n, &e);
	for (uint32_t i = 0; i < a.n; i++)
		(void)close(fds[i]);
}

static void *
privd(void *arg)
{
	struct privd *p = arg;
	char msg[256];

	(void)fcntl(p->fd, F_SETFL, 0);
	while (recv(p->fd, msg, sizeof(msg), 0) > 0)
		answer(p, msg);
	(void)close(p->fd);
	free(p);
	return NULL;
}

static void
thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg) != 0)
		die("thread");
	(void)pthread_detach(t);
}

static void
privd_start(struct fake *f, int fd)
{
	struct privd *p = malloc(sizeof(*p));

	*p = (struct privd){ fd, &f->refuse };
	thread(privd, p);
}

/* --- the daemon
 * ------------------------------------------------------------------*/

static void
program(char *to, size_t cap)
{
	struct err e;

	if (place_self(to, cap, &e) < 0)
		die(e.msg);
	*strrchr(to, '/') = '\0';
	(void)snprintf(to + strlen(to), cap - strlen(to), "/coppice-proxyd");
}

static int
listener(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 ||
	    listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		die("listen");
	*port = ntohs(a.sin_port);
	return fd;
}

void
fake_start(struct fake *f)
{
	fake_start_small(f, "1000");
}

void
fake_start_small(struct fake *f, const char *conns_max)
{
	int route[2], sock[2], ctl[2], way_in, fds[4];
	char path[4096], env[128];
	struct err e;

	memset(f, 0, sizeof(*f));
	program(path, sizeof(path));
	way_in = listener(&f->port);
	(void)fcntl(way_in, F_SETFL, O_NONBLOCK);
	if (seqpkt_pair(route, &e) < 0 || seqpkt_pair(sock, &e) < 0 ||
	    seqpkt_pair(ctl, &e) < 0)
		die(e.msg);
	fds[0] = way_in;
	fds[1] = route[1];
	fds[2] = sock[1];
	fds[3] = ctl[1];
	(void)snprintf(env, sizeof(env), "way_in=%d,route=%d,sock=%d,ctl=%d",
	    fds[0], fds[1], fds[2], fds[3]);
	f->pid = fork();
	if (f->pid == 0) {
		for (int i = 0; i < 4; i++)
			(void)fcntl(fds[i], F_SETFD, 0);
		(void)setenv("COPPICE_FDS", env, 1);
		/* Sandboxes' own addresses are this host's 127.0.0.x. */
		(void)execl(path, path, "-4", "127.0.0.0/8", "-c", "20", "-l",
		    "error", "-n", conns_max, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 4; i++)
		(void)close(fds[i]);
	f->route = route[0];
	f->ctl = ctl[0];
	privd_start(f, sock[0]);
	(void)signal(SIGPIPE, SIG_IGN);
}

int
fake_stop(struct fake *f)
{
	int status;

	(void)close(f->route);
	(void)close(f->ctl);
	for (int i = 0; i < 500; i++) {
		if (waitpid(f->pid, &status, WNOHANG) == f->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		(void)usleep(10000);
	}
	(void)kill(f->pid, SIGKILL);
	(void)waitpid(f->pid, &status, 0);
	return -1;
}

static void
tell(struct fake *f, enum route_type type, const void *body, size_t n)
{
	struct {
		struct route_hdr h;
		char body[sizeof(struct route_set)];
	} m = { .h = { (uint16_t)type, (uint16_t)n } };
	struct err e;

	memcpy(m.body, body, n);
	if (seqpkt_send(f->route, &m, sizeof(m.h) + n, NULL, 0, &e) != 0)
		printf("# route: %s\n", e.msg);
}

void
fake_table(struct fake *f, enum route_type type)
{
	tell(f, type, "", 0);
}

void
fake_set(struct fake *f, const struct route_set *s)
{
	tell(f, ROUTE_SET, s, sizeof(*s));
}

void
fake_run(struct fake *f, const char *id, uint32_t incarnation)
{
	struct route_set s = { .slot = 1, .incarnation = incarnation };

	(void)snprintf(s.id, sizeof(s.id), "%s", id);
	fake_set(f, &s);
}

void
fake_del(struct fake *f, const char *id)
{
	struct route_del d = { .id = "" };

	(void)snprintf(d.id, sizeof(d.id), "%s", id);
	tell(f, ROUTE_DEL, &d, sizeof(d));
}

unsigned
fake_wakes(struct fake *f, const char *id, int ms)
{
	struct pollfd pf = { .fd = f->route, .events = POLLIN };
	unsigned n = 0;

	while (poll(&pf, 1, ms) == 1) {
		struct {
			struct route_hdr h;
			char id[256];
		} m;
		int fds[SEQPKT_FDS_MAX];
		size_t nfds;
		struct err e;

		memset(&m, 0, sizeof(m));
		if (seqpkt_recv(f->route, &m, sizeof(m) - 1, fds, &nfds, &e) <=
		    0)
			break;
		n += m.h.type == ROUTE_WAKE && strcmp(m.id, id) == 0;
	}
	return n;
}

void
fake_woke(struct fake *f, const char *id, uint16_t status)
{
	struct route_woke w = { .status = status };

	(void)snprintf(w.id, sizeof(w.id), "%s", id);
	tell(f, ROUTE_WOKE, &w, sizeof(w));
}

void
fake_handover(struct fake *f)
{
	int route[2], sock[2];
	struct child_handover h = { .name = "route" };
	struct err e;

	if (seqpkt_pair(route, &e) < 0 || seqpkt_pair(sock, &e) < 0)
		die(e.msg);
	(void)seqpkt_send(f->ctl, &h, sizeof(h), &route[1], 1, &e);
	(void)snprintf(h.name, sizeof(h.name), "sock");
	(void)seqpkt_send(f->ctl, &h, sizeof(h), &sock[1], 1, &e);
	(void)close(route[1]);
	(void)close(sock[1]);
	(void)close(f->route);
	f->route = route[0];
	privd_start(f, sock[0]);
}

/* --- servers
 * -----------------------------------------------------------------------*/

struct server {
	int fd;
	void (*run)(int fd, const void *arg);
	const void *arg;
};

static void *
serve_one(void *arg)
{
	struct server *s = arg;

	s->run(s->fd, s->arg);
	(void)close(s->fd);
	free(s);
	return NULL;
}

static void
limit(int fd)
{
	struct timeval t = { .tv_sec = 10 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct server *one = malloc(sizeof(*one));

		limit(fd);
		*one = *s;
		one->fd = fd;
		thread(serve_one, one);
	}
	return NULL;
}

uint16_t
server_start(void (*run)(int fd, const void *arg), const void *arg)
{
	struct server *s = malloc(sizeof(*s));
	uint16_t port;

	*s = (struct server){ listener(&port), run, arg };
	thread(serve, s);
	return port;
}

/* --- sockets
 * ------------------------------------------------------------------------*/

int
tcp_to(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect");
	limit(fd);
	return fd;
}

int
tcp_from(const char *address, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &from.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect");
	limit(fd);
	return fd;
}

void
put_n(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t w = send(fd, at, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		at += w;
		n -= (size_t)w;
	}
}

void
put(int fd, const char *s)
{
	put_n(fd, s, strlen(s));
}

static __thread char inbox[BIG + 1];

const char *
get_all(int fd, bool *was_reset)
{
	size_t n = 0;
	ssize_t r;

	*was_reset = false;
	while ((r = recv(fd, inbox + n, BIG - n, 0)) != 0) {
		if (r < 0) {
			*was_reset = errno == ECONNRESET;
			if (errno == EAGAIN)
				printf("# nothing came for ten seconds\n");
			break;
		}
		n += (size_t)r;
		if (n == BIG) /* its end is what matters then */
			n = BIG / 2;
	}
	inbox[n] = '\0';
	(void)close(fd);
	return inbox;
}

const char *
get_some(int fd)
{
	ssize_t r = recv(fd, inbox, BIG, 0);

	inbox[r < 0 ? 0 : r] = '\0';
	return inbox;
}

const char *
get_head(int fd)
{
	size_t n = 0;
	ssize_t r;

	inbox[0] = '\0';
	while (n < BIG && strstr(inbox, "\r\n\r\n") == NULL &&
	       (r = recv(fd, inbox + n, BIG - n, 0)) > 0) {
		n += (size_t)r;
		inbox[n] = '\0';
	}
	return inbox;
}

size_t
get_count(int fd, uint64_t *sum)
{
	size_t n = 0;
	ssize_t r;

	while ((r = recv(fd, inbox, BIG, 0)) > 0) {
		for (ssize_t i = 0; i < r; i++)
			*sum +=
			    (unsigned char)inbox[i] * ((n + (size_t)i) % 251);
		n += (size_t)r;
	}
	return n;
}

void
reset(int fd)
{
	struct linger now = { 1, 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
}
