/* egress_int.h - the sandboxes' resolver, for its own directory. */
#ifndef EGRESS_INT_H
#define EGRESS_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/prefix.h"
#include "egress/dnswire.h"
#include "io/loop.h"

enum {
	UPSTREAMS_MAX = 64,
	SLOTS_MAX = 32768,
	QUERIES_MAX = 2048,	/* on their way, over UDP */
	QUERIES_PER_SLOT = 128, /* of one sandbox */
	QUERIES_BUSY = QUERIES_MAX / 2,
	QUERIES_PER_SLOT_BUSY = 8, /* of one, once so many are on their way */
	STREAMS_MAX = 512,	   /* TCP connections of sandboxes */
	STREAMS_PER_SLOT = 8,
	RATE_PER_S = 200, /* queries of one sandbox, in the long run */
	RATE_BURST = 400,
	TRY_MS = 2000, /* until another upstream is asked */
	TRIES = 3,
	STREAM_IDLE_MS = 10000,
};

struct upstream {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* What one sandbox has used. */
struct client {
	uint32_t tokens_m; /* thousandths of a query */
	uint32_t at_ms;	   /* when they were counted; wraps */
	uint16_t queries, streams;
};

struct egress {
	struct loop *loop;
	struct np_prefix net4, net6;
	bool ipv6;
	struct upstream up[UPSTREAMS_MAX];
	size_t nup, best; /* best: the last that answered */
	struct loop_io udp[2];
	struct loop_io tcp[2];
	struct query *queries;
	size_t nqueries;
	struct stream *streams;
	size_t nstreams;
	struct loop_timer sweep;
	struct client *client; /* SLOTS_MAX */
	uint64_t forwarded, refused, limited, failed;
};

/* Addresses of resolv.conf's `nameserver` lines, at most UPSTREAMS_MAX. */
void upstreams_of_host(struct egress *g, const char *path);
/* ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT. */
int upstream_add(struct egress *g, const char *text);

/*
 * The sandbox at `peer` that spoke to us at `local`; NULL if either is not of
 * the sandboxes' networks, which then has no answer.
 */
struct client *client_find(struct egress *g, const struct sockaddr *peer,
    const struct sockaddr *local);
/* False: it has had more than its share lately. */
bool client_may_ask(struct egress *g, struct client *c);

void udp_open(struct egress *g, unsigned i, int fd);
void udp_sweep(struct egress *g, struct mono now);
void udp_close(struct egress *g);
void tcp_open(struct egress *g, unsigned i, int fd);
void tcp_sweep(struct egress *g, struct mono now);
void tcp_close(struct egress *g);

/* --- OS: linux/ or freebsd/: datagrams that know the address they came to --*/

int pktinfo_enable(int fd, int family);
/* As recvfrom; *local is where it was sent to. */
ssize_t pktinfo_recv(int fd, void *p, size_t cap, struct sockaddr_storage *peer,
    struct sockaddr_storage *local);
/* Where a redirected query arrives: an address of the sandboxes' network, or
 * the one of ours that the rules lead it to. */
bool pktinfo_is_ours(const struct egress *g, struct np_addr local);
/* As sendto, from *local. */
ssize_t pktinfo_send(int fd, const void *p, size_t n,
    const struct sockaddr_storage *peer, const struct sockaddr_storage *local);

#endif
