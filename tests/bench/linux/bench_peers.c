/*
 * bench_peers.c - what we are measured against, as bare as it can be: one
 * process, one thread, epoll.
 *
 *	bench_peers http PORT		answers every GET with 700 bytes of JSON
 *	bench_peers ws PORT		echoes short frames of WebSockets
 *	bench_peers store PORT FILE	POST writes the body to FILE, GET sends
 *it bench_peers splice PORT TO	passes bytes on to 127.0.0.1:TO by splice(2)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BODY_BYTES 700

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(2);
}

static int
listen_on(const char *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&a, sizeof(a)) < 0 || listen(fd, 1024) < 0)
		die("listen");
	puts("ready");
	fflush(stdout);
	return fd;
}

static void
no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* --- http: the API's peer -------------------------------------------------*/

static void
answer_all(int fd, const char *answer, size_t n)
{
	char in[16384];
	ssize_t got = read(fd, in, sizeof(in) - 1);
	char *p = in;

	if (got <= 0) {
		if (got == 0 || errno != EAGAIN)
			close(fd);
		return;
	}
	in[got] = '\0';
	while ((p = strstr(p, "\r\n\r\n")) != NULL) {
		p += 4;
		if (write(fd, answer, n) < 0)
			return;
	}
}

static void __attribute__((noreturn)) serve_http(const char *port)
{
	char answer[BODY_BYTES + 200], body[BODY_BYTES + 1];
	struct epoll_event ev = { .events = EPOLLIN }, got[256];
	int ls = listen_on(port), ep = epoll_create1(0), n;

	memset(body, 'x', BODY_BYTES);
	body[BODY_BYTES] = '\0';
	n = snprintf(answer, sizeof(answer),
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	    "Content-Length: %d\r\n\r\n%s",
	    BODY_BYTES, body);
	ev.data.fd = ls;
	epoll_ctl(ep, EPOLL_CTL_ADD, ls, &ev);
	for (;;) {
		int k = epoll_wait(ep, got, 256, -1);

		for (int i = 0; i < k; i++) {
			int fd = got[i].data.fd;

			if (fd != ls) {
				answer_all(fd, answer, (size_t)n);
				continue;
			}
			fd = accept4(
			    ls, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fd < 0)
				continue;
			no_delay(fd);
			ev.data.fd = fd;
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		}
	}
}

/* --- store: what stands behind the bare proxy ------------------------------*/

static size_t
head_of(int fd, char *head, size_t cap, size_t *have)
{
	*have = 0;
	for (;;) {
		ssize_t n = read(fd, head + *have, cap - 1 - *have);
		char *end;

		if (n <= 0)
			return 0;
		*have += (size_t)n;
		head[*have] = '\0';
		end = strstr(head, "\r\n\r\n");
		if (end != NULL)
			return (size_t)(end - head) + 4;
	}
}

static bool
store_body(int fd, const char *path, long left, const char *first, size_t n)
{
	static char piece[65536];
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (out < 0 || write(out, first, n) < 0)
		die(path);
	left -= (long)n;
	while (left > 0) {
		ssize_t got = read(fd, piece, sizeof(piece));

		if (got <= 0 || write(out, piece, (size_t)got) != got)
			break;
		left -= got;
	}
	close(out);
	return left == 0 &&
	       dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]") >
		   0;
}

static bool
send_back(int fd, const char *path)
{
	int in = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	off_t off = 0;

	if (in < 0 || fstat(in, &st) < 0)
		die(path);
	dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
	    (long long)st.st_size);
	while (off < st.st_size)
		if (sendfile(fd, in, &off, (size_t)(st.st_size - off)) <= 0)
			break;
	close(in);
	return off == st.st_size;
}

static void __attribute__((noreturn))
serve_store(const char *port, const char *path)
{
	int ls = listen_on(port);

	for (;;) {
		int fd = accept4(ls, NULL, NULL, SOCK_CLOEXEC);
		char head[8192], *len;
		size_t n, have;

		while ((n = head_of(fd, head, sizeof(head), &have)) > 0) {
			bool ok;

			len = strcasestr(head, "content-length:");
			ok = strncmp(head, "POST", 4) == 0 && len != NULL
				 ? store_body(fd, path, atol(len + 15),
				       head + n, have - n)
				 : send_back(fd, path);
			if (!ok)
				break;
		}
		close(fd);
	}
}

/* --- splice: the proxy that looks at nothing -------------------------------*/

struct half {
	int from, to, pipe[2];
	size_t held;
	bool eof;
};

/* Moves what can be moved; false when this direction is over. */
static bool
move(struct half *h)
{
	for (;;) {
		ssize_t n;

		if (h->held == 0 && !h->eof) {
			n = splice(h->from, NULL, h->pipe[1], NULL, 1 << 20,
			    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n < 0 && errno == EAGAIN)
				return true;
			if (n <= 0)
				h->eof = true;
			else
				h->held = (size_t)n;
		}
		if (h->held == 0) {
			shutdown(h->to, SHUT_WR);
			return false;
		}
		n = splice(h->pipe[0], NULL, h->to, NULL, h->held,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0)
			return errno == EAGAIN;
		h->held -= (size_t)n;
	}
}

static int
dial(const char *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (void *)&a, sizeof(a)) < 0)
		die("connect");
	no_delay(fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void
pass_on(int client, const char *to)
{
	int server = dial(to), ep = epoll_create1(0), open_halves = 2;
	struct half h[2] = { { client, server, { 0, 0 }, 0, false },
		{ server, client, { 0, 0 }, 0, false } };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	bool live[2] = { true, true };

	for (int i = 0; i < 2; i++) {
		if (pipe2(h[i].pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			die("pipe");
		fcntl(h[i].pipe[0], F_SETPIPE_SZ, 1 << 20);
		ev.data.fd = h[i].from;
		epoll_ctl(ep, EPOLL_CTL_ADD, h[i].from, &ev);
	}
	while (open_halves > 0) {
		struct epoll_event got[4];

		epoll_wait(ep, got, 4, -1);
		for (int i = 0; i < 2; i++)
			if (live[i] && !move(&h[i])) {
				live[i] = false;
				open_halves--;
			}
	}
	for (int i = 0; i < 2; i++) {
		close(h[i].pipe[0]);
		close(h[i].pipe[1]);
	}
	close(server);
	close(client);
	close(ep);
}

static void __attribute__((noreturn))
serve_splice(const char *port, const char *to)
{
	int ls = listen_on(port);

	for (;;) {
		int fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		no_delay(fd);
		pass_on(fd, to);
	}
}

/* --- ws: an echo, for clients with the key of RFC 6455's example -----------*/

static void __attribute__((noreturn)) echo_frames(int fd)
{
	unsigned char f[2 + 4 + 125];
	char head[8192];
	size_t have;

	if (head_of(fd, head, sizeof(head), &have) == 0 ||
	    dprintf(fd,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Accept: "
		"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n") < 0)
		_exit(1);
	while (recv(fd, f, 6, MSG_WAITALL) == 6) {
		size_t n = f[1] & 0x7f;

		if (n > 125 || recv(fd, f + 6, n, MSG_WAITALL) != (ssize_t)n)
			break;
		for (size_t i = 0; i < n; i++)
			f[6 + i] ^= f[2 + i % 4];
		f[5] = (unsigned char)n;
		f[4] = f[0];
		if (send(fd, f + 4, n + 2, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static void __attribute__((noreturn)) serve_ws(const char *port)
{
	int ls = listen_on(port);

	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept4(ls, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		no_delay(fd);
		if (fork() == 0)
			echo_frames(fd);
		close(fd);
	}
}

/* --- spawn: what a sandbox costs without a server
 * ---------------------------*/

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double
first_output(char **argv)
{
	double t0 = now_ms(), took;
	char text[64];
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		die("pipe");
	pid = vfork();
	if (pid == 0) {
		dup2(p[1], STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(p[1]);
	if (read(p[0], text, sizeof(text)) <= 0)
		die(argv[0]);
	took = now_ms() - t0;
	(void)waitpid(pid, NULL, 0);
	close(p[0]);
	return took;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int
spawn(int n, char **argv)
{
	double *v = calloc((size_t)n, sizeof(*v));

	if (v == NULL)
		die("memory");
	for (int i = 0; i < n; i++)
		v[i] = first_output(argv);
	qsort(v, (size_t)n, sizeof(*v), by_value);
	printf("%.4f %.4f\n", v[n / 2], v[n * 99 / 100]);
	free(v);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "spawn") == 0 && atoi(argv[2]) > 0)
		return spawn(atoi(argv[2]), argv + 3);
	if (argc == 3 && strcmp(argv[1], "http") == 0)
		serve_http(argv[2]);
	if (argc == 3 && strcmp(argv[1], "ws") == 0)
		serve_ws(argv[2]);
	if (argc == 4 && strcmp(argv[1], "store") == 0)
		serve_store(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "splice") == 0)
		serve_splice(argv[2], argv[3]);
	fprintf(stderr,
	    "usage: bench_peers http PORT | ws PORT | store PORT FILE | "
	    "splice PORT TO | spawn N PROGRAM...\n");
	return 2;
}
