/*
 * bench_put - from a policy's record to its being enforced, beside `nft -f`.
 *
 *	bench_put PRIVD [CONF]
 *
 * Needs root and nothing else: it works in network namespaces of its own.  For
 * 1 and 1,000 slots and policies of 10 and 100 entries, the newest slot's
 * policy is replaced again and again.  The time of one is from writing the
 * record until the answer is there; a datagram of the sandbox's then shows, in
 * the first rounds, that the policy holds.  The peer does the same change to
 * the same table with a file and `nft -f`.  CONF must allow 1,000 sandboxes.
 *
 * Prints a JSON line for each: name, value and peer in ms (medians), ratio,
 * n, p99.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lib/rulesclient.h"

enum { ROUNDS = 300, PEER_ROUNDS = 15, CHECKED = 20, SLOTS_MAX = 1000 };

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "bench_put: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void PRINTF(1, 2) run(const char *fmt, ...)
{
	char cmd[1024];
	int status = 0;
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		die(cmd);
}

/* --- a world of one sandbox and one destination
 * -------------------------------- */

static int host_ns, sandbox_ns;
static pid_t helpers[8]; /* they hold the namespaces, and echo */
static size_t nhelpers;
static uint32_t slot; /* whose link there is */

static pid_t
new_namespace(void)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	helpers[nhelpers++] = pid;
	if (read(ready[0], &c, 1) != 1)
		die("namespace");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static int
namespace_of(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static void
make_link(uint32_t n, pid_t pid)
{
	unsigned even = 2 * n, odd = even + 1;

	slot = n;
	run("ip link add cop%u group 1919 address 02:c0:71:00:%02x:%02x type "
	    "veth peer name eth0 netns %d address 02:c0:70:00:%02x:%02x",
	    n, n >> 8, n & 255, (int)pid, n >> 8, n & 255);
	run("ip addr add 10.78.%u.%u peer 10.78.%u.%u dev cop%u && ip link set "
	    "cop%u up && echo 1 >/proc/sys/net/ipv4/conf/cop%u/forwarding",
	    even >> 8, even & 255, odd >> 8, odd & 255, n, n, n);
	run("nsenter -t %d -n sh -c 'ip addr add 10.78.%u.%u/31 dev eth0 && ip "
	    "link set eth0 up && ip route add default via 10.78.%u.%u'",
	    (int)pid, odd >> 8, odd & 255, even >> 8, even & 255);
}

/* A datagram from inside: 1 it went out, 0 it was refused at once. */
static int
passes(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7) };
	struct timeval t = { 2, 0 };
	char b[16];
	int fd, rc;

	inet_pton(AF_INET, address, &a.sin_addr);
	if (setns(sandbox_ns, CLONE_NEWNET) < 0)
		die("setns");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (setns(host_ns, CLONE_NEWNET) < 0)
		die("setns");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	if (connect(fd, (void *)&a, sizeof(a)) < 0 || send(fd, "?", 1, 0) != 1)
		die("send");
	rc = recv(fd, b, sizeof(b), 0) > 0;
	close(fd);
	return rc;
}

static void
echo_for_ever(pid_t inet)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7) };
	struct sockaddr_in from;
	socklen_t len;
	char b[64];
	int fd, ns = namespace_of(inet);

	pid_t pid = fork();

	if (pid != 0) {
		helpers[nhelpers++] = pid;
		close(ns);
		return;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(ns, CLONE_NEWNET) < 0)
		die("setns");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, "1.1.1.1", &a.sin_addr);
	if (bind(fd, (void *)&a, sizeof(a)) < 0)
		die("bind");
	for (;;) {
		ssize_t n;

		len = sizeof(from);
		n = recvfrom(fd, b, sizeof(b), 0, (void *)&from, &len);
		if (n > 0)
			(void)sendto(fd, b, (size_t)n, 0, (void *)&from, len);
	}
}

static void
world(void)
{
	pid_t sandbox, inet;

	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	host_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sandbox = new_namespace();
	inet = new_namespace();
	sandbox_ns = namespace_of(sandbox);
	run("echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; ip link set lo up");
	run("ip link add up0 type veth peer name in0 netns %d", (int)inet);
	run("ip addr add 192.0.2.2/30 dev up0 && ip link set up0 up");
	run("nsenter -t %d -n sh -c 'ip addr add 192.0.2.1/30 dev in0; ip link "
	    "set in0 up; ip link set lo up; ip addr add 1.1.1.1/32 dev lo'",
	    (int)inet);
	run("ip route add default via 192.0.2.1 && "
	    "echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding");
	make_link(1, sandbox);
	echo_for_ever(inet);
}

/* --- measuring
 * ------------------------------------------------------------------ */

/* Entry i of variant v; the two variants of a policy share none. */
static unsigned
third_byte(unsigned i, unsigned v)
{
	return i * 2 + v;
}

/* Variant 0 allows 1.1.1.1 and n - 1 networks, variant 1 others, and not it. */
static void
make_policy(struct rc_policy *p, unsigned n, unsigned v)
{
	memset(p, 0, sizeof(*p));
	p->deny_all = true;
	for (unsigned i = 0; i < n; i++) {
		char word[64];

		(void)snprintf(
		    word, sizeof(word), "+11.0.%u.0/24", third_byte(i, v));
		rc_word(p, i == 0 && v == 0 ? "+1.1.1.1/32" : word);
	}
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
at(double *v, size_t n, double share)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[(size_t)((double)(n - 1) * share)];
}

static uint32_t gen;

static double
ours(struct rc *c, unsigned n, double *p99)
{
	static struct rc_policy p[2];
	static double took[ROUNDS];

	make_policy(&p[0], n, 0);
	make_policy(&p[1], n, 1);
	for (int i = 0; i < ROUNDS; i++) {
		double t0 = now_ms();
		struct rules_reply r =
		    rc_apply(c, slot, gen++, false, &p[i & 1]);

		took[i] = now_ms() - t0;
		if (r.rc < 0) {
			fprintf(stderr, "bench_put: %s\n", r.err.msg);
			exit(2);
		}
		if (i < CHECKED && passes("1.1.1.1") != !(i & 1)) {
			fprintf(stderr, "bench_put: not enforced\n");
			exit(2);
		}
	}
	*p99 = at(took, ROUNDS, 0.99);
	return at(took, ROUNDS, 0.5);
}

static void
write_file(const char *path, unsigned n, unsigned v, uint32_t from, uint32_t to)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		die(path);
	fprintf(f,
	    "flush set inet coppice sb%u_ok4\nadd element inet coppice "
	    "sb%u_ok4 { ",
	    slot, slot);
	for (unsigned i = 0; i < n; i++)
		if (i == 0 && v == 0)
			fprintf(f, "1.1.1.1");
		else
			fprintf(f, "%s11.0.%u.0/24", i == 0 ? "" : ", ",
			    third_byte(i, v));
	fprintf(f, " }\ndelete element inet coppice live { %u }\n", from);
	fprintf(f, "add element inet coppice live { %u }\n", to);
	fprintf(f, "delete element inet coppice gen { \"cop%u\" }\n", slot);
	fprintf(
	    f, "add element inet coppice gen { \"cop%u\" : %u }\n", slot, to);
	if (fclose(f) != 0)
		die(path);
}

static double
peers(unsigned n)
{
	char path[] = "/tmp/bench_put.XXXXXX";
	double took[PEER_ROUNDS];
	int fd = mkstemp(path);

	if (fd < 0)
		die(path);
	close(fd);
	for (int i = 0; i < PEER_ROUNDS; i++) {
		double t0 = now_ms();

		write_file(path, n, i & 1, gen - 1, gen);
		gen++;
		run("nft -f %s", path);
		took[i] = now_ms() - t0;
	}
	(void)unlink(path);
	return at(took, PEER_ROUNDS, 0.5);
}

/* privd rests meanwhile: it would take the peer's changes for an attack. */
static void
measure(const char *privd, const char *conf, uint32_t slots)
{
	static struct rc_policy none;
	double v[2], p99[2], peer[2];
	const unsigned n[2] = { 10, 100 };
	struct rules_reply r;
	struct rc c;

	rc_start(&c, privd, conf);
	r = rc_ask(&c, RULES_HELLO, NULL, 0, -1);
	gen = r.max_gen + 1;
	r = rc_slots(&c, 2, slots > 1 ? slots - 1 : 1);
	if (r.rc == 0)
		r = rc_slots(&c, 1, 1);
	if (r.rc == 0)
		r = rc_apply(&c, 1, gen++, true, &none);
	for (uint32_t i = 2; r.rc == 0 && slots > 1 && i <= slots; i++)
		r = rc_apply(&c, i, gen++, true, &none);
	if (r.rc < 0) {
		fprintf(stderr, "bench_put: %s\n", r.err.msg);
		exit(2);
	}
	for (int i = 0; i < 2; i++)
		v[i] = ours(&c, n[i], &p99[i]);
	(void)kill(c.pid, SIGKILL);
	(void)waitpid(c.pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		peer[i] = peers(n[i]);
		printf("{\"name\":\"put.%u.%u\",\"value\":%.4f,\"unit\":\"ms\","
		       "\"peer\":%.3f,\"ratio\":%.1f,\"n\":%d,\"p99\":%.4f}\n",
		    n[i], slots, v[i], peer[i], peer[i] / v[i], ROUNDS, p99[i]);
		(void)fflush(stdout);
	}
	run("nft delete table inet coppice");
}

int
main(int argc, char **argv)
{
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: bench_put PRIVD [CONF]\n");
		return 2;
	}
	world();
	measure(argv[1], argc > 2 ? argv[2] : NULL, 1);
	measure(argv[1], argc > 2 ? argv[2] : NULL, SLOTS_MAX);
	for (size_t i = 0; i < nhelpers; i++) {
		(void)kill(helpers[i], SIGKILL);
		(void)waitpid(helpers[i], NULL, 0);
	}
	return 0;
}
