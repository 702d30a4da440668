/* capture.c - from the packet socket to the stream, until one has enough. */
#include "capture/capture_int.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "io/log.h"

enum { ROUND_PACKETS = 512, COUNT_MS = 1000 };

struct capture {
	struct capture_fds fds;
	struct capture_ask ask;
	struct buf out;
	uint64_t left; /* bytes that may still go into the file */
	struct pcapng_counts counts;
	struct mono begun, counted;
	bool ended; /* the last block is in out */
	bool gone;  /* nobody reads */
	const char *why;
};

static volatile sig_atomic_t stopped;

void
capture_stop(void)
{
	stopped = 1;
}

static uint64_t
wall_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- request and answer --------------------------------------------------- */

static int
read_ask(int fd, struct capture_ask *a, struct err *e)
{
	const struct mono start = mono_now();
	char *to = (char *)a;
	size_t have = 0;

	while (have < sizeof(*a)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t ms = mono_ms(start, mono_now());
		ssize_t n;

		if (ms >= CAPTURE_ASK_MS ||
		    poll(&p, 1, (int)(CAPTURE_ASK_MS - ms)) == 0)
			return err_set(e, ERR_BUSY, "nobody says what to do");
		n = read(fd, to + have, sizeof(*a) - have);
		if (n == 0)
			return err_set(e, ERR_BUSY, "nobody wants a capture");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, "request");
		have += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Small enough for any socket's buffer. */
static int
answer(int fd, const struct err *why, struct err *e)
{
	struct capture_answer a = { .rc = why != NULL ? -1 : 0 };

	if (why != NULL)
		a.err = *why;
	if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
		return err_sys(e, "answer");
	return 0;
}

/* Nothing arrives before this. */
static int
open_filter(struct capture *c, struct err *e)
{
	struct bpf_program program;
	int rc;

	if (ask_check(&c->ask, e) < 0)
		return -1;
	(void)alarm(CAPTURE_COMPILE_S);
	rc = filter_compile(c->ask.filter, c->ask.snaplen, &program, e);
	(void)alarm(0);
	if (rc < 0)
		return -1;
	rc = packet_begin(c->fds.packet, &program, e);
	pcap_freecode(&program);
	return rc;
}

static int
first_blocks(
    struct capture *c, const char *ifname, const char *sandbox, struct err *e)
{
	char about[96];
	const struct pcapng_if i = {
		.name = ifname,
		.description = about,
		.filter = c->ask.filter,
		.snaplen = c->ask.snaplen,
	};

	(void)snprintf(about, sizeof(about),
	    "sandbox %s, host's end: inbound is what it sends", sandbox);
	if (pcapng_begin(&c->out, &i) < 0 ||
	    c->out.len + PCAPNG_END_BYTES > c->ask.bytes)
		return err_set(e, ERR_SYS, "no memory");
	/* The end has its place from the beginning. */
	c->left = c->ask.bytes - c->out.len - PCAPNG_END_BYTES;
	return 0;
}

/* --- packets -------------------------------------------------------------- */

static bool
has_room(const struct capture *c)
{
	return c->out.len + pcapng_packet_bytes(c->ask.snaplen) <=
	       CAPTURE_BUFFER_MAX;
}

static void
finish(struct capture *c, const char *why)
{
	if (c->ended)
		return;
	c->ended = true;
	c->why = why;
	packet_counts(c->fds.packet, &c->counts);
	/* What still waits behind a slow reader will not be in the file. */
	if (!has_room(c))
		c->counts.dropped = c->counts.received - c->counts.delivered;
	c->counts.ended_ns = wall_ns();
	if (pcapng_end(&c->out, &c->counts) < 0)
		c->gone = true;
}

static void
take_packet(struct capture *c, const struct pcapng_packet *p)
{
	const size_t n = pcapng_packet_bytes(p->caplen);

	if (n > c->left) {
		finish(c, "bytes");
		return;
	}
	if (pcapng_packet(&c->out, p) < 0) {
		finish(c, "memory");
		return;
	}
	c->left -= n;
	c->counts.delivered++;
	if (c->counts.delivered == c->ask.packets)
		finish(c, "packets");
}

static void
take_packets(struct capture *c)
{
	struct pcapng_packet p;
	struct err e;

	for (int i = 0; i < ROUND_PACKETS && !c->ended && has_room(c); i++) {
		int rc = packet_next(c->fds.packet, c->ask.snaplen, &p, &e);

		if (rc == 0)
			return;
		if (rc > 0)
			take_packet(c, &p);
		else if (e.kind == ERR_NONE)
			finish(c, "interface");
		else {
			log_warn("capture.packets err=\"%s\"", e.msg);
			finish(c, "error");
		}
	}
}

/* --- the reader ----------------------------------------------------------- */

static void
give(struct capture *c)
{
	while (c->out.len > 0 && !c->gone) {
		ssize_t n = send(c->fds.stream, c->out.data, c->out.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			buf_consume(&c->out, (size_t)n);
		else if (n == 0 || errno == EAGAIN)
			return;
		else if (errno != EINTR)
			c->gone = true;
	}
}

/* It says nothing after its request: whatever comes is its end. */
static bool
had_enough(struct capture *c)
{
	char byte;
	ssize_t n = read(c->fds.stream, &byte, 1);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0)
		c->gone = true;
	return true;
}

/* The kernel's counters are 32 bits wide: not for longer than they last. */
static void
count(struct capture *c, struct mono now)
{
	if (c->ended || mono_ms(c->counted, now) < COUNT_MS)
		return;
	packet_counts(c->fds.packet, &c->counts);
	c->counted = now;
}

static int
patience(const struct capture *c, struct mono now)
{
	const uint64_t spent = mono_ms(c->begun, now);
	const uint64_t limit = (uint64_t)c->ask.seconds * 1000;

	if (c->ended)
		return -1;
	if (c->ask.seconds == 0)
		return COUNT_MS;
	if (spent >= limit)
		return 0;
	return limit - spent < COUNT_MS ? (int)(limit - spent) : COUNT_MS;
}

/* Why there shall be no more packets than have come by now, or NULL. */
static const char *
reason(struct capture *c, short reader)
{
	if (c->ended)
		return NULL;
	if (reader & (POLLIN | POLLERR | POLLHUP) && had_enough(c))
		return "reader";
	if (stopped)
		return "sandbox";
	return patience(c, mono_now()) == 0 ? "seconds" : NULL;
}

static void
turn(struct capture *c)
{
	struct pollfd p[2] = {
		{ .fd = c->fds.stream, .events = c->ended ? 0 : POLLIN },
		{ .fd = c->ended || !has_room(c) ? -1 : c->fds.packet,
		    .events = POLLIN },
	};
	const bool waiting = p[1].fd >= 0 && packet_waiting();
	const char *why;

	if (c->out.len > 0)
		p[0].events |= POLLOUT;
	if (poll(p, 2, waiting ? 0 : patience(c, mono_now())) < 0) {
		c->gone = errno != EINTR;
		p[0].revents = p[1].revents = 0;
	}
	why = reason(c, p[0].revents);
	if (p[1].revents != 0 || waiting || why != NULL)
		take_packets(c);
	if (why != NULL)
		finish(c, why);
	count(c, mono_now());
	give(c);
	if (p[0].revents & POLLERR)
		c->gone = true;
}

static int
begin(struct capture *c, const char *ifname, const char *sandbox, struct err *e)
{
	struct err why;

	if (read_ask(c->fds.stream, &c->ask, e) < 0)
		return -1;
	buf_init(&c->out, CAPTURE_BUFFER_MAX + PCAPNG_END_BYTES);
	if (open_filter(c, &why) < 0 ||
	    first_blocks(c, ifname, sandbox, &why) < 0) {
		*e = why;
		(void)answer(c->fds.stream, &why, &(struct err){ 0 });
		return -1;
	}
	return answer(c->fds.stream, NULL, e);
}

int
capture_run(struct capture_fds fds, const char *ifname, const char *sandbox,
    struct err *e)
{
	static struct capture c;
	int rc;

	c.fds = fds;
	rc = begin(&c, ifname, sandbox, e);
	if (rc == 0) {
		c.begun = c.counted = mono_now();
		c.counts.begun_ns = wall_ns();
		log_debug("capture.begin sbx=%s", sandbox);
		while (!c.gone && !(c.ended && c.out.len == 0))
			turn(&c);
		log_debug("capture.end sbx=%s why=%s packets=%llu dropped=%llu",
		    sandbox, c.why != NULL ? c.why : "reader",
		    (unsigned long long)c.counts.delivered,
		    (unsigned long long)c.counts.dropped);
	}
	buf_fini(&c.out);
	return rc;
}
