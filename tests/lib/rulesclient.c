#include "rulesclient.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <netinet/in.h>

#include "io/seqpkt.h"

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "rules client: %s: %s\n", what, strerror(errno));
	exit(2);
}

void
rc_start(struct rc *c, const char *bin, const char *conf)
{
	struct err e;
	int fd[2];

	*c = (struct rc){ .fd = -1 };
	if (seqpkt_pair(fd, &e) < 0)
		die(e.msg);
	c->pid = fork();
	if (c->pid < 0)
		die("fork");
	if (c->pid == 0) {
		char env[32];

		(void)snprintf(env, sizeof(env), "rules=%d", fd[1]);
		(void)setenv("COPPICE_FDS", env, 1);
		(void)fcntl(fd[1], F_SETFD, 0);
		if (conf != NULL)
			execl(bin, bin, "rules", "-f", conf, (char *)NULL);
		else
			execl(bin, bin, "rules", (char *)NULL);
		die(bin);
	}
	(void)close(fd[1]);
	c->fd = fd[0];
}

int
rc_stop(struct rc *c)
{
	int status = 0;

	(void)kill(c->pid, SIGTERM);
	if (waitpid(c->pid, &status, 0) < 0)
		die("wait");
	(void)close(c->fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void
rc_raw(struct rc *c, const void *msg, size_t len, int fd)
{
	struct err e;

	if (seqpkt_send(c->fd, msg, len, &fd, fd >= 0, &e) != 0)
		die("send");
}

/* One message into *h and *r: 1, 0 when none came in time, -1 at the end. */
static int
take(struct rc *c, int ms, struct rules_hdr *h, struct rules_reply *r)
{
	struct __attribute__((packed)) {
		struct rules_hdr h;
		struct rules_reply r;
	} m;
	struct pollfd p = { c->fd, POLLIN, 0 };
	int fds[SEQPKT_FDS_MAX];
	size_t nfds;
	struct err e;
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return 0;
	n = seqpkt_recv(c->fd, &m, sizeof(m), fds, &nfds, &e);
	if (n <= 0)
		return -1;
	if ((size_t)n < sizeof(m.h))
		die("short message");
	*h = m.h;
	if (h->type == RULES_EV_LOST && h->seq == 0) {
		c->nlost++;
		return 1;
	}
	if (h->type == RULES_EV_SITE && h->seq == 0) {
		c->nsite++;
		return 1;
	}
	if ((size_t)n != sizeof(m) || m.h.len != sizeof(m.r) ||
	    m.r.seq != m.h.seq)
		die("a reply that is none");
	*r = m.r;
	return 1;
}

struct rules_reply
rc_ask(struct rc *c, uint16_t type, const void *body, size_t len, int fd)
{
	static char msg[sizeof(struct rules_hdr) + sizeof(struct rules_apply) +
			RULES_INLINE_MAX];
	struct rules_hdr h = { .type = type, .len = (uint32_t)len };
	struct rules_reply r = { 0 };
	struct err e;

	h.seq = ++c->seq;
	memcpy(msg, &h, sizeof(h));
	if (len > 0)
		memcpy(msg + sizeof(h), body, len);
	if (seqpkt_send(c->fd, msg, sizeof(h) + len, &fd, fd >= 0, &e) != 0)
		die("send");
	do
		if (take(c, 30000, &h, &r) <= 0)
			die("no answer");
	while (h.seq != c->seq);
	return r;
}

void
rc_events(struct rc *c, int ms)
{
	struct rules_hdr h;
	struct rules_reply r;

	while (take(c, ms, &h, &r) > 0)
		ms = 0;
}

struct rules_reply
rc_slots(struct rc *c, uint32_t first, uint32_t n)
{
	struct rules_slots b = { first, n };

	return rc_ask(c, RULES_SLOTS, &b, sizeof(b), -1);
}

struct rules_reply
rc_clear(struct rc *c, uint32_t slot)
{
	struct rules_clear b = { slot };

	return rc_ask(c, RULES_CLEAR, &b, sizeof(b), -1);
}

struct rules_reply
rc_prepare(struct rc *c, uint32_t slot)
{
	struct rules_clear b = { slot };

	return rc_ask(c, RULES_PREPARE, &b, sizeof(b), -1);
}

struct rules_reply
rc_state(struct rc *c, uint32_t slot)
{
	struct rules_clear b = { slot };

	return rc_ask(c, RULES_STATE, &b, sizeof(b), -1);
}

static int
sealed(const void *data, size_t len)
{
	int fd = memfd_create("entries", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		die("memory file");
	return fd;
}

struct rules_reply
rc_apply(struct rc *c, uint32_t slot, uint32_t gen, bool birth,
    const struct rc_policy *p)
{
	static char body[sizeof(struct rules_apply) + RULES_INLINE_MAX];
	struct rules_apply a = {
		.slot = slot,
		.gen = gen,
		.birth = birth,
		.nallow = p->nallow,
		.ndeny = p->ndeny,
		.nports = p->nports,
		.deny_all = p->deny_all,
		.no_internet = p->no_internet,
	};
	const size_t nv = ((size_t)p->nallow + p->ndeny) * sizeof(p->v[0]);
	const size_t nports = p->nports * sizeof(p->ports[0]);
	static char list[sizeof(p->v) + sizeof(p->ports)];
	struct rules_reply r;
	int fd = -1;

	memcpy(list, p->v, nv);
	memcpy(list + nv, p->ports, nports);
	a.in_memfd = nv + nports > RULES_INLINE_MAX;
	memcpy(body, &a, sizeof(a));
	if (a.in_memfd)
		fd = sealed(list, nv + nports);
	else
		memcpy(body + sizeof(a), list, nv + nports);
	r = rc_ask(
	    c, RULES_APPLY, body, sizeof(a) + (fd < 0 ? nv + nports : 0), fd);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static void __attribute__((noreturn)) bad_word(const char *word)
{
	fprintf(stderr, "rules client: \"%s\"\n", word);
	exit(2);
}

static bool
take_port(struct rc_policy *p, const char *word)
{
	const bool tcp = strncmp(word + 1, "tcp/", 4) == 0;
	struct rules_port *v = &p->ports[p->nports];
	unsigned lo, hi;

	if (!tcp && strncmp(word + 1, "udp/", 4) != 0)
		return false;
	switch (sscanf(word + 5, "%u-%u", &lo, &hi)) {
	case 1:
		hi = lo;
		break;
	case 2:
		break;
	default:
		bad_word(word);
	}
	if (p->nports >= RC_PORTS_MAX)
		bad_word(word);
	*v = (struct rules_port){ .lo = (uint16_t)lo,
		.hi = (uint16_t)hi,
		.proto = tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.deny = word[0] == '-',
		.item = p->nports++ };
	return true;
}

void
rc_policy_clear(struct rc_policy *p)
{
	p->nallow = p->ndeny = p->nports = 0;
	p->deny_all = p->no_internet = false;
}

void
rc_word(struct rc_policy *p, const char *word)
{
	struct np_prefix x;
	struct rules_entry *v = &p->v[p->nallow + p->ndeny];

	if (strcmp(word, "deny-all") == 0) {
		p->deny_all = true;
		return;
	}
	if (strcmp(word, "no-internet") == 0) {
		p->no_internet = true;
		return;
	}
	if (word[0] != '+' && word[0] != '-')
		bad_word(word);
	if (take_port(p, word))
		return;
	if (np_prefix_parse(word + 1, &x) < 0 ||
	    p->nallow + p->ndeny >= RC_ENTRIES_MAX ||
	    (word[0] == '+' && p->ndeny > 0))
		bad_word(word);
	memset(v, 0, sizeof(*v));
	np_addr_bytes((struct np_addr){ x.addr, x.family }, v->addr);
	v->family = (uint8_t)x.family;
	v->len = x.len;
	v->item = word[0] == '+' ? p->nallow++ : p->ndeny++;
}
