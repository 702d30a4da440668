/*
 * frame_fence.c - when a packet is where it goes.
 *
 * Each end of an epair has a queue, and one thread of the kernel hands in what
 * is in them: it empties a queue once, and what has come into it meanwhile
 * waits until all other queues have had their turn.  With a second processor
 * packets do come in meanwhile, so one that was sent later, through another
 * epair, may overtake hundreds.  Only within one queue is there an order.
 *
 * So every link has fences: frames of a type that nobody knows, sent behind
 * the others and heard at the other end, where those before them have then
 * been handed in, routed, filtered and put into the next queue.
 */
#include "lib/frame.h"
#include "lib/freebsd/frame_os.h"

#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/types.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <net/bpf.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_types.h>

enum {
	LINKS_MAX = 8,
	ENDS_MAX = 64,
	BUFFER = 4096,
	FENCE_TYPE = 0x88b5, /* IEEE 802: for local experiments */
	FENCE_SIZE = 60,
	PATIENCE_MS = 5000,
	/* To the host and on, and an answer's way; one more than that takes. */
	ROUNDS = 3,
};

struct link {
	int jail, ear; /* inside: what sends frames, what hears fences */
	int host;      /* outside: both */
};

static struct link links[LINKS_MAX];
static size_t nlinks;
static uint32_t last;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "frame: fence: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long
ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool
frame_is_fence(const uint8_t *f, size_t n)
{
	return n >= 14 && (f[12] << 8 | f[13]) == FENCE_TYPE;
}

/* --- one fence ------------------------------------------------------------ */

static int
listen_for_fences(int place, const char *interface)
{
	struct bpf_insn code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FENCE_TYPE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, FENCE_SIZE),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct bpf_program only = { sizeof(code) / sizeof(code[0]), code };
	int fd = frame_bpf(place, interface, BUFFER);

	if (ioctl(fd, BIOCSETF, &only) < 0)
		die(interface);
	return fd;
}

/* To an address that nobody has. */
static void
send_fence(int fd, uint32_t number)
{
	uint8_t f[FENCE_SIZE] = {
		2, [6] = 2, [12] = FENCE_TYPE >> 8, [13] = FENCE_TYPE & 0xff
	};

	memcpy(f + 14, &number, sizeof(number));
	frame_send(fd, f, sizeof(f), "fence");
}

/* Whether that fence is among what has come. */
static bool
came(int fd, uint32_t number)
{
	static _Alignas(BPF_ALIGNMENT) uint8_t b[BUFFER];
	bool found = false;
	ssize_t n;

	while ((n = read(fd, b, sizeof(b))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct bpf_hdr *h = (const void *)(b + at);

			if (h->bh_caplen == FENCE_SIZE &&
			    memcmp(b + at + h->bh_hdrlen + 14, &number,
				sizeof(number)) == 0)
				found = true;
			at += (ssize_t)BPF_WORDALIGN(
			    (size_t)h->bh_hdrlen + h->bh_caplen);
		}
	}
	if (n < 0 && errno != EAGAIN)
		die("bpf");
	return found;
}

static void
wait_for(int fd, uint32_t number)
{
	long end = ms_now() + PATIENCE_MS;

	while (!came(fd, number)) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (ms_now() > end) {
			errno = ETIMEDOUT;
			die("it did not come");
		}
		(void)poll(&p, 1, 100);
	}
}

/* --- links ---------------------------------------------------------------- */

/* The host's interfaces that could be the other end of one. */
static size_t
all_of_host(int fds[ENDS_MAX])
{
	struct ifaddrs *all, *i;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		die("getifaddrs");
	for (i = all; i != NULL && n < ENDS_MAX; i = i->ifa_next) {
		const struct sockaddr_dl *dl = (const void *)i->ifa_addr;

		if (dl != NULL && dl->sdl_family == AF_LINK &&
		    dl->sdl_type == IFT_ETHER && (i->ifa_flags & IFF_UP) != 0)
			fds[n++] = listen_for_fences(0, i->ifa_name);
	}
	freeifaddrs(all);
	return n;
}

/* The one of them that a fence comes out of; the others are closed. */
static int
other_end(int fd)
{
	int fds[ENDS_MAX], found = -1;
	long end = ms_now() + PATIENCE_MS;
	size_t n = all_of_host(fds);

	send_fence(fd, ++last);
	while (found < 0 && ms_now() < end)
		for (size_t i = 0; i < n; i++)
			if (found < 0 && came(fds[i], last))
				found = fds[i];
	for (size_t i = 0; i < n; i++)
		if (fds[i] != found)
			(void)close(fds[i]);
	return found;
}

void
frame_fence_add(int fd, int place, const char *interface)
{
	struct link *l = &links[nlinks];

	if (place == 0)
		return; /* its other end is the link's business */
	if (nlinks == LINKS_MAX)
		die("too many links");
	*l = (struct link){ .jail = fd,
		.ear = listen_for_fences(place, interface),
		.host = other_end(fd) };
	if (l->host < 0)
		die(interface);
	nlinks++;
}

void
frame_drain(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		last++;
		for (size_t k = 0; k < nlinks; k++)
			send_fence(links[k].jail, last);
		for (size_t k = 0; k < nlinks; k++)
			wait_for(links[k].host, last);
		for (size_t k = 0; k < nlinks; k++)
			send_fence(links[k].host, last);
		for (size_t k = 0; k < nlinks; k++)
			wait_for(links[k].ear, last);
	}
}
