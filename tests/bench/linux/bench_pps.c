/*
 * bench_pps.c - small packets through a router, and bulk TCP.
 *
 *	bench_pps udp FROM_NS TO_NS SECONDS	18-byte datagrams to 1.1.1.1:9
 *	bench_pps tcp FROM_NS TO_NS SECONDS	one stream to 1.1.1.1:9
 *
 * FROM_NS and TO_NS are files as in /proc/PID/ns/net.  Everything runs on one
 * CPU, so that the cost of the path is what limits it.  Prints packets (or
 * MiB) a second that arrived, counted by the receiving side.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "bench_pps: %s: %s\n", what, strerror(errno));
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
enter(const char *ns)
{
	int fd = open(ns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(ns);
	close(fd);
}

/* Packets that all interfaces of this namespace have received. */
static double
received(void)
{
	FILE *f = fopen("/proc/thread-self/net/dev", "r");
	char line[512];
	double sum = 0;

	if (f == NULL)
		die("net/dev");
	while (fgets(line, sizeof(line), f) != NULL) {
		char *p = strchr(line, ':');
		unsigned long long bytes, packets;

		if (p == NULL || strstr(line, " lo:") != NULL)
			continue;
		if (sscanf(p + 1, "%llu %llu", &bytes, &packets) == 2)
			sum += (double)packets;
	}
	fclose(f);
	return sum;
}

static void
flood(double seconds)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct mmsghdr m[BATCH] = { 0 };
	char payload[18] = "eighteen bytes...";
	struct iovec iov = { payload, sizeof(payload) };
	double end;

	inet_pton(AF_INET, "1.1.1.1", &a.sin_addr);
	if (connect(fd, (void *)&a, sizeof(a)) < 0)
		die("connect");
	for (int i = 0; i < BATCH; i++) {
		m[i].msg_hdr.msg_iov = &iov;
		m[i].msg_hdr.msg_iovlen = 1;
	}
	for (end = now() + seconds; now() < end;)
		(void)sendmmsg(fd, m, BATCH, 0);
}

static void
udp(const char *from, const char *to, double seconds)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	int sink, small = 4096;
	double before, t0;
	pid_t pid;

	enter(to);
	sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* Never read: what does not fit is dropped, and answered by nothing. */
	setsockopt(sink, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (bind(sink, (void *)&a, sizeof(a)) < 0)
		die("bind");
	pid = fork();
	if (pid == 0) {
		enter(from);
		flood(seconds);
		_exit(0);
	}
	before = received();
	t0 = now();
	if (waitpid(pid, NULL, 0) < 0)
		die("wait");
	printf("%.0f\n", (received() - before) / (now() - t0));
}

static void
stream(double seconds)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static char piece[256 * 1024];
	double end;

	inet_pton(AF_INET, "1.1.1.1", &a.sin_addr);
	if (connect(fd, (void *)&a, sizeof(a)) < 0)
		die("connect");
	for (end = now() + seconds; now() < end;)
		if (send(fd, piece, sizeof(piece), MSG_NOSIGNAL) < 0)
			die("send");
	close(fd);
}

static void
tcp(const char *from, const char *to, double seconds)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	static char piece[256 * 1024];
	int ls, fd, one = 1;
	double sum = 0, t0;
	ssize_t n;
	pid_t pid;

	enter(to);
	ls = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(ls, (void *)&a, sizeof(a)) < 0 || listen(ls, 1) < 0)
		die("listen");
	pid = fork();
	if (pid == 0) {
		enter(from);
		stream(seconds);
		_exit(0);
	}
	fd = accept(ls, NULL, NULL);
	t0 = now();
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		sum += (double)n;
	printf("%.1f\n", sum / 1048576 / (now() - t0));
	(void)waitpid(pid, NULL, 0);
}

int
main(int argc, char **argv)
{
	cpu_set_t one;

	if (argc != 5) {
		fprintf(stderr, "usage: bench_pps udp|tcp FROM_NS TO_NS "
				"SECONDS\n");
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	if (strcmp(argv[1], "udp") == 0)
		udp(argv[2], argv[3], atof(argv[4]));
	else
		tcp(argv[2], argv[3], atof(argv[4]));
	return 0;
}
