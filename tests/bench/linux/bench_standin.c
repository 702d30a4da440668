/*
 * bench_standin.c - stands before `coppice-privd`, so that thousands of
 * tenants can be had without their processes.
 *
 * Installed under privd's name, the true one in `true/` beside it.  `rules` is
 * executed as it is: chains, sets and policies are all there, made by the
 * product.  With `spawn` it stays between apid and the true one: one slot of
 * SHARE is passed on and gets its namespaces, its link and its processes; of
 * the others it says that they stand, and an /init that answers everybody
 * plays envd.
 *
 * Thousands of real ones would do as well, but for one thing: every memory
 * control group of the machine grows with the mounts that were ever there at
 * the same time, and only a reboot shrinks it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/priv/spawn_msg.h"
#include "io/child.h"
#include "io/seqpkt.h"

enum {
	SHARE = 32,
	MINE = 1u << 31, /* in a seq: the answer is nobody else's business */
};

struct standin {
	struct loop *loop;
	struct seqpkt apid, privd;
	struct loop_signal term, child;
	pid_t pid;
	uint32_t seq;
	int rc;
};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "bench_standin: %s: %s\n", what, strerror(errno));
	exit(2);
}

static bool
is_real(uint32_t slot)
{
	return slot % SHARE == 1;
}

static void
post(struct seqpkt *to, const struct spawn_hdr *h, const void *body, int *fds,
    size_t nfds)
{
	char msg[sizeof(*h) + sizeof(struct spawn_reply)];
	struct err e;

	memcpy(msg, h, sizeof(*h));
	memcpy(msg + sizeof(*h), body, h->len);
	if (to->io.fd >= 0 &&
	    seqpkt_post(to, msg, sizeof(*h) + h->len, fds, nfds, &e) < 0)
		die(e.msg);
}

/* --- the tenants that are not there ----------------------------------------*/

static void
stand_up(struct standin *s, const void *body)
{
	struct spawn_slots q;

	memcpy(&q, body, sizeof(q));
	for (uint32_t i = q.first; i < q.first + q.n; i++) {
		struct spawn_slot_ev ev = { .ref = { i, q.incarnation } };
		struct spawn_slots one = { i, 1, q.incarnation };
		struct spawn_hdr h = { .type = SPAWN_EV_SLOT,
			.len = sizeof(ev) };

		if (!is_real(i)) {
			post(&s->apid, &h, &ev, NULL, 0);
			continue;
		}
		h.type = SPAWN_SLOTS;
		h.len = sizeof(one);
		h.seq = MINE | ++s->seq;
		post(&s->privd, &h, &one, NULL, 0);
	}
}

/* In our namespace, where play_envd() listens. */
static int
new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void
pretend(struct standin *s, const struct spawn_hdr *q, const void *body)
{
	struct spawn_reply r = { .seq = q->seq };
	struct spawn_hdr h = {
		.type = q->type, .len = sizeof(r), .seq = q->seq
	};
	struct spawn_sock sock = { .n = 1 };
	int fds[8];
	size_t nfds = 0;

	if (q->type == SPAWN_SOCK)
		memcpy(&sock, body, sizeof(sock));
	if (q->type == SPAWN_SOCK || q->type == SPAWN_CREATE)
		while (nfds < sock.n && nfds < countof(fds))
			fds[nfds++] = new_socket();
	if (q->type == SPAWN_STATS)
		r.stats = (struct spawn_stats){ .mem_used = 1 << 20,
			.mem_total = 512 << 20,
			.disk_total = 1024 << 20,
			.pids = 1 };
	post(&s->apid, &h, &r, fds, nfds);
	if (q->type == SPAWN_SLOTS)
		stand_up(s, body);
}

/* --- between apid and privd ------------------------------------------------*/

static bool
for_nobody(const struct spawn_hdr *h, const void *body)
{
	uint32_t slot; /* in front of all that speak of one */

	switch (h->type) {
	case SPAWN_HELLO:
	case SPAWN_DISCARD:
		return false;
	case SPAWN_SLOTS:
		return true;
	default:
		memcpy(&slot, body, sizeof(slot));
		return !is_real(slot);
	}
}

static void
on_apid(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct standin *s = container_of(c, struct standin, apid);
	const char *body = (const char *)msg + sizeof(struct spawn_hdr);
	struct spawn_hdr h;
	struct err e;

	memcpy(&h, msg, sizeof(h));
	if (for_nobody(&h, body))
		pretend(s, &h, body);
	else if (s->privd.io.fd >= 0 &&
		 seqpkt_post(&s->privd, msg, len, fds, nfds, &e) < 0)
		die(e.msg);
}

static void
on_privd(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct standin *s = container_of(c, struct standin, privd);
	struct spawn_reply r;
	struct spawn_hdr h;
	struct err e;

	memcpy(&h, msg, sizeof(h));
	if ((h.seq & MINE) != 0) {
		memcpy(&r, (const char *)msg + sizeof(h), sizeof(r));
		if (r.rc < 0)
			die(r.err.msg);
	} else if (s->apid.io.fd >= 0 &&
		   seqpkt_post(&s->apid, msg, len, fds, nfds, &e) < 0) {
		die(e.msg);
	}
}

static void
on_apid_gone(struct seqpkt *c)
{
	seqpkt_close(&container_of(c, struct standin, apid)->privd);
}

static void
on_privd_gone(struct seqpkt *c)
{
	seqpkt_close(&container_of(c, struct standin, privd)->apid);
}

static void
on_term(struct loop_signal *w, int signo)
{
	(void)kill(container_of(w, struct standin, term)->pid, signo);
}

static void
on_child(struct loop_signal *w, int signo)
{
	struct standin *s = container_of(w, struct standin, child);
	int status;

	(void)signo;
	if (waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	s->rc = status == 0 ? 0 : 1;
	loop_stop(s->loop);
}

/* --- envd, as far as apid asks it ------------------------------------------*/

static void
answer_one(int fd)
{
	static const char ok[] =
	    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";
	char in[65536], *end = NULL, *len;
	size_t have = 0, want = 0;

	while (end == NULL || have < want) {
		ssize_t n = read(fd, in + have, sizeof(in) - 1 - have);

		if (n <= 0)
			return;
		have += (size_t)n;
		in[have] = '\0';
		end = strstr(in, "\r\n\r\n");
		len = strcasestr(in, "\r\ncontent-length:");
		if (end != NULL)
			want = (size_t)(end - in) + 4 +
			       (len != NULL ? (size_t)atol(len + 17) : 0);
	}
	if (write(fd, ok, sizeof(ok) - 1) < 0)
		return;
}

static void
play_envd(int spawn, int sock)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(SPAWN_ENVD_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int ls = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	pid_t parent = getpid();

	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(ls, (void *)&a, sizeof(a)) < 0 || listen(ls, 1024) < 0)
		die("listen");
	if (fork() != 0) {
		(void)close(ls);
		return;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Whoever closes the other end must be noticed. */
	(void)close(spawn);
	(void)close(sock);
	while (getppid() == parent) {
		int fd = accept4(ls, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		answer_one(fd);
		(void)close(fd);
	}
	_exit(0);
}

/* --- starting --------------------------------------------------------------*/

static void __attribute__((noreturn))
become(const char *true_one, char **argv, int spawn, int sock)
{
	char env[64];

	(void)snprintf(env, sizeof(env), "spawn=%d,sock=%d", spawn, sock);
	if (spawn >= 0 &&
	    (setenv("COPPICE_FDS", env, 1) < 0 ||
		fcntl(spawn, F_SETFD, 0) < 0 || fcntl(sock, F_SETFD, 0) < 0))
		die("descriptors");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execv(true_one, argv);
	die(true_one);
}

static void
start(struct standin *s, const char *true_one, char **argv)
{
	int spawn = child_fd("spawn"), sock = child_fd("sock"), fd[2];
	struct err e;

	if (spawn < 0 || sock < 0)
		die("channels");
	play_envd(spawn, sock);
	if (seqpkt_pair(fd, &e) < 0)
		die(e.msg);
	s->pid = fork();
	if (s->pid < 0)
		die("fork");
	if (s->pid == 0)
		become(true_one, argv, fd[1], sock);
	(void)close(fd[1]);
	(void)close(sock);
	s->loop = loop_new(&e);
	if (s->loop == NULL)
		die(e.msg);
	s->apid.on_msg = on_apid;
	s->apid.on_close = on_apid_gone;
	s->privd.on_msg = on_privd;
	s->privd.on_close = on_privd_gone;
	seqpkt_open(s->loop, &s->apid, spawn);
	seqpkt_open(s->loop, &s->privd, fd[0]);
	s->term.on_signal = on_term;
	s->child.on_signal = on_child;
	loop_signal_start(s->loop, &s->term, SIGTERM);
	loop_signal_start(s->loop, &s->child, SIGCHLD);
}

int
main(int argc, char **argv)
{
	static struct standin s;
	char self[PATH_MAX], true_one[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		die("where this program is");
	self[n] = '\0';
	(void)snprintf(
	    true_one, sizeof(true_one), "%s/true/coppice-privd", dirname(self));
	if (argc < 2 || strcmp(argv[1], "spawn") != 0)
		become(true_one, argv, -1, -1);
	start(&s, true_one, argv);
	loop_run(s.loop);
	return s.rc;
}
