/*
 * flip - row C16: flows open all the time while the policy flips a thousand
 * times; no packet to a denied address that was sent after a tightening had
 * returned.
 *
 *	flip PRIVD CONF SANDBOX_NS INTERNET_NS INTERFACE TIMES
 *	     [WORD... [/ WORD...]]
 *
 * Runs on the host.  Slot 1 is open to 1.1.1.1 for a while, then closed to it,
 * by those words if there are any; behind the / are those of the open policy;
 * all the while another process opens flows there, TCP and UDP, and keeps old
 * ones talking.  What arrives at the internet's INTERFACE is timed there by the
 * kernel, and tells when it was sent: data says so itself, and when a handshake
 * began is noted under its port.  A packet is late if it was sent after the
 * address had been closed and arrived before it was being opened; how long one
 * that had been judged stood in a queue is the machine's affair.  With words,
 * a third process opens flows that every policy allows, to port 9002.  Prints
 * numbers; ends with 1 if a packet was late or one of those flows was refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>

#include "tests/lib/rulesclient.h"

#define KEPT	    64 /* flows that go on talking */
#define FLIPS_MAX   100000
#define PACKETS_MAX 4000000

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "flip: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Wall time: that is what packets are stamped with. */
static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
enter(const char *ns)
{
	int fd = open(ns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(ns);
	close(fd);
}

/* --- what the sandbox does
 * ---------------------------------------------------- */

struct shared {
	volatile uint64_t opened;
	volatile uint64_t steady, broken; /* flows that all policies allow */
	volatile int stop;
	volatile uint64_t begun[65536]; /* connect(), by the port it got */
};

/* What every policy of the test allows, given words: never is it refused. */
#define STEADY_PORT 9002

static void __attribute__((noreturn)) open_steady(struct shared *sh)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(STEADY_PORT) };
	struct timeval t = { 2, 0 };
	char b[64];

	inet_pton(AF_INET, "1.1.1.1", &to.sin_addr);
	while (!sh->stop) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
		if (connect(fd, (void *)&to, sizeof(to)) < 0 ||
		    recv(fd, b, sizeof(b), 0) <= 0)
			sh->broken++;
		sh->steady++;
		close(fd);
	}
	exit(0);
}

static void
say_when(int fd)
{
	uint64_t t = now();

	(void)send(fd, &t, sizeof(t), MSG_NOSIGNAL);
}

static void
connect_noted(struct shared *sh, int fd, const struct sockaddr_in *to)
{
	struct sockaddr_in own = { .sin_port = 0 };
	socklen_t len = sizeof(own);
	uint64_t t = now();

	(void)connect(fd, (const void *)to, sizeof(*to));
	if (getsockname(fd, (void *)&own, &len) == 0)
		sh->begun[ntohs(own.sin_port)] = t;
}

static void
open_flows(struct shared *sh)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fds[KEPT];

	(void)signal(SIGPIPE, SIG_IGN);
	inet_pton(AF_INET, "1.1.1.1", &to.sin_addr);
	for (int i = 0; i < KEPT; i++)
		fds[i] = -1;
	for (unsigned i = 0; !sh->stop; i++) {
		int *fd = &fds[i % KEPT];
		unsigned older = (i * 7 + 3) % KEPT;

		if (*fd >= 0)
			close(*fd);
		to.sin_port = htons(i & 1 ? 80 : 7);
		*fd = socket(AF_INET,
		    (i & 1 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
		connect_noted(sh, *fd, &to);
		say_when(*fd);
		if (fds[older] >= 0)
			say_when(fds[older]);
		sh->opened++;
		if (i % 4 == 0)
			usleep(500);
	}
	exit(0);
}

/* --- what arrives
 * --------------------------------------------------------------- */

struct packet {
	uint64_t at, sent; /* sent: 0 unless it can be told */
	uint16_t syn_port;
};

struct seen {
	struct packet *v;
	size_t n;
};

/* A datagram's or a segment's own word, or the port of who asks to connect. */
static void
read_packet(const uint8_t *b, size_t len, struct packet *p)
{
	size_t at = (size_t)(b[0] & 15) * 4;

	if (len < at + 20)
		return;
	if (b[9] == IPPROTO_TCP && (b[at + 13] & 0x12) == 0x02)
		p->syn_port = (uint16_t)(b[at] << 8 | b[at + 1]);
	if (b[9] != IPPROTO_TCP && b[9] != IPPROTO_UDP)
		return;
	at += b[9] == IPPROTO_UDP ? 8 : (size_t)(b[at + 12] >> 4) * 4;
	if (len >= at + sizeof(p->sent))
		memcpy(&p->sent, b + at, sizeof(p->sent));
}

static int
listen_to(const char *ifname)
{
	struct sock_filter code[] = {
		/* IPv4 to 1.1.1.1, as it comes in */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    (unsigned)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x01010101, 0, 3),
		/* Not to a port that stays open */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 22),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STEADY_PORT, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 128),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP) };
	int fd =
	    socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, room = 256 * 1024 * 1024;

	a.sll_ifindex = (int)if_nametoindex(ifname);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (fd < 0 || a.sll_ifindex == 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) <
		0 ||
	    bind(fd, (void *)&a, sizeof(a)) < 0)
		die("packet socket");
	return fd;
}

static void
collect(int fd, struct seen *s)
{
	uint8_t data[128];
	char control[128];
	struct iovec iov = { data, sizeof(data) };

	for (;;) {
		struct msghdr m = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		struct cmsghdr *c;
		struct packet p = { .at = 0 };
		struct timespec t;
		ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

		if (n < 0)
			return;
		read_packet(data, (size_t)n, &p);
		for (c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_SOCKET &&
			    c->cmsg_type == SCM_TIMESTAMPNS &&
			    s->n < PACKETS_MAX) {
				memcpy(&t, CMSG_DATA(c), sizeof(t));
				p.at = (uint64_t)t.tv_sec * 1000000000u +
				       (uint64_t)t.tv_nsec;
				s->v[s->n++] = p;
			}
	}
}

/* --- flipping
 * ------------------------------------------------------------------- */

struct flip {
	uint64_t closed, open; /* when it had been closed; was being opened */
};

static void
apply(struct rc *c, uint32_t gen, const struct rc_policy *p)
{
	struct rules_reply r = rc_apply(c, 1, gen, false, p);

	if (r.rc < 0) {
		fprintf(stderr, "flip: %s\n", r.err.msg);
		exit(2);
	}
}

/* When it was sent: a port that was used again since tells nothing. */
static uint64_t
sent(const struct packet *p, const struct shared *sh)
{
	uint64_t begun = sh->begun[p->syn_port];

	if (p->syn_port != 0)
		return begun <= p->at ? begun : 0;
	return p->sent <= p->at ? p->sent : 0;
}

static int
judge(const struct flip *f, size_t nf, const struct seen *s,
    const struct shared *sh)
{
	size_t late = 0, k = 0, in_time = 0, told = 0;

	for (size_t i = 0; i < s->n; i++) {
		uint64_t t = sent(&s->v[i], sh);

		while (k < nf && f[k].open <= s->v[i].at)
			k++;
		told += t != 0;
		/* f[k] is the first that opens after the packet. */
		if (k == nf || t <= f[k].closed)
			in_time++;
		else
			late++;
	}
	printf("flips=%zu packets=%zu told=%zu in_time=%zu late=%zu\n", nf,
	    s->n, told, in_time, late);
	/* Without packets while it was open, nothing has been shown. */
	return late > 0 || in_time < 1000 || told < 1000;
}

int
main(int argc, char **argv)
{
	static struct rc_policy open_policy, shut_policy;
	struct seen s = { .v = calloc(PACKETS_MAX, sizeof(*s.v)) };
	struct flip *f;
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rc_policy *to = &shut_policy;
	struct rules_reply hello;
	struct rc c;
	size_t times;
	int fd, here;
	uint32_t gen;
	pid_t pid, steady;

	if (argc < 7 || s.v == NULL || sh == MAP_FAILED)
		die("usage, or memory");
	times = (size_t)atoi(argv[6]);
	f = calloc(times + 1, sizeof(*f));
	if (f == NULL || times > FLIPS_MAX)
		die("memory");
	rc_start(&c, argv[1], argv[2]);
	hello = rc_ask(&c, RULES_HELLO, NULL, 0, -1);
	gen = hello.max_gen + 1;
	if (hello.nslots < 1)
		(void)rc_slots(&c, 1, 8);
	if (argc == 7) {
		rc_word(&shut_policy, "+8.8.8.8/32");
		rc_word(&shut_policy, "-1.1.1.1/32");
	}
	for (int i = 7; i < argc; i++)
		if (strcmp(argv[i], "/") == 0)
			to = &open_policy;
		else
			rc_word(to, argv[i]);

	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	enter(argv[4]);
	fd = listen_to(argv[5]);
	if (setns(here, CLONE_NEWNET) < 0)
		die("back");
	(void)rc_apply(&c, 1, gen++, argc == 7, &open_policy);
	pid = fork();
	if (pid == 0) {
		enter(argv[3]);
		open_flows(sh);
	}
	steady = argc > 7 ? fork() : -1;
	if (steady == 0) {
		enter(argv[3]);
		open_steady(sh);
	}
	usleep(100000);
	for (size_t i = 0; i < times; i++) {
		apply(&c, gen++, &shut_policy);
		f[i].closed = now();
		usleep(i % 20 == 0 ? 12000 : 1500 + (useconds_t)(i % 7) * 700);
		f[i].open = now();
		apply(&c, gen++, &open_policy);
		collect(fd, &s);
		usleep(1000 + (useconds_t)(i % 5) * 400);
		collect(fd, &s);
	}
	sh->stop = 1;
	(void)waitpid(pid, NULL, 0);
	if (steady > 0)
		(void)waitpid(steady, NULL, 0);
	collect(fd, &s);
	printf("flows=%llu steady=%llu broken=%llu ",
	    (unsigned long long)sh->opened, (unsigned long long)sh->steady,
	    (unsigned long long)sh->broken);
	(void)rc_stop(&c);
	return judge(f, times, &s, sh) || sh->opened < 1500 || sh->broken > 0 ||
	       (steady > 0 && sh->steady < 100);
}
