/* DNS messages, and coppice-egressd between a client and an upstream. */
#include "egress/dnswire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/place.h"
#include "tests/t.h"

/* A query for example.com; the caller may spoil it. */
static size_t
query(uint8_t *p, uint16_t id, uint16_t type)
{
	static const uint8_t q[] = "\0\0\1\0\0\1\0\0\0\0\0\0"
				   "\7example\3com\0"
				   "\0\0\0\1";

	memcpy(p, q, sizeof(q) - 1);
	dns_set_id(p, id);
	p[sizeof(q) - 4] = (uint8_t)type;
	return sizeof(q) - 1;
}

static enum dns_rcode
verdict(const uint8_t *p, size_t n)
{
	struct dns_query q;
	enum dns_rcode rc = dns_query_parse(p, n, &q);

	return q.ignore ? (enum dns_rcode)99 : rc;
}

static void
queries(void)
{
	uint8_t p[512];
	char name[DNS_NAME_TEXT];
	struct dns_query q;
	size_t n = query(p, 0x1234, 1);

	CHECK(dns_query_parse(p, n, &q) == DNS_NOERROR && !q.ignore);
	CHECK(q.id == 0x1234 && q.type == 1 && q.klass == 1);
	CHECK(q.question_end == n);
	CHECK(strcmp(dns_name_text(p, &q, name), "example.com") == 0);

	/* With EDNS, as everybody sends it. */
	memcpy(p + n, "\0\0\x29\x10\0\0\0\0\0\0\0", 11);
	p[11] = 1;
	CHECK(verdict(p, n + 11) == DNS_NOERROR);
	CHECK(verdict(p, n + 10) == DNS_FORMERR);
	CHECK(verdict(p, n + 12) == DNS_FORMERR);
	p[11] = 0;
	CHECK(verdict(p, n + 1) == DNS_FORMERR);

	for (size_t i = 0; i < DNS_HEADER_LEN; i++)
		CHECK(verdict(p, i) == 99);
	for (size_t i = DNS_HEADER_LEN; i < n; i++)
		CHECK(verdict(p, i) == DNS_FORMERR);
	p[2] = 0x81;
	CHECK(verdict(p, n) == 99); /* an answer is never answered */
	p[2] = 0x29;
	CHECK(verdict(p, n) == DNS_NOTIMP);
	p[2] = 1;
	p[5] = 2;
	CHECK(verdict(p, n) == DNS_FORMERR);
	p[5] = 1;
	p[7] = 1; /* an answer record in a query that is not there */
	CHECK(verdict(p, n) == DNS_FORMERR);
	p[7] = 0;
	p[12] = 0xc0; /* a pointer where none may be */
	CHECK(verdict(p, n) == DNS_FORMERR);
	p[12] = 64;
	CHECK(verdict(p, n) == DNS_FORMERR);
	n = query(p, 1, 252);
	CHECK(verdict(p, n) == DNS_REFUSED);
}

static void
long_names(void)
{
	uint8_t p[600] = { 0, 1, 1, 0, 0, 1 };
	char text[DNS_NAME_TEXT];
	size_t at = DNS_HEADER_LEN;
	struct dns_query q;

	/* 254 bytes of labels and the root: the longest there is. */
	for (int i = 0; i < 4; i++) {
		size_t len = i < 3 ? 63 : 61;

		p[at++] = (uint8_t)len;
		memset(p + at, 0xff, len);
		at += len;
	}
	p[at++] = 0;
	p[at + 1] = p[at + 3] = 1;
	CHECK(dns_query_parse(p, at + 4, &q) == DNS_NOERROR);
	CHECK(strlen(dns_name_text(p, &q, text)) == 250 * 4 + 3);
	/* One byte more. */
	p[DNS_HEADER_LEN + 3 * 64] = 62;
	memmove(p + at, p + at - 1, 5);
	CHECK(dns_query_parse(p, at + 5, &q) == DNS_FORMERR);
}

static void
answers(void)
{
	uint8_t p[64], a[DNS_ERROR_MAX];
	struct dns_query q;
	size_t n = query(p, 7, 28), len;

	CHECK(dns_query_parse(p, n, &q) == DNS_NOERROR);
	len = dns_error(p, n, &q, DNS_SERVFAIL, a);
	CHECK(len == n && a[3] == (0x80 | DNS_SERVFAIL) && (a[2] & 0x81));
	CHECK(dns_answers(p, n, &q, a, len));
	CHECK(!dns_answers(p, n, &q, a, len - 1));
	CHECK(!dns_answers(p, n, &q, p, n)); /* the question is no answer */
	dns_set_id(a, 8);
	CHECK(!dns_answers(p, n, &q, a, len));
	dns_set_id(a, 7);
	a[14] ^= 0x20;
	CHECK(!dns_answers(p, n, &q, a, len));
	/* Refused without the question: some do. */
	a[5] = 0;
	CHECK(dns_answers(p, n, &q, a, DNS_HEADER_LEN));
	a[3] = 0x80;
	CHECK(!dns_answers(p, n, &q, a, DNS_HEADER_LEN));
	CHECK(dns_error(p, 11, &q, DNS_FORMERR, a) == 0);
}

/* --- the daemon
 * -------------------------------------------------------------*/

static int
bound(int type, uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 5 };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (bind(fd, (struct sockaddr *)&a, n) < 0) {
		(void)close(fd);
		return -1;
	}
	if ((type == SOCK_STREAM && listen(fd, 8) < 0) ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		abort();
	*port = ntohs(a.sin_port);
	return fd;
}

/* UDP and TCP of one port, which somebody else may have taken in part. */
static void
both(int *udp, int *tcp, uint16_t *port)
{
	for (;;) {
		*port = 0;
		*udp = bound(SOCK_DGRAM, port);
		*tcp = bound(SOCK_STREAM, port);
		if (*tcp >= 0)
			return;
		(void)close(*udp);
	}
}

static int
connected(int type, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 9 };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		abort();
	return fd;
}

static _Atomic uint16_t seen_id, seen_port[2]; /* set by the upstream */

/*
 * An upstream: for type 1 a wrong answer and then the right one, for type 2
 * silence at first, for type 3 nothing at all.
 */
static void
upstream_answer(int fd, uint8_t *p, size_t n, struct sockaddr_in *from)
{
	struct dns_query q = { .id = 0 };
	uint8_t type = p[n - 3], a[DNS_ERROR_MAX];
	static _Atomic int twos;

	(void)dns_query_parse(p, n, &q);
	seen_id = q.id;
	seen_port[0] = (uint16_t)seen_port[1];
	seen_port[1] = from->sin_port;
	if (type == 3 || (type == 2 && twos++ == 0))
		return;
	if (type == 1) {
		n = dns_error(p, n, &q, DNS_NXDOMAIN, a);
		dns_set_id(a, (uint16_t)(q.id + 1));
		(void)sendto(
		    fd, a, n, 0, (struct sockaddr *)from, sizeof(*from));
	}
	n = dns_error(p, n, &q, DNS_NOERROR, a);
	(void)sendto(fd, a, n, 0, (struct sockaddr *)from, sizeof(*from));
}

static void *
upstream_udp(void *arg)
{
	int fd = *(int *)arg;
	uint8_t p[512];
	struct sockaddr_in from = { .sin_port = 0 };

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(
		    fd, p, sizeof(p), 0, (struct sockaddr *)&from, &len);

		if (n > 0)
			upstream_answer(fd, p, (size_t)n, &from);
	}
	return NULL;
}

/* Over TCP it says every message back, as an answer. */
static void *
upstream_tcp(void *arg)
{
	for (;;) {
		int fd = accept(*(int *)arg, NULL, NULL);
		uint8_t p[512];
		ssize_t n;

		while (fd >= 0 && (n = recv(fd, p, sizeof(p), 0)) > 4) {
			p[4] |= 0x80;
			(void)send(fd, p, (size_t)n, MSG_NOSIGNAL);
		}
		if (fd >= 0)
			(void)close(fd);
	}
	return NULL;
}

static pid_t
daemon_start(int udp, int tcp, const char *net, uint16_t upstream)
{
	char path[4096], fds[64], up[32];
	struct err e;
	pid_t pid;

	if (place_self(path, sizeof(path), &e) < 0) {
		printf("# %s\n", e.msg);
		exit(1);
	}
	*strrchr(path, '/') = '\0';
	strcat(path, "/coppice-egressd");
	(void)snprintf(fds, sizeof(fds), "dns4u=%d,dns4t=%d", udp, tcp);
	(void)snprintf(up, sizeof(up), "127.0.0.1:%u", upstream);
	pid = fork();
	if (pid != 0)
		return pid;
	(void)fcntl(udp, F_SETFD, 0);
	(void)fcntl(tcp, F_SETFD, 0);
	(void)fcntl(udp, F_SETFL, O_NONBLOCK);
	(void)fcntl(tcp, F_SETFL, O_NONBLOCK);
	(void)setenv("COPPICE_FDS", fds, 1);
	(void)execl(
	    path, path, "-4", net, "-l", "error", "-u", up, (char *)NULL);
	_exit(127);
}

static void
stop(pid_t pid)
{
	int status = -1;

	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
over_udp(uint16_t port)
{
	uint8_t p[512], a[512];
	int fd = connected(SOCK_DGRAM, port);
	size_t n = query(p, 0x4242, 1);

	(void)send(fd, p, n, 0);
	CHECK(recv(fd, a, sizeof(a), 0) == (ssize_t)n);
	CHECK(dns_id(a) == 0x4242 && (a[3] & 0xf) == DNS_NOERROR);
	CHECK(seen_id != 0x4242); /* one in 65536 fails */
	(void)send(fd, p, n, 0);
	CHECK(recv(fd, a, sizeof(a), 0) == (ssize_t)n);
	CHECK(seen_port[0] != seen_port[1]);

	/* Lost once, asked again. */
	n = query(p, 2, 2);
	(void)send(fd, p, n, 0);
	CHECK(recv(fd, a, sizeof(a), 0) == (ssize_t)n && dns_id(a) == 2);
	/* Never answered: a failure is an answer too. */
	n = query(p, 3, 3);
	(void)send(fd, p, n, 0);
	CHECK(recv(fd, a, sizeof(a), 0) == (ssize_t)n);
	CHECK(dns_id(a) == 3 && (a[3] & 0xf) == DNS_SERVFAIL);
	/* Malformed: told so at once. */
	(void)send(fd, p, n - 2, 0);
	CHECK(recv(fd, a, sizeof(a), 0) == DNS_HEADER_LEN);
	CHECK((a[3] & 0xf) == DNS_FORMERR);
	(void)close(fd);
}

static void
over_tcp(uint16_t port)
{
	uint8_t p[512], a[512];
	int fd = connected(SOCK_STREAM, port);
	size_t n = query(p + 2, 0x77, 1);

	p[0] = 0;
	p[1] = (uint8_t)n;
	/* In two pieces, the length cut in half. */
	(void)send(fd, p, 1, 0);
	(void)usleep(20000);
	(void)send(fd, p + 1, n + 1, 0);
	CHECK(recv(fd, a, sizeof(a), 0) == (ssize_t)n + 2);
	CHECK(dns_id(a + 2) == 0x77 && (a[4] & 0x80));
	/* No query: answered by ourselves. */
	n = query(p + 2, 9, 252);
	(void)send(fd, p, n + 2, 0);
	CHECK(recv(fd, a, sizeof(a), 0) == (ssize_t)n + 2);
	CHECK((a[5] & 0xf) == DNS_REFUSED);
	/* An answer as a question: the connection ends. */
	p[4] |= 0x80;
	(void)send(fd, p, n + 2, 0);
	CHECK(recv(fd, a, sizeof(a), 0) <= 0);
	(void)close(fd);
}

/* A sandbox's socket: slot n has the address 127.0.1.2n. */
static int
of_slot(unsigned n, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000100u + 2 * n) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		abort();
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(port);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		abort();
	return fd;
}

/* How many of n questions that have no answer are refused at once. */
static unsigned
refused_of(unsigned n, int fd)
{
	unsigned refused = 0;
	uint8_t p[512];

	for (unsigned i = 0; i < n; i++) {
		size_t len = query(p, (uint16_t)i, 3);

		(void)send(fd, p, len, 0);
		if (i % 32 == 31)
			(void)usleep(5000); /* it reads while we wait */
	}
	/* Some have to be; then a moment, for more than that. */
	for (unsigned i = 0, after = 0; i < 100 && after < 5; i++) {
		after += refused > 0;
		(void)usleep(20000);
		while (recv(fd, p, sizeof(p), MSG_DONTWAIT) > 0)
			refused += (p[3] & 0xf) == DNS_SERVFAIL;
	}
	return refused;
}

static void
few_do_not_take_all(uint16_t port)
{
	int fd;

	for (unsigned i = 0; i < 8; i++) {
		fd = of_slot(i, port);
		CHECK(refused_of(130, fd) == 2);
		(void)close(fd);
	}
	fd = of_slot(8, port);
	CHECK(refused_of(10, fd) == 2);
	(void)close(fd);
}

static void
daemons(void)
{
	uint16_t port = 0, up = 0;
	static int up_udp, up_tcp;
	int udp, tcp, fd;
	uint8_t p[512];
	pthread_t t;
	pid_t pid;

	both(&up_udp, &up_tcp, &up);
	(void)pthread_create(&t, NULL, upstream_udp, &up_udp);
	(void)pthread_create(&t, NULL, upstream_tcp, &up_tcp);
	both(&udp, &tcp, &port);
	pid = daemon_start(udp, tcp, "127.0.0.0/8", up);
	over_udp(port);
	over_tcp(port);
	few_do_not_take_all(port);
	stop(pid);

	/* Loopback is none of these sandboxes: silence, and a closed door. */
	pid = daemon_start(udp, tcp, "10.78.0.0/16", up);
	fd = connected(SOCK_STREAM, port);
	CHECK(recv(fd, p, sizeof(p), 0) == 0);
	(void)close(fd);
	fd = connected(SOCK_DGRAM, port);
	(void)send(fd, p, query(p, 1, 1), 0);
	(void)usleep(200000);
	CHECK(recv(fd, p, sizeof(p), MSG_DONTWAIT) < 0 && errno == EAGAIN);
	(void)close(fd);
	stop(pid);
}

int
main(void)
{
	struct rlimit files = { 4096, 4096 };

	(void)setrlimit(RLIMIT_NOFILE, &files); /* the daemon's */
	queries();
	long_names();
	answers();
	daemons();
	return t_end();
}
