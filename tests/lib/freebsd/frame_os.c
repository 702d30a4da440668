#include "lib/frame.h"
#include "lib/freebsd/frame_os.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/param.h>
#include <sys/cpuset.h>
#include <sys/ioctl.h>
#include <sys/jail.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <net/bpf.h>
#include <net/if.h>
#include <net/if_dl.h>

enum { BUFFER = 512 * 1024 };

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "frame: %s: %s\n", what, strerror(errno));
	exit(2);
}

/*
 * A descriptor of /dev/bpf belongs to whoever opened it, but finds its
 * interface in the network of whoever binds it: a child that enters the jail
 * (from where there is no way back) does that.
 */
static void
in_jail(int jid, int (*body)(void *arg), void *arg, const char *about)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		_exit((jid > 0 && jail_attach(jid) < 0) || body(arg) < 0
			  ? errno & 0x7f
			  : 0);
	if (waitpid(pid, &status, 0) < 0)
		die("wait");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		errno = WEXITSTATUS(status);
		die(about);
	}
}

struct bind_it {
	int fd;
	struct ifreq r;
};

static int
set_interface(void *arg)
{
	struct bind_it *b = arg;

	return ioctl(b->fd, BIOCSETIF, &b->r);
}

int
frame_bpf(int place, const char *interface, unsigned size)
{
	struct bind_it b = { .fd = open(
				 "/dev/bpf", O_RDWR | O_NONBLOCK | O_CLOEXEC) };
	unsigned on = 1, link = 0, in = BPF_D_IN;

	if (b.fd < 0)
		die("/dev/bpf");
	(void)snprintf(b.r.ifr_name, sizeof(b.r.ifr_name), "%s", interface);
	if (ioctl(b.fd, BIOCSBLEN, &size) < 0)
		die("BIOCSBLEN");
	in_jail(place, set_interface, &b, interface);
	if (ioctl(b.fd, BIOCGDLT, &link) < 0 || link != DLT_EN10MB ||
	    ioctl(b.fd, BIOCIMMEDIATE, &on) < 0 ||
	    ioctl(b.fd, BIOCSHDRCMPLT, &on) < 0 ||
	    ioctl(b.fd, BIOCSDIRECTION, &in) < 0 || ioctl(b.fd, BIOCFLUSH) < 0)
		die(interface);
	return b.fd;
}

int
frame_socket(int place, const char *interface)
{
	int fd = frame_bpf(place, interface, BUFFER);

	frame_fence_add(fd, place, interface);
	return fd;
}

struct ask_mac {
	const char *interface;
	int to;
};

static int
tell_mac(void *arg)
{
	const struct ask_mac *a = arg;
	struct ifaddrs *all, *i;

	if (getifaddrs(&all) < 0)
		return -1;
	for (i = all; i != NULL; i = i->ifa_next) {
		const struct sockaddr_dl *dl = (const void *)i->ifa_addr;

		if (dl != NULL && dl->sdl_family == AF_LINK &&
		    strcmp(i->ifa_name, a->interface) == 0)
			return write(a->to, LLADDR(dl), 6) == 6 ? 0 : -1;
	}
	errno = ENXIO;
	return -1;
}

void
frame_mac(int place, const char *interface, uint8_t mac[6])
{
	struct ask_mac a = { .interface = interface };
	int p[2];

	if (pipe(p) < 0)
		die("pipe");
	a.to = p[1];
	in_jail(place, tell_mac, &a, interface);
	if (read(p[0], mac, 6) != 6)
		die(interface);
	(void)close(p[0]);
	(void)close(p[1]);
}

void
frame_send(int fd, const void *frame, size_t n, const char *about)
{
	struct timespec wait = { 0, 1000000 };

	/* A queue that is full for a moment. */
	for (int i = 0; i < 1000; i++) {
		if (write(fd, frame, n) == (ssize_t)n)
			return;
		if (errno != ENOBUFS)
			break;
		(void)nanosleep(&wait, NULL);
	}
	die(about);
}

/* bpf hands on its whole buffer: as many frames as there are. */
void
frame_take(int fd, frame_heard *heard, void *arg)
{
	static _Alignas(BPF_ALIGNMENT) uint8_t b[BUFFER];
	struct bpf_stat lost = { 0 };
	ssize_t n;

	while ((n = read(fd, b, sizeof(b))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct bpf_hdr *h = (const void *)(b + at);

			if (!frame_is_fence(
				b + at + h->bh_hdrlen, h->bh_caplen))
				heard(arg, b + at + h->bh_hdrlen, h->bh_caplen,
				    true);
			at += (ssize_t)BPF_WORDALIGN(
			    (size_t)h->bh_hdrlen + h->bh_caplen);
		}
	}
	if (n < 0 && errno != EAGAIN)
		die("bpf");
	if (ioctl(fd, BIOCGSTATS, &lost) == 0 && lost.bs_drop != 0)
		die("packets were lost");
}

int
frame_log(int place, unsigned group)
{
	(void)place;
	(void)group;
	errno = EOPNOTSUPP;
	die("pf does not log what it lets through");
}

void
frame_log_take(int fd, frame_heard *heard, void *arg)
{
	(void)fd;
	(void)heard;
	(void)arg;
}

void
frame_one_cpu(void)
{
	cpuset_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (cpuset_setaffinity(
		CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, sizeof(one), &one) < 0)
		die("one processor");
}
