/*
 * peer - both ends of the packet tests.
 *
 *	peer serve		on every address: TCP and UDP echo (7), TCP
 *				greeter (80), UDP that pushes for ever at
 *whoever sent it a datagram (8), a TCP stream of bytes that are known by their
 *place (9000 to 9002)
 *	peer tcp ADDR PORT	one connection: prints open, refused, denied or
 *				silent (after a second)
 *	peer udp ADDR PORT [N]	one datagram of N bytes (16), echoed: open,
 *				refused, denied or silent
 *	peer from SRC ADDR PORT	as udp, from another source address
 *	peer hold tcp|udp ADDR PORT	an echo every 20 ms; prints "up" after
 *				the first, then, when it ends, how; of UDP
 *				the last echo may be missing, and is counted:
 *				it was on its way when its flow was closed,
 *				and only the next datagram is refused
 *	peer stream ADDR PORT SECONDS	reads the stream and checks each byte:
 *				prints bytes, or what went wrong
 *	peer hear PORT MS	counts datagrams that arrive at a port
 *	peer knock ADDR PORT HERE	one datagram from port HERE, and no more
 *	peer ping ADDR		an ICMP echo: open, denied or silent
 *	peer slowest N ADDR PORT	N connections, one after the other: what
 *				they said, if all said the same, and how many
 *				milliseconds the slowest took
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "lib/peer_os.h"

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
wait_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static socklen_t
address(const char *host, const char *port, struct sockaddr_storage *out)
{
	struct addrinfo hint = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *ai;
	socklen_t len;

	if (getaddrinfo(host, port, &hint, &ai) != 0)
		die(host);
	memcpy(out, ai->ai_addr, ai->ai_addrlen);
	len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return len;
}

/* How a refusal looks to whoever tried. */
static const char *
said(int error)
{
	switch (error) {
	case 0:
		return "open";
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
		return "refused";
	case EACCES:
	case EPERM:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "denied";
	case EAGAIN:
	case ETIMEDOUT:
		return "silent";
	default:
		return strerror(error);
	}
}

/* --- serving ----------------------------------------------------------------
 */

/* Byte `at` of the stream: any cut, gap or repetition shows. */
static uint8_t
byte_at(uint64_t at)
{
	uint64_t x = (at >> 3) * 0x9e3779b97f4a7c15u;

	return (uint8_t)((x ^ x >> 29) >> (at & 7) * 8);
}

static void
serve_stream(int fd)
{
	uint8_t b[1400];
	uint64_t at = 0;

	for (;;) {
		for (size_t i = 0; i < sizeof(b); i++)
			b[i] = byte_at(at + i);
		if (send(fd, b, sizeof(b), MSG_NOSIGNAL) != sizeof(b))
			exit(0);
		at += sizeof(b);
		wait_ms(1);
	}
}

static void
serve_echo(int fd)
{
	char b[2048];
	ssize_t n;

	while ((n = recv(fd, b, sizeof(b), 0)) > 0)
		if (send(fd, b, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	exit(0);
}

static void
serve_greeting(int fd)
{
	(void)!write(fd, "hello\n", 6);
	exit(0);
}

static socklen_t
any_address(int family, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		v4->sin_port = htons(port);
	else
		v6->sin6_port = htons(port);
	return family == AF_INET ? sizeof(*v4) : sizeof(*v6);
}

static int
bound(int family, int type, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = any_address(family, port, &a);
	int fd = socket(family, type, 0), on = 1;

	/* A host without IPv6 serves what it has. */
	if (fd < 0 && family == AF_INET6)
		return -1;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (void *)&a, len) < 0)
		die("bind");
	return fd;
}

static void
accept_some(int family, uint16_t port, void (*serve)(int fd))
{
	int ls = bound(family, SOCK_STREAM, port);

	if (ls < 0)
		return;
	if (listen(ls, 4096) < 0)
		die("listen");
	if (fork() != 0) {
		close(ls);
		return;
	}
	for (;;) {
		int fd = accept(ls, NULL, NULL);

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (fd >= 0 && fork() == 0)
			serve(fd);
		if (fd >= 0)
			close(fd);
	}
}

static void
accept_all(uint16_t port, void (*serve)(int fd))
{
	accept_some(AF_INET, port, serve);
	accept_some(AF_INET6, port, serve);
}

static void
some_datagrams(int family, uint16_t port, bool push)
{
	int fd = bound(family, SOCK_DGRAM, port);

	if (fd < 0)
		return;
	peer_want_destination(fd, family);
	if (fork() != 0) {
		close(fd);
		return;
	}
	for (;;) {
		static char data[65536], control[256];
		struct sockaddr_storage from;
		struct iovec iov = { data, sizeof(data) };
		struct msghdr m = { &from, sizeof(from), &iov, 1, control,
			sizeof(control), 0 };
		ssize_t n = recvmsg(fd, &m, 0);

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (n < 0)
			continue;
		peer_answer(&m);
		if (!push) {
			/* From the address that was asked: m says which. */
			iov.iov_len = (size_t)n;
			(void)sendmsg(fd, &m, MSG_NOSIGNAL);
			continue;
		}
		iov.iov_len = 6;
		if (fork() == 0)
			for (;;) {
				(void)sendmsg(fd, &m, MSG_NOSIGNAL);
				wait_ms(5);
			}
	}
}

static void
datagrams(uint16_t port, bool push)
{
	some_datagrams(AF_INET, port, push);
	some_datagrams(AF_INET6, port, push);
}

/* The servers end with whom they were asked of. */
static void
end_all(int number)
{
	(void)number;
	(void)kill(0, SIGKILL);
}

static void __attribute__((noreturn)) serve(void)
{
	(void)setpgid(0, 0);
	(void)signal(SIGTERM, end_all);
	(void)signal(SIGPIPE, SIG_IGN);
	accept_all(7, serve_echo);
	accept_all(80, serve_greeting);
	accept_all(9000, serve_stream);
	accept_all(9001, serve_stream);
	accept_all(9002, serve_stream);
	datagrams(7, false);
	datagrams(8, true);
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

/* --- trying -----------------------------------------------------------------
 */

/* A second, as SO_SNDTIMEO is not asked by connect() everywhere. */
static int
connect_within(int fd, const struct sockaddr *to, socklen_t len, int ms)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	int flags = fcntl(fd, F_GETFL), error = 0;
	socklen_t elen = sizeof(error);

	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	if (connect(fd, to, len) < 0) {
		if (errno != EINPROGRESS)
			return errno;
		if (poll(&p, 1, ms) <= 0)
			return ETIMEDOUT;
		(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &elen);
	}
	(void)fcntl(fd, F_SETFL, flags);
	return error;
}

static int
try_connect(const char *host, const char *port, int *fd)
{
	struct sockaddr_storage a;
	socklen_t len = address(host, port, &a);
	struct timeval t = { 1, 0 };

	*fd = socket(a.ss_family, SOCK_STREAM, 0);
	setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return connect_within(*fd, (void *)&a, len, 1000);
}

static int
tcp(const char *host, const char *port)
{
	int fd;

	printf("%s\n", said(try_connect(host, port, &fd)));
	return 0;
}

static int
open_udp(const char *from, const char *host, const char *port)
{
	struct sockaddr_storage a, s;
	socklen_t len = address(host, port, &a);
	struct timeval t = { 1, 0 };
	int fd = socket(a.ss_family, SOCK_DGRAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	if (from != NULL) {
		socklen_t slen = address(from, "0", &s);

		peer_any_source(fd, s.ss_family);
		if (bind(fd, (void *)&s, slen) < 0)
			die("bind");
	}
	if (connect(fd, (void *)&a, len) < 0)
		die("connect");
	return fd;
}

static int
udp(const char *from, const char *host, const char *port, size_t n)
{
	static char data[65000], back[65000];
	int fd = open_udp(from, host, port), error = 0;
	ssize_t got;

	memset(data, 'x', sizeof(data));
	if (send(fd, data, n, 0) < 0)
		error = errno;
	if (error == 0) {
		got = recv(fd, back, sizeof(back), 0);
		if (got < 0)
			error = errno;
		else if ((size_t)got != n || memcmp(data, back, n) != 0)
			error = EILSEQ;
	}
	printf("%s\n", said(error));
	return 0;
}

static int
hold(bool is_tcp, const char *host, const char *port)
{
	int fd, error = 0, i;
	bool up = false, missing = false;

	if (is_tcp)
		error = try_connect(host, port, &fd);
	else
		fd = open_udp(NULL, host, port);
	for (i = 0; error == 0; i++) {
		char b[8] = "tick";

		if (send(fd, b, sizeof(b), MSG_NOSIGNAL) < 0)
			error = errno;
		else if (recv(fd, b, sizeof(b), 0) <= 0)
			error = errno != 0 ? errno : ECONNRESET;
		/* A flow that lives on loses nothing. */
		if (error == 0 && missing)
			error = EAGAIN;
		else if (error == EAGAIN && !is_tcp && up && !missing) {
			missing = true;
			error = 0;
		}
		if (error == 0 && !up) {
			printf("up\n");
			fflush(stdout);
			up = true;
		}
		wait_ms(20);
	}
	printf("%s after %d, %d of them not echoed\n", said(error), i, missing);
	return 0;
}

static int
stream(const char *host, const char *port, double seconds)
{
	uint64_t at = 0;
	uint8_t b[16384];
	double end = now() + seconds;
	/* What was lost on the way is sent again, later and later. */
	struct timeval patience = { 10, 0 };
	int fd, error = try_connect(host, port, &fd);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (error == 0 && now() < end) {
		ssize_t n = recv(fd, b, sizeof(b), 0);

		if (n <= 0) {
			printf("ended at %llu: %s\n", (unsigned long long)at,
			    n == 0 ? "closed" : strerror(errno));
			return 1;
		}
		for (ssize_t i = 0; i < n; i++, at++)
			if (b[i] != byte_at(at)) {
				printf(
				    "wrong at %llu\n", (unsigned long long)at);
				return 1;
			}
	}
	if (error != 0)
		printf("%s\n", said(error));
	else
		printf("%llu\n", (unsigned long long)at);
	return error != 0;
}

static int
hear(const char *port, double seconds)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), off = 0;
	double end = now() + seconds;
	unsigned n = 0;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (void *)&a, sizeof(a)) < 0)
		die("bind");
	while (now() < end) {
		struct pollfd p = { fd, POLLIN, 0 };
		char b[2048];

		if (poll(&p, 1, 20) > 0 && recv(fd, b, sizeof(b), 0) > 0)
			n++;
	}
	printf("%u\n", n);
	return 0;
}

static int
knock(const char *host, const char *port, const char *here)
{
	struct sockaddr_storage a;
	socklen_t len = address(host, port, &a);
	struct sockaddr_in6 me = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)atoi(here)) };
	struct sockaddr_in me4 = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(here)) };
	int fd = socket(a.ss_family, SOCK_DGRAM, 0);

	if (a.ss_family == AF_INET ? bind(fd, (void *)&me4, sizeof(me4)) < 0
				   : bind(fd, (void *)&me, sizeof(me)) < 0)
		die("bind");
	if (sendto(fd, "knock", 5, 0, (void *)&a, len) != 5)
		die("send");
	return 0;
}

static int
ping(const char *host)
{
	struct sockaddr_storage a;
	socklen_t len = address(host, "0", &a);

	printf("%s\n", said(peer_ping((const void *)&a, len)));
	return 0;
}

static int
slowest(int n, const char *host, const char *port)
{
	const char *what = NULL;
	double most = 0;

	for (int i = 0; i < n; i++) {
		double t0 = now();
		int fd;
		const char *this = said(try_connect(host, port, &fd));

		if (now() - t0 > most)
			most = now() - t0;
		if (what == NULL)
			what = this;
		if (strcmp(what, this) != 0)
			what = "not always the same";
		close(fd);
	}
	printf("%s %d\n", what == NULL ? "none" : what, (int)(most * 1000));
	return 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "serve") == 0)
		serve();
	if (strcmp(what, "tcp") == 0 && argc == 4)
		return tcp(argv[2], argv[3]);
	if (strcmp(what, "udp") == 0 && argc >= 4)
		return udp(NULL, argv[2], argv[3],
		    argc > 4 ? (size_t)atoi(argv[4]) : 16);
	if (strcmp(what, "from") == 0 && argc == 5)
		return udp(argv[2], argv[3], argv[4], 16);
	if (strcmp(what, "hold") == 0 && argc == 5)
		return hold(strcmp(argv[2], "tcp") == 0, argv[3], argv[4]);
	if (strcmp(what, "stream") == 0 && argc == 5)
		return stream(argv[2], argv[3], atof(argv[4]));
	if (strcmp(what, "hear") == 0 && argc == 4)
		return hear(argv[2], atof(argv[3]) / 1000);
	if (strcmp(what, "knock") == 0 && argc == 5)
		return knock(argv[2], argv[3], argv[4]);
	if (strcmp(what, "ping") == 0 && argc == 3)
		return ping(argv[2]);
	if (strcmp(what, "slowest") == 0 && argc == 5)
		return slowest(atoi(argv[2]), argv[3], argv[4]);
	fprintf(stderr, "peer: see the top of peer.c\n");
	return 2;
}
