/*
 * frames - sends frames that no honest sender would, and says where each of
 * them came out.
 *
 * usage: frames END...	END is NAME=PLACE:INTERFACE[,VIA,SOURCE4[,SOURCE6]]
 *			or NAME=PLACE:nflog, which hears a group of that
 *			place's packet filter (GROUP below, Linux)
 *
 * Every end hears what comes in; through those with an interface frames are
 * sent, with VIA as the next hop's MAC and the sources as the sender's own.
 * The last end is the witness.  Behind every shot, once nothing of it is under
 * way (frame_drain), two of its own go out: a datagram that comes in at the
 * first end, and a SYN to an address of its own network, which is refused.
 * When both have been told, so has all that a filter has to say about the shot.
 * So "nothing arrived" is a count and not a time-out.
 *
 * A line on standard input is a command, one line answers it:
 *
 *	shoot END FRAME [-- FRAME]...	see tests/lib/frame.h; each FRAME holds
 *					a new token
 *	flood END N FRAME		N of them; "@" in it is 0, 1, ...
 *	last END			of the last TCP segment that came in:
 *					"SRC SPORT DST DPORT SEQ ACK"
 *	link END			ARP frames and neighbour messages, both
 *					ways, but for our own, since the last
 *					time: "arp=N nd=N"
 *	settle				returns when nothing comes in any more
 *
 * To shoot and flood the answer is a verdict and the counts:
 *
 *	END[+END]	came out there
 *	refused		nowhere, and the sender was told: RST or ICMP
 *	answered	nowhere, but the token came back
 *	silent		nowhere, and not a word
 *	...+stray	and packets without the token came out somewhere
 *
 * The counts are of packets with the token and of fragments; the sender's own
 * are answers, its errors and resets apart.  The last stray is described.
 */
#include "lib/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ENDS_MAX = 8,
	GROUP = 78,
	BATCH = 64,
	PATIENCE_MS = 5000,
	QUIET_MS = 100,
	REFUSED_PORT = 998 /* what the witness's SYN comes from */
};

struct counts {
	unsigned token;	  /* packets that hold it, errors apart */
	unsigned error;	  /* ICMP that says no to one of them */
	unsigned reset;	  /* RST */
	unsigned stray;	  /* IP packets without it */
	unsigned arp, nd; /* on the link; not cleared by a shot */
};

struct end {
	char name[16];
	int fd;
	bool nflog;
	struct frame_me me;
	struct counts seen;
	uint8_t last[40]; /* the last TCP segment: IPv4 and TCP header */
};

static struct end ends[ENDS_MAX];
static size_t nends;
static char odd[160]; /* the last stray, in words */
static char token[FRAME_TOKEN], witness_token[FRAME_TOKEN];
static bool witness_seen, witness_refused;
static uint8_t frame[FRAME_MAX];

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- what comes in -------------------------------------------------------- */

static bool
holds(const uint8_t *p, size_t n, const char *word)
{
	return memmem(p, n, word, strlen(word)) != NULL;
}

static uint8_t
proto_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[9] : ip[6];
}

static const uint8_t *
inside_ip(const uint8_t *ip)
{
	return ip + (ip[0] >> 4 == 4 ? (ip[0] & 15) * 4 : 40);
}

/* An ICMP message that says that a packet got nowhere. */
static bool
is_error(const uint8_t *ip)
{
	const uint8_t *in = inside_ip(ip);

	return ip[0] >> 4 == 4 ? ip[9] == IPPROTO_ICMP && in[0] == 3
			       : ip[6] == IPPROTO_ICMPV6 && in[0] == 1;
}

static bool
is_reset(const uint8_t *ip)
{
	return proto_of(ip) == IPPROTO_TCP && (inside_ip(ip)[13] & 4) != 0;
}

/* To the witness's own SYN. */
static bool
is_refusal(const uint8_t *ip, size_t n)
{
	const uint8_t *tcp = inside_ip(ip);

	return n >= 40 && is_reset(ip) &&
	       (tcp[2] << 8 | tcp[3]) == REFUSED_PORT;
}

/* Its place in a packet may hold no token; it has no business there either. */
static bool
is_fragment(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? (ip[6] & 0x3f) != 0 || ip[7] != 0
			       : ip[6] == IPPROTO_FRAGMENT;
}

/* Of routers and neighbours. */
static bool
is_discovery(const uint8_t *ip, size_t n)
{
	return n >= 48 && ip[0] >> 4 == 6 && ip[6] == IPPROTO_ICMPV6 &&
	       ip[40] >= 133 && ip[40] <= 137;
}

/* What a host says of itself on a link, unasked. */
static bool
is_housekeeping(const uint8_t *ip, size_t n)
{
	/* Multicast listeners: router alert, then ICMPv6. */
	return is_discovery(ip, n) ||
	       (n >= 56 && ip[0] >> 4 == 6 && ip[6] == 0 &&
		   ip[40] == IPPROTO_ICMPV6 && ip[48] == 143);
}

static void
describe(const struct end *e, const uint8_t *ip, size_t n)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	const uint8_t *in = inside_ip(ip);
	bool v4 = ip[0] >> 4 == 4;

	if (in + 14 > ip + n) {
		(void)snprintf(odd, sizeof(odd), " (at %s: short)", e->name);
		return;
	}
	(void)inet_ntop(
	    v4 ? AF_INET : AF_INET6, ip + (v4 ? 12 : 8), from, sizeof(from));
	(void)inet_ntop(
	    v4 ? AF_INET : AF_INET6, ip + (v4 ? 16 : 24), to, sizeof(to));
	(void)snprintf(odd, sizeof(odd),
	    " (at %s: protocol %u from %s to %s: %02x%02x %02x%02x ... %02x)",
	    e->name, proto_of(ip), from, to, in[0], in[1], in[2], in[3],
	    in[13]);
}

static void
packet_in(struct end *e, const uint8_t *ip, size_t n)
{
	if (holds(ip, n, witness_token)) {
		witness_seen = witness_seen || e == &ends[0];
		return;
	}
	if (e == &ends[nends - 1] && is_refusal(ip, n)) {
		witness_refused = true;
		return;
	}
	if (n >= 40 && ip[0] == 0x45 && ip[9] == IPPROTO_TCP)
		memcpy(e->last, ip, sizeof(e->last));
	if (n >= 40 && is_reset(ip))
		e->seen.reset++;
	if (holds(ip, n, token) || is_fragment(ip)) {
		if (n >= 28 && is_error(ip))
			e->seen.error++;
		else
			e->seen.token++;
	} else if (!is_housekeeping(ip, n)) {
		e->seen.stray++;
		describe(e, ip, n);
	}
}

static void
frame_in(void *arg, const uint8_t *f, size_t n, bool incoming)
{
	struct end *e = arg;
	unsigned type = n < 14 ? 0 : (unsigned)f[12] << 8 | f[13];

	if (type == FRAME_ARP)
		e->seen.arp++;
	if (type == FRAME_IP6 && is_discovery(f + 14, n - 14))
		e->seen.nd++;
	if (!incoming)
		return;
	if ((type == FRAME_IP4 || type == FRAME_IP6) && n >= 34)
		packet_in(e, f + 14, n - 14);
	else if (holds(f, n, token))
		e->seen.token++;
}

static void
logged_in(void *arg, const uint8_t *ip, size_t n, bool incoming)
{
	(void)incoming;
	packet_in(arg, ip, n);
}

static void
take(struct end *e)
{
	if (e->nflog)
		frame_log_take(e->fd, logged_in, e);
	else
		frame_take(e->fd, frame_in, e);
}

static void
take_all(void)
{
	for (size_t i = 0; i < nends; i++)
		take(&ends[i]);
}

/* --- ends ----------------------------------------------------------------- */

/* NAME=PLACE:WHAT[,VIA,SOURCE4[,SOURCE6]] */
static void
add_end(char *word)
{
	struct end *e = &ends[nends];
	char *name = strsep(&word, "="), *place = strsep(&word, ":");
	char *what = strsep(&word, ","), *via = strsep(&word, ",");
	char *s4 = strsep(&word, ","), *s6 = strsep(&word, ",");

	if (what == NULL || nends == ENDS_MAX) {
		fprintf(stderr, "frames: see the top of frames.c\n");
		exit(2);
	}
	(void)snprintf(e->name, sizeof(e->name), "%s", name);
	(void)snprintf(
	    e->me.s4, sizeof(e->me.s4), "%s", s4 != NULL ? s4 : "0.0.0.0");
	(void)snprintf(
	    e->me.s6, sizeof(e->me.s6), "%s", s6 != NULL ? s6 : "::");
	e->nflog = strcmp(what, "nflog") == 0;
	if (e->nflog) {
		e->fd = frame_log(atoi(place), GROUP);
	} else {
		e->fd = frame_socket(atoi(place), what);
		frame_mac(atoi(place), what, e->me.mac);
	}
	if (via != NULL &&
	    sscanf(via, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &e->me.via[0],
		&e->me.via[1], &e->me.via[2], &e->me.via[3], &e->me.via[4],
		&e->me.via[5]) != 6)
		die(via);
	nends++;
}

static struct end *
end_named(const char *name)
{
	for (size_t i = 0; name != NULL && i < nends; i++)
		if (strcmp(ends[i].name, name) == 0)
			return &ends[i];
	fprintf(stderr, "frames: no end \"%s\"\n", name == NULL ? "" : name);
	exit(2);
}

/* --- what goes out -------------------------------------------------------- */

static void
send_one(const struct end *e, const char *with, const char *text)
{
	size_t n = frame_build(&e->me, with, text, frame);

	frame_send(e->fd, frame, n, text);
}

static void
new_shot(void)
{
	static uint32_t last;

	take_all();
	(void)frame_token(++last, token);
	(void)frame_token(++last, witness_token);
	witness_seen = witness_refused = false;
	for (size_t i = 0; i < nends; i++) {
		struct counts *c = &ends[i].seen;

		c->token = c->error = c->reset = c->stray = 0;
	}
}

static long
ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Sends one of the witness's own, and waits until it is known what came of it.
 */
static bool
witness_sends(const char *text, const struct end *hears, const bool *known)
{
	long end = ms_now() + PATIENCE_MS;

	send_one(&ends[nends - 1], witness_token, text);
	while (!*known && ms_now() < end) {
		struct pollfd p = { hears->fd, POLLIN, 0 };

		(void)poll(&p, 1, 100);
		take_all();
	}
	return *known;
}

/* Then the shot is wherever it gets to, and whoever is told has been told. */
static bool
wait_for_witness(void)
{
	char refused[80];
	bool both;

	(void)snprintf(refused, sizeof(refused),
	    "ip dst=10.78.255.255 tcp sport=%d dport=9 data", REFUSED_PORT);
	frame_drain();
	both = witness_sends("ip dst=1.1.1.1 udp sport=999 dport=9 data",
		   &ends[0], &witness_seen) &&
	       witness_sends(refused, &ends[nends - 1], &witness_refused);
	frame_drain();
	take_all();
	return both;
}

static void
answer(const struct end *from)
{
	const struct counts *c = &from->seen;
	unsigned n = 0, stray = 0;

	if (!wait_for_witness()) {
		printf("the witness is lost\n");
		return;
	}
	for (size_t i = 0; i < nends; i++) {
		struct counts *at = &ends[i].seen;

		if (&ends[i] != from) {
			/* An error is an arrival like any other there. */
			at->token += at->error;
			stray += at->stray;
		}
		if (&ends[i] != from && at->token > 0)
			printf("%s%s", n++ > 0 ? "+" : "", ends[i].name);
	}
	if (n == 0 && c->token > 0)
		printf("answered");
	else if (n == 0)
		printf("%s", c->error + c->reset > 0 ? "refused" : "silent");
	printf("%s", stray > 0 ? "+stray" : "");
	for (size_t i = 0; i < nends; i++)
		printf(" %s=%u", ends[i].name, ends[i].seen.token);
	printf(" error=%u reset=%u stray=%u%s\n", c->error, c->reset, stray,
	    stray > 0 ? odd : "");
}

/* --- commands ------------------------------------------------------------- */

static void
shoot(char *line)
{
	struct end *e = end_named(strsep(&line, " "));
	char *next;

	new_shot();
	while (line != NULL) {
		next = strstr(line, " -- ");
		if (next != NULL) {
			*next = '\0';
			next += 4;
		}
		send_one(e, token, line);
		line = next;
	}
	answer(e);
}

/* "@" in the line becomes a number. */
static void
number_it(const char *line, unsigned number, char to[FRAME_TEXT_MAX])
{
	size_t n = 0;

	for (; *line != '\0' && n + 12 < FRAME_TEXT_MAX; line++)
		if (*line == '@')
			n += (size_t)snprintf(to + n, 12, "%u", number);
		else
			to[n++] = *line;
	to[n] = '\0';
}

static void
flood(char *line)
{
	struct end *e = end_named(strsep(&line, " "));
	unsigned total = (unsigned)atoi(line == NULL ? "0" : line);
	char text[FRAME_TEXT_MAX];

	(void)strsep(&line, " ");
	if (line == NULL || total == 0)
		die("flood END N FRAME");
	new_shot();
	for (unsigned i = 0; i < total; i++) {
		number_it(line, i, text);
		send_one(e, token, text);
		if (i % BATCH == 0)
			take_all();
	}
	answer(e);
}

static void
say_last(const struct end *e)
{
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	uint32_t seq, ack;

	if (e->last[0] == 0) {
		printf("nothing\n");
		return;
	}
	memcpy(&seq, e->last + 24, sizeof(seq));
	memcpy(&ack, e->last + 28, sizeof(ack));
	(void)inet_ntop(AF_INET, e->last + 12, src, sizeof(src));
	(void)inet_ntop(AF_INET, e->last + 16, dst, sizeof(dst));
	printf("%s %d %s %d %u %u\n", src, e->last[20] << 8 | e->last[21], dst,
	    e->last[22] << 8 | e->last[23], ntohl(seq), ntohl(ack));
}

static void
say_link(struct end *e)
{
	printf("arp=%u nd=%u\n", e->seen.arp, e->seen.nd);
	e->seen.arp = e->seen.nd = 0;
}

/* What others have begun is over: nothing comes in any more. */
static void
settle(void)
{
	struct pollfd p[ENDS_MAX];

	for (size_t i = 0; i < nends; i++)
		p[i] = (struct pollfd){ ends[i].fd, POLLIN, 0 };
	while (poll(p, nends, QUIET_MS) > 0)
		take_all();
	printf("settled\n");
}

static void
command(char *line)
{
	char *what = strsep(&line, " ");

	if (strcmp(what, "shoot") == 0) {
		shoot(line);
	} else if (strcmp(what, "flood") == 0) {
		flood(line);
	} else if (strcmp(what, "last") == 0) {
		take_all();
		say_last(end_named(line));
	} else if (strcmp(what, "link") == 0) {
		take_all();
		say_link(end_named(line));
	} else if (strcmp(what, "settle") == 0) {
		settle();
	} else {
		printf("no such command: %s\n", what);
	}
}

int
main(int argc, char **argv)
{
	static char line[FRAME_TEXT_MAX * 8];

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	frame_one_cpu();
	for (int i = 1; i < argc; i++)
		add_end(argv[i]);
	if (nends < 2)
		die("two ends at least");
	new_shot();
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		command(line);
	}
	return 0;
}
