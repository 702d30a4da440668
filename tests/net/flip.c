/*
 * flip - row C16: flows open all the time while the policy flips a thousand
 * times; no packet to a denied address later than 5 ms after a tightening
 * returned.
 *
 *	flip PRIVD CONF SANDBOX_NS INTERNET_NS INTERFACE TIMES
 *
 * Runs on the host.  Slot 1 is open to 1.1.1.1 for a while, then closed to it;
 * all the while another process opens flows there, TCP and UDP, and keeps old
 * ones talking.  What arrives at the internet's INTERFACE is timed there by the
 * kernel.  Prints numbers; ends with 1 if a packet came too late.
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

#include "../lib/rulesclient.h"

#define GRACE_NS    5000000
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
	volatile int stop;
};

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
		(void)connect(*fd, (void *)&to, sizeof(to));
		(void)send(*fd, "x", 1, MSG_NOSIGNAL);
		if (fds[older] >= 0)
			(void)send(fds[older], "y", 1, MSG_NOSIGNAL);
		sh->opened++;
		if (i % 4 == 0)
			usleep(500);
	}
	exit(0);
}

/* --- what arrives
 * --------------------------------------------------------------- */

struct seen {
	uint64_t *at;
	size_t n;
};

static int
listen_to(const char *ifname)
{
	struct sock_filter code[] = {
		/* IPv4 to 1.1.1.1, as it comes in */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    (unsigned)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x01010101, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 64),
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
	char data[128], control[128];
	struct iovec iov = { data, sizeof(data) };

	for (;;) {
		struct msghdr m = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		struct cmsghdr *c;
		struct timespec t;

		if (recvmsg(fd, &m, MSG_DONTWAIT) < 0)
			return;
		for (c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_SOCKET &&
			    c->cmsg_type == SCM_TIMESTAMPNS &&
			    s->n < PACKETS_MAX) {
				memcpy(&t, CMSG_DATA(c), sizeof(t));
				s->at[s->n++] =
				    (uint64_t)t.tv_sec * 1000000000u +
				    (uint64_t)t.tv_nsec;
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

static int
judge(const struct flip *f, size_t nf, const struct seen *s)
{
	size_t late = 0, k = 0, in_time = 0;
	uint64_t worst = 0;

	for (size_t i = 0; i < s->n; i++) {
		while (k < nf && f[k].open <= s->at[i])
			k++;
		/* f[k] is the first that opens after the packet. */
		if (k == nf || s->at[i] < f[k].closed) {
			in_time++;
			continue;
		}
		if (s->at[i] - f[k].closed > worst)
			worst = s->at[i] - f[k].closed;
		if (s->at[i] > f[k].closed + GRACE_NS)
			late++;
	}
	printf("flips=%zu packets=%zu while_open=%zu late=%zu worst_us=%llu\n",
	    nf, s->n, in_time, late, (unsigned long long)worst / 1000);
	/* Without packets while it was open, nothing has been shown. */
	return late > 0 || in_time < 1000;
}

int
main(int argc, char **argv)
{
	static struct rc_policy open_policy, shut_policy;
	struct seen s = { .at = calloc(PACKETS_MAX, sizeof(uint64_t)) };
	struct flip *f;
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rules_reply hello;
	struct rc c;
	size_t times;
	int fd, here;
	uint32_t gen;
	pid_t pid;

	if (argc != 7 || s.at == NULL || sh == MAP_FAILED)
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
	rc_word(&shut_policy, "+8.8.8.8/32");
	rc_word(&shut_policy, "-1.1.1.1/32");

	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	enter(argv[4]);
	fd = listen_to(argv[5]);
	if (setns(here, CLONE_NEWNET) < 0)
		die("back");
	(void)rc_apply(&c, 1, gen++, true, &open_policy);
	pid = fork();
	if (pid == 0) {
		enter(argv[3]);
		open_flows(sh);
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
	collect(fd, &s);
	printf("flows=%llu ", (unsigned long long)sh->opened);
	(void)rc_stop(&c);
	return judge(f, times, &s) || sh->opened < 1500;
}
